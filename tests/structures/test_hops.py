"""Distinct hops: counts by hand, brute force, and invariance under what must not matter."""

from __future__ import annotations

import time
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from scipy.spatial.transform import Rotation

from dualion.errors import InputError, StructureError
from dualion.records import Geometry, Mechanism, as_vectors
from dualion.structures.hops import (
    FRAMEWORK_CLEARANCE,
    SITE_CLEARANCE,
    find_hops,
    place_hops,
    working_sites,
)
from dualion.structures.supercell import supercell_from_matrix

FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
BCC = np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]])


def crystal(cell, contents) -> Geometry:
    """Cell rows in Å; contents as (symbol, fractional position)."""
    a, b, c = as_vectors(np.array(cell))
    return Geometry(
        lattice=(a, b, c),
        species=tuple(symbol for symbol, _ in contents),
        positions=as_vectors(np.array([place for _, place in contents]) @ np.array(cell)),
    )


def primitive(a, shape, contents) -> Geometry:
    """Contents in units of the cubic cell of edge a; only the primitive cell's atoms."""
    a_, b, c = as_vectors(a * shape)
    return Geometry(
        lattice=(a_, b, c),
        species=tuple(symbol for symbol, _ in contents),
        positions=as_vectors(a * np.array([place for _, place in contents], dtype=float)),
    )


ROCKSALT = primitive(5.14, FCC, [("Li", (0, 0, 0)), ("Cl", (0.5, 0.5, 0.5))])
ZINCBLENDE = primitive(6.05, FCC, [("I", (0, 0, 0)), ("Cu", (0.25, 0.25, 0.25))])

# Li6PS5Cl with Li on 24g (x, 1/4, 1/4), x = 0.025, F-43m: P on 4b, S on 4c and 16e, Cl on 4a.
# One primitive cell holds the six Li around the S at (1/4, 1/4, 1/4): r = 1/4 - x along ±axes.
_R = 0.225
ARGYRODITE = primitive(
    9.86,
    FCC,
    [
        ("Cl", (0, 0, 0)),
        ("P", (0.5, 0.5, 0.5)),
        ("S", (0.25, 0.25, 0.25)),
        *[
            ("S", (0.5 + s * 0.12, 0.5 + t * 0.12, 0.5 + s * t * 0.12))
            for s, t in product((1, -1), repeat=2)
        ],
        *[
            ("Li", tuple(0.25 + sign * _R * (axis == k) for k in range(3)))
            for axis in range(3)
            for sign in (1, -1)
        ],
    ],
)

# LiMn2O4, Fd-3m with the origin on 8a: Li (0,0,0) and (1/4,1/4,1/4), Mn on 16d at (5/8,5/8,5/8),
# O on 32e: a tetrahedron around either Li, Li-O = √3 u a = 1.96 Å.
_U = 0.1375
SPINEL = primitive(
    8.24,
    FCC,
    [
        ("Li", (0, 0, 0)),
        ("Li", (0.25, 0.25, 0.25)),
        *[
            ("Mn", place)
            for place in (
                (0.625, 0.625, 0.625),
                (0.625, 0.375, 0.375),
                (0.375, 0.625, 0.375),
                (0.375, 0.375, 0.625),
            )
        ],
        *[("O", (-s * _U, -t * _U, -s * t * _U)) for s, t in product((1, -1), repeat=2)],
        *[
            ("O", (0.25 + s * _U, 0.25 + t * _U, 0.25 + s * t * _U))
            for s, t in product((1, -1), repeat=2)
        ],
    ],
)


def hcp(a, c) -> Geometry:
    cell = [[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]]
    return crystal(cell, [("Mg", (1 / 3, 2 / 3, 0.25)), ("Mg", (2 / 3, 1 / 3, 0.75))])


def network(parent, ion, max_length=None, **options):
    return find_hops(
        parent,
        working_sites(parent, ion),
        mechanism=Mechanism.VACANCY,
        ion=ion,
        max_length=max_length,
        **options,
    )


def summary(found):
    """What identifies a network whatever its setting."""
    return [
        (round(each.length, 3), each.multiplicity, each.per_site, each.self_mirror)
        for each in found.classes
    ]


# ------------------------------------------------------------------ counts by hand


def test_rocksalt_has_one_class_of_six():
    # Cations form an fcc lattice: 12 neighbours at a/√2, each hop shared by two: 12 / 2 = 6 per
    # cation and so per primitive cell. The midpoint is an inversion centre: mirror. The second
    # neighbours at a (6 / 2 = 3) lie straight behind an anion: left out.
    found = network(ROCKSALT, "Li", 5.3)
    assert summary(found) == [(round(5.14 / np.sqrt(2), 3), 6, (12, 12), True)]
    assert found.classes[0].orbits in {("4a", "4a"), ("4b", "4b")}
    assert found.dimensionality == 3


def test_fcc_metal_has_six_and_three():
    # 12 first neighbours at a/√2 (6 hops) and 6 second ones at a (3 hops), nothing in between.
    found = network(primitive(3.61, FCC, [("Cu", (0, 0, 0))]), "Cu", 3.7)
    assert summary(found) == [
        (round(3.61 / np.sqrt(2), 3), 6, (12, 12), True),
        (3.61, 3, (6, 6), True),
    ]


def test_bcc_metal_has_four_and_three():
    # 8 first neighbours at √3a/2 (4 hops), 6 second ones at a (3 hops).
    found = network(primitive(4.29, BCC, [("Na", (0, 0, 0))]), "Na", 4.4)
    assert summary(found) == [
        (round(4.29 * np.sqrt(3) / 2, 3), 4, (8, 8), True),
        (4.29, 3, (6, 6), True),
    ]


@pytest.mark.parametrize("ratio", [np.sqrt(8 / 3), 1.55, 1.75])
def test_hcp_tells_in_plane_from_out_of_plane_even_at_equal_length(ratio):
    # Two atoms a cell. In plane: 6 neighbours at a, 2 x 6 / 2 = 6 hops. Between planes: 3 above
    # and 3 below at sqrt(a²/3 + c²/4), 6 hops. At c/a = sqrt(8/3) both have length a, yet no
    # operation of P6_3/mmc tilts the plane. Both kinds have a mirror plane or an inversion
    # centre at mid-hop.
    a = 3.2
    found = network(hcp(a, ratio * a), "Mg", 1.2 * a)
    across = np.sqrt(a**2 / 3 + (ratio * a) ** 2 / 4)
    assert sorted(each.length for each in found.classes) == pytest.approx(sorted([a, across]))
    assert [each.multiplicity for each in found.classes] == [6, 6]
    assert all(each.per_site == (6, 6) and each.self_mirror for each in found.classes)


def test_zincblende_cations_hop_like_an_fcc_lattice_turned_by_a_twofold_axis():
    # 12 / 2 = 6. F-43m has no inversion, but the twofold axis along [001] through a cation takes
    # the hop (d, d, 0) to (-d, -d, 0); with the lattice translation (d, d, 0) it swaps the ends.
    found = network(ZINCBLENDE, "Cu", 4.5)
    assert summary(found) == [(round(6.05 / np.sqrt(2), 3), 6, (12, 12), True)]


def test_spinel_8a_sites_form_a_diamond_net():
    # 2 sites a primitive cell, 4 neighbours each at √3a/4: 2 x 4 / 2 = 4 hops; the empty 16c
    # site at mid-hop is an inversion centre.
    found = network(SPINEL, "Li", 4.0)
    assert summary(found) == [(round(8.24 * np.sqrt(3) / 4, 3), 4, (4, 4), True)]
    # A shift of the origin by (1/2,1/2,1/2) swaps 8a and 8b: both are right.
    assert found.classes[0].orbits in {("8a", "8a"), ("8b", "8b")}
    assert found.dimensionality == 3


def test_argyrodite_has_one_hop_within_and_one_between_cages_up_to_4_angstrom():
    # Six Li per cage, an octahedron of radius r = 0.225a around S; cages on an fcc lattice.
    # Within: 4 neighbours at √2 r = 3.137 Å (the fifth at 2r lies behind the S).
    # Between the cages at (1/4,1/4,1/4) and (3/4,3/4,1/4): from (1/4+r,1/4,1/4) to
    # (3/4,3/4-r,1/4) it is (1/2-r)√2 = 3.835 Å, one such hop to each of the four cages in the
    # directions +x±y, +x±z: 4 a site. Both: 6 sites x 4 / 2 = 12 a primitive cell, and the
    # {110} mirror planes of F-43m swap the ends of both.
    # The next, (1/4+r,1/4,1/4) to (3/4-r,3/4,1/4), is sqrt((1/2-2r)² + 1/4) = 4.955 Å.
    found = network(ARGYRODITE, "Li", 4.0)
    within, between = 9.86 * np.sqrt(2) * _R, 9.86 * np.sqrt(2) * (0.5 - _R)
    assert summary(found) == [
        (round(within, 3), 12, (4, 4), True),
        (round(between, 3), 12, (4, 4), True),
    ]
    assert {each.orbits for each in found.classes} == {("24g", "24g")}
    assert found.dimensionality == 3
    assert network(ARGYRODITE, "Li", 3.5).dimensionality == 0  # a cage leads nowhere


def test_sites_of_different_orbits_count_by_either_end():
    # Cubic perovskite-like net: Na on 1a (corner), Na on 3c (face centres), Po on 1b. Corner to
    # face centre is a/√2: a corner has 12 such neighbours, a face centre 4. 12 hops a cell.
    parent = crystal(
        np.eye(3) * 5.0,
        [
            ("Na", (0, 0, 0)),
            ("Na", (0, 0.5, 0.5)),
            ("Na", (0.5, 0, 0.5)),
            ("Na", (0.5, 0.5, 0)),
            ("O", (0.5, 0.5, 0.5)),
        ],
    )
    found = network(parent, "Na", 3.6)
    mixed = next(each for each in found.classes if each.orbits[0] != each.orbits[1])
    counts = dict(zip(mixed.orbits, mixed.per_site, strict=True))
    assert {label[0]: count for label, count in counts.items()} == {"1": 12, "3": 4}
    assert mixed.multiplicity == 12
    assert not mixed.self_mirror


def test_a_screw_axis_alone_makes_hops_that_are_not_their_own_mirror():
    # P2_1 along c with one general site: (x, y, z) and (-x, -y, z+1/2). The two hops along the
    # screw, up from either site, are one class of two; nothing turns one round. From each site
    # one hop starts and at each site one ends.
    cell = [[6.0, 0, 0], [1.0, 7.0, 0], [0, 0, 5.0]]
    parent = crystal(
        cell,
        [
            ("Li", (0.1, 0.05, 0.1)),
            ("Li", (-0.1, -0.05, 0.6)),
            ("O", (0.6, 0.3, 0.3)),
            ("O", (0.4, 0.7, 0.8)),
            ("S", (0.55, 0.75, 0.05)),
            ("S", (0.45, 0.25, 0.55)),
        ],
    )
    found = network(parent, "Li", 3.2)
    assert summary(found) == [(round(found.classes[0].length, 3), 2, (1, 1), False)]
    assert found.dimensionality == 1


@pytest.mark.parametrize(
    ("parent", "ion", "cutoff"),
    [(ARGYRODITE, "Li", 4.0), (SPINEL, "Li", 4.0), (ROCKSALT, "Li", 4.0)],
)
def test_distinct_path_finder_agrees(parent, ion, cutoff):
    from pymatgen.analysis.diffusion.neb.pathfinder import DistinctPathFinder

    paths = DistinctPathFinder(
        parent.structure(), ion, max_path_length=cutoff, symprec=0.01
    ).get_paths()
    lengths = sorted(path.length for path in paths)
    assert lengths == pytest.approx(
        [each.length for each in network(parent, ion, cutoff).classes], abs=1e-3
    )


# ------------------------------------------------------------------ brute force and invariance


def brute_force(parent, sites, cutoff):
    """All unblocked undirected hops, by plain loops over cells; keyed both ways."""
    cell, places = parent.cell, np.array([site.fractional for site in sites]) @ parent.cell
    held = {site.atom for site in sites}
    rest = np.array([parent.xyz[k] for k in range(len(parent)) if k not in held]).reshape(-1, 3)
    steps = np.array(list(product(range(-3, 4), repeat=3)))
    shifts = steps @ cell
    hops = set()
    all_sites = (places[None] + shifts[:, None]).reshape(-1, 3)
    all_rest = (rest[None] + shifts[:, None]).reshape(-1, 3)

    def passed(start, vector, points, clearance):
        length = np.linalg.norm(vector)
        along = (points - start) @ vector / length
        aside = np.linalg.norm(np.cross(points - start, vector / length), axis=1)
        return bool(((along > 0.05) & (along < length - 0.05) & (aside < clearance)).any())

    for i, j in product(range(len(sites)), repeat=2):
        for step, shift in zip(steps, shifts, strict=True):
            vector = places[j] + shift - places[i]
            if not 1e-6 < np.linalg.norm(vector) <= cutoff:
                continue
            if passed(places[i], vector, all_sites, SITE_CLEARANCE):
                continue
            if len(all_rest) and passed(places[i], vector, all_rest, FRAMEWORK_CLEARANCE):
                continue
            hops.add((i, j, tuple(int(v) for v in step)))
    return hops


def both_ways(member):
    image = tuple(-v for v in member.image)
    return {
        (member.initial, member.final, member.image),
        (member.final, member.initial, image),
    }


@st.composite
def crystals(draw):
    """A crystal of a random space group with Li and O on general or special places."""
    number = draw(st.sampled_from([1, 2, 4, 5, 14, 19, 31, 62, 92, 176, 198]))
    a, b, c = (draw(st.floats(4.5, 7.0)) for _ in range(3))
    if number >= 195:
        lattice = Lattice.cubic(a + 1)
    elif number >= 143:
        lattice = Lattice.hexagonal(a, c)
    elif number >= 75:
        lattice = Lattice.tetragonal(a, c)
    elif number >= 16:
        lattice = Lattice.orthorhombic(a, b, c)
    elif number >= 3:
        lattice = Lattice.monoclinic(a, b, c, draw(st.floats(92, 110)))
    else:
        lattice = Lattice.from_parameters(a, b, c, 85, 95, 104)
    part = st.sampled_from([0.0, 0.25, 0.5, 0.12, 0.14, 0.36, 0.6])
    li, o = ([draw(part) for _ in range(3)] for _ in range(2))
    structure = Structure.from_spacegroup(number, lattice, ["Li", "O"], [li, o])
    distances = structure.distance_matrix + 10 * np.eye(len(structure))
    assume(distances.min() > 1.0 and len(structure) <= 40 and "Li" in structure.symbol_set)
    return Geometry.from_structure(structure)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(crystals())
def test_the_operations_make_every_hop_there_is_and_none_twice(parent):
    ion, cutoff = "Li", 4.3
    sites = working_sites(parent, ion)
    wanted = brute_force(parent, sites, cutoff)
    if not wanted:
        with pytest.raises(InputError, match="no hop"):
            network(parent, ion, cutoff)
        return
    found = network(parent, ion, cutoff)
    seen = Counter()
    for each in found.classes:
        first = each.members[0]
        assert len(each.members) == each.multiplicity
        for member in each.members:
            seen.update(both_ways(member))
            # The operation, applied to coordinates, makes the member of the representative.
            operation = found.operations[member.operation]
            start = np.array(sites[first.initial].fractional)
            end = np.array(sites[first.final].fractional) + first.image
            rotation, shift = np.array(operation.rotation), np.array(operation.translation)
            ends = [rotation @ start + shift, rotation @ end + shift]
            if member.reversed:
                ends.reverse()
            there = np.array(sites[member.initial].fractional)
            vector = np.array(sites[member.final].fractional) + member.image - there
            home = ends[0] - there
            assert np.linalg.norm((home - np.rint(home)) @ parent.cell) < 0.02
            assert np.linalg.norm((ends[1] - ends[0] - vector) @ parent.cell) < 0.02
    assert set(seen) == wanted
    assert max(seen.values()) == 1
    by_site = Counter(site.orbit for site in sites)
    for each in found.classes:
        ways = 2 if each.self_mirror else 1
        for orbit, count in zip(each.orbits, each.per_site, strict=True):
            assert count * by_site[orbit] == ways * each.multiplicity


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(crystals(), st.integers(0, 2**31), st.lists(st.integers(-1, 1), min_size=3, max_size=3))
def test_turning_shifting_renumbering_and_other_axes_change_no_count(parent, seed, shear):
    rng = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    change = np.eye(3, dtype=int)
    change[0, 1], change[0, 2], change[1, 2] = shear
    change = change[rng.permutation(3)]
    order = rng.permutation(len(parent))
    shift = rng.uniform(-8, 8, 3)
    a, b, c = as_vectors(change @ parent.cell @ turn)
    other = Geometry(
        lattice=(a, b, c),
        species=tuple(parent.species[k] for k in order),
        positions=as_vectors((parent.xyz[order] + shift) @ turn),
    )
    ion = "Li"
    try:
        first = network(parent, ion, 4.3)
    except InputError:
        with pytest.raises(InputError, match="no hop"):
            network(other, ion, 4.3)
        return
    second = network(other, ion, 4.3)

    def counts(found):
        return sorted(
            (round(each.length, 2), each.multiplicity, sorted(each.per_site), each.self_mirror)
            for each in found.classes
        )

    assert counts(second) == counts(first)
    assert second.dimensionality == first.dimensionality
    automatic = (network(parent, ion), network(other, ion))
    assert counts(automatic[0]) == counts(automatic[1])


# ------------------------------------------------------------------ which hops are listed


def test_without_a_length_hops_are_added_until_the_network_percolates():
    # Argyrodite: the 3.14 Å hops stay within a cage, the 3.83 Å ones join the cages in 3D.
    found = network(ARGYRODITE, "Li")
    assert [round(each.length, 2) for each in found.classes] == [3.14, 3.83]
    assert found.dimensionality == 3
    assert found.max_length == pytest.approx(found.classes[-1].length)


def test_layers_too_far_apart_percolate_in_two_directions():
    # Square Li net of 3 Å, next layer 9 Å away: beyond 6 Å nothing is looked for. The 4.24 Å
    # diagonal adds no direction and is not listed.
    found = network(crystal(np.diag([3.0, 3.0, 9.0]), [("Li", (0, 0, 0))]), "Li")
    assert summary(found) == [(3.0, 2, (4, 4), True)]
    assert found.dimensionality == 2


def test_sites_more_than_6_angstrom_apart_are_still_joined():
    found = network(crystal(np.diag([7.0, 7.5, 7.9]), [("Li", (0, 0, 0))]), "Li")
    assert [each.length for each in found.classes] == pytest.approx([7.0, 7.5, 7.9])
    assert found.dimensionality == 3


def test_a_hop_through_another_site_is_two_shorter_hops():
    # Chain of 2.5 Å: the 5.0 Å hop passes over the site between.
    parent = crystal(np.diag([2.5, 9.0, 9.0]), [("Li", (0, 0, 0))])
    assert [each.length for each in network(parent, "Li", 5.2).classes] == [2.5]


def test_a_length_with_no_hop_says_what_is_nearest():
    with pytest.raises(InputError, match=r"no hop of Li up to 3 Å") as error:
        network(ROCKSALT, "Li", 3.0)
    assert "raise max_length" in str(error.value)


def test_classes_can_be_chosen_and_keep_their_names():
    found = network(ARGYRODITE, "Li", 4.0, classes=("h2",))
    assert [each.class_id for each in found.classes] == ["h2"]
    # The 3.83 Å hops alone: each site has four, to the sites that face it across a gap.
    assert found.classes[0].length == pytest.approx(3.835, abs=1e-3)


def test_an_unknown_class_is_answered_with_those_there_are():
    with pytest.raises(InputError, match=r"no hop class h9.*h1 24g–24g 3\.14 Å; h2 24g–24g"):
        network(ARGYRODITE, "Li", 4.0, classes=("h1", "h9"))


def test_an_ion_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(StructureError, match=r"no working ion Cu .*name one of Li, Cl"):
        working_sites(ROCKSALT, "Cu")


def test_sites_that_are_no_complete_orbit_are_refused():
    sites = working_sites(ARGYRODITE, "Li")[:4]
    with pytest.raises(StructureError, match="give all sites of an orbit"):
        find_hops(ARGYRODITE, sites, mechanism=Mechanism.VACANCY, ion="Li", max_length=4.0)


def test_a_parent_of_2000_atoms_takes_seconds():
    # A jittered grid without any symmetry: every hop is a class of its own.
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*map(np.arange, (20, 10, 10)), indexing="ij"), -1).reshape(-1, 3)
    places = (grid + 0.5) * 3.0 + rng.uniform(-0.4, 0.4, (2000, 3))
    a, b, c = as_vectors(np.diag([60.0, 30.0, 30.0]))
    parent = Geometry(
        lattice=(a, b, c),
        species=tuple("Li" if k % 2 else "O" for k in range(2000)),
        positions=as_vectors(places),
    )
    start = time.process_time()
    found = network(parent, "Li", 4.0)
    assert time.process_time() - start < 15
    assert len(found.classes) > 1000


# ------------------------------------------------------------------ placing


def test_a_placed_hop_joins_the_two_sites_it_says():
    cell = supercell_from_matrix(ARGYRODITE, [[1, 1, -1], [-1, 1, 1], [1, -1, 1]])
    found = network(ARGYRODITE, "Li", 4.0)
    placed = place_hops(found, cell, members=4)
    assert [hop.class_id for hop in placed] == ["h1"] * 4 + ["h2"] * 4
    assert [hop.member for hop in placed] == [0, 3, 6, 9] * 2
    for hop in placed:
        assert cell.geometry.species[hop.initial] == cell.geometry.species[hop.final] == "Li"
        np.testing.assert_allclose(hop.initial_position, cell.geometry.xyz[hop.initial], atol=1e-9)
        assert np.linalg.norm(hop.vector) == pytest.approx(hop.length, abs=1e-6)
        end = np.array(hop.initial_position) + hop.vector - cell.geometry.xyz[hop.final]
        turns = end @ np.linalg.inv(cell.geometry.cell)
        np.testing.assert_allclose(turns, np.rint(turns), atol=1e-8)


def test_representatives_start_from_one_shared_atom():
    cell = supercell_from_matrix(ARGYRODITE, [[1, 1, -1], [-1, 1, 1], [1, -1, 1]])
    placed = place_hops(network(ARGYRODITE, "Li", 5.0), cell)
    assert len(placed) == 3
    assert len({hop.initial for hop in placed}) == 1


def test_more_members_than_a_class_has_gives_all_of_them():
    cell = supercell_from_matrix(ROCKSALT, [[3, 0, 0], [0, 3, 0], [0, 0, 3]])
    placed = place_hops(network(ROCKSALT, "Li", 4.0), cell, members=48)
    assert [hop.member for hop in placed] == list(range(6))
    assert len({frozenset((hop.initial, hop.final)) for hop in placed}) == 6


def test_a_hop_of_more_than_half_the_cell_keeps_its_direction():
    cell = supercell_from_matrix(ROCKSALT, [[-1, 1, 1], [1, -1, 1], [1, 1, -1]])  # 5.14 Å cube
    hop = place_hops(network(ROCKSALT, "Li", 4.0), cell)[0]
    first = network(ROCKSALT, "Li", 4.0).classes[0].members[0]
    np.testing.assert_allclose(hop.vector, np.array(first.image) @ ROCKSALT.cell)


def test_in_a_small_cell_members_that_join_the_same_atoms_are_left_out():
    # In the cubic cell (4 cations) each cation has 3 others, each reached by 4 of the 12 hops:
    # of the 6 members 3 are left.
    cell = supercell_from_matrix(ROCKSALT, [[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    placed = place_hops(network(ROCKSALT, "Li", 4.0), cell, members=6)
    assert len(placed) == 3


def test_a_hop_onto_its_own_image_is_refused():
    cell = supercell_from_matrix(ROCKSALT, np.eye(3, dtype=int).tolist())
    with pytest.raises(InputError, match="to its own image") as error:
        place_hops(network(ROCKSALT, "Li", 4.0), cell)
    assert "raise min_image_distance" in str(error.value)


def test_a_supercell_of_another_crystal_is_refused():
    cell = supercell_from_matrix(SPINEL, (2 * np.eye(3, dtype=int)).tolist())
    with pytest.raises(InputError, match="not a multiple of the parent"):
        place_hops(network(ROCKSALT, "Li", 4.0), cell)
