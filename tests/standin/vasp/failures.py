"""Failing as VASP fails, when the environment says so.

``VASP_STANDIN_FAIL`` holds failures separated by commas, each ``[band:|single:]NAME[!][@NN]``: only
in bands or only in single configurations; ``!`` for one that nothing cures; ``@NN`` for words that
land in the ``stdout`` of an image folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inputs import Incar
    from outputs import OutputFolder


@dataclass(frozen=True)
class Failure:
    """What is printed, until which tag cures it, and whether VASP ends."""

    words: str
    persists: Callable[[Incar], bool]
    ends: bool = True


def _once(name: str) -> Callable[[Incar], bool]:
    def persists(_incar: Incar) -> bool:
        mark = Path(f".{name}")
        if mark.exists():
            return False
        mark.touch()
        return True

    return persists


FAILURES = {
    "zbrent": Failure(
        "ZBRENT: fatal error in bracketing\n     please rerun with smaller EDIFF, or copy CONTCAR\n"
        "     to POSCAR and continue",
        lambda incar: incar.number("EDIFF", 1e-4) > 5e-7,
    ),
    "brmix": Failure(
        " BRMIX: very serious problems\n the old and the new charge density differ",
        lambda incar: "ICHARG" not in incar,
    ),
    "edddav": Failure(
        "Error EDDDAV: Call to ZHEGV failed. Returncode =  7 1 8",
        lambda incar: incar.get("ALGO", "Normal").lower() in {"fast", "normal"},
    ),
    "dentet": Failure("DENTET: can't reach specified precision", _once("dentet")),
    "nelm": Failure("", lambda incar: incar.get("ALGO", "Normal").lower() == "normal", ends=False),
    "nsw": Failure("", lambda _incar: True, ends=False),
    "crash": Failure("", _once("crashed")),
}


@dataclass(frozen=True)
class Plan:
    """The failures of one run."""

    asked: tuple[tuple[str, bool, str], ...]

    @classmethod
    def of_run(cls, *, band: bool) -> Plan:
        """Read the environment."""
        found = []
        for word in filter(None, os.environ.get("VASP_STANDIN_FAIL", "").split(",")):
            kind, colon, rest = word.rpartition(":")
            if colon and (kind == "band") != band:
                continue
            name, _, place = rest.partition("@")
            found.append((name.rstrip("!"), name.endswith("!"), place))
        return cls(tuple(found))

    def __contains__(self, name: str) -> bool:
        return any(name == each for each, _, _ in self.asked)

    def after(self, step: int, incar: Incar, folders: list[OutputFolder]) -> None:
        """Fail after the second ionic step, or the only one."""
        first = 1 if incar.number("NSW", 0) > 1 else 0
        for name, incurable, place in self.asked:
            failure = FAILURES[name]
            if name == "nelm":
                for folder in folders:
                    folder.nelm_reached = incurable or failure.persists(incar)
                continue
            if step < first or name == "nsw" or not (incurable or failure.persists(incar)):
                continue
            if failure.words and place:
                Path(place, "stdout").write_text(failure.words + "\n")
            elif failure.words:
                print(failure.words, flush=True)
            for folder in folders:
                folder.write(cut=True)
            sys.exit(1 if failure.words else 137)
