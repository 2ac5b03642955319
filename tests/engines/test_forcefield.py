"""The force field that is fitted while a campaign runs: what it must keep, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.calculators.emt import EMT
from ase.calculators.morse import MorsePotential
from hypothesis import given, settings
from hypothesis import strategies as st

from dualion.engines.forcefield import ForceField
from dualion.errors import EngineError

CU, AG, AU = 29, 47, 79


def alloy(seed, *, width=0.08):
    """A rattled cell of copper and gold."""
    atoms = make_supercell(bulk("Cu", a=3.7), 2 * np.eye(3, dtype=int))
    atoms.numbers[::3] = AU
    atoms.rattle(width, seed=seed)
    return atoms


def ask(field, atoms):
    return field(atoms.numbers, atoms.positions, atoms.cell.array, stress=False)


def teach(field, atoms, calculator):
    atoms.calc = calculator
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    field.learn(atoms.numbers, atoms.positions, atoms.cell.array, energy, forces)
    return energy, forces


@pytest.fixture(scope="module")
def taught():
    """A field of copper, gold, and silver that stands for gold until more is known."""
    field = ForceField({CU, AU, AG}, {AG: AU})
    for seed in range(3):
        teach(field, alloy(seed), EMT())
    mixed = alloy(3)
    mixed.numbers[0] = AG
    teach(field, mixed, EMT())
    return field


def mixed(seed):
    atoms = alloy(seed, width=0.15)
    atoms.numbers[0] = AG
    return atoms


@given(seed=st.integers(10, 10_000))
@settings(max_examples=15, deadline=None)
def test_forces_are_minus_the_gradient(taught, seed):
    atoms = mixed(seed)
    step = np.random.default_rng(seed).normal(size=(len(atoms), 3))
    ways = []
    for sign in (1.0, -1.0):
        moved = atoms.copy()
        moved.positions += sign * 1e-4 * step
        ways.append(ask(taught, moved).energy)
    slope = -float((ask(taught, atoms).forces * step).sum())
    assert (ways[0] - ways[1]) / 2e-4 == pytest.approx(slope, rel=1e-4, abs=1e-4)


@given(seed=st.integers(10, 10_000))
@settings(max_examples=10, deadline=None)
def test_nothing_depends_on_how_the_crystal_is_written_down(taught, seed):
    atoms = mixed(seed)
    first = ask(taught, atoms)
    random = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    order = random.permutation(len(atoms))
    other = atoms[order]
    other.set_cell(atoms.cell.array @ turn.T)
    cells = random.integers(-1, 2, (len(atoms), 3))
    places = atoms.positions[order] @ turn.T + random.normal(size=3)
    other.positions = places + cells @ other.cell.array
    second = ask(taught, other)
    assert second.energy == pytest.approx(first.energy, abs=1e-8)
    assert second.forces == pytest.approx(first.forces[order] @ turn.T, abs=1e-8)


def test_a_repeated_cell_has_so_many_times_the_energy(taught):
    atoms = mixed(5)
    once, twice = ask(taught, atoms), ask(taught, atoms.repeat((2, 1, 1)))
    assert twice.energy == pytest.approx(2.0 * once.energy, abs=1e-8)
    assert twice.forces == pytest.approx(np.tile(once.forces, (2, 1)), abs=1e-8)


def test_neighbours_found_for_one_configuration_hold_for_those_near_it(taught):
    atoms = mixed(6)
    ask(taught, atoms)
    moved = atoms.copy()
    moved.positions += np.random.default_rng(0).uniform(-0.25, 0.25, (len(atoms), 3))
    near = ask(taught, moved)
    far = atoms.copy()
    far.positions[3] += [2.5, 0.3, 0.0]
    again = ask(taught, far)
    afresh = taught.__class__.__new__(taught.__class__)
    afresh.__dict__ |= taught.__dict__ | {"_neighbours": {}}
    assert ask(afresh, moved).forces == pytest.approx(near.forces, abs=1e-9)
    afresh.__dict__ |= {"_neighbours": {}}
    assert ask(afresh, far).forces == pytest.approx(again.forces, abs=1e-9)


def test_before_anything_is_learnt_nothing_is_felt():
    found = ask(ForceField({CU, AU}), alloy(0))
    assert found.energy == 0.0
    assert not found.forces.any()


@pytest.mark.parametrize(
    ("calculator", "share"),
    [(MorsePotential(epsilon=0.343, r0=2.7, rho0=3.9), 0.05), (EMT(), 0.1)],
    ids=["pairs", "many bodies"],
)
def test_a_few_configurations_teach_it_the_forces_of_others(calculator, share):
    field = ForceField({CU, AU})
    shown = [teach(field, alloy(seed), calculator) for seed in range(6)]
    for seed in range(20, 24):
        atoms = alloy(seed)
        atoms.calc = calculator
        found, truth = ask(field, atoms), atoms.get_forces()
        assert np.std(found.forces - truth) < share * np.std(truth)
        # Energies count from the first configuration that was shown.
        gone = atoms.get_potential_energy() - shown[0][0]
        first = ask(field, alloy(0)).energy
        assert found.energy - first == pytest.approx(gone, abs=0.05 * abs(gone) + 0.03)


def test_it_learns_of_a_vacancy_what_the_whole_crystal_did_not_show():
    field = ForceField({CU, AU})
    for seed in range(4):
        teach(field, alloy(seed, width=0.05), EMT())
    hole = alloy(4, width=0.02)
    del hole[1]
    hole.calc = EMT()
    truth = hole.get_forces()
    before = np.std(ask(field, hole).forces - truth)
    teach(field, hole, EMT())
    again = alloy(5, width=0.02)
    del again[1]
    again.calc = EMT()
    after = np.std(ask(field, again).forces - again.get_forces())
    assert before < 0.7 * np.std(truth)  # it is not without an idea
    assert after < before


def test_an_element_that_stands_in_for_another_feels_like_it():
    like, unlike = ForceField({CU, AU, AG}, {AG: AU}), ForceField({CU, AU, AG})
    for seed in range(3):
        for field in (like, unlike):
            teach(field, alloy(seed), EMT())
    atoms = alloy(9)
    silver = atoms.copy()
    silver.numbers[atoms.numbers == AU] = AG
    assert ask(like, silver).forces == pytest.approx(ask(like, atoms).forces, abs=1e-8)
    at = np.flatnonzero(silver.numbers == AG)
    assert np.abs(ask(unlike, silver).forces[at]).max() < np.abs(ask(like, silver).forces[at]).max()


def test_a_stand_in_then_learns_to_differ():
    field = ForceField({CU, AU, AG}, {AG: AU})
    for seed in range(4):
        teach(field, alloy(seed), EMT())

    def silver(seed):
        atoms = alloy(seed)
        atoms.numbers[atoms.numbers == AU] = AG
        atoms.calc = EMT()
        return atoms

    shown = silver(30)
    before = np.std(ask(field, shown).forces - shown.get_forces())
    for seed in range(40, 44):
        teach(field, silver(seed), EMT())
    after = np.std(ask(field, shown).forces - shown.get_forces())
    assert after < 0.5 * before


def test_atoms_closer_than_they_were_ever_seen_are_kept_apart(taught):
    atoms = alloy(0)
    closest = min(seen.get_all_distances(mic=True)[seen.get_all_distances(mic=True) > 0].min()
                  for seen in map(alloy, range(4)))  # fmt: skip
    distances = atoms.get_distances(0, range(1, len(atoms)), mic=True)
    near = 1 + int(np.argmin(distances))
    way = atoms.get_distance(0, near, mic=True, vector=True)
    energies = []
    for left in (0.75, 0.6, 0.45):
        squeezed = atoms.copy()
        squeezed.positions[near] += way * (left * closest / np.linalg.norm(way) - 1.0)
        found = ask(taught, squeezed)
        energies.append(found.energy)
        assert found.forces[near] @ way > 0.0  # pushed apart
    assert energies == sorted(energies)


def test_an_atom_alone_feels_its_own_images():
    atoms = Atoms("Cu", cell=[2.6] * 3, pbc=True)
    field = ForceField({CU})
    for length in (2.5, 2.6, 2.7):
        cell = atoms.copy()
        cell.set_cell([length] * 3, scale_atoms=True)
        teach(field, cell, MorsePotential(epsilon=0.343, r0=2.7, rho0=3.9))
    assert ask(field, atoms).energy != 0.0
    assert ask(field, atoms).forces == pytest.approx(np.zeros((1, 3)), abs=1e-9)


def test_no_stress():
    atoms = alloy(0)
    with pytest.raises(EngineError, match="no stress"):
        ForceField({CU, AU})(atoms.numbers, atoms.positions, atoms.cell.array, stress=True)
