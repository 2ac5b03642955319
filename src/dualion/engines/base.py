"""What every engine offers: two methods that return jobs, whatever the code behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow.core.job import Job
    from jobflow.core.reference import OutputReference

    from dualion.records import EngineStamp, Geometry, Lesson, Path
    from dualion.settings import BandSettings, RelaxSettings

    Lessons = tuple[Lesson, ...] | OutputReference


@runtime_checkable
class Engine(Protocol):
    """Turns structures into relaxations and paths into bands.

    The methods only describe work: the calculator is built where the job runs. Each job carries
    ``{"kind": "relax" | "band", "engine": name}`` in its metadata.

    Attributes
    ----------
    name
        As the user types it.
    category
        The environment a worker needs (the package of the engine), for routing jobs.
    charged
        Whether it can treat a charged cell.
    """

    @property
    def name(self) -> str:
        """As the user types it."""
        ...

    @property
    def category(self) -> str:
        """The environment a worker needs, for routing jobs."""
        ...

    @property
    def charged(self) -> bool:
        """Whether it can treat a charged cell: density functionals can, most potentials cannot."""
        ...

    def stamp(self) -> EngineStamp:
        """Return what makes this engine's numbers; cheap, no model is loaded.

        Raises
        ------
        EngineNotInstalledError
            The package is not installed here.
        ModelFileError
            The weights are missing or unknown.
        """
        ...

    def relax(
        self,
        structure: Geometry | OutputReference,
        *,
        cell: bool,
        charge: int = 0,
        settings: RelaxSettings,
        keep_symmetry: bool = False,
        name: str | None = None,
        lessons: Lessons = (),
    ) -> Job:
        """Return a job that relaxes a structure; its output is a ``Relaxed``.

        Parameters
        ----------
        structure
            Where to start, or a reference to a ``Geometry`` in another job's output.
        cell
            Relax the lattice as well.
        charge
            Of the cell, in elementary charges.
        settings
            Threshold and largest number of force calls.
        keep_symmetry
            Keep the space group of the input.
        name
            Of the job.
        lessons
            What was learnt before, for an engine that learns; others take no notice.

        Raises
        ------
        InputError
            The engine knows no charge and one is asked for.
        """
        ...

    def band(
        self,
        path: Path | OutputReference,
        *,
        climb: bool = True,
        charge: int = 0,
        settings: BandSettings,
        name: str | None = None,
        ends: Sequence[OutputReference] = (),
    ) -> Job:
        """Return a job that converges a band; its output is a ``Band``.

        Parameters
        ----------
        path
            First guess between relaxed ends, or a reference to one. A path that already has an
            outcome is returned as a band without any force call.
        climb
            Whether the highest image climbs.
        charge
            Of the cell, in elementary charges.
        settings
            Thresholds, spring and largest number of band steps.
        name
            Of the job.
        ends
            References to its relaxed ends, for an engine that learns: what was learnt there.

        Raises
        ------
        InputError
            The engine knows no charge and one is asked for.
        """
        ...
