"""Equivalent states: against counts by hand, and a calculator that knows nothing of symmetry."""

from __future__ import annotations

import time

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dualion.records import EngineStamp, Geometry, Relaxed, as_vectors
from dualion.structures.equivalence import EXACT, Equivalents, carry_over, relate

STAMP = EngineStamp(engine="emt", code="ase", version="0")


def rocksalt(n=2):
    return Geometry.from_atoms(bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(n))


def copper(n=3):
    """Copper in a cubic cell turned out of the axes, so that no axis is special by accident."""
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True).repeat(n)
    atoms.rotate(37.0, (1, 2, 3), rotate_cell=True)
    return Geometry.from_atoms(atoms)


def jumbled(geometry, width=0.2, seed=1):
    noise = np.random.default_rng(seed).normal(0.0, width, (len(geometry), 3))
    return geometry.moved(geometry.xyz + noise)


def state_of(host, *, vacant=None, dopants=(), added=None):
    """Vacate a site, put dopants on others, and add an ion between them."""
    species = dict(dopants)
    kept = [k for k in range(len(host)) if k != vacant]
    symbols = [species.get(k, host.species[k]) for k in kept]
    places = [host.positions[k] for k in kept]
    if added is not None:
        symbols.append(added[0])
        places.append(as_vectors([added[1]])[0])
    return Geometry(lattice=host.lattice, species=tuple(symbols), positions=tuple(places))


def relaxed(geometry, **fields):
    values = {
        "geometry": geometry,
        "energy": -3.5,
        "max_force": 0.011,
        "converged": True,
        "force_calls": 17,
        "charge": 1,
        "stamp": STAMP,
        "start_energy": -3.1,
    }
    return Relaxed(**(values | fields))


def emt(geometry):
    atoms = geometry.atoms()
    atoms.calc = EMT()
    return atoms.get_potential_energy(), atoms.get_forces()


def distinct(host, states):
    equivalents = Equivalents(host)
    return {equivalents.representative(state)[0].digest(6) for state in states}


def test_all_vacancies_of_one_orbit_are_one_and_two_orbits_are_two():
    host = rocksalt()
    sodium = [k for k, s in enumerate(host.species) if s == "Na"]
    chlorine = [k for k, s in enumerate(host.species) if s == "Cl"]
    assert len(distinct(host, [state_of(host, vacant=k) for k in sodium])) == 1
    assert len(distinct(host, [state_of(host, vacant=k) for k in sodium + chlorine])) == 2


def test_a_dopant_beside_a_vacancy_is_told_apart_by_its_shell_alone():
    host = copper()
    apart = host.atoms().get_distances(0, range(len(host)), mic=True)
    states = [state_of(host, vacant=0, dopants={k: "Ag"}) for k in range(1, len(host))]
    states += [state_of(host, vacant=5, dopants={k: "Ag"}) for k in (0, 1, 2)]
    # In a 3x3x3 cubic cell the shells of fcc up to half the cell have a length each; the
    # shell of two lengths, (3 3 0)/2 and (4 1 1)/2, is split by the cell's own periods.
    lengths = {round(float(d), 3) for d in apart[1:]}
    found = distinct(host, states)
    assert len(lengths) <= len(found) <= len(lengths) + 2


def test_the_representative_is_the_same_whatever_is_asked_for_and_one_of_the_hosts_states():
    host = rocksalt()
    sodium = [k for k, s in enumerate(host.species) if s == "Na"]
    first = state_of(host, vacant=sodium[0])
    for k in reversed(sodium):
        representative, equivalence = Equivalents(host).representative(state_of(host, vacant=k))
        assert representative == first
        assert (equivalence is None) == (k == sodium[0])


def test_a_host_without_symmetry_shares_nothing():
    host = jumbled(rocksalt())
    states = [state_of(host, vacant=k) for k in range(8)]
    equivalents = Equivalents(host)
    assert all(equivalents.representative(s) == (s, None) for s in states)


def test_a_host_that_misses_its_symmetry_by_more_than_the_tolerance_shares_nothing():
    host = rocksalt()
    shaken = jumbled(host, width=2 * EXACT)
    assert len(distinct(shaken, [state_of(shaken, vacant=k) for k in range(8)])) == 8


def test_what_is_not_of_the_host_stands_for_itself():
    host = rocksalt()
    other = rocksalt(1)
    equivalents = Equivalents(host)
    assert equivalents.representative(other) == (other, None)
    moved = jumbled(host)
    assert equivalents.representative(moved) == (moved, None)
    assert equivalents.representative(host) == (host, None)


def test_octahedral_holes_of_copper_are_one_interstitial_and_tetrahedral_ones_another():
    host = Geometry.from_atoms(bulk("Cu", "fcc", a=3.6, cubic=True).repeat(2))
    octahedral = [np.array(p) * 3.6 for p in ([0.5, 0.5, 0.5], [1.5, 0, 0], [0, 0.5, 1.0])]
    tetrahedral = [np.array(p) * 3.6 for p in ([0.25] * 3, [0.75, 0.25, 1.25])]
    states = [state_of(host, added=("Ag", p)) for p in octahedral]
    assert len(distinct(host, states)) == 1
    states += [state_of(host, added=("Ag", p)) for p in tetrahedral]
    assert len(distinct(host, states)) == 2
    states += [state_of(host, added=("Cu", octahedral[0]))]
    assert len(distinct(host, states)) == 3


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 107),
    st.dictionaries(st.integers(0, 107), st.sampled_from(["Ag", "Au"]), max_size=4),
    st.integers(0, 10),
)
def test_a_relaxation_carried_over_is_the_relaxation_of_the_state(vacant, dopants, seed):
    host = copper()
    state = state_of(host, vacant=vacant, dopants=dopants)
    representative, equivalence = Equivalents(host).representative(state)
    if equivalence is None:
        return
    # Any displacement will do for a relaxed form: the energy must be the same to the last digits.
    found = relaxed(jumbled(representative, width=0.1, seed=seed))
    mine = carry_over(found, equivalence)
    assert mine.geometry.species == state.species
    assert mine.geometry.lattice == state.lattice
    energy, forces = emt(found.geometry)
    mine_energy, mine_forces = emt(mine.geometry)
    assert mine_energy == pytest.approx(energy, abs=1e-8)
    order = list(equivalence.order)
    np.testing.assert_allclose(
        np.linalg.norm(mine_forces[order], axis=1), np.linalg.norm(forces, axis=1), atol=1e-7
    )
    # Every atom is displaced from its own place by as much as the representative's is.
    np.testing.assert_allclose(
        np.linalg.norm(mine.geometry.xyz - state.xyz, axis=1)[order],
        np.linalg.norm(found.geometry.xyz - representative.xyz, axis=1),
        atol=1e-6,
    )


def test_a_relaxation_at_free_lattice_is_carried_over_with_its_lattice():
    host = copper(2)
    state = state_of(host, dopants={7: "Ag", 12: "Au"})
    representative, equivalence = Equivalents(host).representative(state)
    assert equivalence is not None
    strain = np.eye(3) + np.random.default_rng(2).normal(0.0, 0.02, (3, 3))
    strained = Geometry(
        lattice=as_vectors(representative.cell @ strain),
        species=representative.species,
        positions=as_vectors(representative.xyz @ strain),
    )
    found = relaxed(jumbled(strained, width=0.05))
    mine = carry_over(found, equivalence)
    assert mine.geometry.volume == pytest.approx(found.geometry.volume, rel=1e-10)
    assert mine.geometry.lattice != state.lattice
    np.testing.assert_allclose(mine.geometry.cell, state.cell, atol=0.8)
    assert emt(mine.geometry)[0] == pytest.approx(emt(found.geometry)[0], abs=1e-8)


def test_only_the_representative_counts_its_force_calls_and_all_else_is_kept():
    host = rocksalt()
    state = state_of(host, vacant=2)
    representative, equivalence = Equivalents(host).representative(state)
    assert equivalence is not None
    found = relaxed(representative, failure="the engine gave up", converged=False)
    mine = carry_over(found, equivalence)
    assert mine.force_calls == 0
    assert mine.geometry.digest(6) == state.digest(6)
    same = {"geometry", "force_calls"}
    assert mine.model_dump(exclude=same) == found.model_dump(exclude=same)


def test_two_states_are_not_related_by_an_operation_that_swaps_species_or_misses_atoms():
    host = rocksalt()
    one, two = state_of(host, vacant=0), state_of(host, vacant=2)
    shift = (host.fractional[2] - host.fractional[0],)
    identity = np.eye(3, dtype=np.int64)
    assert relate(one, two, identity, shift[0]) is not None
    assert relate(one, two, identity, np.zeros(3)) is None
    assert relate(one, two, identity, shift[0] + 0.02) is not None  # a mere origin
    assert relate(one, state_of(host, vacant=1), identity, shift[0]) is None
    tilted = Rotation.from_rotvec([0.0, 0.0, 0.1]).as_matrix()
    stretched = host.model_copy(update={"lattice": as_vectors(host.cell @ tilted)})
    assert relate(one, state_of(stretched, vacant=2), identity, shift[0]) is None


def test_the_same_question_gives_the_same_equivalence():
    host = rocksalt()
    state = state_of(host, vacant=6, dopants={0: "K", 9: "Br"})
    assert Equivalents(host).representative(state) == Equivalents(host).representative(state)


def test_many_states_of_a_large_host_take_seconds():
    host = rocksalt(5)
    began = time.process_time()
    equivalents = Equivalents(host)
    states = [state_of(host, vacant=k, dopants={k + 2: "K"}) for k in range(0, 80, 2)]
    states += [state_of(host, dopants=dict.fromkeys(range(0, 300, 2), "K"))]
    for state in states:
        equivalents.representative(state)
    assert time.process_time() - began < 20.0


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(range(32)), st.integers(0, 31), st.integers(0, 10))
def test_an_interstitial_beside_a_dopant_is_carried_over_as_well(hole, dopant, seed):
    host = Geometry.from_atoms(bulk("Cu", "fcc", a=3.6, cubic=True).repeat(2))
    place = host.xyz[hole] + [1.8, 0.0, 0.0]
    state = state_of(host, dopants={dopant: "Au"}, added=("Ag", place))
    representative, equivalence = Equivalents(host).representative(state)
    if equivalence is None:
        return
    found = relaxed(jumbled(representative, width=0.1, seed=seed))
    mine = carry_over(found, equivalence)
    assert mine.geometry.species == state.species
    assert emt(mine.geometry)[0] == pytest.approx(emt(found.geometry)[0], abs=1e-8)
    assert np.linalg.norm(mine.geometry.xyz - state.xyz, axis=1).max() < 1.0
