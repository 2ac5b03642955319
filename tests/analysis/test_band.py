"""Judging bands: synthetic bands whose outcome is known by construction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualion.analysis.band import fitted_maximum, judge_band, resting_depth
from dualion.errors import StructureError
from dualion.records import (
    Arrangement,
    Band,
    EngineStamp,
    Finding,
    Geometry,
    Hop,
    Images,
    Mechanism,
    Outcome,
    Path,
    as_vectors,
)
from dualion.structures.endpoints import build_endpoints

TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
CELL = 12.0 * np.eye(3)
SYMBOLS = ("P", "S", "S", "S", "S", "Cl", "Li", "Li", "Li", "Li")
XYZ = np.vstack(
    [
        [[8.0, 8, 8]],
        2.05 * TETRAHEDRON + 8.0,
        [[1.0, 8, 3]],
        [[2.0, 2, 2], [5.0, 2, 2], [2.0, 5, 2], [11.5, 4, 8]],
    ]
)
HOST = Geometry(lattice=as_vectors(CELL), species=SYMBOLS, positions=as_vectors(XYZ))
HOP = Hop(
    class_id="h1",
    member=0,
    mechanism=Mechanism.VACANCY,
    orbits=("a", "a"),
    length=3.0,
    multiplicity=1,
    self_mirror=True,
    initial=6,
    final=7,
    initial_position=(2.0, 2.0, 2.0),
    vector=(3.0, 0.0, 0.0),
)
ENDS = build_endpoints(HOST, HOP, "Cu", Arrangement(label="dilute", fraction=0.0))
# Band order: P S S S S Cl Li Li | Cu; spectator Li are host atoms 8 and 9.
P, S, CL, LI, MOVER = 0, 1, 5, 6, 8
STAMP = EngineStamp(engine="none", code="none", version="0")
HILL = (0.0, 0.15, 0.3, 0.15, 0.05)


def straight(count):
    start = ENDS.initial.xyz[list(ENDS.initial_order)]
    xyz = np.repeat(start[None], count, axis=0)
    xyz[:, MOVER] += np.linspace(0, 1, count)[:, None] * np.array(HOP.vector)
    return xyz


def path_of(xyz, **fields):
    images = Images.from_array(HOST.lattice, ENDS.species, xyz)
    return Path(images=images, mover=MOVER, initial_energy=-1.0, final_energy=-0.9, **fields)


def band_of(energies=HILL, xyz=None, forces=None, coordinates=None, **fields):
    xyz = straight(len(energies)) if xyz is None else xyz
    values = {
        "images": Images.from_array(HOST.lattice, ENDS.species, xyz),
        "mover": MOVER,
        "energies": tuple(energies),
        "tangent_forces": tuple(forces) if forces is not None else (0.0,) * len(energies),
        "coordinates": tuple(
            np.linspace(0.0, 3.0, len(energies)) if coordinates is None else coordinates
        ),
        "climb_force": 0.02,
        "max_force": 0.05,
        "converged": True,
        "steps": 10,
        "force_calls": 50,
        "stamp": STAMP,
    }
    return Band(**(values | fields))


def judge(energies=HILL, xyz=None, **fields):
    band = band_of(energies, xyz, **fields)
    return judge_band(band, path_of(straight(2)), ENDS, host=HOST)


def failed(judgement):
    return [f for f in judgement.findings if not f.passed]


def test_a_hill_is_a_barrier_counted_from_both_ends():
    judgement = judge()
    assert judgement.outcome is Outcome.CONVERGED
    assert judgement.forward == pytest.approx(0.3)
    assert judgement.reverse == pytest.approx(0.25)
    assert judgement.energy_difference == pytest.approx(0.05)
    assert judgement.path_length == pytest.approx(3.0)
    assert failed(judgement) == []
    assert judgement.note == ""


@given(
    energies=st.lists(st.floats(-2.0, 2.0), min_size=3, max_size=9),
    converged=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_barriers_close_the_cycle_and_exist_only_for_barrier_outcomes(energies, converged):
    judgement = judge(energies, converged=converged)
    assert judgement.energy_difference == pytest.approx(energies[-1] - energies[0])
    if judgement.outcome.is_barrier:
        assert judgement.forward - judgement.reverse == pytest.approx(judgement.energy_difference)
        assert min(judgement.forward, judgement.reverse) >= 0.02
        assert judgement.forward_fit >= judgement.forward - 1e-12
    else:
        assert judgement.forward is judgement.reverse is judgement.forward_fit is None


def test_the_fit_finds_the_top_of_a_parabola_between_two_images():
    x = np.array([0.0, 0.8, 1.3, 2.2, 3.0])
    top = 1.55
    energies = np.concatenate([[0.0], 0.4 - 0.3 * (x[1:-1] - top) ** 2, [0.0]])
    forces = np.concatenate([[0.0], 0.6 * (x[1:-1] - top), [0.0]])
    band = band_of(energies, forces=forces, coordinates=x)
    # A cubic through a parabola's values and slopes is that parabola.
    assert fitted_maximum(band) == pytest.approx(0.4, abs=1e-12)
    assert energies.max() < 0.39


def test_the_fit_of_a_quartic_hill_is_nearer_than_its_highest_image():
    s = np.linspace(0.0, 1.0, 6)
    energies = 16 * 0.3 * s**2 * (1 - s) ** 2
    forces = -16 * 0.3 * 2 * s * (1 - s) * (1 - 2 * s)
    fit = fitted_maximum(band_of(energies, forces=forces, coordinates=s))
    assert abs(fit - 0.3) < 0.001 < 0.3 - energies.max()


def test_a_fit_never_falls_below_the_highest_image():
    judgement = judge((0.0, 0.3, 0.3, 0.3, 0.0))
    assert judgement.forward == judgement.forward_fit == pytest.approx(0.3)


def test_images_at_one_place_do_not_break_the_fit():
    band = band_of((0.0, 0.2, 0.2, 0.0), coordinates=(0.0, 1.0, 1.0, 2.0))
    assert fitted_maximum(band) == pytest.approx(0.2)


def test_a_plateau_is_one_barrier():
    assert judge((0.0, 0.3, 0.29, 0.3, 0.0)).outcome is Outcome.CONVERGED


@pytest.mark.parametrize(
    "energies",
    [
        (0.0, 0.3, 0.1, 0.3, 0.0),
        (0.0, 0.1, 0.05, 0.3, 0.0),
        (0.0, -0.1, 0.3, 0.1, 0.0),  # below the initial end: that end is not the basin's bottom
    ],
)
def test_a_dip_between_two_maxima_is_an_intermediate_minimum(energies):
    judgement = judge(energies)
    assert judgement.outcome is Outcome.INTERMEDIATE_MINIMUM
    assert judgement.forward == pytest.approx(max(energies))
    (finding,) = failed(judgement)
    assert finding.value == pytest.approx({0.1: 0.2, 0.05: 0.05, 0.3: 0.1}[energies[2]])


@pytest.mark.parametrize(
    "energies",
    [
        (0.0, 0.01, 0.015, 0.01, 0.0),
        (0.0, 0.1, 0.2, 0.3, 0.4),
        (0.0, 0.1, 0.21, 0.215, 0.2),
        (0.0, -0.1, -0.2, -0.1, 0.0),
    ],
)
def test_less_than_twenty_mev_above_the_higher_end_is_no_barrier(energies):
    judgement = judge(energies)
    assert judgement.outcome is Outcome.BARRIERLESS
    assert "highest image above the higher end" in judgement.note


@pytest.mark.parametrize(
    ("energies", "depth"),
    [
        ((0.0, -0.1, -0.2, -0.1, 0.0), 0.2),
        ((0.1, 0.2, -0.03, 0.3, 0.0), 0.03),  # counted from the lower end
        ((0.0, 0.1, -0.019, 0.1, 0.0), None),
        ((0.0, 0.2, 0.1, 0.3, 0.0), None),
        ((0.0, 0.0), None),
    ],
)
def test_an_ion_that_rests_below_both_of_its_sites_is_noticed(energies, depth):
    assert resting_depth(energies) == (None if depth is None else pytest.approx(depth))
    if len(energies) > 2:
        assert ("rests between its two sites" in judge(energies).note) is (depth is not None)
        assert "rests" not in judge(energies, converged=False).note


@pytest.mark.parametrize(("proven", "told"), [(None, False), (True, False), (False, True)])
def test_a_band_whose_saddles_are_not_proven_says_so_and_keeps_its_evidence(proven, told):
    evidence = Finding(check="curvature along the path at a saddle", value=-0.4, passed=True)
    judgement = judge(proven=proven, findings=(evidence,))
    assert judgement.outcome is Outcome.CONVERGED
    assert ("not proven" in judgement.note) is told
    assert evidence in judgement.findings


def test_an_unconverged_band_keeps_its_numbers_to_itself():
    judgement = judge(converged=False, climb_force=0.2)
    assert judgement.outcome is Outcome.UNCONVERGED
    assert [f.value for f in failed(judgement)] == [0.2]


def test_an_engine_failure_is_told_with_its_reason():
    judgement = judge(failure="out of memory")
    assert judgement.outcome is Outcome.ENGINE_FAILED
    assert judgement.note == "out of memory"
    assert judge((0.0, float("nan"), 0.0)).outcome is Outcome.ENGINE_FAILED


@pytest.mark.parametrize(
    "outcome", [Outcome.ENDPOINT_COLLAPSED, Outcome.UNCONVERGED, Outcome.ENGINE_FAILED]
)
def test_what_the_end_points_decided_stands_whatever_the_band(outcome):
    path = path_of(straight(2), outcome=outcome)
    for band in (None, band_of()):
        judgement = judge_band(band, path, ENDS, host=HOST)
        assert judgement.outcome is outcome
        assert judgement.forward is None
        expected = pytest.approx(0.1) if outcome is Outcome.ENDPOINT_COLLAPSED else None
        assert judgement.energy_difference == expected


def test_another_ion_that_follows_onto_the_free_site_is_the_wrong_mover():
    xyz = straight(5)
    xyz[:, LI] += np.linspace(0, 1, 5)[:, None] * np.array([0.0, -3.0, 0.0])
    judgement = judge(xyz=xyz)
    assert judgement.outcome is Outcome.WRONG_MOVER
    assert "working ions on other sites than their own at the final end" in judgement.note


def test_a_mover_that_ends_on_no_site_of_its_hop_is_caught():
    xyz = straight(5)
    xyz[:, MOVER] -= np.linspace(0, 1, 5)[:, None] * np.array([2.9, 0.0, 0.0])
    assert judge(xyz=xyz).outcome is Outcome.WRONG_MOVER


def test_a_working_ion_that_outruns_the_mover_is_the_wrong_mover():
    xyz = straight(5)
    xyz[:, LI + 1] += np.linspace(0, 1, 5)[:, None] * np.array([-3.5, 0.0, 0.0])
    assert judge(xyz=xyz).outcome is Outcome.WRONG_MOVER


def test_an_ion_that_steps_aside_makes_the_hop_concerted_but_valid():
    xyz = straight(5)
    xyz[:, LI] += np.sin(np.linspace(0, np.pi, 5))[:, None] * np.array([0.0, 2.0, 0.0])
    judgement = judge(xyz=xyz)
    assert judgement.outcome is Outcome.CONVERGED
    (finding,) = failed(judgement)
    assert "concerted" in finding.check
    assert finding.value == pytest.approx(2.0 / 3.0)
    assert "concerted" in judgement.note


def test_spectators_wrapped_by_an_engine_have_not_moved():
    xyz = straight(5)
    xyz[2:, LI + 1] -= CELL[0]
    xyz[1:, S] += CELL[1]
    assert failed(judge(xyz=xyz)) == []


def test_a_bond_pulled_apart_breaks_the_framework():
    xyz = straight(5)
    xyz[2, S] += 0.6 * TETRAHEDRON[0]
    judgement = judge(xyz=xyz)
    assert judgement.outcome is Outcome.FRAMEWORK_BROKEN
    (finding,) = failed(judgement)
    # Drift is common to both atoms of a bond.
    assert finding.value == pytest.approx(0.6 / 2.05)


@pytest.mark.parametrize(("degrees", "broken"), [(15.0, False), (25.0, True)])
def test_an_angle_bent_by_more_than_twenty_degrees_breaks_the_framework(degrees, broken):
    from scipy.spatial.transform import Rotation

    axis = np.cross(TETRAHEDRON[0], TETRAHEDRON[1])
    turn = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis)).as_matrix()
    xyz = straight(5)
    xyz[2, S] += 2.05 * (turn @ TETRAHEDRON[0] - TETRAHEDRON[0])
    judgement = judge(xyz=xyz)
    assert (judgement.outcome is Outcome.FRAMEWORK_BROKEN) is broken
    (finding,) = [f for f in judgement.findings if f.unit == "°"]
    assert finding.value == pytest.approx(degrees)


def test_a_group_that_turns_as_a_whole_is_not_broken():
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_rotvec([0.0, 0.0, np.radians(25.0)]).as_matrix()
    xyz = straight(5)
    xyz[2, S : S + 4] = (xyz[2, S : S + 4] - 8.0) @ turn.T + 8.0
    assert judge(xyz=xyz).outcome is Outcome.CONVERGED


def test_an_anion_that_leaves_its_place_breaks_the_framework():
    xyz = straight(5)
    xyz[2, CL] += [0.0, 1.3, 0.0]
    judgement = judge(xyz=xyz)
    assert judgement.outcome is Outcome.FRAMEWORK_BROKEN
    (finding,) = failed(judgement)
    # One of six framework atoms moved, so the drift takes a sixth.
    assert finding.value == pytest.approx(1.3 * 5 / 6)


def test_a_broken_framework_outranks_convergence():
    xyz = straight(5)
    xyz[2, CL] += [0.0, 1.3, 0.0]
    assert judge(xyz=xyz, converged=False).outcome is Outcome.FRAMEWORK_BROKEN


def test_a_host_that_is_not_the_hops_is_refused():
    other = HOST.moved(XYZ + np.where(np.arange(10)[:, None] == CL, 1.0, 0.0))
    with pytest.raises(StructureError, match="from its host atom"):
        judge_band(band_of(), path_of(straight(2)), ENDS, host=other)
