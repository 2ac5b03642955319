"""Saddles and ways on a surrogate, for none of which the costly engine is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.adaptive import FLAT, run_adaptive
from dualion.engines.climb import tangent_at
from dualion.engines.neb import run_band, tangents
from dualion.engines.pulled import as_many
from dualion.engines.saddle import SaddleSearch
from dualion.engines.stretch import FellError, NoProofError, Notes, RestError, ends_of
from dualion.engines.surface import Point, Surface
from dualion.engines.surrogate_report import ERROR
from dualion.errors import EngineError
from dualion.records import Images, as_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.engines.neb import BandResult
    from dualion.engines.stretch import Guess
    from dualion.engines.surrogate import Surrogate
    from dualion.records import Finding, Path
    from dualion.settings import BandSettings

    Array = NDArray[np.float64]

AGAIN = 0.05
"""Two saddles this close are one, in Å."""
PATIENCE = 12
"""Factor on the calls of an adaptive band, where the prior is an engine.

Its calls cost little here, and to be out of them costs more than they do: in argyrodite the way of
Cu was proven after 265 calls, where 1 made it end in a full band after 1,037, and unproven.
"""
STEPS = 100
"""Steps of one band."""
WELL = 2.0
"""Depth in eV below both ends at which a minimum of a field is none of the engine's."""
SLACK = 0.03
"""Forces across left on the images of such a band where it costs no engine's calls, in eV/Å."""


class SurrogateWays:
    """Looks for saddles and ways of one hop on what was learnt so far.

    Parameters
    ----------
    path
        The hop.
    surrogate
        May learn between two questions.
    settings, guess
        Those of :func:`~dualion.engines.surrogate_band.run_surrogate`.
    """

    def __init__(
        self, path: Path, surrogate: Surrogate, settings: BandSettings, guess: Guess
    ) -> None:
        self.path = path
        self.surrogate = surrogate
        self.settings = settings
        self.guess = guess
        self.ends = ends_of(path)
        self.flat = max(path.initial_energy, path.final_energy) + FLAT
        self._along: Array | None = None
        self._way: BandResult | None = None
        self._learnt = 0

    def forget(self) -> None:
        """Climb along the line between the ends again, and not along the latest mode."""
        self._along = None

    def follow(self, band: BandResult) -> None:
        """Climb from a band's highest image along its direction there."""
        self._along = tangents(band.xyz, band.energies)[band.top - 1]

    def saddle(self, start: Point) -> Point | None:
        """Climb to a saddle from a point that was computed; None where there is none."""
        surface = Surface(self.surrogate.numbers, self.surrogate.cell, self.surrogate.evaluator())
        seek = SaddleSearch(
            surface,
            self.path.mover,
            fmax=0.5 * self.settings.fmax,
            loosest=self.settings.fmax,
            notes=Notes(),
            check_budget=lambda: None,
        )
        along = tangent_at(start, self.ends) if self._along is None else self._along
        try:
            found = seek.find(surface.point(start.xyz), along, self.ends)
        except (FellError, RestError, NoProofError):
            self._along = None
            return None
        self._along = found.modes.vectors[0]
        return found.point

    def adaptive(self, path: Path) -> BandResult:
        """Run the adaptive band on a path, by all that it falls back on."""
        return run_adaptive(path, self.surrogate.evaluator(), self.settings, guess=self.guess)

    def through(self, start: Point) -> BandResult:
        """Run the adaptive band from a point, which is a saddle or near to one."""
        learns = self.surrogate.learns
        self._way = run_adaptive(
            self.path.model_copy(update={"start": as_vectors(start.xyz)}),
            self.surrogate.evaluator(),
            self.settings,
            guess=self.guess,
            patience=1 if learns else PATIENCE,
            fallback=learns,
        )
        self._learnt = self.surrogate.learnt
        return self._way

    def pulled(self, path: Path) -> BandResult:
        """Converge a full band.

        Raises
        ------
        EngineError
            The prior failed, or a field has wells that no engine has.
        """
        flanks = self.settings.fmax_flanks
        settings = self.settings.model_copy(
            update={
                "fmax": 0.5 * self.settings.fmax,
                "fmax_flanks": min(flanks, SLACK) if self.surrogate.learns else flanks,
                "steps": STEPS,
            }
        )
        found = run_band(path, self.surrogate.evaluator(), settings)
        if found.failure:
            raise EngineError(found.failure)
        depth = min(end.energy for end in self.ends) - float(found.energies.min())
        if self.surrogate.learns and depth > WELL:
            raise EngineError(f"what was learnt has wells of its own, {depth:.1f} eV deep")
        return found

    def over(self, saddle: Point) -> tuple[BandResult, tuple[Finding, ...]]:
        """Go over a saddle: by the adaptive band if it is proven, else by a full one.

        Returns
        -------
        tuple
            The way, and what proves that the saddle is the highest point of it; empty where nothing
            does. A proven way may have a higher saddle as well.
        """
        if saddle.energy > self.flat:
            way = self._way
            stale = self._learnt < self.surrogate.learnt
            if way is None or stale or highest(way).distance(saddle) > AGAIN:
                way = self.through(saddle)
            above = float(way.energies.max()) - saddle.energy
            if way.proven and abs(above) < 2.0 * ERROR:
                return way, way.findings
            # A field invents higher saddles; one beside an engine is worth a call to look at.
            if way.proven and above > 0.0 and not self.surrogate.learns:
                return way, ()
        first, last = self.ends
        legs = [np.linspace(0.0, 1.0, 5)[:, None, None] * (b - a) + a
                for a, b in ((first.xyz, saddle.xyz), (saddle.xyz, last.xyz))]  # fmt: skip
        return self.pulled(self.moved(np.concatenate([legs[0], legs[1][1:]]))), ()

    def moved(self, xyz: Array) -> Path:
        """Return the hop with its images spread along the line through others."""
        images = self.path.images
        start = Images.from_array(images.lattice, images.species, as_many(xyz, len(images)))
        return self.path.model_copy(update={"images": start})


def highest(band: BandResult) -> Point:
    """Highest image between the ends."""
    top = band.top
    return Point(band.xyz[top], float(band.energies[top]), band.forces[top - 1])
