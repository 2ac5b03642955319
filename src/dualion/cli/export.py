"""``dualion export``: records of a store as files for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.listing import counted
from dualion.cli.selection import (
    CationOption,
    FingerprintOption,
    FrameworkOption,
    LimitOption,
    MaxOption,
    MechanismOption,
    MinOption,
    OutcomeOption,
    PairOption,
    StoreOption,
    one_of,
    reading,
    select,
)
from dualion.errors import InputError
from dualion.store.formats.csvtable import write_csv
from dualion.whole import whole_binary, whole_file, whole_folder

if TYPE_CHECKING:
    from dualion.store.base import BarrierFilter, BarrierStore
    from dualion.store.formats.croissant import About


class Format(StrEnum):
    """What can be written."""

    CSV = "csv"
    PARQUET = "parquet"
    EXTXYZ = "extxyz"
    LITRAJ = "litraj"
    NEBRESULT = "nebresult"
    MATTERVIZ = "matterviz"
    BUNDLE = "bundle"


class TableKind(StrEnum):
    """What the table of a bundle is."""

    CSV = "csv"
    PARQUET = "parquet"


def export(
    kind: Annotated[
        Format,
        typer.Argument(
            metavar="FORMAT",
            help="csv, parquet: one row a record; extxyz: all images; litraj: a folder with an "
            "index and a file for each band; nebresult: JSON of emmet; matterviz: its JSON "
            "of reaction paths; bundle: all of it, to publish or to carry to another store.",
        ),
    ],
    file: Annotated[
        Path, typer.Argument(help="Where to write; a bundle is a FILE.zip or a folder.")
    ],
    *,
    store: StoreOption = None,
    framework: FrameworkOption = None,
    cation: CationOption = None,
    pair: PairOption = None,
    min_barrier: MinOption = None,
    max_barrier: MaxOption = None,
    mechanism: MechanismOption = None,
    outcome: OutcomeOption = None,
    fingerprint: FingerprintOption = None,
    limit: LimitOption = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    name: Annotated[str | None, typer.Option("--name", help="Bundle: what it is called.")] = None,
    description: Annotated[
        str | None, typer.Option("--description", help="Bundle: what it is about.")
    ] = None,
    creator: Annotated[
        list[str] | None, typer.Option("--creator", help="Bundle: by whom; may be given again.")
    ] = None,
    licence: Annotated[
        str, typer.Option("--license", help="Bundle: SPDX id, e.g. CC-BY-4.0; else none.")
    ] = "",
    url: Annotated[str, typer.Option("--url", help="Bundle: where it is published.")] = "",
    date: Annotated[
        str, typer.Option("--date", help="Bundle: YYYY-MM-DD; else of the newest record.")
    ] = "",
    table: Annotated[
        str, typer.Option("--table", help="Bundle: its table, 'csv' or 'parquet'.")
    ] = "csv",
) -> None:
    """Write the records of a store into a file, as a table, as geometries, or as a bundle."""
    if file.exists() and not force:
        raise InputError("exists already", where=str(file), remedy="name another file, or --force")
    wanted = select(
        framework=framework,
        cation=cation,
        pair=pair,
        min_barrier=min_barrier,
        max_barrier=max_barrier,
        mechanism=mechanism,
        outcome=outcome,
        fingerprint=fingerprint,
        limit=limit,
    )
    with reading(store) as opened:
        if not opened.count(wanted):
            raise InputError(
                "no record passes the filter",
                where="export",
                remedy="nothing was written; look with 'dualion query'",
            )
        if kind is Format.BUNDLE:
            about = _about(
                name=name or file.name.removesuffix(".zip"),
                description=description,
                creators=tuple(creator or ()),
                licence=licence,
                url=url,
                date=date,
            )
            told = _bundle(opened, wanted, file, about, one_of(TableKind, table, "--table"))
        else:
            told = _write(kind, opened, wanted, file)
    typer.echo(f"{told} in {file}")


def _write(kind: Format, store: BarrierStore, wanted: BarrierFilter, file: Path) -> str:
    """Write one file, or the folder of LiTraj; returns what to say of it."""
    records = store.query(wanted, images=kind not in {Format.CSV, Format.PARQUET})
    if kind is Format.CSV:
        with whole_file(file) as target:
            return counted(write_csv(target, records), "record")
    if kind is Format.PARQUET:
        from dualion.store.formats.parquet import pyarrow, write_parquet

        pyarrow()
        with whole_binary(file) as raw:
            return counted(write_parquet(raw, records), "record")
    if kind is Format.LITRAJ:
        from dualion.store.formats.litraj import write_litraj

        with whole_folder(file) as folder:
            return counted(_some(write_litraj(folder, records)), "band")
    if kind is Format.EXTXYZ:
        from dualion.store.formats.extxyz import write_extxyz

        with whole_file(file) as target:
            return counted(write_extxyz(target, records), "image")
    with whole_file(file) as target:
        if kind is Format.NEBRESULT:
            from dualion.store.formats.nebresult import write_neb_results

            return counted(_some(write_neb_results(target, records)), "band")
        from dualion.store.formats.matterviz import write_matterviz

        return counted(_some(write_matterviz(target, records)), "band")


def _some(count: int) -> int:
    """Refuse a file without a single band."""
    if not count:
        raise InputError(
            "no record has a band that this format can hold",
            where="export",
            remedy="nothing was written; try extxyz or csv",
        )
    return count


def _about(
    *,
    name: str,
    description: str | None,
    creators: tuple[str, ...],
    licence: str,
    url: str,
    date: str,
) -> About:
    from datetime import date as day

    from dualion.store.formats.croissant import About

    if date:
        try:
            day.fromisoformat(date)
        except ValueError:
            raise InputError(
                f"{date!r} is no date", where="--date", remedy="give YYYY-MM-DD"
            ) from None
    about = About(name=name, creators=creators, licence=licence, url=url, date=date)
    return about if description is None else about.model_copy(update={"description": description})


def _bundle(
    store: BarrierStore, wanted: BarrierFilter, file: Path, about: About, table: TableKind
) -> str:
    from dualion.store.formats.bundle import write_bundle

    contents = write_bundle(file, store, store.ids(wanted), about=about, table=table.value)
    levels = counted(len(contents.levels), "level")
    return f"{counted(contents.records, 'record')} of {levels} of theory"
