"""Letting bands that did not converge go on from their last step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dualion.launch.document import JOB, JOBS, Documents, JobDocument
from dualion.launch.submission import add_documents
from dualion.launch.trouble import Trouble
from dualion.records import content_hash
from dualion.workflows.ladder import PROMOTION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dualion.launch.cluster import Cluster


def extend(
    cluster: Cluster, campaign_id: str | None, *, steps: int, dry_run: bool = False
) -> tuple[Trouble, ...]:
    """Ask the unconverged bands of a campaign again, with more steps.

    The number of steps decides only when to give up, so the answer is to the same question: its
    record takes the place of the unconverged one, which is kept as a revision. A tier that was
    promoted without it is looked at again when it is there.

    Parameters
    ----------
    cluster
        The database.
    campaign_id
        Of one campaign; None: all.
    steps
        Further steps for each band.
    dry_run
        Say what would be done, and do nothing.

    Returns
    -------
    tuple of Trouble
        One for each unconverged band. Its force calls so far are in its checkpoint, and are not
        made again.
    """
    query: dict[str, Any] = {"metadata.outcome": "unconverged"}
    if campaign_id is not None:
        query["metadata.campaign"] = campaign_id
    found = []
    longer: dict[str, Documents] = {}
    replaced: dict[str, str] = {}
    for output in list(cluster.outputs.find(query, {"metadata": 1})):
        record = cluster.document(output["metadata"]["job_id"])
        asked = list(cluster.questions.find({"job_id": record.job_id}))
        if not asked:  # it was extended before
            continue
        documents, used = _longer(record, cluster, steps)
        if not dry_run:
            cluster.register(documents)
            for question in asked:
                cluster.questions.update_one(
                    {"_id": question["_id"]}, {"$set": {"job_id": documents.jobs[-1].job_id}}
                )
                longer.setdefault(question["campaign"], Documents()).jobs += documents.jobs
            replaced[record.job_id] = documents.jobs[-1].job_id
        done = "would go on" if dry_run else "goes on"
        found.append(
            Trouble(
                "unconverged",
                record.name.removesuffix(": record"),
                f"not converged after {used} steps",
                f"{done} for {steps} more",
            )
        )
    for campaign, documents in longer.items():
        promoting = _promoting(documents, replaced, cluster)
        cluster.register(Documents(jobs=promoting))
        documents.jobs += promoting
        add_documents(documents, campaign, cluster)
    return tuple(found)


def _longer(record: JobDocument, cluster: Cluster, steps: int) -> tuple[Documents, int]:
    """Give a band and its record more steps; return also how many it had."""
    inputs = [cluster.document(job_id) for job_id in record.inputs]
    band = next(each for each in inputs if each.kind == "band")
    settings = dict(band.arguments["settings"])
    used = int(settings["steps"])
    settings["steps"] = used + steps
    longer = _renamed(
        band.model_copy(
            update={
                "arguments": band.arguments | {"settings": settings},
                "continues": band.job_id,
            }
        )
    )
    arguments = {
        name: {JOB: longer.job_id} if value == {JOB: band.job_id} else value
        for name, value in record.arguments.items()
    }
    again = _renamed(
        record.model_copy(
            update={
                "arguments": arguments,
                "inputs": _replaced(record.inputs, band.job_id, longer.job_id),
            }
        )
    )
    return Documents(jobs=[longer, again]), used


def _promoting(
    documents: Documents, replaced: dict[str, str], cluster: Cluster
) -> list[JobDocument]:
    """Jobs that promote some of these records to a next tier, with the new ones in their place."""
    new = {each.job_id for each in documents.jobs}
    old = [before for before, after in replaced.items() if after in new]
    query = {"kind": PROMOTION, "inputs": {"$in": old}}
    found = []
    for each in list(cluster.jobs.find(query, {"_id": 0})):
        document = JobDocument.model_validate(each)
        arguments = {
            name: {JOBS: [replaced.get(job_id, job_id) for job_id in value[JOBS]]}
            if isinstance(value, dict) and list(value) == [JOBS]
            else value
            for name, value in document.arguments.items()
        }
        inputs, dispensable = (
            tuple(replaced.get(job_id, job_id) for job_id in ids)
            for ids in (document.inputs, document.dispensable)
        )
        update = {"arguments": arguments, "inputs": inputs, "dispensable": dispensable}
        found.append(_renamed(document.model_copy(update=update)))
    return found


def _renamed(document: JobDocument) -> JobDocument:
    identity = content_hash([document.function, document.arguments], length=32)
    return document.model_copy(update={"job_id": identity})


def _replaced(ids: Iterable[str], old: str, new: str) -> tuple[str, ...]:
    return tuple(new if each == old else each for each in ids)
