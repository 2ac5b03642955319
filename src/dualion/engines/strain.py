"""Coordinates of a crystal that relaxes with its lattice, or with its symmetry kept.

A surrogate learns functions of one array of coordinates in Å. With a free lattice these are the
positions as they would be had the lattice not been strained, and below them the strain itself::

    cell = cell₀ F,   xyz = x₀ F,   coordinates = (x₀, s (F − 1)),   s = √n Å

so that the lattice is about as stiff as an atom (as in :func:`~dualion.engines.relaxation.relax`).
Forces on them are minus the derivatives of the energy, f Fᵀ and −V F⁻ᵀ σ / s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dualion.engines.evaluator import Evaluation
from dualion.engines.relaxation import SYMMETRY
from dualion.records import Geometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.engines.evaluator import Source

    Array = NDArray[np.float64]


class Strained:
    """Coordinates of one crystal.

    Parameters
    ----------
    geometry
        The crystal whose lattice counts as not strained.
    cell
        Whether the lattice is free.
    keep_symmetry
        Whether forces and stresses are made to have the symmetry of the crystal.
    """

    def __init__(self, geometry: Geometry, *, cell: bool, keep_symmetry: bool) -> None:
        self._atoms: Any = geometry.atoms()
        self._free = cell
        self._scale = len(geometry) ** 0.5
        self._symmetry: Any = None
        if keep_symmetry:
            from ase.constraints import FixSymmetry

            self._symmetry = FixSymmetry(self._atoms, symprec=SYMMETRY)  # refines the atoms
        self._lattice: Array = self._atoms.cell.array

    def coordinates(self, geometry: Geometry) -> Array:
        """Return the coordinates of a configuration, shape (n + 3, 3), or (n, 3), in Å."""
        return self._packed(geometry.xyz, geometry.cell)

    def geometry(self, coordinates: Array) -> Geometry:
        """Return the configuration at some coordinates."""
        xyz, cell = self._placed(coordinates)
        atoms = self._atoms.copy()
        atoms.set_cell(cell)
        atoms.set_positions(xyz)
        return Geometry.from_atoms(atoms)

    def asked(self, source: Source) -> Source:
        """Return a source of what another says at coordinates: energy, and forces on them."""

        def ask(
            numbers: NDArray[np.int64], xyz: Array, cell: Array, *, stress: bool = False
        ) -> Evaluation:
            del cell, stress
            place, lattice = self._placed(xyz)
            found = source(numbers, place, lattice, stress=self._free)
            return Evaluation(found.energy, self._pulls(found, place, lattice))

        return ask

    def told(self, source: Source) -> Source:
        """Return a source of forces and stresses from one that knows coordinates."""

        def tell(
            numbers: NDArray[np.int64], xyz: Array, cell: Array, *, stress: bool = False
        ) -> Evaluation:
            del stress
            found = source(numbers, self._packed(xyz, cell), self._lattice, stress=False)
            if not self._free:
                return found
            deformation = self._deformation(cell)
            forces: Array = found.forces[:-3] @ np.linalg.inv(deformation).T
            virial: Array = -self._scale * deformation.T @ found.forces[-3:]
            tensor: Array = 0.5 * (virial + virial.T) / abs(np.linalg.det(cell))
            return Evaluation(found.energy, forces, tensor)

        return tell

    def _deformation(self, cell: Array) -> Array:
        return np.asarray(np.linalg.solve(self._lattice, cell), dtype=np.float64)

    def _packed(self, xyz: Array, cell: Array) -> Array:
        if not self._free:
            return xyz
        deformation = self._deformation(cell)
        return np.vstack(
            [xyz @ np.linalg.inv(deformation), self._scale * (deformation - np.eye(3))]
        )

    def _placed(self, coordinates: Array) -> tuple[Array, Array]:
        if not self._free:
            return coordinates, self._lattice
        deformation = np.eye(3) + coordinates[-3:] / self._scale
        xyz: Array = coordinates[:-3] @ deformation
        cell: Array = self._lattice @ deformation
        return xyz, cell

    def _pulls(self, found: Evaluation, xyz: Array, cell: Array) -> Array:
        """Return the forces on coordinates, with the symmetry that is to be kept."""
        found = self._symmetric(found, xyz, cell)
        if found.stress is None:
            return found.forces
        deformation = self._deformation(cell)
        virial = abs(np.linalg.det(cell)) * np.linalg.solve(deformation.T, found.stress)
        return np.vstack([found.forces @ deformation.T, -virial / self._scale])

    def _symmetric(self, found: Evaluation, xyz: Array, cell: Array) -> Evaluation:
        if self._symmetry is None:
            return found
        from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

        atoms = self._atoms.copy()
        atoms.set_cell(cell)
        atoms.set_positions(xyz)
        forces, tensor = found.forces.copy(), found.stress
        self._symmetry.adjust_forces(atoms, forces)
        if tensor is not None:
            six = full_3x3_to_voigt_6_stress(tensor)
            self._symmetry.adjust_stress(atoms, six)
            tensor = voigt_6_to_full_3x3_stress(six)
        return Evaluation(found.energy, forces, tensor)
