"""The other methods, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import plain

if TYPE_CHECKING:
    from hosts import Start

IMAGES = 5
"""Of atomate2's band; it has no default for them."""

CANDIDATES = ("ase-lbfgs", "ase-ode")
"""Tried on the tune half only; the best of them joins the table, see ``summary.best_candidate``."""


def method_named(name: str) -> Callable[[Start], dict[str, Any]]:
    """Return what runs a method on one hop.

    Raises
    ------
    ModuleNotFoundError
        If its package is not installed.
    """
    if name == "atomate2":
        import atomate  # noqa: PLC0415 - needs atomate2, which others do without

        return atomate.band
    if name == "sella":
        if find_spec("sella") is None:
            raise ModuleNotFoundError("sella is not installed")
        return plain.sella
    return partial(plain.band, protocol=plain.PROTOCOLS[name])
