"""Paths: against symmetry, analytic geometry, and what the end points must give away."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dualion.errors import StructureError
from dualion.records import EndPoints, EngineStamp, Geometry, Outcome, Relaxed, as_vectors
from dualion.settings import PathSettings
from dualion.structures.path import build_path

STAMP = EngineStamp(engine="none", code="none", version="0")
PURE = PathSettings(images=3, kick=0.0, rattle=0.0)


def relaxed(geometry, xyz=None, **fields):
    values = {
        "geometry": geometry if xyz is None else geometry.moved(xyz),
        "energy": -1.0,
        "max_force": 0.01,
        "converged": True,
        "force_calls": 3,
        "stamp": STAMP,
    }
    return Relaxed(**(values | fields))


def endpoints_of(lattice, symbols, spectators, start, end, *, mover="Li"):
    """End points with the mover first in the initial and last in the final state."""
    n = len(spectators)
    initial = Geometry(
        lattice=as_vectors(lattice),
        species=(mover, *symbols),
        positions=as_vectors(np.vstack([start, spectators])),
    )
    final = Geometry(
        lattice=as_vectors(lattice),
        species=(*symbols, mover),
        positions=as_vectors(np.vstack([spectators, end])),
    )
    return EndPoints(
        initial=initial,
        final=final,
        initial_order=(*range(1, n + 1), 0),
        final_order=tuple(range(n + 1)),
        species=(*symbols, mover),
        mover_from=as_vectors([start])[0],
        mover_to=as_vectors([end])[0],
    )


def rocksalt():
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(2)
    xyz, symbols = atoms.positions, np.array(atoms.get_chemical_symbols())
    start, vector = np.zeros(3), np.array([2.82, 2.82, 0.0])
    away = np.linalg.norm(xyz - start, axis=1), np.linalg.norm(xyz - vector, axis=1)
    keep = (away[0] > 0.1) & (away[1] > 0.1)
    ends = endpoints_of(atoms.cell.array, symbols[keep], xyz[keep], start, vector, mover="Na")
    holes = 5.64 / 4 * np.array([[1.0, 1.0, 1.0], [1.0, 1.0, -1.0]])
    return ends, holes


def jumble(seed, length=8.0, count=12):
    """Spectators in no symmetry at all, none nearer than 2.2 Å to another or to the hop."""
    rng = np.random.default_rng(seed)
    start = np.array([1.0, 1.5, 2.0])
    end = start + np.array([2.4, 0.9, 0.7])
    cell = length * np.eye(3) + rng.uniform(-0.5, 0.5, (3, 3))
    points = []
    while len(points) < count:
        new = rng.uniform(0, 1, 3) @ cell
        others = np.array([*points, start, end, (start + end) / 2])
        apart = (new - others) @ np.linalg.inv(cell)
        apart = (apart - np.rint(apart)) @ cell
        if np.linalg.norm(apart, axis=1).min() > 2.2:
            points.append(new)
    return cell, ["S"] * count, np.array(points), start, end


def path_of(ends, options=PURE, seed=0, initial=None, final=None, **fields):
    return build_path(
        initial or relaxed(ends.initial, **fields),
        final or relaxed(ends.final, **fields),
        ends,
        options,
        seed=seed,
    )


def test_kick_in_rocksalt_leads_through_a_tetrahedral_hole_and_the_seed_picks_which():
    ends, holes = rocksalt()
    start = np.array(ends.mover_from)
    straight = np.array([1.41, 1.41, 0.0])
    sides = set()
    for seed in range(5):
        kicked = path_of(ends, PathSettings(images=1, kick=0.6, rattle=0.0), seed=seed)
        middle = kicked.images.xyz[1, -1] - start
        before = np.linalg.norm(holes - straight, axis=1).min()
        after = np.linalg.norm(holes - middle, axis=1).min()
        assert after == pytest.approx(before - 0.6, abs=0.05)
        sides.add(middle[2] > 0)
    assert sides == {True, False}


def test_straight_hop_in_rocksalt_stays_in_its_mirror_planes_without_a_kick():
    ends, _ = rocksalt()
    xyz = path_of(ends).images.xyz[:, -1]
    assert np.abs(xyz[:, 2]).max() < 0.02
    assert np.abs(xyz[:, 0] - xyz[:, 1]).max() < 0.02


def test_ends_are_the_relaxed_states_whatever_kick_and_rattle():
    ends = endpoints_of(*jumble(1))
    xyz = path_of(ends, PathSettings(images=3)).images.xyz
    np.testing.assert_allclose(xyz[0], ends.initial.xyz[list(ends.initial_order)], atol=1e-12)
    np.testing.assert_allclose(xyz[-1], ends.final.xyz[list(ends.final_order)], atol=1e-12)


def test_equal_seeds_give_equal_paths_and_other_seeds_others():
    ends = endpoints_of(*jumble(2))
    options = PathSettings(images=3)
    assert path_of(ends, options, seed=5) == path_of(ends, options, seed=5)
    assert path_of(ends, options, seed=5) != path_of(ends, options, seed=6)


def test_without_kick_and_rattle_the_seed_does_not_matter():
    ends = endpoints_of(*jumble(2))
    assert path_of(ends, seed=5) == path_of(ends, seed=6)


def test_rattle_has_its_width_at_mid_path():
    ends, _ = rocksalt()
    quiet = path_of(ends).images.xyz
    shaken = path_of(ends, PathSettings(images=3, kick=0.0, rattle=0.1), seed=3).images.xyz
    noise = shaken - quiet
    # 189 numbers: the sample deviation lies within 20 % at four standard errors.
    assert noise[2].std() == pytest.approx(0.1, rel=0.2)
    np.testing.assert_allclose(noise[1], noise[2] * np.sin(np.pi / 4), atol=1e-9)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), angles=st.tuples(*[st.floats(-3.0, 3.0)] * 3))
def test_rotating_the_crystal_rotates_the_path(seed, angles):
    cell, symbols, spectators, start, end = jumble(seed)
    turn = Rotation.from_euler("zyx", angles).as_matrix()
    here = path_of(endpoints_of(cell, symbols, spectators, start, end))
    there = path_of(
        endpoints_of(cell @ turn.T, symbols, spectators @ turn.T, start @ turn.T, end @ turn.T)
    )
    np.testing.assert_allclose(there.images.xyz, here.images.xyz @ turn.T, atol=1e-5)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(12)))
def test_renumbering_the_spectators_renumbers_the_path(seed, order):
    cell, symbols, spectators, start, end = jumble(seed)
    here = path_of(endpoints_of(cell, symbols, spectators, start, end))
    there = path_of(endpoints_of(cell, symbols, spectators[order], start, end))
    np.testing.assert_allclose(
        there.images.xyz, here.images.xyz[:, [*order, len(order)]], atol=1e-6
    )


@pytest.mark.parametrize("share", [0.55, 0.8, 1.3])
def test_a_hop_longer_than_half_the_cell_keeps_its_direction(share):
    cell = 8.0 * np.eye(3)
    spectators = np.array([[x, 4.0, z] for x in (2.0, 6.0) for z in (2.5, 5.5)])
    start, end = np.array([1.0, 1.0, 4.0]), np.array([1.0 + 8.0 * share, 1.0, 4.0])
    xyz = path_of(endpoints_of(cell, ["S"] * 4, spectators, start, end)).images.xyz[:, -1]
    assert xyz[-1, 0] - xyz[0, 0] == pytest.approx(8.0 * share)
    assert (np.diff(xyz[:, 0]) > 0.1).all()


def test_relaxation_offsets_and_wrapping_of_the_mover_are_carried_along():
    cell, symbols, spectators, start, end = jumble(4)
    ends = endpoints_of(cell, symbols, spectators, start, end)
    shift = np.array([0.2, -0.1, 0.15])
    moved = ends.final.xyz
    moved[-1] += shift + cell[0] - cell[2]  # an engine may have wrapped it
    moved[0] += cell[1]
    path = path_of(ends, final=relaxed(ends.final, moved))
    np.testing.assert_allclose(path.images.xyz[-1, -1], end + shift, atol=1e-9)
    np.testing.assert_allclose(path.images.xyz[-1, 0], spectators[0], atol=1e-9)


def test_identical_states_collapse_instead_of_giving_nan():
    cell, symbols, spectators, start, end = jumble(5)
    ends = endpoints_of(cell, symbols, spectators, start, end)
    slid = ends.final.xyz
    slid[-1] = start
    path = path_of(ends, final=relaxed(ends.final, slid))
    assert path.outcome is Outcome.ENDPOINT_COLLAPSED
    assert np.isfinite(path.images.xyz).all()
    evidence = {f.check: f for f in path.findings}
    assert evidence["largest displacement between the end points"].value < 1e-9
    assert not evidence["largest displacement between the end points"].passed


def test_a_mover_that_slides_most_of_the_way_back_has_collapsed():
    cell, symbols, spectators, start, end = jumble(5)
    ends = endpoints_of(cell, symbols, spectators, start, end)
    slid = ends.final.xyz
    slid[-1] = start + 0.3 * (end - start)
    path = path_of(ends, final=relaxed(ends.final, slid))
    assert path.outcome is Outcome.ENDPOINT_COLLAPSED
    assert any("nearer to another place" in f.check for f in path.findings)


def test_a_mover_far_from_its_site_but_near_no_other_is_kept():
    cell, symbols, spectators, start, end = jumble(5)
    ends = endpoints_of(cell, symbols, spectators, start, end)
    relaxed_far = ends.final.xyz
    relaxed_far[-1] = end + 0.9 * (end - start) / np.linalg.norm(end - start)
    path = path_of(ends, final=relaxed(ends.final, relaxed_far))
    assert path.outcome is None


def test_when_another_ion_hops_instead_no_band_is_run():
    cell, symbols, spectators, start, end = jumble(5)
    ends = endpoints_of(cell, symbols, spectators, start, end)
    other = ends.final.xyz
    other[-1] = start
    other[3] += [1.5, 0.0, 0.0]
    path = path_of(ends, final=relaxed(ends.final, other))
    assert path.outcome is Outcome.WRONG_MOVER


def test_another_ion_moving_along_is_noted_and_left_to_the_band():
    cell, symbols, spectators, start, end = jumble(5)
    ends = endpoints_of(cell, symbols, spectators, start, end)
    along = ends.final.xyz
    along[3] += [0.0, 1.0, 0.0]
    path = path_of(ends, final=relaxed(ends.final, along))
    assert path.outcome is None
    (finding,) = [f for f in path.findings if "another ion" in f.check]
    assert finding.value == pytest.approx(1.0)
    assert not finding.passed


def test_sites_of_a_broken_symmetry_host_are_its_own_atoms():
    # The final state relaxes onto the host's atom, 0.9 Å off the place it was built on.
    cell, symbols, spectators, start, end = jumble(6)
    ends = endpoints_of(cell, symbols, spectators, start, end)
    side = np.cross(end - start, [0.0, 0.0, 1.0])
    actual = end + 0.9 * side / np.linalg.norm(side)
    host = Geometry(
        lattice=as_vectors(cell),
        species=(*symbols, "Li", "Li"),
        positions=as_vectors(np.vstack([spectators, start, actual])),
    )
    moved = ends.final.xyz
    moved[-1] = actual
    path = build_path(
        relaxed(ends.initial), relaxed(ends.final, moved), ends, PURE, seed=0, host=host
    )
    (finding,) = [f for f in path.findings if "final site" in f.check]
    assert finding.value == pytest.approx(0.0, abs=1e-9)
    assert path.outcome is None
    np.testing.assert_allclose(path.images.xyz[-1, -1], actual, atol=1e-9)


def test_failed_and_unconverged_relaxations_decide_before_geometry():
    ends = endpoints_of(*jumble(7))
    loose = relaxed(ends.final, converged=False, max_force=0.4)
    path = path_of(ends, final=loose)
    assert path.outcome is Outcome.UNCONVERGED
    assert [f.value for f in path.findings if "not converged" in f.check] == [0.4]
    failed = relaxed(ends.final, converged=False, failure="SCF did not converge")
    path = path_of(ends, final=failed)
    assert path.outcome is Outcome.ENGINE_FAILED
    assert any("SCF did not converge" in f.check for f in path.findings)


def test_a_path_through_an_atom_goes_around_it():
    cell = 10.0 * np.eye(3)
    start, end = np.array([2.0, 5.0, 5.0]), np.array([6.0, 5.0, 5.0])
    spectators = np.array([[4.0, 5.0, 5.0], [8.5, 1.0, 1.0], [8.5, 8.0, 8.0]])
    ends = endpoints_of(cell, ["S"] * 3, spectators, start, end)
    path = path_of(ends)
    assert not path.clash
    xyz = path.images.xyz
    assert np.linalg.norm(xyz[:, -1] - xyz[:, 0], axis=1).min() > 0.8


def test_a_clash_that_cannot_be_avoided_is_reported():
    cell = 10.0 * np.eye(3)
    start, end = np.array([2.0, 5.0, 5.0]), np.array([6.0, 5.0, 5.0])
    # A pair of spectators that overlap in both states: no push of the mover can help.
    spectators = np.array([[4.0, 8.0, 5.0], [4.5, 8.0, 5.0]])
    path = path_of(endpoints_of(cell, ["S"] * 2, spectators, start, end))
    assert path.clash
    (finding,) = [f for f in path.findings if "shortest distance" in f.check]
    assert 0.0 < finding.value < 0.8
    assert not finding.passed


def test_a_kick_is_reduced_where_there_is_no_room_for_it():
    cell = 12.0 * np.eye(3)
    start, end = np.array([3.0, 6.0, 6.0]), np.array([7.0, 6.0, 6.0])
    angles = np.linspace(0.0, 2.0 * np.pi, 12, endpoint=False)
    ring = np.stack(
        [np.full(12, 5.0), 6.0 + 1.7 * np.cos(angles), 6.0 + 1.7 * np.sin(angles)], axis=1
    )
    ends = endpoints_of(cell, ["O"] * 12, ring, start, end)
    wide = PathSettings(images=3, kick=1.5, rattle=0.0)
    path = path_of(ends, wide)
    xyz = path.images.xyz
    assert not path.clash
    sideways = np.linalg.norm(xyz[2, -1, 1:] - 6.0)
    assert 0.1 < sideways < 1.2


def test_states_of_another_hop_are_refused_in_one_line():
    ends = endpoints_of(*jumble(8))
    short = Geometry(
        lattice=ends.initial.lattice,
        species=ends.initial.species[1:],
        positions=ends.initial.positions[1:],
    )
    with pytest.raises(StructureError, match="initial state: 12 atoms"):
        path_of(ends, initial=relaxed(short))
    swapped = ends.initial.model_copy(update={"species": ("Cu", *ends.initial.species[1:])})
    with pytest.raises(StructureError, match="other species"):
        path_of(ends, initial=relaxed(swapped))
    with pytest.raises(StructureError, match="charges 0 and -1"):
        path_of(ends, final=relaxed(ends.final, charge=-1))
