"""``dualion import``: bundles of other stores, and barriers from the literature."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.listing import counted, print_json
from dualion.cli.places import store_address
from dualion.cli.selection import JsonOption, StoreOption
from dualion.errors import InputError

if TYPE_CHECKING:
    from dualion.store.base import BarrierStore
    from dualion.store.formats.unbundle import Imported

LITERATURE = "literature"


def import_(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="BUNDLE... | literature [FILE.csv]...",
            help="Bundles of 'dualion export bundle'; or 'literature' and tables of barriers, "
            "without one the table that comes with dualion.",
        ),
    ],
    *,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Merge records from elsewhere into a store, without duplicates, in whatever order they come.

    What cannot be read is told in one line, and nothing of that file is taken.
    """
    from dualion.store.formats.unbundle import Imported
    from dualion.store.opening import open_store

    paths = [Path(each) for each in what]
    literature = what[0] == LITERATURE and not paths[0].exists()
    if literature:
        paths = paths[1:]
    for path in paths:
        if not path.exists():
            raise InputError("there is no such file or folder", where=str(path))
    done = Imported()
    with open_store(store_address(store)) as opened:
        if literature:
            done = _literature(opened, paths)
        else:
            from dualion.store.formats.unbundle import import_bundle

            for path in paths:
                done = done.plus(import_bundle(path, opened))
    if as_json:
        print_json(done.model_dump(mode="json"))
        return
    extended = f", {done.extended} brought together with other answers" if done.extended else ""
    typer.echo(f"{counted(done.added, 'record')} added, {done.present} there already{extended}")


def _literature(store: BarrierStore, paths: list[Path]) -> Imported:
    from dualion.store.formats.literature import read_literature, read_shipped
    from dualion.store.formats.unbundle import import_records

    if not paths:
        return import_records(read_shipped(), store)
    return import_records([each for path in paths for each in read_literature(path)], store)
