"""Parked drivers that nobody will wake: found, and made ready."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from dualion.launch.points import (
    LIVE,
    WAITS,
    awaited,
    parked,
    wake_one,
)
from dualion.launch.trouble import Trouble

if TYPE_CHECKING:
    from dualion.launch.cluster import Cluster

SOON = 3.0
"""Seconds that a worker may take between delivering a point and waking who waits for it."""


def unwoken(
    cluster: Cluster, campaign_id: str | None = None, *, dry_run: bool = False
) -> list[Trouble]:
    """Look for drivers whose points are there, or will not come, and make them ready.

    A driver that is run asks again for what is missing, so it may always be woken. One whose
    points have failed is left: it goes on when they have been run again.

    Parameters
    ----------
    cluster
        The database.
    campaign_id
        Only of this campaign; None: all.
    dry_run
        Say what would be done, and do nothing.
    """
    if not _reasons(cluster, campaign_id):
        return []
    time.sleep(SOON)
    names = {each["_id"]: each["name"] for each in cluster.campaigns.find({}, {"name": 1})}
    found = []
    for firework, why in _reasons(cluster, campaign_id):
        if not dry_run and not wake_one(cluster, firework["fw_id"]):
            continue
        done = "would be run again" if dry_run else "ready to run again"
        campaign = names.get(firework["spec"]["dualion"]["campaign"], "?")
        found.append(Trouble("not woken", firework["name"], why, done, campaign, firework["fw_id"]))
    return found


def _reasons(cluster: Cluster, campaign_id: str | None) -> list[tuple[dict[str, Any], str]]:
    """Say why some parked drivers should be running."""
    waiting = parked(cluster, campaign_id)
    if not waiting:
        return []
    missing, states = awaited(waiting, cluster)
    found = []
    for firework in waiting:
        wanted = firework["spec"]["dualion"][WAITS]
        lost = [
            job
            for job, uuid in zip(wanted["jobs"], wanted["outputs"], strict=True)
            if uuid in missing and not _will_come(states.get(job, {}))
        ]
        if not missing.intersection(wanted["outputs"]):
            found.append((firework, "its points are there"))
        elif lost:
            are = "is" if len(lost) == 1 else "are"
            found.append((firework, f"{len(lost)} of its points {are} in no queue"))
    return found


def _will_come(states: dict[int, str]) -> bool:
    """Whether a point is to be computed, or has failed and is named as such."""
    return any(state in (*LIVE, "FIZZLED") for state in states.values())
