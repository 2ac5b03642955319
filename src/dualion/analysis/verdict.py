"""The verdict on a pair of ions in a framework: both move, one does, none, or it is not decided."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from pydantic import Field

from dualion.analysis.comparison import Value, measure
from dualion.analysis.criteria import Criteria, Trust
from dualion.analysis.diffusion import Diffusivity
from dualion.analysis.passage import Movement, Passage
from dualion.analysis.percolation import AXES, DIMENSIONS
from dualion.records import LevelOfTheory, Mechanism, Record

Confidence = Literal["high", "fair", "low", "none"]


class Answer(StrEnum):
    """What a framework does with two ions."""

    DUAL = "dual conductor"
    FIRST = "selective for the first"
    SECOND = "selective for the second"
    NEITHER = "neither"
    UNDECIDED = "undecided"


class IonVerdict(Record):
    """What one ion does."""

    passage: Passage
    possible: tuple[Movement, ...] = Field(description="Within the bounds; one: decided.")
    diffusivity: Diffusivity | None = Field(
        None, description="Of a lone carrier; None: nothing is known to get through."
    )

    @property
    def ion(self) -> str:
        """Symbol."""
        return self.passage.ion

    @property
    def movement(self) -> Movement | None:
        """What it does, if that is decided."""
        return self.possible[0] if len(self.possible) == 1 else None

    @property
    def word(self) -> str:
        """What it does, or may do: ``moves``, ``slow or blocked``."""
        return " or ".join(self.possible)

    @property
    def best(self) -> float | None:
        """Lowest barrier by which it is known to get through at all, in eV."""
        return self.passage.range("1D").value


class PairVerdict(Record):
    """One verdict: framework, pair, surroundings, temperature, level of theory."""

    framework: str
    framework_fingerprint: str
    formula: str = Field(description="Of the framework's primitive parent.")
    mechanism: Mechanism
    pair: tuple[str, str]
    surroundings: str = Field(description="Arrangements of both ions, as 'pure/dilute'.")
    temperature: float = Field(description="In K.")
    theory: LevelOfTheory
    trust: Trust
    criteria: Criteria
    answer: Answer
    criterion: str = Field(description="What decided, or what keeps it from being decided.")
    confidence: Confidence
    ions: tuple[IonVerdict, IonVerdict]
    doubts: tuple[str, ...] = Field((), description="What no error bar holds.")
    to_compute: tuple[str, ...] = Field((), description="What would decide it, or make it surer.")

    @property
    def text(self) -> str:
        """The verdict in words, with the ions: ``selective for Li (blocks Na)``."""
        first, second = self.pair
        return {
            Answer.FIRST: f"selective for {first} (blocks {second})",
            Answer.SECOND: f"selective for {second} (blocks {first})",
            Answer.NEITHER: f"neither {first} nor {second} moves",
        }.get(self.answer, self.answer.value)

    @property
    def carries(self) -> tuple[str, ...]:
        """Ions that move for certain."""
        return tuple(each.ion for each in self.ions if each.movement is Movement.MOVES)

    @property
    def blocks(self) -> tuple[str, ...]:
        """Ions that are blocked while the other moves."""
        return {
            Answer.FIRST: (self.pair[1],),
            Answer.SECOND: (self.pair[0],),
        }.get(self.answer, ())

    @property
    def difference(self) -> float | None:
        """Lowest percolating barrier of the second ion less that of the first, in eV."""
        first, second = (each.best for each in self.ions)
        return None if first is None or second is None else second - first

    @property
    def ratio(self) -> float | None:
        """That of the second ion over that of the first; None if that is not above 0."""
        first, second = (each.best for each in self.ions)
        return None if second is None or not first else second / first

    @property
    def selectivity(self) -> float | None:
        """Diffusivity of the first ion over that of the second, at the temperature."""
        values = [each.diffusivity.mean if each.diffusivity else 0.0 for each in self.ions]
        return values[0] / values[1] if min(values) > 0.0 else None

    def as_row(self) -> dict[str, Value]:
        """Return one flat row for a table, JSON or CSV; energies in eV, diffusivities in cm²/s."""
        row: dict[str, Value] = {
            "framework": self.framework,
            "formula": self.formula,
            "mechanism": self.mechanism.value,
            "first": self.pair[0],
            "second": self.pair[1],
            "surroundings": self.surroundings,
            "temperature": self.temperature,
            "verdict": self.text,
            "answer": self.answer.value,
            "confidence": self.confidence,
        }
        for name, each in zip(("first", "second"), self.ions, strict=True):
            ranges = {r.what: r for r in each.passage.ranges}
            row[f"{name}_movement"] = each.word
            for what in (*DIMENSIONS, *AXES):
                row[f"{name}_{what}"] = ranges[what].value
            row[f"{name}_lowest"] = ranges["1D"].lowest
            row[f"{name}_highest"] = ranges["1D"].highest
            way = each.passage.channels.get("1D")
            row[f"{name}_bottleneck"] = way.bottleneck if way else None
            row[f"{name}_diffusivity"] = each.diffusivity.mean if each.diffusivity else None
            row[f"{name}_missing"] = ", ".join(
                f"{m.class_id} {m.reason}" for m in each.passage.missing
            )
        moves, blocked = self.criteria.at(self.temperature)
        return row | {
            "difference": self.difference,
            "ratio": self.ratio,
            "selectivity": self.selectivity,
            "moves_below": moves,
            "blocked_above": blocked,
            "theory_error": self.trust.error,
            "criterion": self.criterion,
            "to_compute": "; ".join(self.to_compute),
            "engine": self.theory.stamp.engine,
            "fingerprint": self.theory.fingerprint,
        }


def answer_of(
    first: frozenset[Movement], second: frozenset[Movement]
) -> tuple[Answer, frozenset[Answer]]:
    """Judge a pair by what each of its ions may do.

    Both move: a dual conductor. One moves and the other is blocked: selective. None moves:
    neither. One moves and the other is slow: undecided, since that framework neither carries the
    other nor keeps it out. It is decided if every combination of what the ions may do gives the
    same.

    Parameters
    ----------
    first, second
        Movements within the bounds; not empty.

    Returns
    -------
    tuple
        The answer, and all answers within the bounds.
    """
    answers = frozenset(_of(a, b) for a, b in itertools.product(first, second))
    return (next(iter(answers)) if len(answers) == 1 else Answer.UNDECIDED), answers


def _of(first: Movement, second: Movement) -> Answer:
    match first is Movement.MOVES, second is Movement.MOVES:
        case True, True:
            return Answer.DUAL
        case False, False:
            return Answer.NEITHER
        case True, False:
            return Answer.FIRST if second is Movement.BLOCKED else Answer.UNDECIDED
        case _:
            return Answer.SECOND if first is Movement.BLOCKED else Answer.UNDECIDED


def judge(
    ions: tuple[Passage, Passage],
    *,
    framework: str,
    framework_fingerprint: str,
    formula: str,
    mechanism: Mechanism,
    theory: LevelOfTheory,
    temperature: float,
    criteria: Criteria,
    diffusivities: tuple[Diffusivity | None, Diffusivity | None] = (None, None),
) -> PairVerdict:
    """Make the verdict on a pair.

    Parameters
    ----------
    ions
        How each gets through; the host's own first. At one level of theory.
    framework, framework_fingerprint, formula, mechanism, theory
        What it is about.
    temperature
        In K.
    criteria
        Thresholds and errors.
    diffusivities
        Of lone carriers at that temperature, where known.

    Returns
    -------
    PairVerdict
        Undecided where the bounds allow more than one answer; then it tells what to compute.
    """
    possible = [each.possible(criteria, temperature) for each in ions]
    answer, _ = answer_of(possible[0], possible[1])
    verdicts = tuple(
        IonVerdict(
            passage=each,
            possible=tuple(movement for movement in Movement if movement in may),
            diffusivity=diffusivity,
        )
        for each, may, diffusivity in zip(ions, possible, diffusivities, strict=True)
    )
    first, second = verdicts
    stranded = _stranded(first, second) or _stranded(second, first)
    if stranded and answer in {Answer.FIRST, Answer.SECOND}:
        answer = Answer.UNDECIDED
    return PairVerdict(
        framework=framework,
        framework_fingerprint=framework_fingerprint,
        formula=formula,
        mechanism=mechanism,
        pair=(first.ion, second.ion),
        surroundings="/".join(dict.fromkeys(each.arrangement for each in ions)),
        temperature=temperature,
        theory=theory,
        trust=ions[0].trust,
        criteria=criteria,
        answer=answer,
        criterion="; ".join(
            [
                *(_ground(each, criteria, temperature) for each in verdicts),
                *filter(None, [stranded]),
            ]
        ),
        confidence=_confidence(answer, ions, criteria, temperature),
        ions=(first, second),
        doubts=_shared(ions),
        to_compute=tuple(
            todo
            for each in verdicts
            for todo in _todo(each, criteria, temperature, decided=answer is not Answer.UNDECIDED)
        )
        + ((f"{stranded.split(':')[0]} in its own host (doping: full)",) if stranded else ()),
    )


def _shared(ions: tuple[Passage, Passage]) -> tuple[str, ...]:
    """Doubts of both ions; what is said of both is said once."""
    who: dict[str, list[str]] = {}
    for each in ions:
        for doubt in each.doubts:
            who.setdefault(doubt, []).append(each.ion)
    return tuple(f"{' and '.join(dict.fromkeys(of))}: {doubt}" for doubt, of in who.items())


def _stranded(ion: IonVerdict, other: IonVerdict) -> str:
    """Say why a diluted ion that moves gets nowhere where the host's own ion is blocked."""
    needs = ion.passage.needs
    if needs != other.ion or ion.movement is not Movement.MOVES:
        return ""
    if other.movement is not Movement.BLOCKED:
        return ""
    return (
        f"{ion.ion}: diluted in the host of {needs} it exchanges with vacancies that come and go "
        f"by the hops of {needs}, which is blocked"
    )


def _ground(each: IonVerdict, criteria: Criteria, temperature: float) -> str:
    """Tell what an ion does, by which number and bound."""
    moves, blocked = criteria.at(temperature)
    what = DIMENSIONS[criteria.dimensions - 1] if Movement.MOVES in each.possible else "1D"
    found = each.passage.range(what)
    where = f"{each.ion} ({each.passage.arrangement}) {each.word}: {what} barrier "
    if found.value is None:
        number = "not known" if each.passage.missing else "none, it does not get through"
    else:
        number = measure(found.value, "eV")
    low = "no way" if found.lowest is None else measure(found.lowest, "", digits=2)
    high = "no bound" if found.highest is None else measure(found.highest, "eV", digits=2)
    limits = f"moves below {moves:.2f}, blocked above {blocked:.2f} eV"
    return f"{where}{number}, from {low} to {high} ({limits})"


def _todo(each: IonVerdict, criteria: Criteria, temperature: float, *, decided: bool) -> list[str]:
    """Tell what would decide what an ion does."""
    if decided or each.movement is not None:
        return []
    passage = each.passage
    found = [f"{each.ion} {m.label} ({m.reason}): {m.remedy}" for m in passage.missing]
    way = passage.channels.get("1D")
    value = passage.range("1D").value
    known = next((k for k in passage.classes if way and k.class_id == way.bottleneck), None)
    if value is None or known is None:
        return found
    near = min(abs(value - limit) for limit in criteria.at(temperature))
    if near >= known.above + passage.mismatch:
        return found
    ways = []
    if known.small_cell:
        ways.append("in a cell of 10 Å (cell.min_image_distance)")
    if known.spread:
        ways.append("on more members of the class (hops.members)")
    if passage.trust.error >= near or not ways:
        ways.append("at a higher tier (tiers:)")
    found.append(
        f"{each.ion} {known.label} to better than {near:.2f} eV, here {known.above:.2f} eV: "
        + ", ".join(ways)
    )
    return found


def _confidence(
    answer: Answer, ions: Sequence[Passage], criteria: Criteria, temperature: float
) -> Confidence:
    """How sure a verdict is, of what the records tell.

    High: it stands with all errors doubled, at a density functional's level, with every saddle
    proven and nothing in doubt. Low: the cell is small, the host has fallen, the arrangement is
    one of many, or the engine has no benchmark. Fair: else.
    """
    if answer is Answer.UNDECIDED:
        return "none"
    weak = any(
        "no minimum" in doubt
        or "one arrangement" in doubt
        or "rank" in doubt
        or "benchmark" in doubt
        for each in ions
        for doubt in each.doubts
    )
    if weak:
        return "low"
    twice = [each.possible(criteria, temperature, factor=2.0) for each in ions]
    stands = answer_of(twice[0], twice[1])[0] is answer
    doubted = any(each.doubts for each in ions)
    sound = all(each.trust.kind == "density functional" for each in ions)
    return "high" if stands and sound and not doubted else "fair"
