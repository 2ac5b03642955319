"""A file that appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


@contextmanager
def whole_file(file: Path) -> Iterator[TextIO]:
    """Open a file for writing that appears whole when the block ends, or not at all.

    Raises
    ------
    OSError
        If it cannot be written; what stood there before is still there.
    """
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", text=True)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            yield stream
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(file)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
