"""``dualion query``: the records of a store that pass a filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    cation: CationOption = None,
    pair: PairOption = None,
    min_barrier: MinOption = None,
    max_barrier: MaxOption = None,
    mechanism: MechanismOption = None,
    outcome: OutcomeOption = None,
    fingerprint: FingerprintOption = None,
    charge: ChargeOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List the records of a store."""
    from dualion.analysis.conventions import of_charge

    one_form(as_json=as_json, as_csv=as_csv)
    wanted = select(
        framework=framework,
        cation=cation,
        pair=pair,
        min_barrier=min_barrier,
        max_barrier=max_barrier,
        mechanism=mechanism,
        outcome=outcome,
        fingerprint=fingerprint,
        limit=limit if charge is None else None,
    )
    with reading(store) as opened:
        found: Iterable[HopRecord] = opened.query(wanted)
        if charge is not None:
            found = of_charge(found, charge)[:limit]
        rows = [flat(record) for record in found]
    columns = tuple(Column(key, key) for key in FIELDS) if as_csv else SHOWN
    print_listing(rows, columns, as_json=as_json, as_csv=as_csv, title=counted(len(rows), "record"))
