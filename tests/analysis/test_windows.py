"""Windows and sites of crystals whose geometry is known, and what images tell."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation

from dualion.analysis.descriptors import ion_descriptors, saddle_descriptors
from dualion.analysis.radii import anion_radius, electronegativity, ion_radius
from dualion.analysis.windows import frame, openings
from dualion.errors import InputError
from dualion.records import Framework, Geometry, Images, Mechanism
from dualion.structures.hops import find_hops, working_sites
from dualion.structures.library import find_library

CL, S = 1.81, 1.84  # Shannon, six-fold


def network_of(atoms, ion, max_length=None):
    parent = Geometry.from_atoms(atoms)
    return find_hops(
        parent,
        working_sites(parent, ion),
        mechanism=Mechanism.VACANCY,
        ion=ion,
        max_length=max_length,
    )


@pytest.fixture(scope="module")
def rocksalt():
    return network_of(bulk("NaCl", "rocksalt", a=5.64), "Na", 4.1)


def test_shannon_radii():
    known = {"Li": 0.76, "Na": 1.02, "K": 1.38, "Cu": 0.77, "Ag": 1.15}
    assert {ion: ion_radius(ion, 1).radius for ion in known} == pytest.approx(known)
    assert ion_radius("Li", 1, 4).radius == pytest.approx(0.59)
    assert ion_radius("Cu", 1, 3).coordination in {2, 4}
    assert {s: anion_radius(s) for s in ("O", "S", "Cl", "I")} == pytest.approx(
        {"O": 1.40, "S": 1.84, "Cl": 1.81, "I": 2.20}
    )
    with pytest.raises(InputError, match="Shannon"):
        ion_radius("Li", 3)


def test_rocksalt_ions_pass_the_triangle_and_not_the_edge(rocksalt):
    found = openings(rocksalt)
    (site,) = found.sites
    assert (site.coordination, frame(site.anions)) == (6, "Cl6")
    assert site.radius == pytest.approx(5.64 / 2 - CL, abs=1e-6)
    (window,) = found.windows
    # Three touching anions, (a/√2)/√3 from their centre; the straight line meets an edge of two.
    assert window.distance == pytest.approx(5.64 / np.sqrt(6), abs=0.01)
    assert window.radius == pytest.approx(5.64 / np.sqrt(6) - CL, abs=0.01)
    assert window.frame == "Cl3"
    assert window.straight_radius == pytest.approx(5.64 / np.sqrt(8) - CL, abs=1e-3)
    assert [(what, by) for what, _, by in found.channels] == [
        ("1D", "h1"), ("2D", "h1"), ("3D", "h1"),
    ]  # fmt: skip
    assert found.channels[2][1] == pytest.approx(window.radius)


def test_bcc_anions_let_an_ion_pass_from_tetrahedron_to_tetrahedron():
    a = 4.3
    places = [(0.5, 0.25, 0.0), (0.5, 0.75, 0.0), (0.0, 0.5, 0.25), (0.0, 0.5, 0.75),
              (0.25, 0.0, 0.5), (0.75, 0.0, 0.5), (0.25, 0.5, 0.0), (0.75, 0.5, 0.0),
              (0.0, 0.25, 0.5), (0.0, 0.75, 0.5), (0.5, 0.0, 0.25), (0.5, 0.0, 0.75)]  # fmt: skip
    atoms = Atoms(
        ["S"] * 2 + ["Li"] * 12,
        scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5), *places],
        cell=np.eye(3) * a,
        pbc=True,
    )
    found = openings(network_of(atoms, "Li", 0.4 * a))
    (site,) = found.sites
    assert site.coordination == 4
    assert site.distance == pytest.approx(np.sqrt(5) / 4 * a, abs=1e-6)
    # Circumradius of the face shared by two tetrahedra: sides a, √3/2 a, √3/2 a.
    (window,) = found.windows
    assert window.distance == pytest.approx(0.75 * a / np.sqrt(2), abs=0.01)
    assert window.frame == "S3"


def test_a_turned_crystal_has_the_same_windows():
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    straight = openings(network_of(atoms, "Na", 4.1))
    turn = Rotation.from_euler("xyz", [20, 50, 70], degrees=True).as_matrix()
    atoms.set_cell(atoms.cell.array @ turn.T, scale_atoms=True)
    atoms.positions += [0.3, -1.1, 2.0]
    turned = openings(network_of(atoms, "Na", 4.1))
    assert turned.windows[0].radius == pytest.approx(straight.windows[0].radius, abs=1e-3)


def test_no_way_leads_through_the_layers_of_a_layered_oxide():
    parent = find_library().load("licoo2").parent
    network = find_hops(
        parent,
        working_sites(parent, "Li"),
        mechanism=Mechanism.VACANCY,
        ion="Li",
        max_length=None,
    )
    found = openings(network)
    # CoO2 layers are closed: their octahedra are full, and share all faces of their tetrahedra.
    inside = {k.class_id for k in network.classes if k.length == pytest.approx(2.82, abs=0.02)}
    assert {window.class_id for window in found.windows} == inside
    assert found.windows[0].frame == "O3"
    assert [what for what, _, _ in found.channels] == ["1D", "2D"]


def test_a_metal_has_no_windows_and_says_so():
    found = openings(network_of(bulk("Cu", "fcc", a=3.6), "Cu", 2.7))
    assert found.windows == ()
    assert found.absent == "no anions"


def test_an_ion_is_held_against_the_room_it_has(rocksalt):
    framework = Framework(name="nacl", working_ion="Na", parent=rocksalt.parent)
    rooms = openings(rocksalt)
    sodium, potassium = (ion_descriptors(framework, ion, rooms) for ion in ("Na", "K"))
    assert sodium.electronegativity_differences == (("Cl", pytest.approx(3.16 - 0.93)),)
    assert sodium.sites[0].ratio == pytest.approx((5.64 / 2 - CL) / 1.02, rel=1e-4)
    assert potassium.windows[0].ratio / sodium.windows[0].ratio == pytest.approx(1.02 / 1.38)
    assert sodium.solution_energy is None
    assert "dualion solution" in dict(potassium.absent)["solution_energy"]
    assert electronegativity("S") == pytest.approx(2.58)


@pytest.fixture
def turning(make_record):
    """A PS4 that turns by 12° about x while a Li passes: nothing else moves."""
    bonds = 2.05 / np.sqrt(3) * np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)])
    still = np.vstack([np.zeros((1, 3)), bonds]) + 6.0
    frames = []
    for angle, place in ((0.0, 10.0), (12.0, 9.0), (0.0, 8.0)):
        turn = Rotation.from_euler("x", angle, degrees=True).as_matrix()
        group = (still - 6.0) @ turn.T + 6.0
        frames.append(np.vstack([group, [(place, 6.0, 6.0)]]))
    images = Images.from_array(
        ((14.0, 0, 0), (0, 14.0, 0), (0, 0, 14.0)),
        ("P", "S", "S", "S", "S", "Li"),
        np.array(frames),
    )
    return make_record(images=images, mover=5, energies=(0.0, 0.3, 0.1), atoms=6)


def test_a_group_that_turns_as_a_whole_is_told_from_one_that_is_bent(turning):
    found = saddle_descriptors(turning)
    assert found.rotation == pytest.approx(12.0, abs=1e-6)
    assert found.bond_distortion == pytest.approx(0.0, abs=1e-9)
    assert found.angle_change == pytest.approx(0.0, abs=1e-6)
    # Each S is √(2/3) 2.05 Å from the axis.
    chord = 2.0 * np.sqrt(2.0 / 3.0) * 2.05 * np.sin(np.radians(6.0))
    assert found.anions_end_to_saddle == pytest.approx(chord, rel=1e-6)
    assert found.anions_end_to_end == pytest.approx(0.0, abs=1e-9)
    assert found.anions_host_to_saddle == 0.08  # what the record says of its host


def test_the_way_of_the_ion_is_measured_to_the_nearest_anion(turning):
    found = saddle_descriptors(turning)
    along = 2.05 / np.sqrt(3)
    assert found.end_distance == pytest.approx(np.hypot(4.0 - along, np.sqrt(2) * along))
    assert found.saddle_distance == pytest.approx(np.hypot(3.0 - along, np.sqrt(2) * along))
    assert found.closest == pytest.approx(np.hypot(2.0 - along, np.sqrt(2) * along))
    assert found.saddle_radius == pytest.approx(found.saddle_distance - S)
    assert found.saddle_coordination == 2


def test_what_is_not_known_has_its_reason(make_record):
    found = saddle_descriptors(make_record(with_images=False))
    reasons = dict(found.absent)
    assert found.rotation is None
    assert reasons["rotation"] == "the record has no images"
    assert reasons["volume_change"] == "nothing was exchanged"
    assert "host" in reasons["anions_host_to_end"]
    known = found.model_dump()
    for name, value in known.items():
        assert value is not None or name in reasons
