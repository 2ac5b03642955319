"""Folders of runs: one for each start of VASP, so that nothing a run left is written over.

They lie in the job's checkpoint. A job that was killed finds them there and goes on; one that has
ended leaves its input and output, compressed, in a folder ``vasp`` beside the checkpoints.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dualion.engines.checkpoint import current_scope
from dualion.engines.vasp.outputs import image_folders

if TYPE_CHECKING:
    from dualion.engines.vasp.machine import Machine

_LIVE = "vasp"
_READY = ".ready"
_KEPT = (
    *("INCAR", "KPOINTS", "POSCAR", "CONTCAR", "OUTCAR", "OSZICAR", "vasprun.xml"),
    *("vasp.out", "std_err.txt", "stdout", "custodian.json", "INCAR.asked", "KPOINTS.asked"),
)
"""What is worth keeping; no POTCAR, which is licensed: its TITEL is in the OUTCAR."""


@dataclass(frozen=True)
class Runs:
    """The runs of one job.

    Attributes
    ----------
    folder
        Holds ``run-1``, ``run-2``, ….
    kept
        Where their files are kept once the job has ended; None: they stay where they are.
    """

    folder: Path
    kept: Path | None

    @classmethod
    def of_job(cls, machine: Machine) -> Runs:
        """Find the place of the running job: in its checkpoint, else in a new folder here."""
        checkpoint = current_scope().checkpoint
        if checkpoint is None:
            return cls(Path(tempfile.mkdtemp(prefix="vasp-", dir=".")).resolve(), None)
        folder = checkpoint.resolve() / _LIVE
        folder.mkdir(parents=True, exist_ok=True)
        place = machine.keep or checkpoint.resolve().parent.parent / _LIVE
        return cls(folder, place / checkpoint.name)

    def started(self) -> list[Path]:
        """List the runs that VASP was started in, or was about to be, oldest first."""
        numbered = sorted(self.folder.glob("run-*"), key=lambda p: int(p.name.split("-")[1]))
        return [run for run in numbered if (run / _READY).exists()]

    def new(self) -> Path:
        """Make the next folder; a VASP that may still run in an older one is asked to end."""
        for run in self.started():
            for place in (run, *image_folders(run)):
                with suppress(OSError):
                    (place / "STOPCAR").write_text("LABORT = .TRUE.\n")
        numbers = [int(p.name.split("-")[1]) for p in self.folder.glob("run-*")]
        run = self.folder / f"run-{max(numbers, default=0) + 1}"
        run.mkdir()
        return run

    @staticmethod
    def ready(run: Path) -> None:
        """Mark a folder whose input is whole."""
        (run / _READY).touch()

    def keep(self) -> None:
        """Keep the files of all runs, compressed."""
        if self.kept is None:
            return
        for run in self.started():
            for place in (run, *sorted(p for p in run.glob("[0-9][0-9]") if p.is_dir())):
                target = self.kept / place.relative_to(self.folder)
                target.mkdir(parents=True, exist_ok=True)
                for name in _KEPT:
                    if (place / name).is_file():
                        with (
                            (place / name).open("rb") as source,
                            gzip.open(target / f"{name}.gz", "wb", compresslevel=5) as sink,
                        ):
                            shutil.copyfileobj(source, sink)
