"""Charge conventions are told apart, and compared only when asked."""

from __future__ import annotations

import pytest

from dualion.analysis.conventions import (
    across_charges,
    conventions,
    of_charge,
    require_one_convention,
)
from dualion.errors import InputError


@pytest.fixture
def both(make_record):
    """A DFT engine at both charges; the other engine knows none."""
    made = []
    for charge, forwards in ((0, (0.83, 0.90)), (-1, (0.44, 0.40))):
        for ion, forward in zip(("Li", "Cu"), forwards, strict=True):
            made.append(make_record(engine="dft", charge=charge, moving_ion=ion, forward=forward))
    made.append(make_record(engine="fast", forward=0.3))
    return made


def test_two_conventions_are_refused_with_both_and_the_flags(both):
    with pytest.raises(InputError) as caught:
        require_one_convention(both)
    text = str(caught.value)
    assert "2 charge conventions" in text
    assert "neutral cell (3 records: dft, fast)" in text
    assert "cell of charge −1 on a uniform background (2 records: dft)" in text
    assert "--charge 0 or --charge -1" in text
    assert "--across-charges" in text
    assert caught.value.exit_code == 2


def test_one_convention_is_no_trouble(both):
    for charge in (0, -1):
        require_one_convention(of_charge(both, charge))
    require_one_convention([])


def test_a_charge_that_is_not_there_is_named_with_those_that_are(both):
    assert [record.theory.charge for record in of_charge(both, -1)] == [-1, -1]
    with pytest.raises(InputError, match=r"no record of charge 1.*neutral cell"):
        of_charge(both, 1)
    assert of_charge([], 1) == []


def test_the_neutral_cells_come_first(both):
    assert list(conventions(reversed(both))) == [0, -1]


def test_across_charges_nothing_else_may_differ(both):
    (table,) = across_charges(both)
    assert (table.lower.charge, table.upper.charge) == (0, -1)
    assert table.lower.stamp == table.upper.stamp
    assert table.heads == ("dft, neutral", "dft, charge −1")
    assert [row.shift for row in table.rows] == [
        pytest.approx(0.44 - 0.83),
        pytest.approx(0.40 - 0.90),
    ]
    assert table.pairs[0].turned  # which ion is faster depends on the convention here
