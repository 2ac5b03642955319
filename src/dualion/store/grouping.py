"""Groups of rows, and what the barriers of each group are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIRECT = 2**23
"""Up to here a table of all combinations is faster than sorting them."""


class Group(NamedTuple):
    """Records that agree in some columns, and their barriers (the harder direction of each)."""

    key: dict[str, str | int]
    """What they agree in, by column."""
    records: int
    """All of them."""
    with_barrier: int
    """Those that ended in a barrier."""
    lowest: float | None
    """In eV; None: no record has a barrier."""
    median: float | None
    """In eV."""
    highest: float | None
    """In eV."""

    @property
    def spread(self) -> float | None:
        """Highest minus lowest, in eV."""
        if self.lowest is None or self.highest is None:
            return None
        return self.highest - self.lowest


class Statistic(NamedTuple):
    """The same for a group known by its number."""

    number: int
    records: int
    with_barrier: int
    lowest: float | None
    median: float | None
    highest: float | None


def numbered(
    columns: Sequence[NDArray[np.int32]], length: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Give a number to each of the distinct combinations of some columns of codes.

    Parameters
    ----------
    columns
        Of codes from 0 on; each of shape (length,); none: all rows are one group.
    length
        Number of rows.

    Returns
    -------
    tuple
        Number of each row's group, shape (length,), and a row of each group, shape (groups,).
    """
    numbers = np.zeros(length, np.int64)
    groups = min(length, 1)
    for codes in columns:
        width = int(codes.max()) + 1 if length else 1
        keys = numbers * width + codes
        if groups * width <= _DIRECT:
            taken = np.zeros(groups * width, np.bool_)
            taken[keys] = True
            numbers = (np.cumsum(taken) - 1)[keys]
            groups = int(np.count_nonzero(taken))
        else:
            distinct, numbers = np.unique(keys, return_inverse=True)
            groups = len(distinct)
    rows = np.zeros(groups, np.int64)
    # Backwards, so that the first row of each group stays.
    rows[numbers[::-1]] = np.arange(length - 1, -1, -1)
    return numbers.astype(np.int32), rows


def statistics(
    numbers: NDArray[np.int32],
    groups: int,
    barriers: NDArray[np.float64],
    rising: NDArray[np.int64],
    mask: NDArray[np.bool_] | None,
) -> list[Statistic]:
    """Return the lowest, median and highest barrier of each group that has a row.

    Parameters
    ----------
    numbers
        Of each row's group, shape (n,).
    groups
        How many there are.
    barriers
        In eV, shape (n,); NaN: none.
    rising
        Rows with a barrier, the lowest first.
    mask
        Rows to look at, shape (n,); None: all.
    """
    records = np.bincount(numbers if mask is None else numbers[mask], minlength=groups)
    rows = rising if mask is None else rising[mask[rising]]
    members = numbers[rows]
    # Sorting is stable, so each group stays sorted by barrier; 16 bits are sorted by radix.
    order = np.argsort(members.astype(np.uint16) if groups < 2**16 else members, kind="stable")
    values = barriers[rows[order]]
    counts = np.bincount(members, minlength=groups)
    ends = np.cumsum(counts)
    found = []
    for number in np.flatnonzero(records).tolist():
        count, end = int(counts[number]), int(ends[number])
        start = end - count
        if not count:
            found.append(Statistic(number, int(records[number]), 0, None, None, None))
            continue
        low, high = start + (count - 1) // 2, start + count // 2
        median = values[low] if low == high else (values[low] + values[high]) / 2
        found.append(
            Statistic(
                number,
                int(records[number]),
                count,
                float(values[start]),
                float(median),
                float(values[end - 1]),
            )
        )
    return found
