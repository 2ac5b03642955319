"""Staying with campaigns until they are done."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dualion.launch.patience import outages
from dualion.launch.queue import ready_here, send
from dualion.launch.recovery import recover_lost
from dualion.launch.status import campaign_states

if TYPE_CHECKING:
    from pathlib import Path

    from dualion.launch.cluster import Cluster

log = logging.getLogger("dualion")


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
    last = ""
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
        busy = any(state.jobs.get(word) for state in states for word in ("RESERVED", "RUNNING"))
        if not busy and not ready_here(cluster, engine):
            return
        time.sleep(interval)


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
