"""The band on a surrogate: a costly engine is asked at the saddle alone.

A band on the surrogate, which at first is the cheap engine alone, shows where to begin. From then
on one image climbs on the surrogate, the costly engine is asked where it ends, the surrogate
learns the difference, and the image climbs on from there. It has converged only when the *costly*
forces at the saddle are below the threshold, the surrogate would not move its energy, and on a way
over it no other image may be higher, as far as the surrogate's uncertainty tells. Else the full
band is run, from the best path so far. What is computed and what is only predicted is told in the
findings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.adaptive import run_adaptive
from dualion.engines.neb import require_image, run_band
from dualion.engines.stretch import mirrored, straight
from dualion.engines.surrogate import BAD, GOOD, Surrogate
from dualion.engines.surrogate_report import ERROR, reported
from dualion.engines.surrogate_way import AGAIN, SurrogateWays, highest
from dualion.engines.ways import turned_ways
from dualion.errors import EngineError
from dualion.records import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.engines.evaluator import Evaluator, Source
    from dualion.engines.neb import BandResult
    from dualion.engines.stretch import Guess
    from dualion.engines.surface import Point
    from dualion.records import Path
    from dualion.settings import BandSettings

    Array = NDArray[np.float64]

CALLS, LEARNING_CALLS = 40, 60
"""Costly calls after which a band is run without the surrogate: with an engine as the prior, and
with a force field.
"""
STRIDE, LEAST, JUMP = 0.35, 0.06, 1.2
"""A saddle moves by no more than the first between two costly calls, in Å, and by less, down to the
second, after bad predictions; one that moves farther than the third is another saddle, and is
looked at where it is.
"""
SAME, STUBBORN = 1e-3, 4
"""Two configurations this close are one, in Å; a field that insists so often on one that was no
saddle is given up.
"""
NEAR = 0.4
"""The surrogate's saddle lies this close to one that has converged, in Å."""
WAY_CALLS = 15
"""Costly calls spent on a way that may be lower than one whose saddle is known."""
PEEKS = 6
"""Costly calls spent on tops of other ways that are predicted higher, but may be lower."""
LOWER = 0.005
"""By how much the top of another way must lie lower on the surrogate to be looked at, in eV."""
WIDTHS = 2.0
"""An image is no saddle if it lies lower by this many standard deviations."""
KNOWN = 0.15
"""An image closer than this to one that was computed need not be, in Å."""
RIVAL = 0.05
"""A second maximum of a way is doubted by this, in eV, until it has been computed."""
UNSEEN = 0.5
"""A way is not believed to have no barrier, or no other saddle that is higher, at an image farther
than this from all that was computed, in Å.
"""
LOOKS, LEARNING_LOOKS = 4, 10
"""Costly calls spent on images that might be higher than the saddle: with an engine as the prior,
and with a force field, which knows nothing but what it was told.
"""
END_NOISE = 0.02
"""What a component of the forces at a relaxed end may differ from zero by, in eV/Å."""
MIRRORED = 0.05
"""A mirror image farther away than this, in Å, teaches something of its own."""


def run_surrogate(
    path: Path,
    evaluate: Evaluator,
    prior: Source,
    settings: BandSettings,
    *,
    guess: Guess = straight,
) -> BandResult:
    """Find the saddle between two relaxed ends with few costly calls.

    Parameters
    ----------
    path
        Images (continuous, ends included) and the costly energies of the ends.
    evaluate
        The costly engine; its errors end the search with a ``failure``.
    prior
        The cheap engine, or a force field that was taught both ends. If it fails the full band is
        run without it.
    settings
        ``fmax`` holds for the costly forces at the saddle; all of them for the full band.
    guess
        Makes images between two configurations, shape (images, n, 3).

    Returns
    -------
    BandResult
        The energy of the climbing image is the costly engine's. Those of the other images are
        predictions unless they were computed; ``proven`` is None, since what joins the saddle to
        the ends was seen on the surrogate alone.

    Raises
    ------
    InputError
        The path has no image between its ends.
    """
    require_image(path)
    return _Search(path, evaluate, prior, settings, guess).result()


class _Search:
    """One hop under way."""

    def __init__(
        self,
        path: Path,
        evaluate: Evaluator,
        prior: Source,
        settings: BandSettings,
        guess: Guess,
    ) -> None:
        self.path = path
        self.evaluate = evaluate
        self.settings = settings
        self.guess = guess
        self.surrogate = Surrogate(path.images.numbers, path.images.cell, evaluate, prior)
        self.first_call = evaluate.calls
        self.on = SurrogateWays(path, self.surrogate, settings, guess)
        self.flat = self.on.flat
        self.band: BandResult | None = None
        self.proof: tuple[Finding, ...] = ()
        self.looks = 0
        self.way_limit = 0
        self.peeks = PEEKS
        self.unsettled = False
        self.left: list[Point] = []
        self.accepted: tuple[Point, BandResult, tuple[Finding, ...]] | None = None
        self.stubborn = 0
        self.ways: list[Path] = []
        self.limit, self.most_looks = CALLS, LOOKS
        if self.surrogate.learns:
            self.limit, self.most_looks = LEARNING_CALLS, LEARNING_LOOKS
            self.ways = [path, *turned_ways(path)]
        self.stride = STRIDE

    def result(self) -> BandResult:
        """Return the band, from the surrogate or, where that fails, without it."""
        reason = f"no saddle after {self.limit} calls"
        try:
            self._learn_ends()
            self._solve()
        except EngineError as error:  # of the prior; the costly engine will say so again
            reason = str(error)
        if self.accepted is None:
            return self._without(reason)
        saddle, band, proof = self.accepted
        higher = max(self._excess(band, saddle).values(), default=0.0)
        calls = self.evaluate.calls - self.first_call
        found = reported(band, saddle, self.surrogate, proof=proof, higher=higher, calls=calls)
        if not self.unsettled:
            return found
        # By the field's own word not the lowest way: its proof alone stands against the engine.
        other = self._without("it promises a lower way, and does not find it")
        lower = float(other.energies.max()) < float(found.energies.max())
        if other.converged and (lower or not proof):
            return other
        return replace(found, force_calls=other.force_calls, converged=bool(proof))

    def _learn_ends(self) -> None:
        for end in self.on.ends:
            self.surrogate.learn(end, force_noise=END_NOISE, teach=False)

    def _solve(self) -> None:
        """Look for the highest point of the way, as the costly engine sees it, and accept it."""
        last: Point | None = None
        while self.evaluate.calls - self.first_call < self.limit:
            if self.accepted is not None and self.evaluate.calls > self.way_limit:
                break
            aim = self._aim(last)
            if self._stuck(aim, last):
                break
            last = self._left_at(aim) or last
            if last is None or not self._settled(aim, last):
                last = self._stepped(last, aim.xyz)
                continue
            band = self._over(last)
            higher = self._higher(band, last)
            if higher is not None and self._left_at(last) is None:
                self.left.append(last)
                self.on.follow(band)
                last = self._compute(higher.xyz)
                continue
            if higher is not None:  # round in a circle: no way avoids the highest of them
                last = max(self.left, key=lambda point: point.energy)
                band = self._over(last)
            doubtful = self._doubtful(band, last)
            if doubtful is None:
                self._accept(last)
                lower = self._lower_way()
                self.unsettled = lower is not None
                if lower is None:
                    break
                self.way_limit = self.evaluate.calls + WAY_CALLS
                self.on.forget()
                last = self._compute(lower.xyz)
                continue
            # Even if it is higher it need not be on the way, which may go round it: the next
            # way over the saddle, on what was learnt, says so.
            self.looks += 1
            self._compute(band.xyz[doubtful])

    def _left_at(self, place: Point) -> Point | None:
        """Saddle that was left for a higher image, if that is the one at a place."""
        return next((each for each in self.left if place.distance(each) < AGAIN), None)

    def _accept(self, saddle: Point) -> None:
        """Keep a saddle that nothing speaks against, if it is the lowest of these so far."""
        if self.accepted is None or saddle.energy < self.accepted[0].energy:
            assert self.band is not None  # noqa: S101 - the way over it
            self.accepted = (saddle, self.band, self.proof)

    def _lower_way(self) -> Point | None:
        """Top of another way that the surrogate, after all it has learnt, has below the saddle.

        Only a field looks for one: at the start it knew nothing of where ways might lead.
        """
        assert self.accepted is not None  # noqa: S101 - a saddle was accepted
        ceiling = max(self.accepted[0].energy, self.flat) - LOWER
        while self.ways:
            way = self.ways.pop(0)
            for band in (self.on.adaptive(way), self.on.pulled(way)):
                if band.failure:
                    continue
                top = highest(band)
                if max(top.energy, self.flat) < ceiling and self._is_new(top, AGAIN):
                    return top
                doubt = WIDTHS * self.surrogate.predict(top.xyz).spread
                if top.energy - doubt < ceiling and self._is_new(top, KNOWN) and self.peeks:
                    self.peeks -= 1
                    self._compute(top.xyz)
                    self.ways.insert(0, way)
                    break
        return None

    def _is_new(self, point: Point, apart: float) -> bool:
        """Whether nothing was computed as close as this to a configuration, in Å."""
        return self.surrogate.distance(point.xyz) > apart

    def _stuck(self, aim: Point, last: Point | None) -> bool:
        """Whether a force field insists on what it was told is no saddle."""
        known = self.surrogate.learns and self.surrogate.distance(aim.xyz) < SAME
        if known and (last is None or not self._settled(aim, last)):
            self.stubborn += 1
        return self.stubborn >= STUBBORN

    def _over(self, saddle: Point) -> BandResult:
        """Way over a saddle, which is kept with its proof."""
        self.band, self.proof = self.on.over(saddle)
        return self.band

    def _higher(self, band: BandResult, saddle: Point) -> Point | None:
        """Image that a way over a saddle has above it, at another place, if any."""
        top = highest(band)
        above = top.energy - max(saddle.energy, self.flat)
        return top if top.distance(saddle) > NEAR and above > ERROR else None

    def _aim(self, last: Point | None) -> Point:
        """Highest point of the way as the surrogate sees it: a saddle, or an image of a band."""
        saddle = None if last is None else self.on.saddle(last)
        if saddle is not None:
            return saddle
        if last is not None and not self.surrogate.learns:
            way = self.on.through(self.left[-1] if self.left else last)
            if way.proven:
                self.on.follow(way)
                self.band = way
                return highest(way)
        path = self.path if self.band is None else self.on.moved(self.band.xyz)
        self.band = self.on.pulled(path)
        return highest(self.band)

    def _stepped(self, last: Point | None, aim: Array) -> Point:
        """Compute a point on the way to an aim, as far as predictions have been good."""
        far = np.inf if last is None else float(np.linalg.norm(aim - last.xyz, axis=1).max())
        if last is None or far > JUMP:
            return self._compute(aim)
        place = last.xyz + (aim - last.xyz) * min(1.0, self.stride / max(far, 1e-9))
        predicted = self.surrogate.predict(place).energy
        point = self._compute(place)
        error = abs(point.energy - predicted)
        if error > BAD:
            self.stride = max(0.5 * self.stride, LEAST)
        elif error < GOOD:
            self.stride = min(1.5 * self.stride, STRIDE)
        return point

    def _compute(self, xyz: Array) -> Point:
        point = self.surrogate.compute(xyz)
        mirror = self.path.mirror
        if mirror is not None:
            other = mirrored(point, mirror)
            if other.distance(point) > MIRRORED:
                self.surrogate.learn(other)
        return point

    def _settled(self, aim: Point, last: Point) -> bool:
        """Whether the last point computed is the surrogate's saddle, by its costly forces."""
        moved = aim.distance(last)
        if aim.energy < self.flat:  # no barrier: nothing has to be at rest there
            return moved < NEAR and last.energy < self.flat
        agrees = abs(aim.energy - last.energy) < ERROR and moved < NEAR
        return agrees and last.largest_force < self.settings.fmax

    def _doubtful(self, band: BandResult, saddle: Point) -> int | None:
        """Image most likely to be higher than the saddle, if any may be."""
        if self.looks >= self.most_looks:
            return None
        excess = self._excess(band, saddle)
        worst = max(excess, key=excess.__getitem__, default=None)
        if worst is not None and excess[worst] > 0.0:
            return worst
        return None if self.surrogate.learns else self._unseen(band, saddle)

    def _unseen(self, band: BandResult, saddle: Point) -> int | None:
        """Image where a saddle may hide, the farthest from all that was computed, if it is far.

        That is another maximum of the way; without a barrier it is any image, since the point that
        was computed may be the minimum between two saddles of which the prior has none.
        """
        level = saddle.energy < self.flat
        places = range(1, len(band.xyz) - 1) if level else self._rivals(band, saddle)
        far = {k: self.surrogate.distance(band.xyz[k]) for k in places}
        worst = max(far, key=far.__getitem__, default=None)
        return worst if worst is not None and far[worst] > UNSEEN else None

    def _excess(self, band: BandResult, saddle: Point) -> dict[int, float]:
        """How far the images that are not known may lie above the saddle, in eV."""
        ceiling = max(saddle.energy, self.flat)
        rivals = set() if self.surrogate.learns else self._rivals(band, saddle)
        excess = {}
        for k in range(1, len(band.xyz) - 1):
            known, least = (AGAIN, RIVAL) if k in rivals else (KNOWN, 0.0)
            if self.surrogate.distance(band.xyz[k]) > known:
                doubt = WIDTHS * self.surrogate.predict(band.xyz[k]).spread
                excess[k] = band.energies[k] + max(doubt, least) - ceiling
        return excess

    def _rivals(self, band: BandResult, saddle: Point) -> set[int]:
        """Maxima of a way elsewhere than at its saddle."""
        return {
            k
            for k in range(1, len(band.xyz) - 1)
            if band.energies[k] > max(band.energies[k - 1], band.energies[k + 1])
            and np.linalg.norm(band.xyz[k] - saddle.xyz, axis=1).max() > NEAR
        }

    # ------------------------------------------------------------------ the result

    def _without(self, reason: str) -> BandResult:
        """Run a band of the costly engine alone: full, from the best path so far, or afresh."""
        if self.surrogate.learns:  # what a field makes of a band that it fails for is no start
            found = run_adaptive(self.path, self.evaluate, self.settings, guess=self.guess)
        else:
            path = self.path if self.band is None else self.on.moved(self.band.xyz)
            found = run_band(path, self.evaluate, self.settings)
        calls = self.evaluate.calls - self.first_call
        finding = Finding(
            check=f"the surrogate did not do: {reason}",
            value=calls - found.force_calls,
            unit="force calls",
        )
        return replace(found, force_calls=calls, findings=(*found.findings, finding))
