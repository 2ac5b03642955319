"""Submitting a campaign: job documents and small workflows, each of them only once."""

from __future__ import annotations

import contextlib
import getpass
import io
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dualion import __version__
from dualion.errors import CampaignError, RunError
from dualion.launch.document import Documents, JobDocument, documents_of
from dualion.launch.ranks import check_ranks
from dualion.records import content_hash
from dualion.workflows.ladder import PROMOTION
from dualion.workflows.pair import pair_flow

if TYPE_CHECKING:
    from fireworks import Firework, Workflow
    from jobflow.core.flow import Flow

    from dualion.launch.cluster import Cluster
    from dualion.launch.clusterprofile import ClusterProfile, JobKind
    from dualion.launch.run import Prepared
    from dualion.records import EngineStamp

HOPS_PER_WORKFLOW = 40
"""FireWorks rewrites a whole workflow whenever one of its jobs changes, so none is large."""

PRIORITY = {"analysis": 30, "relax": 20, "point": 15, "band": 10}
"""What others wait for goes first."""

_TITLE = re.compile(r": record$")

log = logging.getLogger("dualion")


@dataclass(frozen=True)
class Submitted:
    """What a submission did."""

    campaign_id: str
    new: bool
    workflows: int
    jobs: int


def campaign_id_of(prepared: Prepared) -> str:
    """Identity of a campaign: all that is asked, and the framework it is asked of."""
    return content_hash(
        [prepared.campaign.model_dump(mode="json"), prepared.framework.fingerprint], length=24
    )


def submit(prepared: Prepared, cluster: Cluster) -> Submitted:
    """Put a campaign into the launch pad, unless it is there.

    Parameters
    ----------
    prepared
        Read and checked.
    cluster
        The database.

    Returns
    -------
    Submitted
        Submitted a second time, a campaign adds nothing; one whose submission was cut off is
        completed.

    Raises
    ------
    CampaignError
        If another campaign of this name was submitted.
    InputError
        If the profile's queue jobs could not run its bands.
    """
    from dualion.launch.pad import prepare as prepare_pad

    campaign = prepared.campaign
    check_ranks(campaign, cluster.profile)
    campaign_id = campaign_id_of(prepared)
    other = cluster.ask(lambda: cluster.campaigns.find_one({"name": campaign.name}))
    if other is not None and other["_id"] != campaign_id:
        raise CampaignError(
            f"another campaign named {campaign.name!r} was submitted on {other['submitted']}"
            f" (it differs in: {_difference(other, prepared)})",
            where=str(prepared.file),
            remedy="give this one another name",
        )
    prepare_pad(cluster.launchpad)
    new = cluster.insert_new(
        cluster.campaigns,
        [
            {
                "_id": campaign_id,
                "name": campaign.name,
                "framework": prepared.framework.name,
                "fingerprint": prepared.framework.fingerprint,
                "pair": list(campaign.pair),
                "engine": prepared.engine.name,
                "campaign": campaign.model_dump(mode="json"),
                "text": prepared.file.read_text(encoding="utf-8"),
                "submitted": datetime.now(UTC).isoformat(timespec="seconds"),
                "user": getpass.getuser(),
                "dualion": __version__,
                "state": "active",
            }
        ],
    )
    flow = pair_flow(campaign, prepared.framework, prepared.engine)
    workflows, jobs = add_flow(flow, campaign_id, cluster)
    if not new:
        _revive(campaign_id, cluster)
    return Submitted(campaign_id, bool(new), workflows, jobs)


def _difference(other: dict[str, Any], prepared: Prepared) -> str:
    mine = prepared.campaign.model_dump(mode="json")
    theirs = other.get("campaign", {})
    fields = [name for name in mine if mine[name] != theirs.get(name)]
    if other.get("fingerprint") != prepared.framework.fingerprint:
        fields.append("the framework's structure")
    return ", ".join(fields) or "nothing visible"


def _revive(campaign_id: str, cluster: Cluster) -> None:
    """Take up again a campaign that was cancelled."""
    done = cluster.campaigns.update_one(
        {"_id": campaign_id, "state": "cancelled"}, {"$set": {"state": "active"}}
    )
    if not done.modified_count:
        return
    pad = cluster.launchpad
    query = {"spec.dualion.campaign": campaign_id, "state": "DEFUSED"}
    for fw_id in pad.get_fw_ids(query):
        pad.reignite_fw(fw_id)


def add_flow(
    flow: Flow,
    campaign_id: str,
    cluster: Cluster,
    *,
    made_with: Iterable[EngineStamp] = (),
) -> tuple[int, int]:
    """Register a flow's jobs and add the workflows that see to them.

    Parameters
    ----------
    flow
        Of a campaign's hosts, or of the hops of one.
    campaign_id
        Of the campaign it belongs to.
    cluster
        The database and the profile.
    made_with
        Engines whose results are written into the jobs.

    Returns
    -------
    tuple of int
        Workflows and Fireworks that were added; what was there is not added again.
    """
    documents = documents_of(flow, made_with=made_with)
    cluster.register(documents)
    _ask_questions(documents, campaign_id, cluster)
    return add_documents(documents, campaign_id, cluster)


def add_documents(documents: Documents, campaign_id: str, cluster: Cluster) -> tuple[int, int]:
    """Add the workflows that see to registered jobs; see :func:`add_flow`."""
    workflows = jobs = 0
    for chunk in _chunks(documents):
        added = _add_chunk(chunk, documents, campaign_id, cluster)
        workflows += 1 if added else 0
        jobs += added
    log.info("campaign %s: %d jobs in %d workflows added", campaign_id, jobs, workflows)
    return workflows, jobs


def expander(cluster: Cluster) -> Any:  # noqa: ANN401 - a callback of the computer
    """Return what a worker does with a flow by which a job replaces itself."""

    def expand(flow: Flow, campaign_id: str, stamps: tuple[EngineStamp, ...]) -> dict[str, Any]:
        workflows, jobs = add_flow(flow, campaign_id, cluster, made_with=stamps)
        return {"workflows": workflows, "jobs": jobs}

    return expand


def _ask_questions(documents: Documents, campaign_id: str, cluster: Cluster) -> None:
    cluster.insert_new(
        cluster.questions,
        (
            {
                "_id": f"{campaign_id}:{each.job_id}",
                "campaign": campaign_id,
                "job_id": each.job_id,
                "title": _TITLE.sub("", each.name),
                "order": number,
            }
            for number, each in enumerate(documents.jobs)
            if each.kind == "record"
        ),
    )


def _chunks(documents: Documents) -> Iterable[list[JobDocument]]:
    """Jobs that get a Firework, cut into pieces of a limited number of hops.

    A state that several hops use is relaxed in the first piece that needs it. A hop of a later
    piece that is run before finds it missing, and sees to it itself. The job that promotes to the
    next tier ends every piece.
    """
    needed = {job_id for each in documents.jobs for job_id in each.inputs}
    ending = [each for each in documents.jobs if each.kind == PROMOTION]
    chunk: list[JobDocument] = []
    hops = 0
    waiting: dict[str, JobDocument] = {}
    known = {each.job_id: each for each in documents.jobs}
    for each in documents.jobs:
        if each.kind == "relax":
            waiting[each.job_id] = each
        elif each.kind == "record":
            chunk += [waiting.pop(job_id) for job_id in _relaxed(each, known) if job_id in waiting]
            chunk.append(each)
            hops += 1
            if hops == HOPS_PER_WORKFLOW:
                yield [*chunk, *ending]
                chunk, hops = [], 0
        elif each.job_id not in needed and each.kind != PROMOTION:
            chunk += [waiting.pop(job_id) for job_id in _relaxed(each, known) if job_id in waiting]
            chunk.append(each)
    chunk += waiting.values()
    if chunk:
        yield [*chunk, *ending]


def _relaxed(document: JobDocument, known: dict[str, JobDocument]) -> list[str]:
    """All relaxations that a job needs, however indirectly, in a fixed order."""
    found: dict[str, None] = {}
    stack = list(document.inputs)
    seen = set(stack)
    while stack:
        job_id = stack.pop()
        if job_id not in known:
            continue
        if known[job_id].kind == "relax":
            found[job_id] = None
        for further in known[job_id].inputs:
            if further not in seen:
                seen.add(further)
                stack.append(further)
    return list(reversed(found))


def _add_chunk(
    chunk: list[JobDocument], documents: Documents, campaign_id: str, cluster: Cluster
) -> int:
    """Add one workflow unless it is there whole; return the number of Fireworks added."""
    pad = cluster.launchpad
    name = content_hash([campaign_id, [each.job_id for each in chunk]], length=24)
    there = cluster.ask(
        lambda: pad.workflows.find_one({"metadata.dualion.chunk": name}, {"nodes": 1})
    )
    if there is not None:
        nodes = there["nodes"]
        if pad.fireworks.count_documents({"fw_id": {"$in": nodes}}) == len(nodes):
            return 0
        # A submission was killed between the workflow and its Fireworks: none of them has run.
        log.warning("workflow %s was cut off when it was added: added again", name)
        pad.fireworks.delete_many({"fw_id": {"$in": nodes}})
        pad.workflows.delete_one({"metadata.dualion.chunk": name})
    workflow = _workflow(chunk, documents, campaign_id, cluster.profile, name)
    with contextlib.redirect_stderr(io.StringIO()):  # FireWorks shows a progress bar
        pad.bulk_add_wfs([workflow])
    return len(chunk)


def _workflow(
    chunk: list[JobDocument],
    documents: Documents,
    campaign_id: str,
    profile: ClusterProfile,
    name: str,
) -> Workflow:
    from fireworks import Workflow

    known = {each.job_id: each for each in documents.jobs}
    owner = _owners(chunk, known)
    fireworks: dict[str, Firework] = {}
    links: dict[Firework, list[Firework]] = {}
    for each in chunk:
        parents = {owner[job_id] for job_id in _reach(each, known, owner)} - {each.job_id}
        spare = _spare(each, known, owner)
        patient = bool(spare & parents)
        own = (known[job_id] for job_id in each.inputs if owner.get(job_id) == each.job_id)
        outer = any(one.outer for one in (each, *own))
        firework = _firework(each, campaign_id, profile, patient=patient, outer=outer)
        fireworks[each.job_id] = firework
        for parent in parents:
            links.setdefault(fireworks[parent], []).append(firework)
    return Workflow(
        list(fireworks.values()),
        links,
        name=f"dualion {chunk[-1].name}"[:80],
        metadata={"dualion": {"campaign": campaign_id, "chunk": name}},
    )


def _owners(chunk: list[JobDocument], known: dict[str, JobDocument]) -> dict[str, str]:
    """Which Firework sees to a job: a record's sees to its band and path as well."""
    owner = {}
    for each in chunk:
        owner[each.job_id] = each.job_id
        if each.kind == "record":
            own = (
                job_id
                for job_id in each.inputs
                if job_id in known and known[job_id].kind in {"band", "path"}
            )
            owner.update(dict.fromkeys(own, each.job_id))
    return owner


def _reach(document: JobDocument, known: dict[str, JobDocument], owner: dict[str, str]) -> set[str]:
    """Owned jobs that a job needs, looking through those that nobody owns and its own."""
    found: set[str] = set()
    stack = list(document.inputs)
    seen = set(stack)
    while stack:
        job_id = stack.pop()
        if owner.get(job_id, document.job_id) != document.job_id:
            found.add(job_id)
            continue
        for further in known[job_id].inputs if job_id in known else ():
            if further not in seen:
                seen.add(further)
                stack.append(further)
    return found


def _spare(document: JobDocument, known: dict[str, JobDocument], owner: dict[str, str]) -> set[str]:
    """Fireworks whose failure does not keep this one from running."""
    own = [known[job_id] for job_id in document.inputs if job_id in known]
    spare = {job_id for each in (document, *own) for job_id in each.dispensable}
    return {owner[job_id] for job_id in spare if job_id in owner}


def _firework(
    document: JobDocument,
    campaign_id: str,
    profile: ClusterProfile,
    *,
    patient: bool,
    outer: bool,
) -> Firework:
    from fireworks import Firework

    from dualion.launch.firetask import EnsureTask
    from dualion.launch.queue import queue_keys

    kind = _resources_of(document, outer=outer)
    spec: dict[str, Any] = {
        "dualion": {
            "campaign": campaign_id,
            "job": document.job_id,
            "kind": kind,
            "category": document.category,
            "outer": outer,
        },
        "_category": document.category,
        "_priority": PRIORITY.get(kind, 0),
        "_queueadapter": queue_keys(profile, kind),
    }
    if patient:
        spec["_allow_fizzled_parents"] = True
    return Firework([EnsureTask()], spec=spec, name=_TITLE.sub("", document.name))


def _resources_of(document: JobDocument, *, outer: bool) -> JobKind:
    """Kind of resources that a Firework is given; one whose points are jobs needs little."""
    if document.kind == "point":
        return "point"
    if outer:
        return "analysis"
    if document.kind == "relax":
        return "relax"
    return "band" if document.kind == "record" else "analysis"


def find_campaign(name: str, cluster: Cluster) -> dict[str, Any]:
    """Return the document of a submitted campaign, by its name or the first digits of its id.

    Raises
    ------
    RunError
        If there is none.
    """
    found = cluster.ask(
        lambda: cluster.campaigns.find_one(
            {"$or": [{"name": name}, {"_id": {"$regex": f"^{re.escape(name)}"}}]}
        )
    )
    if found is None:
        names = [each["name"] for each in cluster.campaigns.find({}, {"name": 1})]
        known = ", ".join(sorted(names)[:8]) or "none yet"
        raise RunError(
            f"no campaign {name!r} was submitted",
            where=cluster.where,
            remedy=f"submitted are: {known}",
        )
    return found
