"""A listing: the same rows as a table for people, as JSON or CSV for programs."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from dualion.store.formats.csvtable import safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

WIDE = 200
"""Columns of a table that goes into a file or pipe, where nothing should be cut."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    key
        Key of the row's mapping; also the heading in JSON and CSV.
    heading
        Heading of the table, with the unit.
    digits
        Decimals of a number; None: as it is.
    """

    key: str
    heading: str
    digits: int | None = None

    def text(self, value: object) -> str:
        """Format one value for the table; nothing for None."""
        if value is None:
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, float) and self.digits is not None:
            return f"{value:.{self.digits}f}"
        return str(value)


def counted(number: int, noun: str) -> str:
    """Return '1 record' or '2 records'."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def print_json(value: object) -> None:
    """Write plain data as JSON to stdout, and nothing else."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_csv(rows: Sequence[Mapping[str, object]], columns: Sequence[Column]) -> None:
    """Write rows as CSV to stdout; see :func:`write_csv`."""
    write_csv(rows, columns, sys.stdout)


def write_csv(
    rows: Sequence[Mapping[str, object]], columns: Sequence[Column], stream: TextIO
) -> None:
    """Write rows as CSV; the headings are the columns' keys.

    Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    keys = [column.key for column in columns]
    writer = csv.DictWriter(stream, keys, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: safe_text(value) for key, value in row.items()})


def print_table(
    rows: Sequence[Mapping[str, object]], columns: Sequence[Column], *, title: str = ""
) -> None:
    """Write rows as a table to stdout; colour follows the terminal and ``NO_COLOR``."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(soft_wrap=False, highlight=False)
    if not console.is_terminal:
        console = Console(width=WIDE, highlight=False)
    table = Table(
        title=escape(title) if title else None,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
    )
    for column in columns:
        number = column.digits is not None
        table.add_column(
            escape(column.heading), justify="right" if number else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(escape(column.text(row.get(column.key))) for column in columns))
    # Through the same door as everything else: rich has its own ideas about closed pipes.
    with console.capture() as captured:
        console.print(table)
    typer.echo(captured.get(), nl=False)


def print_listing(
    rows: Sequence[Mapping[str, object]],
    columns: Sequence[Column],
    *,
    as_json: bool = False,
    as_csv: bool = False,
    title: str = "",
) -> None:
    """Write rows in the form asked for.

    Parameters
    ----------
    rows
        Plain mappings; JSON shows all of their keys.
    columns
        What table and CSV show.
    as_json, as_csv
        At most one of them; neither: a table.
    title
        Line above a table.

    Raises
    ------
    typer.BadParameter
        If both forms are asked for.
    """
    one_form(as_json=as_json, as_csv=as_csv)
    if as_json:
        print_json([dict(row) for row in rows])
    elif as_csv:
        print_csv(rows, columns)
    else:
        print_table(rows, columns, title=title)


def one_form(*, as_json: bool, as_csv: bool) -> None:
    """Refuse ``--json`` together with ``--csv``, before any work is done."""
    if as_json and as_csv:
        msg = "choose one of --json and --csv"
        raise typer.BadParameter(msg)
