"""Displacements: against brute force over lattice vectors, and known origins of atoms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualion.errors import StructureError
from dualion.records import Arrangement, Geometry, Hop, Mechanism, as_vectors
from dualion.structures.displacement import (
    assigned,
    band_host_indices,
    distances,
    minimum_image,
    mover_sites,
)
from dualion.structures.endpoints import build_endpoints


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_minimum_image_is_the_shortest_over_all_lattice_vectors(seed):
    rng = np.random.default_rng(seed)
    cell = 6.0 * np.eye(3) + rng.uniform(-2.0, 2.0, (3, 3))
    vectors = rng.uniform(-9.0, 9.0, (4, 5, 3))
    shortest = minimum_image(vectors, cell)
    assert shortest.shape == vectors.shape
    shifts = np.array(list(itertools.product(range(-6, 7), repeat=3))) @ cell
    brute = np.linalg.norm(vectors[..., None, :] + shifts, axis=-1).min(axis=-1)
    np.testing.assert_allclose(np.linalg.norm(shortest, axis=-1), brute, atol=1e-9)
    whole = (shortest - vectors) @ np.linalg.inv(cell)
    np.testing.assert_allclose(whole, np.rint(whole), atol=1e-9)


def test_distances_of_no_points_are_an_empty_table():
    assert distances(np.zeros((0, 3)), np.ones((4, 3)), 5.0 * np.eye(3)).shape == (0, 4)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), crowded=st.booleans())
def test_the_assignment_is_the_best_of_all_permutations(seed, crowded):
    rng = np.random.default_rng(seed)
    cell = 6.0 * np.eye(3) + rng.uniform(-2.0, 2.0, (3, 3))
    sites = rng.uniform(-9.0, 9.0, (5, 3))
    # Near their own sites, or all near one: then not everyone gets the nearest.
    home = sites[[0] * 4] if crowded else sites[rng.permutation(5)[:4]]
    points = home + rng.normal(0.0, 0.3, (4, 3)) + rng.integers(-2, 3, (4, 3)) @ cell
    squared = distances(points, sites, cell) ** 2
    best = min(squared[range(4), p].sum() for p in map(list, itertools.permutations(range(5), 4)))
    found = assigned(points, sites, cell)
    assert len(set(found.tolist())) == 4
    assert squared[range(4), found].sum() == pytest.approx(best)


@pytest.fixture
def host():
    xyz = [[0, 0, 0], [3, 0, 0], [0, 3, 0], [3, 3, 0], [1.5, 1.5, 2], [4.5, 4.5, 2]]
    return Geometry(
        lattice=as_vectors(6.0 * np.eye(3)),
        species=("Li",) * 4 + ("S",) * 2,
        positions=as_vectors(np.array(xyz, dtype=float)),
    )


def hop(**fields):
    values = {
        "class_id": "h1",
        "member": 0,
        "mechanism": Mechanism.VACANCY,
        "orbits": ("a", "a"),
        "length": 3.0,
        "multiplicity": 1,
        "self_mirror": True,
        "initial": 1,
        "final": 0,
        "initial_position": (3.0, 0.0, 0.0),
        "vector": (3.0, 0.0, 0.0),
    }
    return Hop(**(values | fields))


PURE = Arrangement(label="pure", fraction=0.0)


def test_spectators_of_a_vacancy_hop_are_traced_to_their_host_atoms(host):
    ends = build_endpoints(host, hop(), "Li", PURE)
    indices = band_host_indices(ends, host)
    assert indices[-1] is None
    assert sorted(indices[:-1]) == [2, 3, 4, 5]
    np.testing.assert_allclose(mover_sites(ends, host), [[3, 0, 0], [0, 0, 0]])


def test_an_interstitial_leaves_every_host_atom_a_spectator(host):
    void = hop(
        mechanism=Mechanism.INTERSTITIAL,
        initial=None,
        final=None,
        initial_position=(1.5, 1.5, 4.0),
        vector=(3.0, 0.0, 0.0),
    )
    ends = build_endpoints(host, void, "Li", PURE)
    assert band_host_indices(ends, host) == (0, 1, 2, 3, 4, 5, None)
    np.testing.assert_allclose(mover_sites(ends, host), [[1.5, 1.5, 4.0], [4.5, 1.5, 4.0]])


def test_mover_sites_follow_a_host_that_left_its_ideal_positions(host):
    ends = build_endpoints(host, hop(), "Li", PURE)
    xyz = host.xyz
    xyz[0] += [0.0, 0.9, 0.0]
    np.testing.assert_allclose(mover_sites(ends, host.moved(xyz))[1], [0.0, 0.9, 0.0])


def test_end_points_of_another_host_are_refused(host):
    ends = build_endpoints(host, hop(), "Li", PURE)
    xyz = host.xyz
    xyz[4] += [0.0, 0.0, 1.0]
    with pytest.raises(StructureError, match=r"1\.00 Å from its host atom"):
        band_host_indices(ends, host.moved(xyz))
    small = Geometry(lattice=host.lattice, species=host.species[:3], positions=host.positions[:3])
    with pytest.raises(StructureError, match="4 spectators but only 3 host atoms"):
        band_host_indices(ends, small)
