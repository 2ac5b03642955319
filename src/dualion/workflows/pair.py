"""The flow of a campaign: both ions of a pair on the same hops of one framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jobflow.core.flow import Flow

from dualion.engines.registry import get_engine
from dualion.errors import CampaignError
from dualion.records import Arrangement, Geometry, Mechanism, as_vectors
from dualion.structures.doping import arrangements, doped_geometry
from dualion.structures.endpoints import build_endpoints
from dualion.structures.equivalence import Equivalents
from dualion.structures.hops import find_hops, place_hops, working_sites
from dualion.structures.supercell import build_supercell
from dualion.workflows.framework import exchanged, host_jobs
from dualion.workflows.hop import hop_jobs
from dualion.workflows.jobs import equivalent_job, hops_job
from dualion.workflows.question import Question

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobflow.core.job import Job

    from dualion.engines.base import Engine
    from dualion.records import Framework, Hop, HopNetwork, HostState, Supercell
    from dualion.workflows.campaign import Campaign, Doping
    from dualion.workflows.seed import Seed


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
            asked = _occupations(campaign, doping, hop, cell)
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


def network_of(
    campaign: Campaign, framework: Framework, parent: Geometry | None = None
) -> HopNetwork:
    """Find the distinct hops that a campaign asks for.

    Parameters
    ----------
    campaign
        Its mechanism and hop settings are used.
    framework
        Its working ion and, if that was taken out, its vacant sites are used.
    parent
        The framework's parent after relaxation; None: as it is in the framework.

    Returns
    -------
    HopNetwork
        Working-ion sites for the vacancy mechanism, voids for the interstitial one, and the sites
        of the working ions where they were taken out.
    """
    parent = parent or framework.parent
    ion = framework.working_ion
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
        The host of the first ion; hops are enumerated on its relaxed primitive cell.
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
    cell = (full_host or host).supercell
    network = network_of(campaign, framework, host.parent)
    if full_host is not None:
        network = transferred(network, full_host.parent)
    hops = place_hops(network, cell, members=campaign.hops.members)
    bench = Bench(campaign, framework, engine, cell.geometry)
    if full_host is not None:
        bench.ask_full(hops, full_host, host)
    else:
        bench.ask_all(hops, host)
    return Flow([*bench.jobs], name="hops")


def _occupations(
    campaign: Campaign, doping: Doping, hop: Hop, cell: Supercell
) -> list[tuple[str, Arrangement]]:
    """Who moves among whom, for one line of `doping:`."""
    first, second = campaign.pair
    if doping.kind == "pure":
        return [(first, Arrangement(label="pure", fraction=0.0))]
    if doping.kind == "full":
        return []
    if doping.kind == "empty":
        return [(ion, Arrangement(label="empty", fraction=0.0)) for ion in campaign.pair]
    ends = tuple(atom for atom in (hop.initial, hop.final) if atom is not None)
    choice = arrangements(
        cell,
        working_ion=first,
        dopant=second,
        kind="dilute" if doping.fraction is None else doping.fraction,
        count=doping.arrangements,
        seed=campaign.seed,
        exclude=ends,
        mover=second,
    )
    if doping.kind == "dilute":  # the moving ion is the one dopant
        return [(second, choice.arrangements[0])]
    return [(mover, each) for each in choice.arrangements for mover in campaign.pair]


FULL = Arrangement(label="full", fraction=1.0)
"""All working ions exchanged."""


def swelling_of(full_host: HostState, host: HostState) -> float:
    """Relative change of the host's volume when all working ions are exchanged."""
    return full_host.supercell.geometry.volume / host.supercell.geometry.volume - 1.0


class Bench:
    """Collects the jobs of many hops of one host; each distinct state is relaxed once.

    A state asked for twice becomes one job. Of states that the host's space group makes
    equivalent only the representative is relaxed; the others are cheap jobs that carry its
    relaxation over. The second ion's search on a hop is offered the first ion's band, where that
    was asked for before in the same surroundings.
    """

    def __init__(
        self, campaign: Campaign, framework: Framework, engine: Engine, host: Geometry
    ) -> None:
        self.campaign = campaign
        self.framework = framework
        self.engine = engine
        self.charge = campaign.defect_charge(charged=engine.charged)
        self.jobs: list[Job] = []
        self.equivalents = Equivalents(host)
        self._relaxed: dict[tuple[str, bool], Job] = {}
        self._bands: dict[tuple[Hop, tuple[str, ...], str], Job] = {}

    def relaxed(self, state: Geometry, *, cell: bool, name: str) -> Job:
        """Return the one job whose output is this state, relaxed."""
        key = (state.digest(digits=6), cell)
        if key in self._relaxed:
            return self._relaxed[key]
        representative, equivalence = self.equivalents.representative(state)
        source = self._relax(representative, cell=cell, name=name)
        if equivalence is not None:
            job = equivalent_job(relaxed=source.output, equivalence=equivalence)
            job.name = f"{name}, by symmetry"
            self._relaxed[key] = job
            self.jobs.append(job)
        return self._relaxed[key]

    def start_of(self, state: Geometry, *, cell: bool) -> Geometry:
        """Where the relaxation of a state starts: where it is, unless something better is known."""
        del cell
        return state

    def _relax(self, state: Geometry, *, cell: bool, name: str) -> Job:
        """Return the one job that relaxes this very state."""
        key = (state.digest(digits=6), cell)
        if key not in self._relaxed:
            job = self.engine.relax(
                self.start_of(state, cell=cell),
                cell=cell,
                charge=0 if cell else self.charge,
                settings=self.campaign.relax,
                name=name,
            )
            self._relaxed[key] = job
            self.jobs.append(job)
        return self._relaxed[key]

    def ask_all(self, hops: Iterable[Hop], host: HostState) -> None:
        """Ask all that the campaign asks of the first ion's host."""
        campaign = self.campaign
        # The first ion's bands come first, whatever the order in the file: they may serve later.
        for doping in sorted(campaign.doping, key=lambda doping: doping.kind != "pure"):
            for hop in hops:
                for mover, arrangement in _occupations(campaign, doping, hop, host.supercell):
                    self.ask(hop, mover, arrangement, host, host_ion=campaign.pair[0])

    def ask_full(self, hops: Iterable[Hop], full_host: HostState, host: HostState) -> None:
        """Ask for the second ion in the host that has no other working ions."""
        second = self.campaign.pair[1]
        swelling = swelling_of(full_host, host)
        for hop in hops:
            self.ask(hop, second, FULL, full_host, host_ion=second, volume_change=swelling)

    def ask(
        self,
        hop: Hop,
        mover: str,
        arrangement: Arrangement,
        host: HostState,
        *,
        host_ion: str,
        volume_change: float | None = None,
        seed: Seed | None = None,
    ) -> None:
        """Add the jobs that answer one question, sharing what is already asked for."""
        campaign = self.campaign
        cell = host.supercell
        ends = build_endpoints(cell.geometry, hop, mover, arrangement)
        first, second = campaign.pair
        # What one hop of both ions has in common: the ions that stay, and the host they stand in.
        shared = (hop, ends.species[:-1], cell.geometry.digest(digits=6))
        hands_on = mover == second and self._hands_on and seed is None
        like = self._bands.get(shared) if hands_on else None
        question = Question.about(
            self.framework,
            hop,
            mover,
            arrangement,
            cell=cell,
            campaign=campaign.name,
            settings_fingerprint=campaign.settings_fingerprint,
            host_ion=host_ion,
            broken_symmetry_host=host.broken_symmetry,
            charge=self.charge,
            volume_change=volume_change,
            start_ion=first if like else None,
            start_record=seed.record_id if seed else None,
        )
        title = question.title
        initial = self.relaxed(ends.initial, cell=False, name=f"{title}: initial state")
        final = self.relaxed(ends.final, cell=False, name=f"{title}: final state")
        doped, undoped = self.volumes(hop, mover, arrangement, host, host_ion=host_ion)
        jobs, _ = hop_jobs(
            question,
            ends,
            initial,
            final,
            self.engine,
            path=campaign.path,
            band=campaign.band,
            seed=campaign.seed,
            doped=doped,
            undoped=undoped,
            like=like,
            handed=seed.band if seed else None,
        )
        if mover == first:
            self._bands[shared] = jobs[1]
        self.jobs += jobs

    @property
    def _hands_on(self) -> bool:
        """Whether bands of the first ion are handed on; only an adaptive band can start there."""
        return self.campaign.path.from_first_ion and self.campaign.band.method == "adaptive"

    def volumes(
        self, hop: Hop, mover: str, arrangement: Arrangement, host: HostState, *, host_ion: str
    ) -> tuple[Job | None, Job | None]:
        """Jobs for the host with and without dopants, both with a free cell."""
        if hop.initial is None or (mover == host_ion and not arrangement.substitutions):
            return None, None
        geometry = doped_geometry(host.supercell.geometry, arrangement)
        species = list(geometry.species)
        species[hop.initial] = mover
        doped = geometry.model_copy(update={"species": tuple(species)})
        label = arrangement.label
        with_dopant = self.relaxed(doped, cell=True, name=f"{mover} {label}: doped cell")
        without = None
        if host.broken_symmetry:
            without = self.relaxed(
                host.supercell.geometry, cell=True, name=f"{host_ion} host: free cell"
            )
        return with_dopant, without
