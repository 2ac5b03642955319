"""The process of VASP: started from where it was, and ended with the one that started it.

Imported only where VASP is run: custodian may not be installed.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from custodian.vasp.jobs import VaspJob
from pymatgen.io.vasp.inputs import Kpoints

from dualion.engines.vasp.outputs import electronic_steps, image_folders, read_contcar


class Run(VaspJob):
    """VASP in one folder, of one configuration or of a band."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.starts = self.lost = 0
        self.ended = False

    def setup(self, directory: str = "./") -> None:
        """Nothing: the input is as it should be."""

    def run(self, directory: str = "./") -> subprocess.Popen[bytes]:
        """Start VASP, from the last geometry if it is not the first time."""
        folder = Path(directory)
        if self.starts:
            self.lost += steps_in(folder)
            go_on(folder)
            for place in (folder, *image_folders(folder)):
                for name in ("STOPCAR", "OSZICAR", "OUTCAR", "vasprun.xml", "stdout"):
                    (place / name).unlink(missing_ok=True)
        self.starts += 1
        self.ended = False
        command = self._command(folder)
        with (
            (folder / self.output_file).open("wb") as out,
            (folder / self.stderr_file).open("wb") as err,
        ):
            self._vasp_process = subprocess.Popen(  # noqa: S603 - the command is the user's
                command,
                cwd=folder,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - only calls into libc
            )
        return self._vasp_process

    def _command(self, folder: Path) -> list[str]:
        mesh = tuple(Kpoints.from_file(str(folder / "KPOINTS")).kpts[0])
        if mesh == (1, 1, 1) and self.gamma_vasp_cmd and shutil.which(self.gamma_vasp_cmd[-1]):
            return list(self.gamma_vasp_cmd)
        return list(self.vasp_cmd)

    def terminate(self, directory: str = "./") -> None:
        """End VASP because a handler wants it so."""
        self.ended = True
        super().terminate(directory)

    def end(self) -> None:
        """End VASP whatever it does, with all it has started."""
        process = getattr(self, "_vasp_process", None)
        if process is None or process.poll() is not None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5.0)
                return

    def postprocess(self, directory: str = "./") -> None:
        """Nothing: files keep their names."""


def steps_in(folder: Path) -> int:
    """Whole ionic steps in a folder, of the image that has the fewest."""
    places = image_folders(folder) or [folder]
    return min(len(electronic_steps(place / "OSZICAR")) for place in places)


def go_on(folder: Path) -> None:
    """Put the last geometry in the place of the first, in every image."""
    for place in image_folders(folder) or [folder]:
        natoms = _natoms(place / "POSCAR")
        if natoms and read_contcar(place, natoms) is not None:
            shutil.copyfile(place / "CONTCAR", place / "POSCAR")


def _natoms(poscar: Path) -> int:
    try:
        return sum(int(word) for word in poscar.read_text().splitlines()[6].split())
    except (OSError, ValueError, IndexError):
        return 0


def die_with_parent() -> None:
    """Ask Linux to end this process when the one that started it dies, however it does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
