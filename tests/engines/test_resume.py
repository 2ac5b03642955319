from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
from ase.build import bulk

from dualion.engines import get_engine
from dualion.engines.jobs import converge_band, relax_structure
from dualion.records import Geometry
from dualion.settings import BandSettings, RelaxSettings

SCRIPT = """
import json, os, signal, sys
from pathlib import Path as Folder
from dualion.engines import get_engine, job_scope
from dualion.engines.jobs import converge_band
from dualion.records import Path
from dualion.settings import BandSettings

folder, path_file, death = Folder(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def progress(calls):
    if calls == death:
        os.kill(os.getpid(), signal.SIGKILL)

path = Path.model_validate_json(Folder(path_file).read_text())
with job_scope(checkpoint=folder, progress=progress):
    band = converge_band(path, get_engine("emt").choice, BandSettings(method=sys.argv[4]))
print(band.model_dump_json())
"""


@pytest.fixture(scope="module")
def path(hop_ends, straight):
    choice = get_engine("emt").choice
    ends = [
        relax_structure(Geometry.from_atoms(atoms), choice, RelaxSettings())
        for atoms in hop_ends(bulk("Ag", cubic=True) * (2, 2, 2))
    ]
    energies = (ends[0].energy, ends[1].energy)
    return straight(ends[0].geometry, ends[1].geometry, energies)


@pytest.mark.parametrize("method", ["full", "adaptive"])
def test_a_band_killed_again_and_again_ends_as_if_it_never_was(path, tmp_path, method):
    path_file = tmp_path / "path.json"
    path_file.write_text(path.model_dump_json())
    whole = converge_band(path, get_engine("emt").choice, BandSettings(method=method))
    deaths = [whole.force_calls // 2, whole.force_calls]
    for death in [*deaths, -1]:
        words = [str(tmp_path / "log"), str(path_file), str(death), method]
        command = [sys.executable, "-c", SCRIPT, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if death > 0:
            assert done.returncode == -signal.SIGKILL
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == whole.model_dump(mode="json")
