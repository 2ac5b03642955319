"""Rows of the table: one hop, its reference, and what every method said and cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import truth
from runs import digest_of

if TYPE_CHECKING:
    from hosts import Start
    from stash import Stash

FLAT = 0.02
"""eV: smaller rises and dips are no barrier and no minimum."""
OTHER_END = 0.01
"""eV: a method whose initial state lies further from the reference's is marked."""
CLOSE, FAR = 0.010, 0.030
"""eV: barriers nearer than the first to the reference count as right, beyond the last as wrong."""


@dataclass(frozen=True)
class Cell:
    """One method on one hop.

    Attributes
    ----------
    barrier
        Highest energy above the method's own initial state, in eV; None where the method itself
        says that there is none to be had.
    deviation
        Of the barrier from the reference's, in eV; None without one of the two.
    top_deviation
        The same of the highest energy itself, on the common scale of the potential: that of the
        saddle, whatever the ends were relaxed to.
    ends, band
        Force calls, as for a hop by itself.
    shared_ends
        Calls of the ends where each relaxation is divided among the hops of the set that use it;
        the same as `ends` for methods that share nothing.
    seconds
        Wall time, relaxation of the ends included.
    end_shift
        Energy of the method's initial state above the reference's, in eV.
    told
        What dualion says beside the number: outcome, proven, split, mirror, fallbacks.
    """

    barrier: float | None
    deviation: float | None
    top_deviation: float | None
    ends: int
    shared_ends: float
    band: int
    seconds: float
    converged: bool
    end_shift: float | None
    outcome: str
    note: str
    told: dict[str, Any]
    end_keys: tuple[str, ...] = ()
    end_calls: tuple[int, ...] = ()

    @property
    def calls(self) -> int:
        """Force calls of the hop by itself."""
        return self.ends + self.band

    @property
    def shared_calls(self) -> float:
        """Force calls as part of a campaign."""
        return self.shared_ends + self.band

    @property
    def other_end(self) -> bool:
        """Whether its initial state is marked."""
        return self.end_shift is not None and abs(self.end_shift) > OTHER_END

    @property
    def right(self) -> bool:
        """Whether it has a number, and the reference's."""
        return self.deviation is not None and abs(self.deviation) < CLOSE

    @property
    def right_top(self) -> bool:
        """Whether its highest energy is the reference's, whatever its ends are."""
        return self.top_deviation is not None and abs(self.top_deviation) < CLOSE

    @property
    def wrong(self) -> bool:
        """Whether it has a number far from the reference's."""
        return self.deviation is not None and abs(self.deviation) > FAR


@dataclass(frozen=True)
class Row:
    """One hop."""

    start: Start
    reference: dict[str, Any] | None
    progress: str
    cells: dict[str, Cell]

    @property
    def name(self) -> str:
        """Of the hop."""
        return self.start.case.name

    @property
    def half(self) -> str:
        """'tune' or 'report'."""
        return self.start.case.half

    @property
    def undercut(self) -> list[str]:
        """Methods whose highest energy is well below the reference's, and should not be.

        Those that climb and know what their point joins: a converged plain band, and a proof.
        """
        return [
            name
            for name, cell in self.cells.items()
            if cell.top_deviation is not None
            and cell.top_deviation < -CLOSE
            and cell.converged
            and (name.startswith("ase-") or cell.told.get("proven"))
        ]

    @property
    def sound(self) -> bool:
        """Whether nothing speaks against the reference."""
        return self.reference is not None and self.reference["sound"] and not self.undercut

    @property
    def kind(self) -> str:
        """What the reference path is."""
        return self.progress if self.reference is None else kind_of(self.reference["energies"])


def kind_of(energies: list[float]) -> str:
    """Read a path's kind off its energies, in eV."""
    if max(energies) - max(energies[0], energies[-1]) < FLAT:
        return "no barrier"
    dips = [
        min(max(energies[:k]), max(energies[k + 1 :])) - energies[k]
        for k in range(1, len(energies) - 1)
    ]
    return "intermediate minimum" if max(dips, default=0.0) > FLAT else "barrier"


def rows_of(starts: list[Start], stash: Stash, methods: list[str]) -> list[Row]:
    """Read everything that is known of some hops, which share their ends as one campaign each.

    A campaign is all hops of a framework, whichever ion of the pair moves and whichever half the
    hop is in.
    """
    rows = [row_of(start, stash, methods) for start in starts]
    for method in methods:
        cells = [row.cells[method] for row in rows if method in row.cells]
        users: dict[str, int] = {}
        for key in (key for cell in cells for key in cell.end_keys):
            users[key] = users.get(key, 0) + 1
        for row in rows:
            cell = row.cells.get(method)
            if cell is not None and cell.end_keys:
                shared = sum(
                    calls / users[key]
                    for key, calls in zip(cell.end_keys, cell.end_calls, strict=True)
                )
                row.cells[method] = replace(cell, shared_ends=shared)
    return rows


def row_of(start: Start, stash: Stash, methods: list[str]) -> Row:
    """Read everything that is known of one hop."""
    known = truth.reference(start, stash)
    cells = {}
    for method in methods:
        piece = stash.read("runs", method, start.case.name, digest=digest_of(start, method))
        if piece is not None:
            cells[method] = _cell(piece, known)
    return Row(start, known, truth.progress(start, stash), cells)


def _cell(piece: dict[str, Any], known: dict[str, Any] | None) -> Cell:
    barrier = piece["barrier"]
    if piece.get("outcome") == "barrierless":
        barrier = piece["top"]  # the others give this number without a word
    deviation = top_deviation = shift = None
    if known is not None:
        shift = piece["end_energies"][0] - known["end_energies"][0]
        if barrier is not None:
            deviation = barrier - known["barrier"]
            top_deviation = deviation + shift
    seconds = piece.get("seconds", piece.get("end_seconds", 0.0) + piece.get("band_seconds", 0.0))
    told = ("proven", "split", "mirror", "fallbacks")
    return Cell(
        barrier=barrier,
        deviation=deviation,
        top_deviation=top_deviation,
        ends=sum(piece["end_calls"]),
        shared_ends=float(sum(piece["end_calls"])),
        band=piece["band_calls"],
        seconds=seconds,
        converged=piece["converged"],
        end_shift=shift,
        outcome=piece.get("outcome", ""),
        note=piece["note"],
        told={key: piece[key] for key in told if key in piece},
        end_keys=tuple(piece.get("end_keys", ())),
        end_calls=tuple(piece["end_calls"]),
    )


def geometric_mean(values: list[float]) -> float | None:
    """Return the geometric mean of positive numbers; None of nothing."""
    return float(np.exp(np.mean(np.log(values)))) if values else None
