"""Engines whose calculator follows ASE's interface: EMT and the machine-learned potentials."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dualion.engines.fingerprint import stamp_of
from dualion.engines.registry import EngineChoice, category_of, entry_of
from dualion.errors import InputError
from dualion.records import Geometry, Path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobflow.core.job import Job
    from jobflow.core.reference import OutputReference

    from dualion.engines.base import Lessons
    from dualion.engines.entry import EngineEntry
    from dualion.records import EngineStamp
    from dualion.settings import BandSettings, RelaxSettings


@dataclass(frozen=True)
class AseEngine:
    """An :class:`~dualion.engines.base.Engine` named by a registry entry.

    Parameters
    ----------
    choice
        Which engine, on which device.
    outer
        Whether each force call is to be a job of its own (:mod:`dualion.engines.point`). Says how
        a job is run, not what it gives: it is in the job's metadata, not among its arguments.
    """

    choice: EngineChoice
    outer: bool = False

    @property
    def name(self) -> str:
        """As the user types it."""
        return self.choice.name

    @property
    def category(self) -> str:
        """The package that a worker needs, and that of the prior."""
        return category_of(self.choice)

    @property
    def charged(self) -> bool:
        """Whether it can treat a charged cell."""
        return self._entry.charged

    @cached_property
    def _entry(self) -> EngineEntry:
        return entry_of(self.choice)

    def stamp(self) -> EngineStamp:
        """Return what makes this engine's numbers; see :func:`fingerprint.stamp_of`.

        A prior is looked for as well, but makes no number.
        """
        for prior in self.choice.engines[1:]:
            stamp_of(prior)
        return stamp_of(self.choice)

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
        """Return a job whose output is a ``Relaxed``; see :class:`~dualion.engines.base.Engine`."""
        self._check_charge(charge)
        job = self._relax_job()(
            structure=structure,
            choice=self.choice,
            settings=settings,
            cell=cell,
            charge=charge,
            keep_symmetry=keep_symmetry,
            **({"lessons": lessons} if self.choice.learns else {}),
        )
        subject = f" {structure.formula}" if isinstance(structure, Geometry) else ""
        return self._labelled(job, "relax", name or f"relax{subject}")

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
        """Return a job whose output is a ``Band``; see :class:`~dualion.engines.base.Engine`."""
        self._check_charge(charge)
        make = self._band_job(settings)
        job = make(
            path=path,
            choice=self.choice,
            settings=settings,
            climb=climb,
            charge=charge,
            **({"lessons": [end.lessons for end in ends]} if self.choice.learns else {}),
        )
        subject = f" of {path.images.species[path.mover]}" if isinstance(path, Path) else ""
        return self._labelled(job, "band", name or f"band{subject}")

    def _relax_job(self) -> Callable[..., Job]:
        """Maker of the job that relaxes."""
        from dualion.engines.jobs import relax_job, taught_relax_job

        return taught_relax_job if self.choice.learns else relax_job

    def _band_job(self, settings: BandSettings) -> Callable[..., Job]:
        """Maker of the job that converges a band with these settings."""
        from dualion.engines.jobs import band_job, taught_band_job

        del settings
        return taught_band_job if self.choice.learns else band_job

    def _labelled(self, job: Job, kind: str, name: str) -> Job:
        job.name = name
        job.metadata.update({"kind": kind, "engine": self.name})
        if self.outer:
            job.metadata["outer"] = True
        job.config.manager_config = {"_category": self.category}
        return job

    def _check_charge(self, charge: int) -> None:
        if charge != 0 and not self.charged:
            raise InputError(
                f"charge {charge:+d} was asked for, but this engine knows no charge",
                where=f"engine '{self.name}'",
                remedy="use charge 0: a neutral atom is removed",
            )
