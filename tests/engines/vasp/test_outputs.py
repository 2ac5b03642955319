"""Reading what VASP leaves, whole or cut off."""

from __future__ import annotations

import numpy as np
import pytest

from dualion.engines.vasp.outputs import (
    read_contcar,
    read_outcar,
    read_output,
    unwrapped,
    vtst_version,
)
from dualion.engines.vasp.relaxation import relax_structure
from dualion.settings import RelaxSettings
from standin.vasp.bench import make_vasp


@pytest.fixture(scope="module")
def run(tmp_path_factory, potcars, shaken):
    with pytest.MonkeyPatch.context() as patch:
        vasp = make_vasp(tmp_path_factory.mktemp("outputs"), patch, potcars)
        vasp.scoped("end", relax_structure, shaken, vasp.choice, RelaxSettings(fmax=0.02))
        return vasp.runs("end")[0]


def copied(run, folder, *names):
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes((run / name).read_bytes())
    return folder


def test_outcar_and_vasprun_tell_the_same(run, tmp_path):
    xml = read_output(run)
    out = read_output(copied(run, tmp_path / "o", "OUTCAR"))
    assert len(xml.steps) == len(out.steps) > 1
    for a, b in zip(xml.steps, out.steps, strict=True):
        assert a.energy == pytest.approx(b.energy, abs=1e-7)
        assert np.allclose(a.forces, b.forces, atol=1e-5)
        assert np.allclose(a.cell, b.cell, atol=1e-6)
        assert np.allclose(a.stress, b.stress, atol=1e-5)
        assert np.allclose(unwrapped(a.xyz, b.xyz, a.cell), b.xyz, atol=2e-5)
    assert (out.ended, out.accurate, out.version) == (True, True, "6.4.2")


def test_of_a_run_that_was_killed_every_whole_step_counts(run, tmp_path):
    whole = read_output(run)
    folder = copied(run, tmp_path / "k", "OUTCAR", "vasprun.xml")
    text = (folder / "OUTCAR").read_text()
    cut = text.rindex("TOTAL-FORCE")
    (folder / "OUTCAR").write_text(text[: cut + 300])
    xml = (folder / "vasprun.xml").read_text()
    (folder / "vasprun.xml").write_text(xml[: len(xml) // 2])
    left = read_output(folder)
    assert len(left.steps) == len(whole.steps) - 1
    assert left.steps[-1].energy == pytest.approx(whole.steps[-2].energy, abs=1e-7)
    assert not left.ended
    assert read_outcar(tmp_path / "no such file").steps == ()


def test_a_contcar_that_is_cut_off_is_none(run, tmp_path):
    folder = copied(run, tmp_path / "c", "CONTCAR")
    natoms = len(read_contcar(folder, 7)[1])
    assert natoms == 7
    text = (folder / "CONTCAR").read_text()
    (folder / "CONTCAR").write_text("")
    assert read_contcar(folder, natoms) is None
    (folder / "CONTCAR").write_text("\n".join(text.splitlines()[:-3]))
    assert read_contcar(folder, natoms) is None
    assert read_contcar(folder, natoms + 1) is None


def test_the_banner_of_vtst_is_found_or_missed_or_not_there_yet(run, tmp_path):
    assert vtst_version(run / "OUTCAR") == "4.2"
    file = tmp_path / "OUTCAR"
    assert vtst_version(file) is None
    file.write_text(" vasp.6.4.2\n   NELECT = 10\n")
    assert vtst_version(file) is None
    file.write_text(" vasp.6.4.2\n ------ Iteration      1(   1)  -----\n")
    assert vtst_version(file) == ""


def test_atoms_that_vasp_wrapped_are_put_back_where_they_came_from():
    cell = np.diag([4.0, 5.0, 6.0])
    before = np.array([[-0.1, 0.0, 6.05], [3.95, 7.5, 1.0]])
    after = np.array([[3.95, 4.9, 0.1], [0.02, 2.4, 0.9]])
    found = unwrapped(after, before, cell)
    assert np.allclose(found, [[-0.05, -0.1, 6.1], [4.02, 7.4, 0.9]])
