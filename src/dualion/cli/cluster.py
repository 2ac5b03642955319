"""``dualion cluster``: write a working profile, and try every part of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dualion.cli.clusteroptions import DEFAULT, ProfileOption
from dualion.cli.listing import Column, print_json, print_table

app = typer.Typer(help="Profiles of clusters: write one, try one.", no_args_is_help=True)

FAILED = 4


@app.command("init")
def init_profile(
    *,
    scheduler: Annotated[
        str, typer.Option("--scheduler", help="slurm, pbs, sge, lsf, or none (no queue).")
    ] = "slurm",
    work: Annotated[
        Path | None, typer.Option("--work", help="Folder that all nodes see, for checkpoints.")
    ] = None,
    database: Annotated[
        str,
        typer.Option("--database", help="Where the address is: env:NAME or @FILE (mode 0600)."),
    ] = "env:DUALION_DATABASE",
    partition: Annotated[
        str | None, typer.Option("--partition", help="Partition or queue.")
    ] = None,
    folder: Annotated[Path, typer.Option("--folder", help="Where to write.")] = Path("launch"),
    name: Annotated[str | None, typer.Option("--name", help="Name (default: scheduler).")] = None,
) -> None:
    """Write a profile for this machine's cluster; nothing is overwritten."""
    from dualion.launch.newprofile import write_profile

    file = write_profile(
        folder / f"{name or scheduler}.yaml",
        scheduler=scheduler,
        work=work,
        database=database,
        partition=partition,
    )
    typer.echo(f"{file} written; look it over, then: dualion cluster check --profile {file.stem}")


@app.command("check")
def check_profile(
    *,
    profile: ProfileOption = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Try database, scheduler, folder and engines of a profile, and say what fails."""
    from dualion.launch.clustercheck import check_cluster
    from dualion.launch.clusterprofile import find_profile

    checks = check_cluster(find_profile(profile).resolve())
    rows = [
        {"part": each.part, "ok": each.ok, "found": each.found, "remedy": each.remedy}
        for each in checks
    ]
    if as_json:
        print_json(rows)
    else:
        columns = (
            Column("part", "part"),
            Column("ok", "works"),
            Column("found", "found"),
            Column("remedy", "what to do"),
        )
        print_table(rows, columns)
    if not all(each.ok for each in checks):
        raise typer.Exit(FAILED)
