"""What a comparison of two ions holds, as data, as flat rows and as the text of a table."""

from __future__ import annotations

import math

from pydantic import Field

from dualion.errors import InputError
from dualion.records import (
    LITERATURE,
    BarrierError,
    FrameworkResponse,
    LevelOfTheory,
    Mechanism,
    Outcome,
    Record,
)

QUOTABLE_DISTANCE = 10.0
"""Image distance in Å below which a barrier ranks but must not be quoted."""

Value = str | int | float | bool | None

_WORDS = {
    Outcome.CONVERGED: "converged",
    Outcome.INTERMEDIATE_MINIMUM: "intermediate minimum",
    Outcome.ENDPOINT_COLLAPSED: "end point collapsed",
    Outcome.WRONG_MOVER: "wrong mover",
    Outcome.FRAMEWORK_BROKEN: "framework broken",
    Outcome.BARRIERLESS: "barrierless",
    Outcome.UNCONVERGED: "unconverged",
    Outcome.ENGINE_FAILED: "engine failed",
}


def outcome_word(outcome: Outcome) -> str:
    """Return the outcome as a table prints it, e.g. ``barrierless``."""
    return _WORDS[outcome]


class IonCell(Record):
    """What one ion does on one hop; barriers are absent unless the outcome is one."""

    ion: str
    record_id: str
    arrangement: str = Field(description="Label of the arrangement this ion moved in.")
    outcome: Outcome
    forward: float | None = Field(None, description="In eV.")
    reverse: float | None = Field(None, description="In eV.")
    forward_fit: float | None = Field(None, description="In eV.")
    error: BarrierError | None = Field(None, description="How sure the numerics are.")
    energy_difference: float | None = Field(None, description="Final minus initial, in eV.")
    path_length: float | None = Field(None, description="Of the mover, in Å.")
    response: FrameworkResponse | None = None
    ranking_only: bool = Field(
        description="The cell is smaller than 10 Å: rank with it, do not quote."
    )
    broken_symmetry_host: bool = False
    resting_depth: float | None = Field(
        None, description="How far the path dips below both ends, in eV; None: it does not."
    )
    force_calls: int = 0
    others: tuple[str, ...] = Field(
        (), description="Ids of further records of the same hop, theory and ion, not shown."
    )

    @property
    def barrier_error(self) -> float | None:
        """Bound on the numerical error of a barrier, in eV; None: unknown, or no barrier."""
        return self.error.energy if self.error and self.forward is not None else None

    @property
    def text(self) -> str:
        """The forward barrier in eV, or the outcome's word.

        ``*`` marks a cell below 10 Å, ``†`` an ion that rests between its two sites.
        """
        mark = "†" if self.resting_depth is not None else ""
        if self.forward is None:
            return f"{outcome_word(self.outcome)}{mark}"
        return f"{measure(self.forward, 'eV')}{'*' if self.ranking_only else ''}{mark}"


class ComparisonRow(Record):
    """One hop in one environment, for each ion."""

    hop: str = Field(description="Label, e.g. 'h1 24g–24g 3.26 Å'.")
    class_id: str
    member: int
    orbits: tuple[str, str]
    length: float = Field(description="On the parent, in Å.")
    multiplicity: int
    arrangement: str = Field(description="Labels of both ions, 'pure/dilute' where they differ.")
    cells: tuple[IonCell | None, ...] = Field(description="One per ion; None: not computed.")

    @property
    def difference(self) -> float | None:
        """Forward barrier of the second ion minus that of the first, in eV."""
        return _difference(self._both("forward"))

    @property
    def difference_error(self) -> float | None:
        """Sum of both numerical error bounds, in eV; None if either is unknown."""
        both = self._both("barrier_error")
        return None if both is None else sum(both)

    @property
    def reverse_difference(self) -> float | None:
        """Reverse barrier of the second ion minus that of the first, in eV."""
        return _difference(self._both("reverse"))

    @property
    def ratio(self) -> float | None:
        """Forward barrier of the second ion over that of the first; None if that is not > 0."""
        both = self._both("forward")
        return None if both is None or both[0] <= 0.0 else both[1] / both[0]

    def _both(self, name: str) -> tuple[float, float] | None:
        values = [getattr(cell, name) for cell in self.cells if cell is not None]
        if len(values) != 2 or None in values:
            return None
        return float(values[0]), float(values[1])


def _difference(both: tuple[float, float] | None) -> float | None:
    return None if both is None else both[1] - both[0]


class ComparisonGroup(Record):
    """All rows that may stand in one table: one framework, one level of theory."""

    framework: str
    framework_fingerprint: str
    mechanism: Mechanism
    host_ion: str
    formula: str
    ions: tuple[str, ...]
    theory: LevelOfTheory
    min_image_distance: float = Field(description="Of the supercell, in Å.")
    rows: tuple[ComparisonRow, ...]

    @property
    def fingerprint(self) -> str:
        """Of the level of theory."""
        return self.theory.fingerprint

    @property
    def label(self) -> str:
        """One line: framework, ions, engine, cell and charge."""
        stamp = self.theory.stamp
        what = f"{self.framework} {'/'.join(self.ions)} ({self.mechanism.value}), "
        if stamp.code == LITERATURE:
            source = ", ".join(f"{name} {value}" for name, value in stamp.parameters)
            return f"{what}literature ({source}) [{self.fingerprint}]"
        return (
            f"{what}{stamp.engine} {stamp.code_text}, {self.formula}, "
            f"{self.theory.charge_text}, images {self.min_image_distance:.1f} Å apart "
            f"[{self.fingerprint}]"
        )


class Comparison(Record):
    """Tables of two ions, one for each framework and level of theory."""

    ions: tuple[str, ...] = Field(description="First ion, second ion (one if only one moved).")
    groups: tuple[ComparisonGroup, ...]
    notes: tuple[str, ...] = Field((), description="What a reader must know.")

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Levels of theory present, in the order of the groups."""
        return tuple(dict.fromkeys(group.fingerprint for group in self.groups))

    def as_rows(self) -> list[dict[str, Value]]:
        """Return flat rows for JSON and CSV.

        All rows have the same keys; those of an ion start with its symbol (``Li_forward``).
        Every row carries its fingerprint.
        """
        return [_flat(group, row) for group in self.groups for row in group.rows]


def comparison_table(comparison: Comparison | ComparisonGroup) -> list[list[str]]:
    """Return headers and formatted cells, for any way of printing.

    Energies are in eV to three decimals, a dash stands for what is absent or not defined, an
    outcome that is no barrier is given by its word.

    Raises
    ------
    InputError
        If the comparison holds several levels of theory, which do not fit one table: pass its
        groups one by one.
    """
    if isinstance(comparison, Comparison):
        if len(comparison.groups) > 1:
            raise InputError(
                f"{len(comparison.groups)} frameworks or levels of theory cannot share a table",
                remedy=f"choose one fingerprint of {', '.join(comparison.fingerprints)}",
            )
        if not comparison.groups:
            return [_header(comparison.ions)]
        comparison = comparison.groups[0]
    return [_header(comparison.ions), *(_cells(row) for row in comparison.rows)]


_FLAT_CELL = (
    "record_id", "outcome", "forward", "reverse", "forward_fit", "barrier_error",
    "energy_difference", "path_length", "resting_depth", "ranking_only", "broken_symmetry_host",
)  # fmt: skip
_FLAT_RESPONSE = (
    "volume_change", "largest_anion_displacement", "rms_anion_displacement", "bond_distortion",
)  # fmt: skip


def _flat(group: ComparisonGroup, row: ComparisonRow) -> dict[str, Value]:
    flat: dict[str, Value] = {
        "framework": group.framework,
        "mechanism": group.mechanism.value,
        "fingerprint": group.fingerprint,
        "engine": group.theory.stamp.engine,
        "charge": group.theory.charge,
        "formula": group.formula,
        "min_image_distance": group.min_image_distance,
        "hop": row.hop,
        "class": row.class_id,
        "member": row.member,
        "length": row.length,
        "multiplicity": row.multiplicity,
        "arrangement": row.arrangement,
    }
    for ion, cell in zip(group.ions, row.cells, strict=True):
        for name in _FLAT_CELL:
            flat[f"{ion}_{name}"] = None if cell is None else _plain(getattr(cell, name))
        response = None if cell is None else cell.response
        for name in _FLAT_RESPONSE:
            flat[f"{ion}_{name}"] = None if response is None else getattr(response, name)
    flat["difference"] = row.difference
    flat["difference_error"] = row.difference_error
    flat["reverse_difference"] = row.reverse_difference
    flat["ratio"] = row.ratio
    return flat


def _plain(value: Value) -> Value:
    return value.value if isinstance(value, Outcome) else value


def _header(ions: tuple[str, ...]) -> list[str]:
    names = (
        "forward", "reverse", "±", "ΔE", "path", "max anion shift", "rms shift", "bonds", "volume",
    )  # fmt: skip
    header = ["hop", "arrangement", *(f"{ion} {name}" for ion in ions for name in names)]
    return [*header, f"{ions[1]}−{ions[0]}", f"{ions[1]}/{ions[0]}"] if len(ions) == 2 else header


def _cells(row: ComparisonRow) -> list[str]:
    cells = [row.hop, row.arrangement]
    for cell in row.cells:
        if cell is None:
            cells += ["–"] * 9
            continue
        cost = cell.response
        cells += [
            cell.text,
            measure(cell.reverse, "eV"),
            plus_minus(cell.barrier_error),
            measure(cell.energy_difference, "eV", sign=True),
            measure(cell.path_length, "Å", digits=2),
            measure(cost.largest_anion_displacement if cost else None, "Å", digits=2),
            measure(cost.rms_anion_displacement if cost else None, "Å", digits=2),
            percent(cost.bond_distortion if cost else None),
            percent(cost.volume_change if cost else None, sign=True),
        ]
    if len(row.cells) == 2:
        cells += [
            measure(row.difference, "eV", sign=True),
            "–" if row.ratio is None else f"{row.ratio:.2f}",
        ]
    return cells


def measure(value: float | None, unit: str, *, digits: int = 3, sign: bool = False) -> str:
    """Format a quantity with its unit, or a dash."""
    if value is None:
        return "–"
    value = round(value, digits) + 0.0  # no '-0.000'
    text = f"{value:+.{digits}f}" if sign and value else f"{value:.{digits}f}"
    return f"{text.replace('-', '−')} {unit}".rstrip()


def plus_minus(error: float | None) -> str:
    """Format an error bound in eV, rounded up to a meV, or a dash."""
    return "–" if error is None else f"± {math.ceil(1000.0 * error - 1e-9) / 1000.0:.3f} eV"


def percent(value: float | None, *, sign: bool = False) -> str:
    """Format a fraction in percent to one decimal, or a dash."""
    return "–" if value is None else measure(100.0 * value, "%", digits=1, sign=sign)
