"""From a point near a pass to the saddle, with the curvatures that make it one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.climb import Run, climb
from dualion.engines.hessian import Hessian, near_mover
from dualion.engines.modes import Modes, softest_modes
from dualion.engines.stretch import FellError, NoProofError, Notes, RestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from dualion.engines.surface import Point, Surface

    Array = NDArray[np.float64]

LOOSE = 0.15
"""Force in eV/Å at which a climb is near enough to a saddle to look at the modes."""
STEPS = 40
"""Steps of one climb."""
CALLS = 60
"""Force calls of one search."""
SAME = 0.2
"""Distance in Å over which the modes need not be looked at again."""
SIDESTEP = 0.25
"""Displacement along a second negative mode, off a ridge, in Å."""
RIDGES = 2
"""Ridges left before a search is given up."""
SOFT = 0.1
"""A curvature within this of zero, in eV/Å², has no sign: forces of a potential are noisy."""
REFINE = 3
"""How often a direction that curves down is looked for before there is said to be none."""
JUDGED = 6
"""The same at the highest image of a converged band, whose mode often is not the path's direction:
in argyrodite (CHGNet) three of three such images seemed to curve up after one refinement, and
curved down after three to six.
"""
TOLERATED = 0.01
"""Error of a saddle's energy, in eV, that is accepted where its modes are too soft for less."""
AT_REST = 0.05
"""A point whose forces are below this, in eV/Å, is at rest."""


@dataclass(frozen=True)
class Saddle:
    """A stationary point that curves down along one mode.

    Attributes
    ----------
    modes
        Curvatures there.
    error
        Of its energy, as far as the curvatures tell, in eV.
    """

    point: Point
    modes: Modes
    error: float


class SaddleSearch:
    """Finds saddles of one hop.

    Parameters
    ----------
    surface
        Evaluates.
    mover
        Index of the ion that hops.
    fmax, loosest
        Force in eV/Å of a converged saddle, and of one that is accepted with its error.
    notes
        Takes what is met on the way.
    check_budget
        Raises when no force calls are left.
    """

    def __init__(
        self,
        surface: Surface,
        mover: int,
        *,
        fmax: float,
        loosest: float,
        notes: Notes,
        check_budget: Callable[[], None],
    ) -> None:
        self.surface = surface
        self.mover = mover
        self.fmax = fmax
        self.loosest = loosest
        self.notes = notes
        self.check_budget = check_budget

    def find(
        self, start: Point, along: Array, ends: tuple[Point, Point], *, calls: int = CALLS
    ) -> Saddle:
        """Climb to a saddle; look at the modes on the way, and at the end.

        Parameters
        ----------
        start
            Evaluated start.
        along
            Unit vector of the path there, shape (n, 3).
        ends
            What a climb may fall into.
        calls
            Force calls after which no further round is begun.

        Raises
        ------
        FellError
            It fell into an end.
        RestError
            It came to rest in a minimum.
        NoProofError
            It did neither, and did not converge.
        """
        hessian = Hessian(along, near_mover(start, self.mover, self.surface.cell))
        last = self.surface.calls + calls
        found = climb(self.surface, start, ends, hessian, fmax=LOOSE, steps=min(STEPS, calls))
        guesses = [hessian.vector(0), along, *self._sideways(along)[:1]]
        ridges, modes = 0, None
        while (left := last - self.surface.calls) > 0:
            self.check_budget()
            if found.fell:
                raise FellError
            point = found.point
            modes = softest_modes(
                self.surface, point, guesses, refine=REFINE, down=-SOFT, learn=hessian.learn
            )
            if modes.values[0] > SOFT and point.largest_force < LOOSE:
                raise RestError(self._rest(point, modes))
            if found.converged and point.largest_force < self.fmax:
                if modes.negative(SOFT) < 2:
                    return Saddle(point, modes, found.error)
                ridges += 1
                if ridges > RIDGES:
                    raise NoProofError("the saddle has a second negative curvature")
                point = self._off_ridge(point, modes)
            steps = min(STEPS, left)
            found = climb(self.surface, point, ends, hessian, fmax=self.fmax, steps=steps)
            if found.converged and found.point.distance(point) < SAME and not ridges:
                return Saddle(found.point, modes, found.error)
            guesses = [hessian.vector(0), modes.vectors[1]]
        small = found.point.largest_force < self.loosest and found.error < TOLERATED
        if modes is not None and small and not found.fell and not ridges:
            return Saddle(found.point, modes, found.error)
        raise NoProofError(f"the climb stalled at {found.point.largest_force:.3f} eV/Å")

    def judged(self, point: Point, along: Array) -> Saddle:
        """Take a point of small forces for the saddle, if its curvatures agree.

        Raises
        ------
        NoProofError
            It does not curve down along the path alone.
        """
        hessian = Hessian(along, near_mover(point, self.mover, self.surface.cell))
        guesses = [along, *self._sideways(along)]
        modes = softest_modes(self.surface, point, guesses, refine=JUDGED, learn=hessian.learn)
        if modes.values[0] > 0.0 or modes.negative(SOFT) > 1:
            raise NoProofError("the band's highest image does not curve down along the path alone")
        return Saddle(point, modes, hessian.error(point.forces))

    def _off_ridge(self, point: Point, modes: Modes) -> Point:
        self.notes.add(
            "second negative curvature met on the way: a ridge was left",
            modes.values[1],
            unit="eV/Å²",
        )
        side = modes.vectors[1]
        return self.surface.point(
            point.xyz + side * SIDESTEP / float(np.linalg.norm(side, axis=1).max())
        )

    def _rest(self, point: Point, modes: Modes) -> Point:
        run = Run(self.surface, point, modes)
        for _ in range(STEPS):
            if run.points[-1].largest_force < AT_REST:
                break
            run.step()
        return run.points[-1]

    def _sideways(self, direction: Array) -> list[Array]:
        """Return the two axes of the mover that a direction contains least of."""
        axes = []
        for k in np.argsort(np.abs(direction[self.mover]))[:2]:
            axis = np.zeros_like(direction)
            axis[self.mover, k] = 1.0
            axes.append(axis)
        return axes
