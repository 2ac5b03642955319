"""Temperatures on the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from dualion.errors import InputError

ROOM = 300.0
HOT = 5000.0

TemperatureOption = Annotated[
    list[float] | None, typer.Option("--temperature", help="In K; may be given again.")
]


def kelvins(given: list[float] | None) -> tuple[float, ...]:
    """Return the temperatures asked for, in K; none: 300 K.

    Raises
    ------
    InputError
        If one is none of a solid.
    """
    found = tuple(given or [ROOM])
    for each in found:
        if not 0.0 < each <= HOT:
            raise InputError(
                f"{each} K is no temperature of a solid",
                where="--temperature",
                remedy=f"give one above 0 and up to {HOT:.0f} K",
            )
    return found
