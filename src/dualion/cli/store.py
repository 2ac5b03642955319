"""``dualion store``: what a barrier store holds, copies of it, its upkeep, records from a spool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dualion.cli.clusteroptions import DEFAULT, ProfileOption, connected
from dualion.cli.listing import Column, counted, print_json, print_table
from dualion.cli.places import store_address
from dualion.cli.selection import JsonOption, StoreOption, reading
from dualion.cli.upkeep import VERBS

INCOMPLETE = 2
"""Exit code when some records could not be taken over."""

_SHOWN = 10

app = typer.Typer(
    help="Barrier stores: what one holds, copies, upkeep, records from a spool.",
    no_args_is_help=True,
)

for _verb in VERBS:
    app.command()(_verb)

_INFO = (Column("name", ""), Column("value", ""))


@app.command()
def info(*, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show what a store is made of, and how many records it holds."""
    from dualion.records import Outcome
    from dualion.store.base import BarrierFilter

    with reading(store) as opened:
        outcomes = {
            outcome.value: opened.count(BarrierFilter(outcomes=(outcome,))) for outcome in Outcome
        }
        facts = {
            "backend": opened.backend,
            "address": opened.where,
            "schema_version": opened.schema_version,
            "records": opened.count(),
        }
    if as_json:
        print_json({**facts, "outcomes": outcomes})
        return
    rows = [{"name": name.replace("_", " "), "value": value} for name, value in facts.items()]
    rows += [{"name": f"  {name}", "value": count} for name, count in outcomes.items() if count]
    print_table(rows, _INFO)


@app.command()
def migrate(
    source: Annotated[str, typer.Argument(metavar="FROM", help="Store to copy from.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="Store to copy to; made if needed.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Copy all records and their revisions into another store; nothing there is overwritten.

    Each record is read back. The same command again copies what is missing.
    """
    from dualion.store.migrate import migrate as copy
    from dualion.store.opening import open_store

    with (
        open_store(store_address(source), read_only=True) as old,
        open_store(store_address(target)) as new,
    ):
        done = copy(old, new)
    if as_json:
        print_json({**done.model_dump(mode="json"), "complete": done.complete})
    else:
        there = f"{done.present} there already"
        if done.newer:
            there += f", {len(done.newer)} superseded there since"
        typer.echo(f"{counted(done.total, 'record')}: {done.copied} copied, {there}")
        _tell_each(
            [f"differs there, left as it is: {record_id}" for record_id in done.differs]
            + [f"not copied: {reason}" for reason in done.refused]
        )
    if not done.complete:
        raise typer.Exit(INCOMPLETE)


@app.command()
def ingest(
    folder: Annotated[Path, typer.Argument(help="A spool, as 'dualion run --spool' fills it.")],
    *,
    store: StoreOption = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Delete files instead of moving them to done/.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Add the records of a spool to a store; may be killed, and run again while others write."""
    from dualion.store.ingest import ingest as take_in
    from dualion.store.opening import open_store
    from dualion.store.spool import Spool

    spool = Spool(folder)
    spool.entries()  # a folder that is not there makes no store
    with open_store(store_address(store)) as opened:
        done = take_in(spool, opened, remove=remove)
    if as_json:
        print_json(done.model_dump(mode="json"))
    else:
        typer.echo(f"{counted(done.added, 'record')} added, {done.present} there already")
        _tell_each([f"set aside in quarantine/: {reason}" for reason in done.quarantined])
    if done.quarantined:
        raise typer.Exit(INCOMPLETE)


@app.command()
def build(
    *,
    profile: ProfileOption = DEFAULT,
    retry: Annotated[
        bool, typer.Option("--retry", help="Look again at outputs that were set aside.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Build the records of a cluster's raw outputs that are not in its barrier store yet.

    Workers do so with each record; this is for what they could not.
    """
    from dualion.launch.curation import curate

    with connected(profile) as (cluster, _):
        done = curate(cluster, retry=retry)
    if as_json:
        print_json(done.model_dump(mode="json"))
    else:
        typer.echo(
            f"{counted(done.added, 'record')} added, {done.present + done.known} there already,"
            f" {done.not_ready} not ready"
        )
        _tell_each([f"set aside: {reason}" for reason in done.quarantined])
    if done.quarantined:
        raise typer.Exit(INCOMPLETE)


def _tell_each(lines: list[str]) -> None:
    for line in lines[:_SHOWN]:
        typer.echo(line, err=True)
    if len(lines) > _SHOWN:
        typer.echo(f"and {len(lines) - _SHOWN} more (all with --json)", err=True)
