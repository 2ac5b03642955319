"""Bands over a hop or a part of it, pulled as taut as a search needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.neb import BandResult, run_band
from dualion.engines.stretch import NoProofError
from dualion.engines.surface import Point
from dualion.errors import EngineError
from dualion.records import Images, Path

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.engines.budget import Budget
    from dualion.engines.evaluator import Evaluator
    from dualion.settings import BandSettings

    Array = NDArray[np.float64]

TAUT_STEPS = 12
"""Steps of a band that is only pulled taut."""
SHORT = 3
"""Images of a band over a part of the hop."""


class Bands:
    """Pulls bands between points of one hop.

    Parameters
    ----------
    path
        The hop.
    evaluate
        Gives energies and forces.
    budget
        Limits the steps.
    """

    def __init__(self, path: Path, evaluate: Evaluator, budget: Budget) -> None:
        self._path = path
        self._evaluate = evaluate
        self._budget = budget

    def pull(
        self,
        first: Point,
        last: Point,
        images: Array,
        settings: BandSettings,
        *,
        climb: bool = False,
        below: float | None = None,
    ) -> tuple[tuple[Point, ...], BandResult]:
        """Converge a band between two points as far as the budget goes.

        Parameters
        ----------
        first, last
            The ends.
        images
            Where it starts, ends included, shape (images, n, 3), in Å.
        settings
            Thresholds and largest number of steps.
        climb
            Whether an image may climb.
        below
            Enough, too, is a band that lies below this energy, in eV.

        Returns
        -------
        tuple
            The points, ends included, and the band.

        Raises
        ------
        NoProofError
            Not a single step is left.
        EngineError
            The engine failed.
        """
        left = self._budget.left // (len(images) - 2)
        if left < 1:
            raise NoProofError("out of force calls")
        path = Path(
            images=Images.from_array(self._path.images.lattice, self._path.images.species, images),
            mover=self._path.mover,
            initial_energy=first.energy,
            final_energy=last.energy,
        )
        settings = settings.model_copy(update={"steps": min(settings.steps, left)})
        ceiling = -np.inf if below is None else below
        band = run_band(path, self._evaluate, settings, climb=climb, below=ceiling)
        if band.failure:
            raise EngineError(band.failure)
        inner = (
            Point(x, float(e), f)
            for x, e, f in zip(band.xyz[1:-1], band.energies[1:-1], band.forces, strict=True)
        )
        return (first, *inner, last), band


def taut(settings: BandSettings, force: float) -> BandSettings:
    """Return settings of a few steps that end at a given NEB force in eV/Å."""
    return settings.model_copy(update={"steps": TAUT_STEPS, "fmax": force, "fmax_flanks": force})


def fewer(images: Array) -> Array:
    """Choose the ends and :data:`SHORT` images between them, or all if there are no more."""
    count = min(SHORT + 2, len(images))
    chosen: Array = images[np.linspace(0, len(images) - 1, count).round().astype(int)]
    return chosen


def as_many(images: Array, count: int) -> Array:
    """Spread images evenly along the line through some others."""
    if len(images) == count:
        return images
    gaps = np.linalg.norm(np.diff(images, axis=0), axis=(1, 2))
    place = np.concatenate([[0.0], np.cumsum(gaps)])
    wanted = np.linspace(0.0, place[-1], count)
    left = np.clip(np.searchsorted(place, wanted, side="right") - 1, 0, len(gaps) - 1)
    share = ((wanted - place[left]) / gaps[left])[:, None, None]
    spread: Array = (1.0 - share) * images[left] + share * images[left + 1]
    spread[[0, -1]] = images[[0, -1]]
    return spread
