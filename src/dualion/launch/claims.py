"""Claims: who computes what, so that nothing is computed twice at one time.

A claim is a lease in the database. Its holder renews it from a thread; one that is not renewed
(its holder was killed) runs out, and on the same host a holder that is no more is seen at once.
A claim only saves work: two holders of one job, however that came, give one result.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dualion.launch.patience import outages

if TYPE_CHECKING:
    from dualion.launch.cluster import Cluster

LEASE = 120.0
"""Seconds after which a claim that was not renewed is void."""

QUEUE_IDS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")
"""Where schedulers tell a job its id."""

_RENEW = 20.0
_POLL = 2.0

log = logging.getLogger("dualion")


def _now() -> datetime:
    # MongoDB keeps no time zone: naive UTC on both sides.
    return datetime.now(UTC).replace(tzinfo=None)


def started(pid: int) -> str:
    """When a process was started, in the kernel's clock; '' if it is no more or none can tell."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]


def me() -> dict[str, Any]:
    """Who this process is."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": started(os.getpid()),
        "queue_id": next((os.environ[name] for name in QUEUE_IDS if name in os.environ), ""),
    }


def is_dead(holder: dict[str, Any]) -> bool:
    """Whether a holder is known to be no more: a process of this host that has ended."""
    if holder.get("host") != socket.gethostname() or not holder.get("started"):
        return False
    return bool(started(int(holder["pid"])) != holder["started"])


@contextmanager
def claimed(
    cluster: Cluster,
    key: str,
    *,
    done: Callable[[], bool],
    lease: float = LEASE,
    poll: float = _POLL,
) -> Iterator[bool]:
    """Hold the claim on a key while the block runs.

    Waits while somebody else holds it.

    Parameters
    ----------
    cluster
        Where claims are kept.
    key
        What is to be computed.
    done
        Asked before and while waiting: whether the result is there.
    lease, poll
        Seconds after which a claim is void, and between looks.

    Yields
    ------
    bool
        False: the result is there, nothing is to be computed.
    """
    holder = me()
    told = False
    while not _take(cluster, key, holder, lease):
        if done():
            yield False
            return
        if not told:
            other = cluster.ask(lambda: cluster.claims.find_one({"_id": key})) or {}
            log.info("%s is being computed by %s: waiting", key, other.get("holder"))
            told = True
        time.sleep(poll)
    ended = threading.Event()
    renewer = threading.Thread(
        target=_renew, args=(cluster, key, holder, lease, ended), daemon=True
    )
    renewer.start()
    try:
        # It may have been finished between the first look and the claim.
        yield not done()
    finally:
        ended.set()
        try:
            cluster.claims.delete_one({"_id": key, "holder": holder})
        except outages():  # it runs out by itself
            log.warning("the claim on %s was left to run out", key)


def _take(cluster: Cluster, key: str, holder: dict[str, Any], lease: float) -> bool:
    from pymongo.errors import DuplicateKeyError

    until = _now() + timedelta(seconds=lease)
    try:
        cluster.ask(
            lambda: cluster.claims.update_one(
                {"_id": key, "$or": [{"until": {"$lt": _now()}}, {"holder": holder}]},
                {"$set": {"holder": holder, "until": until}},
                upsert=True,
            )
        )
    except DuplicateKeyError:
        other = cluster.ask(lambda: cluster.claims.find_one({"_id": key}))
        if other is None or not is_dead(other["holder"]):
            return False
        log.info("the holder of %s has ended: taking over", key)
        cluster.ask(lambda: cluster.claims.delete_one({"_id": key, "holder": other["holder"]}))
        return _take(cluster, key, holder, lease)
    return True


def _renew(
    cluster: Cluster, key: str, holder: dict[str, Any], lease: float, ended: threading.Event
) -> None:
    while not ended.wait(min(_RENEW, lease / 4)):
        try:
            cluster.claims.update_one(
                {"_id": key, "holder": holder},
                {"$set": {"until": _now() + timedelta(seconds=lease)}},
            )
        except outages():
            continue
