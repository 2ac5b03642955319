from __future__ import annotations

import pytest

from dualion.errors import CationError
from dualion.structures.cations import CATIONS, cation, check_pair

# Shannon, Acta Cryst. A32, 751 (1976), coordination VI; electronegativities: CRC Handbook.
PRINTED = {
    "Li": (0.76, 0.98),
    "Na": (1.02, 0.93),
    "K": (1.38, 0.82),
    "Cu": (0.77, 1.90),
    "Ag": (1.15, 1.93),
}


@pytest.mark.parametrize("symbol", CATIONS)
def test_radius_and_electronegativity_are_the_printed_ones(symbol):
    found = cation(symbol)
    assert (found.symbol, found.charge) == (symbol, 1)
    assert (found.radius, found.electronegativity) == pytest.approx(PRINTED[symbol])


@pytest.mark.parametrize("symbol", ["Rb", "Li+", "li", "", "Mg", "Xx"])
def test_an_unknown_cation_is_an_error_that_names_the_five(symbol):
    with pytest.raises(CationError, match="Li, Na, K, Cu, Ag") as caught:
        cation(symbol)
    assert repr(symbol) in str(caught.value)


def test_a_pair_keeps_its_order():
    assert [ion.symbol for ion in check_pair("Cu", "Li")] == ["Cu", "Li"]


def test_a_pair_of_one_cation_is_an_error_that_names_the_others():
    with pytest.raises(CationError, match=r"\(Ag, Ag\) names one cation twice.*Li, Na, K, Cu"):
        check_pair("Ag", "Ag")
