"""The jobs of many hops of one host, each distinct state relaxed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualion.records import Arrangement, Geometry
from dualion.structures.doping import arrangements, doped_geometry
from dualion.structures.endpoints import build_endpoints
from dualion.structures.equivalence import Equivalents
from dualion.workflows.hop import hop_jobs
from dualion.workflows.jobs import equivalent_job
from dualion.workflows.question import Question

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobflow.core.job import Job

    from dualion.engines.base import Engine
    from dualion.records import Framework, Hop, HostState, Supercell
    from dualion.workflows.campaign import Campaign, Doping
    from dualion.workflows.seed import Seed


def occupations(
    campaign: Campaign, doping: Doping, hop: Hop, cell: Supercell
) -> list[tuple[str, Arrangement]]:
    """Say who moves among whom, for one line of `doping:`.

    Parameters
    ----------
    campaign
        Its pair and seed are used.
    doping
        One of its kinds of doping.
    hop
        Placed in the supercell; its two ends are left to the mover.
    cell
        The host.

    Returns
    -------
    list of tuple
        Moving ion and arrangement; none for ``full``, which has a host of its own.
    """
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
        self, campaign: Campaign, framework: Framework, engine: Engine, host: HostState
    ) -> None:
        self.campaign = campaign
        self.framework = framework
        self.engine = engine
        self.charge = campaign.defect_charge(charged=engine.charged)
        self.jobs: list[Job] = []
        self.lessons = host.lessons
        self.equivalents = Equivalents(host.supercell.geometry)
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
                lessons=() if cell else self.lessons,
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
                for mover, arrangement in occupations(campaign, doping, hop, host.supercell):
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
