"""The five monovalent cations that dualion compares."""

from __future__ import annotations

from functools import cache

from pydantic import Field

from dualion.errors import CationError
from dualion.records import Record

CATIONS = ("Li", "Na", "K", "Cu", "Ag")
"""Symbols of the cations a pair may be made of."""


def rank(ion: str) -> tuple[int, str]:
    """Return a key that sorts ions as :data:`CATIONS` has them; others follow by name."""
    return (CATIONS.index(ion) if ion in CATIONS else len(CATIONS), ion)


class Cation(Record):
    """A monovalent working ion."""

    symbol: str
    charge: int = Field(1, description="In elementary charges.")
    radius: float = Field(description="Six-fold Shannon ionic radius, in Å.")
    electronegativity: float = Field(description="On Pauling's scale.")


@cache
def cation(symbol: str) -> Cation:
    """Look up a cation.

    Radii are those of Shannon (doi 10.1107/S0567739476001551) for M⁺ in six-fold
    coordination, as tabulated by pymatgen.

    Parameters
    ----------
    symbol
        Chemical symbol, one of :data:`CATIONS`.

    Raises
    ------
    CationError
        If the symbol is none of the five.
    """
    if symbol not in CATIONS:
        raise CationError(
            f"no cation {symbol!r}", remedy=f"name one of {', '.join(CATIONS)} (symbol, no charge)"
        )
    from pymatgen.core import Element, Species

    return Cation(
        symbol=symbol,
        radius=float(Species(symbol, 1).get_shannon_radius("VI")),
        electronegativity=float(Element(symbol).X),
    )


def check_pair(a: str, b: str) -> tuple[Cation, Cation]:
    """Return both cations of a pair.

    Raises
    ------
    CationError
        If one of them is unknown, or both are the same.
    """
    pair = cation(a), cation(b)
    if a == b:
        others = ", ".join(symbol for symbol in CATIONS if symbol != a)
        raise CationError(
            f"the pair ({a}, {b}) names one cation twice", remedy=f"pair {a} with one of {others}"
        )
    return pair
