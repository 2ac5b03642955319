"""Records as a Parquet table, typed, every double kept as it is."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, BinaryIO

from dualion.errors import InputError
from dualion.records import HopRecord
from dualion.store.formats.table import COLUMNS, rows

CHUNK = 5_000
"""Rows held in memory."""


def pyarrow() -> Any:  # noqa: ANN401 - a module without type information
    """Import pyarrow.

    Raises
    ------
    InputError
        If it is not installed, with how to install it.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            "Parquet needs the package pyarrow, which is not installed",
            where="export",
            remedy="pip install 'dualion[parquet]', or export csv",
        ) from error
    return pa


def write_parquet(stream: BinaryIO, records: Iterable[HopRecord]) -> int:
    """Write one row for each record and return their number.

    Text is written as it is: nothing that reads Parquet runs a cell as a formula.

    Raises
    ------
    InputError
        If pyarrow is not installed.
    """
    pa = pyarrow()
    types = {
        "text": pa.string(),
        "number": pa.float64(),
        "count": pa.int64(),
        "flag": pa.bool_(),
    }
    schema = pa.schema(
        [
            pa.field(name, types[field.kind], metadata={"description": field.about})
            for name, field in COLUMNS.items()
        ]
    )
    count = 0
    waiting = rows(records)
    with pa.parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
        while chunk := list(islice(waiting, CHUNK)):
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))
            count += len(chunk)
    return count
