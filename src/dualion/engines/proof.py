"""From a saddle down to the two ends: the evidence that it joins them.

On either side a point a little below the saddle is taken along its mode, and the images of a
straight way from there to the end are looked at. Where all lie below the saddle, and so does the
cubic through their energies and forces, an explicit path is known whose highest point is the
saddle. Otherwise a run goes downhill and looks again, until it is in the basin of the end, or at
rest somewhere else. A hop that is its own mirror is looked at on one side only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.climb import Run, in_basin
from dualion.engines.saddle import AT_REST
from dualion.engines.stretch import TOLERANCE, NoProofError, hidden, kept, mirrored, rise, way

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from dualion.engines.modes import Modes
    from dualion.engines.saddle import Saddle
    from dualion.engines.stretch import Guess
    from dualion.engines.surface import Point, Surface
    from dualion.records import Mirror

    Array = NDArray[np.float64]

RUN_STEPS = 40
"""Steps of one run downhill."""
LOOK_EVERY = 5
"""Steps of a run after which the way on to the end is looked at again."""
PUSH = 0.25
"""Displacement along the mode from which a run downhill starts, in Å."""
BELOW = 0.01
"""Images of a way must be this far below the saddle, in eV, to be no barrier beside it."""
WIDE = 1.5
"""Neighbouring images of a band may be this far apart, in Å, to be a way down."""
INVARIANT = 0.1
"""A saddle closer than this to its mirror image, in Å, is its own."""


@dataclass(frozen=True)
class Side:
    """The way down on one side of a saddle.

    Attributes
    ----------
    points
        From the saddle on, without it and without the end.
    joined
        Whether the rest of the way to the end is known to lie below the saddle.
    met
        Whether it is the way to the mirror image of the saddle that is known.
    """

    points: tuple[Point, ...]
    joined: bool
    met: bool = False


class Descent:
    """Looks for ways down from the saddles of one hop.

    Parameters
    ----------
    surface
        Evaluates.
    guess
        Makes images between two configurations.
    check_budget
        Raises when no force calls are left.
    """

    def __init__(self, surface: Surface, guess: Guess, check_budget: Callable[[], None]) -> None:
        self.surface = surface
        self.guess = guess
        self.check_budget = check_budget

    def sides(
        self,
        saddle: Saddle,
        first: Point,
        last: Point,
        mirror: Mirror | None,
        known: tuple[tuple[Point, ...], tuple[Point, ...]] = ((), ()),
    ) -> tuple[Side, Side]:
        """Go down from a saddle to two ends.

        Parameters
        ----------
        saddle
            Where to start.
        first, last
            The ends.
        mirror
            Swaps the two ends, if anything does.
        known
            Points of a band from the first end to the saddle, and from there to the last end.

        Returns
        -------
        tuple of Side
            Towards the first end and towards the last.

        Raises
        ------
        NoProofError
            Both sides run down into one end.
        """
        top = saddle.point
        mode = saddle.modes.vectors[0]
        if float((mode * (last.xyz - first.xyz)).sum()) < 0.0:
            mode = -mode
        ways = [(-mode, first, last), (mode, last, first)]
        if known[0] or known[1]:
            before = self._along(top, known[0][::-1], first)
            after = self._along(top, known[1], last)
            back = before or self._side(top, *ways[0], saddle.modes)
            return back, after or self._side(top, *ways[1], saddle.modes)
        if mirror is None:
            back, ahead = (self._side(top, *each, saddle.modes) for each in ways)
            return back, ahead
        order = [0, 1] if top.distance(first) <= top.distance(last) else [1, 0]
        near = self._side(top, *ways[order[0]], saddle.modes)
        if near.joined:
            far = self._mirrored(top, near, ways[order[1]], saddle.modes, mirror)
        else:
            far = self._side(top, *ways[order[1]], saddle.modes)
        return (near, far) if order[0] == 0 else (far, near)

    def _along(self, top: Point, points: tuple[Point, ...], end: Point) -> Side | None:
        """Take the images of a band as the way down, if they are one."""
        chain = (top, *points, end)
        low = all(point.energy < top.energy - BELOW for point in points)
        if low and all(
            a.distance(b) < WIDE
            and rise(a, b) < top.energy + TOLERANCE
            and (a is top or not hidden(a, b, top.energy))
            for a, b in pairwise(chain)
        ):
            return Side(points, joined=True)
        return None

    def _mirrored(
        self,
        top: Point,
        near: Side,
        direction: tuple[Array, Point, Point],
        modes: Modes,
        mirror: Mirror,
    ) -> Side:
        """Close the far side by what is known of the near one."""
        image = tuple(mirrored(point, mirror) for point in near.points)
        twin = mirrored(top, mirror)
        if top.distance(twin) < INVARIANT:
            return Side(image, joined=True)
        mode, far, other = direction
        side = self._side(top, mode, far, other, modes, mirror=mirror)
        return replace(side, points=(*side.points, twin, *image)) if side.met else side

    def _side(
        self,
        saddle: Point,
        mode: Array,
        end: Point,
        other: Point,
        modes: Modes,
        *,
        mirror: Mirror | None = None,
    ) -> Side:
        """Run down from a saddle until the way on is known, or the run is at rest.

        With a mirror, the way on may be the one to the mirror image of the run, from where it
        is known.
        """
        self.check_budget()
        run = Run(self.surface, self._pushed(saddle, mode), modes)
        ceiling = saddle.energy - BELOW
        for step in range(RUN_STEPS):
            point = run.points[-1]
            if in_basin(point, end):
                return Side(kept(run.points), joined=True)
            if in_basin(point, other):
                raise NoProofError("both sides of the saddle run down into one end")
            resting = point.largest_force < AT_REST and step > 2
            if (resting or step % LOOK_EVERY == 0) and point.energy < saddle.energy:
                side = self._look(run.points, end, ceiling, mirror)
                if side is not None:
                    return side
            if resting:
                break
            run.step()
        return Side(kept(run.points), joined=False)

    def _pushed(self, saddle: Point, mode: Array) -> Point:
        """Leave a saddle along its mode, as far as the energy falls."""
        for push in (PUSH, 0.5 * PUSH, 0.25 * PUSH):
            move = mode * push / float(np.linalg.norm(mode, axis=1).max())
            point = self.surface.point(saddle.xyz + move)
            if point.energy < saddle.energy:
                return point
        raise NoProofError("the energy does not fall along the mode of the saddle")

    def _look(
        self, points: list[Point], end: Point, ceiling: float, mirror: Mirror | None
    ) -> Side | None:
        """Look whether a straight way on lies below a ceiling.

        It leads to the end or to the mirror image of the run, the nearer one first.
        """
        point = points[-1]
        down = kept(points)
        back: tuple[Point, ...] = ()
        if mirror is not None:
            back = tuple(mirrored(p, mirror) for p in down[::-1])
        for target in sorted((end, *back[:1]), key=point.distance):
            images, closed = way(self.surface, point, target, ceiling, self.guess)
            if closed and target is end:
                return Side((*down, *images), joined=True)
            if closed:
                return Side((*down, *images, *back), joined=True, met=True)
        return None
