"""Staying with campaigns until they are done."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from dualion.launch.patience import outages
from dualion.launch.queue import ready_here, send
from dualion.launch.recovery import recover_lost
from dualion.launch.status import campaign_states

if TYPE_CHECKING:
    from pathlib import Path

    from dualion.launch.cluster import Cluster
    from dualion.launch.status import CampaignStatus

log = logging.getLogger("dualion")

SETTLED = 10.0
"""Seconds for which nothing may run or be ready before what still waits is left alone.

Between the end of a job and the moment at which the next one is ready, neither is to be seen.
"""
GOING = ("RESERVED", "RUNNING")
WAITING = ("READY", "WAITING", "PAUSED")


def follow_campaigns(
    cluster: Cluster,
    file: Path,
    *,
    interval: float,
    engine: str | None = None,
    limit: int | None = None,
    tell: Callable[[str], None] = log.info,
) -> None:
    """Send queue jobs and make lost ones good until nothing can run any more.

    Parameters
    ----------
    cluster
        The database and the profile.
    file
        The profile's file.
    interval
        Seconds between looks.
    engine
        Only for this engine; None: all of the profile's.
    limit
        At most this many queue jobs at one time.
    tell
        Called with a line whenever something has changed.

    Raises
    ------
    RunError
        If the scheduler takes no jobs.
    """
    last, quiet = "", 0.0
    while True:
        try:
            for trouble in recover_lost(cluster):
                tell(f"{trouble.what}: {trouble.name}: {trouble.why}: {trouble.done}")
            send(cluster, file, limit=limit, engine=engine)
            states = campaign_states(cluster)
        except outages() as problem:
            tell(f"the database is away ({type(problem).__name__}): trying again")
            time.sleep(interval)
            continue
        line = "; ".join(
            f"{state.name}: {state.hops_done} of {state.hops or '?'} hops"
            + "".join(f", {count} {name.lower()}" for name, count in state.jobs.items())
            for state in states
            if state.state == "active"
        )
        if line != last:
            tell(line)
            last = line
        if _any_in(GOING, states) or ready_here(cluster, engine):
            quiet = 0.0
            time.sleep(interval)
        elif quiet >= SETTLED or not _any_in(WAITING, states):
            return
        else:
            pause = min(interval, SETTLED)
            quiet += pause
            time.sleep(pause)


def _any_in(words: Iterable[str], states: Iterable[CampaignStatus]) -> bool:
    """Whether a job of some campaigns is in one of some states."""
    return any(state.jobs.get(word) for state in states for word in words)


def run_here(file: Path, *, workers: int, engine: str | None = None) -> int:
    """Run worker processes on this machine until nothing is ready; return their number.

    Parameters
    ----------
    file
        Profile of a cluster without a scheduler.
    workers
        Number of processes.
    engine
        Only for this engine; None: all of the profile's.
    """
    words = [sys.executable, "-m", "dualion.cli", "rocket", "rapidfire", "--profile", str(file)]
    # One worker's job is another's input: an idle one waits a while for what it makes ready.
    words += ["--wait", "10" if workers > 1 else "0"]
    if engine is not None:
        words += ["--engine", engine]
    processes = [subprocess.Popen(words) for _ in range(workers)]  # noqa: S603 - our own words
    try:
        for process in processes:
            process.wait()
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
    return len(processes)
