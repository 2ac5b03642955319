"""``dualion compare``: two ions beside each other, hop by hop, or groups of records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.filters import (
    AcrossTheoriesOption,
    AnionOption,
    CampaignOption,
    ElementOption,
    EngineOption,
    GroupOption,
    SourceOption,
    grouped,
    narrow,
    read_group_by,
    read_sources,
    require_charge,
)
from dualion.cli.listing import (
    Column,
    counted,
    one_form,
    print_csv,
    print_json,
    print_listing,
    print_table,
)
from dualion.cli.places import store_address
from dualion.cli.selection import (
    AcrossOption,
    ChargeOption,
    CsvOption,
    FingerprintOption,
    FrameworkOption,
    JsonOption,
    StoreOption,
    read_pair,
    reading,
    select,
)
from dualion.cli.shift import print_shifts
from dualion.errors import InputError

if TYPE_CHECKING:
    from dualion.analysis.comparison import Comparison, ComparisonGroup, ComparisonRow
    from dualion.records import HopRecord
    from dualion.store.base import BarrierFilter


def compare(
    *,
    framework: FrameworkOption = None,
    pair: Annotated[str | None, typer.Option("--pair", help="The two ions, as Li,Cu.")] = None,
    store: StoreOption = None,
    fingerprint: FingerprintOption = None,
    charge: ChargeOption = None,
    across: AcrossOption = False,
    group_by: GroupOption = None,
    across_theories: AcrossTheoriesOption = False,
    element: ElementOption = None,
    anion: AnionOption = None,
    engine: EngineOption = None,
    source: SourceOption = None,
    campaign: CampaignOption = None,
    save: Annotated[
        str | None, typer.Option("--save", help="Keep filter and groups under this name.")
    ] = None,
    saved: Annotated[
        str | None, typer.Option("--saved", help="Make the comparison of this name again.")
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Also draw the profiles, as PNG.")
    ] = None,
) -> None:
    """Set the barriers of two ions on the same hops side by side, or groups of records.

    With --group-by framework,pair the lowest and median barrier and the spread of each group are
    shown, levels of theory apart. Cells of different charge are compared only with
    --across-charges.
    """
    one_form(as_json=as_json, as_csv=as_csv)
    finer: dict[str, object] = {
        "elements": element,
        "anion": anion,
        "engine": engine,
        "campaign": campaign,
        "sources": read_sources(source),
    }
    if group_by is not None or saved is not None:
        wanted = narrow(
            select(framework=framework, pair=pair, fingerprint=fingerprint), charge=charge, **finer
        )
        if plot is not None or across:
            raise InputError(
                "--plot and --across-charges are for one framework and pair",
                where="options",
                remedy="leave them out, or --group-by",
            )
        if saved is not None and (group_by or save or across_theories or wanted != select()):
            raise InputError(
                "--saved brings its own filter and groups",
                where="--saved",
                remedy="leave the others out",
            )
        _in_groups(
            store, wanted, group_by, across_theories=across_theories, save=save, saved=saved,
            as_json=as_json, as_csv=as_csv,
        )  # fmt: skip
        return
    if framework is None or pair is None or save is not None or any(finer.values()):
        raise InputError(
            "what is to be compared",
            where="compare",
            remedy="give --framework and --pair for a table of hops, or --group-by COLUMNS (with "
            "any filter, and --save) for groups of records, or --saved NAME",
        )
    _hop_by_hop(
        store, framework, read_pair(pair), fingerprint=fingerprint, charge=charge, across=across,
        as_json=as_json, as_csv=as_csv, plot=plot,
    )  # fmt: skip


def _in_groups(
    store: str | None,
    wanted: BarrierFilter,
    group_by: str | None,
    *,
    across_theories: bool,
    save: str | None,
    saved: str | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show, save or rerun a comparison of groups."""
    from dualion.store import saved as comparisons

    folder = _folder(store)
    if saved is not None:
        chosen = comparisons.load(folder, saved)
    else:
        by = read_group_by(group_by or "")
        if not by:
            raise InputError("names no column", where="--group-by", remedy="as framework,pair")
        chosen = comparisons.SavedComparison(
            filter=wanted, group_by=by, across_theories=across_theories
        )
    with reading(store) as opened:
        require_charge(opened, chosen.filter)
        rows, columns = grouped(
            opened, chosen.group_by, chosen.filter, across_theories=chosen.across_theories
        )
    if save is not None:
        file = comparisons.save(folder, save, chosen)
        typer.echo(f"saved as {file}", err=True)
    print_listing(rows, columns, as_json=as_json, as_csv=as_csv, title=counted(len(rows), "group"))


def _folder(store: str | None) -> Path:
    """Folder of saved comparisons: beside a store in a file, else in the folder of runs."""
    from dualion.cli.places import places
    from dualion.store.address import resolve
    from dualion.store.saved import FOLDER

    place = resolve(store_address(store))
    return (place.parent if isinstance(place, Path) else places().runs) / FOLDER


def _hop_by_hop(
    store: str | None,
    framework: str,
    ions: tuple[str, str],
    *,
    fingerprint: str | None,
    charge: int | None,
    across: bool,
    as_json: bool,
    as_csv: bool,
    plot: Path | None,
) -> None:
    """Show two ions on the hops of one framework."""
    from dualion.analysis.compare import compare as side_by_side
    from dualion.analysis.conventions import (
        across_charges,
        of_charge,
        require_one_convention,
    )
    from dualion.store.base import BarrierFilter

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
