"""Where the address of the database comes from: never from a command line or a shared file."""

from __future__ import annotations

import os
from pathlib import Path

from dualion.errors import InputError, StoreError
from dualion.store.address import resolve


def database_address(source: str) -> str:
    """Read the address of the database.

    Parameters
    ----------
    source
        ``env:NAME`` or ``@FILE``. The variable holds the address or again ``@FILE``; the file's
        first line is the address.

    Returns
    -------
    str
        A ``mongodb://`` address, with its password if it has one: not for printing.

    Raises
    ------
    InputError
        If the variable is not set or holds no such address, or others may read the file.
    """
    where, text = source.removeprefix("@"), source
    if source.startswith("env:"):
        name = source.removeprefix("env:")
        where, text = f"environment variable {name}", os.environ.get(name, "")
        if not text:
            raise InputError(
                "is not set",
                where=where,
                remedy="set it to mongodb://..., or to @FILE with the address in a file that"
                " only you can read",
            )
    try:
        address = resolve(text)
    except StoreError as problem:
        raise InputError(problem.what, where=problem.where, remedy=problem.remedy) from problem
    if isinstance(address, Path):
        raise InputError(
            "does not hold the address of a database",
            where=where,
            remedy="write mongodb://USER:PASSWORD@HOST:PORT/NAME",
        )
    return address
