"""Voids: counts by hand in lattices where everybody knows them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from dualion.errors import CationError, InputError
from dualion.records import Geometry, Mechanism, as_vectors
from dualion.settings import CellSettings
from dualion.structures.hops import find_hops, place_hops
from dualion.structures.supercell import build_supercell
from dualion.structures.voids import find_voids

FACES = [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
CENTRED = [(0, 0, 0), (0.5, 0.5, 0.5)]


def cubic(a, **contents) -> Geometry:
    """Conventional cubic cell; contents as symbol=list of fractional positions."""
    x, y, z = as_vectors(np.eye(3) * a)
    return Geometry(
        lattice=(x, y, z),
        species=tuple(symbol for symbol, places in contents.items() for _ in places),
        positions=as_vectors(a * np.array([p for places in contents.values() for p in places])),
    )


def shifted(places, by):
    return [tuple((np.array(place) + by) % 1.0) for place in places]


FCC = cubic(3.61, Cu=FACES)
BCC = cubic(4.29, Na=CENTRED)
ROCKSALT = cubic(5.14, Li=FACES, Cl=shifted(FACES, 0.5))
ZINCBLENDE = cubic(6.05, Cu=shifted(FACES, 0.25), I=FACES)


def places(voids):
    """Fractional positions in [0, 1), rounded, as a set."""
    return {tuple(np.round(np.array(void.fractional) % 1.0, 4) % 1.0 + 0.0) for void in voids}


def nearest(geometry, fractional):
    """Distance to the nearest ion over 27 cells, in Å."""
    steps = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 3)
    offsets = geometry.fractional[None] + steps[:, None] - np.array(fractional) % 1.0
    return float(np.linalg.norm(offsets.reshape(-1, 3) @ geometry.cell, axis=1).min())


def test_fcc_metal_has_four_octahedra_and_eight_tetrahedra():
    # Octahedra at the edge middles and the centre: 4b. Tetrahedra at (1/4,1/4,1/4) etc.: 8c.
    voids = find_voids(FCC, "Cu")
    assert Counter(void.orbit for void in voids) == {"4b": 4, "8c": 8}
    octahedra = {tuple(p) for p in shifted(FACES, 0.5)}
    tetrahedra = {tuple(p) for s in (0.25, 0.75) for p in shifted(FACES, s)}
    assert places(voids) == octahedra | tetrahedra
    assert voids[0].orbit == "4b"  # the roomiest first: a/2 against √3a/4
    assert all(void.atom is None for void in voids)
    assert [void.index for void in voids] == list(range(12))


def test_bcc_metal_has_twelve_tetrahedra_and_no_octahedra():
    # Tetrahedra at (1/2,1/4,0) etc., 12d, √5a/4 from four atoms. The octahedral position at a
    # face centre is a/2 from two atoms only: a saddle of the clearance.
    voids = find_voids(BCC, "Na")
    assert Counter(void.orbit for void in voids) == {"12d": 12}
    assert (0.5, 0.25, 0.0) in places(voids)
    assert nearest(BCC, voids[0].fractional) == pytest.approx(4.29 * np.sqrt(5) / 4)


def test_rocksalt_has_eight_tetrahedra():
    # Every cube of four cations and four anions, eighths of the cell: 8c.
    voids = find_voids(ROCKSALT, "Li")
    assert Counter(void.orbit for void in voids) == {"8c": 8}
    assert (0.25, 0.25, 0.25) in places(voids)
    assert (0.75, 0.25, 0.25) in places(voids)


def test_zincblende_has_the_other_tetrahedra_and_the_octahedra():
    # Of the anions' eight tetrahedra four are full; the other four are voids, and so are the four
    # octahedra. The 16e positions between them (hexagonal sites of diamond) are no sites.
    voids = find_voids(ZINCBLENDE, "Cu")
    assert sorted(Counter(void.orbit[:-1] for void in voids).items()) == [("4", 8)]
    assert len({void.orbit for void in voids}) == 2
    assert places(voids) == {tuple(p) for s in (0.5, 0.75) for p in shifted(FACES, s)}


def test_the_split_vertices_of_a_stretched_octahedron_are_one_void_at_its_centre():
    # Stretched along c, an octahedron of fcc has its two nearest ions missing from the sphere
    # around its centre: the vertices move off the centre, and are put back on it.
    x, y, z = as_vectors(3.61 * np.diag([1.0, 1.0, 1.04]))
    stretched = Geometry(
        lattice=(x, y, z),
        species=("Cu",) * 4,
        positions=as_vectors(np.array(FACES) @ np.array([x, y, z])),
    )
    octahedra = {tuple(p) for p in shifted(FACES, 0.5)}
    assert octahedra < places(find_voids(stretched, "Cu"))
    assert len(find_voids(stretched, "Cu")) == 12


def test_a_primitive_cell_has_a_quarter_of_the_fcc_voids_and_the_same_labels():
    a, b, c = as_vectors(3.61 * np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]))
    primitive = Geometry(lattice=(a, b, c), species=("Cu",), positions=((0.0, 0.0, 0.0),))
    assert Counter(void.orbit for void in find_voids(primitive, "Cu")) == {"4b": 1, "8c": 2}


def test_a_clearance_in_angstrom_keeps_the_roomy_ones_only():
    # a/2 = 1.805 Å and √3a/4 = 1.563 Å.
    assert {void.orbit for void in find_voids(FCC, "Cu", min_clearance=1.7)} == {"4b"}
    assert {void.orbit for void in find_voids(FCC, "Cu", min_clearance=1.5)} == {"4b", "8c"}


def test_a_large_ion_finds_no_room_where_a_small_one_does():
    # K (1.52 Å) keeps three quarters of its contact to Cu (0.82 Å) in the octahedron only.
    assert {void.orbit for void in find_voids(FCC, "Cu")} == {"4b", "8c"}
    assert {void.orbit for void in find_voids(FCC, "K")} == {"4b"}


def test_no_void_at_all_is_answered_with_a_remedy():
    with pytest.raises(InputError, match=r"no void for Cu keeps 2 Å") as error:
        find_voids(FCC, "Cu", min_clearance=2.0)
    assert "lower min_clearance" in str(error.value)


@pytest.mark.parametrize("options", [{"merge": 0.0}, {"min_clearance": -1.0}])
def test_lengths_must_be_positive(options):
    with pytest.raises(InputError, match="must be positive"):
        find_voids(FCC, "Cu", **options)


def test_an_ion_that_is_no_element_is_refused():
    with pytest.raises(CationError, match="'Q' is no chemical element"):
        find_voids(FCC, "Q")


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([FCC, BCC, ROCKSALT, ZINCBLENDE]),
    st.integers(0, 2**31),
    st.lists(st.integers(-1, 1), min_size=3, max_size=3),
)
def test_turning_shifting_renumbering_and_other_axes_change_no_void(parent, seed, shear):
    rng = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    change = np.eye(3, dtype=int)
    change[0, 1], change[0, 2], change[1, 2] = shear
    order = rng.permutation(len(parent))
    shift = rng.uniform(-5, 5, 3)
    a, b, c = as_vectors(change @ parent.cell @ turn)
    other = Geometry(
        lattice=(a, b, c),
        species=tuple(parent.species[k] for k in order),
        positions=as_vectors((parent.xyz[order] + shift) @ turn),
    )
    ion = parent.species[0]
    voids = np.array([v.fractional for v in find_voids(parent, ion)]) @ parent.cell
    found = np.array([v.fractional for v in find_voids(other, ion)]) @ other.cell
    assert len(found) == len(voids)
    back = found @ turn.T - shift
    offsets = (back[:, None] - voids[None]) @ np.linalg.inv(parent.cell)
    misses = np.linalg.norm((offsets - np.rint(offsets)) @ parent.cell, axis=2)
    assert misses.min(axis=1).max() < 1e-4
    assert misses.min(axis=0).max() < 1e-4


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**31))
def test_in_a_random_crystal_voids_touch_four_ions_and_none_is_missed(seed):
    rng = np.random.default_rng(seed)
    a, b, c = as_vectors(np.eye(3) * 6.5 + rng.uniform(-0.5, 0.5, (3, 3)))
    cell = np.array([a, b, c])
    parent = Geometry(
        lattice=(a, b, c),
        species=("Li", "S", "S", "P", "O"),
        positions=as_vectors(rng.uniform(0, 1, (5, 3)) @ cell),
    )
    steps = np.stack(np.meshgrid(*[[-2, -1, 0, 1, 2]] * 3), -1).reshape(-1, 3)
    ions = (parent.fractional[None] + steps[:, None]).reshape(-1, 3) @ cell
    rooms = []
    for void in find_voids(parent, "Li", min_clearance=0.5, merge=0.01):
        distances = np.sort(np.linalg.norm(ions - np.array(void.fractional) @ cell, axis=1))
        assert distances[3] - distances[0] < 0.02
        rooms.append(distances[0])
    # The void of largest clearance is the roomiest point there is, and comes first.
    grid = np.stack(np.meshgrid(*[np.arange(24) / 24] * 3), -1).reshape(-1, 3) @ cell
    roomiest = cKDTree(ions).query(grid)[0].max()
    assert rooms[0] == pytest.approx(max(rooms), abs=2e-3)
    assert roomiest <= max(rooms) + 1e-6
    assert roomiest >= max(rooms) - 0.3  # the grid is 0.3 Å wide


@pytest.mark.parametrize("noise", [0.0, 0.002])
def test_ions_a_little_off_their_places_give_the_same_voids(noise):
    rng = np.random.default_rng(3)
    rough = ROCKSALT.moved(ROCKSALT.xyz + rng.uniform(-noise, noise, (8, 3)))
    assert len(find_voids(rough, "Li", symprec=0.02)) == 8


# ------------------------------------------------------------------ hops between voids


def test_interstitial_hops_of_rocksalt_follow_the_cubes():
    # Tetrahedra form a simple cubic net of edge a/2: 6 neighbours, 8 x 6 / 2 = 24 hops a cell.
    voids = find_voids(ROCKSALT, "Li")
    found = find_hops(ROCKSALT, voids, mechanism=Mechanism.INTERSTITIAL, ion="Li", max_length=None)
    assert [
        (round(each.length, 3), each.multiplicity, each.per_site) for each in found.classes
    ] == [(2.57, 24, (6, 6))]
    assert found.dimensionality == 3


def test_interstitial_hops_of_fcc_alternate_between_the_two_kinds():
    # 8 tetrahedra around each octahedron, 4 octahedra around each tetrahedron: 32 hops a cell.
    voids = find_voids(FCC, "Cu")
    found = find_hops(FCC, voids, mechanism=Mechanism.INTERSTITIAL, ion="Cu", max_length=None)
    (only,) = found.classes
    assert dict(zip(only.orbits, only.per_site, strict=True)) == {"4b": 8, "8c": 4}
    assert only.multiplicity == 32
    assert not only.self_mirror
    assert only.length == pytest.approx(3.61 * np.sqrt(3) / 4)


def test_interstitial_hops_are_placed_by_position():
    voids = find_voids(ROCKSALT, "Li")
    found = find_hops(ROCKSALT, voids, mechanism=Mechanism.INTERSTITIAL, ion="Li", max_length=None)
    cell = build_supercell(ROCKSALT, CellSettings(min_image_distance=10.0))
    (hop,) = place_hops(found, cell)
    assert hop.initial is None
    assert hop.final is None
    for place in (np.array(hop.initial_position), np.add(hop.initial_position, hop.vector)):
        # √3a/4 from four cations and four anions.
        assert nearest(ROCKSALT, place @ np.linalg.inv(ROCKSALT.cell)) == pytest.approx(
            5.14 * np.sqrt(3) / 4
        )
