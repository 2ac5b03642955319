"""The parameters against the theory they were made with, and the terms against numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dualion.analysis.softbv import (
    BONDS,
    COULOMB,
    attraction,
    bond_valence,
    quantum_number,
    repulsion,
)
from dualion.structures.cations import CATIONS

SHELL = {"N": 2, "O": 2, "F": 2, "S": 3, "Cl": 3, "Se": 4, "Br": 4, "Te": 5, "I": 5}
PAIRS = [(ion, anion, charge) for ion in CATIONS for anion, charge in BONDS[ion]]


def test_all_five_cations_have_parameters_with_the_anions_of_interest():
    wanted = {("O", -2), ("S", -2), ("Se", -2), ("F", -1), ("Cl", -1), ("Br", -1), ("I", -1)}
    assert {ion: wanted - set(BONDS[ion]) for ion in CATIONS} == {
        "Li": set(), "Na": set(), "K": set(), "Ag": set(), "Cu": {("F", -1)},
    }  # fmt: skip


@pytest.mark.parametrize(("ion", "anion", "charge"), PAIRS)
def test_the_depth_follows_from_the_other_parameters(ion, anion, charge):
    # doi 10.1002/pssa.201001116: D0 = (b²/2) k V_A V_X / (r_min sqrt(n_A n_X)) for cations of the s
    # and p blocks; cations with a d shell take c (V_A V_X)^(1/c) with c = 2, times the root of 2.
    bond = BONDS[ion][anion, charge]
    shells = np.sqrt(quantum_number(_number(ion)) * SHELL[anion])
    strength = -charge if ion in {"Li", "Na", "K"} else 2.0 * np.sqrt(-2.0 * charge)
    expected = 0.5 / bond.alpha**2 * COULOMB * strength / (bond.r_min * shells)
    assert bond.d0 == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("ion", "anion", "charge"), PAIRS)
def test_larger_ions_have_longer_bonds_and_each_is_lowest_at_r_min(ion, anion, charge):
    bond = BONDS[ion][anion, charge]
    around = bond.r_min + np.array([-1e-3, 0.0, 1e-3])
    low, lowest, high = attraction(around, bond)
    assert lowest == pytest.approx(-0.5 * bond.d0)
    assert min(low, high) > lowest
    assert bond.r0 < bond.r_min


@pytest.mark.parametrize("anion", [("O", -2), ("S", -2), ("Cl", -1), ("I", -1)])
def test_alkali_bonds_grow_with_the_radius_of_the_ion(anion):
    lengths = [BONDS[ion][anion].r_min for ion in ("Li", "Na", "K")]
    assert lengths == sorted(lengths)


def test_a_bond_of_length_r0_has_valence_one_and_falls_by_e_within_b():
    bond = BONDS["Na"]["Cl", -1]
    one, less = bond_valence(np.array([bond.r0, bond.r0 + 1.0 / bond.alpha]), bond)
    assert one == pytest.approx(1.0)
    assert less == pytest.approx(np.exp(-1.0))


def test_two_cations_repel_by_the_screened_law_of_coulomb():
    # Li and P5+ at 2 Å by hand: 14.4 · 5 / sqrt(2 · 3) / 2 · erfc(2 / (0.74 · (1.28 + 1.07))).
    # erfc(1.1501) = 0.10385 (Abramowitz & Stegun, table 7.1, interpolated)
    (energy,) = repulsion(np.array([2.0]), 3, 15, 5.0)
    assert energy == pytest.approx(14.4 * 5.0 / 6.0**0.5 / 2.0 * 0.10385, rel=2e-3)
    assert repulsion(np.array([8.0]), 3, 15, 5.0)[0] < 1e-6


def _number(symbol: str) -> int:
    from ase.data import atomic_numbers

    return int(atomic_numbers[symbol])
