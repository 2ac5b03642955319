"""Ordering against counts made by hand."""

from __future__ import annotations

import itertools
from math import comb

import numpy as np
import pytest
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Lattice, Structure

from dualion.errors import StructureError
from dualion.structures.check import check_structure
from dualion.structures.ordering import order
from dualion.structures.sublattice import multinomial, sublattices

FCC = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])


def fcc_alloy(share):
    return Structure(Lattice.cubic(3.8), [{"Cu": 1 - share, "Au": share}] * 4, FCC)


@pytest.fixture(scope="module")
def argyrodite():
    """Li6PS5Cl with Li half on 48h, the two halves of each site 1.8 Å apart."""
    return Structure.from_spacegroup(
        "F-43m",
        Lattice.cubic(9.859),
        [{"Li": 0.5}, "Cl", "S", "P", "S"],
        [
            [0.3148, 0.018, 0.6852],
            [0, 0, 0],
            [0.75, 0.75, 0.75],
            [0.5, 0, 0],
            [0.38053, 0.11947, 0.11947],
        ],
    )


@pytest.fixture(scope="module")
def ordered(argyrodite):
    return order(argyrodite, max_candidates=100)


def test_half_full_argyrodite_is_listed_whole_on_its_primitive_cell(ordered):
    # Twelve sites in six pairs: C(12, 6) arrangements, of which 2^6 fill each pair once.
    assert ordered.multiple == 1
    assert ordered.arrangements == comb(12, 6) == 924
    assert (ordered.tried, ordered.not_tried, ordered.complete) == (924, 0, True)
    assert ordered.overlapping == 924 - 2**6


def test_symmetry_classes_of_argyrodite_account_for_all_arrangements(ordered):
    # Burnside on 2^6 under the 24 operations of -43m gives 4 classes.
    weights = [candidate.weight for candidate in ordered.candidates]
    assert sum(weights) == 2**6
    assert sorted(weights) == [8, 8, 24, 24]


def test_argyrodite_candidates_are_neutral_and_sound(ordered):
    for candidate in ordered.candidates:
        structure = candidate.geometry.structure()
        assert structure.composition.reduced_formula == "Li6PS5Cl"
        codes = {p.code for p in check_structure(structure, "Li")}
        assert codes <= {"no-symmetry", "loose-symmetry"}
        lithium = structure.distance_matrix[:6, :6] + 9 * np.eye(6)
        assert lithium.min() > 2.2


def test_the_energy_is_the_ewald_energy_of_the_ordered_cell(ordered):
    for candidate in ordered.candidates:
        structure = candidate.geometry.structure()
        structure.add_oxidation_state_by_element({"Li": 1, "P": 5, "S": -2, "Cl": -1})
        assert candidate.energy == pytest.approx(
            EwaldSummation(structure).total_energy / len(structure), abs=2e-4
        )


def test_candidates_come_by_energy_and_respect_the_limit(argyrodite, ordered):
    energies = [candidate.energy for candidate in ordered.candidates]
    assert energies == pytest.approx(sorted(energies))
    best = order(argyrodite, max_candidates=1).candidates
    assert [c.energy for c in best] == pytest.approx(energies[:1])


def test_a_conventional_cell_gives_the_same_answer_as_the_primitive_one(argyrodite, ordered):
    again = order(argyrodite.get_primitive_structure(), max_candidates=100)
    assert [c.energy for c in again.candidates] == pytest.approx(
        [c.energy for c in ordered.candidates], abs=1e-4
    )


def test_a_search_cut_short_says_how_much_it_left_out(argyrodite):
    cut = order(argyrodite, max_tries=20, seed=3)
    assert 0 < cut.tried <= 20
    assert cut.not_tried == 924 - cut.tried
    assert not cut.complete


def test_a_search_cut_short_is_repeatable_and_finds_the_lowest(argyrodite, ordered):
    first, second = (order(argyrodite, max_tries=40, seed=5) for _ in range(2))
    assert first == second
    assert first.candidates[0].energy == pytest.approx(ordered.candidates[0].energy, abs=1e-5)


def test_a_huge_search_is_bounded():
    # 2 Na + 30 empty of 32 at once would be easy; 16 of 32 in an fcc cage is not.
    sites = [[x / 4, y / 4, z / 4] for x, y, z in itertools.product(range(4), repeat=3)]
    cation = [sum(round(4 * x) for x in site) % 2 == 0 for site in sites]
    species = [{"Na": 0.5, "K": 0.5} if c else "Cl" for c in cation]
    # A label of its own keeps spglib from reducing the cell.
    species[1] = "Br"
    found = order(Structure(Lattice.cubic(11.8), species, sites), max_tries=300, max_candidates=3)
    assert found.tried == 300
    assert found.not_tried == found.arrangements - 300
    assert len(found.candidates) == 3


@pytest.mark.parametrize(
    ("share", "multiple", "group", "weights"),
    [(0.5, 2, "P4/mmm", [2]), (0.25, 4, "Pm-3m", [4])],
)
def test_an_alloy_takes_the_smallest_cell_and_its_known_order(share, multiple, group, weights):
    # Two sites, one gold: C(2,1); four sites, one gold: C(4,1). All alike by translation.
    found = order(fcc_alloy(share))
    assert found.multiple == multiple
    assert found.arrangements == multiple
    assert [c.weight for c in found.candidates] == weights
    assert found.candidates[0].space_group == group
    assert found.candidates[0].energy is None


def test_antisite_and_vacancy_groups_multiply():
    # CsCl cell doubled by hand: each sublattice of two sites, one atom on each: 2 × 2.
    sites = [[0, 0, 0], [0, 0, 0.5], [0.5, 0.5, 0.25], [0.5, 0.5, 0.75]]
    species = [{"Cu": 0.5, "Ag": 0.5}] * 2 + [{"I": 0.5, "Br": 0.5}] * 2
    found = order(Structure(Lattice.tetragonal(4, 8), species, sites))
    assert found.arrangements == 4
    assert sum(c.weight for c in found.candidates) == 4
    assert found.formula.split() == ["Cu1", "Ag1", "I1", "Br1"]


@pytest.mark.parametrize(("index", "number"), [(1, 1), (2, 7), (3, 13), (4, 35), (6, 91)])
def test_supercells_of_a_lattice_are_counted_by_the_divisor_formula(index, number):
    # Sublattices of index n in three dimensions: sum over d | n of d σ(d)... OEIS A001001.
    found = set(sublattices(index))
    assert len(found) == number
    assert {round(np.linalg.det(np.array(m))) for m in found} == {index}


@pytest.mark.parametrize(("counts", "ways"), [((2, 2), 6), ((1, 2, 3), 60), ((0, 4), 1), ((), 1)])
def test_multinomials_are_those_of_a_textbook(counts, ways):
    assert multinomial(counts) == ways


def test_an_ordered_structure_has_nothing_to_order():
    with pytest.raises(StructureError, match="fully occupied"):
        order(Structure(Lattice.cubic(3.8), ["Cu"] * 4, FCC))


@pytest.mark.parametrize("edge", [1e-9, 0.5, 500.0])
def test_a_cell_in_another_unit_is_refused_before_anything_is_tried(edge):
    with pytest.raises(StructureError, match=r"give lengths in Å|check the lattice"):
        order(Structure(Lattice.cubic(edge), [{"Cu": 0.5, "Au": 0.5}] * 4, FCC))


def test_an_occupancy_that_fits_no_cell_names_the_nearest_that_do():
    with pytest.raises(StructureError, match=r"0\.441 .*keeping the formula neutral"):
        order(fcc_alloy(0.441), max_multiple=4)


def test_a_trace_is_not_rounded_away():
    with pytest.raises(StructureError, match=r"occupancy 0\.004 of Au"):
        order(fcc_alloy(0.004))


def test_a_rounded_third_counts_as_a_third():
    third = Structure(Lattice.cubic(3.8), [{"Cu": 0.667, "Au": 0.333}] * 4, FCC)
    assert order(third).multiple == 3


def test_sites_too_close_to_be_filled_as_asked_are_an_error():
    # Two pairs 0.6 Å apart hold three atoms: one pair is filled twice, in all of C(4, 3).
    split = Structure(
        Lattice.cubic(6),
        [{"Li": 0.75}, {"Li": 0.75}, "Cl"],
        [[0.05, 0, 0], [-0.05, 0, 0], [0.5, 0.5, 0.5]],
    )
    with pytest.raises(StructureError, match=r"overlap in every one of 4 arrangements"):
        order(split)


def test_a_smaller_minimum_distance_lets_close_sites_be_filled(argyrodite):
    loose = order(argyrodite, min_distance=0.5, max_candidates=1)
    assert loose.overlapping == 0
    assert loose.tried == 924


def test_oxidation_states_of_the_file_are_used():
    sites = [[0, 0, 0], [0, 0, 0.5], [0.5, 0.5, 0.25], [0.5, 0.5, 0.75], [0.5, 0, 0.25]]
    mixed = {"Fe2+": 0.5, "Fe3+": 0.5}
    crystal = Structure(Lattice.tetragonal(4, 8), [mixed, mixed, "O2-", "S2-", "F-"], sites)
    found = order(crystal)
    assert found.arrangements == 2
    crystal[0], crystal[1] = "Fe2+", "Fe3+"
    expected = EwaldSummation(crystal).total_energy / 5
    assert [c.energy for c in found.candidates] == pytest.approx([expected], abs=2e-4)
