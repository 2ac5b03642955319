"""The rehearsal: a shipped campaign through a real Slurm gives what the local run gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "launch" / "rehearse"
CAMPAIGN = ROOT / "workflows" / "li_cu_argyrodite.yaml"
MEV = 0.001


@pytest.fixture
def environment():
    clean = {key: value for key, value in os.environ.items() if not key.startswith("DUALION_")}
    port = 30000 + os.getpid() % 10000  # other tests have a Slurm of their own at the same time
    return clean | {
        "DUALION_PYTHON": sys.executable,
        "OMP_NUM_THREADS": "1",
        "ONE_NODE_PORT": str(port),
    }


def dualion(environment, folder, *words):
    done = subprocess.run(
        [sys.executable, "-m", "dualion.cli", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.mlip
def test_the_argyrodite_through_slurm_gives_the_table_of_the_local_run(tmp_path, environment):
    if os.geteuid() != 0:
        pytest.skip("a Slurm of one's own needs root")
    done = subprocess.run(
        [SCRIPT, CAMPAIGN, "--runs", tmp_path / "rehearsal", "--json", "table.json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    words = ("run", str(CAMPAIGN), "--quiet", "--runs", "local", "--json")
    local = json.loads(dualion(environment, tmp_path, *words))
    table = json.loads((tmp_path / "table.json").read_text())
    assert len(table) == len(local) > 0
    for there, here in zip(table, local, strict=True):
        for name, value in here.items():
            if isinstance(value, float):
                assert there[name] == pytest.approx(value, abs=MEV), name
            else:
                assert there[name] == value, name
    assert not list(Path("/tmp").glob("dualion-??????"))  # noqa: S108 - where the script works


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do it")
def test_it_refuses_who_may_not(environment):
    done = subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "sudo" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere.yaml"], "no campaign file"),
        (["--what"], "unknown option"),
        (["--runs"], "folder"),
    ],
)
def test_it_refuses_what_it_does_not_understand(environment, words, told):
    done = subprocess.run(
        [SCRIPT, *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert told in done.stderr
