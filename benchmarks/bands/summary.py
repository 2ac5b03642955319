"""Sums over the rows: how close, how dear, and what dualion says of its own answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rivals import CANDIDATES
from rows import CLOSE, geometric_mean, row_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts import Start
    from rows import Cell, Row
    from stash import Stash


def accuracy(rows: list[Row], method: str) -> dict[str, Any]:
    """Say how one method did on some hops."""
    cells = {row.name: row.cells[method] for row in rows if method in row.cells}
    judged = {row.name: cells[row.name] for row in rows if row.reference and row.name in cells}
    sound = {row.name for row in rows if row.sound} & set(judged)
    return {
        "hops": len(cells),
        "with_reference": len(judged),
        "sound": len(sound),
        "sound_within_10_meV": sum(judged[name].right for name in sound),
        "within_10_meV": sum(cell.right for cell in judged.values()),
        "top_within_10_meV": sum(cell.right_top for cell in judged.values()),
        "beyond_30_meV": [name for name, cell in judged.items() if cell.wrong],
        "converged_beyond_30_meV": [
            name for name, cell in judged.items() if cell.wrong and cell.converged
        ],
        "no_number": [name for name, cell in cells.items() if cell.barrier is None],
        "not_converged": [name for name, cell in cells.items() if not cell.converged],
        "other_end": [name for name, cell in judged.items() if cell.other_end],
        "end_calls": sum(cell.ends for cell in cells.values()),
        "shared_end_calls": sum(cell.shared_ends for cell in cells.values()),
        "band_calls": sum(cell.band for cell in cells.values()),
        "seconds": sum(cell.seconds for cell in cells.values()),
    }


def verdicts(rows: list[Row], method: str) -> dict[str, list[str]]:
    """Sort hops by what dualion says of its own answer; the first four lists overlap."""
    cells = {row.name: row.cells[method] for row in rows if method in row.cells}

    def named(which: Callable[[Cell], bool]) -> list[str]:
        return [name for name, cell in cells.items() if which(cell)]

    return {
        "proven": named(lambda cell: bool(cell.told.get("proven"))),
        "split at a minimum": named(lambda cell: bool(cell.told.get("split"))),
        "no barrier": named(lambda cell: cell.outcome == "barrierless"),
        "mirror hop": named(lambda cell: bool(cell.told.get("mirror"))),
        "first search sufficed": named(
            lambda cell: bool(cell.told.get("proven")) and not cell.told.get("fallbacks")
        ),
        "not proven": named(lambda cell: cell.told.get("proven") is False),
        "no number": named(lambda cell: cell.barrier is None),
        "proven, yet more than 30 meV off": named(
            lambda cell: bool(cell.told.get("proven")) and cell.wrong
        ),
        "proven, and more than 10 meV below the reference": named(
            lambda cell: (
                bool(cell.told.get("proven"))
                and cell.top_deviation is not None
                and cell.top_deviation < -CLOSE
            )
        ),
    }


def saving(rows: list[Row], rival: str, method: str, hosts: dict[str, float]) -> dict[str, Any]:
    """Compare the calls of a rival with those of a method of dualion; above 1 it needs more.

    Parameters
    ----------
    rows
        The hops; only those that both have run count.
    rival, method
        Which two.
    hosts
        Force calls of each framework's host for every hop of the set in it; here charged to the
        method alone.
    """
    both = [row for row in rows if rival in row.cells and method in row.cells]
    pairs = [(row.cells[rival], row.cells[method]) for row in both]
    right = [(other, one) for other, one in pairs if other.right and one.right]
    with_host = [
        other.calls / (one.shared_calls + hosts.get(row.start.case.framework, 0.0))
        for row, (other, one) in zip(both, pairs, strict=True)
    ]
    return {
        "hops": len(pairs),
        "isolated": geometric_mean([other.calls / one.calls for other, one in pairs]),
        "campaign": geometric_mean([other.calls / one.shared_calls for other, one in pairs]),
        "campaign_host_charged": geometric_mean(with_host),
        "band_only": geometric_mean(
            [other.band / one.band for other, one in pairs if other.band and one.band]
        ),
        "least": min((other.calls / one.calls for other, one in pairs), default=None),
        "most": max((other.calls / one.calls for other, one in pairs), default=None),
        "both_right": len(right),
        "isolated_both_right": geometric_mean([other.calls / one.calls for other, one in right]),
        "campaign_both_right": geometric_mean(
            [other.calls / one.shared_calls for other, one in right]
        ),
        "seconds": geometric_mean(
            [other.seconds / one.seconds for other, one in pairs if other.seconds and one.seconds]
        ),
    }


def rescued(rows: list[Row], climb: str, method: str) -> list[dict[str, Any]]:
    """List hops where an unverified climb has no number, or a saddle off by more than 10 meV."""
    found = []
    for row in rows:
        if not (row.reference and climb in row.cells and method in row.cells):
            continue
        alone, whole = row.cells[climb], row.cells[method]
        if not alone.right_top:
            found.append({"hop": row.name, "half": row.half, "alone": alone, "whole": whole})
    return found


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
        return -sum(cell.right for cell in cells), calls or 0.0

    return min(CANDIDATES, key=merit) if rows else None
