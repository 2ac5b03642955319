"""Trying every part of a cluster before anything is submitted to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dualion.errors import DualionError
from dualion.launch.cluster import Cluster
from dualion.launch.clusterprofile import load_profile

if TYPE_CHECKING:
    from dualion.launch.clusterprofile import ClusterProfile

FREE_BYTES = 1_000_000_000
"""Less free space than this in the working folder is told."""

_SECONDS = 120


@dataclass(frozen=True)
class Check:
    """What was tried, whether it works, and what to do if not."""

    part: str
    ok: bool
    found: str
    remedy: str = ""


def check_cluster(file: Path) -> tuple[Check, ...]:
    """Try the parts of a profile one after the other.

    Parameters
    ----------
    file
        The profile.

    Returns
    -------
    tuple of Check
        Every part is tried, whatever failed before it.

    Raises
    ------
    InputError
        If the profile itself cannot be read.
    """
    profile = load_profile(file)
    tries: list[tuple[str, Callable[[], str]]] = [
        ("database", lambda: _database(profile)),
        ("working folder", lambda: _folder(profile.work)),
        ("scheduler", lambda: _scheduler(profile)),
        ("queue script", lambda: _script(profile, file)),
        *((f"engine {name}", _engine_try(profile, name)) for name in profile.engines),
    ]
    return tuple(_tried(tries))


def _tried(tries: list[tuple[str, Callable[[], str]]]) -> Iterator[Check]:
    for part, attempt in tries:
        try:
            yield Check(part, ok=True, found=attempt())
        except DualionError as problem:
            found = f"{problem.where}: {problem.what}" if problem.where else problem.what
            yield Check(part, ok=False, found=found, remedy=problem.remedy)
        except OSError as problem:
            text = f"{problem.filename or ''}: {problem.strerror or problem}".lstrip(": ")
            yield Check(part, ok=False, found=text, remedy="check path and rights")


def _database(profile: ClusterProfile) -> str:
    """Write, read and remove a document."""
    from pymongo.errors import PyMongoError

    from dualion.errors import StoreError

    with Cluster(profile) as cluster:
        try:
            name = f"check-{uuid.uuid4()}"
            cluster.claims.insert_one({"_id": name})
            found = cluster.claims.find_one({"_id": name})
            cluster.claims.delete_one({"_id": name})
            version = cluster.client.server_info()["version"]
        except PyMongoError as problem:
            raise StoreError(
                f"cannot be written ({problem})",
                where=cluster.where,
                remedy="ask for the role readWrite on this database",
            ) from problem
        if found is None:
            raise StoreError("does not keep what is written", where=cluster.where)
        return f"{cluster.where}, MongoDB {version}, readable and writable"


def _folder(work: Path) -> str:
    work.mkdir(parents=True, exist_ok=True)
    trial = work / f".check-{uuid.uuid4()}"
    trial.write_text("dualion", encoding="ascii")
    trial.unlink()
    free = shutil.disk_usage(work).free
    if free < FREE_BYTES:
        raise OSError(28, f"only {free / 1e9:.1f} GB free", str(work))
    return f"{work}, {free / 1e9:.0f} GB free"


def _scheduler(profile: ClusterProfile) -> str:
    if profile.scheduler == "none":
        return "none: workers are started on this machine"
    from dualion.launch.scheduler import scheduler_named

    return scheduler_named(profile.scheduler).version()


def _script(profile: ClusterProfile, file: Path) -> str:
    """Write the script of each kind of job and look whether all that was asked for is in it."""
    if profile.scheduler == "none":
        return "none is needed"
    from dualion.errors import InputError
    from dualion.launch.queue import adapter, queue_keys

    lines = 0
    for kind in ("relax", "band", "point", "analysis"):
        queue = adapter(profile, file, next(iter(profile.engines)))
        keys = queue_keys(profile, kind)
        queue.update(keys)
        import warnings

        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            script = queue.get_script_str(str(profile.work))
        unknown = [str(each.message).split()[1] for each in told if "qadapter" in str(each.message)]
        if unknown:
            raise InputError(
                f"the queue template does not know {', '.join(unknown)}",
                where=f"{file}: resources.{kind}",
                remedy=f"leave it out, or give 'template:' (now {queue.template_file})",
            )
        lines += len(script.splitlines())
    return f"{lines} lines for four kinds of jobs"


def _engine_try(profile: ClusterProfile, name: str) -> Callable[[], str]:
    def attempt() -> str:
        """Start dualion as a worker would, and ask it for its engines."""
        from dualion.errors import EngineNotInstalledError

        own = profile.engines[name]
        command = f"{profile.command(name)} engines --json"
        script = "\n".join(["set -e", *own.setup, command])
        done = subprocess.run(  # noqa: S603 - the user's own set-up lines
            ["/bin/bash", "-lc", script],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env=os.environ | {"NO_COLOR": "1"},
        )
        where = f"engines.{name}"
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise EngineNotInstalledError(
                f"dualion does not start there ({last})",
                where=where,
                remedy="check 'setup' and 'command': dualion must be installed there",
            )
        import json

        there = {each["package"]: each for each in json.loads(done.stdout) if each["installed"]}
        if name not in there:
            raise EngineNotInstalledError(
                f"the package {name} is not installed there",
                where=where,
                remedy=f"pip install {name} there, or take it out of the profile",
            )
        return f"{name} {there[name]['version']}"

    return attempt
