"""The guessed Hessian: a Hessian it must be, and a useful one."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from dualion.engines.springs import GROUND, STRENGTH, Springs, spring_hessian


@given(st.integers(0, 1000), st.sampled_from(["fcc", "bcc", "sc"]))
def test_it_is_symmetric_positive_and_lets_the_crystal_slide(seed, lattice):
    atoms = bulk("Cu", lattice, a=3.6, cubic=lattice != "sc").repeat(2)
    atoms.rattle(0.1, seed=seed)
    matrix = spring_hessian(atoms).toarray()
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    assert np.linalg.eigvalsh(matrix).min() == pytest.approx(STRENGTH * GROUND)
    # A shift of the whole crystal stretches no spring.
    shift = np.tile([1.0, -2.0, 0.5], len(atoms))
    np.testing.assert_allclose(matrix @ shift, STRENGTH * GROUND * shift, atol=1e-10)


def test_a_pair_is_stiffer_along_its_bond_than_across():
    atoms = Atoms("Cu2", [[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]], cell=[50.0] * 3, pbc=True)
    matrix = spring_hessian(atoms).toarray()
    along, across = matrix[0, 0], matrix[1, 1]
    assert along == pytest.approx(STRENGTH * (1.0 + GROUND))
    assert across < 0.25 * along


def test_it_turns_with_the_crystal():
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True).repeat(2)
    atoms.rattle(0.1, seed=3)
    turned = atoms.copy()
    turned.rotate(30.0, "z", rotate_cell=True)
    angle = np.pi / 6.0
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]]
    )
    big = np.kron(np.eye(len(atoms)), turn)
    np.testing.assert_allclose(
        spring_hessian(turned).toarray(), big @ spring_hessian(atoms).toarray() @ big.T, atol=1e-9
    )


def test_forces_of_the_springs_are_undone_exactly():
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True).repeat(2)
    move = np.random.default_rng(1).normal(size=(len(atoms), 3))
    forces = (spring_hessian(atoms) @ move.ravel()).reshape(-1, 3)
    np.testing.assert_allclose(Springs(atoms).soften(forces), move, atol=1e-9)


def test_atoms_far_apart_are_held_all_the_same():
    atoms = Atoms("Cu2", [[0.0, 0.0, 0.0], [9.0, 0.0, 0.0]], cell=[40.0] * 3, pbc=True)
    assert np.isfinite(Springs(atoms).soften(np.ones((2, 3)))).all()
