"""The flow of a campaign: both ions of a pair on the same hops of one framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jobflow.core.flow import Flow

from dualion.engines.registry import get_engine
from dualion.errors import CampaignError
from dualion.records import Geometry, Mechanism, as_vectors
from dualion.structures.hops import find_hops, place_hops, working_sites
from dualion.structures.supercell import build_supercell
from dualion.workflows.bench import Bench, occupations
from dualion.workflows.framework import exchanged, host_jobs
from dualion.workflows.jobs import hops_job

if TYPE_CHECKING:
    from dualion.engines.base import Engine
    from dualion.records import Framework, HopNetwork, HostState
    from dualion.workflows.campaign import Campaign


def pair_flow(campaign: Campaign, framework: Framework, engine: Engine) -> Flow:
    """Build the whole flow of a campaign.

    Parameters
    ----------
    campaign
        What is asked.
    framework
        Its framework, read and checked.
    engine
        Used for every relaxation and band.

    Returns
    -------
    jobflow.Flow
        Hosts first; the last job replaces itself by the hops found. Its records are the outputs
        of the jobs whose ``metadata["kind"]`` is ``"record"``.

    Raises
    ------
    CampaignError
        If the pair does not begin with the framework's working ion.
    """
    _check_pair(campaign, framework)
    if campaign.tiers:
        from dualion.workflows.ladder import ladder_flow

        return ladder_flow(campaign, framework)
    second = campaign.pair[1]
    host = host_jobs(framework, engine, campaign)
    jobs = list(host.jobs)
    if any(doping.kind != "full" for doping in campaign.doping):
        expand = hops_job(campaign, framework, host.host)
        expand.name = "find the hops"
        jobs.append(expand)
    if any(doping.kind == "full" for doping in campaign.doping):
        other = host_jobs(exchanged(framework, second), engine, campaign, like=host.supercell)
        expand = hops_job(campaign, framework, host.host, other.host)
        expand.name = f"find the hops of the {second} host"
        jobs += [*other.jobs, expand]
    return Flow([*jobs], name=campaign.name)


@dataclass(frozen=True)
class Plan:
    """What a campaign will ask for, as far as it is known before the host is relaxed."""

    network: HopNetwork
    atoms: int
    min_image_distance: float
    questions: int


def engine_of(campaign: Campaign, *, check: bool = False) -> Engine:
    """Return the engine of a campaign, or of one of its tiers, as it is asked for.

    Parameters
    ----------
    campaign
        Its engine, device, prior, and who makes the force calls.
    check
        Look whether package and weights are here.

    Raises
    ------
    InputError
        If no engine has that name.
    EngineError
        If it is not here, and was looked for.
    """
    return get_engine(
        campaign.engine,
        device=campaign.device,
        trust_model=campaign.trust_model,
        outer=campaign.outer,
        check=check,
        prior=campaign.prior,
    )


def plan_of(campaign: Campaign, framework: Framework) -> Plan:
    """Go through a campaign without computing anything.

    Parameters
    ----------
    campaign, framework
        What is asked.

    Returns
    -------
    Plan
        On the input lattice; relaxation may still change the cell that is chosen.

    Raises
    ------
    InputError
        If the cell would be too large, a fraction or a hop class does not exist, or no hop is
        found.
    """
    _check_pair(campaign, framework)
    cell = build_supercell(framework.parent, campaign.cell)
    network = network_of(campaign, framework)
    hops = place_hops(network, cell, members=campaign.hops.members)
    questions = 0
    for doping in campaign.doping:
        for hop in hops:
            full = doping.kind == "full"
            asked = occupations(campaign, doping, hop, cell)
            questions += 1 if full else len(asked)
    return Plan(network, len(cell.geometry), cell.min_image_distance, questions)


def _check_pair(campaign: Campaign, framework: Framework) -> None:
    first, second = campaign.pair
    if framework.working_ion != first:
        raise CampaignError(
            f"pair is [{first}, {second}] but the working ion of {framework.name!r}"
            f" is {framework.working_ion}",
            where="pair",
            remedy=f"put {framework.working_ion} first, or set 'working_ion:'",
        )


def network_of(campaign: Campaign, framework: Framework) -> HopNetwork:
    """Find the distinct hops that a campaign asks for.

    They are looked for in the framework as it was given, never as an engine has relaxed it: which
    hops there are, and what they are called, must not depend on the engine's lattice constant.

    Parameters
    ----------
    campaign
        Its mechanism and hop settings are used.
    framework
        Its working ion and, if that was taken out, its vacant sites are used.

    Returns
    -------
    HopNetwork
        Working-ion sites for the vacancy mechanism, voids for the interstitial one, and the sites
        of the working ions where they were taken out.
    """
    parent, ion = framework.parent, framework.working_ion
    if campaign.mechanism is Mechanism.VACANCY:
        sites = working_sites(parent, ion)
    elif framework.vacant:
        sites = framework.vacant
    else:
        from dualion.structures.voids import find_voids

        sites = find_voids(parent, ion)
    return find_hops(
        parent,
        sites,
        mechanism=campaign.mechanism,
        ion=ion,
        max_length=campaign.hops.max_length,
        classes=campaign.hops.classes,
    )


def transferred(network: HopNetwork, parent: Geometry) -> HopNetwork:
    """Carry a network over to a parent with the same sites in the same order.

    Parameters
    ----------
    network
        Found on one parent.
    parent
        The other one: exchanged ions, its own lattice and its own relaxed sites.

    Returns
    -------
    HopNetwork
        The same classes under the same ids, so that barriers pair up, with lengths in Å on the
        other parent.
    """
    fractional = parent.fractional
    sites = tuple(
        site
        if site.atom is None
        else site.model_copy(update={"fractional": as_vectors(fractional[[site.atom]])[0]})
        for site in network.sites
    )
    places = np.array([site.fractional for site in sites])
    classes = []
    for each in network.classes:
        first = each.members[0]
        step = places[first.final] + np.array(first.image) - places[first.initial]
        length = float(np.linalg.norm(step @ parent.cell))
        classes.append(each.model_copy(update={"length": length}))
    return network.model_copy(update={"parent": parent, "sites": sites, "classes": tuple(classes)})


def hops_flow(
    campaign: Campaign,
    framework: Framework,
    *,
    host: HostState,
    full_host: HostState | None = None,
) -> Flow:
    """Build end points, paths, bands and records of every hop of a judged host.

    Parameters
    ----------
    campaign, framework
        What is asked.
    host
        The host of the first ion.
    full_host
        The host with all working ions exchanged: then only the second ion in it is asked for,
        on the hops of the first host.

    Returns
    -------
    jobflow.Flow
        A state that several hops use is relaxed once, and so are states that the space group of
        the host makes equivalent.
    """
    engine = engine_of(campaign)
    own = full_host or host
    network = transferred(network_of(campaign, framework), own.parent)
    hops = place_hops(network, own.supercell, members=campaign.hops.members)
    bench = Bench(campaign, framework, engine, own)
    if full_host is not None:
        bench.ask_full(hops, full_host, host)
    else:
        bench.ask_all(hops, host)
    return Flow([*bench.jobs], name="hops")
