"""A file that appears whole or not at all."""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dualion.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO, TextIO


@contextmanager
def whole_file(file: Path) -> Iterator[TextIO]:
    """Open a file for writing that appears whole when the block ends, or not at all.

    Raises
    ------
    OSError
        If it cannot be written; what stood there before is still there.
    """
    with whole_binary(file) as raw:
        stream = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        yield stream
        stream.flush()
        stream.detach()


@contextmanager
def whole_binary(file: Path) -> Iterator[BinaryIO]:
    """Do as :func:`whole_file` for bytes."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(file)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder of the same name; it takes its place when the block ends, or never.

    Raises
    ------
    InputError
        If something stands there.
    OSError
        If it cannot be written.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
        draft = Path(scratch) / folder.name
        draft.mkdir()
        yield draft
        if folder.exists():
            raise InputError("exists already", where=str(folder), remedy="name a new folder")
        draft.rename(folder)
