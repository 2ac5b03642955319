"""A run: one campaign on this machine, from its file to records, table and report."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dualion.errors import CampaignError, InputError, RunError, StoreError
from dualion.launch.local import LocalRunner
from dualion.launch.state import RunState
from dualion.store.base import BarrierStore
from dualion.store.ledger import Ledger
from dualion.store.opening import open_store
from dualion.store.spool import Spool
from dualion.structures.library import find_library, resolve_framework
from dualion.workflows.campaign import Campaign, load_campaign
from dualion.workflows.framework import emptied
from dualion.workflows.ladder import ladder_of
from dualion.workflows.pair import engine_of, pair_flow, plan_of

if TYPE_CHECKING:
    from dualion.engines.base import Engine
    from dualion.launch.state import Observer
    from dualion.records import Framework, HopRecord
    from dualion.workflows.pair import Plan

LEDGER_NAME = "jobs.sqlite"
CHECKPOINTS = "checkpoints"
FREE_BYTES = 50_000_000
"""A run does not start with less free disk than this."""

log = logging.getLogger("dualion")


@dataclass(frozen=True)
class Prepared:
    """A campaign that was read and checked; nothing has been written yet."""

    file: Path
    campaign: Campaign
    framework: Framework
    engine: Engine
    plan: Plan


@dataclass(frozen=True)
class Run:
    """A finished run."""

    prepared: Prepared
    state: RunState
    folder: Path
    store: str
    """Where the records are, for a person."""
    seconds: float


def prepare(file: Path, *, library: Path | None = None, here: bool = True) -> Prepared:
    """Read a campaign and check all that can be checked before anything is computed.

    Parameters
    ----------
    file
        The campaign.
    library
        Framework library; None: as :func:`~dualion.structures.library.find_library` finds it.
    here
        Whether it is to be computed here: then the engine must be installed.

    Returns
    -------
    Prepared
        With the framework, the engine and the plan.

    Raises
    ------
    InputError
        Naming file, field and remedy.
    EngineError
        If the engine or its weights are not there.
    """
    campaign = load_campaign(file)
    framework = resolve_framework(
        campaign.framework,
        working_ion=campaign.working_ion,
        base=file.parent,
        library=find_library(library) if library else None,
    )
    with _naming(file):
        if campaign.emptied:
            framework = emptied(framework)
        plan = plan_of(campaign, framework)
    with _naming(file, field="engine"):
        engine = engine_of(campaign, check=here)
        if here:
            engine.stamp()
    _check_tiers(file, campaign, here=here)
    return Prepared(file, campaign, framework, engine, plan)


def _check_tiers(file: Path, campaign: Campaign, *, here: bool) -> None:
    """Look for the engines of all further tiers now, not when the first tier has finished."""
    with _naming(file):
        ladder = ladder_of(campaign)
    for number, rung in enumerate(ladder.rungs[1:]):
        with _naming(file, field=f"tiers.{number}.engine"):
            engine = engine_of(rung.campaign)
            if rung.campaign.charge and not engine.charged:
                raise CampaignError(
                    f"charge {rung.campaign.charge:+d} was asked for, but {engine.name} knows none",
                    where=f"tiers.{number}.charge",
                    remedy="leave 'charge:' out, or set it to 0 in this tier",
                )
            if here:
                engine.stamp()


@contextlib.contextmanager
def _naming(file: Path, *, field: str = "") -> Iterator[None]:
    """Add the campaign file, and the field if nothing else is named, to what is wrong."""
    try:
        yield
    except InputError as error:
        if error.where.startswith(str(file)):
            raise
        place = error.where or field
        where = f"{file}: {place}" if place else str(file)
        raise type(error)(error.what, where=where, remedy=error.remedy) from error


def run_campaign(
    prepared: Prepared,
    *,
    runs: Path,
    store: Path | str | Spool,
    workers: int | None = None,
    pin: bool = False,
    observer: Observer | None = None,
) -> Run:
    """Run a campaign, or go on with it.

    Parameters
    ----------
    prepared
        From :func:`prepare`.
    runs
        Folder of run folders, ledger and checkpoints; made if it is not there.
    store
        Barrier store, made if it is not there, as :func:`~dualion.store.opening.open_store` takes
        it; or a spool, which takes the records as files.
    workers
        Worker processes; None: one per core this process may use.
    pin
        Keep each worker on one CPU, where there are as many as workers.
    observer
        Shown the state.

    Returns
    -------
    Run
        Its state holds the records.

    Raises
    ------
    StoreError
        If the store or the ledger cannot be used.
    RunError
        If the same campaign is being run by another process, or there is no room.
    """
    campaign = prepared.campaign
    began = time.monotonic()
    with running(
        campaign.name, runs=runs, store=store, workers=workers, pin=pin, observer=observer
    ) as place:
        shutil.copyfile(prepared.file, place.folder / "campaign.yaml")
        log.info("run %s with %s", campaign.name, prepared.engine.stamp())
        state = place.runner.run(pair_flow(campaign, prepared.framework, prepared.engine))
        log.info(
            "end: %d records, %d failed jobs, %d force calls",
            len(state.records),
            len(state.failed),
            state.force_calls,
        )
        if isinstance(place.barriers, BarrierStore):
            stored = [place.barriers.get(record.record_id) for record in state.records]
            state.records = [record for record in stored if record is not None]
    return Run(prepared, state, place.folder, place.store, time.monotonic() - began)


@dataclass(frozen=True)
class Running:
    """A place where one flow is run: its folder is locked, its store and ledger are open."""

    runner: LocalRunner
    folder: Path
    barriers: BarrierStore | Spool

    @property
    def store(self) -> str:
        """Where the records are, for a person."""
        return self.barriers.where


@contextlib.contextmanager
def running(
    name: str,
    *,
    runs: Path,
    store: Path | str | Spool,
    workers: int | None,
    pin: bool,
    observer: Observer | None,
) -> Iterator[Running]:
    """Open all that a run needs, and close it whatever happens.

    Parameters
    ----------
    name
        Names the run folder.
    runs, store, workers, pin, observer
        As for :func:`run_campaign`.

    Raises
    ------
    StoreError
        If the store or the ledger cannot be used.
    RunError
        If a run of this name is under way, or there is no room.
    """
    require_room(runs)
    with (
        _open(store) as barriers,
        runner_in(
            make_folder(runs / name),
            on_record=lambda record: _keep(barriers, record),
            workers=workers,
            pin=pin,
            observer=observer,
        ) as runner,
    ):
        yield Running(runner, runs / name, barriers)


@contextlib.contextmanager
def runner_in(
    folder: Path,
    *,
    on_record: Callable[[HopRecord], None],
    workers: int | None,
    pin: bool,
    observer: Observer | None,
) -> Iterator[LocalRunner]:
    """Lock a run's folder, log into it, and open the ledger beside it.

    Parameters
    ----------
    folder
        Of the run; it exists.
    on_record
        Called with every hop record.
    workers, pin, observer
        As for :func:`run_campaign`.

    Raises
    ------
    StoreError
        If the ledger cannot be used.
    RunError
        If a run of this name is under way.
    """
    runs = folder.parent
    with locked(folder), logging_to(folder / "run.log"), Ledger(runs / LEDGER_NAME) as ledger:
        yield LocalRunner(
            ledger=ledger,
            checkpoints=(runs / CHECKPOINTS).resolve(),
            logfile=folder / "run.log",
            workers=workers or len(os.sched_getaffinity(0)),
            pin=pin,
            on_record=on_record,
            observer=observer,
        )


@contextlib.contextmanager
def _open(store: Path | str | Spool) -> Iterator[BarrierStore | Spool]:
    if isinstance(store, Spool):
        store.prepare()
        yield store
    else:
        with open_store(store) as barriers:
            yield barriers


def _keep(barriers: BarrierStore | Spool, record: HopRecord) -> None:
    added = barriers.put(record) if isinstance(barriers, Spool) else barriers.add(record)
    log.info("record %s %s", record.record_id, "added" if added else "was there")


def require_room(runs: Path) -> None:
    """Raise a :class:`StoreError` where there is no disk space for a run."""
    place = runs.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < FREE_BYTES:
        raise StoreError(
            f"no space left on device ({free // 1_000_000} MB free)",
            where=str(runs),
            remedy=f"free at least {FREE_BYTES // 1_000_000} MB, or set DUALION_RUNS elsewhere",
        )


def make_folder(folder: Path) -> Path:
    """Make the folder of a run; raise a :class:`RunError` if that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"cannot be made ({error.strerror})",
            where=str(folder),
            remedy="set DUALION_RUNS to a folder you may write to",
        ) from error
    return folder


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run's lock; the kernel lets it go when the process ends, however it ends."""
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise RunError(
                f"is being run by process {lock.read().strip() or '?'}",
                where=str(folder),
                remedy="wait for it, or stop it first",
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


class _QuietHandler(logging.FileHandler):
    """A log file whose own troubles (a full disk) are not printed over the run's message."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Drop the line."""
        del record


@contextlib.contextmanager
def logging_to(file: Path) -> Iterator[None]:
    """Write what happens to a file, and to no terminal."""
    handler = _QuietHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
