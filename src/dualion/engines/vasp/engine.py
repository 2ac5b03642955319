"""VASP as an engine of dualion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dualion.engines.fingerprint import stamp_of
from dualion.engines.registry import EngineChoice, entry_of
from dualion.records import Geometry, Path

if TYPE_CHECKING:
    from jobflow.core.job import Job
    from jobflow.core.reference import OutputReference

    from dualion.engines.registry import EngineEntry
    from dualion.records import EngineStamp
    from dualion.settings import BandSettings, RelaxSettings


@dataclass(frozen=True)
class VaspEngine:
    """An :class:`~dualion.engines.base.Engine` whose relaxations and full bands are VASP's own.

    An adaptive band is dualion's, with VASP for single energies and forces; so it needs no VTST.

    Parameters
    ----------
    choice
        Which preset.
    """

    choice: EngineChoice

    @property
    def name(self) -> str:
        """As the user types it."""
        return self.choice.name

    @property
    def category(self) -> str:
        """The package that a worker needs."""
        return self._entry.package

    @property
    def charged(self) -> bool:
        """It can treat a charged cell."""
        return self._entry.charged

    @cached_property
    def _entry(self) -> EngineEntry:
        return entry_of(self.choice)

    def stamp(self) -> EngineStamp:
        """Return what makes this engine's numbers, once POTCARs are known to be here.

        Raises
        ------
        EngineNotInstalledError
            A package is not installed.
        ModelFileError
            pymatgen does not know where POTCARs are.
        """
        from dualion.engines.vasp.inputs import check_potcars

        stamp = stamp_of(self.choice)
        check_potcars()
        return stamp

    def relax(
        self,
        structure: Geometry | OutputReference,
        *,
        cell: bool,
        charge: int = 0,
        settings: RelaxSettings,
        keep_symmetry: bool = False,
        name: str | None = None,
    ) -> Job:
        """Return a job whose output is a ``Relaxed``; see :class:`~dualion.engines.base.Engine`."""
        from dualion.engines.vasp.jobs import vasp_relax_job

        job = vasp_relax_job(
            structure=structure,
            choice=self.choice,
            settings=settings,
            cell=cell,
            charge=charge,
            keep_symmetry=keep_symmetry,
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
    ) -> Job:
        """Return a job whose output is a ``Band``; see :class:`~dualion.engines.base.Engine`."""
        from dualion.engines.jobs import band_job
        from dualion.engines.vasp.jobs import vasp_band_job

        make = band_job if settings.method == "adaptive" else vasp_band_job
        job = make(path=path, choice=self.choice, settings=settings, climb=climb, charge=charge)
        subject = f" of {path.images.species[path.mover]}" if isinstance(path, Path) else ""
        return self._labelled(job, "band", name or f"band{subject}")

    def _labelled(self, job: Job, kind: str, name: str) -> Job:
        job.name = name
        job.metadata.update({"kind": kind, "engine": self.name})
        job.config.manager_config = {"_category": self.category}
        return job
