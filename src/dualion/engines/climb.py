"""A single image that climbs to a saddle, and one that runs down from it.

The climb goes up along the softest mode and down along all others
(:mod:`dualion.engines.hessian`). Both searches stop at once when
they have an answer; neither proves anything alone (:mod:`dualion.engines.adaptive` does).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.descent import QuasiNewton, limited
from dualion.engines.neb import tangents

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.engines.hessian import Hessian
    from dualion.engines.modes import Modes
    from dualion.engines.surface import Point, Surface

    Array = NDArray[np.float64]

NEAR = 0.3
"""A climb closer than this to an end, in Å, has fallen into it."""
PATIENCE = 9
"""Steps without a smaller force after which a climb is given up."""
BASIN = 0.6
"""A point this close to a minimum, in Å, may be in its harmonic basin."""
ERROR = 0.003
"""Energy error in eV below which a saddle counts as converged."""
TRUST, LEAST_TRUST, MOST_TRUST = 0.2, 0.02, 0.25
"""Trust radius of a climb at its start, and its bounds: the largest displacement, in Å."""
NOISE = 0.0015
"""Energies are not predicted to better than this, in eV."""
WORSE = 2.5
"""A step after which the largest force has grown by this factor is not taken."""
RISE = 0.002
"""A step of a run downhill that gains more than this, in eV, is taken back."""
STRIDE = 0.12
"""Step of a run downhill as long as it gets steeper, in Å."""


@dataclass(frozen=True)
class Climb:
    """Where a climb ended.

    Attributes
    ----------
    point
        The point; of a climb that was given up, that of the smallest force.
    converged
        Whether the largest force is below the threshold.
    error
        Energy in eV between the point and the stationary point, as far as the curvatures met on
        the way tell.
    fell
        Whether it went down into one of the ends.
    """

    point: Point
    converged: bool
    error: float = np.inf
    fell: bool = False


def climb(
    surface: Surface,
    start: Point,
    ends: tuple[Point, Point],
    hessian: Hessian,
    *,
    fmax: float,
    steps: int,
) -> Climb:
    """Climb along the softest mode and descend across it.

    Converged is a point whose forces are below the threshold and whose energy is not expected to
    change by more than :data:`ERROR`: where a mode is soft, a small force is far from the saddle.

    Parameters
    ----------
    surface
        Evaluates, once a step.
    start
        Evaluated start.
    ends
        The two minima.
    hessian
        What is known of the curvatures; learns from every step.
    fmax
        Threshold of the largest force on an atom, in eV/Å.
    steps
        Largest number of steps.
    """
    point, trust, idle = start, TRUST, 0
    best: Climb | None = None
    for step in range(steps + 1):
        error = hessian.error(point.forces)
        here = Climb(point, converged=point.largest_force < fmax and error < ERROR, error=error)
        if here.converged:
            return here
        if step and min(point.distance(end) for end in ends) < NEAR:
            return replace(here, fell=True)
        if best is None or point.largest_force < best.point.largest_force:
            best, idle = here, 0
        else:
            idle += 1
        if idle > PATIENCE or step == steps:
            break
        move, expected = hessian.step(point.forces, trust)
        found = surface.point(point.xyz + move)
        hessian.learn(found.xyz - point.xyz, point.forces - found.forces)
        trust = _trust(trust, found.energy - point.energy, expected)
        if found.largest_force > WORSE * max(point.largest_force, 0.05):
            trust = max(0.5 * trust, LEAST_TRUST)
            continue  # learnt from, but not gone to
        point = found
    assert best is not None  # noqa: S101 - set in the first round
    return best


def _trust(trust: float, change: float, expected: float) -> float:
    """Widen the trust radius after a good prediction of the energy, narrow it after a bad one."""
    if abs(change - expected) < NOISE:
        return min(1.3 * trust, MOST_TRUST)
    ratio = change / expected if expected else 0.0
    if 0.5 < ratio < 1.6:
        return min(1.3 * trust, MOST_TRUST)
    if 0.0 < ratio < 3.0:
        return trust
    return max(0.5 * trust, LEAST_TRUST)


def tangent_at(point: Point, ends: tuple[Point, Point]) -> Array:
    """Improved tangent of a point between two ends, shape (n, 3)."""
    first, last = ends
    xyz = np.stack([first.xyz, point.xyz, last.xyz])
    tangent: Array = tangents(xyz, np.array([first.energy, point.energy, last.energy]))[0]
    return tangent


class Run:
    """A run downhill, a step at a time.

    As long as the way gets steeper it goes along the force in strides, since near a saddle no
    force tells how far it is; then it is a quasi-Newton descent.

    Parameters
    ----------
    surface
        Evaluates, once a step.
    start
        Evaluated start.
    modes
        Of the saddle it comes from; those that curve up are taught to the descent.

    Attributes
    ----------
    points
        So far, in order.
    """

    def __init__(self, surface: Surface, start: Point, modes: Modes) -> None:
        self._surface = surface
        self._descent = QuasiNewton()
        for value, vector in zip(modes.values, modes.vectors, strict=True):
            if value > 1.0:
                self._descent.learn(vector, value * vector)
        self._striding = True
        self._stride = STRIDE
        self.points = [start]

    def step(self) -> Point:
        """Go one step on; return the last point, which is the old one if the step led up."""
        point = self.points[-1]
        if self._striding and len(self.points) > 1:
            before = self.points[-2]
            way = point.xyz - before.xyz
            self._striding = float(((point.forces - before.forces) * way).sum()) > 0.0
        move = self._descent.step(point.xyz, point.forces)
        longest = float(np.linalg.norm(move, axis=1).max())
        if self._striding:
            move = move * max(1.0, self._stride / max(longest, 1e-9))
        found = self._surface.point(point.xyz + limited(move, self._stride))
        if found.energy > point.energy + RISE:
            self._descent.note(found.xyz, found.forces)  # what was learnt is worth keeping
            self._striding = False
            self._stride = 0.5 * min(longest, self._stride)
        else:
            self._stride = STRIDE
            self.points.append(found)
        return self.points[-1]


def in_basin(point: Point, minimum: Point) -> bool:
    """Whether a point lies in the convex basin around a minimum.

    In a harmonic basin the energy above the minimum is half the work of the force on the straight
    way there, and less than the whole as long as the basin is convex on that way.
    """
    distance = point.distance(minimum)
    if distance > BASIN:
        return False
    height = point.energy - minimum.energy
    work = float((point.forces * (minimum.xyz - point.xyz)).sum())
    return height < work + 0.002 and (work > 0.0 or distance < 0.05)
