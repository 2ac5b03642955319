"""Force evaluations as jobs of their own.

A relaxation or band whose force calls are costly is run as a *driver*: the same algorithm, with a
source that computes nothing. It looks up each configuration among the results of *points*, jobs
that compute one configuration each; what is missing it asks for, all that does not depend on each
other at once, and stops. Whoever runs it has the points computed and runs it again: it goes on from
its checkpoint, with the numbers it would have had if it had computed them itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from jobflow.core.job import Job, job
from pydantic import Field, model_validator

from dualion.engines.checkpoint import current_scope
from dualion.engines.evaluator import Evaluation, Evaluator, evaluation_key
from dualion.engines.fingerprint import stamp_of
from dualion.engines.registry import EngineChoice, entry_of
from dualion.errors import EngineError
from dualion.records import EngineStamp, Matrix3, Record, Vec3, as_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray


DRIVERS = frozenset({"relax", "band"})
"""Kinds of jobs that make force calls, one after the other; these may be jobs of their own."""


class Configuration(Record):
    """One configuration, to the last bit: what a single-point calculation is given."""

    numbers: tuple[int, ...] = Field(description="Atomic numbers, shape (n,).")
    positions: tuple[Vec3, ...] = Field(description="Cartesian, in Å, shape (n, 3).")
    lattice: Matrix3 = Field(description="Rows are the lattice vectors, in Å.")
    stress: bool = Field(default=False, description="Whether the stress is wanted.")

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.numbers) != len(self.positions):
            msg = f"{len(self.numbers)} numbers but {len(self.positions)} positions"
            raise ValueError(msg)
        return self

    @classmethod
    def of(
        cls,
        numbers: NDArray[np.int64],
        xyz: NDArray[np.float64],
        cell: NDArray[np.float64],
        *,
        stress: bool,
    ) -> Configuration:
        """Take a configuration from arrays, as an evaluator has them."""
        a, b, c = as_vectors(cell)
        return cls(
            numbers=tuple(int(number) for number in numbers),
            positions=as_vectors(xyz),
            lattice=(a, b, c),
            stress=stress,
        )

    @property
    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Atomic numbers (n,), positions (n, 3) and cell rows (3, 3), both in Å."""
        xyz = np.array(self.positions, dtype=float).reshape(-1, 3)
        return np.array(self.numbers, dtype=np.int64), xyz, np.array(self.lattice, dtype=float)

    @property
    def key(self) -> str:
        """The key by which an evaluator knows it, in hexadecimal digits."""
        numbers, xyz, cell = self.arrays
        return evaluation_key(numbers, xyz, cell, stress=self.stress).hex()


class PointResult(Record):
    """What a single-point calculation gave, or why it gave nothing."""

    energy: float | None = Field(None, description="In eV per cell.")
    forces: tuple[Vec3, ...] = Field((), description="In eV/Å, shape (n, 3).")
    stress: Matrix3 | None = Field(None, description="In eV/Å³, positive under tension.")
    charge: int = Field(0, description="Of the cell, in e.")
    stamp: EngineStamp
    failure: str = Field("", description="Why the engine failed; empty when it did not.")

    @property
    def evaluation(self) -> Evaluation:
        """The numbers.

        Raises
        ------
        EngineError
            There are none, since the engine failed.
        """
        if self.failure or self.energy is None:
            raise EngineError(self.failure or "a single point without an energy")
        return Evaluation(
            energy=self.energy,
            forces=np.array(self.forces, dtype=float).reshape(-1, 3),
            stress=None if self.stress is None else np.array(self.stress, dtype=float),
        )


PointLookup = Callable[[EngineChoice, int, Sequence[Configuration]], Sequence["PointResult | None"]]
"""Given an engine, the charge of the cell in e and configurations: what is known of each."""


class PointsNeeded(BaseException):
    """A driver cannot go on before some points are computed.

    Not an ``Exception``: code that handles failures of an engine must not take it for one.

    Parameters
    ----------
    choice, charge
        The engine, and the charge of the cell in e.
    configurations
        Each only once.
    """

    def __init__(
        self, choice: EngineChoice, charge: int, configurations: Sequence[Configuration]
    ) -> None:
        super().__init__(f"{len(configurations)} points")
        self.choice = choice
        self.charge = charge
        self.configurations = tuple(configurations)


class PointSource:
    """The source of a driver: knows what points gave, and computes nothing.

    Parameters
    ----------
    choice, charge
        The engine, and the charge of the cell in e.
    lookup
        Tells what is known.
    """

    def __init__(self, choice: EngineChoice, charge: int, lookup: PointLookup) -> None:
        self._choice = choice
        self._charge = charge
        self._lookup = lookup
        self._known: dict[str, PointResult] = {}

    def __call__(
        self,
        numbers: NDArray[np.int64],
        xyz: NDArray[np.float64],
        cell: NDArray[np.float64],
        *,
        stress: bool,
    ) -> Evaluation:
        """Return what a point gave.

        Raises
        ------
        EngineError
            The engine failed there.
        PointsNeeded
            It is not known.
        """
        key = evaluation_key(numbers, xyz, cell, stress=stress).hex()
        if key not in self._known:
            self.expect(numbers, [xyz], cell, stress=stress)
        return self._known.pop(key).evaluation  # asked for again, it is in the log

    def expect(
        self,
        numbers: NDArray[np.int64],
        configurations: Sequence[NDArray[np.float64]],
        cell: NDArray[np.float64],
        *,
        stress: bool,
    ) -> None:
        """Look several configurations up.

        Raises
        ------
        PointsNeeded
            Some are not known: names all of those.
        """
        asked = [Configuration.of(numbers, xyz, cell, stress=stress) for xyz in configurations]
        wanted = {each.key: each for each in asked}
        found = self._lookup(self._choice, self._charge, list(wanted.values()))
        known = {
            key: result for key, result in zip(wanted, found, strict=True) if result is not None
        }
        if len(known) < len(wanted):
            missing = [each for key, each in wanted.items() if key not in known]
            raise PointsNeeded(self._choice, self._charge, missing)
        self._known |= known


@job(output_schema=PointResult)
def point_job(
    configuration: Configuration, choice: EngineChoice, *, charge: int = 0
) -> PointResult:
    """Compute one configuration; see :func:`compute_point`."""
    return compute_point(configuration, choice, charge=charge)


def compute_point(
    configuration: Configuration, choice: EngineChoice, *, charge: int = 0
) -> PointResult:
    """Compute energy and forces of one configuration with an engine.

    An engine that fails, or gives numbers that are not finite, gives a result with ``failure`` set.

    Raises
    ------
    EngineNotInstalledError
        The package is not installed here.
    ModelFileError
        The weights are missing, or are not known and not trusted.
    InputError
        The engine knows no charge and one is asked for.
    """
    from dualion.engines.calculators import build_source

    stamp = stamp_of(choice)
    scope = current_scope()
    evaluate = Evaluator(
        build_source(choice, charge=charge), progress=scope.progress, computed=scope.computed
    )
    numbers, xyz, cell = configuration.arrays
    try:
        found = evaluate(numbers, xyz, cell, stress=configuration.stress)
    except EngineError as error:
        return PointResult(charge=charge, stamp=stamp, failure=str(error))
    stress = None
    if found.stress is not None:
        a, b, c = as_vectors(found.stress)
        stress = (a, b, c)
    return PointResult(
        energy=found.energy,
        forces=as_vectors(found.forces),
        stress=stress,
        charge=charge,
        stamp=stamp,
    )


def point_jobs(
    choice: EngineChoice, charge: int, configurations: Sequence[Configuration], *, name: str
) -> list[Job]:
    """Return the jobs of some points, named and labelled as an engine's other jobs.

    Parameters
    ----------
    choice, charge
        The engine, and the charge of the cell in e.
    configurations
        One for each job.
    name
        What they are asked for.
    """
    jobs = []
    for configuration in configurations:
        made = point_job(configuration=configuration, choice=choice, charge=charge)
        made.name = f"{name}: point {configuration.key[:8]}"
        made.metadata.update({"kind": "point", "engine": choice.name})
        made.config.manager_config = {"_category": entry_of(choice).package}
        jobs.append(made)
    return jobs
