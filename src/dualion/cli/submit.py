"""``dualion submit`` and ``dualion cancel``: a campaign into the launch pad, and out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dualion.cli.clusteroptions import DEFAULT, ProfileOption, connected
from dualion.cli.listing import counted, print_json


def submit(
    campaign: Annotated[Path, typer.Argument(help="The campaign file (YAML).")],
    *,
    profile: ProfileOption = DEFAULT,
    library: Annotated[Path | None, typer.Option(help="Framework library folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Submit a campaign to a cluster; submitted twice, it is there once.

    Nothing is computed here, and the engine need not be installed here.
    """
    from dualion.launch.run import prepare
    from dualion.launch.submission import submit as put

    prepared = prepare(campaign, library=library, here=False)
    with connected(profile) as (cluster, file):
        done = put(prepared, cluster)
    if as_json:
        print_json(
            {
                "campaign": prepared.campaign.name,
                "id": done.campaign_id,
                "new": done.new,
                "jobs_added": done.jobs,
                "bands_expected": prepared.plan.questions,
            }
        )
        return
    name = prepared.campaign.name
    if done.jobs:
        typer.echo(
            f"{name}: {counted(done.jobs, 'job')} added for the hosts;"
            f" about {prepared.plan.questions} bands follow when they are relaxed"
        )
    else:
        typer.echo(f"{name}: was submitted before, nothing added")
    typer.echo(f"next: dualion launch --profile {_short(profile, file)} --follow")


def _short(profile: str, file: Path) -> str:
    return profile if Path(profile).suffix == "" else str(file)


def cancel(
    campaign: Annotated[str, typer.Argument(help="Name of a submitted campaign.")],
    *,
    profile: ProfileOption = DEFAULT,
) -> None:
    """Take a campaign out of the queue; what is done stays, submitting it again resumes it."""
    from dualion.launch.recovery import cancel as take_out
    from dualion.launch.submission import find_campaign

    with connected(profile) as (cluster, _):
        ids, jobs = take_out(cluster, find_campaign(campaign, cluster)["_id"])
    typer.echo(f"{counted(len(ids), 'queue job')} cancelled, {counted(jobs, 'job')} will not run")
