"""Sums over the rows: how close, how dear, and which of the candidates is the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rivals import CANDIDATES
from rows import geometric_mean, row_of
from runs import dualion_digest

if TYPE_CHECKING:
    from hosts import Start
    from rows import Cell, Row
    from stash import Stash

CLOSE, FAR = 0.010, 0.030
"""eV: barriers nearer than the first to the reference count as right, beyond the last as wrong."""


def summed(rows: list[Row], method: str, base: str) -> dict[str, Any]:
    """Sum one method up over some hops.

    Parameters
    ----------
    rows
        The hops.
    method
        Which method.
    base
        Ratios of calls and seconds are those of `method` over those of this one, as geometric
        means over the hops that both have run; the ones of right barriers over the hops on which
        both are right.
    """
    cells = [row.cells[method] for row in rows if method in row.cells]
    judged = [row.cells[method] for row in rows if method in row.cells and row.reference]
    off = [abs(cell.deviation) for cell in judged if cell.deviation is not None]
    pairs = [
        (row.cells[method], row.cells[base])
        for row in rows
        if method in row.cells and base in row.cells
    ]
    right = [(one, other) for one, other in pairs if _right(one) and _right(other)]
    return {
        "hops": len(cells),
        "with_reference": len(judged),
        "within_10_meV": sum(each < CLOSE for each in off),
        "beyond_30_meV": sum(each > FAR for each in off),
        "no_number": sum(cell.barrier is None for cell in judged),
        "not_converged": sum(not cell.converged for cell in cells),
        "other_end": sum(cell.other_end for cell in judged),
        "end_calls": sum(cell.ends for cell in cells),
        "band_calls": sum(cell.band for cell in cells),
        "call_ratio": _ratio(pairs, "calls"),
        "call_ratio_both_right": _ratio(right, "calls"),
        "both_right": len(right),
        "band_call_ratio": _ratio(pairs, "band"),
        "seconds_ratio": _ratio(pairs, "seconds"),
    }


def _right(cell: Cell) -> bool:
    return cell.deviation is not None and abs(cell.deviation) < CLOSE


def _ratio(pairs: list[tuple[Cell, Cell]], what: str) -> float | None:
    both = [(getattr(one, what), getattr(other, what)) for one, other in pairs]
    return geometric_mean([one / other for one, other in both if one and other])


def best_candidate(starts: list[Start], stash: Stash) -> str | None:
    """Choose among the other optimisers on the tune half: most right barriers, then fewest calls.

    Only hops count that every candidate has run and that have a reference; None without any.
    """
    rows = [
        row
        for start in starts
        if start.case.half == "tune"
        and (row := row_of(start, stash, list(CANDIDATES))).reference is not None
        and len(row.cells) == len(CANDIDATES)
    ]

    def merit(name: str) -> tuple[int, float]:
        cells = [row.cells[name] for row in rows]
        calls = geometric_mean([float(cell.calls) for cell in cells])
        return -sum(_right(cell) for cell in cells), calls or 0.0

    return min(CANDIDATES, key=merit) if rows else None


def campaign_calls(starts: list[Start], stash: Stash, method: str) -> dict[str, int]:
    """Force calls of dualion on all hops as one campaign: a state is relaxed once."""
    states: dict[str, int] = {}
    ends = band = 0
    for start in starts:
        digest = dualion_digest(start, method.removeprefix("dualion-"))
        piece = stash.read("runs", method, start.case.name, digest=digest)
        if piece is None:
            continue
        for key, calls in zip(piece["end_keys"], piece["end_calls"], strict=True):
            states[key] = calls
            ends += calls
        band += piece["band_calls"]
    return {
        "end_calls": ends,
        "end_calls_shared": sum(states.values()),
        "states": len(states),
        "band_calls": band,
    }
