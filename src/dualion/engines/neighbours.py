"""Neighbours of the atoms of one cell, found once for all configurations near one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Indices = NDArray[np.int64]

SLACK = 0.5
"""Atoms may go this far from where their neighbours were looked for, in Å."""


class Neighbours:
    """Pairs of atoms of one cell, by species.

    An element that stands in for another belongs to two species at once, so its pairs come in
    copies.

    Parameters
    ----------
    numbers, xyz, cell
        Atomic numbers (n,), positions (n, 3) and cell rows, in Å.
    copies
        Species that an element belongs to.
    pair_types
        Type of a pair of species, shape (species, species).
    reach, near
        Two atoms closer than the first, in Å, are a pair; a neighbour closer than the second lends
        density.

    Attributes
    ----------
    first, second, pair_types
        Both atoms of each pair, and its type.
    centres, others, channels
        Each atom that is lent density, the neighbour that lends it, and as which species.
    copy_atoms, copy_species
        Each atom as often as it has species, and those.
    """

    def __init__(
        self,
        numbers: Indices,
        xyz: Array,
        cell: Array,
        copies: Mapping[int, tuple[int, ...]],
        pair_types: Indices,
        *,
        reach: float,
        near: float,
    ) -> None:
        from ase import Atoms
        from ase.neighborlist import neighbor_list

        self._xyz = xyz.copy()
        self._species = len(pair_types)
        self._atoms = len(numbers)
        atoms = Atoms(numbers, xyz, cell=cell, pbc=True)
        i, j, distance, cells = neighbor_list("ijdS", atoms, reach + 2.0 * SLACK)
        shifts = cells @ np.asarray(cell)
        species = [copies[int(z)] for z in numbers]
        # Each pair once: of an atom and its own image, the one of the two that comes later.
        once = (i < j) | ((i == j) & (cells @ [1_000_000, 1_000, 1] > 0))
        taken = [
            (p, pair_types[u, v])
            for p in np.flatnonzero(once)
            for u in species[i[p]]
            for v in species[j[p]]
        ]
        rows = np.array([p for p, _ in taken], dtype=int)
        self.pair_types = np.array([t for _, t in taken], dtype=int)
        self.first, self.second, self._shifts = i[rows], j[rows], shifts[rows]
        lent = [
            (p, u) for p in np.flatnonzero(distance < near + 2.0 * SLACK) for u in species[j[p]]
        ]
        rows = np.array([p for p, _ in lent], dtype=int)
        self.channels = np.array([u for _, u in lent], dtype=int)
        self.centres, self.others, self._end_shifts = i[rows], j[rows], shifts[rows]
        own = [(k, u) for k, each in enumerate(species) for u in each]
        self.copy_atoms = np.array([k for k, _ in own])
        self.copy_species = np.array([u for _, u in own])
        self._push = _incidence(self.first, self.second, self._atoms)
        self._push_ends = _incidence(self.centres, self.others, self._atoms)
        lent_to = self.centres * self._species + self.channels
        self._gather = _sums(lent_to, self._atoms * self._species)
        self._copy = _sums(self.copy_atoms, self._atoms)

    def holds(self, xyz: Array) -> bool:
        """Whether no atom is too far from where neighbours were looked for."""
        return bool((np.square(xyz - self._xyz).sum(axis=1) < SLACK**2).all())

    def pairs(self, xyz: Array) -> tuple[Array, Array]:
        """Return unit vectors from first to second atoms of pairs, and distances in Å."""
        return _units(xyz[self.second] + self._shifts - xyz[self.first])

    def ends(self, xyz: Array) -> tuple[Array, Array]:
        """Return unit vectors from a centre to what lends it density, and distances in Å."""
        return _units(xyz[self.others] + self._end_shifts - xyz[self.centres])

    def push(self, vectors: Array) -> Array:
        """Sum over pairs: along the vector on the first atom, against it on the second; (n, 3)."""
        found: Array = self._push @ vectors
        return found

    def push_ends(self, vectors: Array) -> Array:
        """Sum likewise over centres and what lends them density; (n, 3)."""
        found: Array = self._push_ends @ vectors
        return found

    def gather(self, values: Array) -> Array:
        """Sum what each atom is lent by each species, shape (n, species, values)."""
        found: Array = self._gather @ values
        return found.reshape(self._atoms, self._species, -1)

    def of_centre(self, matrices: Array) -> Array:
        """Sum a species' arrays over the species of each atom, shape (n, …)."""
        flat = matrices.reshape(self._species, -1)[self.copy_species]
        found: Array = self._copy @ flat
        return found.reshape(self._atoms, *matrices.shape[1:])


def _units(vectors: Array) -> tuple[Array, Array]:
    distances = np.sqrt(np.einsum("px,px->p", vectors, vectors))
    return vectors / distances[:, None], distances


def _sums(rows: Indices, count: int) -> Any:  # noqa: ANN401 - scipy.sparse is untyped
    """Matrix that adds up entries by the row that each belongs to."""
    from scipy.sparse import csr_matrix

    each = np.arange(len(rows))
    return csr_matrix((np.ones(len(rows)), (rows, each)), shape=(count, len(rows)))


def _incidence(plus: Indices, minus: Indices, count: int) -> Any:  # noqa: ANN401
    return _sums(plus, count) - _sums(minus, count)
