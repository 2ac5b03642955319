"""Where runs and the store lie, as the command line reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dualion.errors import InputError

if TYPE_CHECKING:
    from dualion.settings import Places

STORE_NAME = "barriers.sqlite"


def places() -> Places:
    """Read the places from the environment.

    Raises
    ------
    InputError
        If a ``DUALION_…`` variable has no valid value.
    """
    from pydantic import ValidationError

    from dualion.settings import Places

    try:
        return Places()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"DUALION_{first['loc'][0]}".upper()
        raise InputError(
            f"{first['msg'].lower()} (it is {first['input']!r})",
            where=f"environment variable {name}",
            remedy="set it to a valid value, or unset it",
        ) from error


def store_address(given: str | None, *, runs: Path | None = None) -> Path | str:
    """Address of the barrier store: what was given, else ``DUALION_STORE``, else in the runs.

    Parameters
    ----------
    given
        What stood on the command line: a path, a ``mongodb://`` address or ``@FILE``. With a
        password in it, a warning is written to stderr.
    runs
        Folder of runs; None: that of the environment.

    Returns
    -------
    Path or str
        For :func:`~dualion.store.opening.open_store`; may hold a password.
    """
    if given is not None:
        from dualion.store.address import has_password

        if has_password(given):
            typer.echo(
                "warning: a password on the command line can be read by all users of this machine "
                "(ps) and stays in the shell's history: put the address into a file with mode 0600 "
                "and give @FILE, or set DUALION_STORE",
                err=True,
            )
        return given
    here = places()
    if here.store is not None:
        return here.store
    return (runs if runs is not None else here.runs) / STORE_NAME


def check_places() -> None:
    """Refuse a ``DUALION_…`` variable without a valid value, before any verb reads it.

    Raises
    ------
    InputError
        As :func:`places`.
    """
    # Reading settings costs a quarter of a second: only where there is something to read.
    if any(name.upper().startswith("DUALION_") for name in os.environ):
        places()
