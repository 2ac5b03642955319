"""Finding what a cluster did to jobs, saying why, and making it good."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dualion.launch.claims import is_dead
from dualion.launch.curation import curate
from dualion.launch.delivery import ON_ITS_WAY, OutputStore
from dualion.launch.status import JobStatus, job_states
from dualion.launch.trouble import Trouble
from dualion.launch.unwoken import unwoken

if TYPE_CHECKING:
    from dualion.launch.cluster import Cluster
    from dualion.launch.scheduler import JobState

UNSENT_SECONDS = 60.0
"""A reservation without a queue id that is older was left by a launcher that was killed."""

SILENT_SECONDS = 600.0
"""A running job of which neither the queue nor a claim knows anything is lost after this long."""

log = logging.getLogger("dualion")


def recover(
    cluster: Cluster,
    *,
    campaign_id: str | None = None,
    fizzled: bool = True,
    failed: bool = False,
    dry_run: bool = False,
) -> tuple[Trouble, ...]:
    """Look for lost, reserved, fizzled and undelivered jobs, and make them good.

    Parameters
    ----------
    cluster
        The database and the profile; the profile's scheduler is asked.
    campaign_id
        Only of this campaign; None: all.
    fizzled
        Run jobs again that ended with an error.
    failed
        Compute again what an engine could not compute, and all that was made of it.
    dry_run
        Say what would be done, and do nothing.

    Returns
    -------
    tuple of Trouble
        In the order in which it was dealt with. Nothing that has a result is computed again.
    """
    # Before the lost ones are made ready: what fails from now on is another matter.
    ended = job_states(cluster, campaign_id, states=("FIZZLED",)) if fizzled else ()
    found = _lost(cluster, campaign_id, dry_run=dry_run)
    found += [_rerun(job, "fizzled", job.reason, cluster, dry_run) for job in ended]
    if failed:
        found += _failed(cluster, campaign_id, dry_run=dry_run)
    found += _unconverged(cluster, campaign_id)
    if not dry_run:
        found += _uncurated(cluster)
    return tuple(found)


def recover_lost(cluster: Cluster) -> tuple[Trouble, ...]:
    """Make good only what the queue did: lost and reserved jobs, and results still on disk."""
    return (*_lost(cluster, None, dry_run=False), *_uncurated(cluster))


def _lost(cluster: Cluster, campaign_id: str | None, *, dry_run: bool) -> list[Trouble]:
    found = [*_spooled(cluster, dry_run=dry_run), *_locked(cluster, dry_run=dry_run)]
    found += unwoken(cluster, campaign_id, dry_run=dry_run)
    active = job_states(cluster, campaign_id, states=("RESERVED", "RUNNING"))
    queue = _ask_queue(cluster, [job.queue_id for job in active if job.queue_id])
    judged = (_judge_active(job, queue, cluster, dry_run=dry_run) for job in active)
    return found + [trouble for trouble in judged if trouble is not None]


def _uncurated(cluster: Cluster) -> list[Trouble]:
    added = curate(cluster).added
    return [Trouble("not in the store", f"{added} records", "", "added")] if added else []


def _ask_queue(cluster: Cluster, ids: list[str]) -> dict[str, JobState]:
    if not ids or cluster.profile.scheduler == "none":
        return {}
    from dualion.launch.scheduler import scheduler_named

    states: dict[str, JobState] = scheduler_named(cluster.profile.scheduler).states(ids)
    return states


def _judge_active(
    job: JobStatus, queue: dict[str, JobState], cluster: Cluster, *, dry_run: bool
) -> Trouble | None:
    """Say whether a reserved or running job is still in the queue's hands."""
    age = job.age or 0.0
    if job.queue_id and cluster.profile.scheduler != "none":
        state = queue.get(job.queue_id)
        if state is None or not state.ended:
            return None
        why = f"queue job {job.queue_id}: {state.reason}"
    elif job.state == "RESERVED":
        if age < UNSENT_SECONDS:
            return None
        why = f"reserved {age:.0f} s ago, never sent to the queue"
    else:
        why = _silent(job, cluster, age)
        if not why:
            return None
    if job.state == "RESERVED":
        return _unreserve(job, why, cluster, dry_run=dry_run)
    # It may have ended properly since it was listed.
    now = cluster.launchpad.fireworks.find_one({"fw_id": job.fw_id}, {"state": 1})
    if now is None or now["state"] != "RUNNING":
        return None
    return _rerun(job, "lost", why, cluster, dry_run)


def _silent(job: JobStatus, cluster: Cluster, age: float) -> str:
    """Why a running job without a queue id is taken for lost; '' if it is not."""
    launch = cluster.launchpad.launches.find_one({"fw_id": job.fw_id, "state": "RUNNING"}) or {}
    worker = launch.get("dualion_worker")
    if worker:
        return f"its process on {worker['host']} has ended" if is_dead(worker) else ""
    return f"nothing heard of it for {age:.0f} s" if age > SILENT_SECONDS else ""


def _rerun(job: JobStatus, what: str, why: str, cluster: Cluster, dry_run: bool) -> Trouble:  # noqa: FBT001
    if not dry_run:
        cluster.launchpad.rerun_fw(job.fw_id)
    done = "would be run again" if dry_run else "ready to run again"
    return Trouble(what, job.name, why, done, job.campaign, job.fw_id, job.queue_id)


def _unreserve(job: JobStatus, why: str, cluster: Cluster, *, dry_run: bool) -> Trouble:
    if not dry_run:
        pad = cluster.launchpad
        query = {"fw_id": job.fw_id, "state": "RESERVED"}
        for launch in pad.launches.find(query, {"launch_id": 1}):
            pad.cancel_reservation(launch["launch_id"])
    done = "would be set free" if dry_run else "ready to run again"
    return Trouble("reserved", job.name, why, done, job.campaign, job.fw_id, job.queue_id)


def _spooled(cluster: Cluster, *, dry_run: bool) -> Iterable[Trouble]:
    store = OutputStore(cluster)
    if dry_run:
        files = list(store.waiting(older=ON_ITS_WAY))
        return [
            Trouble("not delivered", file.stem, "its worker could not send it", "would be sent")
            for file in files
        ]
    return [
        Trouble("not delivered", name, "its worker could not send it", "sent")
        for name in store.flush(older=ON_ITS_WAY)
    ]


def _locked(cluster: Cluster, *, dry_run: bool) -> Iterable[Trouble]:
    """Workflows that a killed process left locked."""
    pad = cluster.launchpad
    query = {"locked": True, "metadata.dualion": {"$exists": True}}
    before = {
        each["_id"]: each.get("updated_on") for each in pad.workflows.find(query, {"updated_on": 1})
    }
    if not before:
        return []
    time.sleep(5.0)  # a living process holds a lock for a fraction of a second
    found = []
    for each in pad.workflows.find(query, {"updated_on": 1, "name": 1, "nodes": 1}):
        if each["_id"] not in before or before[each["_id"]] != each.get("updated_on"):
            continue
        if not dry_run:
            pad.workflows.update_one({"_id": each["_id"]}, {"$unset": {"locked": True}})
            for fw_id in each["nodes"]:
                pad._refresh_wf(fw_id)  # noqa: SLF001 - what 'lpad admin refresh' does
        done = "would be unlocked" if dry_run else "unlocked"
        found.append(Trouble("locked", each["name"], "left by a process that was killed", done))
    return found


def _failed(cluster: Cluster, campaign_id: str | None, *, dry_run: bool) -> Iterable[Trouble]:
    """Remove what an engine could not compute, and all that was made of it; run it again."""
    query: dict[str, Any] = {"metadata.failed": True}
    found = []
    for each in list(cluster.outputs.find(query, {"metadata": 1, "name": 1})):
        job_id = each["metadata"]["job_id"]
        behind = _dependants(job_id, cluster)
        shown = {"spec.dualion.job": {"$in": [job_id, *behind]}}
        if campaign_id is not None:
            shown["spec.dualion.campaign"] = campaign_id  # type: ignore[assignment]
        fw_ids = cluster.launchpad.get_fw_ids(shown)
        if not fw_ids:
            continue
        if not dry_run:
            gone = list(
                cluster.outputs.find({"metadata.job_id": {"$in": [job_id, *behind]}}, {"_id": 1})
            )
            cluster.outputs.delete_many({"_id": {"$in": [out["_id"] for out in gone]}})
            for fw_id in sorted(fw_ids):
                cluster.launchpad.rerun_fw(fw_id)
        done = "would be computed again" if dry_run else "ready to be computed again"
        found.append(Trouble("failed", each["name"], str(each["metadata"].get("reason")), done))
    return found


def _dependants(job_id: str, cluster: Cluster) -> list[str]:
    """All jobs that need a job's output, however indirectly."""
    found: dict[str, None] = {}
    stack = [job_id]
    while stack:
        for each in cluster.jobs.find({"inputs": stack.pop()}, {"job_id": 1}):
            if each["job_id"] not in found:
                found[each["job_id"]] = None
                stack.append(each["job_id"])
    return list(found)


def _unconverged(cluster: Cluster, campaign_id: str | None) -> Iterable[Trouble]:
    query: dict[str, Any] = {"metadata.outcome": "unconverged"}
    if campaign_id is not None:
        query["metadata.campaign"] = campaign_id
    return [
        Trouble(
            "unconverged",
            each["name"].removesuffix(": record"),
            f"after {each['output'].get('force_calls')} force calls: {each['output'].get('note')}",
            "left as it is: 'dualion recover --more-steps N' goes on from its last step",
        )
        for each in cluster.outputs.find(
            query, {"name": 1, "output.force_calls": 1, "output.note": 1}
        )
    ]


def cancel(cluster: Cluster, campaign_id: str) -> tuple[list[str], int]:
    """Take a campaign out of the queue; what is done stays, and submitting it again resumes it.

    Returns
    -------
    tuple
        Ids of the queue jobs that were cancelled, and the number of jobs that will not run.
    """
    pad = cluster.launchpad
    jobs = job_states(
        cluster,
        campaign_id,
        states=("READY", "WAITING", "RESERVED", "RUNNING", "FIZZLED", "PAUSED"),
    )
    cluster.campaigns.update_one({"_id": campaign_id}, {"$set": {"state": "cancelled"}})
    for job in jobs:
        pad.defuse_fw(job.fw_id)
    ids = [job.queue_id for job in jobs if job.queue_id and job.state in {"RESERVED", "RUNNING"}]
    if ids and cluster.profile.scheduler != "none":
        from dualion.launch.scheduler import scheduler_named

        scheduler_named(cluster.profile.scheduler).cancel(ids)
    return ids, len(jobs)
