"""``dualion query``: the records of a store that pass a filter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.filters import (
    AcrossTheoriesOption,
    AnionOption,
    CampaignOption,
    CodeOption,
    ElementOption,
    EngineOption,
    FormulaOption,
    GroupOption,
    MaxLengthOption,
    MinLengthOption,
    OffsetOption,
    PrototypeOption,
    SinceOption,
    SortOption,
    SourceOption,
    UntilOption,
    grouped,
    narrow,
    read_group_by,
    read_sources,
    require_charge,
)
from dualion.cli.listing import Column, counted, one_form, print_listing
from dualion.cli.selection import (
    FIELDS,
    CationOption,
    ChargeOption,
    CsvOption,
    FingerprintOption,
    FrameworkOption,
    JsonOption,
    LimitOption,
    MaxOption,
    MechanismOption,
    MinOption,
    OutcomeOption,
    PairOption,
    StoreOption,
    flat,
    reading,
    select,
)
from dualion.errors import InputError
from dualion.whole import whole_binary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dualion.records import HopRecord

SHOWN = (
    Column("framework", "framework"),
    Column("moving_ion", "ion"),
    Column("host_ion", "host"),
    Column("arrangement", "arrangement"),
    Column("hop", "hop"),
    Column("forward", "forward / eV", 3),
    Column("reverse", "reverse / eV", 3),
    Column("barrier_error", "± / eV", 3),
    Column("outcome", "outcome"),
    Column("engine", "engine"),
    Column("charge", "charge / e"),
    Column("fingerprint", "level of theory"),
    Column("note", "note"),
)


def query(
    *,
    store: StoreOption = None,
    framework: FrameworkOption = None,
    prototype: PrototypeOption = None,
    formula: FormulaOption = None,
    element: ElementOption = None,
    anion: AnionOption = None,
    cation: CationOption = None,
    pair: PairOption = None,
    mechanism: MechanismOption = None,
    min_length: MinLengthOption = None,
    max_length: MaxLengthOption = None,
    outcome: OutcomeOption = None,
    min_barrier: MinOption = None,
    max_barrier: MaxOption = None,
    engine: EngineOption = None,
    code: CodeOption = None,
    charge: ChargeOption = None,
    fingerprint: FingerprintOption = None,
    source: SourceOption = None,
    campaign: CampaignOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    offset: OffsetOption = 0,
    group_by: GroupOption = None,
    across_theories: AcrossTheoriesOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", help="Write a new Parquet file instead.")
    ] = None,
) -> None:
    """List the records of a store, or what groups of them have in common."""
    one_form(as_json=as_json, as_csv=as_csv)
    wanted = narrow(
        select(
            framework=framework,
            cation=cation,
            pair=pair,
            min_barrier=min_barrier,
            max_barrier=max_barrier,
            mechanism=mechanism,
            outcome=outcome,
            fingerprint=fingerprint,
            limit=limit,
        ),
        prototype=prototype,
        formula=formula,
        elements=element,
        anion=anion,
        min_length=min_length,
        max_length=max_length,
        engine=engine,
        code=code,
        charge=charge,
        sources=read_sources(source),
        campaign=campaign,
        since=since,
        until=until,
        sort=sort,
        offset=offset,
    )
    if parquet is not None:
        _check_parquet(parquet, as_json=as_json, as_csv=as_csv, grouped=group_by is not None)
    with reading(store) as opened:
        require_charge(opened, wanted)
        if group_by is not None:
            rows, columns = grouped(
                opened, read_group_by(group_by), wanted, across_theories=across_theories
            )
            print_listing(
                rows, columns, as_json=as_json, as_csv=as_csv, title=counted(len(rows), "group")
            )
            return
        found = opened.query(wanted)
        if parquet is not None:
            typer.echo(f"{counted(_write_parquet(parquet, found), 'record')} in {parquet}")
            return
        rows = [flat(record) for record in found]
    columns = tuple(Column(key, key) for key in FIELDS) if as_csv else SHOWN
    print_listing(rows, columns, as_json=as_json, as_csv=as_csv, title=counted(len(rows), "record"))


def _check_parquet(file: Path, *, as_json: bool, as_csv: bool, grouped: bool) -> None:
    from dualion.store.formats.parquet import pyarrow

    if as_json or as_csv or grouped:
        raise InputError(
            "--parquet is for records, and goes with none of --json, --csv and --group-by",
            where="options",
            remedy="leave one out",
        )
    if file.exists():
        raise InputError("exists already", where=str(file), remedy="name a new file")
    pyarrow()


def _write_parquet(file: Path, records: Iterable[HopRecord]) -> int:
    from dualion.store.formats.parquet import write_parquet

    with whole_binary(file) as stream:
        return write_parquet(stream, records)
