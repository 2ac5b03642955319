"""What launch/install_gpaw.sh says where it cannot install; that it can is the stage of GPAW."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "launch" / "install_gpaw.sh"


def installed(venv: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shutil.which("bash") or "bash", str(SCRIPT), str(venv)],
        env=environment or None,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_folder_that_is_no_environment_is_refused(tmp_path):
    answer = installed(tmp_path)
    assert answer.returncode == 1
    assert str(tmp_path) in answer.stderr
    assert "launch/install_gpaw.sh VENV" in answer.stderr


def test_one_who_is_not_root_is_told_what_to_install(tmp_path):
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("bash", "dirname", "mktemp", "rm", "cat", "tail"):
        (commands / name).symlink_to(str(shutil.which(name)))
    someone = commands / "id"
    someone.write_text("#!/usr/bin/env bash\necho 1000\n")
    someone.chmod(0o755)
    answer = installed(venv, PATH=f"{commands}:/nowhere")
    assert answer.returncode == 1
    assert "g++ libxc-dev libopenblas-dev" in answer.stderr
    assert "apt" not in answer.stdout
