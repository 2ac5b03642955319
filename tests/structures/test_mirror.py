"""Mirror hops: against crystals whose symmetry is known, and energies that must not change."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dualion.records import (
    Arrangement,
    EngineStamp,
    Geometry,
    Hop,
    Mechanism,
    Mirror,
    Relaxed,
    Substitution,
    as_vectors,
)
from dualion.settings import PathSettings
from dualion.structures.displacement import minimum_image
from dualion.structures.doping import doped_geometry
from dualion.structures.endpoints import build_endpoints
from dualion.structures.path import build_path

STAMP = EngineStamp(engine="none", code="none", version="0")
PURE = Arrangement(label="pure", fraction=0.0)
A = 5.64


def rocksalt(n=2):
    """Copper and gold as sodium and chloride: EMT knows no others."""
    return Geometry.from_atoms(bulk("CuAu", "rocksalt", a=A, cubic=True).repeat(n))


def atom_at(host, place):
    apart = np.linalg.norm(minimum_image(host.xyz - np.asarray(place), host.cell), axis=1)
    assert apart.min() < 0.01
    return int(apart.argmin())


def hop_of(start, vector, *, atoms=(None, None)):
    place, step = as_vectors(np.array([start, vector], dtype=float))
    return Hop(
        class_id="h1",
        member=0,
        mechanism=Mechanism.INTERSTITIAL if atoms[0] is None else Mechanism.VACANCY,
        orbits=("4a", "4a"),
        length=float(np.linalg.norm(vector)),
        multiplicity=1,
        self_mirror=True,
        initial=atoms[0],
        final=atoms[1],
        initial_position=place,
        vector=step,
    )


def vacancy_hop(host, initial, vector):
    """Hop from an atom by a vector, in Å."""
    start = host.xyz[initial]
    return hop_of(start, vector, atoms=(initial, atom_at(host, start + vector)))


def breathed(state, sources, amount=0.1):
    """Push every atom away from some places and all their images: a field of full symmetry."""
    xyz = state.xyz
    moved = xyz.copy()
    images = (np.indices((7, 7, 7)).reshape(3, -1).T - 3) @ state.cell
    for weight, source in sources:
        away = xyz[:, None] - np.asarray(source) - images
        near = np.exp(-((away**2).sum(-1, keepdims=True) / 4.0))
        moved += amount * weight * (away * near).sum(axis=1)
    return moved


def relaxed(geometry, xyz, energy=-1.0):
    return Relaxed(
        geometry=geometry.moved(xyz),
        energy=energy,
        max_force=0.01,
        converged=True,
        force_calls=3,
        stamp=STAMP,
    )


def path_of(
    host, hop, *, mover="Ag", arrangement=PURE, noise=0.0, energies=(-1.0, -1.0), seed=0, given=True
):
    """Build the path between two ends that are relaxed by hand."""
    ends = build_endpoints(host, hop, mover, arrangement)
    here, there = np.array(ends.mover_from), np.array(ends.mover_to)
    rng = np.random.default_rng(seed)
    states = []
    for state, full, empty, energy in (
        (ends.initial, here, there, energies[0]),
        (ends.final, there, here, energies[1]),
    ):
        xyz = breathed(state, [(1.0, full), (-2.0, empty)])
        states.append(relaxed(state, xyz + rng.uniform(-noise, noise, xyz.shape), energy))
    options = PathSettings(images=3)
    used = doped_geometry(host, arrangement) if given else None
    return build_path(states[0], states[1], ends, options, seed=seed, host=used)


def emt(path, xyz):
    atoms = Atoms(list(path.images.species), positions=xyz, cell=path.images.cell, pbc=True)
    atoms.calc = EMT()
    return atoms.get_potential_energy(), atoms.get_forces()


HOPS = [[A / 2, A / 2, 0.0], [-A / 2, 0.0, A / 2], [A, 0.0, 0.0]]


@pytest.mark.parametrize("vector", HOPS)
@pytest.mark.parametrize("noise", [0.0, 0.005])
def test_a_vacancy_hop_in_rocksalt_mirrors_either_relaxed_end_onto_the_other(vector, noise):
    host = rocksalt()
    path = path_of(host, vacancy_hop(host, 0, np.array(vector)), noise=noise)
    mirror = path.mirror
    assert mirror is not None
    start, end = path.images.xyz[0], path.images.xyz[-1]
    tolerance = 1e-8 if noise == 0.0 else 0.05
    assert np.linalg.norm(mirror.apply(start) - end, axis=1).max() < tolerance
    assert np.linalg.norm(mirror.apply(end) - start, axis=1).max() < tolerance
    assert mirror.order[-1] == path.mover == len(mirror.order) - 1
    species = path.images.species
    assert all(species[k] == species[j] for k, j in enumerate(mirror.order))
    turn = np.array(mirror.rotation)
    np.testing.assert_allclose(turn @ turn, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(turn @ vector, -np.array(vector), atol=1e-8)
    np.testing.assert_allclose(mirror.apply(mirror.apply(start)), start, atol=1e-8)


@cache
def rocksalt_path(number):
    host = rocksalt()
    return path_of(host, vacancy_hop(host, 0, np.array(HOPS[number])))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(range(len(HOPS))))
def test_energy_and_forces_of_any_configuration_are_the_mirrored_ones(seed, number):
    path = rocksalt_path(number)
    assert path.mirror is not None
    rng = np.random.default_rng(seed)
    xyz = path.images.xyz[rng.integers(5)]
    xyz = xyz + rng.normal(0.0, 0.1, xyz.shape)
    energy, forces = emt(path, xyz)
    mirrored_energy, mirrored_forces = emt(path, path.mirror.apply(xyz))
    assert mirrored_energy == pytest.approx(energy, abs=1e-8)
    np.testing.assert_allclose(path.mirror.turn(forces), mirrored_forces, atol=1e-7)


def test_the_mirror_of_a_bowed_guess_keeps_the_side_to_which_it_is_bowed():
    host = rocksalt()
    for seed in range(4):
        path = path_of(host, vacancy_hop(host, 0, np.array(HOPS[0])), seed=seed)
        middle = path.images.xyz[2]
        assert abs(middle[-1, 2] - host.xyz[0, 2]) > 0.2
        moved = path.mirror.apply(middle)[-1] - middle[-1]
        assert np.linalg.norm(moved) < 0.2


def test_a_hop_between_different_sites_has_none():
    atoms = bulk("Au", "fcc", a=6.4, cubic=True)
    atoms += Atoms("Cu8", scaled_positions=0.25 + 0.5 * np.indices((2, 2, 2)).reshape(3, -1).T,
                   cell=atoms.cell)  # fmt: skip
    atoms += Atoms("Cu4", positions=atoms.positions[:4] + np.array([3.2, 0, 0]), cell=atoms.cell)
    host = Geometry.from_atoms(atoms.repeat(2))
    octahedral = atom_at(host, [3.2, 0.0, 0.0])
    assert path_of(host, vacancy_hop(host, octahedral, np.array([1.6, 1.6, 1.6]))).mirror is None
    # Between two of the octahedral sites of the same crystal there is one.
    assert path_of(host, vacancy_hop(host, octahedral, np.array([3.2, 3.2, 0.0]))).mirror


def test_a_dopant_leaves_only_the_mirrors_that_map_it_onto_itself():
    host = rocksalt()
    hop = vacancy_hop(host, 0, np.array(HOPS[0]))

    def mirror_with(place):
        atom = atom_at(host, place)
        dopant = Arrangement(
            label="x", fraction=0.1, substitutions=(Substitution(atom=atom, species="Pd"),)
        )
        return path_of(host, hop, arrangement=dopant).mirror

    assert mirror_with(np.array([A / 2, 0.0, A / 2])) is not None  # half way between both ends
    assert mirror_with(np.array([A, 0.0, A])) is None
    assert mirror_with(np.array([A / 2, A, A / 2])) is None


def test_a_host_without_symmetry_has_none():
    host = rocksalt()
    shaken = host.moved(host.xyz + np.random.default_rng(3).normal(0.0, 0.08, (len(host), 3)))
    vector = shaken.xyz[atom_at(host, host.xyz[0] + HOPS[0])] - shaken.xyz[0]
    final = atom_at(host, host.xyz[0] + HOPS[0])
    hop = hop_of(shaken.xyz[0], vector, atoms=(0, final))
    assert path_of(shaken, hop).mirror is None


@pytest.mark.parametrize("vector", [[A / 2, A / 2, 0.0], [A / 2, -A / 2, 0.0], [0.0, A / 2, A / 2]])
def test_a_hop_of_half_a_period_is_mirrored_in_the_way_it_goes(vector):
    host = rocksalt(1)
    path = path_of(host, vacancy_hop(host, 0, np.array(vector)))
    assert path.mirror is not None
    start, end = path.images.xyz[0], path.images.xyz[-1]
    np.testing.assert_allclose(end[-1] - start[-1], vector, atol=1e-8)
    np.testing.assert_allclose(path.mirror.apply(start), end, atol=1e-8)
    np.testing.assert_allclose(path.mirror.apply(end), start, atol=1e-8)


def test_a_translation_by_half_a_period_is_no_mirror():
    rng = np.random.default_rng(8)
    grid = np.indices((2, 3, 3)).reshape(3, -1).T * 3.0
    motif = Atoms(
        "CuAu" * 9, positions=grid + rng.normal(0, 0.2, grid.shape), cell=[6, 9, 9], pbc=True
    )
    host = Geometry.from_atoms(motif.repeat((2, 1, 1)))
    assert path_of(host, vacancy_hop(host, 0, np.array([6.0, 0.0, 0.0]))).mirror is None


def test_ends_of_two_energies_have_none_nor_has_a_hop_in_an_unknown_host():
    host = rocksalt()
    hop = vacancy_hop(host, 0, np.array(HOPS[0]))
    assert path_of(host, hop, energies=(-1.0, -1.0015)).mirror is not None
    assert path_of(host, hop, energies=(-1.0, -1.003)).mirror is None
    assert path_of(host, hop, given=False).mirror is None


def test_ends_that_relaxed_into_different_forms_have_none():
    host = rocksalt()
    hop = vacancy_hop(host, 0, np.array(HOPS[0]))
    assert path_of(host, hop, noise=0.2).mirror is None


def test_an_interstitial_hop_between_two_holes_of_copper_is_mirrored():
    host = Geometry.from_atoms(bulk("Cu", "fcc", a=3.6, cubic=True).repeat(2))
    path = path_of(host, hop_of([1.8, 1.8, 1.8], [1.8, 1.8, 0.0]))
    assert path.mirror is not None
    start, end = path.images.xyz[0], path.images.xyz[-1]
    np.testing.assert_allclose(path.mirror.apply(start), end, atol=1e-8)
    np.testing.assert_allclose(path.mirror.apply(end), start, atol=1e-8)
    assert path_of(host, hop_of([1.8, 1.8, 1.8], [0.9, 0.9, 0.9])).mirror is None


def test_the_record_means_what_it_says_and_refuses_what_is_no_permutation():
    quarter = ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    offsets = ((1.0, 0.0, 0.0), (0.0, 2.0, 0.0), (0.0, 0.0, 3.0))
    mirror = Mirror(rotation=quarter, order=(1, 2, 0), offsets=offsets)
    xyz = np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    np.testing.assert_allclose(mirror.apply(xyz), [[0, 0, 4], [1, 1, 0], [-1, 2, 0]])
    np.testing.assert_allclose(mirror.turn(xyz), [[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    assert Mirror.model_validate_json(mirror.model_dump_json()) == mirror
    with pytest.raises(ValidationError):
        Mirror(rotation=quarter, order=(0, 0, 1), offsets=offsets)
