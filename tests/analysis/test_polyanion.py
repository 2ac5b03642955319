"""Polyanion bonds: against hand counts and rigid-body geometry."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dualion.analysis.polyanion import is_anion, polyanions
from dualion.records import Geometry, as_vectors

TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)


def crystal(symbols, xyz, length=12.0):
    return Geometry(
        lattice=as_vectors(length * np.eye(3)), species=tuple(symbols), positions=as_vectors(xyz)
    )


def thiophosphate(center=(6.0, 6.0, 6.0)):
    xyz = np.vstack([[0, 0, 0], 2.05 * TETRAHEDRON]) + np.array(center)
    return crystal(["P", "S", "S", "S", "S"], xyz)


def test_a_ps4_group_has_four_bonds_and_six_angles():
    found = polyanions(thiophosphate(), {"Li"})
    assert len(found) == 4
    assert found.angle_bonds.shape == (6, 2)


def test_bonds_reach_across_the_cell_boundary():
    host = thiophosphate(center=(0.0, 0.0, 0.0))
    wrapped = host.moved(host.xyz % 12.0)
    found = polyanions(wrapped, {"Li"})
    assert len(found) == 4
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 2.05)


def test_a_chain_bonded_to_its_own_image_has_one_bond_an_atom():
    chain = Geometry(
        lattice=as_vectors(np.diag([2.05, 12.0, 12.0])),
        species=("S",),
        positions=((0.0, 0.0, 0.0),),
    )
    assert len(polyanions(chain, {"Li"})) == 1


@pytest.mark.parametrize(("name", "a"), [("LiCl", 5.14), ("CuI", 6.08)])
def test_simple_halides_have_no_polyanions(name, a):
    structure = "rocksalt" if name == "LiCl" else "zincblende"
    host = Geometry.from_atoms(bulk(name, structure, a=a, cubic=True))
    assert len(polyanions(host, {host.species[0]})) == 0


def test_a_bridge_may_bend_but_is_bonded():
    # S–P–S–P–S in a row with a bent bridge: four bonds, no atom with three of them.
    xyz = np.array([[2.0, 5, 5], [4.0, 5, 5], [5.6, 6.2, 5], [7.2, 5, 5], [9.2, 5, 5]])
    found = polyanions(crystal(["S", "P", "S", "P", "S"], xyz), {"Li"})
    assert len(found) == 4
    assert len(found.angle_bonds) == 0


@settings(max_examples=30, deadline=None)
@given(angles=st.tuples(*[st.floats(-3.0, 3.0)] * 3), shift=st.tuples(*[st.floats(-5.0, 5.0)] * 3))
def test_rigid_motion_stretches_and_bends_nothing(angles, shift):
    host = thiophosphate()
    turn = Rotation.from_euler("zyx", angles).as_matrix()
    center = host.xyz[0]
    moved = (host.xyz - center) @ turn.T + center + shift - host.xyz
    found = polyanions(host, {"Li"})
    np.testing.assert_allclose(found.stretches(moved), 0.0, atol=1e-12)
    np.testing.assert_allclose(found.bends(moved), 0.0, atol=1e-5)


def test_one_bent_bond_changes_its_three_angles_by_known_amounts():
    host = thiophosphate()
    axis = np.cross(TETRAHEDRON[0], TETRAHEDRON[1])
    turn = Rotation.from_rotvec(np.radians(15.0) * axis / np.linalg.norm(axis)).as_matrix()
    moved = np.zeros((5, 3))
    moved[1] = 2.05 * (turn @ TETRAHEDRON[0] - TETRAHEDRON[0])
    bends = polyanions(host, {"Li"}).bends(moved)
    # Towards the second S: that angle closes by all of 15°; angles without the bond stay.
    assert bends.min() == pytest.approx(-15.0)
    assert np.isclose(bends, 0.0, atol=1e-9).sum() == 3


def test_uniform_expansion_stretches_every_bond_alike():
    host = thiophosphate()
    moved = 0.04 * (host.xyz - host.xyz[0])
    np.testing.assert_allclose(polyanions(host, {"Li"}).stretches(moved), 0.04)


def test_anions_are_chalcogens_halogens_and_nitrogen():
    assert all(is_anion(s) for s in ("O", "S", "Se", "Te", "F", "Cl", "Br", "I", "N"))
    assert not any(is_anion(s) for s in ("P", "Ge", "Si", "C", "B", "Li", "Cu", "Zr", "Ar"))
