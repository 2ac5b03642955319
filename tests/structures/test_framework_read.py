from __future__ import annotations

import json

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from pymatgen.core import Lattice, Structure

from dualion.errors import StructureError
from dualion.structures.framework import read_structure

HALF_FULL = """data_x
_cell_length_a 5.1
_cell_length_b 5.1
_cell_length_c 5.1
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Li1 Li 0 0 0 0.5
Cl1 Cl 0.5 0.5 0.5 1.0
"""


@pytest.fixture
def salt():
    fcc = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    sites = np.concatenate([fcc, (fcc + 0.5) % 1])
    return Structure(Lattice.cubic(5.64), ["Na"] * 4 + ["Cl"] * 4, sites)


@pytest.mark.parametrize("name", ["a.cif", "POSCAR", "a.json", "a.vasp", "a.xsf"])
def test_files_of_pymatgen_are_read(tmp_path, salt, name):
    salt.to(filename=str(tmp_path / name))
    found = read_structure(tmp_path / name)
    assert found.composition == salt.composition
    assert found.volume == pytest.approx(salt.volume, rel=1e-5)


@pytest.mark.parametrize("name", ["a.extxyz", "a.traj", "a.gen", "a@0.extxyz"])
def test_files_of_ase_are_read(tmp_path, salt, name):
    write(tmp_path / name, salt.to_ase_atoms())
    found = read_structure(tmp_path / name)
    assert found.composition.reduced_formula == "NaCl"
    assert found.volume == pytest.approx(salt.volume, rel=1e-5)


def test_partial_occupancy_survives_reading(tmp_path):
    file = tmp_path / "half.cif"
    file.write_text(HALF_FULL)
    assert read_structure(file).composition["Li"] == pytest.approx(0.5)


def test_ase_is_not_allowed_to_fill_half_empty_sites(tmp_path, monkeypatch):
    file = tmp_path / "half.cif"
    file.write_text(HALF_FULL)

    def refuse(*_args, **_kwargs):
        msg = "cannot read this"
        raise ValueError(msg)

    monkeypatch.setattr(Structure, "from_file", refuse)
    with pytest.raises(StructureError, match=r"partly occupied.*0\.5.*frameworks order"):
        read_structure(file)


def test_ase_may_read_a_full_cif_that_pymatgen_cannot(tmp_path, monkeypatch):
    file = tmp_path / "full.cif"
    file.write_text(HALF_FULL.replace("0.5\nCl1", "1.0\nCl1"))

    def refuse(*_args, **_kwargs):
        msg = "cannot read this"
        raise ValueError(msg)

    monkeypatch.setattr(Structure, "from_file", refuse)
    assert read_structure(file).composition.reduced_formula == "LiCl"


def test_oxidation_states_in_a_file_are_dropped(tmp_path, salt):
    salt.add_oxidation_state_by_element({"Na": 1, "Cl": -1})
    salt.to(filename=str(tmp_path / "a.cif"))
    assert {str(sp) for sp in read_structure(tmp_path / "a.cif").species} == {"Na", "Cl"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.cif", ""),
        ("a.cif", "data_x\nloop_\n"),
        ("a.cif", HALF_FULL.replace("_cell_length_a 5.1\n", "")),
        ("a.json", "{}"),
        ("a.json", json.dumps({"@module": "os", "@class": "system"})),
        ("POSCAR", "what\nis\nthis"),
        ("a.xyz", "garbage"),
        ("a.unknown", "\x00\x01\x02"),
    ],
)
def test_rubbish_is_one_error_line_that_names_the_file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(StructureError) as caught:
        read_structure(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_errors(tmp_path):
    with pytest.raises(StructureError, match="no such file"):
        read_structure(tmp_path / "none.cif")
    with pytest.raises(StructureError, match="is a folder"):
        read_structure(tmp_path)


def test_a_molecule_without_cell_is_an_error(tmp_path):
    write(tmp_path / "m.xyz", Atoms("NaCl", [[0, 0, 0], [0, 0, 2.4]]))
    with pytest.raises(StructureError, match="three-dimensional cell"):
        read_structure(tmp_path / "m.xyz")


def test_missing_periodicity_is_kept_for_the_check(tmp_path, salt):
    atoms = salt.to_ase_atoms()
    atoms.pbc = (True, True, False)
    write(tmp_path / "slab.extxyz", atoms)
    assert read_structure(tmp_path / "slab.extxyz").pbc == (True, True, False)


def test_a_poscar_without_symbols_is_not_given_invented_ones(tmp_path, salt):
    salt.to(filename=str(tmp_path / "POSCAR"))
    lines = (tmp_path / "POSCAR").read_text().splitlines()
    del lines[5]
    lines[0] = "made by hand"
    (tmp_path / "POSCAR").write_text(
        "\n".join(" ".join(line.split()[:3]) if k > 6 else line for k, line in enumerate(lines))
    )
    with pytest.raises(StructureError, match="names no elements"):
        read_structure(tmp_path / "POSCAR")
