"""A surrogate of a costly engine: a cheap one, and what was learnt of the difference.

It answers like an engine (:class:`~dualion.engines.evaluator.Source`), so whatever runs on an
engine runs on it: relaxations, bands, climbs and their proofs. It knows one cell and one order of
atoms, whose positions are continuous over all that it is told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.evaluator import Evaluation, Evaluator
from dualion.engines.forcefield import ForceField
from dualion.engines.residual import ENERGY_NOISE, FORCE_NOISE, Datum, Prediction, Residual
from dualion.engines.surface import Point
from dualion.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.engines.evaluator import Source

    Array = NDArray[np.float64]

DIGITS = 6
"""Decimals of an Å to which a position is rounded before the costly engine sees it.

A cheap engine may differ in its last bits from run to run. Rounded, the same configuration is met
again by a job that is resumed, and its evaluation is found in the log.
"""
REMEMBERED = 500
"""Evaluations of the prior that are kept."""
GOOD, BAD = 0.01, 0.03
"""Errors in eV of a prediction that is good, and of one that is bad."""
PROCESS = 26
"""Configurations that the process has beside a force field: the ends and the latest. Its cost grows
with the sixth power of their number; the field keeps what it learnt of all.
"""
STRAYING = 0.08
"""By how much an energy may be off away from what a force field has learnt, in eV for each Å to the
nearest configuration that is known (one standard deviation).

Where such a field was fitted, the process on what it leaves sees next to no residual and expects
none elsewhere.
"""


class Surrogate:
    """Prior and residual of one cell.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n,).
    cell
        Lattice vectors as rows, shape (3, 3), in Å.
    costly
        The engine that is to be spared; counts its own calls.
    prior
        The cheap engine, or a force field, which learns as well.
    energy_noise
        What an energy of the costly engine may be wrong by against its own forces, in eV.

    Attributes
    ----------
    learns
        Whether the prior is a force field.
    """

    def __init__(
        self,
        numbers: NDArray[np.int64],
        cell: Array,
        costly: Source,
        prior: Source,
        *,
        energy_noise: float = ENERGY_NOISE,
    ) -> None:
        self.numbers = numbers
        self.cell = cell
        self._costly = costly
        self._prior = prior
        self._energy_noise = energy_noise
        self.learns = isinstance(prior, ForceField)
        self._data: list[Datum] = []
        self._model: Residual | None = None
        self._priors: dict[bytes, Evaluation] = {}

    def __call__(
        self,
        numbers: NDArray[np.int64],
        xyz: Array,
        cell: Array,
        *,
        stress: bool,
    ) -> Evaluation:
        """Predict one configuration; before anything is learnt, this is the prior.

        Raises
        ------
        EngineError
            The prior failed, or another cell, other atoms or a stress are asked for.
        """
        if stress or not (np.array_equal(numbers, self.numbers) and np.allclose(cell, self.cell)):
            raise EngineError(
                "a surrogate knows energies and forces of one cell alone",
                remedy="relax the cell without a prior",
            )
        found = self.predict(xyz)
        return Evaluation(found.energy, found.forces)

    def evaluator(self) -> Evaluator:
        """Return a counter of calls that asks this surrogate."""
        return Evaluator(self)

    def predict(self, xyz: Array) -> Prediction:
        """Predict one configuration, with its uncertainty (infinite before anything is learnt)."""
        cheap = self._cheap(xyz)
        if self._model is None:
            return Prediction(cheap.energy, cheap.forces, np.inf)
        found = self._model.predict(xyz, cheap)
        if self.learns:
            found = replace(found, spread=max(found.spread, STRAYING * self.distance(xyz)))
        return found

    def compute(self, xyz: Array) -> Point:
        """Ask the costly engine, and learn from its answer.

        Returns
        -------
        Point
            At the positions as they were computed, rounded to :data:`DIGITS` decimals.

        Raises
        ------
        EngineError
            Either engine failed.
        """
        xyz = np.round(xyz, DIGITS)
        found = self._costly(self.numbers, xyz, self.cell, stress=False)
        point = Point(xyz, found.energy, found.forces)
        self.learn(point)
        return point

    def learn(self, point: Point, *, force_noise: float = FORCE_NOISE, teach: bool = True) -> None:
        """Take in what the costly engine says of a configuration.

        Parameters
        ----------
        point
            The configuration.
        force_noise
            What a component of its forces may be wrong by, in eV/Å.
        teach
            Let a force field learn it too: not what it was taught before.
        """
        costly = Evaluation(point.energy, point.forces)
        if teach and isinstance(self._prior, ForceField):
            self._prior.learn(self.numbers, point.xyz, self.cell, point.energy, point.forces)
            self._priors.clear()
        cheap = self._cheap(point.xyz)
        self._data.append(Datum(point.xyz, costly, cheap, force_noise, self._energy_noise))
        self._model = Residual(self._remembered())

    def _remembered(self) -> list[Datum]:
        """Return what the process is conditioned on; a field knows of the others, and changes."""
        if not self.learns:
            return self._data
        ends = 2
        kept = self._data
        if len(kept) > PROCESS:
            kept = [*kept[:ends], *kept[ends - PROCESS :]]
        return [replace(datum, cheap=self._cheap(datum.xyz)) for datum in kept]

    @property
    def learnt(self) -> int:
        """Number of configurations that are known."""
        return len(self._data)

    @property
    def factor(self) -> float:
        """The factor on the prior; one before anything is learnt."""
        return 1.0 if self._model is None else self._model.factor

    def distance(self, xyz: Array) -> float:
        """Largest displacement of an atom from the nearest configuration that is known, in Å."""
        gaps = [np.linalg.norm(xyz - d.xyz, axis=1).max() for d in self._data]
        return float(min(gaps, default=np.inf))

    def _cheap(self, xyz: Array) -> Evaluation:
        key = xyz.tobytes()
        if key not in self._priors:
            if len(self._priors) >= REMEMBERED:
                self._priors.clear()
            self._priors[key] = self._prior(self.numbers, xyz, self.cell, stress=False)
        return self._priors[key]
