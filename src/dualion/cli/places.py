"""Where runs and the store lie, as the command line reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

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


def store_path(given: Path | None) -> Path:
    """Path of the barrier store: what was given, else ``DUALION_STORE``, else in the runs."""
    if given is not None:
        return given
    here = places()
    return here.store if here.store is not None else here.runs / STORE_NAME


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
