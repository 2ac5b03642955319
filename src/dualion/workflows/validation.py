"""The flow that computes reference hops: hosts, end points, bands, records, as in a campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobflow.core.flow import Flow
from jobflow.core.job import Response, job

from dualion.engines.ase_engine import AseEngine
from dualion.engines.registry import EngineChoice, find_entry
from dualion.engines.rigid import rigid_entry
from dualion.records import Arrangement, Framework, HostState
from dualion.structures.hops import place_hops
from dualion.workflows.bench import Bench
from dualion.workflows.campaign import Campaign
from dualion.workflows.framework import host_jobs
from dualion.workflows.pair import engine_of, transferred
from dualion.workflows.reference import ReferenceHop, host_of, reference_network

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dualion.engines.base import Engine

Case = tuple[ReferenceHop, Framework, Campaign]
"""A hop, its framework (:func:`~dualion.workflows.reference.framework_of`), its settings."""


def engine_for(hop: ReferenceHop, framework: Framework, campaign: Campaign) -> Engine:
    """Return the engine of a case; in a rigid lattice it moves the ion alone.

    Raises
    ------
    InputError
        If there is no such engine, or it cannot hold a lattice still.
    """
    if hop.host != "rigid":
        return engine_of(campaign)
    entry = rigid_entry(find_entry(campaign.engine), framework.parent, mobile=hop.ion)
    return AseEngine(EngineChoice(name=entry.name, device=campaign.device, entry=entry))


def validation_flow(cases: Iterable[Case]) -> Flow:
    """Build the flow of several reference hops.

    Parameters
    ----------
    cases
        Hops that share host and settings share the relaxation of the host, and of equal states.

    Returns
    -------
    jobflow.Flow
        Names of jobs begin with the label of their hop.

    Raises
    ------
    InputError
        If a hop is not in its framework, before anything is computed.
    """
    jobs = []
    for hop, framework, campaign in cases:
        reference_network(hop, framework)
        engine = engine_for(hop, framework, campaign)
        host = host_jobs(host_of(hop, framework), engine, campaign)
        expand = reference_job(hop, framework, campaign, host.host)
        expand.name = "find the hop"
        for each in (*host.jobs, expand):
            each.name = f"{hop.label}: {each.name}"
            jobs.append(each)
    return Flow([*jobs], name="validation")


@job
def reference_job(
    hop: ReferenceHop, framework: Framework, campaign: Campaign, host: HostState
) -> Response:  # type: ignore[type-arg]
    """Replace itself by the end points, path, band and record of a reference hop."""
    return Response(replace=hop_flow(hop, framework, campaign, host))


def hop_flow(hop: ReferenceHop, framework: Framework, campaign: Campaign, host: HostState) -> Flow:
    """Build the jobs of a reference hop in its relaxed host."""
    engine = engine_for(hop, framework, campaign)
    network = transferred(reference_network(hop, framework), host.parent)
    bench = Bench(campaign, framework, engine, host)
    arrangement = Arrangement(label=hop.arrangement, fraction=0.0)
    for placed in place_hops(network, host.supercell):
        bench.ask(placed, hop.ion, arrangement, host, host_ion=framework.working_ion)
    for each in bench.jobs:
        each.name = f"{hop.label}: {each.name}"
    return Flow([*bench.jobs], name=hop.label)
