"""Descents for forces that are no gradient, such as those of a nudged elastic band.

Both take the present positions and forces and return the next displacement; neither needs an
energy or a line search, which a nudged force does not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

STEP_LIMIT = 0.15
"""No atom moves farther in one step, in Å."""


class Descent(Protocol):
    """A rule for the next displacement."""

    def step(self, xyz: NDArray[np.float64], forces: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the displacement in Å for positions in Å and forces in eV/Å, shape (…, 3)."""
        ...

    def reset(self) -> None:
        """Forget the past; the force field has changed."""
        ...


def limited(move: NDArray[np.float64], limit: float = STEP_LIMIT) -> NDArray[np.float64]:
    """Scale a displacement, shape (…, 3), so that no atom moves farther than ``limit`` Å."""
    longest = float(np.linalg.norm(move, axis=-1).max())
    return move * (limit / longest) if longest > limit else move


class QuasiNewton:
    """Limited-memory BFGS (doi 10.1007/BF01589116) with a capped step.

    Parameters
    ----------
    stiffness
        Curvature assumed before anything is known, in eV/Å².
    memory
        Number of steps remembered.
    soften
        Applies the inverse of a guessed Hessian to forces, instead of the one stiffness.
    """

    def __init__(
        self,
        stiffness: float = 30.0,
        memory: int = 20,
        *,
        soften: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
    ) -> None:
        self._soften = soften or (lambda forces: forces / stiffness)
        self._memory = memory
        self._pairs: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
        self._last: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def reset(self) -> None:
        """Forget all remembered steps."""
        self._pairs = []
        self._last = None

    def learn(self, moved: NDArray[np.float64], change: NDArray[np.float64]) -> None:
        """Remember that a displacement changed the force by minus ``change``, known beforehand.

        The scale of what is not known is taken from the pair learnt last: teach the stiffest last.
        """
        if float((moved * change).sum()) > 0.0:
            self._pairs = [*self._pairs, (moved, change)][-self._memory :]

    def step(self, xyz: NDArray[np.float64], forces: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the next displacement."""
        self.note(xyz, forces)
        move = self._direction(forces)
        if float((move * forces).sum()) < 0.0:
            self._pairs = []
            move = self._soften(forces)
        return limited(move)

    def note(self, xyz: NDArray[np.float64], forces: NDArray[np.float64]) -> None:
        """Learn from a position and its forces; :meth:`step` does so itself."""
        if self._last is not None:
            moved, change = xyz - self._last[0], self._last[1] - forces
            curvature = float((moved * change).sum())
            # Only pairs of positive curvature keep the inverse Hessian positive.
            if curvature > 1e-8 * np.linalg.norm(moved) * np.linalg.norm(change):
                self._pairs = [*self._pairs, (moved, change)][-self._memory :]
        self._last = (xyz.copy(), forces.copy())

    def _direction(self, forces: NDArray[np.float64]) -> NDArray[np.float64]:
        """Two-loop recursion: the inverse Hessian estimate applied to the forces."""
        if not self._pairs:
            return self._soften(forces)
        q = forces.copy()
        weights: list[float] = []
        for moved, change in reversed(self._pairs):
            weight = float((moved * q).sum() / (moved * change).sum())
            weights.append(weight)
            q -= weight * change
        moved, change = self._pairs[-1]
        # Scaled so that the guess has the curvature last seen.
        scale = float((moved * change).sum() / (change * self._soften(change)).sum())
        r = scale * self._soften(q)
        for (moved, change), weight in zip(self._pairs, reversed(weights), strict=True):
            r += moved * (weight - float((change * r).sum() / (moved * change).sum()))
        return r


class Fire:
    """Fast inertial relaxation engine (doi 10.1103/PhysRevLett.97.170201)."""

    def __init__(self, time_step: float = 0.1, longest: float = 1.0) -> None:
        self._start = time_step
        self._longest = longest
        self.reset()

    def reset(self) -> None:
        """Stop all motion."""
        self._velocity: NDArray[np.float64] | None = None
        self._dt = self._start
        self._mixing = 0.1
        self._downhill = 0

    def step(self, xyz: NDArray[np.float64], forces: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the next displacement."""
        velocity = np.zeros_like(xyz) if self._velocity is None else self._velocity
        power = float((forces * velocity).sum())
        if self._velocity is not None and power > 0.0:
            speed, strength = np.linalg.norm(velocity), np.linalg.norm(forces)
            velocity = (1.0 - self._mixing) * velocity + self._mixing * forces * (speed / strength)
            if self._downhill > 5:
                self._dt = min(self._dt * 1.1, self._longest)
                self._mixing *= 0.99
            self._downhill += 1
        elif self._velocity is not None:
            velocity = np.zeros_like(xyz)
            self._mixing, self._downhill = 0.1, 0
            self._dt *= 0.5
        velocity = velocity + self._dt * forces
        self._velocity = velocity
        return limited(self._dt * velocity)
