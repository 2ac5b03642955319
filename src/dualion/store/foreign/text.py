"""Text files of other programs, packed or not, with a bound on their size."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import TYPE_CHECKING, TextIO

from dualion.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_TEXT = 512 * 2**20
"""No text file is read further than this many characters."""


def find(folder: Path, name: str) -> Path | None:
    """Return the file of this name in a folder, or packed with gzip; None if there is none."""
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    return None


def lines(file: Path) -> Iterator[str]:
    """Iterate over the lines of a file; bytes that are no text become a replacement sign.

    Raises
    ------
    StructureError
        If it is larger than :data:`MAX_TEXT`, or its packing is damaged.
    """
    seen = 0
    try:
        with _opened(file) as stream:
            while line := stream.readline(100_000):
                seen += len(line)
                if seen > MAX_TEXT:
                    raise StructureError(
                        f"is larger than {MAX_TEXT // 2**20} MiB",
                        where=str(file),
                        remedy="give the output of the last run only",
                    )
                yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StructureError(f"is damaged ({error})", where=str(file)) from error


def read(file: Path) -> str:
    """Return the whole text of a file.

    Raises
    ------
    StructureError
        As :func:`lines`.
    """
    return "".join(lines(file))


def _opened(file: Path) -> TextIO:
    if file.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(file), encoding="utf-8", errors="replace")
    return file.open(encoding="utf-8", errors="replace")
