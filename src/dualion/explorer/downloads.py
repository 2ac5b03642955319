"""What can be taken away: a record, its path, the table of the current filter."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from dualion.store.formats.csvtable import safe_text
from dualion.store.formats.extxyz import write_extxyz
from dualion.store.summary import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dualion.records import HopRecord
    from dualion.store.base import BarrierFilter
    from dualion.store.columns import Columns

_PORTION = 5000


def file_name(record: HopRecord, ending: str) -> str:
    """Name of a download: of the record's own words only what every file system takes."""
    parts = (record.framework, record.moving_ion, record.hop.class_id, record.record_id[:8])
    words = [re.sub(r"[^A-Za-z0-9]+", "-", part).strip("-")[:40] for part in parts]
    return "_".join(word for word in words if word) + ending


def record_json(record: HopRecord) -> bytes:
    """Return the whole record, as the store holds it."""
    return (record.model_dump_json(indent=1) + "\n").encode()


def path_extxyz(record: HopRecord) -> bytes:
    """Return all images as extended XYZ; empty if there are none."""
    stream = io.StringIO()
    write_extxyz(stream, [record])
    return stream.getvalue().encode()


def table_csv(columns: Columns, wanted: BarrierFilter) -> Iterator[bytes]:
    """Yield the summaries of all records that pass a filter, as CSV, in portions.

    Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    names = [column.name for column in COLUMNS]
    rows = columns.select(wanted)
    yield _lines([names])
    for start in range(0, len(rows), _PORTION):
        portion = columns.rows(rows[start : start + _PORTION])
        yield _lines([[safe_text(row[name]) for name in names] for row in portion])


def _lines(rows: list[list[str]] | list[list[object]]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue().encode()
