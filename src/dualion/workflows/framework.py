"""The flow of one host: relax, supercell, rattle, judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dualion.records import Framework
from dualion.structures.vacated import vacated
from dualion.workflows.jobs import cell_job, host_job, rattle_job

if TYPE_CHECKING:
    from jobflow.core.job import Job
    from jobflow.core.reference import OutputReference

    from dualion.engines.base import Engine
    from dualion.records import Geometry, Supercell
    from dualion.workflows.campaign import Campaign


@dataclass(frozen=True)
class HostJobs:
    """The jobs of one host, and where their results will be."""

    jobs: tuple[Job, ...]
    relaxed: OutputReference
    supercell: OutputReference
    host: OutputReference


def host_jobs(
    framework: Framework,
    engine: Engine,
    campaign: Campaign,
    *,
    like: OutputReference | Supercell | None = None,
    start: Geometry | None = None,
) -> HostJobs:
    """Build the jobs that turn a framework into a host to cut hops from.

    Parameters
    ----------
    framework
        With its working ion.
    engine
        Any engine.
    campaign
        Its cell, host and relax settings and its seed are used.
    like
        Supercell whose matrix is taken over, so that two hosts have the same hops.
    start
        Primitive cell as another level of theory has relaxed it; None: as in the framework.

    Returns
    -------
    HostJobs
        ``host`` is a :class:`~dualion.records.HostState`.
    """
    ion = framework.working_ion
    relax = engine.relax(
        framework.parent if start is None else start,
        cell=campaign.host.relax_cell,
        settings=campaign.host.relax,
        keep_symmetry=True,
        name=f"relax {ion} host",
    )
    cell = cell_job(relax.output, campaign.cell, like)
    cell.name = f"supercell of the {ion} host"
    shake = rattle_job(cell.output, campaign.host.rattle, campaign.seed)
    shake.name = f"rattle the {ion} host"
    shaken = engine.relax(
        shake.output, cell=False, settings=campaign.relax, name=f"relax rattled {ion} host"
    )
    judge = host_job(framework, relax.output, cell.output, shaken.output, campaign.host)
    judge.name = f"judge the {ion} host"
    return HostJobs(
        jobs=(relax, cell, shake, shaken, judge),
        relaxed=relax.output,
        supercell=cell.output,
        host=judge.output,
    )


def exchanged(framework: Framework, ion: str) -> Framework:
    """Return the framework with all its working ions replaced by `ion`."""
    parent = framework.parent
    species = tuple(ion if s == framework.working_ion else s for s in parent.species)
    return framework.model_copy(
        update={"working_ion": ion, "parent": parent.model_copy(update={"species": species})}
    )


def emptied(framework: Framework) -> Framework:
    """Return the framework without its working ions, whose sites are `vacant` then.

    Raises
    ------
    StructureError
        If it has no working ions, or nothing else.
    """
    rest, vacant = vacated(framework.parent, framework.working_ion)
    return framework.model_copy(update={"parent": rest, "vacant": vacant})
