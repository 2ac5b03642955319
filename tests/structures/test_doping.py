"""Doping: against hand counts, enumeration, and symmetry."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from dualion.errors import CationError, InputError, StructureError
from dualion.records import Geometry, Supercell
from dualion.structures.doping import arrangements, doped_geometry


def cell_of(atoms):
    geometry = Geometry.from_atoms(atoms)
    n = len(geometry)
    return Supercell(
        matrix=((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        geometry=geometry,
        parent_index=tuple(range(n)),
        parent_image=((0, 0, 0),) * n,
        min_image_distance=5.0,
    )


def rocksalt(repeat=1):
    return cell_of(bulk("LiCl", "rocksalt", a=5.14, cubic=True).repeat(repeat))


def choose(cell, kind, **options):
    return arrangements(cell, working_ion="Li", dopant="Cu", kind=kind, **options)


def lithium(cell):
    return [k for k, s in enumerate(cell.geometry.species) if s == "Li"]


def test_pure_and_full_and_one_mover_need_no_choice():
    cell = rocksalt()
    (pure,) = choose(cell, "pure").arrangements
    assert (pure.label, pure.fraction, pure.substitutions) == ("pure", 0.0, ())
    for kind in ("full", 1.0):
        (full,) = choose(cell, kind, exclude=(0,)).arrangements
        assert doped_geometry(cell.geometry, full).formula == "Cu4Cl4"
    (alone,) = choose(cell, "dilute", mover="Cu").arrangements
    assert (alone.label, alone.fraction, alone.substitutions) == ("dilute", 0.25, ())


def test_one_dopant_in_rocksalt_has_one_distinct_site():
    choice = choose(rocksalt(2), "dilute", count=10)
    assert len(choice.arrangements) == 1
    assert choice.arrangements[0].fraction == pytest.approx(1 / 32)


def test_dilute_dopants_are_ranked_by_the_shells_around_the_given_atom():
    # fcc sublattice, a = 5.14 Å, period 2a: neighbours at a·√(1/2), 1, √(3/2), √2, √3; the pairs at
    # √2 lie along (1,1,0) or, by the period, are its images; beyond: a·(1,1,1) with √3.
    cell = rocksalt(2)
    choice = choose(cell, "dilute", count=50, near=0, exclude=(0,))
    distances = [a.score for a in choice.arrangements]
    expected = 5.14 * np.sqrt([0.5, 1.0, 1.5, 2.0, 3.0])
    assert distances == pytest.approx(list(expected), abs=1e-6)
    assert [a.rank for a in choice.arrangements] == [0, 1, 2, 3, 4]
    assert choice.tried == 31


def test_fraction_gives_the_nearest_whole_number_of_dopants():
    cell = rocksalt(2)
    (chosen,) = choose(cell, 0.26, max_tries=20).arrangements
    assert len(chosen.substitutions) == 8
    assert chosen.fraction == 0.25
    assert chosen.label == "x=0.25 #1"
    assert doped_geometry(cell.geometry, chosen).formula == "Li24Cu8Cl32"


def test_every_arrangement_is_scored_when_there_are_few():
    choice = choose(rocksalt(), 0.5, count=10)
    assert (choice.tried, choice.not_tried) == (6, 0)
    # Any two of the four sites of the cubic cell are equivalent to any other two.
    assert len(choice.arrangements) == 1


def test_untried_arrangements_are_counted_exactly():
    choice = choose(rocksalt(2), 0.25, max_tries=30)
    assert choice.tried == 30
    assert choice.not_tried == math.comb(32, 8) - 30


def chain(n=8):
    """A ring of n sites 3 Å apart along x, far from its images in y and z."""
    positions = [[3.0 * k, 0.0, 0.0] for k in range(n)]
    from ase import Atoms

    return cell_of(Atoms("Li" * n, positions=positions, cell=[3.0 * n, 40.0, 41.0], pbc=True))


def chain_score(pattern):
    spins = np.where(pattern, 1.0, -1.0)
    target = spins.mean() ** 2
    return sum(abs((spins * np.roll(spins, s)).mean() - target) for s in (1, 2, 3, 4))


# Bracelets of eight beads, counted by Burnside's lemma.
@pytest.mark.parametrize(("dopants", "bracelets"), [(2, 4), (3, 5), (4, 8)])
def test_scores_of_a_ring_are_those_counted_by_hand(dopants, bracelets):
    n = 8
    patterns = [[k in c for k in range(n)] for c in itertools.combinations(range(n), dopants)]
    choice = choose(chain(n), dopants / n, count=100)
    assert choice.tried == len(patterns)
    for arrangement in choice.arrangements:
        doped = {s.atom for s in arrangement.substitutions}
        assert arrangement.score == pytest.approx(chain_score([k in doped for k in range(n)]))
    assert choice.arrangements[0].score == pytest.approx(min(chain_score(p) for p in patterns))
    assert len(choice.arrangements) == bracelets
    assert [a.score for a in choice.arrangements] == sorted(a.score for a in choice.arrangements)


def test_ordered_and_clustered_rings_rank_behind_random_like_ones():
    choice = choose(chain(8), 0.5, count=100)
    worst = {tuple(s.atom for s in a.substitutions) for a in choice.arrangements[-2:]}
    alternating = {(0, 2, 4, 6), (1, 3, 5, 7)}
    assert worst & alternating


def test_excluded_sites_stay_undoped_and_lower_the_symmetry():
    whole = choose(chain(8), 0.25, count=100)
    # Pairs on a ring of eight: distances 1 to 4.
    assert len(whole.arrangements) == 4
    held = choose(chain(8), 0.25, count=100, exclude=(0,))
    assert held.tried == math.comb(7, 2)
    # Pairs of the seven others, up to the mirror through site 0: (21 + 3 fixed) / 2.
    assert len(held.arrangements) == 12
    assert all(s.atom != 0 for a in held.arrangements for s in a.substitutions)


@settings(max_examples=10, deadline=None)
@given(
    fraction=st.floats(0.1, 0.9),
    seed=st.integers(0, 1000),
    excluded=st.sets(st.integers(0, 63), max_size=3),
)
def test_any_fraction_gives_valid_reproducible_distinct_arrangements(fraction, seed, excluded):
    cell = rocksalt(2)
    options = {"count": 3, "seed": seed, "max_tries": 12, "exclude": tuple(sorted(excluded))}
    choice = choose(cell, fraction, **options)
    assert choice == choose(cell, fraction, **options)
    sites = set(lithium(cell)) - excluded
    patterns = [frozenset(s.atom for s in a.substitutions) for a in choice.arrangements]
    assert len(set(patterns)) == len(patterns)
    for arrangement, pattern in zip(choice.arrangements, patterns, strict=True):
        assert pattern <= sites
        assert len(pattern) == len(arrangement.substitutions) == round(fraction * 32)
    assert [a.score for a in choice.arrangements] == sorted(a.score for a in choice.arrangements)


@pytest.mark.parametrize("fraction", [-0.1, 1.2, float("nan"), "half"])
def test_a_fraction_outside_zero_to_one_is_refused(fraction):
    with pytest.raises(InputError, match="neither 'pure', 'dilute', 'full' nor a fraction"):
        choose(rocksalt(), fraction)


def test_a_fraction_too_small_for_the_cell_names_the_smallest_possible_one():
    with pytest.raises(InputError, match=r"rounds to no ion: give at least 0\.25"):
        choose(rocksalt(), 0.1)


def test_too_few_free_sites_are_refused():
    cell = rocksalt()
    with pytest.raises(StructureError, match="3 dopants for 2 free sites"):
        choose(cell, 0.75, exclude=tuple(lithium(cell)[:2]))


def test_ions_that_make_no_sense_are_refused():
    cell = rocksalt()
    with pytest.raises(StructureError, match="no working ion Na in Li4Cl4"):
        arrangements(cell, working_ion="Na", dopant="Cu", kind="pure")
    with pytest.raises(InputError, match="both Li"):
        arrangements(cell, working_ion="Li", dopant="Li", kind="pure")
    with pytest.raises(CationError, match="'Xx'"):
        arrangements(cell, working_ion="Li", dopant="Xx", kind="pure")


def test_indices_and_numbers_out_of_range_are_refused():
    cell = rocksalt()
    with pytest.raises(InputError, match="no atom 8 in a supercell of 8"):
        choose(cell, 0.5, exclude=(8,))
    with pytest.raises(InputError, match="count is 0"):
        choose(cell, 0.5, count=0)
    (chosen,) = choose(rocksalt(2), "full").arrangements
    with pytest.raises(InputError, match="in a host of 8 atoms"):
        doped_geometry(cell.geometry, chosen)


def test_doping_leaves_positions_and_lattice_alone():
    cell = rocksalt(2)
    (chosen,) = choose(cell, 0.5, max_tries=5).arrangements
    doped = doped_geometry(cell.geometry, chosen)
    assert doped.positions == cell.geometry.positions
    assert doped.lattice == cell.geometry.lattice
