"""States of one host that its space group makes equal, and their relaxation carried over.

Every state is led back to one representative, the same one whichever states are asked for, so
what is relaxed does not depend on the campaign.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.errors import StructureError
from dualion.records import (
    Geometry,
    IntMatrix3,
    IntVec3,
    Record,
    Relaxed,
    Vec3,
    as_vectors,
)
from dualion.structures.symmetry import find_symmetry, wrapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.structures.symmetry import Symmetry

    Array = NDArray[np.float64]
    IntArray = NDArray[np.int64]

EXACT = 0.01
"""Å by which an atom of a state, or a lattice vector, may miss the place it is mapped to."""

_IMAGES = 2_000_000
"""Images of sites looked at for one state; beyond, it is taken to be its own representative."""
_GRID = 100_000
"""Steps of a fractional coordinate by which the images of an interstitial are told apart."""
_VACANT = ""


class Equivalence(Record):
    """How a state follows from its representative: ``x' = W x + t`` on fractional coordinates."""

    state: Geometry = Field(description="The state itself, before relaxation.")
    rotation: IntMatrix3
    translation: Vec3
    order: tuple[int, ...] = Field(
        description="Atom k of the representative is atom order[k] of the state; shape (n,)."
    )
    cells: tuple[IntVec3, ...] = Field(
        description="Lattice translation added to each atom of the representative, shape (n, 3)."
    )


def cartesian(rotation: NDArray[np.int64], cell: Array) -> tuple[Array, float]:
    """Turn a rotation of fractional coordinates into one of Cartesian column vectors.

    Parameters
    ----------
    rotation
        Acts on fractional column vectors, shape (3, 3).
    cell
        Lattice vectors as rows, shape (3, 3), in Å.

    Returns
    -------
    ndarray, float
        The nearest orthogonal matrix, shape (3, 3), and the largest distance in Å by which it
        leaves a lattice vector off its place.
    """
    exact = cell.T @ rotation @ np.linalg.inv(cell.T)
    left, _, right = np.linalg.svd(exact)
    nearest: Array = left @ right
    return nearest, float(np.linalg.norm((exact - nearest) @ cell.T, axis=0).max())


def matched(points: Array, places: Array, cell: Array) -> tuple[IntArray, Array]:
    """Find the place that each point lies on, whatever the cell.

    Parameters
    ----------
    points, places
        Fractional positions, shapes (..., 3) and (n, 3).
    cell
        Lattice vectors as rows, shape (3, 3), in Å.

    Returns
    -------
    ndarray, ndarray
        Indices of the places, shape (...), and from each point to the nearest image of its place
        in Å, shape (..., 3).
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(wrapped(places), boxsize=1.0)
    _, found = tree.query(wrapped(points))
    gaps = places[found] - points
    return np.asarray(found, dtype=np.int64), (gaps - np.rint(gaps)) @ cell


def relate(
    representative: Geometry, state: Geometry, rotation: IntArray, translation: Array
) -> Equivalence | None:
    """Map a representative onto a state by a given operation.

    Parameters
    ----------
    representative, state
        Two states in one cell, before relaxation.
    rotation, translation
        Operation on fractional coordinates, shapes (3, 3) and (3,).

    Returns
    -------
    Equivalence or None
        None unless every atom lands on one of its own species, and it and the lattice within
        `EXACT`. The translation is the one of the least mean misfit.
    """
    cell = state.cell
    if len(representative) != len(state) or representative.lattice != state.lattice:
        return None
    if cartesian(rotation, cell)[1] > EXACT:
        return None
    moved = representative.fractional @ rotation.T + translation
    order, gaps = matched(moved, state.fractional, cell)
    if len(np.unique(order)) < len(order) or any(
        state.species[place] != symbol
        for place, symbol in zip(order, representative.species, strict=True)
    ):
        return None
    shift = gaps.mean(axis=0)
    if np.linalg.norm(gaps - shift, axis=1).max() > EXACT:
        return None
    translation = translation + shift @ np.linalg.inv(cell)
    moved = representative.fractional @ rotation.T + translation
    first, second, third = rotation.tolist()
    return Equivalence(
        state=state,
        rotation=(tuple(first), tuple(second), tuple(third)),
        translation=as_vectors(translation[None])[0],
        order=tuple(order.tolist()),
        cells=tuple(
            (x, y, z) for x, y, z in np.rint(state.fractional[order] - moved).astype(int).tolist()
        ),
    )


def carry_over(relaxed: Relaxed, equivalence: Equivalence) -> Relaxed:
    """Make the relaxation of a state from that of its representative.

    Parameters
    ----------
    relaxed
        The relaxed representative, at fixed or free lattice.
    equivalence
        How the state follows from it.

    Returns
    -------
    Relaxed
        In the state's own order and near its own unrelaxed positions; it cost no force call.
        Everything else is the representative's.
    """
    state = equivalence.state
    rotation = np.array(equivalence.rotation)
    found = relaxed.geometry
    lattice = state.lattice
    if found.lattice != lattice:
        turn, _ = cartesian(rotation, state.cell)
        a, b, c = as_vectors(np.linalg.inv(rotation).T @ found.cell @ turn.T)
        lattice = (a, b, c)
    places = np.empty((len(state), 3))
    places[list(equivalence.order)] = (
        found.fractional @ rotation.T
        + np.array(equivalence.translation)
        + np.array(equivalence.cells).reshape(-1, 3)
    )
    geometry = Geometry(
        lattice=lattice,
        species=state.species,
        positions=as_vectors(places @ np.array(lattice)),
    )
    return relaxed.model_copy(update={"geometry": geometry, "force_calls": 0})


class Equivalents:
    """The states of one host, led back to representatives.

    Parameters
    ----------
    host
        The supercell that the states are cut from, with its own species.
    """

    def __init__(self, host: Geometry) -> None:
        self.host = host
        self._fractional = host.fractional
        self._atom = {place: atom for atom, place in enumerate(host.positions)}
        self._images: dict[int, IntArray] = {}

    @cached_property
    def _symmetry(self) -> Symmetry | None:
        """Of the host; None when it has none beside the identity."""
        try:
            found = find_symmetry(self.host)
        except StructureError:
            return None
        return found if len(found.rotations) > 1 else None

    def representative(self, state: Geometry) -> tuple[Geometry, Equivalence | None]:
        """Return the state that stands for all states equivalent to this one.

        Parameters
        ----------
        state
            The host with atoms exchanged or taken out, and at most one added.

        Returns
        -------
        Geometry, Equivalence or None
            The representative, and how the state follows from it; the state itself and None
            when it is its own representative, or not of this host.
        """
        occupation = self._occupation(state)
        if occupation is None:
            return state, None
        species, added = occupation
        operation = self._operation(species, added)
        if operation == 0:
            return state, None
        chosen = self._occupied(species, added, operation)
        symmetry = self._symmetry
        if chosen is None or symmetry is None:
            return state, None
        back = np.rint(np.linalg.inv(symmetry.rotations[operation])).astype(np.int64)
        equivalence = relate(chosen, state, back, -back @ symmetry.translations[operation])
        return (state, None) if equivalence is None else (chosen, equivalence)

    def _occupation(self, state: Geometry) -> tuple[list[str], tuple[str, Vec3] | None] | None:
        """Read off what is on each site of the host and what is between them."""
        if state.lattice != self.host.lattice:
            return None
        species = [_VACANT] * len(self.host)
        added = []
        for symbol, place in zip(state.species, state.positions, strict=True):
            atom = self._atom.get(place)
            if atom is None:
                added.append((symbol, place))
            else:
                species[atom] = symbol
        return None if len(added) > 1 else (species, added[0] if added else None)

    def _operation(self, species: list[str], added: tuple[str, Vec3] | None) -> int:
        """Choose the operation that leads to the representative; 0 is the identity.

        The representative is the image whose added atom, and then whose changed sites, kind by
        kind and the rarest first, come first. Few operations are left after the first kind.
        """
        groups: dict[str, list[int]] = {}
        for atom, (now, own) in enumerate(zip(species, self.host.species, strict=True)):
            if now != own:
                groups.setdefault(now, []).append(atom)
        symmetry = self._symmetry if groups or added else None
        if symmetry is None:
            return 0
        left: IntArray = np.arange(len(symmetry.rotations))
        if added is not None:
            place = np.array(added[1]) @ np.linalg.inv(self.host.cell)
            moved = symmetry.rotations @ place + symmetry.translations
            left = _first(np.rint(moved * _GRID).astype(np.int64) % _GRID)
        for _, atoms in sorted(groups.items(), key=lambda item: (len(item[1]), item[0])):
            if len(left) == 1:
                break
            if len(left) * len(atoms) > _IMAGES:
                return 0
            left = left[_first(np.sort(self._targets(symmetry, left, atoms), axis=1))]
        return int(left[0])

    def _targets(self, symmetry: Symmetry, operations: IntArray, atoms: list[int]) -> IntArray:
        """Sites that operations take sites to, shape (operations, atoms)."""
        whole = len(operations) == len(symmetry.rotations) and len(atoms) == 1
        if whole and atoms[0] in self._images:
            return self._images[atoms[0]]
        moved = np.einsum(
            "mij,kj->mki", symmetry.rotations[operations], self._fractional[atoms], optimize=True
        )
        moved = moved + symmetry.translations[operations][:, None]
        targets, _ = matched(moved, self._fractional, self.host.cell)
        if whole:
            self._images[atoms[0]] = targets
        return targets

    def _occupied(
        self, species: list[str], added: tuple[str, Vec3] | None, operation: int
    ) -> Geometry | None:
        """Make the image of a state under an operation, in host order; None: it is no state."""
        symmetry = self._symmetry
        if symmetry is None:
            return None
        every = list(range(len(self.host)))
        targets = self._targets(symmetry, np.array([operation]), every)[0]
        if len(np.unique(targets)) < len(every):
            return None
        images = [_VACANT] * len(every)
        for atom, target in enumerate(targets):
            images[target] = species[atom]
        kept = [atom for atom in every if images[atom] != _VACANT]
        symbols = [images[atom] for atom in kept]
        positions = [self.host.positions[atom] for atom in kept]
        if added is not None:
            place = np.array(added[1]) @ np.linalg.inv(self.host.cell)
            moved = symmetry.rotations[operation] @ place + symmetry.translations[operation]
            # As end points are wrapped, so that a void reached in two ways is one state.
            inside = (np.round(moved, 9) % 1.0) @ self.host.cell
            symbols.append(added[0])
            positions.append(as_vectors(np.round(inside, 8)[None] + 0.0)[0])
        return Geometry(
            lattice=self.host.lattice, species=tuple(symbols), positions=tuple(positions)
        )


def _first(rows: IntArray) -> IntArray:
    """Return the indices of all rows that equal the lexicographically first one."""
    best = rows[np.lexsort(rows.T[::-1])[0]]
    return np.flatnonzero((rows == best).all(axis=1)).astype(np.int64)
