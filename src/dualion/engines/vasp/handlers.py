"""What is done when VASP fails: handlers for custodian, beside its own.

Those of custodian look at the files of the head folder, where a band has none of an image, and
start it again from the path it began with; and they let a charge density that does not mix go by
as soon as NELECT is set. Imported only where VASP is run: custodian may not be installed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from custodian.custodian import ErrorHandler
from custodian.vasp.handlers import UnconvergedErrorHandler, VaspErrorHandler
from custodian.vasp.interpreter import VaspModder
from custodian.vasp.io import load_vasprun
from pymatgen.io.vasp.inputs import Incar

from dualion.engines.vasp.outputs import (
    NO_VTST,
    STDOUT,
    cycle_ran_out,
    image_folders,
    vtst_version,
    whole,
)

_LADDER: tuple[dict[str, Any], ...] = (
    {"ALGO": "Normal"},
    {"ALGO": "All"},
    {"ALGO": "Normal", "AMIX": 0.1, "BMIX": 0.01, "ICHARG": 2},
)
"""Ever slower and safer ways to a charge density; the last mixes almost linearly."""

_MIXING: tuple[dict[str, Any], ...] = (
    {"ICHARG": 2, "ISTART": 0},
    {"ICHARG": 2, "ISTART": 0, "AMIX": 0.1, "BMIX": 0.01},
    {"ALGO": "All", "ISTART": 0},
)
"""For a charge density that does not mix: from the atoms, with little of the new one, without
mixing."""


def _incar(directory: str) -> Any:  # noqa: ANN401 - pymatgen's tags are of any type
    return Incar.from_file(str(Path(directory) / "INCAR"))


class BandErrors(VaspErrorHandler):
    """Custodian's list of errors, looked for in what every image prints.

    The first image prints where VASP was started, the others into a file ``stdout`` of their
    folders.
    """

    def check(self, directory: str = "./") -> bool:
        """Look at all of them."""
        found: set[str] = set()
        printed = [place / "stdout" for place in image_folders(Path(directory))]
        for name in (STDOUT, *(str(f.relative_to(directory)) for f in printed if f.exists())):
            self.output_filename = name
            super().check(directory)  # type: ignore[no-untyped-call]
            found |= self.errors
        self.output_filename = STDOUT
        self.errors = found
        return bool(found)


class Electronic(UnconvergedErrorHandler):
    """A last electronic cycle that ran out of steps.

    Custodian's, without the ionic half: running out of ionic steps is an outcome, not an error.
    """

    def check(self, directory: str = "./") -> bool:
        """Look at vasprun.xml, as custodian does."""
        try:
            run = load_vasprun(str(Path(directory) / self.output_filename))
        except Exception:  # noqa: BLE001 - an incomplete file: other handlers see to that
            return False
        return not run.converged_electronic


class BandElectronic(ErrorHandler):
    """An image whose last electronic cycle ran out of steps."""

    is_monitor = True

    def __init__(self) -> None:
        self.rung = 0

    def check(self, directory: str = "./") -> bool:
        """Look at the OSZICAR of every image."""
        return cycle_ran_out(Path(directory))

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Take the next rung that changes something."""
        incar = _incar(directory)
        while self.rung < len(_LADDER):
            step = _LADDER[self.rung]
            self.rung += 1
            if any(str(incar.get(name)) != str(value) for name, value in step.items()):
                actions = [{"dict": "INCAR", "action": {"_set": step}}]
                VaspModder(directory=directory).apply_actions(actions)
                return {"errors": ["NELM reached in an image"], "actions": actions}
        return {"errors": ["NELM reached in an image"], "actions": None}


class ChargedMixing(ErrorHandler):
    """A charge density that does not mix, in a run with NELECT: custodian looks away then.

    In a charged cell the message alone may be harmless; where VASP also ended without result
    it is not.
    """

    is_monitor = False

    def __init__(self) -> None:
        self.rung = 0

    def check(self, directory: str = "./") -> bool:
        """Look for the message, and for an end that is none."""
        printed = Path(directory) / STDOUT
        if not printed.exists() or whole(directory):
            return False
        return "BRMIX: very serious problems" in printed.read_text(errors="replace")

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Start from the atoms, then mix less."""
        if self.rung >= len(_MIXING):
            return {"errors": ["brmix"], "actions": None}
        actions: list[dict[str, Any]] = [{"dict": "INCAR", "action": {"_set": _MIXING[self.rung]}}]
        actions += [
            {"file": name, "action": {"_file_delete": {"mode": "actual"}}}
            for name in ("WAVECAR", "CHGCAR")
            if (Path(directory) / name).exists()
        ]
        self.rung += 1
        VaspModder(directory=directory).apply_actions(actions)
        return {"errors": ["brmix"], "actions": actions}


class Crash(ErrorHandler):
    """A VASP that ended without its last words, and nobody else knows why: once more."""

    is_monitor = False
    max_num_corrections = 1
    raise_on_max = False

    def __init__(self) -> None:
        self.ended_by_us: Callable[[], bool] = bool

    def check(self, directory: str = "./") -> bool:
        """Look at the end of every OUTCAR."""
        return not self.ended_by_us() and not whole(directory) and not known(directory)

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Go on from the last geometry: the run does so before every start."""
        del directory
        return {"errors": ["VASP crashed"], "actions": ["go on from the last geometry"]}

    def as_dict(self) -> dict[str, Any]:
        """Return what custodian writes down."""
        return {"@module": __name__, "@class": "Crash"}


class PlainVasp(ErrorHandler):
    """A band in a VASP without VTST, which would never move an ion."""

    is_monitor = True

    def check(self, directory: str = "./") -> bool:
        """Look for the banner of VTST."""
        places = image_folders(Path(directory))
        return bool(places) and vtst_version(places[0] / "OUTCAR") == ""

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Nothing helps."""
        del directory
        return {"errors": [NO_VTST], "actions": None}


class Watch(ErrorHandler):
    """No handler of an error: tells how far a run is, and stops a band that is good enough."""

    is_monitor = True
    is_terminating = False

    def __init__(self) -> None:
        self.look: Callable[[Path], None] = lambda _folder: None

    def check(self, directory: str = "./") -> bool:
        """Look; there is never an error."""
        self.look(Path(directory))
        return False

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Never asked for."""
        del directory
        return {"errors": [], "actions": []}

    def as_dict(self) -> dict[str, Any]:
        """Return what custodian writes down."""
        return {"@module": __name__, "@class": "Watch"}


def known(directory: str | Path) -> bool:
    """Whether what VASP printed holds an error that another handler sees to."""
    folder = Path(directory)
    printed = [folder / STDOUT, *(p / "stdout" for p in image_folders(folder))]
    text = "\n".join(f.read_text(errors="replace") for f in printed if f.exists())
    return any(
        message in text for group in VaspErrorHandler.error_msgs.values() for message in group
    )
