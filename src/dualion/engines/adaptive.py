"""The adaptive band: one climbing image, then the proof that its saddle joins the two ends.

Force calls go where they decide something. One image climbs from the middle of the path, or from
``Path.start`` if another band of the hop has suggested one; a few curvatures tell a saddle from a
ridge and from a minimum (:mod:`dualion.engines.saddle`). Then an explicit path is looked for whose
highest point is that saddle (:mod:`dualion.engines.proof`); what lies beyond a minimum met on the
way is solved as a hop of its own. Where the evidence does not close, a band of few images is pulled
taut and climbed anew, and then the full band of :mod:`dualion.engines.neb` is run, and its highest
image is put to the same test. What was proven, and what was not, is told in the findings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.budget import Budget
from dualion.engines.climb import tangent_at
from dualion.engines.neb import BandResult, along_and_across, require_image, tangents
from dualion.engines.proof import BELOW, INVARIANT, Descent
from dualion.engines.pulled import Bands, as_many, fewer, taut
from dualion.engines.saddle import CALLS, SOFT, Saddle, SaddleSearch
from dualion.engines.stretch import (
    FellError,
    NoProofError,
    Notes,
    RestError,
    Stretch,
    ends_of,
    joined,
    mirrored,
    straight,
    top_of,
    way,
)
from dualion.engines.surface import Point, Surface
from dualion.errors import EngineError
from dualion.records import Path
from dualion.structures.interpolation import lengths_along

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.engines.evaluator import Evaluator
    from dualion.engines.stretch import Guess
    from dualion.records import Mirror
    from dualion.settings import BandSettings

    Array = NDArray[np.float64]

TIGHT = 0.015
"""Force in eV/Å below which a saddle has converged, if the settings ask for no less: all atoms of
the cell together are then within some meV of it.
"""
SHORT_CALLS, TAUT_CALLS = 45, 90
"""Force calls after which the short search gives way to a taut band, and that to the full band."""
PROOF_CALLS = 120
"""Force calls for the proof of a full band."""
NEAR_TOP = 0.6
"""A saddle this close to a band's highest image, in Å, may have the other images as ways down."""
FLAT = 0.02
"""A saddle less than this above the higher end is no barrier, in eV."""
TAUT, TAUTER = 0.3, 0.075
"""NEB forces in eV/Å at which a band is taut enough to show where to climb."""
PART_CALLS = 30
"""Force calls of a climb from a band that may still be pulled tauter."""
POLISHES = 2
"""How often a path's highest point is climbed from anew."""
SPLITS = 3
"""A hop is split at most this often."""


def run_adaptive(
    path: Path,
    evaluate: Evaluator,
    settings: BandSettings,
    *,
    guess: Guess = straight,
    patience: int = 1,
    fallback: bool = True,
) -> BandResult:
    """Find the saddles between two relaxed ends, and prove that they join them.

    Parameters
    ----------
    path
        Images (continuous, ends included) and the energies of the ends.
    evaluate
        Gives energies and forces; its errors end the search with a ``failure``.
    settings
        Those of the full band hold where it is needed.
    guess
        Makes images between two configurations, shape (images, n, 3).
    patience
        Factor on the force calls after which an attempt gives way to the next: above one where
        calls are cheap.
    fallback
        Whether bands are pulled where the search from one image does not do. They may lead
        elsewhere than over the saddle that is nearest.

    Returns
    -------
    BandResult
        Images are the ends, saddles, and points of the ways down, in order. ``findings`` hold
        the proof.

    Raises
    ------
    InputError
        The path has no image between its ends.
    """
    require_image(path)
    search = _Search(path, evaluate, settings, guess, patience=patience, fallback=fallback)
    first = evaluate.calls
    failure = ""
    try:
        stretch = search.solve()
    except EngineError as error:
        failure = str(error)
        stretch = search.given()
    return search.result(stretch, calls=evaluate.calls - first, failure=failure)


class _Search:
    """One hop under way."""

    def __init__(
        self,
        path: Path,
        evaluate: Evaluator,
        settings: BandSettings,
        guess: Guess,
        *,
        patience: int,
        fallback: bool,
    ) -> None:
        self.path = path
        self.settings = settings
        self.guess = guess
        self.fallback = fallback
        self.surface = Surface(path.images.numbers, path.images.cell, evaluate)
        self.notes = Notes()
        self.budget = Budget(evaluate, SHORT_CALLS, patience)
        self.bands = Bands(path, evaluate, self.budget)
        self.seek = SaddleSearch(
            self.surface,
            path.mover,
            fmax=min(settings.fmax, TIGHT),
            loosest=settings.fmax,
            notes=self.notes,
            check_budget=self.budget.check,
        )
        self.descent = Descent(self.surface, guess, self.budget.check)
        self.first, self.last = ends_of(path)
        self.flat = max(path.initial_energy, path.final_energy) + FLAT
        self.pulled = path.images.xyz
        self.whole: Stretch | None = None
        self.saddles: list[Point] = []

    # ------------------------------------------------------------------ three attempts

    def solve(self) -> Stretch:
        """Solve the hop, by the cheapest way whose evidence closes."""
        bands = (self._taut_band, self._whole_band) if self.fallback else ()
        for attempt in (self._short_search, *bands):
            try:
                return self._polished(attempt())
            except (NoProofError, RestError, FellError) as reason:
                self.notes.fallbacks.append(str(reason))
        return self.whole or self.given()

    def given(self) -> Stretch:
        """Return the path as it was given, with energies on a line between the ends."""
        xyz = self.path.images.xyz
        share = np.linspace(0.0, 1.0, len(xyz))
        energies = (1.0 - share) * self.first.energy + share * self.last.energy
        points = (Point(x, float(e), np.zeros_like(x)) for x, e in zip(xyz, energies, strict=True))
        return Stretch(tuple(points), proven=False, converged=False)

    def _short_search(self) -> Stretch:
        images, given = self.path.images.xyz, self.path.start
        start = images[len(images) // 2] if given is None else np.array(given)
        return self._stretch(self.first, self.last, self.surface.point(start), SPLITS)

    def _taut_band(self) -> Stretch:
        self.budget.start(TAUT_CALLS)
        images = fewer(self.path.images.xyz)
        return self._by_band(self.first, self.last, images, None, SPLITS)

    def _whole_band(self) -> Stretch:
        """Converge the band of the whole hop; put its highest image to the test."""
        images = as_many(self.pulled, len(self.path.images))
        self.budget.start(self.settings.steps * len(images) + PROOF_CALLS)
        points, band = self.bands.pull(self.first, self.last, images, self.settings, climb=True)
        self.budget.start(PROOF_CALLS)
        self.whole = Stretch(points, proven=False, converged=band.converged)
        if self.whole.highest.energy < self.flat:
            return Stretch(points, proven=band.converged, converged=band.converged)
        try:
            return self._over_top(self.first, self.last, points, SPLITS)
        except (NoProofError, RestError, FellError):
            if not band.converged:
                raise
        self.budget.start(PROOF_CALLS)
        return self._as_it_is(points)

    def _as_it_is(self, points: tuple[Point, ...]) -> Stretch:
        """Take the climbing image of a converged band for the saddle, if its curvatures do."""
        top = top_of(points)
        along = tangent_at(points[top], (points[top - 1], points[top + 1]))
        saddle = self.seek.judged(points[top], along)
        return self._connect(
            self.first, self.last, saddle, SPLITS, (points[1:top], points[top + 1 : -1])
        )

    def _polished(self, stretch: Stretch) -> Stretch:
        """Make sure that the highest point of a path is a saddle, and no mere image."""
        for _ in range(POLISHES):
            highest = stretch.highest
            known = [p.energy for p in stretch.points if any(p is s for s in self.saddles)]
            settled = known and highest.energy < max(known) + BELOW
            if highest.energy < self.flat or settled or not stretch.proven:
                break
            self.budget.grant()
            try:
                stretch = self._over_top(self.first, self.last, stretch.points, SPLITS, PART_CALLS)
            except (FellError, NoProofError):
                if not known:
                    raise
                stretch = self._ironed(stretch, max(known))
        return stretch

    def _ironed(self, stretch: Stretch, ceiling: float) -> Stretch:
        """Pull the part around a path's highest point below the saddle that is known."""
        points = stretch.points
        top = top_of(points)
        left, right = max(0, top - 2), min(len(points) - 1, top + 2)
        images = fewer(self.guess(points[left].xyz, points[right].xyz))
        piece = self._by_band(points[left], points[right], images, ceiling, 0)
        return replace(stretch, points=(*points[:left], *piece.points, *points[right + 1 :]))

    # ------------------------------------------------------------------ from end to end

    def _stretch(self, first: Point, last: Point, start: Point, splits: int) -> Stretch:
        ends = (first, last)
        try:
            return self._connect(
                first, last, self.seek.find(start, tangent_at(start, ends), ends), splits
            )
        except RestError as rest:
            return self._halves(first, rest.point, last, splits)
        except FellError:
            return self._downhill(first, last, start)

    def _over_top(
        self, first: Point, last: Point, points: tuple[Point, ...], splits: int, calls: int = CALLS
    ) -> Stretch:
        """Climb from the highest of some points, and prove what is found."""
        energies = np.array([point.energy for point in points])
        top = top_of(points)
        along = tangents(np.stack([point.xyz for point in points]), energies)[top - 1]
        try:
            saddle = self.seek.find(points[top], along, (first, last), calls=calls)
            near = saddle.point.distance(points[top]) < NEAR_TOP
            known = (points[1:top], points[top + 1 : -1]) if near else ((), ())
            return self._connect(first, last, saddle, splits, known)
        except RestError as rest:
            return self._halves(first, rest.point, last, splits)

    def _downhill(self, first: Point, last: Point, start: Point) -> Stretch:
        """Look along the way whether there is anything to climb at all."""
        ceiling = max(first.energy, last.energy) + FLAT
        left, low = way(self.surface, first, start, ceiling, self.guess)
        if low:
            right, low = way(self.surface, start, last, ceiling, self.guess)
        if not low:
            raise FellError
        found = Stretch((first, *left, start, *right, last), proven=True, converged=True)
        self.notes.add(
            "highest point of a path, above the higher end",
            found.highest.energy - ceiling + FLAT,
            unit="eV",
            limit=FLAT,
        )
        return found

    def _halves(self, first: Point, middle: Point, last: Point, splits: int) -> Stretch:
        """Solve both sides of a minimum, each only as far as it matters."""
        if splits == 0:
            raise NoProofError("more minima on the way than a hop is split at")
        lower = min(self.first.energy, self.last.energy)
        self.budget.grant()
        self.notes.add("a minimum met, above the lower end", middle.energy - lower, unit="eV")
        mirror = self._mirror_of(first, last)
        if mirror is not None and middle.distance(mirrored(middle, mirror)) < INVARIANT:
            half = self._half(first, middle, splits)
            other = tuple(mirrored(point, mirror) for point in half.points[-2:0:-1])
            return joined([half, replace(half, points=(middle, *other, last))])
        pieces = [self._half(first, middle, splits), self._half(middle, last, splits)]
        return joined(pieces)

    def _half(self, first: Point, last: Point, splits: int) -> Stretch:
        ceiling = max(first.energy, last.energy) + FLAT
        images, low = way(self.surface, first, last, ceiling, self.guess)
        piece = Stretch((first, *images, last), proven=True, converged=True)
        return piece if low else self._stretch(first, last, piece.highest, splits - 1)

    # ------------------------------------------------------------------ the proof

    def _connect(
        self,
        first: Point,
        last: Point,
        saddle: Saddle,
        splits: int,
        known: tuple[tuple[Point, ...], tuple[Point, ...]] = ((), ()),
    ) -> Stretch:
        """Go down on both sides and put the pieces together."""
        modes, top = saddle.modes, saddle.point
        self.notes.add("curvature along the path at a saddle", modes.values[0],
                       unit="eV/Å²", limit=0.0, ok=modes.values[0] < 0.0)  # fmt: skip
        self.notes.add("second lowest curvature found at a saddle", modes.values[1],
                       unit="eV/Å²", limit=-SOFT, ok=modes.values[1] > -SOFT)  # fmt: skip
        self.notes.add("error of a saddle's energy, as far as its curvatures tell", saddle.error,
                       unit="eV", limit=BELOW, ok=saddle.error < BELOW)  # fmt: skip
        self.saddles.append(top)
        self.budget.grant()
        back, ahead = self.descent.sides(saddle, first, last, self._mirror_of(first, last), known)
        ceiling = top.energy - BELOW
        before = (first, *back.points[::-1]) if back.joined else back.points[::-1]
        after = (*ahead.points, last) if ahead.joined else ahead.points
        proven = bool(modes.values[0] < 0.0)
        pieces = [Stretch((*before, top, *after), proven=proven, converged=True)]
        if not back.joined:
            pieces.insert(0, self._beyond(first, back.points[-1], ceiling, splits))
        if not ahead.joined:
            pieces.append(self._beyond(ahead.points[-1], last, ceiling, splits))
        return joined(pieces)

    def _mirror_of(self, first: Point, last: Point) -> Mirror | None:
        """Return what swaps two points, which only the ends of the hop are known to have."""
        return self.path.mirror if first is self.first and last is self.last else None

    def _beyond(self, first: Point, last: Point, ceiling: float, splits: int) -> Stretch:
        """Solve what lies between an end and where a run ended."""
        if splits == 0:
            raise NoProofError("more minima on the way than a hop is split at")
        images = fewer(self.guess(first.xyz, last.xyz))
        return self._by_band(first, last, images, ceiling, splits - 1)

    def _by_band(
        self, first: Point, last: Point, images: Array, ceiling: float | None, splits: int
    ) -> Stretch:
        """Pull a band taut until it lies below a ceiling, or shows where to climb."""
        flat = max(first.energy, last.energy) + FLAT
        enough = flat if ceiling is None else ceiling
        loose, tight = taut(self.settings, TAUT), taut(self.settings, TAUTER)
        points, band = self.bands.pull(first, last, images, loose, below=ceiling)
        if first is self.first and last is self.last:
            self.pulled = band.xyz
        highest = float(band.energies[1:-1].max())
        if highest >= max(flat, enough):
            try:
                return self._over_top(first, last, points, splits, PART_CALLS)
            except (FellError, NoProofError):
                # A saddle beside the way, or none at all: the band was not taut enough to tell.
                if ceiling is None:
                    raise
        if highest >= enough:
            points, band = self.bands.pull(first, last, band.xyz, tight, below=ceiling)
            highest = float(band.energies[1:-1].max())
        # Where no saddle is found, the band is a path all the same; if it is hardly higher
        # than the saddle that is known, the barrier is known to that.
        if highest >= enough + (0.0 if ceiling is None else 2.0 * BELOW):
            return self._over_top(first, last, points, splits)
        return Stretch(points, proven=True, converged=True)

    # ------------------------------------------------------------------ the result

    def result(self, stretch: Stretch, *, calls: int, failure: str) -> BandResult:
        """Write the points down as a band."""
        xyz = np.stack([point.xyz for point in stretch.points])
        energies = np.array([point.energy for point in stretch.points])
        forces = np.stack([point.forces for point in stretch.points])[1:-1]
        along, across = along_and_across(xyz, energies, forces)
        top = top_of(stretch.points)
        for reason in self.notes.fallbacks:
            self.notes.add(f"a shorter search did not do: {reason}", calls, unit="force calls")
        return BandResult(
            xyz=xyz,
            energies=energies,
            tangent_forces=np.concatenate([[0.0], along, [0.0]]),
            coordinates=lengths_along(xyz),
            climbing=top if energies[top] > max(energies[0], energies[-1]) else None,
            climb_force=float(np.linalg.norm(forces[top - 1], axis=1).max()),
            max_force=float(across.max()),
            converged=stretch.converged,
            steps=calls,
            force_calls=calls,
            forces=forces,
            proven=None if failure else stretch.proven,
            findings=tuple(self.notes.findings),
            failure=failure,
        )
