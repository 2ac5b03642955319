"""Files of other programs, read by dualion and by ASE or pymatgen."""

from __future__ import annotations

import pickle
from pathlib import Path

import ase
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms
from ase.io import read, write
from pymatgen.core import Structure

from dualion.errors import StructureError
from dualion.records import Geometry
from dualion.store.foreign.band import Snapshot, require_band
from dualion.store.foreign.document import _geometry
from dualion.store.foreign.frames import band_length, read_frames
from dualion.store.foreign.outcar import plain, read_outcar
from dualion.store.foreign.poscar import read_poscar
from dualion.store.foreign.vasprun import read_vasprun

REAL = Path(ase.__file__).parent / "test" / "testdata" / "vasp"
real = pytest.mark.skipif(not REAL.is_dir(), reason="this ASE comes without its test data")


@real
def test_an_outcar_that_vasp_wrote_reads_as_in_ase():
    file = REAL / "OUTCAR_example_1"
    mine = read_outcar(file)
    text = file.read_text()
    block = text[text.rindex("TOTAL-FORCE (eV/Angst)") :].splitlines()[2 : 2 + len(mine.forces)]
    table = np.array([[float(word) for word in line.split()] for line in block])
    assert np.array(mine.positions) == pytest.approx(table[:, :3])
    assert np.array(mine.forces) == pytest.approx(table[:, 3:])
    # Of the last ionic step, not of the last electronic one.
    last = [line for line in text.splitlines() if "energy  without entropy" in line][-1]
    assert mine.energy == float(last.split()[-1])
    assert mine.version == "5.3.3"
    assert mine.finished
    assert mine.charge == 0
    assert dict(mine.settings)["ENCUT"] == "300"


@real
def test_a_vasprun_that_vasp_wrote_reads_as_in_ase():
    file = REAL / "vasprun_pstress.xml"
    mine, theirs = read_vasprun(file), read(file, format="vasp-xml")
    assert mine.energy == pytest.approx(theirs.get_potential_energy(), abs=1e-7)
    assert np.array(mine.forces) == pytest.approx(theirs.get_forces())
    assert mine.geometry.species == tuple(theirs.get_chemical_symbols())
    assert mine.geometry.xyz == pytest.approx(theirs.positions)


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("held", [True, False])
def test_a_poscar_reads_as_in_ase(tmp_path, direct, held):
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    atoms.rattle(0.1, seed=1)
    if held:
        atoms.set_constraint(FixAtoms([2, 5]))
    file = tmp_path / "POSCAR"
    write(file, atoms, format="vasp", direct=direct, sort=True)
    mine, theirs = read_poscar(file), read(file, format="vasp")
    assert mine.geometry.species == tuple(theirs.get_chemical_symbols())
    assert mine.geometry.xyz == pytest.approx(theirs.positions)
    assert len(mine.fixed) == (2 if held else 0)


def test_a_poscar_may_name_its_potentials_and_its_volume(tmp_path):
    file = tmp_path / "CONTCAR"
    file.write_text("x\n-64\n1 0 0\n0 1 0\n0 0 1\nLi_sv/0a1b Cl\n1 1\nDirect\n0 0 0\n.5 .5 .5\n")
    mine = read_poscar(file).geometry
    assert mine.species == ("Li", "Cl")
    assert mine.volume == pytest.approx(64.0)
    assert mine.positions[1] == pytest.approx((2.0, 2.0, 2.0))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x\n1\n1 0 0\n0 1 0\n0 0 1\n1 1\nDirect\n0 0 0\n",
        "x\n1\n5 0 0\n0 5 0\n0 0 5\nLi\n2\nDirect\n0 0 0\n",
        "x\n1\n5 0 0\n0 5 0\n0 0 5\nLi\n1\nDirect\n0 0 nan\n",
        "x\n1\n5 0 0\n0 5 0\n0 0 5\nQq\n1\nDirect\n0 0 0\n",
        "x\n1\n5 0 0\n0 5 0\n0 0 5\nLi\n999999999\nDirect\n0 0 0\n",
        "x\n-1\n0 0 0\n0 0 0\n0 0 0\nLi\n1\nDirect\n0 0 0\n",
    ],
)
def test_what_is_no_poscar_is_refused_with_its_name(tmp_path, text):
    file = tmp_path / "POSCAR"
    file.write_text(text)
    with pytest.raises(StructureError, match="POSCAR"):
        read_poscar(file)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (".TRUE.", "T"),
        (".false.", "F"),
        ("520.0", "520"),
        ("1D-2", "0.01"),
        ("Accurate", "ACCURATE"),
    ],
)
def test_a_setting_is_written_in_one_way(written, meant):
    assert plain(written) == meant


def test_a_structure_reads_as_in_pymatgen():
    given = Structure.from_spacegroup(
        "Fm-3m", np.eye(3) * 5.1, ["Li+", "Cl-"], [[0] * 3, [0.5] * 3]
    )
    mine = _geometry(given.as_dict(), "here")
    theirs = Geometry.from_structure(given)
    assert mine.species == theirs.species
    assert mine.xyz == pytest.approx(theirs.xyz)


def snapshots(*places, energy=0.0):
    return [
        Snapshot(
            geometry=Geometry.from_atoms(Atoms("Li", [[x, 0, 0]], cell=[9] * 3)), energy=energy
        )
        for x in places
    ]


@pytest.mark.parametrize(
    ("places", "length"),
    [
        ((0.0, 1, 2, 0.0, 1.1, 2), 3),
        ((0.0, 1, 2, 3), 4),
        ((0.0, 1, 2, 0.0, 1), 5),  # an earlier band, and a part of one
    ],
)
def test_a_band_begins_where_the_initial_state_comes_again(places, length):
    assert band_length(snapshots(*places)) == length


def test_an_atom_that_leaves_the_cell_goes_on_outside():
    images, _ = require_band(snapshots(8.0, 8.9, 0.8, 1.7), where="here")
    assert images.xyz[:, 0, 0] == pytest.approx([8.0, 8.9, 9.8, 10.7])


@pytest.mark.parametrize("place", ["position", "cell", "flat", "far"])
def test_damaged_numbers_of_any_frame_are_refused(tmp_path, place):
    rows = [Atoms("LiCl", [[0, 0, 0], [x, 2, 2]], cell=[9, 9, 9], pbc=True) for x in (1, 2, 3)]
    for energy, row in enumerate(rows):
        row.info["energy"] = float(energy)
    if place == "position":
        rows[1].positions[1, 2] = np.nan
    elif place == "far":
        rows[1].positions[1, 2] = 1e12
    else:
        rows[1].cell[2] = [0.0, 0.0, np.inf] if place == "cell" else [9.0, 9.0, 1e-6]
    write(tmp_path / "x.extxyz", rows)
    with pytest.raises(StructureError, match="frame 1"):
        read_frames(tmp_path / "x.extxyz")


def test_a_pickled_trajectory_of_old_is_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    file = tmp_path / "old.traj"
    file.write_bytes(b"PickleTrajectory" + pickle.dumps(Trap()))
    with pytest.raises(StructureError, match="cannot be read as an ASE trajectory"):
        read_frames(file)
    assert not (tmp_path / "sprung").exists()
