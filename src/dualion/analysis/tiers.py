"""Two levels of theory side by side: the same hops and ions, and by how much the barrier shifts.

Their barriers never share a column. A record of a higher tier names the record that it started
from; two levels without such a link are set side by side only when both are asked for by name.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from pydantic import Field

from dualion.analysis.compare import environment
from dualion.analysis.comparison import QUOTABLE_DISTANCE, Value, measure, outcome_word
from dualion.errors import InputError
from dualion.records import HopRecord, LevelOfTheory, Mechanism, Outcome, Record

SAME_LENGTH = 0.1
"""Hops of one class id whose lengths differ by more than this share are not the same hop."""


class Side(Record):
    """What one level of theory says of a hop."""

    record_id: str
    outcome: Outcome
    forward: float | None = Field(None, description="In eV.")
    reverse: float | None = Field(None, description="In eV.")
    ranking_only: bool = Field(description="The cell is smaller than 10 Å.")

    @property
    def text(self) -> str:
        """The forward barrier, or the outcome's word."""
        if self.forward is None:
            return outcome_word(self.outcome)
        return f"{measure(self.forward, 'eV')}{'*' if self.ranking_only else ''}"


class ShiftRow(Record):
    """One hop of one ion at both levels."""

    hop: str
    class_id: str
    member: int
    ion: str
    arrangement: str
    lower: Side
    upper: Side

    @property
    def shift(self) -> float | None:
        """Forward barrier of the upper level minus that of the lower, in eV."""
        return _difference(self.upper.forward, self.lower.forward)

    @property
    def reverse_shift(self) -> float | None:
        """The same of the reverse barrier, in eV."""
        return _difference(self.upper.reverse, self.lower.reverse)


class IonShift(Record):
    """How one ion's barriers shift between two levels."""

    ion: str
    count: int
    mean: float = Field(description="Of the shifts of the forward barriers, in eV.")
    spread: float | None = Field(description="Their standard deviation, in eV; None: of one hop.")
    smallest: float = Field(description="In eV.")
    largest: float = Field(description="In eV.")

    @property
    def text(self) -> str:
        """One line for people."""
        of = "1 hop" if self.count == 1 else f"{self.count} hops"
        mean = f"{self.ion}: mean shift {measure(self.mean, 'eV', sign=True)}"
        if self.spread is None:
            return f"{mean} ({of})"
        return (
            f"{mean}, spread {measure(self.spread, 'eV')}"
            f" ({of}, {measure(self.smallest, '', sign=True)} to"
            f" {measure(self.largest, 'eV', sign=True)})"
        )


class PairShift(Record):
    """How the difference of the two ions on one hop shifts."""

    hop: str
    arrangement: str
    lower: float = Field(description="Second ion minus first at the lower level, in eV.")
    upper: float = Field(description="Second ion minus first at the upper level, in eV.")

    @property
    def turned(self) -> bool:
        """Whether the other ion is the faster one at the upper level."""
        return self.lower * self.upper < 0.0


class ShiftTable(Record):
    """All hops that two levels of theory have in common, in one framework."""

    framework: str
    framework_fingerprint: str
    mechanism: Mechanism
    ions: tuple[str, ...] = Field(description="The host's own first.")
    formula: str
    lower: LevelOfTheory
    upper: LevelOfTheory
    rows: tuple[ShiftRow, ...]

    @property
    def label(self) -> str:
        """One line: framework, ions, both levels with their charges."""
        return (
            f"{self.framework} {'/'.join(self.ions)} ({self.mechanism.value}), {self.formula}: "
            f"{level_text(self.lower)} against {level_text(self.upper)}"
        )

    @property
    def heads(self) -> tuple[str, str]:
        """What stands over the two columns: the engines, and the charges where they differ."""
        one, two = self.lower, self.upper
        heads = [one.stamp.engine, two.stamp.engine]
        if heads[0] == heads[1] and one.charge == two.charge:
            return f"{heads[0]} [{one.fingerprint[:6]}]", f"{heads[1]} [{two.fingerprint[:6]}]"
        if one.charge != two.charge:
            heads = [f"{heads[0]}, {_signed(one)}", f"{heads[1]}, {_signed(two)}"]
        return heads[0], heads[1]

    @property
    def per_ion(self) -> tuple[IonShift, ...]:
        """Mean shift of each ion, of the hops that have a barrier at both levels."""
        found = []
        for ion in self.ions:
            values = [r.shift for r in self.rows if r.ion == ion and r.shift is not None]
            if values:
                found.append(
                    IonShift(
                        ion=ion,
                        count=len(values),
                        mean=statistics.fmean(values),
                        spread=statistics.stdev(values) if len(values) > 1 else None,
                        smallest=min(values),
                        largest=max(values),
                    )
                )
        return tuple(found)

    @property
    def pairs(self) -> tuple[PairShift, ...]:
        """Both ions' difference at both levels, of the hops that have all four barriers."""
        if len(self.ions) != 2:
            return ()
        rows: dict[tuple[str, int, str], dict[str, ShiftRow]] = {}
        for row in self.rows:
            if row.shift is not None:
                place = (row.class_id, row.member, _surroundings(row.arrangement))
                rows.setdefault(place, {})[row.ion] = row
        found = []
        for ions in rows.values():
            if len(ions) == 2:
                first, second = (ions[ion] for ion in self.ions)
                lower = _difference(second.lower.forward, first.lower.forward)
                upper = _difference(second.upper.forward, first.upper.forward)
                if lower is not None and upper is not None:
                    labels = dict.fromkeys((first.arrangement, second.arrangement))
                    found.append(
                        PairShift(
                            hop=first.hop, arrangement="/".join(labels), lower=lower, upper=upper
                        )
                    )
        return tuple(found)

    def as_rows(self) -> list[dict[str, Value]]:
        """Return flat rows for JSON and CSV; energies in eV."""
        return [
            {
                "framework": self.framework,
                "mechanism": self.mechanism.value,
                "formula": self.formula,
                "hop": row.hop,
                "class": row.class_id,
                "member": row.member,
                "arrangement": row.arrangement,
                "ion": row.ion,
                **_flat("lower", self.lower, row.lower),
                **_flat("upper", self.upper, row.upper),
                "shift": row.shift,
                "reverse_shift": row.reverse_shift,
            }
            for row in self.rows
        ]


def level_text(theory: LevelOfTheory) -> str:
    """Return engine, code, charge and fingerprint of a level of theory."""
    stamp = theory.stamp
    return f"{stamp.engine} ({stamp.code_text}, {theory.charge_text}) [{theory.fingerprint}]"


def shifts(
    records: Iterable[HopRecord],
    *,
    pair: tuple[str, str] | None = None,
    lower: str | None = None,
    upper: str | None = None,
) -> tuple[ShiftTable, ...]:
    """Set two levels of theory side by side.

    Parameters
    ----------
    records
        In any order.
    pair
        First and second ion; others are left out. None: all that move.
    lower, upper
        Fingerprints, or their first digits. With both, the two levels are compared whether or not
        one started from the other; with neither, each record that started from another is held
        against that one.

    Returns
    -------
    tuple of ShiftTable
        One for each framework and pair of levels; empty if nothing is linked.

    Raises
    ------
    InputError
        If only one level is named, a name fits none or several, or they have no hop in common.
    """
    everything = [r for r in records if pair is None or r.moving_ion in pair]
    if (lower is None) != (upper is None):
        raise InputError(
            "one level of theory is named", remedy="name both to compare them, or neither"
        )
    if lower is not None and upper is not None:
        one, two = _named(everything, lower), _named(everything, upper)
        if one == two:
            raise InputError(f"'{lower}' and '{upper}' are one level of theory")
        found = side_by_side(
            [r for r in everything if r.theory.fingerprint == one],
            [r for r in everything if r.theory.fingerprint == two],
            ions=pair,
        )
        if not found:
            raise InputError(
                f"levels of theory {one} and {two} have no hop in common",
                remedy="name two that were computed on the same hops",
            )
        return found
    known = {record.record_id: record for record in everything}
    linked = [
        (known[record.provenance.started_from], record)
        for record in everything
        if record.provenance.started_from in known
    ]
    return _tables(linked, pair)


def side_by_side(
    lower: Sequence[HopRecord],
    upper: Sequence[HopRecord],
    *,
    ions: tuple[str, ...] | None = None,
) -> tuple[ShiftTable, ...]:
    """Set the records of two levels side by side wherever they answer the same question.

    Parameters
    ----------
    lower, upper
        Each of any frameworks and of one level of theory or several.
    ions
        Order of the ions; None: the host's own first.

    Returns
    -------
    tuple of ShiftTable
        Hops of one class id whose lengths differ by more than 10 % are not taken for the same.
    """
    asked: dict[tuple[object, ...], list[HopRecord]] = {}
    for record in lower:
        asked.setdefault(_question(record), []).append(record)
    linked = [
        (one, two)
        for two in upper
        for one in asked.get(_question(two), [])
        if abs(one.hop.length - two.hop.length) <= SAME_LENGTH * one.hop.length
    ]
    return _tables(linked, ions)


def _tables(
    linked: Sequence[tuple[HopRecord, HopRecord]], ions: tuple[str, ...] | None
) -> tuple[ShiftTable, ...]:
    bundles: dict[tuple[str, ...], list[tuple[HopRecord, HopRecord]]] = {}
    for one, two in linked:
        place = (
            two.framework,
            two.provenance.framework_fingerprint,
            two.hop.mechanism.value,
            one.theory.fingerprint,
            two.theory.fingerprint,
        )
        bundles.setdefault(place, []).append((one, two))
    return tuple(_table(bundle, ions) for _, bundle in sorted(bundles.items()))


def _table(
    bundle: Sequence[tuple[HopRecord, HopRecord]], ions: tuple[str, ...] | None
) -> ShiftTable:
    cells: dict[tuple[object, ...], list[tuple[HopRecord, HopRecord]]] = {}
    for one, two in bundle:
        cells.setdefault(_question(two), []).append((one, two))
    best = [max(found, key=lambda each: (_rank(each[1]), _rank(each[0]))) for found in
            cells.values()]  # fmt: skip
    hosts = {record.host_ion for pair in bundle for record in pair}
    moving = sorted({two.moving_ion for _, two in best}, key=lambda ion: (ion not in hosts, ion))
    order = tuple(ion for ion in ions or moving if ion in moving)
    best.sort(
        key=lambda each: (
            int("".join(filter(str.isdecimal, each[0].hop.class_id)) or 0),
            each[0].hop.class_id,
            each[0].hop.member,
            _surroundings(each[0].arrangement.label),
            order.index(each[1].moving_ion),
        )
    )
    first, second = best[0]
    return ShiftTable(
        framework=second.framework,
        framework_fingerprint=second.provenance.framework_fingerprint,
        mechanism=second.hop.mechanism,
        ions=order,
        formula=second.formula,
        lower=first.theory,
        upper=second.theory,
        rows=tuple(
            ShiftRow(
                hop=one.hop.label,
                class_id=one.hop.class_id,
                member=one.hop.member,
                ion=two.moving_ion,
                arrangement=two.arrangement.label,
                lower=_side(one),
                upper=_side(two),
            )
            for one, two in best
        ),
    )


def _side(record: HopRecord) -> Side:
    return Side(
        record_id=record.record_id,
        outcome=record.outcome,
        forward=record.forward,
        reverse=record.reverse,
        ranking_only=0.0 < record.min_image_distance < QUOTABLE_DISTANCE,
    )


def _question(record: HopRecord) -> tuple[object, ...]:
    """Return what two levels must have in common to answer the same."""
    hop = record.hop
    return (
        record.framework,
        record.provenance.framework_fingerprint,
        hop.mechanism.value,
        hop.class_id,
        hop.member,
        hop.orbits,
        record.host_ion,
        record.moving_ion,
        record.arrangement.label,
        environment(record),
    )


def _rank(record: HopRecord) -> tuple[bool, str, str]:
    """Put a barrier before another outcome, and the newest before older ones."""
    return record.outcome.is_barrier, record.provenance.created, record.record_id


def _surroundings(label: str) -> str:
    """Put the first ion in the pure host and the second alone in it into one row."""
    return "host" if label in {"pure", "dilute"} else label


def _named(records: Sequence[HopRecord], name: str) -> str:
    known = sorted({record.theory.fingerprint for record in records})
    fitting = [each for each in known if each.startswith(name)]
    if len(fitting) != 1:
        raise InputError(
            f"fingerprint '{name}' fits {len(fitting)} levels of theory",
            remedy=f"name one of {', '.join(fitting or known) or 'those in the store'}",
        )
    return fitting[0]


def _difference(two: float | None, one: float | None) -> float | None:
    return None if one is None or two is None else two - one


def _signed(theory: LevelOfTheory) -> str:
    return f"charge {theory.charge:+d}".replace("-", "−") if theory.charge else "neutral"


def _flat(name: str, theory: LevelOfTheory, side: Side) -> dict[str, Value]:
    return {
        f"{name}_engine": theory.stamp.engine,
        f"{name}_charge": theory.charge,
        f"{name}_fingerprint": theory.fingerprint,
        f"{name}_record_id": side.record_id,
        f"{name}_outcome": side.outcome.value,
        f"{name}_forward": side.forward,
        f"{name}_reverse": side.reverse,
    }
