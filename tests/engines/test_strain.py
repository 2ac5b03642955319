"""Coordinates with a free lattice: what they say of places and of forces."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.spacegroup.symmetrize import check_symmetry
from hypothesis import given, settings
from hypothesis import strategies as st

from dualion.engines import get_engine
from dualion.engines.calculators import build_source
from dualion.engines.evaluator import Evaluation
from dualion.engines.strain import Strained
from dualion.records import Geometry

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def emt():
    return build_source(get_engine("emt").choice)


def alloy(seed=0):
    """A cell of copper and silver without symmetry."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", a=3.7, cubic=True)
    atoms.symbols[1] = "Ag"
    atoms.positions += rng.normal(0.0, 0.05, (4, 3))
    strain = rng.normal(0.0, 0.02, (3, 3))
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain + strain.T), scale_atoms=True)
    return Geometry.from_atoms(atoms)


@settings(max_examples=25, deadline=None)
@given(start=seeds, other=seeds)
def test_coordinates_lead_back_to_the_configuration(start, other):
    here, there = alloy(start), alloy(other)
    strained = Strained(here, cell=True, keep_symmetry=False)
    coordinates = strained.coordinates(there)
    assert coordinates.shape == (len(here) + 3, 3)
    back = strained.geometry(coordinates)
    assert back.cell == pytest.approx(there.cell, abs=1e-9)
    assert back.xyz == pytest.approx(there.xyz, abs=1e-9)
    assert strained.coordinates(here)[-3:] == pytest.approx(np.zeros((3, 3)), abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(start=seeds, other=seeds, way=seeds)
def test_forces_on_coordinates_are_the_slope_of_the_energy(emt, start, other, way):
    here, there = alloy(start), alloy(other)
    strained = Strained(here, cell=True, keep_symmetry=False)
    coordinates = strained.coordinates(there)
    asked = strained.asked(emt)

    def at(y):
        return asked(here.numbers, y, here.cell, stress=False)

    along = np.random.default_rng(way).normal(size=coordinates.shape)
    # Without a turn of the whole crystal, of which an energy knows nothing.
    along[-3:] = 0.5 * (along[-3:] + along[-3:].T)
    step = 1e-4 * along / np.linalg.norm(along)
    slope = (at(coordinates + step).energy - at(coordinates - step).energy) / 2e-4
    expected = -float((at(coordinates).forces * along).sum()) / np.linalg.norm(along)
    assert slope == pytest.approx(expected, abs=1e-5)


@settings(max_examples=15, deadline=None)
@given(start=seeds, other=seeds)
def test_forces_and_stress_come_back_from_forces_on_coordinates(emt, start, other):
    here, there = alloy(start), alloy(other)
    strained = Strained(here, cell=True, keep_symmetry=False)
    found = strained.told(strained.asked(emt))(there.numbers, there.xyz, there.cell, stress=True)
    plain = emt(there.numbers, there.xyz, there.cell, stress=True)
    assert found.energy == pytest.approx(plain.energy, abs=1e-9)
    assert found.forces == pytest.approx(plain.forces, abs=1e-8)
    assert found.stress == pytest.approx(plain.stress, abs=1e-9)


def test_a_symmetry_that_is_kept_is_in_forces_and_stress():
    crystal = Geometry.from_atoms(bulk("Cu", a=3.7, cubic=True))
    strained = Strained(crystal, cell=True, keep_symmetry=True)
    rng = np.random.default_rng(3)

    def crooked(numbers, xyz, cell, *, stress):
        del xyz, cell, stress
        tensor = rng.normal(size=(3, 3))
        return Evaluation(0.0, rng.normal(size=(len(numbers), 3)), tensor + tensor.T)

    coordinates = strained.coordinates(crystal)
    pulls = strained.asked(crooked)(crystal.numbers, coordinates, crystal.cell, stress=False).forces
    assert pulls[:4] == pytest.approx(np.zeros((4, 3)), abs=1e-9)  # every site is a centre
    assert pulls[4:] == pytest.approx(pulls[4, 0] * np.eye(3), abs=1e-9)
    assert abs(pulls[4, 0]) > 1e-3
    moved = strained.geometry(coordinates + 0.1 * pulls)
    assert check_symmetry(moved.atoms(), symprec=1e-4).number == 225
    assert moved.volume != pytest.approx(crystal.volume, rel=1e-3)


def test_with_a_fixed_lattice_coordinates_are_the_positions(emt):
    crystal = alloy()
    strained = Strained(crystal, cell=False, keep_symmetry=True)
    coordinates = strained.coordinates(crystal)
    assert coordinates == pytest.approx(crystal.xyz)
    found = strained.asked(emt)(crystal.numbers, coordinates, crystal.cell, stress=False)
    assert found.forces == pytest.approx(emt(crystal.numbers, crystal.xyz, crystal.cell,
                                             stress=False).forces, abs=1e-9)  # fmt: skip
