"""Running VASP under custodian."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dualion.engines.checkpoint import current_scope
from dualion.engines.vasp.outputs import (
    NO_VTST,
    STDOUT,
    band_is_good,
    image_folders,
    vtst_version,
    whole,
)
from dualion.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dualion.engines.vasp.machine import Machine
    from dualion.engines.vasp.process import Run

STDERR = "std_err.txt"
PLAIN_REMEDY = (
    "let dualion move the band, with VASP for the forces: band: {method: adaptive} in the "
    "campaign; or use a VASP with VTST (https://theory.cm.utexas.edu/vtsttools)"
)


@dataclass
class Tally:
    """Ionic steps of one job of dualion, in all its starts of VASP.

    Attributes
    ----------
    before
        Of runs that are over.
    factor
        Force calls of one step (the images of a band).
    silent
        Tell nobody.
    """

    before: int = 0
    factor: int = 1
    silent: bool = False
    _told: int = field(init=False, default=0)

    def tell(self, steps: int) -> None:
        """Tell the job's scope of the steps of the present run."""
        if self.silent:
            return
        scope = current_scope()
        calls = self.before + steps * self.factor
        for _ in range(calls - max(self._told, self.before)):
            if scope.computed is not None:
                scope.computed()
        if calls > self._told and scope.progress is not None:
            scope.progress(calls)
        self._told = max(self._told, calls)


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes
    ----------
    failure
        Why it gave no result; empty: VASP came to its end.
    corrections
        What was corrected, in words.
    lost
        Ionic steps whose output a later start of the same run wrote over.
    """

    failure: str = ""
    corrections: tuple[str, ...] = ()
    lost: int = 0


def run_vasp(
    folder: Path,
    machine: Machine,
    *,
    tally: Tally,
    stop_at: tuple[float, float] | None = None,
) -> Ended:
    """Run VASP in a folder that holds its input, and correct what can be corrected.

    Every start after the first goes on from the geometry the one before came to. VASP is ended
    when anything is raised here, such as at the wall time of the worker, and when the worker dies.

    Parameters
    ----------
    folder
        Of a single configuration, or with image folders 00, 01, ….
    machine
        Command and how often to look.
    tally
        Told of the ionic steps.
    stop_at
        Forces on the climbing and on the other images at which a band is good enough, in eV/Å.

    Raises
    ------
    EngineError
        The command cannot be started, or this VASP cannot do a band.
    """
    from custodian.custodian import Custodian, CustodianError

    from dualion.engines.vasp.process import Run

    banded = bool(image_folders(folder))
    job = Run(
        machine.command,
        output_file=STDOUT,
        stderr_file=STDERR,
        gamma_vasp_cmd=machine.gamma_command,
        backup=False,
        auto_npar=False,
    )
    look = _watcher(job, tally, stop_at)
    custodian = Custodian(
        _handlers(job, look, banded=banded, vtst=machine.vtst),
        [job],
        max_errors=machine.corrections + 1,
        polling_time_step=machine.poll,
        monitor_freq=6,
        skip_over_errors=True,
        directory=str(folder),
    )
    failure = ""
    try:
        custodian.run()
    except FileNotFoundError as error:
        if error.filename not in {machine.command[0], machine.gamma_command[0]}:
            raise
        raise EngineError(
            f"VASP cannot be started: there is no {error.filename!r}",
            where="the VASP command",
            remedy="give it in ATOMATE2_VASP_CMD (or VASP_CMD in ~/.atomate2.yaml), such as "
            "'srun vasp_std'; on a cluster in the 'setup' lines of the profile",
        ) from error
    except CustodianError as error:
        failure = str(error.message)
    finally:
        job.end()
    if banded and _plain(folder):
        raise EngineError(NO_VTST, where="a band in VASP", remedy=PLAIN_REMEDY)
    look(folder)
    corrections = _corrections(custodian.run_log)
    if not failure and not whole(folder):
        failure = "VASP ended before it was done"
    if failure:
        failure = _explained(failure, folder, corrections)
    return Ended(failure=failure, corrections=corrections, lost=job.lost)


def _plain(folder: Path) -> bool:
    return vtst_version(image_folders(folder)[0] / "OUTCAR") == ""


def _handlers(
    job: Run, look: Callable[[Path], None], *, banded: bool, vtst: bool | None
) -> list[Any]:
    from custodian.vasp.handlers import (
        FrozenJobErrorHandler,
        NonConvergingErrorHandler,
        PositiveEnergyErrorHandler,
        PotimErrorHandler,
        StdErrHandler,
        VaspErrorHandler,
    )

    from dualion.engines.vasp import handlers as own

    watch, crash = own.Watch(), own.Crash()
    watch.look = look
    crash.ended_by_us = lambda: job.ended
    common = [
        FrozenJobErrorHandler(output_filename=STDOUT),
        StdErrHandler(output_filename=STDERR),
        own.ChargedMixing(),
        crash,
    ]
    if banded:
        return [
            watch,
            own.PlainVasp(),
            own.BandErrors(vtst_fixes=True),
            own.BandElectronic(),
            *common,
        ]
    return [
        watch,
        # FIRE, the cure for ZBRENT, is one of VTST's optimisers: without VTST no ion would move.
        VaspErrorHandler(vtst_fixes=bool(vtst)),
        own.Electronic(),
        NonConvergingErrorHandler(),
        PotimErrorHandler(),
        PositiveEnergyErrorHandler(),
        *common,
    ]


def _watcher(
    job: Run,
    tally: Tally,
    stop_at: tuple[float, float] | None,
) -> Callable[[Path], None]:
    from dualion.engines.vasp.process import steps_in

    seen = 0

    def look(folder: Path) -> None:
        nonlocal seen
        steps = steps_in(folder)
        tally.tell(job.lost + steps)
        if stop_at is None or steps == seen:
            return
        seen = steps
        if band_is_good(folder, fmax=stop_at[0], fmax_flanks=stop_at[1]):
            for place in (folder, *image_folders(folder)):
                (place / "STOPCAR").write_text("LSTOP = .TRUE.\n")

    return look


def _corrections(log: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Say what was corrected: the errors, and the tags that were set."""
    words = []
    for entry in log:
        for each in entry["corrections"]:
            if each.get("skipped"):
                continue
            errors = each["errors"]
            text = ", ".join(map(str, errors)) if isinstance(errors, list | tuple) else str(errors)
            done = [
                f"{name} = {value}"
                for action in each["actions"] or ()
                if isinstance(action, dict) and action.get("dict") in {"INCAR", "KPOINTS"}
                for name, value in action["action"].get("_set", {}).items()
            ]
            words.append(f"{text}: {', '.join(done)}" if done else text)
    return tuple(words)


def _explained(failure: str, folder: Path, corrections: tuple[str, ...]) -> str:
    """Put what custodian says and what VASP printed last into one line."""
    tried = f"; tried: {'; '.join(corrections)}" if corrections else ""
    last = ""
    for name in (STDERR, STDOUT):
        with suppress(OSError):
            text = (folder / name).read_text(errors="replace").strip()
            if text:
                last = f"; VASP's last words: {text.splitlines()[-1].strip()[:160]!r}"
                break
    return f"VASP failed: {' '.join(failure.split())[:300]}{tried}{last}"
