"""The band on a surrogate: a costly engine is asked at the saddle alone.

The band of :func:`~dualion.engines.neb.run_band` is converged on a surrogate, which at first is the
cheap engine alone; the costly engine is asked where an image climbed to; the surrogate learns the
difference; the band goes on from where it was. It has converged only when the *costly* forces at
the saddle are below the threshold, the surrogate would not move its energy, and no other image may
be higher, as far as the surrogate's uncertainty tells. Else the full band is run, from the best
path so far. What is computed and what is only predicted is told in the findings, and so is what
:func:`~dualion.engines.adaptive.run_adaptive` can prove of the saddle on the surrogate.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.adaptive import FLAT, run_adaptive
from dualion.engines.neb import require_image, run_band, tangents
from dualion.engines.stretch import mirrored, straight
from dualion.engines.surface import Point
from dualion.engines.surrogate import Surrogate
from dualion.errors import EngineError
from dualion.records import Finding, Images, as_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.engines.evaluator import Evaluator, Source
    from dualion.engines.neb import BandResult
    from dualion.engines.stretch import Guess
    from dualion.records import Path
    from dualion.settings import BandSettings

    Array = NDArray[np.float64]

CALLS = 30
"""Costly calls after which the full band is run."""
STRIDE, JUMP = 0.35, 1.2
"""A saddle moves by no more than the first between two costly calls, in Å; one that moves farther
than the second is another saddle, and is looked at where it is.
"""
ERROR = 0.003
"""A saddle counts as converged if the surrogate moves its energy by less than this, in eV."""
NEAR = 0.4
"""The surrogate's saddle lies this close to one that has converged, in Å."""
WIDTHS = 2.0
"""An image is no saddle if it lies lower by this many standard deviations."""
KNOWN = 0.15
"""An image closer than this to one that was computed need not be, in Å."""
LOOKS = 4
"""Costly calls spent on images that might be higher than the saddle."""
END_NOISE = 0.02
"""What a component of the forces at a relaxed end may differ from zero by, in eV/Å."""
MIRRORED = 0.05
"""A mirror image farther away than this, in Å, teaches something of its own."""
STEPS = 100
"""Steps of one band on the surrogate."""
ON_SURROGATE = ", on the surrogate"
"""Follows the name of what was found on the surrogate and not on the costly engine."""


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
        The cheap engine. If it fails the full band is run without it.
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
        from ase.data import atomic_numbers

        numbers = np.array([atomic_numbers[s] for s in path.images.species])
        self.path = path
        self.evaluate = evaluate
        self.settings = settings
        self.guess = guess
        self.surrogate = Surrogate(numbers, path.images.cell, evaluate, prior)
        self.first_call = evaluate.calls
        self.flat = max(path.initial_energy, path.final_energy) + FLAT
        self.computed: list[Point] = []
        self.band: BandResult | None = None
        self.looks = 0

    def result(self) -> BandResult:
        """Return the band, from the surrogate or, where that fails, without it."""
        reason = f"no saddle after {CALLS} calls"
        try:
            self._learn_ends()
            saddle = self._solve()
        except EngineError as error:  # of the prior; the costly engine will say so again
            reason, saddle = str(error), None
        if saddle is None:
            return self._without(reason)
        return self._told(saddle)

    def _learn_ends(self) -> None:
        xyz = self.path.images.xyz
        for place, energy in ((0, self.path.initial_energy), (-1, self.path.final_energy)):
            end = Point(xyz[place], energy, np.zeros_like(xyz[place]))
            self.surrogate.learn(end, force_noise=END_NOISE)

    def _solve(self) -> Point | None:
        """Return the highest point of the way, computed by the costly engine; None: not found."""
        last: Point | None = None
        while self.evaluate.calls - self.first_call < CALLS:
            band = self.band = self._on_surrogate()
            top = 1 + int(np.argmax(band.energies[1:-1]))
            if last is not None and self._settled(band, top, last):
                doubtful = self._doubtful(band, top, last)
                if doubtful is None:
                    return last
                self.looks += 1
                self._compute(band.xyz[doubtful])
                continue
            last = self._compute(_stepped(last, band.xyz[top]))
        return None

    def _on_surrogate(self) -> BandResult:
        """Converge the band on the surrogate, from where it was."""
        path = self.path if self.band is None else self._moved(self.band.xyz)
        settings = self.settings.model_copy(
            update={"fmax": 0.5 * self.settings.fmax, "steps": STEPS}
        )
        found = run_band(path, self.surrogate.evaluator(), settings)
        if found.failure:
            raise EngineError(found.failure)
        return found

    def _moved(self, xyz: Array) -> Path:
        images = self.path.images
        moved = Images.from_array(images.lattice, images.species, xyz)
        return self.path.model_copy(update={"images": moved})

    def _proof(self, saddle: Point) -> tuple[Finding, ...]:
        """Tell what can be proven of a saddle on the surrogate."""
        path = self.path.model_copy(update={"start": as_vectors(saddle.xyz)})
        settings = self.settings.model_copy(update={"steps": STEPS})
        found = run_adaptive(path, self.surrogate.evaluator(), settings, guess=self.guess)
        difference = float(found.energies.max()) - saddle.energy
        same = found.proven is True and abs(difference) < 2.0 * ERROR
        told = Finding(
            check="highest point of a proven way above the saddle" + ON_SURROGATE,
            value=difference,
            limit=2.0 * ERROR,
            unit="eV",
            passed=same,
        )
        if not same:
            return (told,)
        evidence = (f.model_copy(update={"check": f.check + ON_SURROGATE}) for f in found.findings)
        return (*evidence, told)

    def _compute(self, xyz: Array) -> Point:
        point = self.surrogate.compute(xyz)
        self.computed.append(point)
        mirror = self.path.mirror
        if mirror is not None:
            other = mirrored(point, mirror)
            if other.distance(point) > MIRRORED:
                self.surrogate.learn(other)
        return point

    def _settled(self, band: BandResult, top: int, last: Point) -> bool:
        """Whether the last point computed is the surrogate's saddle, by its costly forces."""
        moved = float(np.linalg.norm(band.xyz[top] - last.xyz, axis=1).max())
        if band.energies[top] < self.flat:  # no barrier: nothing has to be at rest there
            return moved < NEAR
        agrees = abs(band.energies[top] - last.energy) < ERROR and moved < NEAR
        return agrees and last.largest_force < self.settings.fmax

    def _doubtful(self, band: BandResult, top: int, last: Point) -> int | None:
        """Image most likely to be higher than the saddle, if any may be."""
        if self.looks >= LOOKS:
            return None
        excess = self._excess(band, top, last)
        worst = max(excess, key=excess.__getitem__, default=None)
        return worst if worst is not None and excess[worst] > 0.0 else None

    def _excess(self, band: BandResult, top: int, saddle: Point) -> dict[int, float]:
        """How far the images that are not known may lie above the saddle, in eV."""
        ceiling = max(saddle.energy, self.flat)
        return {
            k: band.energies[k] + WIDTHS * self.surrogate.predict(band.xyz[k]).spread - ceiling
            for k in range(1, len(band.xyz) - 1)
            if k != top and self.surrogate.distance(band.xyz[k]) > KNOWN
        }

    # ------------------------------------------------------------------ the result

    def _told(self, saddle: Point) -> BandResult:
        """Write the surrogate's band down, with the saddle as the costly engine sees it."""
        band = self.band
        assert band is not None  # noqa: S101 - a saddle was found on it
        top = 1 + int(np.argmax(band.energies[1:-1]))
        xyz, energies, forces = band.xyz.copy(), band.energies.copy(), band.forces.copy()
        xyz[top], energies[top], forces[top - 1] = saddle.xyz, saddle.energy, saddle.forces
        spreads = [self.surrogate.predict(x).spread for x in xyz[1:-1]]
        unit = tangents(xyz, energies)
        along = np.einsum("iaj,iaj->i", forces, unit)
        across = np.linalg.norm(forces - along[:, None, None] * unit, axis=2).max(axis=1)
        gaps = np.linalg.norm(np.diff(xyz, axis=0), axis=(1, 2))
        higher = max(self._excess(band, top, saddle).values(), default=0.0)
        calls = self.evaluate.calls - self.first_call
        findings = [
            *(self._proof(saddle) if saddle.energy > self.flat else ()),
            Finding(check="force calls of the engine, the rest is the surrogate's", value=calls),
            Finding(check="factor on the surrogate's prior", value=self.surrogate.factor),
            Finding(
                check="surrogate's saddle above the one that was computed",
                value=float(band.energies[top] - saddle.energy),
                limit=ERROR,
                unit="eV",
            ),
            Finding(
                check="largest standard deviation of an image's energy, which is predicted",
                value=max(spreads, default=0.0),
                unit="eV",
            ),
            Finding(
                check="another image above the saddle, at two standard deviations",
                value=higher,
                limit=0.0,
                unit="eV",
                passed=higher <= 0.0,
            ),
        ]
        barrier = energies[top] > max(energies[0], energies[-1])
        return replace(
            band,
            xyz=xyz,
            energies=energies,
            forces=forces,
            tangent_forces=np.concatenate([[0.0], along, [0.0]]),
            coordinates=np.concatenate([[0.0], np.cumsum(gaps)]),
            climbing=top if barrier else None,
            climb_force=saddle.largest_force,
            max_force=float(across.max()),
            converged=True,
            steps=calls,
            force_calls=calls,
            proven=None,
            findings=tuple(findings),
        )

    def _without(self, reason: str) -> BandResult:
        """Run the full band of the costly engine, from the best path so far."""
        path = self.path if self.band is None else self._moved(self.band.xyz)
        found = run_band(path, self.evaluate, self.settings)
        calls = self.evaluate.calls - self.first_call
        finding = Finding(
            check=f"the surrogate did not do: {reason}",
            value=calls - found.force_calls,
            unit="force calls",
        )
        return replace(found, force_calls=calls, findings=(*found.findings, finding))


def _stepped(last: Point | None, aim: Array) -> Array:
    """Go from the last point towards the next, but not too far at once."""
    if last is None:
        return aim
    far = float(np.linalg.norm(aim - last.xyz, axis=1).max())
    if far > JUMP:
        return aim
    step: Array = last.xyz + (aim - last.xyz) * min(1.0, STRIDE / max(far, 1e-9))
    return step
