"""A solved piece of a path, and what a search for it has to say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.surface import Point
from dualion.records import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from dualion.engines.surface import Surface
    from dualion.records import Mirror, Path

    Array = NDArray[np.float64]
    Guess = Callable[[Array, Array], Array]

GAP = 0.9
"""Largest displacement of an atom between the images of a way, in Å."""
TOLERANCE = 0.01
"""Between its images a way may be expected this far above its ceiling, in eV."""
SURE, CLOSE = 0.5, 0.03
"""Where an atom moves farther than the first, in Å, the cubic between two images can be as wrong as
the second, in eV: its error grows with the fourth power of the distance (at 0.7 Å 0.02 eV, for
humps of 0.6 eV that are 2 Å apart).
"""
HUMP = 0.001
"""The cubic has a maximum between two points if it is higher than both by this, in eV."""
KEPT = 3
"""Points of a run downhill that are kept as images."""


class NoProofError(Exception):
    """The evidence does not close; says why. Never leaves the adaptive band."""


class FellError(Exception):
    """A climb fell into an end. Never leaves the adaptive band."""

    def __init__(self) -> None:
        super().__init__("the climbing image fell into an end")


class RestError(Exception):
    """A climb came to rest in a minimum. Never leaves the adaptive band.

    Parameters
    ----------
    point
        The minimum.
    """

    def __init__(self, point: Point) -> None:
        super().__init__("the climbing image came to rest in a minimum")
        self.point = point


@dataclass(frozen=True)
class Stretch:
    """Points in order, ends included.

    Attributes
    ----------
    proven
        Whether its highest points are saddles that join its ends, or matter to no barrier.
    converged
        Whether a band or a search over it has converged.
    """

    points: tuple[Point, ...]
    proven: bool
    converged: bool

    @property
    def highest(self) -> Point:
        """The highest point between the ends."""
        return self.points[top_of(self.points)]


@dataclass
class Notes:
    """What was found on the way, and why a shorter way did not do."""

    findings: list[Finding] = field(default_factory=list)
    fallbacks: list[str] = field(default_factory=list)

    def add(
        self,
        check: str,
        value: float,
        *,
        unit: str = "",
        limit: float | None = None,
        ok: bool = True,
    ) -> None:
        """Note one piece of evidence."""
        self.findings.append(
            Finding(check=check, value=float(value), unit=unit, limit=limit, passed=bool(ok))
        )


def ends_of(path: Path) -> tuple[Point, Point]:
    """Both relaxed ends of a hop, where nothing pulls."""
    xyz = path.images.xyz
    still = np.zeros_like(xyz[0])
    return Point(xyz[0], path.initial_energy, still), Point(xyz[-1], path.final_energy, still)


def top_of(points: Sequence[Point]) -> int:
    """Place of the highest of some points between the ends."""
    return 1 + int(np.argmax([point.energy for point in points[1:-1]]))


def joined(pieces: Sequence[Stretch]) -> Stretch:
    """Put pieces that share their ends together."""
    points = list(pieces[0].points)
    for piece in pieces[1:]:
        points += piece.points[1:]
    return Stretch(
        tuple(points),
        proven=all(piece.proven for piece in pieces),
        converged=all(piece.converged for piece in pieces),
    )


def kept(points: Sequence[Point]) -> tuple[Point, ...]:
    """Choose points of a run, evenly spaced by its length; the first and the last always."""
    if len(points) <= KEPT:
        return tuple(points)
    gaps = [np.linalg.norm(b.xyz - a.xyz) for a, b in pairwise(points)]
    place = np.concatenate([[0.0], np.cumsum(gaps)])
    wanted = np.linspace(0.0, place[-1], KEPT)
    return tuple(points[k] for k in sorted({int(np.argmin(np.abs(place - w))) for w in wanted}))


def straight(first: Array, last: Array) -> Array:
    """Nine images on a straight line, ends included, shape (9, n, 3)."""
    share = np.linspace(0.0, 1.0, 9)[:, None, None]
    line: Array = first + share * (last - first)
    return line


def way(
    surface: Surface, start: Point, end: Point, ceiling: float, guess: Guess
) -> tuple[list[Point], bool]:
    """Evaluate images between two points until it is known whether all of the way is low.

    A gap between neighbours is closed when no atom moves farther than :data:`GAP` in it and the
    cubic through both energies and forces stays below the ceiling; an open gap is halved. So is
    one wider than :data:`SURE` in which the cubic comes close to the ceiling.

    Parameters
    ----------
    surface
        Evaluates.
    start, end
        The two points.
    ceiling
        Energy in eV; the first image above it is the last one evaluated.
    guess
        Makes the images.

    Returns
    -------
    tuple
        The images in order from start to end, and whether all of the way lies below the ceiling.
    """
    images = guess(start.xyz, end.xyz)
    found = {0: start, len(images) - 1: end}
    while True:
        places = sorted(found)
        gaps = [
            (found[a].distance(found[b]), a, b)
            for a, b in pairwise(places)
            if found[a].distance(found[b]) > GAP
            or rise(found[a], found[b]) > ceiling + TOLERANCE
            or (b - a > 1 and hidden(found[a], found[b], ceiling))
        ]
        inner = [found[k] for k in places[1:-1]]
        if not gaps:
            return inner, True
        _, a, b = max(gaps)
        if b - a < 2:
            return inner, False
        middle = (a + b) // 2
        found[middle] = surface.point(images[middle])
        if found[middle].energy > ceiling:
            return [found[k] for k in sorted(found)[1:-1]], False


def rise(first: Point, last: Point) -> float:
    """Highest energy of the cubic through the energies and forces of two points, in eV."""
    step = last.xyz - first.xyz
    t = np.linspace(0.0, 1.0, 21)
    slopes = [-float((point.forces * step).sum()) for point in (first, last)]
    cubic = (
        (2.0 * t**3 - 3.0 * t**2 + 1.0) * first.energy
        + (t**3 - 2.0 * t**2 + t) * slopes[0]
        + (3.0 * t**2 - 2.0 * t**3) * last.energy
        + (t**3 - t**2) * slopes[1]
    )
    return float(cubic.max())


def hidden(first: Point, last: Point, ceiling: float) -> bool:
    """Tell whether what rises above a ceiling, in eV, may be missed between two points.

    Only where the cubic has a maximum between them: down a flank there is nothing to miss.
    """
    if first.distance(last) <= SURE:
        return False
    top = rise(first, last)
    return top > ceiling - CLOSE and top > max(first.energy, last.energy) + HUMP


def mirrored(point: Point, mirror: Mirror) -> Point:
    """Return the mirror image of a point, which has its energy."""
    return replace(point, xyz=mirror.apply(point.xyz), forces=mirror.turn(point.forces))
