"""The address of a barrier store: a path, a MongoDB address, or a file that holds one.

An address may hold a password. It is read and shown here only, so that no message, table or
log can give the password away.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from dualion.errors import StoreError

# One slash as well: that is what a path makes of two.
_MONGO = re.compile(r"\s*(mongodb(?:\+srv)?):/+", re.IGNORECASE)
_PLACE = re.compile(
    r"(?:[\w.%-]+|\[[\da-fA-F:.%]+\])(?::\d+)?"  # a host, an IPv6 address, a socket
    r"(?:,(?:[\w.%-]+|\[[\da-fA-F:.%]+\])(?::\d+)?)*(?:/[\w.-]*)?"
)
_EXAMPLE = "mongodb://HOST:PORT/NAME"
_LONGEST = 8192


def is_mongo(address: Path | str) -> bool:
    """Whether an address names a MongoDB database."""
    return _MONGO.match(str(address)) is not None


def redacted(address: Path | str) -> str:
    """Return an address without user, password and options, for messages.

    Everything up to the last ``@`` is taken for user and password, since a password that was not
    escaped may hold any sign; options may hold keys, and are left out too. What is left is shown
    only if it looks like hosts and a database.

    Examples
    --------
    >>> redacted("mongodb://ana:p@ss/w@db.lab:27017/barriers?tls=true")
    'mongodb://db.lab:27017/barriers'
    """
    text = str(address).strip()
    found = _MONGO.match(text)
    if found is None:
        return text
    place = text[found.end() :].rpartition("@")[2]
    place = place.partition("?")[0]
    return f"{found[1].lower()}://{place if _PLACE.fullmatch(place) else '...'}"


def has_password(address: Path | str) -> bool:
    """Whether an address carries a password in itself."""
    text = str(address)
    found = _MONGO.match(text)
    return found is not None and ":" in text[found.end() :].rpartition("@")[0]


def resolve(address: Path | str) -> Path | str:
    """Turn what a person gave into a path or a MongoDB address.

    Parameters
    ----------
    address
        A path; a ``mongodb://`` or ``mongodb+srv://`` address; or ``@FILE``, where the first line
        of FILE is one of these. A path that begins with ``@`` is written ``./@…``.

    Returns
    -------
    Path or str
        A path, or a MongoDB address with its password, if it has one: not for printing.

    Raises
    ------
    StoreError
        If the file cannot be read, is empty, or is not the user's own and private to them.
    """
    text = str(address).strip()
    if text.startswith("@"):
        file = Path(text[1:]).expanduser()
        text = _first_line(file)
        if not text or text.startswith("@"):
            raise StoreError(
                "holds no address in its first line",
                where=str(file),
                remedy=f"write a path or {_EXAMPLE} there",
            )
    found = _MONGO.match(text)
    if found is None:
        return Path(text) if text != str(address).strip() else Path(address)
    return f"{found[1].lower()}://{text[found.end() :]}"


def _first_line(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as stream:
            # Of the open file: another one may be put in its place meanwhile.
            status = os.fstat(stream.fileno())
            _check_private(status, file)
            return stream.readline(_LONGEST).strip()
    except OSError as error:
        raise StoreError(
            f"cannot be read ({(error.strerror or type(error).__name__).lower()})",
            where=str(file),
            remedy="write the address of the store into it, then chmod 600",
        ) from error
    except UnicodeDecodeError:
        # Not chained: the error holds what was read.
        raise StoreError("is no text", where=str(file), remedy="write an address there") from None


def _check_private(status: os.stat_result, file: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise StoreError("is not a file", where=str(file), remedy="name a file")
    if status.st_uid != os.geteuid():
        raise StoreError(
            f"belongs to another user (uid {status.st_uid})",
            where=str(file),
            remedy="use a file of your own: it says where results are written",
        )
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StoreError(
            f"others may read or change it (mode {stat.S_IMODE(status.st_mode):04o})",
            where=str(file),
            remedy=f"chmod 600 {file}",
        )
