"""Channels on a grid: the level at which a periodic field lets something through the crystal."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.records import IntVec3, Record
from dualion.structures.network import PeriodicGraph

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIGITS = 6
"""Levels closer than 1e-6 are one: points that symmetry makes equal differ in the last bits."""

_TOUCH = 0.05
"""Share of half a step's length by which other points may be nearer to its middle."""


class Passage(Record):
    """The lowest level at which a field percolates in a number of dimensions."""

    dimensions: int
    level: float = Field(description="Highest value on the easiest way through.")
    lowest: float = Field(description="Lowest value of what is connected at that level.")
    bottleneck: IntVec3 = Field(description="Grid point with that level, on the way through.")


def steps_of(cell: NDArray[np.float64]) -> tuple[IntVec3, ...]:
    """Find the steps from a grid point to those whose Voronoi cells touch its own.

    In a face, an edge or a corner: with faces alone, a way that runs askew to the axes would go
    in stairs, over points beside its saddle.

    Parameters
    ----------
    cell
        Vectors from a grid point to its neighbours along the three axes, as rows, in Å; of a
        reduced cell.

    Returns
    -------
    tuple of (int, int, int)
        One of each pair of opposite steps: 13 on an orthogonal grid.
    """
    around = np.array(list(product((-1, 0, 1), repeat=3)))
    far = np.array(list(product((-2, -1, 0, 1, 2), repeat=3)))
    chosen: list[IntVec3] = []
    for step in around[around.any(axis=1)]:
        middle = 0.5 * step @ cell
        half = float(np.linalg.norm(middle))
        others = far[(far != 0).any(axis=1) & (far != step).any(axis=1)]
        apart = np.linalg.norm(others @ cell - middle, axis=1)
        x, y, z = (int(k) for k in step)
        if apart.min() > half * (1.0 - _TOUCH) and (-x, -y, -z) not in chosen:
            chosen.append((x, y, z))
    return tuple(chosen)


class _Grid:
    """Connections of a periodic grid: those inside the box, and those that leave it."""

    def __init__(self, shape: tuple[int, ...], steps: tuple[IntVec3, ...]) -> None:
        self.structure = np.zeros((3, 3, 3), dtype=bool)
        self.structure[1, 1, 1] = True
        sizes = np.array(shape)
        outside = []
        for step in steps:
            for sign in (1, -1):
                place = 1 + sign * np.array(step)
                self.structure[tuple(place)] = True
            points = _leaving(shape, step)
            there = points + np.array(step)
            image = there // sizes
            outside.append(
                (
                    np.ravel_multi_index(tuple(points.T), shape),
                    np.ravel_multi_index(tuple((there - image * sizes).T), shape),
                    image,
                )
            )
        self.start = np.concatenate([each[0] for each in outside])
        self.end = np.concatenate([each[1] for each in outside])
        # Cells -1, 0 and 1 along each axis, as one number.
        self.image = np.concatenate([each[2] for each in outside]) @ np.array([9, 3, 1]) + 13

    def connected(self, inside: NDArray[np.bool_]) -> tuple[NDArray[np.int64], PeriodicGraph]:
        """Label what hangs together within the box, and join the labels across its faces."""
        from scipy.ndimage import label

        labels, count = label(inside, structure=self.structure)
        flat = labels.ravel().astype(np.int64)
        one, two = flat[self.start], flat[self.end]
        both = (one > 0) & (two > 0)
        coded = (one[both] * (count + 1) + two[both]) * 27 + self.image[both]
        graph = PeriodicGraph(count + 1)
        for code in np.unique(coded).tolist():
            pair, cell = divmod(code, 27)
            initial, final = divmod(pair, count + 1)
            graph.add(initial, final, (cell // 9 - 1, cell // 3 % 3 - 1, cell % 3 - 1))
        return labels.astype(np.int64), graph


def _leaving(shape: tuple[int, ...], step: IntVec3) -> NDArray[np.int64]:
    """Points of the box from which a step leads out of it, shape (n, 3)."""
    slabs = []
    for axis, along in enumerate(step):
        if along:
            ranges = [np.arange(size) for size in shape]
            ranges[axis] = np.array([shape[axis] - 1 if along > 0 else 0])
            slabs.append(np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3))
    return np.unique(np.concatenate(slabs), axis=0)


def passages(
    field: NDArray[np.float64], cell: NDArray[np.float64], *, ceiling: float = np.inf
) -> tuple[Passage, ...]:
    """Find the lowest levels at which the region below them goes on for ever.

    A region percolates in as many dimensions as there are independent lattice translations that
    lead from it to itself. They are found as whole numbers, from the connections across the faces
    of the box: no supercell, no tolerance. The levels are values of the field, found by bisection:
    what percolates at one level does so at all higher ones.

    Parameters
    ----------
    field
        On a grid over the cell, shape (l, m, n); the last point of an axis is followed by the
        first.
    cell
        Cell vectors as rows, in Å; a reduced cell, whose grid is about as fine in all directions.
    ceiling
        Levels above are not looked at.

    Returns
    -------
    tuple of Passage
        In one, two and three dimensions, as far as there are any.
    """
    rounded = np.round(np.asarray(field, dtype=float), _DIGITS)
    a, b, c = rounded.shape
    grid = _Grid((a, b, c), steps_of(cell / np.array([[a], [b], [c]])))
    levels = np.unique(rounded[rounded <= ceiling])
    ranks: dict[int, int] = {}

    def rank(index: int) -> int:
        if index not in ranks:
            ranks[index] = grid.connected(rounded <= levels[index])[1].dimensionality
        return ranks[index]

    found = []
    low = 0
    for dimensions in (1, 2, 3):
        if not len(levels) or rank(len(levels) - 1) < dimensions:
            break
        high = len(levels) - 1
        for index, known in ranks.items():
            if known >= dimensions:
                high = min(high, index)
            else:
                low = max(low, index + 1)
        while low < high:
            middle = (low + high) // 2
            if rank(middle) >= dimensions:
                high = middle
            else:
                low = middle + 1
        found.append(_passage(rounded, grid, float(levels[high]), dimensions))
    return tuple(found)


def _passage(field: NDArray[np.float64], grid: _Grid, level: float, dimensions: int) -> Passage:
    labels, graph = grid.connected(field <= level)
    through = np.array(
        [graph.component_rank(k) >= dimensions for k in range(int(labels.max()) + 1)]
    )
    through[0] = False
    part = through[labels]
    x, y, z = np.argwhere(part & (field == level))[0]
    return Passage(
        dimensions=dimensions,
        level=level,
        lowest=float(field[part].min()),
        bottleneck=(int(x), int(y), int(z)),
    )
