"""VASP as an engine of dualion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dualion.engines.ase_engine import AseEngine

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobflow.core.job import Job

    from dualion.records import EngineStamp
    from dualion.settings import BandSettings


@dataclass(frozen=True)
class VaspEngine(AseEngine):
    """An :class:`~dualion.engines.base.Engine` whose relaxations and full bands are VASP's own.

    An adaptive band is dualion's, with VASP for single energies and forces; so it needs no VTST.

    Parameters
    ----------
    choice
        Which preset.
    """

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

        stamp = super().stamp()
        check_potcars()
        return stamp

    def _relax_job(self) -> Callable[..., Job]:
        from dualion.engines.vasp.jobs import vasp_relax_job

        return vasp_relax_job

    def _band_job(self, settings: BandSettings) -> Callable[..., Job]:
        from dualion.engines.vasp.jobs import vasp_band_job

        return super()._band_job(settings) if settings.method == "adaptive" else vasp_band_job
