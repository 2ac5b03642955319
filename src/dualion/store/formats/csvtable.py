"""Records as a CSV table: numbers by ``repr``, so that each is read back as the same double."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from dualion.store.formats.table import COLUMNS, rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from dualion.records import HopRecord

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_text(value: object) -> object:
    """Keep text from being run by a spreadsheet; anything else is returned as it is.

    Spreadsheets take a cell that begins with ``= + - @`` (or a tab or carriage return before one)
    for a formula. Such text gets an apostrophe in front; numbers never do. A carriage return in
    text becomes a new line, since Python's ``csv`` leaves it bare, where it ends the row.
    """
    if not isinstance(value, str):
        return value
    mark = "'" if value.startswith(_FORMULA) else ""
    return mark + value.replace("\r\n", "\n").replace("\r", "\n")


def write_csv(stream: TextIO, records: Iterable[HopRecord]) -> int:
    """Write one row for each record and return their number.

    Parameters
    ----------
    stream
        Opened with ``newline=""``.
    records
        Energies are written in eV, lengths in Å.
    """
    writer = csv.DictWriter(stream, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows(records):
        writer.writerow({name: safe_text(value) for name, value in row.items()})
        count += 1
    return count
