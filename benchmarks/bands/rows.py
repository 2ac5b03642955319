"""Rows of the table: one hop, its reference, and what every method said and cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import runs
import truth

if TYPE_CHECKING:
    from hosts import Start
    from stash import Stash

FLAT = 0.02
"""eV: smaller rises and dips are no barrier and no minimum."""
OTHER_END = 0.01
"""eV: a method whose initial state lies further from the reference's is in another minimum."""


@dataclass(frozen=True)
class Cell:
    """One method on one hop.

    Attributes
    ----------
    barrier
        In eV; None where the method itself says that there is none to be had.
    deviation
        From the reference, in eV; None without one of the two.
    ends, band
        Force calls.
    seconds
        Wall time, relaxation of the ends included.
    other_end
        Whether its initial state is another minimum than the reference's.
    """

    barrier: float | None
    deviation: float | None
    ends: int
    band: int
    seconds: float
    converged: bool
    other_end: bool
    outcome: str
    note: str

    @property
    def calls(self) -> int:
        """Force calls in all."""
        return self.ends + self.band


@dataclass(frozen=True)
class Row:
    """One hop."""

    start: Start
    reference: dict[str, Any] | None
    cells: dict[str, Cell]

    @property
    def half(self) -> str:
        """'tune' or 'report'."""
        return self.start.case.half

    @property
    def kind(self) -> str:
        """What the reference path is."""
        if self.reference is None:
            return "no reference converged"
        return kind_of(self.reference["energies"])


def kind_of(energies: list[float]) -> str:
    """Read a path's kind off its energies, in eV."""
    if max(energies) - max(energies[0], energies[-1]) < FLAT:
        return "no barrier"
    dips = [
        min(max(energies[:k]), max(energies[k + 1 :])) - energies[k]
        for k in range(1, len(energies) - 1)
    ]
    return "intermediate minimum" if max(dips, default=0.0) > FLAT else "barrier"


def row_of(start: Start, stash: Stash, methods: list[str]) -> Row:
    """Read everything that is known of one hop."""
    known = truth.reference(start, stash)
    cells = {}
    for method in methods:
        ours = method.startswith("dualion-")
        digest = (
            runs.dualion_digest(start, method.removeprefix("dualion-")) if ours else start.digest
        )
        piece = stash.read("runs", method, start.case.name, digest=digest)
        if piece is not None:
            cells[method] = _cell(piece, known)
    return Row(start, known, cells)


def _cell(piece: dict[str, Any], known: dict[str, Any] | None) -> Cell:
    barrier = piece["barrier"]
    if piece.get("outcome") == "barrierless":
        barrier = piece["top"]  # the others give this number without a word
    deviation = None if known is None or barrier is None else barrier - known["barrier"]
    other = (
        known is not None and abs(piece["end_energies"][0] - known["end_energies"][0]) > OTHER_END
    )
    seconds = piece.get("seconds", piece.get("end_seconds", 0.0) + piece.get("band_seconds", 0.0))
    return Cell(
        barrier=barrier,
        deviation=deviation,
        ends=sum(piece["end_calls"]),
        band=piece["band_calls"],
        seconds=seconds,
        converged=piece["converged"],
        other_end=other,
        outcome=piece.get("outcome", ""),
        note=piece["note"],
    )


def geometric_mean(values: list[float]) -> float | None:
    """Return the geometric mean of positive numbers; None of nothing."""
    return float(np.exp(np.mean(np.log(values)))) if values else None
