"""Attempt frequencies whose values are known on paper."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import constants

from dualion.analysis.vibration import frequencies, vineyard
from dualion.errors import InputError

MASS = np.full(3, 63.546)


def test_a_spring_has_the_frequency_of_the_textbook():
    # 10 eV/Å² and 63.546 u in SI, by hand.
    spring = 10.0 * 1.602176634e-19 / 1e-20
    by_hand = np.sqrt(spring / (63.546 * 1.66053906660e-27)) / (2.0 * np.pi)
    assert frequencies(np.diag([10.0, 10.0, 10.0]), MASS) == pytest.approx([by_hand] * 3, rel=1e-8)


def test_an_imaginary_frequency_is_negative():
    modes = frequencies(np.diag([-2.0, 8.0, 18.0]), MASS)
    assert modes[0] < 0.0
    assert modes[1:] / -modes[0] == pytest.approx([2.0, 3.0])


def test_modes_that_do_not_change_leave_the_one_along_the_hop():
    site, saddle = np.diag([4.0, 9.0, 9.0]), np.diag([-1.0, 9.0, 9.0])
    found = vineyard(site, saddle, np.diag([16.0, 9.0, 9.0]), MASS)
    along = np.sqrt(4.0 * constants.e / constants.angstrom**2 / (63.546 * constants.atomic_mass))
    assert found.forward == pytest.approx(along / (2.0 * np.pi), rel=1e-12)
    assert found.reverse == pytest.approx(2.0 * found.forward, rel=1e-12)


def test_the_axes_do_not_matter():
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    site, saddle = np.diag([4.0, 5.0, 9.0]), np.diag([-1.0, 2.0, 3.0])
    plain = vineyard(site, saddle, site, MASS)
    turned = vineyard(turn @ site @ turn.T, turn @ saddle @ turn.T, turn @ site @ turn.T, MASS)
    assert turned.forward == pytest.approx(plain.forward, rel=1e-12)


def test_a_lighter_ion_tries_more_often():
    site, saddle = np.diag([4.0, 5.0, 9.0]), np.diag([-1.0, 2.0, 3.0])
    light, heavy = (vineyard(site, saddle, site, np.full(3, mass)) for mass in (7.0, 63.0))
    assert light.forward / heavy.forward == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("site", "saddle", "told"),
    [
        ((-1.0, 5.0, 5.0), (-1.0, 5.0, 5.0), "initial site"),
        ((1.0, 5.0, 5.0), (1.0, 5.0, 5.0), "not one negative"),
        ((1.0, 5.0, 5.0), (-1.0, -2.0, 5.0), "not one negative"),
    ],
)
def test_what_is_no_site_and_no_saddle_is_told(site, saddle, told):
    with pytest.raises(InputError, match=told):
        vineyard(np.diag(site), np.diag(saddle), np.diag(site), MASS)
