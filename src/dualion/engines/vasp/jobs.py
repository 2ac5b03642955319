"""The two jobs of a VASP engine: thin wrappers around the functions."""

from __future__ import annotations

from jobflow.core.job import job

from dualion.engines.registry import EngineChoice
from dualion.engines.vasp.band import converge_band
from dualion.engines.vasp.relaxation import relax_structure
from dualion.records import Band, Geometry, Path, Relaxed
from dualion.settings import BandSettings, RelaxSettings


@job(output_schema=Relaxed)
def vasp_relax_job(
    structure: Geometry,
    choice: EngineChoice,
    settings: RelaxSettings,
    *,
    cell: bool = False,
    charge: int = 0,
    keep_symmetry: bool = False,
) -> Relaxed:
    """Relax a structure; see :func:`~dualion.engines.vasp.relaxation.relax_structure`."""
    return relax_structure(
        structure, choice, settings, cell=cell, charge=charge, keep_symmetry=keep_symmetry
    )


@job(output_schema=Band)
def vasp_band_job(
    path: Path,
    choice: EngineChoice,
    settings: BandSettings,
    *,
    climb: bool = True,
    charge: int = 0,
) -> Band:
    """Converge a band; see :func:`~dualion.engines.vasp.band.converge_band`."""
    return converge_band(path, choice, settings, climb=climb, charge=charge)
