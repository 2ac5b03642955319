"""``dualion shift``: two levels of theory beside each other, and by how much barriers shift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.listing import Column, one_form, print_csv, print_json, print_table
from dualion.cli.selection import (
    AcrossOption,
    CsvOption,
    FrameworkOption,
    JsonOption,
    PairOption,
    StoreOption,
    read_pair,
    reading,
)
from dualion.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualion.analysis.tiers import ShiftTable
    from dualion.records import HopRecord


def shift(
    campaign: Annotated[
        str | None, typer.Argument(help="Only what this campaign promoted (its name).")
    ] = None,
    *,
    framework: FrameworkOption = None,
    pair: PairOption = None,
    lower: Annotated[
        str | None,
        typer.Option("--from", help="Level of theory, or its first digits: the left column."),
    ] = None,
    upper: Annotated[
        str | None, typer.Option("--to", help="Level of theory of the right column.")
    ] = None,
    across: AcrossOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Set the tiers of a campaign side by side, hop by hop, with the mean shift of each ion.

    Without --from and --to each record of a later tier is held against the one it started from.
    """
    from dualion.analysis.conventions import require_one_convention
    from dualion.analysis.tiers import shifts
    from dualion.store.base import BarrierFilter

    one_form(as_json=as_json, as_csv=as_csv)
    ions = read_pair(pair) if pair else None
    wanted = BarrierFilter(framework=framework, moving_ions=ions or ())
    with reading(store) as opened:
        records = list(opened.query(wanted))
    if lower is not None and upper is not None and not across:
        named = [r for r in records if r.theory.fingerprint.startswith((lower, upper))]
        require_one_convention(named, where="shift")
    if campaign is not None:
        records = _of(campaign, records, linked=lower is None and upper is None)
    tables = shifts(records, pair=ions, lower=lower, upper=upper)
    if not tables:
        raise InputError(
            f"no record started from one of a tier before ({len(records)} looked at)",
            where="shift",
            remedy="run a campaign with 'tiers:', or name two levels with --from and --to",
        )
    rows = [row for table in tables for row in table.as_rows()]
    if as_json:
        print_json(rows)
    elif as_csv:
        print_csv(rows, [Column(key, key) for key in rows[0]])
    else:
        print_shifts(tables)


def _of(campaign: str, records: list[HopRecord], *, linked: bool) -> list[HopRecord]:
    """Keep the records of a campaign, and those that they started from, whoever made these."""
    own = [record for record in records if record.provenance.campaign == campaign]
    if not own:
        known = ", ".join(sorted({record.provenance.campaign for record in records})[:8])
        raise InputError(
            f"no record of a campaign {campaign!r}",
            where="shift",
            remedy=f"the store has: {known or 'none'}",
        )
    if not linked:
        return own
    before = {record.provenance.started_from for record in own}
    lower = [r for r in records if r.record_id in before and r.provenance.campaign != campaign]
    return [*own, *lower]


def print_shifts(tables: Sequence[ShiftTable]) -> None:
    """Print one table for each two levels, and the mean shift of each ion."""
    from dualion.analysis.comparison import measure
    from dualion.analysis.tierpage import pair_lines

    for table in tables:
        typer.echo(table.label)
        columns = [
            Column("hop", "hop"),
            Column("arrangement", "arrangement"),
            Column("ion", "ion"),
            Column("lower", table.heads[0]),
            Column("upper", table.heads[1]),
            Column("shift", "shift"),
        ]
        rows = [
            {
                "hop": row.hop,
                "arrangement": row.arrangement,
                "ion": row.ion,
                "lower": row.lower.text,
                "upper": row.upper.text,
                "shift": measure(row.shift, "eV", sign=True),
            }
            for row in table.rows
        ]
        print_table(rows, columns)
        for ion in table.per_ion:
            typer.echo(ion.text)
        for line in pair_lines(table):
            typer.echo(line)
    if any(side.ranking_only for t in tables for row in t.rows for side in (row.lower, row.upper)):
        typer.echo("* Ranking only: images less than 10 Å apart.")
