"""The stand-in for VASP in the place of the executable; everything else as in production."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dualion.engines import job_scope
from dualion.engines.registry import EngineChoice, get_engine
from dualion.settings import BandSettings, RelaxSettings

STANDIN = Path(__file__).with_name("vasp_std.py")
SHIFT = -4.0
"""What the stand-in adds to the energy of an atom, in eV."""
RELAX = RelaxSettings(fmax=0.02)
BAND = BandSettings(fmax=0.05, fmax_flanks=0.15)


@dataclass
class Vasp:
    """A VASP engine on the stand-in, in a folder of its own."""

    folder: Path
    choice: EngineChoice
    patch: pytest.MonkeyPatch
    seen: list[int] = field(default_factory=list)

    def fail(self, words: str) -> None:
        self.patch.setenv("VASP_STANDIN_FAIL", words)

    def scoped(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function as a runner would, with a checkpoint."""
        with job_scope(self.folder / "checkpoints" / name, progress=self.seen.append):
            return function(*args, **kwargs)

    def runs(self, name: str) -> list[Path]:
        folder = self.folder / "checkpoints" / name / "vasp"
        return sorted(folder.glob("run-*"), key=lambda p: int(p.name.split("-")[1]))

    def tags(self, name: str, run: int = -1) -> dict[str, Any]:
        from pymatgen.io.vasp.inputs import Incar

        return dict(Incar.from_file(str(self.runs(name)[run] / "INCAR")))


def standin_environment(potcars: Path) -> dict[str, str]:
    """Environment of processes whose VASP is the stand-in: what a user sets, and nothing else."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DUALION_VASP_", "VASP_STANDIN_", "SLURM_", "PMG_"))
    }
    command = f"{sys.executable} {STANDIN}"
    return clean | {
        "PMG_VASP_PSP_DIR": str(potcars),
        "ATOMATE2_VASP_CMD": command,
        "ATOMATE2_VASP_GAMMA_CMD": command,
        "DUALION_VASP_POLL": "0.1",
    }


def make_vasp(folder: Path, patch: pytest.MonkeyPatch, potcars: Path) -> Vasp:
    """Make a VASP engine on the stand-in in a folder, for as long as the patch holds."""
    from pymatgen.core import SETTINGS

    patch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", str(potcars))
    wanted = standin_environment(potcars)
    for name in set(os.environ) - set(wanted):
        patch.delenv(name)
    for name, value in wanted.items():
        patch.setenv(name, value)
    patch.chdir(folder)
    return Vasp(folder, get_engine("vasp").choice, patch)
