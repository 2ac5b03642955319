"""Ends and bands of one level of theory carried over to another's host."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from dualion.records import Arrangement, Geometry, Images, Mechanism
from dualion.settings import CellSettings
from dualion.structures.endpoints import build_endpoints
from dualion.structures.equivalence import Equivalents, cartesian
from dualion.structures.handed import (
    Handed,
    carried_back,
    handed_end,
    handed_images,
    spread,
    swollen,
)
from dualion.structures.hops import find_hops, place_hops, working_sites
from dualion.structures.supercell import build_supercell, supercell_from_matrix

PURE = Arrangement(label="pure", fraction=0.0)
FAR = 0.8


def ends_in(a, *, member=0):
    parent = Geometry.from_atoms(bulk("Cu", "fcc", a=a))
    like = build_supercell(
        Geometry.from_atoms(bulk("Cu", "fcc", a=3.6)), CellSettings(min_image_distance=7.0)
    )
    cell = supercell_from_matrix(parent, like.matrix)
    network = find_hops(
        parent,
        working_sites(parent, "Cu"),
        mechanism=Mechanism.VACANCY,
        ion="Cu",
        max_length=None,
    )
    hop = place_hops(network, cell, members=6)[member]
    return cell.geometry, build_endpoints(cell.geometry, hop, "Cu", PURE)


def band_in(ends, *, seed=3, count=5):
    """Ends in band order with displacements, and images that bulge between them."""
    rng = np.random.default_rng(seed)
    first = ends.initial.xyz[list(ends.initial_order)]
    last = first.copy()
    last[-1] += np.subtract(ends.mover_to, ends.mover_from)
    first = first + rng.normal(0.0, 0.05, first.shape)
    last = last + rng.normal(0.0, 0.05, last.shape)
    share = np.linspace(0.0, 1.0, count)[:, None, None]
    bulge = np.sin(np.pi * share) * rng.normal(0.0, 0.1, first.shape)
    return (1.0 - share) * first + share * last + bulge


def handed(ends, xyz, energies=None):
    if energies is None:
        energies = np.sin(np.linspace(0.0, np.pi, len(xyz)))
    images = Images.from_array(ends.initial.lattice, ends.species, xyz)
    return Handed(images=images, energies=tuple(map(float, energies)), engine="cheap")


def carried(one, ends, first, last, count=5):
    return handed_images(
        one, first, last, species=ends.species, cell=ends.initial.cell, count=count,
        min_distance=FAR,
    )  # fmt: skip


def test_in_the_same_host_an_end_is_the_relaxed_one():
    _, ends = ends_in(3.6)
    xyz = band_in(ends)
    for final, order, place in ((False, ends.initial_order, 0), (True, ends.final_order, -1)):
        start = handed_end(xyz[place], ends, ends, final=final, min_distance=FAR)
        apart = start.xyz[list(order)] - xyz[place]
        apart -= np.rint(apart @ np.linalg.inv(ends.initial.cell)) @ ends.initial.cell
        assert np.abs(apart).max() < 1e-6
        assert start.species == (ends.final if final else ends.initial).species


@settings(max_examples=8, deadline=None)
@given(st.floats(0.97, 1.04))
def test_in_a_stretched_host_displacements_are_stretched_with_it(stretch):
    _, old = ends_in(3.6)
    _, new = ends_in(3.6 * stretch)
    relaxed = band_in(old)[0]
    start = handed_end(relaxed, old, new, final=False, min_distance=FAR)
    moved = start.xyz - new.initial.xyz
    expected = stretch * (relaxed - old.initial.xyz[list(old.initial_order)])
    assert np.allclose(moved[list(new.initial_order)], expected, atol=2e-6)


def test_a_start_in_which_atoms_would_clash_is_not_used():
    _, ends = ends_in(3.6)
    relaxed = band_in(ends)[0]
    relaxed[0] = relaxed[1] + 0.1
    assert handed_end(relaxed, ends, ends, final=False, min_distance=FAR) == ends.initial


def test_at_its_own_ends_a_band_is_itself():
    _, ends = ends_in(3.6)
    xyz = band_in(ends)
    images, top, finding = carried(handed(ends, xyz), ends, xyz[0], xyz[-1])
    assert np.allclose(images, xyz, atol=1e-10)
    assert top == 2
    assert finding.value == pytest.approx(0.5, abs=0.1)
    assert "cheap" in finding.check


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 50), st.floats(0.98, 1.03))
def test_a_band_follows_its_ends_and_its_cell(seed, stretch):
    _, old = ends_in(3.6)
    _, new = ends_in(3.6 * stretch)
    xyz = band_in(old, seed=seed)
    rng = np.random.default_rng(seed)
    shifts = rng.normal(0.0, 0.02, (2, *xyz[0].shape))
    # Another periodic image of some atoms must make no difference.
    cells = rng.integers(-1, 2, xyz[0].shape) @ new.initial.cell
    first = stretch * xyz[0] + shifts[0] + cells
    last = stretch * xyz[-1] + shifts[1] + cells
    images, _, _ = carried(handed(old, xyz), new, first, last)
    assert np.array_equal(images[[0, -1]], [first, last])
    off = images - stretch * xyz - cells
    assert np.linalg.norm(off, axis=2).max() <= np.linalg.norm(shifts, axis=2).max() + 1e-9


def test_a_band_that_does_not_fit_says_why():
    _, ends = ends_in(3.6)
    xyz = band_in(ends)
    one = handed(ends, xyz)
    far = xyz[-1].copy()
    far[0] += 1.5
    assert "an end lies elsewhere" in carried(one, ends, xyz[0], far)[2].check
    _, large = ends_in(3.9)
    assert "its cell is another one" in carried(one, large, xyz[0], xyz[-1])[2].check
    silver = ends.model_copy(update={"species": (*ends.species[:-1], "Ag")})
    images, _, finding = carried(one, silver, xyz[0], xyz[-1])
    assert images is None
    assert "its ions are not the same" in finding.check
    assert finding.passed  # the hop is none the worse for it


@given(st.integers(3, 12), st.integers(3, 12), st.integers(0, 1000))
def test_the_highest_image_is_kept_whatever_the_number(given_count, wanted, seed):
    rng = np.random.default_rng(seed)
    xyz = np.cumsum(rng.uniform(0.1, 1.0, (given_count, 4, 3)), axis=0)
    top = int(rng.integers(1, given_count - 1))
    images, kept = spread(xyz, wanted, top)
    assert len(images) == wanted
    assert np.array_equal(images[[0, kept, -1]], xyz[[0, top, -1]])
    assert 0 < kept < wanted - 1
    steps = np.linalg.norm(np.diff(images, axis=0), axis=(1, 2))
    assert (steps > 0.0).all()


def test_a_start_turned_back_to_its_representative_is_turned_with_the_state():
    host, _ = ends_in(3.6)
    equivalents = Equivalents(host)
    seen = 0
    for member in range(6):
        _, ends = ends_in(3.6, member=member)
        for state in (ends.initial, ends.final):
            representative, equivalence = equivalents.representative(state)
            if equivalence is None:
                continue
            seen += 1
            turn, _ = cartesian(np.array(equivalence.rotation), state.cell)
            # Towards the vacancy: a field that has the symmetry of the state itself.
            start = state.moved(state.xyz + 0.1 * towards_hole(host, state))
            back = carried_back(start, state, representative, turn, equivalence.order)
            expected = representative.xyz + 0.1 * towards_hole(host, representative)
            assert np.allclose(back.xyz, expected, atol=1e-5)
    assert seen


def towards_hole(host, state):
    """Unit vectors to the vacancy, for its neighbours only."""
    taken = {tuple(np.round(x, 4)) for x in state.xyz}
    (hole,) = [x for x in host.xyz if tuple(np.round(x, 4)) not in taken]
    from dualion.structures.displacement import minimum_image

    way = minimum_image(hole - state.xyz, state.cell)
    length = np.linalg.norm(way, axis=1)[:, None]
    return np.where(length < 2.7, way / length, 0.0)


def test_a_swollen_cell_has_its_volume_and_its_shape():
    host, _ = ends_in(3.6)
    large = swollen(host, 0.05)
    assert large.volume == pytest.approx(1.05 * host.volume, rel=1e-5)
    assert np.allclose(large.fractional, host.fractional, atol=1e-6)
