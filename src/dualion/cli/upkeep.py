"""``dualion store check``, ``backup``, ``restore``, ``compact``, ``delete`` and ``upgrade``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.listing import counted, print_json
from dualion.cli.places import store_address
from dualion.cli.selection import JsonOption, StoreOption, reading
from dualion.errors import InputError

if TYPE_CHECKING:
    from dualion.store.sqlite import SQLiteBarrierStore

UNSOUND = 2
"""Exit code when a store is not sound, or not all that was asked could be done."""


def check(
    *,
    store: StoreOption = None,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Move damaged records to quarantine, renew summaries."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read everything in a store; exit code 2 tells that something is wrong."""
    from dualion.store.check import check as look_over
    from dualion.store.opening import open_store

    with open_store(store_address(store), read_only=not repair) as opened:
        if repair:
            _embedded(opened, "--repair")
        health = look_over(opened, repair=repair)
    if as_json:
        print_json({**health.model_dump(mode="json"), "sound": health.sound})
    else:
        for each in health.troubles:
            name = f"record '{each.record_id}': " if each.record_id else ""
            typer.echo(f"{name}{each.what}: {each.repaired or 'not repaired'}", err=True)
        wrong = sum(not each.repaired for each in health.troubles)
        typer.echo(
            f"{counted(health.records, 'record')}, {counted(health.revisions, 'revision')}, "
            f"{counted(health.tombstones, 'tombstone')}, {health.quarantined} in quarantine: "
            + (f"{wrong} wrong" if wrong else "sound")
        )
    if not health.sound:
        raise typer.Exit(UNSOUND)


def backup(
    file: Annotated[Path, typer.Argument(help="New file to write.")],
    *,
    store: StoreOption = None,
) -> None:
    """Write a whole copy of a store to a new file, also while others write."""
    with reading(store) as opened:
        opened.backup(file)
        typer.echo(f"{counted(opened.count(), 'record')} in {file}")


def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    *,
    store: StoreOption = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also if the store has what the backup lacks; kept beside."),
    ] = False,
) -> None:
    """Put a backup in the place of a store: wholly or not at all."""
    from dualion.store.address import resolve
    from dualion.store.restore import restore as put_back

    place = resolve(store_address(store))
    if not isinstance(place, Path):
        raise InputError(
            "a backup is restored to a file only",
            where="--store",
            remedy="copy it into a database with 'dualion store migrate BACKUP ADDRESS'",
        )
    done = put_back(file, place, force=force)
    if done.aside:
        typer.echo(f"the store that was replaced is kept as {done.aside}", err=True)
    typer.echo(f"{counted(done.records, 'record')} restored to {place}")


def compact(
    *,
    store: StoreOption = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also drop what 'check --repair' set aside.")
    ] = False,
) -> None:
    """Give the space of what was moved or replaced back to the disk."""
    from dualion.store.opening import open_store

    with open_store(store_address(store)) as opened:
        embedded = _embedded(opened, "compact")
        before = embedded.path.stat().st_size
        if prune:
            with embedded.transaction():
                gone = embedded.database.execute("DELETE FROM quarantine")
            typer.echo(f"{counted(gone, 'quarantined part')} dropped")
        embedded.database.compact()
        after = embedded.path.stat().st_size
    typer.echo(f"{before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after")


def delete(
    record_ids: Annotated[list[str], typer.Argument(metavar="RECORD_ID...", help="Of records.")],
    *,
    store: StoreOption = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, for those who miss them.")
    ] = None,
    revive: Annotated[
        bool, typer.Option("--revive", help="Put deleted records back instead.")
    ] = False,
) -> None:
    """Take records out of all answers; they are kept, and are not added again unless revived."""
    from dualion.store.opening import open_store

    if revive == (reason is not None and bool(reason.strip())):
        raise InputError(
            "give a reason, or --revive" if not revive else "a revival needs no reason",
            where="--reason",
            remedy="write it as --reason 'wrong pseudopotential'" if not revive else "leave it out",
        )
    with open_store(store_address(store)) as opened:
        done = [
            opened.revive(each) if revive else opened.delete(each, reason=str(reason))
            for each in record_ids
        ]
    missing = [each for each, ok in zip(record_ids, done, strict=True) if not ok]
    for each in missing:
        typer.echo(f"no {'tombstone' if revive else 'record'} '{each}'", err=True)
    typer.echo(f"{counted(sum(done), 'record')} {'revived' if revive else 'deleted'}")
    if missing:
        raise typer.Exit(UNSOUND)


def upgrade(*, store: StoreOption = None) -> None:
    """Bring a store of an older dualion up to date; nothing is lost, and it may be killed."""
    from dualion.store.address import resolve
    from dualion.store.opening import open_store

    place = resolve(store_address(store))
    if isinstance(place, Path) and not place.exists():
        raise InputError("there is no barrier store", where=str(place), remedy="check the path")
    with open_store(place) as opened:
        typer.echo(f"{opened.where}: schema version {opened.schema_version}")


def _embedded(store: object, what: str) -> SQLiteBarrierStore:
    from dualion.store.sqlite import SQLiteBarrierStore

    if not isinstance(store, SQLiteBarrierStore):
        raise InputError(
            f"{what} is for stores in one file",
            where="--store",
            remedy="use the tools of the database server",
        )
    return store


VERBS = (check, backup, restore, compact, delete, upgrade)
