"""VASP failing as VASP fails: each failure is corrected, or ends in its named state."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dualion.engines.vasp.band import converge_band
from dualion.engines.vasp.custody import Tally
from dualion.engines.vasp.outputs import electronic_steps, image_folders, read_contcar
from dualion.engines.vasp.process import go_on
from dualion.engines.vasp.relaxation import relax_structure
from dualion.settings import BandSettings, RelaxSettings
from standin.vasp.bench import BAND, RELAX

CURED = {
    "zbrent": ("EDIFF", 1e-7),
    "brmix": ("ICHARG", 2),
    "edddav": ("ALGO", "All"),
    "nelm": ("ALGO", "All"),
    "crash": ("ALGO", "Normal"),
}
"""A tag that shows what was done; after a crash nothing is changed."""


@pytest.mark.parametrize("failure", CURED)
def test_a_relaxation_that_fails_is_corrected(vasp, shaken, failure):
    vasp.fail(failure)
    found = vasp.scoped("end", relax_structure, shaken, vasp.choice, RELAX, charge=-1)
    assert (found.converged, found.failure) == (True, "")
    name, value = CURED[failure]
    assert vasp.tags("end")[name] == value
    # Gone on with, not begun again: the steps before the failure are counted once.
    assert found.force_calls == vasp.seen[-1]


@pytest.mark.parametrize(
    "failure",
    [
        "zbrent",
        "edddav@02",
        "nelm",
        "crash",
        pytest.param("brmix", marks=pytest.mark.slow),
        pytest.param("edddav", marks=pytest.mark.slow),
    ],
)
def test_a_band_that_fails_is_corrected_and_goes_on_from_its_images(
    vasp, finished, copper_path, failure
):
    vasp.fail(failure)
    found = vasp.scoped("band", converge_band, copper_path, vasp.choice, BAND, charge=-1)
    assert (found.converged, found.failure) == (True, "")
    assert max(found.energies) == pytest.approx(max(finished[1].energies), abs=0.005)
    name, value = CURED[failure.split("@")[0]]
    # Each run is made anew from the preset: each had to be corrected.
    assert vasp.tags("band")[name] == value
    assert any("custodian corrected" in each.check for each in found.findings)


INCURABLE = {
    "zbrent!": "zbrent",
    "brmix!": "brmix",
    "edddav!": "edddav",
    "nelm!": "Electronic|Unconverged|NELM",
    "crash!": "return code is 137",
}


@pytest.mark.parametrize("failure", INCURABLE)
def test_a_relaxation_that_cannot_be_saved_says_why(vasp, shaken, failure):
    vasp.patch.setenv("DUALION_VASP_CORRECTIONS", "3")
    vasp.fail(failure)
    found = vasp.scoped("end", relax_structure, shaken, vasp.choice, RELAX, charge=-1)
    assert not found.converged
    assert found.geometry == shaken
    assert any(word in found.failure for word in INCURABLE[failure].split("|")), found.failure
    assert (vasp.folder / "vasp" / "end" / "run-1" / "custodian.json.gz").exists()


@pytest.mark.parametrize("failure", [pytest.param("nelm!", marks=pytest.mark.slow), "crash!"])
def test_a_band_that_cannot_be_saved_says_why_and_gives_no_barrier(vasp, copper_path, failure):
    vasp.patch.setenv("DUALION_VASP_CORRECTIONS", "3")
    vasp.fail(failure)
    found = vasp.scoped("band", converge_band, copper_path, vasp.choice, BAND, charge=-1)
    assert not found.converged
    assert any(word in found.failure for word in INCURABLE[failure].split("|")), found.failure


def test_out_of_ionic_steps_is_no_failure_of_a_band(vasp, copper_path):
    vasp.fail("nsw")
    few = BandSettings(fmax=0.001, fmax_flanks=0.002, steps=6)
    found = vasp.scoped("band", converge_band, copper_path, vasp.choice, few)
    assert (found.converged, found.failure, found.steps) == (False, "", 6)


def test_a_correction_that_changes_the_level_of_theory_is_a_failure(vasp, shaken):
    """Custodian answers DENTET with more k-points: an energy for no other end of a band."""
    vasp.fail("dentet")
    found = vasp.scoped("end", relax_structure, shaken, vasp.choice, RELAX)
    assert not found.converged
    assert "changed the level of theory: k-points" in found.failure
    vasp.fail("")
    # Tried again, the run that is of another level is not taken for this one's.
    again = vasp.scoped("end", relax_structure, shaken, vasp.choice, RELAX)
    assert (again.converged, again.failure) == (True, "")
    assert len(vasp.runs("end")) == 2
    assert again.force_calls > 1


KILLED = """
import sys
from dualion.engines import job_scope
from dualion.engines.vasp.band import converge_band
from dualion.engines.registry import get_engine
from dualion.records import Path
from dualion.settings import BandSettings
from pathlib import Path as File
path = Path.model_validate_json(File(sys.argv[1]).read_text())
settings = BandSettings.model_validate_json(sys.argv[2])
with job_scope(File(sys.argv[3])):
    converge_band(path, get_engine("vasp").choice, settings, charge=-1)
"""


@pytest.fixture
def killed(vasp, copper_path):
    """A worker that was killed in the middle of a band; how, is told."""

    def run(number: int, *, steps: int = 3) -> list[Path]:
        (vasp.folder / "path.json").write_text(copper_path.model_dump_json())
        (vasp.folder / "worker.py").write_text(KILLED)
        checkpoint = vasp.folder / "checkpoints" / "band"
        worker = subprocess.Popen(
            [
                *(sys.executable, "worker.py", "path.json"),
                *(BAND.model_dump_json(), str(checkpoint)),
            ],
            cwd=vasp.folder,
            env=dict(os.environ) | {"VASP_STANDIN_PAUSE": "0.7"},
        )
        deadline = time.monotonic() + 240
        while not (
            vasp.runs("band")
            and all(
                len(electronic_steps(place / "OSZICAR")) >= steps
                for place in image_folders(vasp.runs("band")[-1]) or [vasp.folder]
            )
        ):
            assert time.monotonic() < deadline
            assert worker.poll() is None
            time.sleep(0.1)
        worker.send_signal(number)
        worker.wait(timeout=60)
        return image_folders(vasp.runs("band")[0])

    return run


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_band_killed_on_its_way_goes_on_from_its_images(
    vasp, finished, copper_path, killed, number
):
    images = killed(number)
    natoms = len(copper_path.images.species)
    done = min(len(electronic_steps(place / "OSZICAR")) for place in images)
    left = [read_contcar(place, natoms)[1] for place in images]
    # VASP ends with the worker: nothing moves any more.
    time.sleep(2.0)
    assert [read_contcar(p, natoms)[1].tolist() for p in images] == [x.tolist() for x in left]

    found = vasp.scoped("band", converge_band, copper_path, vasp.choice, BAND, charge=-1)
    assert found.converged
    assert max(found.energies) == pytest.approx(max(finished[1].energies), abs=0.005)
    second = [read_poscar(place) for place in image_folders(vasp.runs("band")[1])]
    apart = np.array(second) - np.array(left_fractional(images))
    assert np.abs(apart - np.rint(apart)).max() < 1e-8
    assert done >= 3
    assert found.steps >= done


def read_poscar(place: Path) -> np.ndarray:
    from pymatgen.io.vasp.inputs import Poscar

    return Poscar.from_file(str(place / "POSCAR")).structure.frac_coords


def left_fractional(images: list[Path]) -> list[np.ndarray]:
    from pymatgen.io.vasp.inputs import Poscar

    return [Poscar.from_file(str(place / "CONTCAR")).structure.frac_coords for place in images]


def test_a_start_goes_on_from_whole_geometries_only(vasp, shaken):
    vasp.scoped("end", relax_structure, shaken, vasp.choice, RelaxSettings(steps=2))
    run = vasp.runs("end")[0]
    before, after = (run / "POSCAR").read_text(), (run / "CONTCAR").read_text()
    (run / "CONTCAR").write_text(after[: len(after) // 2])
    go_on(run)
    assert (run / "POSCAR").read_text() == before
    (run / "CONTCAR").write_text(after)
    go_on(run)
    assert (run / "POSCAR").read_text() == after


def test_force_calls_are_told_once_each():
    from dualion.engines import job_scope

    told, computed = [], []
    with job_scope(progress=told.append, computed=lambda: computed.append(1)):
        tally = Tally(before=6, factor=3)
        for steps in (0, 1, 1, 3):
            tally.tell(steps)
    assert told == [6, 9, 15]
    assert len(computed) == 9
