"""Framework response: against displacements that are put in by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualion.analysis.response import framework_response
from dualion.errors import StructureError
from dualion.records import Geometry, as_vectors

TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
SYMBOLS = ("P", "S", "S", "S", "S", "Cl", "Cl", "Li", "Li", "Li")
XYZ = np.vstack(
    [
        [[6.0, 6, 6]],
        2.05 * TETRAHEDRON + 6.0,
        [[1.0, 1, 1], [11.5, 5, 2]],
        [[3.0, 1, 1], [3.0, 3, 8], [9.0, 9, 1]],
    ]
)
HOST = Geometry(lattice=as_vectors(12.0 * np.eye(3)), species=SYMBOLS, positions=as_vectors(XYZ))
# The vacancy is host atom 8; spectators in host order, the mover (host atom 9) last.
INDICES = (0, 1, 2, 3, 4, 5, 6, 7, None)
SPECIES = (*SYMBOLS[:8], "Cu")


def saddle(moves=None, shift=(0.0, 0.0, 0.0)):
    xyz = XYZ[[0, 1, 2, 3, 4, 5, 6, 7, 9]].copy()
    for atom, move in (moves or {}).items():
        xyz[atom] += move
    return Geometry(lattice=HOST.lattice, species=SPECIES, positions=as_vectors(xyz + shift))


def respond(geometry, **options):
    return framework_response(
        HOST, geometry, host_indices=INDICES, working_species={"Li", "Cu"}, **options
    )


def test_an_undisturbed_framework_gives_no_response():
    response = respond(saddle(), volume_change=0.02)
    assert response.largest_anion_displacement == pytest.approx(0.0, abs=1e-12)
    assert response.rms_anion_displacement == pytest.approx(0.0, abs=1e-12)
    assert response.bond_distortion == pytest.approx(0.0, abs=1e-12)
    assert response.volume_change == 0.02


def test_one_displaced_anion_is_measured_less_the_drift_it_makes():
    response = respond(saddle({5: [0.0, 0.7, 0.0]}))
    # Seven framework atoms drift by 0.1 Å; the Cl is left with 0.6, five anions with −0.1.
    assert response.largest_anion_displacement == pytest.approx(0.6)
    assert response.rms_anion_displacement == pytest.approx(np.sqrt((0.36 + 5 * 0.01) / 6))
    assert response.bond_distortion == pytest.approx(0.0, abs=1e-12)


def test_moving_the_working_ions_alone_is_no_response():
    response = respond(saddle({7: [1.0, 0, 0], 8: [0.0, 2.0, 0]}))
    assert response.largest_anion_displacement == pytest.approx(0.0, abs=1e-12)


def test_a_breathing_polyanion_shows_its_strain():
    moves = {k + 1: 0.1 * direction for k, direction in enumerate(TETRAHEDRON)}
    response = respond(saddle(moves))
    assert response.bond_distortion == pytest.approx(0.1 / 2.05)
    assert response.largest_anion_displacement == pytest.approx(0.1)
    assert response.rms_anion_displacement == pytest.approx(0.1 * np.sqrt(4 / 6))


def test_bond_distortion_is_the_root_mean_square_of_unlike_bonds():
    response = respond(saddle({1: 0.2 * TETRAHEDRON[0]}))
    assert response.bond_distortion == pytest.approx(0.2 / 2.05 / 2.0)


@settings(max_examples=30, deadline=None)
@given(shift=st.tuples(*[st.floats(-4.0, 4.0)] * 3))
def test_a_shift_of_the_whole_cell_changes_nothing(shift):
    moves = {5: [0.0, 0.7, 0.0]}
    here, there = respond(saddle(moves)), respond(saddle(moves, shift))
    assert there.largest_anion_displacement == pytest.approx(here.largest_anion_displacement)
    assert there.bond_distortion == pytest.approx(0.0, abs=1e-9)


def test_atoms_wrapped_into_the_cell_are_compared_the_shortest_way():
    response = respond(saddle({6: [0.7 - 12.0, 0.0, 0.0]}))
    assert response.largest_anion_displacement == pytest.approx(0.6)


def test_a_simple_salt_has_no_bond_distortion():
    host = Geometry(
        lattice=as_vectors(6.0 * np.eye(3)),
        species=("Cl", "Cl", "Li"),
        positions=((0.0, 0.0, 0.0), (3.0, 3.0, 0.0), (3.0, 0.0, 0.0)),
    )
    response = framework_response(
        host,
        host.moved(host.xyz + np.array([[0.1, 0, 0], [-0.1, 0, 0], [1, 1, 1]])),
        host_indices=(0, 1, None),
        working_species={"Li"},
    )
    assert response.bond_distortion is None
    assert response.largest_anion_displacement == pytest.approx(0.1)


@pytest.mark.parametrize(
    "indices", [INDICES[:-1], (0, 0, 2, 3, 4, 5, 6, 7, None), (0, 1, 2, 3, 4, 5, 6, 10, None)]
)
def test_indices_that_fit_no_host_are_refused(indices):
    with pytest.raises(StructureError, match="host indices for 9 saddle and 10 host atoms"):
        framework_response(HOST, saddle(), host_indices=indices, working_species={"Li", "Cu"})
