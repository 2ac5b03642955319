"""``dualion compare``: two ions beside each other, hop by hop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.listing import Column, one_form, print_csv, print_json, print_table
from dualion.cli.selection import (
    AcrossOption,
    ChargeOption,
    CsvOption,
    FingerprintOption,
    JsonOption,
    StoreOption,
    read_pair,
    reading,
)
from dualion.cli.shift import print_shifts

if TYPE_CHECKING:
    from dualion.analysis.comparison import Comparison, ComparisonGroup, ComparisonRow
    from dualion.records import HopRecord


def compare(
    *,
    framework: Annotated[str, typer.Option("--framework", help="In this framework.")],
    pair: Annotated[str, typer.Option("--pair", help="The two ions, as Li,Cu.")],
    store: StoreOption = None,
    fingerprint: FingerprintOption = None,
    charge: ChargeOption = None,
    across: AcrossOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Also draw the profiles, as PNG.")
    ] = None,
) -> None:
    """Set the barriers of two ions on the same hops side by side.

    Cells of different charge are compared only with --across-charges.
    """
    from dualion.analysis.compare import compare as side_by_side
    from dualion.analysis.conventions import (
        across_charges,
        of_charge,
        require_one_convention,
    )
    from dualion.store.base import BarrierFilter

    one_form(as_json=as_json, as_csv=as_csv)
    ions = read_pair(pair)
    with reading(store) as opened:
        records = list(opened.query(BarrierFilter(framework=framework, moving_ions=ions)))
    if charge is not None:
        records = of_charge(records, charge)
    comparison = side_by_side(records, pair=ions, fingerprint=fingerprint)
    levels = set(comparison.fingerprints)
    shown = [record for record in records if record.theory.fingerprint in levels]
    if not across:
        require_one_convention(shown)
    if plot is not None:
        _draw(shown, comparison, plot)
    rows = comparison.as_rows()
    if as_json:
        print_json(rows)
    elif as_csv:
        print_csv(rows, [Column(key, key) for key in rows[0]])
    else:
        print_comparison(comparison)
        if across:
            print_shifts(across_charges(shown, pair=ions))


def _draw(records: list[HopRecord], comparison: Comparison, file: Path) -> None:
    """Draw the records that are compared."""
    from dualion.analysis.plots import plot_profiles

    plot_profiles(records, file, pair=(comparison.ions[0], comparison.ions[1]))


def print_comparison(comparison: Comparison) -> None:
    """Print two tables for each level of theory: the barriers, and what the framework pays."""
    for group in comparison.groups:
        typer.echo(group.label)
        rows = [_cells(group, row) for row in group.rows]
        print_table(rows, _barrier_columns(group.ions))
        if any(cell and cell.response for row in group.rows for cell in row.cells):
            print_table(rows, _cost_columns(group.ions), title="at the saddle")
    for note in comparison.notes:
        typer.echo(note)


def _barrier_columns(ions: tuple[str, ...]) -> list[Column]:
    columns = [Column("hop", "hop"), Column("arrangement", "arrangement")]
    for ion in ions:
        columns += [
            Column(f"{ion} forward", ion),
            Column(f"{ion} reverse", "back"),
            Column(f"{ion} error", "±"),
            Column(f"{ion} sites", "ΔE"),
        ]
    if len(ions) == 2:
        columns += [Column("difference", f"{ions[1]}−{ions[0]}"), Column("ratio", "ratio")]
    return columns


def _cost_columns(ions: tuple[str, ...]) -> list[Column]:
    columns = [Column("hop", "hop"), Column("arrangement", "arrangement")]
    for ion in ions:
        columns += [
            Column(f"{ion} path", f"{ion}: path"),
            Column(f"{ion} shift", "anions"),
            Column(f"{ion} rms", "rms"),
            Column(f"{ion} bonds", "bonds"),
            Column(f"{ion} volume", "volume"),
        ]
    return columns


def _cells(group: ComparisonGroup, row: ComparisonRow) -> dict[str, str]:
    from dualion.analysis.comparison import measure, percent, plus_minus

    cells = {
        "hop": row.hop,
        "arrangement": row.arrangement,
        "difference": measure(row.difference, "eV", sign=True),
        "ratio": "–" if row.ratio is None else f"{row.ratio:.2f}",
    }
    for ion, cell in zip(group.ions, row.cells, strict=True):
        cost = cell.response if cell else None
        cells |= {
            f"{ion} forward": cell.text if cell else "–",
            f"{ion} reverse": measure(cell.reverse if cell else None, "eV"),
            f"{ion} error": plus_minus(cell.barrier_error if cell else None),
            f"{ion} sites": measure(cell.energy_difference if cell else None, "eV", sign=True),
            f"{ion} path": measure(cell.path_length if cell else None, "Å", digits=2),
            f"{ion} rms": measure(cost.rms_anion_displacement if cost else None, "Å", digits=2),
            f"{ion} shift": measure(
                cost.largest_anion_displacement if cost else None, "Å", digits=2
            ),
            f"{ion} bonds": percent(cost.bond_distortion if cost else None),
            f"{ion} volume": percent(cost.volume_change if cost else None, sign=True),
        }
    return cells
