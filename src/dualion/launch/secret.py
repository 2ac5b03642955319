"""Where the address of the database comes from: never from a command line or a shared file."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from dualion.errors import InputError

_CREDENTIALS = re.compile(r"(?<=://)[^@/]*@")
_QUERY = re.compile(r"\?.*$")


def redacted(address: str) -> str:
    """Return an address without user, password and options."""
    return _QUERY.sub("", _CREDENTIALS.sub("", address))


def database_address(source: str) -> str:
    """Read the address of the database.

    Parameters
    ----------
    source
        ``env:NAME`` or ``@FILE``; the file's first line is the address.

    Returns
    -------
    str
        A ``mongodb://`` address, with its password if it has one: not for printing.

    Raises
    ------
    InputError
        If the variable or file is missing, is no address, or others may read the file.
    """
    if source.startswith("env:"):
        name = source.removeprefix("env:")
        text = os.environ.get(name, "")
        if text.startswith("@"):
            return database_address(text)
        where = f"environment variable {name}"
        if not text:
            raise InputError(
                "is not set",
                where=where,
                remedy="set it to mongodb://..., or to @FILE with the address in a file that"
                " only you can read",
            )
    else:
        file = Path(source.removeprefix("@")).expanduser()
        text = _first_line(file)
        where = str(file)
    if not text.startswith(("mongodb://", "mongodb+srv://")):
        raise InputError(
            "does not hold the address of a database",
            where=where,
            remedy="write mongodb://USER:PASSWORD@HOST:PORT/NAME",
        )
    return text


def _first_line(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as stream:
            status = os.fstat(stream.fileno())
            if status.st_uid not in {os.getuid(), 0} or status.st_mode & (
                stat.S_IRWXG | stat.S_IRWXO
            ):
                raise InputError(
                    f"others may read or change it (mode {stat.S_IMODE(status.st_mode):04o})",
                    where=str(file),
                    remedy=f"chmod 600 {file}",
                )
            return stream.readline().strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(
            f"cannot be read ({getattr(problem, 'strerror', None) or 'no text'})",
            where=str(file),
            remedy="write the address of the database into it, then chmod 600",
        ) from problem
