"""Where the campaigns of a cluster stand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dualion.launch.points import LIVE, is_parked, words_of

if TYPE_CHECKING:
    from dualion.launch.cluster import Cluster

_AT_A_TIME = 1000

OPEN = ("READY", "RESERVED", "RUNNING", "FIZZLED", "DEFUSED", "PAUSED")
"""States in which a job is worth a line; WAITING and COMPLETED ones are counted only."""


@dataclass(frozen=True)
class JobStatus:
    """One Firework."""

    campaign: str
    fw_id: int
    name: str
    kind: str
    state: str
    queue_id: str = ""
    host: str = ""
    since: str = ""
    reason: str = ""

    @property
    def age(self) -> float | None:
        """Seconds since it came into its state."""
        if not self.since:
            return None
        return (datetime.now(UTC) - datetime.fromisoformat(self.since)).total_seconds()


@dataclass(frozen=True)
class CampaignStatus:
    """One campaign."""

    name: str
    campaign_id: str
    state: str
    engine: str
    submitted: str
    hops: int
    outcomes: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, int] = field(default_factory=dict)

    @property
    def hops_done(self) -> int:
        """Hops with a record, whatever its outcome."""
        return sum(self.outcomes.values())

    @property
    def found(self) -> bool:
        """Whether its hops are known: the hosts are relaxed."""
        return self.hops > 0

    @property
    def finished(self) -> bool:
        """Whether nothing is left to run."""
        left = sum(count for state, count in self.jobs.items() if state != "COMPLETED")
        return self.found and left == 0 and self.hops_done >= self.hops


@dataclass(frozen=True)
class HopStatus:
    """One question of a campaign: a hop, an ion, its surroundings."""

    campaign: str
    title: str
    state: str
    forward: float | None = None
    reverse: float | None = None
    record_id: str = ""


def campaign_states(cluster: Cluster, name: str | None = None) -> tuple[CampaignStatus, ...]:
    """Count the jobs and hops of campaigns.

    Parameters
    ----------
    cluster
        The database.
    name
        Of one campaign; None: all, oldest first.

    Returns
    -------
    tuple of CampaignStatus
        Without reading a single output.
    """
    from dualion.launch.submission import find_campaign

    if name is None:
        found = list(cluster.ask(lambda: list(cluster.campaigns.find().sort("submitted", 1))))
    else:
        found = [find_campaign(name, cluster)]
    return tuple(_campaign_state(each, cluster) for each in found)


def _campaign_state(campaign: dict[str, Any], cluster: Cluster) -> CampaignStatus:
    campaign_id = campaign["_id"]
    asked = [
        each["job_id"]
        for each in cluster.questions.find({"campaign": campaign_id}, {"job_id": 1, "_id": 0})
    ]
    outcomes = (each.get("outcome", "") for each in _results(cluster, asked).values())
    jobs = cluster.launchpad.fireworks.find(
        {"spec.dualion.campaign": campaign_id}, {"state": 1, "_id": 0}
    )
    return CampaignStatus(
        name=campaign["name"],
        campaign_id=campaign_id,
        state=campaign["state"],
        engine=campaign["engine"],
        submitted=campaign["submitted"],
        hops=len(asked),
        outcomes=dict(sorted(Counter(outcomes).items())),
        jobs=dict(sorted(Counter(each["state"] for each in jobs).items())),
    )


def _results(cluster: Cluster, job_ids: list[str]) -> dict[str, dict[str, Any]]:
    """Metadata of the outputs of some jobs, by job."""
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(job_ids), _AT_A_TIME):
        part = {"$in": job_ids[start : start + _AT_A_TIME]}
        for each in cluster.outputs.find({"metadata.job_id": part}, {"metadata": 1, "_id": 0}):
            found[each["metadata"]["job_id"]] = each["metadata"]
    return found


def under_way(cluster: Cluster, campaign_id: str, job_ids: list[str]) -> int:
    """Count the jobs among some that a worker of the campaign runs, or will run.

    Parameters
    ----------
    cluster
        The database.
    campaign_id
        Of the campaign.
    job_ids
        Of job documents.
    """
    pad = cluster.launchpad
    count = 0
    for start in range(0, len(job_ids), _AT_A_TIME):
        query = {
            "spec.dualion.campaign": campaign_id,
            "spec.dualion.job": {"$in": job_ids[start : start + _AT_A_TIME]},
            "state": {"$in": LIVE},
        }
        count += cluster.ask(lambda query=query: pad.fireworks.count_documents(query))  # type: ignore[misc]
    return count


def hop_states(cluster: Cluster, campaign_id: str) -> tuple[HopStatus, ...]:
    """List the hops of a campaign: their outcome, or the state of the job that will give it.

    Parameters
    ----------
    cluster
        The database.
    campaign_id
        Of the campaign.

    Returns
    -------
    tuple of HopStatus
        In the order of the campaign; none before the hosts are relaxed. Barriers in eV.
    """
    query = {"campaign": campaign_id}
    asked = cluster.ask(lambda: list(cluster.questions.find(query).sort("order", 1)))
    ids = [each["job_id"] for each in asked]
    found = _results(cluster, ids)
    shown = {"state": 1, "spec.dualion": 1, "fw_id": 1, "_id": 0}
    jobs: dict[str, Any] = {
        "spec.dualion.campaign": campaign_id,
        "spec.dualion.kind": {"$ne": "point"},
    }
    fireworks = list(cluster.launchpad.fireworks.find(jobs, shown))
    waits = words_of(filter(is_parked, fireworks), cluster)
    states = {
        each["spec"]["dualion"]["job"]: waits.get(each["fw_id"], each["state"].lower())
        for each in fireworks
    }
    name = (cluster.campaigns.find_one({"_id": campaign_id}) or {}).get("name", "?")
    return tuple(
        HopStatus(
            campaign=name,
            title=each["title"],
            state=done.get("outcome") or states.get(each["job_id"], "not in the launch pad"),
            forward=done.get("forward"),
            reverse=done.get("reverse"),
            record_id=done.get("record_id", ""),
        )
        for each in asked
        for done in [found.get(each["job_id"], {})]
    )


def job_states(
    cluster: Cluster, campaign_id: str | None = None, *, states: tuple[str, ...] = OPEN
) -> tuple[JobStatus, ...]:
    """List the jobs in some states, with queue ids, ages and reasons.

    Parameters
    ----------
    cluster
        The database.
    campaign_id
        Of one campaign; None: all.
    states
        FireWorks' states.

    Returns
    -------
    tuple of JobStatus
        In the order of their ids.
    """
    query: dict[str, Any] = {"state": {"$in": list(states)}, "spec.dualion": {"$exists": True}}
    if campaign_id is not None:
        query = {"spec.dualion.campaign": campaign_id, "state": {"$in": list(states)}}
    shown = {
        "_id": 0,
        "fw_id": 1,
        "name": 1,
        "state": 1,
        "spec.dualion": 1,
        "launches": 1,
        "updated_on": 1,
    }
    pad = cluster.launchpad
    fireworks = cluster.ask(lambda: list(pad.fireworks.find(query, shown)))
    waits = words_of(filter(is_parked, fireworks), cluster)
    last = [each["launches"][-1] for each in fireworks if each.get("launches")]
    launches: dict[int, dict[str, Any]] = {}
    for start in range(0, len(last), 500):
        part = last[start : start + 500]
        found = cluster.ask(
            lambda part=part: list(pad.launches.find({"launch_id": {"$in": part}}, {"_id": 0}))  # type: ignore[misc]
        )
        launches |= {each["launch_id"]: each for each in found}
    names = {
        each["_id"]: each["name"]
        for each in cluster.ask(lambda: list(cluster.campaigns.find({}, {"name": 1})))
    }
    return tuple(
        _job_status(each, launches, names, waits)
        for each in sorted(fireworks, key=lambda each: each["fw_id"])
    )


def _job_status(
    firework: dict[str, Any],
    launches: dict[int, dict[str, Any]],
    names: dict[str, str],
    waits: dict[int, str],
) -> JobStatus:
    launch = launches.get(firework["launches"][-1], {}) if firework.get("launches") else {}
    history = launch.get("state_history") or [{}]
    since = history[-1].get("updated_on") or firework.get("updated_on") or ""
    created = next(
        (
            each["created_on"]
            for each in reversed(history)
            if each.get("state") == firework["state"]
        ),
        since,
    )
    state = firework["state"]
    return JobStatus(
        campaign=names.get(firework["spec"]["dualion"]["campaign"], "?"),
        fw_id=firework["fw_id"],
        name=firework["name"],
        kind=firework["spec"]["dualion"]["kind"],
        state=state,
        queue_id=queue_id_of(launch) if state in {"RESERVED", "RUNNING", "FIZZLED"} else "",
        host=str(launch.get("host") or "") if state == "RUNNING" else "",
        since=_iso(created),
        reason=reason_of(launch) if state == "FIZZLED" else waits.get(firework["fw_id"], ""),
    )


def queue_id_of(launch: dict[str, Any]) -> str:
    """Queue id of a launch: as reserved, or as the worker itself found it."""
    for each in reversed(launch.get("state_history") or []):
        if each.get("reservation_id"):
            return str(each["reservation_id"])
    return str((launch.get("dualion_worker") or {}).get("queue_id") or "")


def reason_of(launch: dict[str, Any]) -> str:
    """Why a launch failed, in one line."""
    action = launch.get("action") or {}
    stored = action.get("stored_data") or {}
    exception = stored.get("_exception") or {}
    details = exception.get("_details")
    if isinstance(details, dict) and "stopped" in details:
        return str(details["stopped"])
    lines = [line for line in str(exception.get("_stacktrace", "")).splitlines() if line.strip()]
    if not lines:
        return ""
    kind, _, text = lines[-1].partition(": ")
    return text if kind.startswith("dualion.") else lines[-1].strip()


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).isoformat(timespec="seconds")
    text = str(value or "")
    if not text:
        return ""
    parsed = datetime.fromisoformat(text)
    return parsed.replace(tzinfo=parsed.tzinfo or UTC).isoformat(timespec="seconds")
