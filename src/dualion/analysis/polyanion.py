"""Covalent groups of the framework: bonds, their lengths and angles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from dualion.records import Geometry

    Array = NDArray[np.float64]
    IntArray = NDArray[np.intp]

BOND_REACH = 1.2
"""A bond is at most this many times the sum of the covalent radii (doi 10.1039/b801115j)."""
RIGID_COORDINATION = 3
"""Angles are watched at atoms with at least this many bonds; a bridge may bend freely."""


@dataclass(frozen=True)
class Polyanions:
    """The covalent bonds of a host and their shape.

    Attributes
    ----------
    first, second
        Host atoms of each bond, shape (bonds,); every bond is listed once.
    vectors
        From the first to the second atom in the host, shape (bonds, 3), in Å.
    angle_bonds, angle_signs
        The two bonds of each watched angle, shape (angles, 2), and +1 or −1 where the bond
        starts or ends at the apex.
    """

    first: IntArray
    second: IntArray
    vectors: Array
    angle_bonds: IntArray
    angle_signs: Array

    def __len__(self) -> int:
        return len(self.first)

    def bond_vectors(self, displacements: Array) -> Array:
        """Bond vectors after displacing the host atoms, shape (bonds, 3), in Å."""
        moved: Array = self.vectors + displacements[self.second] - displacements[self.first]
        return moved

    def stretches(self, displacements: Array) -> Array:
        """Relative changes of the bond lengths, shape (bonds,)."""
        before = np.linalg.norm(self.vectors, axis=1)
        after = np.linalg.norm(self.bond_vectors(displacements), axis=1)
        change: Array = after / before - 1.0
        return change

    def bends(self, displacements: Array) -> Array:
        """Compute the changes of the watched angles, shape (angles,), in degrees."""
        still = np.zeros_like(displacements)
        return self._angles(displacements) - self._angles(still)

    def _angles(self, displacements: Array) -> Array:
        vectors = self.bond_vectors(displacements)
        vectors = vectors / np.linalg.norm(vectors, axis=1)[:, None]
        arms = vectors[self.angle_bonds] * self.angle_signs[..., None]
        cosine = np.clip((arms[:, 0] * arms[:, 1]).sum(axis=-1), -1.0, 1.0)
        angle: Array = np.degrees(np.arccos(cosine))
        return angle


def polyanions(host: Geometry, working_species: Collection[str]) -> Polyanions:
    """Find the covalent bonds of a framework.

    Bonded are two atoms that are not working ions, both non-metals, metalloids or tin, within
    1.2 times the sum of their covalent radii: P–S, Ge–S, Sn–S, P–O, S–S and the like, but no
    metal–halide contact.

    Parameters
    ----------
    host
        The framework, in the geometry that bonds are counted in.
    working_species
        Symbols of the mobile ions.
    """
    from ase.neighborlist import natural_cutoffs, neighbor_list

    atoms = host.atoms()
    covalent = np.array(
        [
            symbol not in working_species and _forms_covalent_groups(symbol)
            for symbol in host.species
        ],
        dtype=bool,
    )
    first, second, vectors = neighbor_list("ijD", atoms, natural_cutoffs(atoms, mult=BOND_REACH))
    bonded = covalent[first] & covalent[second]
    # Each bond comes twice; between images of one atom the vector's sign picks one.
    sign = np.array([next((x for x in v if abs(x) > 1e-6), 0.0) for v in vectors]).reshape(-1)
    once = bonded & ((first < second) | ((first == second) & (sign > 0)))
    first, second, vectors = first[once], second[once], vectors[once]
    bonds, signs = [], []
    for apex in range(len(host)):
        arms = [(b, 1.0) for b in np.flatnonzero(first == apex)]
        arms += [(b, -1.0) for b in np.flatnonzero(second == apex)]
        if len(arms) < RIGID_COORDINATION:
            continue
        for n, one in enumerate(arms):
            for other in arms[n + 1 :]:
                bonds.append((one[0], other[0]))
                signs.append((one[1], other[1]))
    return Polyanions(
        first=first,
        second=second,
        vectors=vectors,
        angle_bonds=np.array(bonds, dtype=np.intp).reshape(-1, 2),
        angle_signs=np.array(signs, dtype=float).reshape(-1, 2),
    )


def is_anion(symbol: str) -> bool:
    """Whether an element is counted as an anion: group 16 or 17, or electronegativity ≥ 2.6.

    On Pauling's scale the bound takes nitrogen in and leaves carbon out.
    """
    from pymatgen.core import Element

    element = Element(symbol)
    return element.group in {16, 17} or (element.group != 18 and bool(element.X >= 2.6))


def _forms_covalent_groups(symbol: str) -> bool:
    from pymatgen.core import Element

    return symbol == "Sn" or not Element(symbol).is_metal
