"""Queue jobs: what they are given, and sending them off for what is ready."""

from __future__ import annotations

import getpass
import logging
import os
import shlex
import socket
import warnings
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dualion.errors import RunError

if TYPE_CHECKING:
    from dualion.launch.cluster import Cluster
    from dualion.launch.clusterprofile import ClusterProfile, JobKind, Resources

QUEUE_TYPES = {
    "slurm": "SLURM",
    "pbs": "PBS",
    "sge": "SGE",
    "lsf": "LoadSharingFacility",
}
"""What FireWorks calls a scheduler."""

LAUNCHES = "launches"

log = logging.getLogger("dualion")


@dataclass(frozen=True)
class Sent:
    """Queue jobs that were sent off, and why no more were."""

    jobs: int
    full: bool = False


def queue_keys(profile: ClusterProfile, kind: JobKind) -> dict[str, Any]:
    """Keys of the queue template for a kind of job.

    Parameters
    ----------
    profile
        Its scheduler decides how the keys are called.
    kind
        Of job.

    Returns
    -------
    dict
        To be filled into FireWorks' template of that scheduler.
    """
    given = profile.given(kind)
    keys = _KEYS[profile.scheduler](given)
    return {name: value for name, value in (keys | given.options).items() if value is not None}


def _slurm(given: Resources) -> dict[str, Any]:
    return {
        "queue": given.partition,
        "walltime": given.walltime,
        "nodes": 1,
        "ntasks": 1,
        "cpus_per_task": given.cores,
        "mem": given.memory,
        "gres": f"gpu:{given.gpus}" if given.gpus else None,
    }


def _pbs(given: Resources) -> dict[str, Any]:
    hours, rest = divmod(given.seconds, 3600)
    return {
        "queue": given.partition,
        "walltime": f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}",
        "nnodes": 1,
        "ppnode": f"{given.cores}:gpus={given.gpus}" if given.gpus else given.cores,
        "pmem": given.memory,
    }


def _sge(given: Resources) -> dict[str, Any]:
    # FireWorks' template has a queue, an account and a name; the rest is for one's own template.
    return {"queue": given.partition}


def _lsf(given: Resources) -> dict[str, Any]:
    minutes = -(-given.seconds // 60)
    return {
        "queue": given.partition,
        "walltime": f"{minutes // 60:02d}:{minutes % 60:02d}",
        "ntasks": given.cores,
    }


def _none(given: Resources) -> dict[str, Any]:
    return {"walltime": given.walltime}


_KEYS = {"slurm": _slurm, "pbs": _pbs, "sge": _sge, "lsf": _lsf, "none": _none}


def adapter(profile: ClusterProfile, file: Path, engine: str) -> Any:  # noqa: ANN401 - FireWorks' adapter
    """Build the queue adapter for workers that have an engine.

    Parameters
    ----------
    profile, file
        The profile, and where it lies: the worker reads it again.
    engine
        Package of the engine; its environment is set up.

    Returns
    -------
    fireworks.user_objects.queue_adapters.common_adapter.CommonAdapter
        Neither it nor the scripts it writes hold an address.
    """
    from fireworks.user_objects.queue_adapters.common_adapter import CommonAdapter

    own = profile.engines.get(engine)
    setup = list(own.setup) if own else []
    setup += ["export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}"]
    # The worker takes the shell's place, so that the scheduler's signals reach it.
    launch = f"exec {profile.command(engine)} rocket singleshot --profile {shlex.quote(str(file))}"
    return CommonAdapter(
        QUEUE_TYPES[profile.scheduler],
        template_file=None if profile.template is None else str(profile.template),
        timeout=60,
        pre_rocket="\n".join(setup),
        rocket_launch=launch,
    )


def worker_of(profile: ClusterProfile, packages: list[str]) -> Any:  # noqa: ANN401 - FireWorks' worker
    """FireWorks' description of workers that have some engines."""
    from fireworks import FWorker

    name = f"{getpass.getuser()}@{socket.gethostname()}:{profile.scheduler}:{packages[0]}"
    return FWorker(name=name, category=packages)


def send(
    cluster: Cluster, file: Path, *, limit: int | None = None, engine: str | None = None
) -> Sent:
    """Reserve what is ready, and send one queue job off for each.

    Parameters
    ----------
    cluster
        The database and the profile.
    file
        The profile's file.
    limit
        No more queue jobs than this are sent; None: as many as the profile's ``queue_limit`` lets.
    engine
        Only for this engine; None: for all that the profile's workers have.

    Returns
    -------
    Sent
        How many were sent.

    Raises
    ------
    RunError
        If the scheduler takes none; what was reserved is free again.
    """
    from fireworks.queue import queue_launcher

    profile = cluster.profile
    pad = cluster.launchpad
    folder = profile.work / LAUNCHES
    folder.mkdir(parents=True, exist_ok=True)
    room = profile.queue_limit - in_queue(cluster)
    allowed = room if limit is None else min(room, limit)
    sent = 0
    for package in profile.packages(engine):
        worker = worker_of(profile, [package])
        queue = adapter(profile, file, package)
        while sent < allowed:
            with warnings.catch_warnings():
                # Keys that this scheduler's template does not know (a template of one's own may).
                warnings.filterwarnings("ignore", "Key .* has been specified in qadapter")
                warnings.filterwarnings("ignore", "cd is deprecated")
                answer = queue_launcher.launch_rocket_to_queue(
                    pad,
                    worker,
                    queue,
                    launcher_dir=str(_block(folder)),
                    reserve=True,
                    strm_lvl="ERROR",
                    create_launcher_dir=True,
                )
            if answer is None or (answer is False and not pad.run_exists(worker)):
                break
            if answer is False:
                raise RunError(
                    "the scheduler did not take a job",
                    where=f"profile {file}",
                    remedy="see the message above; 'dualion cluster check' tries each part",
                )
            sent += 1
            log.info("queue job %s sent", answer)
    return Sent(sent, full=sent >= allowed and bool(pad.run_exists()))


def ready_here(cluster: Cluster, engine: str | None = None) -> bool:
    """Whether a Firework is ready for the profile's workers, or those with one engine."""
    packages = cluster.profile.packages(engine)
    query = {"state": "READY", "spec._category": {"$in": packages}}
    return cluster.ask(lambda: cluster.launchpad.fireworks.find_one(query, {"_id": 1})) is not None


def waiting_elsewhere(cluster: Cluster) -> dict[str, int]:
    """Count the ready Fireworks whose engine the profile's workers do not have, by package."""
    query = {
        "state": "READY",
        "spec.dualion": {"$exists": True},
        "spec._category": {"$nin": cluster.profile.packages()},
    }
    found = cluster.ask(
        lambda: list(cluster.launchpad.fireworks.find(query, {"spec._category": 1, "_id": 0}))
    )
    return dict(Counter(str(each["spec"]["_category"]) for each in found))


def in_queue(cluster: Cluster) -> int:
    """Count the Fireworks that have a queue job."""
    query = {"state": {"$in": ["RESERVED", "RUNNING"]}}
    return int(cluster.ask(lambda: cluster.launchpad.fireworks.count_documents(query)))


def _block(folder: Path) -> Path:
    """Return the folder of the hour, made: no folder gets thousands of entries."""
    now = datetime.now(UTC)
    block = folder / f"{now:%Y-%m-%d}" / f"{now:%H}"
    block.mkdir(parents=True, exist_ok=True)
    return block


def free_threads() -> None:
    """One thread for a worker, unless the environment says otherwise."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
