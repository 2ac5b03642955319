"""Shannon radii of ions at the coordination they have, and Pauling's electronegativities."""

from __future__ import annotations

from functools import cache

from pydantic import Field

from dualion.errors import InputError
from dualion.records import Record

_ROMAN = {
    name: number
    for number, name in enumerate(
        ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV"),
        start=1,
    )
}


class IonRadius(Record):
    """A Shannon radius, and which one it is."""

    symbol: str
    charge: int = Field(description="In elementary charges.")
    coordination: int = Field(description="That the tabulated radius is of.")
    radius: float = Field(description="Ionic radius, in Å.")


@cache
def ion_radius(symbol: str, charge: int, coordination: int = 6) -> IonRadius:
    """Look up the ionic radius of the tabulated coordination nearest to one.

    Radii are Shannon's (doi 10.1107/S0567739476001551) as tabulated by pymatgen; square planar
    and pyramidal entries are left out. Of two coordinations equally near the larger is taken.

    Parameters
    ----------
    symbol
        Chemical symbol.
    charge
        In elementary charges.
    coordination
        Number of neighbours.

    Raises
    ------
    InputError
        If Shannon gives none for this charge.
    """
    from pymatgen.core import Element

    table = Element(symbol).data.get("Shannon radii") if Element.is_valid_symbol(symbol) else None
    rows = {} if not isinstance(table, dict) else table.get(str(charge), {})
    known = {_ROMAN[name]: states for name, states in rows.items() if name in _ROMAN}
    if not known:
        raise InputError(
            f"no Shannon radius of {symbol} with charge {charge:+d}",
            where="ionic radius",
            remedy="radii are known for Li+, Na+, K+, Cu+, Ag+ and the usual monatomic anions",
        )
    nearest = min(known, key=lambda number: (abs(number - coordination), -number))
    states = known[nearest]
    # Anions and d10 cations have one spin state; pymatgen files it under ''.
    state = states[""] if "" in states else next(iter(states.values()))
    return IonRadius(
        symbol=symbol,
        charge=charge,
        coordination=nearest,
        radius=float(state["ionic_radius"]),
    )


@cache
def anion_radius(symbol: str) -> float | None:
    """Six-fold Shannon radius of an anion in its usual charge, in Å; None: Shannon has none."""
    from pymatgen.core import Element

    negative = [int(state) for state in Element(symbol).common_oxidation_states if state < 0]
    for charge in sorted(negative):
        try:
            return ion_radius(symbol, charge).radius
        except InputError:
            continue
    return None


@cache
def electronegativity(symbol: str) -> float:
    """Electronegativity of an element on Pauling's scale, as tabulated by pymatgen."""
    from pymatgen.core import Element

    return float(Element(symbol).X)
