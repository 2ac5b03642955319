"""``dualion status`` and ``dualion recover``: where campaigns stand, and making it good."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.clusteroptions import DEFAULT, CampaignOption, ProfileOption, connected
from dualion.cli.listing import Column, counted, print_json, print_table

if TYPE_CHECKING:
    from dualion.launch.status import CampaignStatus, JobStatus

_CAMPAIGNS = (
    Column("name", "campaign"),
    Column("state", "state"),
    Column("hops", "hops done"),
    Column("outcomes", "outcomes"),
    Column("jobs", "jobs"),
    Column("submitted", "submitted"),
)
_HOPS = (
    Column("campaign", "campaign"),
    Column("title", "hop"),
    Column("state", "outcome, or state of its job"),
    Column("forward", "forward / eV", 3),
    Column("reverse", "reverse / eV", 3),
)
_JOBS = (
    Column("campaign", "campaign"),
    Column("fw_id", "id"),
    Column("name", "job"),
    Column("state", "state"),
    Column("queue_id", "queue id"),
    Column("age", "since"),
    Column("reason", "reason"),
)


def status(
    campaign: CampaignOption = None,
    *,
    profile: ProfileOption = DEFAULT,
    hops: Annotated[bool, typer.Option("--hops", help="List the hops and what they gave.")] = False,
    jobs: Annotated[bool, typer.Option("--jobs", help="List the jobs that are not done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Show campaigns, and the jobs that run, wait in the queue or have failed."""
    from dualion.launch.status import OPEN, campaign_states, hop_states, job_states

    with connected(profile) as (cluster, _):
        campaigns = campaign_states(cluster, campaign)
        only = campaigns[0].campaign_id if campaign is not None else None
        wanted = (*OPEN, "WAITING") if jobs else ("RESERVED", "RUNNING", "FIZZLED", "PAUSED")
        listed = job_states(cluster, only, states=wanted)
        asked = [
            each
            for campaign_state in campaigns
            if hops
            for each in hop_states(cluster, campaign_state.campaign_id)
        ]
    if as_json:
        print_json(
            {
                "campaigns": [asdict(each) | {"finished": each.finished} for each in campaigns],
                "jobs": [asdict(each) | {"age_seconds": each.age} for each in listed],
                **({"hops": [asdict(each) for each in asked]} if hops else {}),
            }
        )
        return
    if not campaigns:
        typer.echo("no campaign was submitted; begin with: dualion submit CAMPAIGN")
        return
    print_table([_campaign_row(each) for each in campaigns], _CAMPAIGNS)
    if asked:
        print_table([asdict(each) for each in asked], _HOPS)
    if listed:
        print_table([_job_row(each) for each in listed], _JOBS)
    if any(each.state == "FIZZLED" for each in listed):
        typer.echo("failed jobs are run again by: dualion recover")


def _campaign_row(each: CampaignStatus) -> dict[str, object]:
    done = "all done" if each.finished else ""
    return {
        "name": each.name,
        "state": done or each.state,
        "hops": f"{each.hops_done} of {each.hops}" if each.found else "hosts first",
        "outcomes": ", ".join(f"{count} {name}" for name, count in each.outcomes.items()),
        "jobs": ", ".join(f"{count} {name.lower()}" for name, count in each.jobs.items()),
        "submitted": each.submitted,
    }


def _job_row(each: JobStatus) -> dict[str, object]:
    from dualion.launch.progress import duration

    row = asdict(each)
    row["age"] = "" if each.age is None else duration(each.age)
    return row


def recover(
    campaign: CampaignOption = None,
    *,
    profile: ProfileOption = DEFAULT,
    failed: Annotated[
        bool, typer.Option("--failed", help="Compute again what an engine could not compute.")
    ] = False,
    more_steps: Annotated[
        int | None,
        typer.Option(
            "--more-steps", min=1, help="Let unconverged bands go on for this many steps."
        ),
    ] = None,
    fizzled: Annotated[
        bool, typer.Option("--fizzled/--no-fizzled", help="Run failed jobs again.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Find lost, reserved, failed and unconverged jobs, say why, and run them again.

    Nothing that has a result is computed again; a job goes on from its checkpoint.
    """
    from dualion.launch.extension import extend
    from dualion.launch.recovery import recover as make_good
    from dualion.launch.submission import find_campaign

    with connected(profile) as (cluster, _):
        only = find_campaign(campaign, cluster)["_id"] if campaign is not None else None
        found = list(
            make_good(cluster, campaign_id=only, fizzled=fizzled, failed=failed, dry_run=dry_run)
        )
        if more_steps is not None:
            found = [each for each in found if each.what != "unconverged"]
            found += extend(cluster, only, steps=more_steps, dry_run=dry_run)
    if as_json:
        print_json([asdict(each) for each in found])
        return
    for each in found:
        queue = f" (queue job {each.queue_id})" if each.queue_id else ""
        why = f": {each.why}" if each.why else ""
        typer.echo(f"{each.what}: {each.name}{queue}{why}: {each.done}")
    typer.echo(counted(len(found), "finding") if found else "nothing to recover")
