"""VASP's input files, against published practice and plain arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ase.build import bulk

from dualion.engines.vasp import presets
from dualion.engines.vasp.inputs import (
    Layout,
    changed_level,
    mesh_of,
    titles,
    vasp_input,
    write_band,
    write_single,
)
from dualion.engines.vasp.machine import Machine
from dualion.errors import InputError, ModelFileError
from dualion.records import Geometry
from dualion.settings import BandSettings, RelaxSettings

PBE = presets.Preset()

# Published practice: the Materials Project's relaxations (doi 10.1063/1.4812323: 520 eV, +U),
# VASP's manual, and the VTST pages (IBRION = 3, POTIM = 0, IOPT; forces converged tightly).
ELECTRONIC = {
    "GGA": "PE",
    "PREC": "Accurate",
    "ENCUT": 520,
    "EDIFF": 1e-6,
    "NELM": 100,
    "NELMIN": 5,
    "ALGO": "Normal",
    "ISMEAR": 0,
    "SIGMA": 0.05,
    "LASPH": True,
    "ISYM": 0,
    "LDIPOL": False,
    "LWAVE": False,
    "LCHARG": False,
}
IONS = {"IBRION": 2, "POTIM": 0.3, "ISIF": 2, "NSW": 90, "EDIFFG": -0.01}
STEPS = {
    "cell": {**IONS, "ISIF": 3, "ISYM": 2},
    "ions": IONS,
    "settle": {
        "IMAGES": 5,
        "ICHAIN": 0,
        "SPRING": -5.0,
        "LCLIMB": False,
        "LTANGENTOLD": False,
        "IBRION": 3,
        "POTIM": 0,
        "IOPT": 7,
        "MAXMOVE": 0.2,
        "ISIF": 2,
        "NSW": 90,
        "EDIFFG": -0.5,
    },
    "climb": {
        "IMAGES": 5,
        "ICHAIN": 0,
        "SPRING": -5.0,
        "LCLIMB": True,
        "LTANGENTOLD": False,
        "IBRION": 3,
        "POTIM": 0,
        "IOPT": 1,
        "MAXMOVE": 0.2,
        "ISIF": 2,
        "NSW": 90,
        "EDIFFG": -0.03,
    },
    "static": {"IBRION": -1, "NSW": 0, "ISIF": 2, "LWAVE": True},
}


def tags_of(step: str) -> list[presets.Tag]:
    relax, band = RelaxSettings(), BandSettings()
    made = {
        "cell": lambda: presets.relaxation(relax, cell=True, symmetric=True, steps=90),
        "ions": lambda: presets.relaxation(relax, cell=False, symmetric=False, steps=90),
        "settle": lambda: presets.band(band, images=5, climb=False, limit=0.5, steps=90),
        "climb": lambda: presets.band(band, images=5, climb=True, limit=0.03, steps=90),
        "static": presets.static,
    }
    return [*presets.electronic(PBE), *made[step]()]


def rocksalt(first: str = "Li", second: str = "Cl", a: float = 5.13, times: int = 1) -> Geometry:
    return Geometry.from_atoms(bulk(first + second, "rocksalt", a=a, cubic=True) * times)


def built(geometry: Geometry, step: str = "ions", *, charge: int = 0, preset=PBE):
    return vasp_input(geometry, tags_of(step), preset, charge=charge, machine=Machine())


@pytest.mark.parametrize("step", STEPS)
def test_every_tag_of_every_step_is_as_published_practice_has_it_and_has_a_reason(step):
    tags = tags_of(step)
    assert {tag.name: tag.value for tag in tags} == {**ELECTRONIC, **STEPS[step]}
    for tag in tags:
        assert len(tag.reason.split()) >= 2, tag.name


@pytest.mark.usefixtures("vasp")
@pytest.mark.parametrize("step", STEPS)
def test_the_incar_holds_these_tags_and_those_of_the_cell_and_no_others(step):
    incar = dict(built(rocksalt(), step, charge=-2)["INCAR"])
    wanted = {tag.name: tag.value for tag in tags_of(step)}
    of_the_cell = {"NELECT", "ISPIN", "LREAL"}
    assert set(incar) - set(wanted) == of_the_cell
    for name, value in wanted.items():
        same = str(incar[name]).lower() == str(value).lower()
        assert same or float(incar[name]) == float(value), name


@pytest.mark.usefixtures("vasp")
def test_every_step_of_a_campaign_has_one_level_of_theory():
    """Energies of ends and images are subtracted: what makes them must be the same."""
    geometry = rocksalt()
    names = set(ELECTRONIC) - {"LWAVE"}
    found = [built(geometry, step, charge=-1) for step in ("ions", "settle", "climb", "static")]
    level = [{name: each["INCAR"][name] for name in sorted(names)} for each in found]
    assert all(each == level[0] for each in level)
    assert len({str(each["KPOINTS"]) for each in found}) == 1
    assert len({each["INCAR"]["NELECT"] for each in found}) == 1


def test_pbesol_is_named_and_is_another_level_of_theory():
    sol = presets.Preset(functional="PBEsol")
    assert {t.name: t.value for t in presets.electronic(sol)} == {**ELECTRONIC, "GGA": "PS"}


@pytest.mark.usefixtures("vasp")
def test_potentials_carry_their_element_and_come_once_for_each_species():
    made = built(rocksalt())
    assert [title for title, _ in titles(made)] == [
        "PAW_PBE Li_sv 01Jan2000",
        "PAW_PBE Cl 01Jan2000",
    ]


@pytest.mark.usefixtures("vasp")
@pytest.mark.parametrize("charge", [-1, 0, 1])
def test_electrons_are_written_out_and_are_those_of_the_neutral_atoms_less_the_charge(charge):
    assert built(rocksalt(), charge=charge)["INCAR"]["NELECT"] == 4 * 3 + 4 * 7 - charge


@pytest.mark.usefixtures("vasp")
def test_spin_is_on_only_where_something_can_be_magnetic():
    closed = built(rocksalt())["INCAR"]
    assert closed["ISPIN"] == 1
    assert "MAGMOM" not in closed
    odd = built(rocksalt(), charge=-1)["INCAR"]
    assert odd["ISPIN"] == 2
    iron = built(rocksalt("Fe", "O", 4.3))["INCAR"]
    assert iron["ISPIN"] == 2
    assert iron["MAGMOM"] == [5.0] * 4 + [0.6] * 4


@pytest.mark.usefixtures("vasp")
def test_hubbard_u_is_that_of_the_materials_project_in_oxides_and_nowhere_else():
    oxide = built(rocksalt("Fe", "O", 4.3))["INCAR"]
    assert oxide["LDAU"] is True
    assert (oxide["LDAUU"], oxide["LDAUL"], oxide["LMAXMIX"]) == ([5.3, 0], [2, 0], 4)
    assert "LDAUU" not in built(rocksalt("Fe", "S", 4.9))["INCAR"]
    without = presets.Preset(hubbard=False)
    assert "LDAUU" not in built(rocksalt("Fe", "O", 4.3), preset=without)["INCAR"]


@pytest.mark.usefixtures("vasp")
def test_large_cells_are_projected_in_real_space():
    assert built(rocksalt())["INCAR"]["LREAL"] is False
    assert built(rocksalt(times=2))["INCAR"]["LREAL"] == "Auto"


@pytest.mark.parametrize(
    ("lengths", "spacing", "mesh"),
    [
        ((10.0, 10.0, 10.0), 0.35, (2, 2, 2)),  # 2π/10 = 0.628 → 0.314
        ((5.13, 10.26, 20.52), 0.35, (4, 2, 1)),
        ((10.0, 10.0, 10.0), 0.7, (1, 1, 1)),
        ((2 * math.pi,) * 3, 0.5, (2, 2, 2)),  # exactly on the border
    ],
)
def test_a_mesh_is_as_dense_as_asked(lengths, spacing, mesh):
    assert mesh_of(np.diag(lengths), spacing) == mesh


def test_a_mesh_follows_the_reciprocal_lattice_and_not_the_lengths_of_the_vectors():
    skew = np.array([[4.0, 0.0, 0.0], [4.0, 4.0, 0.0], [0.0, 0.0, 4.0]])
    lengths = 2 * np.pi * np.linalg.norm(np.linalg.inv(skew), axis=0)
    assert mesh_of(skew, 0.35) == tuple(math.ceil(each / 0.35) for each in lengths)


@pytest.mark.usefixtures("vasp")
def test_k_points_are_in_a_file_around_gamma_and_never_in_kspacing():
    made = built(rocksalt())
    assert made["KPOINTS"].style.name == "Gamma"
    assert tuple(made["KPOINTS"].kpts[0]) == mesh_of(rocksalt().cell, PBE.spacing)
    assert "KSPACING" not in made["INCAR"]


def test_species_are_grouped_alike_whatever_their_order():
    mixed = ("Cl", "Li", "Cu", "Cl", "Li")
    other = ("Li", "Cl", "Li", "Cl", "Cu")
    names = [[s[k] for k in Layout.of(s).order] for s in (mixed, other)]
    assert names[0] == names[1] == ["Li", "Li", "Cu", "Cl", "Cl"]
    layout = Layout.of(mixed)
    xyz = np.arange(15.0).reshape(5, 3)
    assert (layout.restored(layout.grouped(xyz)) == xyz).all()


def test_all_images_of_a_band_have_one_order_and_one_lattice(vasp):
    from pymatgen.io.vasp.inputs import Poscar

    geometry = rocksalt()
    order = [7, 0, 6, 1, 5, 2, 4, 3]  # species not contiguous: the mover would be the last
    shuffled = Geometry(
        lattice=geometry.lattice,
        species=tuple(geometry.species[k] for k in order),
        positions=tuple(geometry.positions[k] for k in order),
    )
    xyz = np.stack([shuffled.xyz + 0.1 * k for k in range(4)])
    write_band(vasp.folder / "neb", built(shuffled), xyz, shuffled)
    symbols = [
        Poscar.from_file(str(vasp.folder / "neb" / name / "POSCAR")).site_symbols
        for name in ("00", "01", "02", "03")
    ]
    assert symbols == [["Li", "Cl"]] * 4
    potcar = (vasp.folder / "neb" / "POTCAR").read_text()
    assert potcar.count("TITEL") == 2
    last = Poscar.from_file(str(vasp.folder / "neb" / "03" / "POSCAR")).structure
    layout = Layout.of(shuffled.species)
    assert np.allclose(layout.restored(last.cart_coords), xyz[3])


def test_missing_potcars_are_a_clear_error(vasp, monkeypatch):
    from pymatgen.core import SETTINGS

    from dualion.engines.registry import get_engine

    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", str(vasp.folder))
    with pytest.raises(ModelFileError, match=r"Li_sv.*PMG_VASP_PSP_DIR"):
        built(rocksalt())
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", "/no/such/folder")
    with pytest.raises(ModelFileError, match="no folder"):
        get_engine("vasp")
    monkeypatch.delitem(SETTINGS, "PMG_VASP_PSP_DIR")
    with pytest.raises(ModelFileError, match=r"PMG_VASP_PSP_DIR is not set.*pmg config"):
        get_engine("vasp")
    assert get_engine("vasp", check=False).name == "vasp-pbe"  # where jobs are only submitted


def test_tags_of_ones_own_replace_those_of_the_preset_and_some_are_not_ones_own():
    mine = presets.preset_from({"functional": "PBE", "ENCUT": 600, "IVDW": 12, "spacing": 0.25})
    tags = {tag.name: tag.value for tag in presets.electronic(mine)}
    assert tags == {**ELECTRONIC, "ENCUT": 600, "IVDW": 12}
    assert mine.spacing == 0.25
    with pytest.raises(InputError, match="NELECT cannot be given"):
        presets.preset_from({"NELECT": 100})
    with pytest.raises(InputError, match="unknown functonal"):
        presets.preset_from({"functonal": "PBE"})


def test_what_custodian_may_change_is_the_way_and_not_the_level(vasp):
    from pymatgen.io.vasp.inputs import Incar, Kpoints

    folder = vasp.folder / "run"
    made = built(rocksalt())
    write_single(folder, made)
    assert changed_level(folder) == ""
    incar = Incar.from_file(str(folder / "INCAR"))
    incar.update({"ALGO": "All", "AMIX": 0.1, "EDIFF": 1e-7})
    incar.write_file(str(folder / "INCAR"))
    assert changed_level(folder) == ""
    incar.update({"SIGMA": 0.2, "ADDGRID": True})
    incar.write_file(str(folder / "INCAR"))
    assert changed_level(folder) == "ADDGRID unset → True, SIGMA 0.05 → 0.2"
    write_single(folder, made)
    Kpoints.gamma_automatic(kpts=(6, 6, 6)).write_file(str(folder / "KPOINTS"))
    assert "k-points (4, 4, 4) → Gamma (6, 6, 6)" in changed_level(folder)


def test_the_machine_may_add_how_ranks_are_shared_and_that_is_no_level_of_theory(vasp):
    vasp.patch.setenv("DUALION_VASP_NCORE", "4")
    vasp.patch.setenv("DUALION_VASP_KPAR", "2")
    incar = built(rocksalt())["INCAR"]
    assert (incar["NCORE"], incar["KPAR"]) == (4, 2)


def test_a_variable_that_cannot_be_is_named(monkeypatch):
    monkeypatch.setenv("DUALION_VASP_VTST", "perhaps")
    with pytest.raises(InputError, match=r"DUALION_VASP_VTST: .*seen: 'perhaps'"):
        Machine.here()
