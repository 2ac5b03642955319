"""An approximate Hessian that learns from forces, and the steps it suggests.

Starts as a uniform stiffness, softer or negative along directions that are known, and takes in
every force call by the update of Bofill for transition states as used by Hermes et al.
(doi 10.1021/acs.jctc.9b00869, equation 12), which keeps it symmetric and lets curvatures turn
negative. Steps are Newton steps on the magnitudes of the curvatures, up along the lowest and down
along all others, within a trust radius that follows how well the energy was predicted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.engines.surface import Point

    Array = NDArray[np.float64]

STIFFNESS = 6.0
"""Curvature assumed before anything is known, in eV/Å²."""
DOWNWARD = -0.5
"""Curvature assumed along the path, in eV/Å²."""
CAUTIOUS = 4.0
"""No curvature counts as stiffer than this in an estimate of the error, in eV/Å²."""
SOFTEST = 0.05
"""Curvatures are taken to be no smaller than this in magnitude, in eV/Å²."""
LARGEST_MODEL = 600
"""Degrees of freedom kept; those far from the mover move by the uniform stiffness alone."""


class Hessian:
    """The curvatures around a configuration, as far as force calls have told.

    Parameters
    ----------
    along
        Unit vector of the path, shape (n, 3): the energy is taken to curve down along it.
    chosen
        Atoms whose curvatures are learnt, at most a third of :data:`LARGEST_MODEL`.
    """

    def __init__(self, along: Array, chosen: NDArray[np.intp]) -> None:
        self._shape = along.shape
        self._chosen = chosen
        vector = self._reduced(along)
        vector = vector / np.linalg.norm(vector)
        self._up = vector
        self._matrix = STIFFNESS * np.eye(len(vector)) + (DOWNWARD - STIFFNESS) * np.outer(
            vector, vector
        )
        self._solve()

    def _reduced(self, vector: Array) -> Array:
        flat: Array = vector[self._chosen].ravel()
        return flat

    def _solve(self) -> None:
        self.values, self._vectors = np.linalg.eigh(self._matrix)

    def vector(self, index: int) -> Array:
        """Return the mode of the given place, the lowest first, shape (n, 3)."""
        full = np.zeros(self._shape)
        full[self._chosen] = self._vectors[:, index].reshape(-1, 3)
        return full

    def _follow(self) -> int:
        """Place of the mode that goes on from the one followed so far."""
        place = int(np.argmax(np.abs(self._vectors.T @ self._up)))
        self._up = self._vectors[:, place]
        return place

    def learn(self, moved: Array, change: Array) -> None:
        """Take in that a displacement changed the gradient by ``change``, both (n, 3)."""
        s, y = self._reduced(moved), self._reduced(change)
        length = float(np.linalg.norm(s))
        if length < 1e-6:
            return
        error = y - self._matrix @ s
        magnitude = self._vectors @ (np.abs(self.values) * (self._vectors.T @ s))
        a, b = float(y @ s), float(s @ magnitude)
        if a * a + b * b < 1e-18:  # flat, as was known
            return
        weight = (a * y + b * magnitude) / (a * a + b * b)
        self._matrix += (
            np.outer(weight, error)
            + np.outer(error, weight)
            - float(error @ s) * np.outer(weight, weight)
        )
        self._solve()

    def error(self, forces: Array) -> float:
        """Energy in eV between here and the stationary point that the forces lead to."""
        parts = self._vectors.T @ self._reduced(forces)
        stiff = np.clip(np.abs(self.values), SOFTEST, CAUTIOUS)
        return 0.5 * float((parts**2 / stiff).sum())

    def step(self, forces: Array, trust: float) -> tuple[Array, float]:
        """Suggest a displacement towards a saddle.

        Parameters
        ----------
        forces
            Shape (n, 3), in eV/Å.
        trust
            Largest displacement of an atom, in Å.

        Returns
        -------
        tuple
            The displacement, shape (n, 3), and the change of energy expected of it, in eV.
        """
        parts = self._vectors.T @ self._reduced(forces)
        signs = np.ones_like(parts)
        signs[self._follow()] = -1.0
        stiff = np.maximum(np.abs(self.values), SOFTEST)
        shift, largest = 0.0, np.inf
        far = np.ones(self._shape[0], dtype=bool)
        far[self._chosen] = False
        for _ in range(60):
            move = self._vectors @ (signs * parts / (stiff + shift))
            full = np.where(far[:, None], forces / (STIFFNESS + shift), 0.0)
            full[self._chosen] = move.reshape(-1, 3)
            largest = float(np.linalg.norm(full, axis=1).max())
            if largest <= trust:
                break
            shift = max(1.3 * shift, 0.05)
        flat = self._reduced(full)
        expected = -float((full * forces).sum()) + 0.5 * float(flat @ self._matrix @ flat)
        return full, expected


def near_mover(point: Point, mover: int, cell: Array) -> NDArray[np.intp]:
    """Atoms nearest to the mover, as many as a :class:`Hessian` keeps."""
    from dualion.structures.displacement import distances

    count = LARGEST_MODEL // 3
    if len(point.xyz) <= count:
        return np.arange(len(point.xyz))
    order = np.argsort(distances(point.xyz[mover : mover + 1], point.xyz, cell)[0], kind="stable")
    return np.sort(order[:count])
