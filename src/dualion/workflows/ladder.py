"""A campaign of several tiers: each computes again what its rule promotes from the one before.

A tier is a flow of its own, which the job that promotes adds when the tier before has finished. Its
hosts are relaxed by its own engine, from the lattice of the tier before; its hops are those of the
first tier, and start from where the tier before has come to rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobflow.core.flow import Flow
from jobflow.core.job import Response, job
from jobflow.core.reference import OnMissing
from pydantic import Field

from dualion.analysis.promotion import Promotion
from dualion.errors import CampaignError
from dualion.records import (
    Framework,
    HopNetwork,
    HopRecord,
    HostState,
    Record,
)
from dualion.structures.hops import place_hops
from dualion.workflows.bench import Bench, swelling_of
from dualion.workflows.campaign import Campaign
from dualion.workflows.framework import exchanged, host_jobs
from dualion.workflows.pair import engine_of, network_of, transferred
from dualion.workflows.promotion import Rule, select, title_of
from dualion.workflows.seed import Heritage, Seed
from dualion.workflows.seeded import SeededBench
from dualion.workflows.tier import effective

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobflow.core.job import Job

    from dualion.engines.base import Engine

PROMOTION = "promotion"
"""``metadata["kind"]`` of the job that promotes."""


class Rung(Record):
    """One tier, with all its settings."""

    campaign: Campaign = Field(description="As if this tier had been written alone.")
    promote: Rule | None = Field(None, description="None: the first tier, which asks for all.")
    volumes: bool = True


class Ladder(Record):
    """All tiers of a campaign, the cheapest first."""

    rungs: tuple[Rung, ...]


def ladder_of(campaign: Campaign) -> Ladder:
    """Resolve a campaign into its tiers.

    Parameters
    ----------
    campaign
        With or without further tiers.

    Returns
    -------
    Ladder
        The first rung is the campaign's own engine.

    Raises
    ------
    CampaignError
        If a tier has the level of theory of the one before: its records could not be told apart.
    InputError
        If no engine has a tier's name.
    """
    rungs = [Rung(campaign=campaign.model_copy(update={"tiers": ()}))]
    for number, tier in enumerate(campaign.tiers):
        rungs.append(
            Rung(
                campaign=effective(campaign, tier, before=rungs[-1].campaign.engine),
                promote=tier.promote,
                volumes=tier.volumes,
            )
        )
        before, here = (_level(rung.campaign) for rung in rungs[-2:])
        if before == here:
            name, charge = here
            raise CampaignError(
                f"has the level of theory of the tier before (engine {name}, charge {charge:+d})",
                where=f"tiers.{number}",
                remedy="name another engine, or another charge",
            )
    return Ladder(rungs=tuple(rungs))


def _level(campaign: Campaign) -> tuple[str, int]:
    engine = engine_of(campaign)
    return engine.name, campaign.defect_charge(charged=engine.charged)


def ladder_flow(campaign: Campaign, framework: Framework) -> Flow:
    """Build the flow of a campaign with tiers; the later ones are added as they are reached.

    Parameters
    ----------
    campaign
        With its tiers.
    framework
        Read and checked; its working ion is the first of the pair.

    Returns
    -------
    jobflow.Flow
        Hosts of the first tier; the last job replaces itself by the hops found.
    """
    return tier_flow(ladder_of(campaign), 0, framework)


def tier_flow(
    ladder: Ladder, number: int, framework: Framework, heritage: Heritage | None = None
) -> Flow:
    """Build the hosts of a tier, and the job that replaces itself by its hops.

    Parameters
    ----------
    ladder
        All tiers.
    number
        Which of them; 0 is the first.
    framework
        As it was given: the levels of theory share its fingerprint.
    heritage
        What the tier before hands on; None for the first.
    """
    campaign = ladder.rungs[number].campaign
    engine = engine_of(campaign)
    second = campaign.pair[1]
    if heritage is None:
        full = any(doping.kind == "full" for doping in campaign.doping)
        host = host_jobs(framework, engine, campaign)
    else:
        full = heritage.full_host is not None and any(seed.full for seed in heritage.seeds)
        before = heritage.host
        host = host_jobs(framework, engine, campaign, like=before.supercell, start=before.parent)
    jobs = list(host.jobs)
    other = None
    if full:
        start = heritage.full_host.parent if heritage and heritage.full_host else None
        other = host_jobs(
            exchanged(framework, second), engine, campaign, like=host.supercell, start=start
        )
        jobs += other.jobs
    expand = tier_hops_job(
        ladder=ladder,
        number=number,
        framework=framework,
        host=host.host,
        full_host=other.host if other else None,
        heritage=heritage,
    )
    # Without the exchanged host the other hops are asked for all the same.
    expand.config.on_missing_references = OnMissing.NONE
    expand.name = "find the hops"
    jobs.append(expand)
    if number:
        _name(jobs, engine)
    return Flow([*jobs], name=f"{campaign.name}: {engine.name}")


@job
def tier_hops_job(
    ladder: Ladder,
    number: int,
    framework: Framework,
    host: HostState,
    full_host: HostState | None = None,
    heritage: Heritage | None = None,
) -> Response:  # type: ignore[type-arg]
    """Replace itself by the hops of a tier, and the job that promotes them to the next."""
    return Response(
        replace=questions_flow(
            ladder, number, framework, host=host, full_host=full_host, heritage=heritage
        )
    )


@job(output_schema=Promotion)
def promote_job(
    ladder: Ladder,
    number: int,
    framework: Framework,
    network: HopNetwork,
    host: HostState,
    titles: tuple[str, ...],
    records: tuple[HopRecord | None, ...] = (),
    full_host: HostState | None = None,
) -> Response[Promotion]:
    """Replace itself by the next tier; a record that is None has failed."""
    promotion, flow = promote(
        ladder, number, framework, network=network, host=host, full_host=full_host,
        titles=titles, records=records,
    )  # fmt: skip
    return Response(output=promotion, replace=flow)  # type: ignore[arg-type] # None: no flow


def promote(
    ladder: Ladder,
    number: int,
    framework: Framework,
    *,
    network: HopNetwork,
    host: HostState,
    full_host: HostState | None,
    titles: tuple[str, ...],
    records: tuple[HopRecord | None, ...],
) -> tuple[Promotion, Flow | None]:
    """Choose what the next tier computes, and build its flow.

    Parameters
    ----------
    ladder, framework
        The whole campaign.
    number
        The tier that has finished.
    network, host, full_host
        Its hops and hosts.
    titles, records
        What it was asked, and the answers, in the same order; None where a job failed.

    Returns
    -------
    tuple
        What was promoted and what was not, and the flow of the next tier; None if nothing was.
    """
    campaign, above = ladder.rungs[number].campaign, ladder.rungs[number + 1]
    answers = [HopRecord.model_validate(each) for each in records if each is not None]
    chosen = select(answers, above.promote or Rule(kind="all"))
    seeds = [Seed.of(record) for record in chosen.promoted]
    promotion = Promotion(
        source=engine_of(campaign).name,
        target=engine_of(above.campaign).name,
        rule=(above.promote or Rule(kind="all")).text,
        promoted=tuple(title_of(record) for record in chosen.promoted),
        left=chosen.left,
        missing=tuple(t for t, each in zip(titles, records, strict=True) if each is None),
    )
    heritage = Heritage(
        network=network,
        host=host,
        full_host=full_host,
        seeds=tuple(seed for seed in seeds if seed is not None),
    )
    if not heritage.seeds:
        return promotion, None
    return promotion, tier_flow(ladder, number + 1, framework, heritage)


def questions_flow(
    ladder: Ladder,
    number: int,
    framework: Framework,
    *,
    host: HostState,
    full_host: HostState | None,
    heritage: Heritage | None,
) -> Flow:
    """Build all that a tier asks of its judged hosts.

    Parameters
    ----------
    ladder, number, framework
        The campaign and its tier.
    host, full_host
        Of this tier.
    heritage
        What the tier before hands on; None for the first, which asks for everything.

    Returns
    -------
    jobflow.Flow
        With the job that promotes to the next tier, if there is one.
    """
    rung = ladder.rungs[number]
    campaign = rung.campaign
    engine = engine_of(campaign)
    found = network_of(campaign, framework) if heritage is None else heritage.network
    network = transferred(found, host.parent)
    jobs: list[Job] = []
    for own in (host, full_host):
        if own is None:
            continue
        full = own is not host
        placed = transferred(network, own.parent) if full else network
        hops = place_hops(placed, own.supercell, members=campaign.hops.members)
        if heritage is None:
            bench = Bench(campaign, framework, engine, own)
            if full:
                bench.ask_full(hops, own, host)
            else:
                bench.ask_all(hops, own)
        else:
            bench = SeededBench(campaign, framework, engine, own, volumes=rung.volumes)
            swelling = swelling_of(own, host) if full else None
            places = {(hop.class_id, hop.member): hop for hop in hops}
            for seed in heritage.seeds:
                if seed.full == full:
                    bench.ask_seeded(seed, places[seed.place], own, heritage, swelling)
        jobs += bench.jobs
    if number:
        _name(jobs, engine)
    asked = [each for each in jobs if each.metadata.get("kind") == "record"]
    if number + 1 < len(ladder.rungs) and asked:
        up = promote_job(
            ladder=ladder,
            number=number,
            framework=framework,
            network=network if heritage is None else heritage.network,
            host=host,
            titles=tuple(each.name.removesuffix(": record") for each in asked),
            records=tuple(each.output for each in asked),
            full_host=full_host,
        )
        up.config.on_missing_references = OnMissing.NONE
        up.name = f"promote to {engine_of(ladder.rungs[number + 1].campaign).name}"
        up.metadata["kind"] = PROMOTION
        jobs.append(up)
    return Flow([*jobs], name="hops")


def _name(jobs: Iterable[Job], engine: Engine) -> None:
    """Tell the jobs of a later tier from those of the first."""
    for each in jobs:
        each.name = f"{engine.name}: {each.name}"
