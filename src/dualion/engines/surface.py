"""The potential-energy surface of one cell, seen by a search that moves one configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dualion.engines.evaluator import Evaluator

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """One configuration and what the engine said of it.

    Attributes
    ----------
    xyz
        Positions, continuous along a path, shape (n, 3), in Å.
    energy
        In eV.
    forces
        Shape (n, 3), in eV/Å.
    """

    xyz: Array
    energy: float
    forces: Array

    @property
    def largest_force(self) -> float:
        """Largest force on an atom, in eV/Å."""
        return float(np.linalg.norm(self.forces, axis=1).max())

    def distance(self, other: Point) -> float:
        """Largest displacement of an atom from another point, in Å."""
        return float(np.linalg.norm(self.xyz - other.xyz, axis=1).max())


class Surface:
    """Evaluates configurations of one cell, and curvatures along directions.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n,).
    cell
        Lattice vectors as rows, shape (3, 3), in Å.
    evaluate
        Gives energies and forces.
    """

    def __init__(self, numbers: NDArray[np.int64], cell: Array, evaluate: Evaluator) -> None:
        self.numbers = numbers
        self.cell = cell
        self.evaluate = evaluate

    @property
    def calls(self) -> int:
        """Force calls made so far."""
        return self.evaluate.calls

    def point(self, xyz: Array) -> Point:
        """Evaluate a configuration."""
        found = self.evaluate(self.numbers, xyz, self.cell)
        return Point(xyz, found.energy, found.forces)

    def curvatures(self, at: Point, directions: Sequence[Array], *, step: float) -> list[Array]:
        """Apply the Hessian to unit directions by forward differences.

        Parameters
        ----------
        at
            An evaluated point.
        directions
            Shape (n, 3) each, of norm one.
        step
            Largest displacement of an atom, in Å.

        Returns
        -------
        list of ndarray
            Shape (n, 3) each, in eV/Å².
        """
        lengths = [step / float(np.linalg.norm(each, axis=1).max()) for each in directions]
        moved = [at.xyz + length * each for length, each in zip(lengths, directions, strict=True)]
        found = self.evaluate.many(self.numbers, moved, self.cell)
        return [
            (at.forces - each.forces) / length for each, length in zip(found, lengths, strict=True)
        ]
