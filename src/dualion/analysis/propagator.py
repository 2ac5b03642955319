"""The lattice Green function of a walk: how a visit to one site is felt on others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Ints = NDArray[np.int64]

_SIZES = (2, 3, 4)
"""Periodic boxes relative to each other; their errors fall by known powers of the size."""
_WORK = 1.5e8
"""Wave vectors of the largest box, times the cube of the number of sites."""
_FEWEST, _MOST = 512, 20_000
"""Bounds of that number of wave vectors."""
_BLOCK = 2_000_000
"""Matrix elements held at once."""


def translation_basis(vectors: Ints) -> Ints:
    """Return a basis, in echelon form, of all integer combinations of vectors.

    Parameters
    ----------
    vectors
        Shape (m, 3).

    Returns
    -------
    ndarray
        Shape (d, 3), d from 0 to 3.
    """
    rows = [list(map(int, row)) for row in {tuple(each) for each in vectors.tolist()}]
    basis = []
    for column in range(3):
        # Euclid's algorithm on this column.
        live = [row for row in rows if row[column]]
        while len(live) > 1:
            live.sort(key=lambda row: abs(row[column]))
            for row in live[1:]:
                times = row[column] // live[0][column]
                row[:] = [a - times * b for a, b in zip(row, live[0], strict=True)]
            live = [row for row in live if row[column]]
        if live:
            pivot = live[0]
            basis.append(pivot if pivot[column] > 0 else [-a for a in pivot])
            rows = [row for row in rows if row is not pivot]
    return np.array(basis, dtype=np.int64).reshape(-1, 3)


def in_basis(vectors: Ints, basis: Ints) -> tuple[Ints, Ints]:
    """Write integer vectors in a :func:`translation_basis`.

    Returns
    -------
    tuple of ndarray
        Coefficients, shape (m, d), and what is left, shape (m, 3): the same for vectors that
        differ by a combination of the basis, and zero for such a combination.
    """
    left = vectors.copy()
    numbers = np.zeros((len(vectors), len(basis)), dtype=np.int64)
    for k, row in enumerate(basis):
        pivot = int(np.flatnonzero(row)[0])
        numbers[:, k] = left[:, pivot] // row[pivot]
        left -= numbers[:, k, None] * row
    return numbers, left


class Between(NamedTuple):
    """G between pairs of places, less one constant, by extrapolation of three boxes and of two."""

    best: Array
    check: Array


@dataclass(frozen=True)
class Propagator:
    """The inverse of the Laplacian ``L = diag(Σ w) − w`` of one connected periodic network.

    In an infinite network only differences of G are of use here (in one and two dimensions only
    they exist), so it is given less one constant. G is computed in periodic boxes of proportional
    sizes. What repetition adds to a difference falls with the size N as N^-d, N^-(d+2), ... in d
    dimensions, and is extrapolated away.

    Attributes
    ----------
    sites
        Number of sites in the cell.
    tail, head
        Site at each end of each hop, shape (m,).
    shift
        Cell of the head in d independent directions, shape (m, d).
    flux
        Shape (m,).
    effort
        Relative number of wave vectors.
    """

    sites: int
    tail: Ints
    head: Ints
    shift: Ints
    flux: Array
    effort: float = 1.0

    def between(self, first: tuple[Ints, Ints], second: tuple[Ints, Ints]) -> Between:
        """Return G between places, less a constant.

        Parameters
        ----------
        first, second
            Sites, shape (k,), and their cells, shape (k, d).

        Returns
        -------
        Between
            Shape (k,) each, in 1/flux.
        """
        cells, where = _unique_rows(second[1] - first[1])
        boxes = np.array(
            [self._box(cells, size)[where, first[0], second[0]] for size in self.boxes]
        )
        dimensions = self.shift.shape[1]
        if dimensions == 0:
            return Between(boxes[0], boxes[0])
        return Between(
            _extrapolated(boxes, _SIZES, dimensions),
            _extrapolated(boxes[1:], _SIZES[1:], dimensions),
        )

    @cached_property
    def boxes(self) -> list[tuple[int, ...]]:
        """Sizes of the periodic boxes, longer in directions in which the walk is faster."""
        dimensions = self.shift.shape[1]
        if dimensions == 0:
            return [()]
        spread = np.einsum("k,ki->i", self.flux, self.shift.astype(float) ** 2)
        reach = np.sqrt(spread / np.exp(np.log(spread).mean()))
        wanted = self.effort * float(np.clip(_WORK / self.sites**3, _FEWEST, _MOST))
        best = np.ones(dimensions, dtype=np.int64)
        for unit in np.arange(0.25, 200.0, 0.25):
            trial = np.maximum(1, np.rint(unit * reach)).astype(np.int64)
            if np.prod(_SIZES[-1] * trial.astype(float)) > wanted:
                break
            best = trial
        return [tuple(int(size * each) for each in best) for size in _SIZES]

    def _box(self, cells: Ints, box: tuple[int, ...]) -> Array:
        """G in a periodic box, shape (cells, sites, sites), less that of the first site."""
        asked = np.vstack([np.zeros((1, len(box)), dtype=np.int64), cells])
        if not box:
            alone = self._inverse(np.zeros((1, 0))).real
            return np.repeat(alone - alone[0, 0, 0], len(cells), axis=0)
        # Plane by plane of wave vectors, half of them: the opposite ones are conjugate.
        first, first_at = np.unique(asked[:, 0], return_inverse=True)
        rest, rest_at = _unique_rows(asked[:, 1:])
        plane = 2.0 * np.pi * _grid(box[1:]) / np.array(box[1:], dtype=float)
        phases = np.exp(-1j * rest @ plane.T)
        found = np.zeros((len(first), len(rest), self.sites**2))
        count = max(1, _BLOCK // self.sites**2)
        for k in range(box[0] // 2 + 1):
            wave = 2.0 * np.pi * k / box[0]
            turned = np.exp(-1j * first * wave) * (1.0 if k in {0, box[0] / 2} else 2.0)
            for start in range(0, len(plane), count):
                some = plane[start : start + count]
                waves = np.column_stack([np.full(len(some), wave), some])
                inverse = self._inverse(waves).reshape(len(waves), -1)
                part = phases[:, start : start + count] @ inverse
                found += np.einsum("f,rs->frs", turned.real, part.real)
                found -= np.einsum("f,rs->frs", turned.imag, part.imag)
        picked = found[first_at, rest_at] / math.prod(box)
        picked = picked.reshape(-1, self.sites, self.sites)
        return np.asarray(picked[1:] - picked[0, 0, 0])

    def _inverse(self, waves: Array) -> NDArray[np.complex128]:
        """Inverse Laplacian at wave vectors, shape (q, sites, sites); at 0 without its mean."""
        n = self.sites
        phase = self.flux * np.exp(1j * waves @ self.shift.T)
        flat = np.zeros((len(waves), n * n), dtype=complex)
        for k, (i, f) in enumerate(zip(self.tail.tolist(), self.head.tolist(), strict=True)):
            flat[:, i * n + i] += self.flux[k]
            flat[:, f * n + f] += self.flux[k]
            flat[:, i * n + f] -= phase[:, k]
            flat[:, f * n + i] -= phase[:, k].conj()
        matrix = flat.reshape(-1, n, n)
        still = ~waves.any(axis=1)
        constant = float(np.trace(matrix[0]).real) / n if len(waves) else 1.0
        constant = constant or 1.0
        matrix[still] += constant / n
        size = np.sqrt(np.einsum("qii->qi", matrix).real)
        scaled = np.linalg.inv(matrix / (size[:, :, None] * size[:, None, :]))
        inverse = scaled / (size[:, :, None] * size[:, None, :])
        inverse[still] -= 1.0 / (constant * n)
        return np.asarray(inverse)


def _grid(box: tuple[int, ...]) -> Array:
    """All points of a box, shape (points, d)."""
    points = list(product(*map(range, box)))
    return np.array(points, dtype=float).reshape(len(points), len(box))


def _unique_rows(rows: Ints) -> tuple[Ints, Ints]:
    """Distinct rows, and where each row is among them."""
    if rows.shape[1] == 0:
        return rows[:1], np.zeros(len(rows), dtype=np.int64)
    distinct, where = np.unique(rows, axis=0, return_inverse=True)
    return distinct, where.ravel()


def _extrapolated(boxes: Array, sizes: Sequence[int], dimensions: int) -> Array:
    """Take the leading powers of the size out of values in boxes, shape (boxes, k)."""
    powers = [0, *(-(dimensions + 2 * k) for k in range(len(sizes) - 1))]
    table = np.array([[float(size) ** power for size in sizes] for power in powers])
    shares = np.linalg.solve(table, np.eye(len(sizes))[0])
    return np.asarray(shares @ boxes)
