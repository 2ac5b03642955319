"""Jobs: thin wrappers that put pure functions into a flow.

Every job takes and gives records, so its identity is the content of its arguments. The ones with
``metadata["kind"]`` cost time and run in workers; the others run where the flow is expanded.
"""

from __future__ import annotations

from datetime import UTC, datetime

from jobflow.core.job import Response, job

from dualion import __version__
from dualion.analysis.band import judge_band
from dualion.analysis.response import band_host_indices, framework_response
from dualion.analysis.uncertainty import barrier_error
from dualion.records import (
    Band,
    EndPoints,
    Finding,
    Framework,
    Geometry,
    HopRecord,
    HostState,
    Path,
    Provenance,
    Relaxed,
    Supercell,
)
from dualion.settings import CellSettings, HostSettings, PathSettings
from dualion.structures.equivalence import Equivalence, carry_over
from dualion.structures.handed import Handed
from dualion.structures.path import build_path
from dualion.structures.supercell import build_supercell, supercell_from_matrix
from dualion.workflows.campaign import Campaign
from dualion.workflows.host import judge_host, rattled
from dualion.workflows.question import Question


@job(output_schema=Supercell)
def cell_job(relaxed: Relaxed, settings: CellSettings, like: Supercell | None = None) -> Supercell:
    """Build the supercell of a relaxed host; `like` hands on another host's matrix."""
    if like is not None:
        return supercell_from_matrix(relaxed.geometry, like.matrix)
    return build_supercell(relaxed.geometry, settings)


@job(output_schema=Geometry)
def rattle_job(supercell: Supercell, width: float, seed: int) -> Geometry:
    """Shake the supercell host."""
    return rattled(supercell.geometry, width=width, seed=seed)


@job(output_schema=HostState)
def host_job(
    framework: Framework,
    relaxed: Relaxed,
    supercell: Supercell,
    shaken: Relaxed,
    settings: HostSettings,
) -> HostState:
    """Decide which host is used."""
    return judge_host(framework, relaxed, supercell, shaken, settings)


@job
def hops_job(
    campaign: Campaign,
    framework: Framework,
    host: HostState,
    full_host: HostState | None = None,
) -> Response:  # type: ignore[type-arg]
    """Replace itself by the hops of the host: end points, paths, bands, records."""
    from dualion.workflows.pair import hops_flow

    return Response(replace=hops_flow(campaign, framework, host=host, full_host=full_host))


@job(output_schema=Relaxed)
def equivalent_job(relaxed: Relaxed, equivalence: Equivalence) -> Relaxed:
    """Carry the relaxation of a representative over to an equivalent state; no force call."""
    return carry_over(relaxed, equivalence)


@job(output_schema=Path)
def path_job(
    initial: Relaxed,
    final: Relaxed,
    endpoints: EndPoints,
    host: Geometry,
    settings: PathSettings,
    seed: int,
    like: Band | None = None,
    handed: Handed | None = None,
) -> Path:
    """Guess the path between two relaxed end points; `like`, `handed`: bands of the same hop."""
    return build_path(
        initial, final, endpoints, settings, seed=seed, host=host, like=like, handed=handed
    )


@job(output_schema=HopRecord)
def record_job(
    question: Question,
    endpoints: EndPoints,
    path: Path,
    band: Band,
    doped: Relaxed | None = None,
    undoped: Relaxed | None = None,
) -> HopRecord:
    """Judge a band and make its record."""
    return make_record(question, endpoints, path, band, doped=doped, undoped=undoped)


def make_record(
    question: Question,
    endpoints: EndPoints,
    path: Path,
    band: Band,
    *,
    doped: Relaxed | None = None,
    undoped: Relaxed | None = None,
) -> HopRecord:
    """Judge a band and put the answer to a question together.

    Parameters
    ----------
    question
        What was asked.
    endpoints, path, band
        What was computed; the band's first energy is the zero of the record's energies.
    doped, undoped
        The host with the moving ion (or with the whole arrangement) and the host without it, both
        relaxed with a free cell; their volumes give the volume change.

    Returns
    -------
    HopRecord
        Without a barrier unless the band converged to one.
    """
    judged = judge_band(band, path, endpoints, host=question.host)
    volume_change = question.volume_change
    if doped is not None and doped.converged:
        before = undoped.geometry.volume if undoped is not None else question.host.volume
        volume_change = doped.geometry.volume / before - 1.0
    response = None
    if judged.outcome.is_barrier:
        top = max(range(len(band.energies)), key=band.energies.__getitem__)
        response = framework_response(
            question.host,
            band.images.geometry(top),
            host_indices=band_host_indices(endpoints, question.host),
            working_species={question.host_ion, question.moving_ion},
            volume_change=volume_change,
        )
    note = judged.note
    if question.min_image_distance < 10.0:
        note = f"{note}; ranking only: images {question.min_image_distance:.1f} Å apart".lstrip(
            "; "
        )
    stamp = band.stamp
    zero = band.energies[0]
    findings: tuple[Finding, ...] = judged.findings
    return HopRecord(
        record_id=question.record_id(stamp),
        framework=question.framework,
        prototype=question.prototype,
        formula=question.host.formula,
        host_ion=question.host_ion,
        moving_ion=question.moving_ion,
        arrangement=question.arrangement,
        hop=question.hop,
        theory=question.theory(stamp),
        outcome=judged.outcome,
        forward=judged.forward,
        reverse=judged.reverse,
        forward_fit=judged.forward_fit,
        error=barrier_error(band),
        energy_difference=judged.energy_difference,
        path_length=judged.path_length,
        response=response,
        energies=tuple(energy - zero for energy in band.energies),
        coordinates=band.coordinates,
        tangent_forces=band.tangent_forces,
        images=band.images,
        mover=band.mover,
        findings=findings,
        note=note,
        min_image_distance=question.min_image_distance,
        broken_symmetry_host=question.broken_symmetry_host,
        force_calls=band.force_calls,
        provenance=Provenance(
            dualion=__version__,
            campaign=question.campaign,
            framework_fingerprint=question.framework_fingerprint,
            settings_fingerprint=question.settings_fingerprint,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            started_from=question.start_record or "",
        ),
    )
