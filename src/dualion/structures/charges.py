"""Oxidation states: whether a composition can be neutral, and with which charges."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from dualion.structures.cations import CATIONS

if TYPE_CHECKING:
    from pymatgen.core import Composition

# Sum of charges → (how unusual the states are, charge of each symbol).
_Sums = dict[float, tuple[int, dict[str, float]]]


def guess_charges(
    composition: Composition, working_ion: str | None = None
) -> dict[str, float] | None:
    """Assign one usual oxidation state to each element so that the cell is neutral.

    States are those that pymatgen lists as common or found in the ICSD. The most
    electronegative element is the anion; a working ion out of the five cations is +1; one
    transition metal or lanthanide may take a mean of two states (mixed valence). The work is
    bounded by the number of different sums, a few thousand at most.

    Parameters
    ----------
    composition
        Any composition of the elements; oxidation states in it are ignored.
    working_ion
        Symbol of the mobile ion, if known.

    Returns
    -------
    dict or None
        Charge of each symbol, in elementary charges; None if nothing is neutral.
    """
    amounts = composition.element_composition.get_el_amt_dict()
    symbols = sorted(amounts, key=_electronegativity)
    choices = {symbol: _choices(symbol, symbols[-1], working_ion) for symbol in symbols}
    sums: _Sums = {0.0: (0, {})}
    for symbol in symbols:
        sums = _grown(
            sums, symbol, amounts[symbol], choices[symbol], is_anion=symbol == symbols[-1]
        )
    if 0.0 in sums:
        return sums[0.0][1]
    return _mixed_valence(sums, amounts, choices)


def can_be_neutral(composition: Composition, working_ion: str | None = None) -> bool:
    """Whether known oxidation states, common or not, mixed at will, can sum to zero."""
    low = high = 0.0
    for symbol, amount in composition.element_composition.get_el_amt_dict().items():
        states = _states(symbol, every=True)
        if symbol == working_ion and symbol in CATIONS:
            states = (1,)
        low, high = low + min(states) * amount, high + max(states) * amount
    return low <= 0.0 <= high


def _electronegativity(symbol: str) -> float:
    from pymatgen.core import Element

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noble gases have none, and pymatgen says so
        value = float(Element(symbol).X)
    return 0.0 if np.isnan(value) else value


def _states(symbol: str, *, every: bool) -> tuple[int, ...]:
    from pymatgen.core import Element

    element = Element(symbol)
    states = {*element.common_oxidation_states, *element.icsd_oxidation_states}
    if every:
        states |= {*element.oxidation_states}
    return tuple(sorted(int(state) for state in states if state)) or (0,)


def _choices(symbol: str, anion: str, working_ion: str | None) -> tuple[int, ...]:
    states = _states(symbol, every=False)
    if symbol == anion:
        return tuple(state for state in states if state < 0)[:1] or (0,)
    return (1,) if symbol == working_ion and symbol in CATIONS else states


def _grown(
    sums: _Sums, symbol: str, amount: float, states: tuple[int, ...], *, is_anion: bool
) -> _Sums:
    """Add one element to all sums, keeping the most usual assignment of each."""
    from pymatgen.core import Element

    common = set(Element(symbol).common_oxidation_states)
    grown: _Sums = {}
    for total, (cost, charges) in sums.items():
        for state in states:
            key = round(total + state * amount, 6)
            unusual = cost + (state not in common) + (state < 0 and not is_anion)
            if key not in grown or unusual < grown[key][0]:
                grown[key] = (unusual, {**charges, symbol: float(state)})
    return grown


def _mixed_valence(
    sums: _Sums, amounts: dict[str, float], choices: dict[str, tuple[int, ...]]
) -> dict[str, float] | None:
    """Let one metal of several valences take the mean that makes the cell neutral."""
    from pymatgen.core import Element

    found: list[tuple[int, dict[str, float]]] = []
    for symbol, states in choices.items():
        if not (Element(symbol).is_transition_metal or Element(symbol).is_lanthanoid):
            continue
        for total, (cost, charges) in sums.items():
            mean = charges[symbol] - total / amounts[symbol]
            if any(low < mean < high for low, high in pairwise(states)):
                found.append((cost, {**charges, symbol: mean}))
    return min(found, key=lambda item: item[0])[1] if found else None
