"""Which sites are doped, and what becomes of relaxations that failed."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from dualion.errors import RunError, StructureError
from dualion.records import EngineStamp, Framework, Geometry, HostState, Relaxed
from dualion.settings import CellSettings
from dualion.structures.framework import primitive_standard
from dualion.structures.supercell import build_supercell
from dualion.workflows.campaign import Campaign
from dualion.workflows.solution import dopant_sites, make_solution, read_references

STAMP = EngineStamp(engine="test", code="test", version="1")
SMALL = CellSettings(min_image_distance=7.0)


def campaign(**fields):
    return Campaign(name="x", framework="x", pair=("Li", "Na"), cell=SMALL, **fields)


@pytest.fixture(scope="module")
def framework():
    """Antifluorite with lithium on the octahedral voids as well: two kinds of sites."""
    lattice = Lattice.cubic(5.7)
    crystal = Structure.from_spacegroup(
        "Fm-3m", lattice, ["S", "Li", "Li"], [[0, 0, 0], [0.25, 0.25, 0.25], [0.5, 0.5, 0.5]]
    )
    return Framework(name="x", working_ion="Li", parent=primitive_standard(crystal)[0])


def host_of(framework, *, broken=False):
    cell = build_supercell(framework.parent, SMALL)
    if broken:
        noise = np.random.default_rng(3).normal(0.0, 0.05, cell.geometry.xyz.shape)
        cell = cell.model_copy(update={"geometry": cell.geometry.moved(cell.geometry.xyz + noise)})
    return HostState(
        parent=framework.parent,
        supercell=cell,
        energy=0.0,
        symmetric_energy=0.0,
        broken_symmetry=broken,
        volume_change=0.0,
        lattice_change=0.0,
    )


def orbits(sites):
    return sorted(name.split()[0] for name in sites.values())


def test_one_site_of_each_orbit_is_doped(framework):
    host = host_of(framework)
    sites = dopant_sites(campaign(), framework, host, "Li")
    assert orbits(sites) == ["4b", "8c"]
    assert all(host.supercell.geometry.species[atom] == "Li" for atom in sites)
    only = campaign(hops={"classes": ["h1"]})
    assert orbits(dopant_sites(only, framework, host, "Li")) == ["4b", "8c"]
    assert orbits(dopant_sites(campaign(mechanism="interstitial"), framework, host, "Li")) == [
        "4b",
        "8c",
    ]


def test_where_the_host_has_fallen_every_hop_has_a_site_of_its_own(framework):
    host = host_of(framework, broken=True)
    asked = campaign(hops={"members": 3})
    assert len(dopant_sites(asked, framework, host, "Li")) > 2
    assert orbits(dopant_sites(asked, framework, host_of(framework), "Li")) == ["4b", "8c"]


def cube(*species):
    places = np.arange(3.0 * len(species)).reshape(-1, 3)
    lattice = ((20.0, 0, 0), (0, 20.0, 0), (0, 0, 20.0))
    positions = tuple((float(x), float(y), float(z)) for x, y, z in places)
    return Geometry(lattice=lattice, species=species, positions=positions)


def relaxed(geometry, energy, **fields):
    return Relaxed(
        **{"max_force": 0.005, "converged": True, "force_calls": 7, "stamp": STAMP} | fields,
        geometry=geometry,
        energy=energy,
    )


LI, NA = cube("Li", "Li", "Cl", "Cl"), cube("Na", "Li", "Cl", "Cl")
FALLEN = {"converged": False, "max_force": 0.3}


@pytest.fixture
def made():
    parent = cube("Li", "Cl")
    framework = Framework(name="x", working_ion="Li", parent=parent)
    cell = build_supercell(parent, CellSettings(min_image_distance=5.0))
    host = host_of(framework).model_copy(
        update={"supercell": cell.model_copy(update={"geometry": LI})}
    )

    def make(doped, references=(), undoped=None, full=None):
        return make_solution(
            campaign(),
            framework,
            host,
            ("Li", "Na"),
            references=references,
            undoped=undoped or relaxed(LI, -14.8),
            doped=doped,
            full=full,
        )

    return make


def test_the_lowest_site_counts_and_the_others_are_told(made):
    found = made(
        [("a", relaxed(NA, -14.1)), ("b", relaxed(NA, -14.3)), ("c", relaxed(NA, -15.0, **FALLEN))],
        full=relaxed(cube("Na", "Na", "Cl", "Cl"), -14.0),
    )
    assert [(each.site, round(each.energy, 6)) for each in found.sites] == [("b", 0), ("a", 0.2)]
    assert found.mixing_energy == pytest.approx(-14.3 + 14.4)
    assert found.left_out == (("Na on c", "is not relaxed: 0.300 eV/Å left after 7 calls"),)
    assert found.fraction == 0.5
    assert found.theory.charge == 0


def test_references_and_full_hosts_that_failed_take_no_part(made):
    salt = cube("Na", "Cl")
    found = made(
        [("a", relaxed(NA, -14.1))],
        references=[
            ("lost", None),
            ("bad", relaxed(salt, -99.0, failure="no such element")),
            ("loose", relaxed(salt, -99.0, **FALLEN)),
            ("good", relaxed(salt, -7.0)),
        ],
        full=relaxed(cube("Na", "Na", "Cl", "Cl"), -99.0, failure="blew up"),
    )
    assert found.references == ("good",)
    assert [name for name, _ in found.left_out] == ["lost", "bad", "loose", "Na host"]
    assert found.solution_energy == pytest.approx(-14.1 + 7.4 + 7.0)
    assert found.mixing_energy is None


def test_nothing_is_balanced_with_a_host_or_ion_that_did_not_relax(made):
    with pytest.raises(RunError, match=r"0\.300 eV/Å left"):
        made([("a", relaxed(NA, -14.1))], undoped=relaxed(LI, -14.8, **FALLEN))
    with pytest.raises(RunError, match="a: was not relaxed: its job has failed"):
        made([("a", None)])


def test_references_are_read_as_primitive_cells_and_checked(tmp_path):
    whole = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    whole.to(str(tmp_path / "licl.cif"))
    (found,) = read_references([tmp_path])
    assert len(found.geometry) == 2
    assert found.name == str(tmp_path / "licl.cif")
    assert read_references([]) == ()
    clash = Structure(Lattice.cubic(5.0), ["Li", "Cl", "Cl"], [[0, 0, 0], [0.5] * 3, [0.51] * 3])
    clash.to(str(tmp_path / "POSCAR.vasp"))
    with pytest.raises(StructureError, match=r"POSCAR\.vasp"):
        read_references([tmp_path / "POSCAR.vasp"])
