"""Points on a cluster: drivers park while theirs are computed, and the last of them wakes them.

A parked driver is a Firework in the state PAUSED that names what it waits for: it has no launch
and no place in a queue. It parks first and then looks whether all is there; who has computed a
point delivers it first and then looks who waits. So one of both sees all, and since only one
change from PAUSED to READY succeeds, a driver is woken once.
"""

from __future__ import annotations

import logging
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dualion.launch.claims import is_dead

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fireworks import LaunchPad

    from dualion.launch.cluster import Cluster
    from dualion.launch.document import Documents

WAITS = "waits_for"
"""In a Firework's ``spec.dualion``, and in what its launch stores: the points it waits for."""

WAITS_INDEX = f"spec.dualion.{WAITS}.jobs"

LIVE = ("READY", "RESERVED", "RUNNING", "WAITING", "PAUSED")
"""States of a Firework that will still be run."""

log = logging.getLogger("dualion")


class Parked(BaseException):
    """A job cannot go on before some points are computed.

    Not an ``Exception``: the jobs that need its output have not failed.

    Parameters
    ----------
    documents
        Of the points.
    uuids
        Of their outputs, as they are made in this environment, in the same order.
    """

    def __init__(self, documents: Documents, uuids: tuple[str, ...]) -> None:
        super().__init__(f"waits for {len(uuids)} points")
        self.documents = documents
        self.uuids = uuids

    @property
    def waits(self) -> dict[str, list[str]]:
        """What a parked Firework keeps."""
        jobs = [each.job_id for each in self.documents.jobs]
        return {"jobs": jobs, "outputs": list(self.uuids)}


def add_points(documents: Documents, campaign_id: str, cluster: Cluster) -> None:
    """See to it that some points will be computed; each has one Firework, whoever asks for it.

    Parameters
    ----------
    documents
        Of points whose outputs are not there.
    campaign_id
        For which they are asked.
    cluster
        The database.
    """
    from dualion.launch.submission import add_documents

    cluster.register(documents)
    pad = cluster.launchpad
    states = firework_states([each.job_id for each in documents.jobs], cluster)
    new = []
    for each in documents.jobs:
        there = states.get(each.job_id, {})
        if not there:
            new.append(each)
        elif not any(state in (*LIVE, "FIZZLED") for state in there.values()):
            fw_id, state = max(there.items())  # its output is gone, or its campaign was cancelled
            if state == "DEFUSED":
                pad.reignite_fw(fw_id)
            else:
                pad.rerun_fw(fw_id)
    if new:
        only = type(documents)(jobs=new, values=documents.values)
        add_documents(only, campaign_id, cluster)


def firework_states(job_ids: Iterable[str], cluster: Cluster) -> dict[str, dict[int, str]]:
    """Return the states of the Fireworks of some jobs, by job and id."""
    query = {"spec.dualion.job": {"$in": list(job_ids)}}
    shown = {"fw_id": 1, "state": 1, "spec.dualion.job": 1, "_id": 0}
    found: dict[str, dict[int, str]] = {}
    for each in cluster.ask(lambda: list(cluster.launchpad.fireworks.find(query, shown))):
        found.setdefault(each["spec"]["dualion"]["job"], {})[each["fw_id"]] = each["state"]
    return found


def park(pad: LaunchPad, launch_id: int, waits: dict[str, list[str]]) -> None:
    """Take a running Firework out of its launch; it waits until somebody wakes it.

    Its launch is forgotten: a driver may come and go hundreds of times.
    """
    found = pad.fireworks.find_one({"launches": launch_id}, {"fw_id": 1})
    if found is not None:
        fw_id = found["fw_id"]
        pad.fireworks.update_one(
            {"fw_id": fw_id, "state": "RUNNING", "launches": launch_id},
            {
                "$set": {
                    "state": "PAUSED",
                    f"spec.dualion.{WAITS}": waits,
                    "updated_on": datetime.now(UTC),
                },
                "$pull": {"launches": launch_id},
            },
        )
        _note_state(pad, fw_id, "PAUSED")
    pad.launches.delete_one({"launch_id": launch_id})


def wake(cluster: Cluster, job_ids: Iterable[str]) -> list[int]:
    """Make those drivers ready that wait for one of some points, and now have all of theirs.

    Returns
    -------
    list of int
        Ids of the Fireworks that this very call has woken.
    """
    query = {WAITS_INDEX: {"$in": list(job_ids)}, "state": "PAUSED"}
    shown = {"fw_id": 1, f"spec.dualion.{WAITS}": 1}
    pad = cluster.launchpad
    waiting = cluster.ask(lambda: list(pad.fireworks.find(query, shown)))
    return [
        each["fw_id"]
        for each in waiting
        if not outputs_missing(each["spec"]["dualion"][WAITS]["outputs"], cluster)
        and wake_one(cluster, each["fw_id"])
    ]


def wake_one(cluster: Cluster, fw_id: int) -> bool:
    """Make a parked driver ready; False: it was not parked, or somebody else has woken it."""
    pad = cluster.launchpad
    done = cluster.ask(
        lambda: pad.fireworks.find_one_and_update(
            {"fw_id": fw_id, "state": "PAUSED", WAITS_INDEX: {"$exists": True}},
            {
                "$set": {"state": "READY", "updated_on": datetime.now(UTC)},
                "$unset": {f"spec.dualion.{WAITS}": ""},
            },
        )
    )
    if done is None:
        return False
    _note_state(pad, fw_id, "READY")
    log.info("firework %d goes on: its points are there", fw_id)
    return True


def ready_of(job_ids: Iterable[str], cluster: Cluster) -> int | None:
    """Return the Firework of one of some points that is ready and not yet in a queue, if any."""
    query = {"spec.dualion.job": {"$in": list(job_ids)}, "state": "READY"}
    found = cluster.ask(lambda: cluster.launchpad.fireworks.find_one(query, {"fw_id": 1}))
    return None if found is None else int(found["fw_id"])


def points_coming(cluster: Cluster) -> bool:
    """Whether drivers wait for points, and living workers of this host compute some."""
    pad = cluster.launchpad
    if not parked(cluster):
        return False
    query = {"state": "RUNNING", "spec.dualion.kind": "point"}
    running = cluster.ask(lambda: list(pad.fireworks.find(query, {"launches": 1})))
    ids = [each["launches"][-1] for each in running if each.get("launches")]
    launches = cluster.ask(lambda: list(pad.launches.find({"launch_id": {"$in": ids}})))
    holders = [each["dualion_worker"] for each in launches if "dualion_worker" in each]
    here = socket.gethostname()
    return any(each["host"] == here and not is_dead(each) for each in holders)


def outputs_missing(uuids: Iterable[str], cluster: Cluster) -> set[str]:
    """Return those of some outputs, by uuid, that are not there."""
    wanted = set(uuids)
    query = {"uuid": {"$in": list(wanted)}}
    found = cluster.ask(lambda: list(cluster.outputs.find(query, {"uuid": 1, "_id": 0})))
    return wanted - {each["uuid"] for each in found}


def parked(cluster: Cluster, campaign_id: str | None = None) -> list[dict[str, Any]]:
    """List the Fireworks that are parked, with ``fw_id``, ``name`` and ``spec.dualion``."""
    query: dict[str, Any] = {"state": "PAUSED", WAITS_INDEX: {"$exists": True}}
    if campaign_id is not None:
        query["spec.dualion.campaign"] = campaign_id
    shown = {"fw_id": 1, "name": 1, "spec.dualion": 1, "state": 1, "_id": 0}
    found: list[dict[str, Any]] = cluster.ask(
        lambda: list(cluster.launchpad.fireworks.find(query, shown))
    )
    return found


def is_parked(firework: dict[str, Any]) -> bool:
    """Whether a Firework waits for points."""
    return firework["state"] == "PAUSED" and WAITS in firework["spec"]["dualion"]


def waiting_words(firework: dict[str, Any], missing: set[str], failed: set[str]) -> str:
    """Say what a parked driver waits for.

    Parameters
    ----------
    firework
        With its ``spec.dualion``.
    missing
        Outputs that are not there.
    failed
        Points whose Firework has failed.
    """
    waits = firework["spec"]["dualion"][WAITS]
    left = len(missing.intersection(waits["outputs"]))
    if not left:
        return "its points are there"
    words = f"waits for {left} of {len(waits['outputs'])} points"
    broken = len(failed.intersection(waits["jobs"]))
    return f"{words} ({broken} failed)" if broken else words


def awaited(
    fireworks: Iterable[dict[str, Any]], cluster: Cluster
) -> tuple[set[str], dict[str, dict[int, str]]]:
    """Look after all that some parked drivers wait for.

    Returns
    -------
    tuple
        Outputs that are not there, and the states of the points' Fireworks, by job and id.
    """
    waits = [each["spec"]["dualion"][WAITS] for each in fireworks]
    missing = outputs_missing({one for each in waits for one in each["outputs"]}, cluster)
    return missing, firework_states({one for each in waits for one in each["jobs"]}, cluster)


def words_of(fireworks: Iterable[dict[str, Any]], cluster: Cluster) -> dict[int, str]:
    """Say what some parked drivers wait for, by the id of their Firework."""
    all_parked = list(fireworks)
    if not all_parked:
        return {}
    missing, states = awaited(all_parked, cluster)
    failed = {job for job, there in states.items() if set(there.values()) == {"FIZZLED"}}
    return {each["fw_id"]: waiting_words(each, missing, failed) for each in all_parked}


def _note_state(pad: LaunchPad, fw_id: int, state: str) -> None:
    """Tell the workflow; a refresh would write the Firework too, which others are changing."""
    pad.workflows.update_one({"nodes": fw_id}, {"$set": {f"fw_states.{fw_id}": state}})
