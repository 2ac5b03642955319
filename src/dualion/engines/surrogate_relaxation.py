"""Relaxation with few calls of a costly engine, on a surrogate that learns from each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.evaluator import Evaluator
from dualion.engines.relaxation import Relaxation, relax
from dualion.engines.residual import ENERGY_NOISE
from dualion.engines.strain import Strained
from dualion.engines.surrogate import BAD, GOOD, Surrogate
from dualion.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.engines.evaluator import Source
    from dualion.engines.surface import Point
    from dualion.records import Geometry
    from dualion.settings import RelaxSettings

    Array = NDArray[np.float64]

CALLS, LEARNING_CALLS = 20, 40
"""Costly calls after which the relaxation goes on without the surrogate: with an engine as the
prior, and with a force field.
"""
STRIDE = 0.35
"""No atom goes farther than this from the lowest point that was computed, in Å."""
START_REACH, REACHES = 0.1, (0.03, 0.15)
"""How far an atom may go on a force field between two calls, in Å: at first, and bounds of what
predictions make of it.
"""
RISE = 0.005
"""A rise in energy by more than this, in eV, is as bad as a bad prediction."""
GAIN = 0.002
"""A converged point is left if the surrogate promises more than this, in eV."""
STEPS = 400
"""Steps of one relaxation on the surrogate."""
LATTICE_NOISE = 1.0
"""What energies of different lattices may be wrong by, in eV: a stress of plane waves is not their
derivative, as larger cells have more waves (Pulay), and it is the stress that is to vanish.
"""


def relax_by_surrogate(
    geometry: Geometry,
    evaluate: Evaluator,
    prior: Source,
    settings: RelaxSettings,
    *,
    cell: bool = False,
    keep_symmetry: bool = False,
) -> Relaxation:
    """Relax a geometry; the input is not changed.

    The geometry is relaxed on the surrogate, which at first is the prior alone; the costly engine
    is asked where that ends, the surrogate learns, and so on. Converged is a point whose *costly*
    forces are below the threshold, if the surrogate promises no lower energy nearby. Where that
    does not come about, :func:`~dualion.engines.relaxation.relax` goes on from the lowest point.

    Parameters
    ----------
    geometry
        Where to start.
    evaluate
        The costly engine; its errors end the relaxation with a ``failure``.
    prior
        The cheap engine, or a force field, which is told of the start before it is believed. If it
        fails the relaxation goes on without it.
    settings
        Threshold and largest number of costly calls.
    cell
        Relax the lattice as well; not with a force field.
    keep_symmetry
        Keep the space group of the input; not with a force field.
    """
    run = _Run(geometry, evaluate, prior, settings, cell=cell, keep_symmetry=keep_symmetry)
    return run.result()


class _Run:
    """One relaxation under way."""

    def __init__(
        self,
        geometry: Geometry,
        evaluate: Evaluator,
        prior: Source,
        settings: RelaxSettings,
        *,
        cell: bool,
        keep_symmetry: bool,
    ) -> None:
        self.geometry = geometry
        self.evaluate = evaluate
        self.settings = settings
        self.cell = cell
        self.keep_symmetry = keep_symmetry
        costly: Source = evaluate
        self.coordinates: Strained | None = None
        if cell or keep_symmetry:
            self.coordinates = Strained(geometry, cell=cell, keep_symmetry=keep_symmetry)
            costly, prior = self.coordinates.asked(evaluate), self.coordinates.asked(prior)
        self.surrogate = Surrogate(
            geometry.numbers,
            geometry.cell,
            costly,
            prior,
            energy_noise=LATTICE_NOISE if cell else ENERGY_NOISE,
        )
        self.first_call = evaluate.calls
        self.best: Point | None = None
        self.reach = START_REACH if self.surrogate.learns else np.inf

    def result(self) -> Relaxation:
        try:
            converged = self._follow()
        except EngineError:  # of the prior, or of the costly engine, which will say so again
            return self._plain()
        if not converged and self._left() > 0:
            return self._plain()
        return self._told(converged=converged)

    def _left(self) -> int:
        return self.settings.steps - (self.evaluate.calls - self.first_call)

    def _follow(self) -> bool:
        """Go down until converged or out of calls."""
        here = self._coordinates(self.geometry)
        limit = LEARNING_CALLS if self.surrogate.learns else CALLS
        if self.surrogate.learns:
            self.best = self.surrogate.compute(here)
        while self.evaluate.calls - self.first_call < min(limit, self.settings.steps):
            aim, promised = self._aim(here)
            best = self.best
            if best is not None:
                small = best.largest_force < self.settings.fmax
                if small and self._energy(best) - promised < GAIN:
                    return True
                far = float(np.linalg.norm(aim - best.xyz, axis=1).max())
                aim = best.xyz + (aim - best.xyz) * min(1.0, STRIDE / max(far, 1e-9))
            point = self._computed(aim)
            if best is None or self._better(point, best):
                self.best = point
            here = self.best.xyz if self.best is not None else point.xyz
        best = self.best
        return best is not None and best.largest_force < self.settings.fmax

    def _better(self, point: Point, best: Point) -> bool:
        """Whether to go on from a point: lower, or at rest; of two lattices that nearer to rest."""
        if self.cell:
            return point.largest_force < best.largest_force
        return point.energy < best.energy or point.largest_force < self.settings.fmax

    def _energy(self, point: Point) -> float:
        """Energy of a point to hold a promise against."""
        return self.surrogate.predict(point.xyz).energy if self.cell else point.energy

    def _coordinates(self, geometry: Geometry) -> Array:
        return geometry.xyz if self.coordinates is None else self.coordinates.coordinates(geometry)

    def _geometry(self, here: Array) -> Geometry:
        if self.coordinates is None:
            return self.geometry.moved(here)
        return self.coordinates.geometry(here)

    def _computed(self, aim: Array) -> Point:
        """Ask the costly engine; how well a field foresaw it says how far to follow it next."""
        if not self.surrogate.learns or self.best is None:
            return self.surrogate.compute(aim)
        predicted = self.surrogate.predict(aim).energy
        point = self.surrogate.compute(aim)
        error = abs(point.energy - predicted)
        least, most = REACHES
        if error > BAD or point.energy - self.best.energy > RISE:
            self.reach = max(0.5 * self.reach, least)
        elif error < GOOD:
            self.reach = min(1.5 * self.reach, most)
        return point

    def _aim(self, here: Array) -> tuple[Array, float]:
        """Minimum of the surrogate, or where the reach ends on the way to it; its energy there."""
        goal = self.settings.model_copy(
            update={"fmax": min(0.01, 0.5 * self.settings.fmax), "steps": STEPS}
        )
        evaluate = self.surrogate.evaluator()
        if self.coordinates is not None:
            evaluate = Evaluator(self.coordinates.told(self.surrogate))
        found = relax(
            self._geometry(here),
            evaluate,
            goal,
            cell=self.cell,
            keep_symmetry=self.keep_symmetry,
            reach=self.reach,
        )
        if found.failure:
            raise EngineError(found.failure)
        return self._coordinates(found.geometry), found.energy

    def _plain(self) -> Relaxation:
        """Go on without the surrogate, from the lowest point that was computed."""
        start = self.geometry if self.best is None else self._geometry(self.best.xyz)
        settings = self.settings.model_copy(update={"steps": max(1, self._left())})
        found = relax(
            start, self.evaluate, settings, cell=self.cell, keep_symmetry=self.keep_symmetry
        )
        return Relaxation(
            geometry=found.geometry,
            energy=found.energy,
            max_force=found.max_force,
            converged=found.converged,
            force_calls=self.evaluate.calls - self.first_call,
            start_energy=found.start_energy if self.best is None else None,
            failure=found.failure,
        )

    def _told(self, *, converged: bool) -> Relaxation:
        assert self.best is not None  # noqa: S101 - at least one call was made
        return Relaxation(
            geometry=self._geometry(self.best.xyz),
            energy=self.best.energy,
            max_force=self.best.largest_force,
            converged=converged,
            force_calls=self.evaluate.calls - self.first_call,
            start_energy=None,
        )
