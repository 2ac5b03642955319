"""Computing what a job document asks for, and whatever it needs, exactly once.

A Firework of dualion says *see to it that the output of this job is there*. So it may be run
again, twice at a time, or in any order: what is there is taken, what is missing is computed, and
what somebody else is computing at this moment is waited for.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jobflow.core.flow import Flow, get_flow
from jobflow.core.job import Response

from dualion.engines.checkpoint import job_scope
from dualion.engines.fingerprint import stamp_of
from dualion.engines.point import DRIVERS, PointResult, PointsNeeded, point_jobs
from dualion.errors import DualionError, RunError
from dualion.launch.claims import LEASE, claimed
from dualion.launch.delivery import OutputStore, uuid_of
from dualion.launch.document import JOB, JOBS, VALUE, JobDocument, documents_of
from dualion.launch.points import Parked
from dualion.launch.status import under_way
from dualion.launch.task import load_function, typed_arguments
from dualion.records import HopRecord, content_hash
from dualion.settings import ALGORITHM
from dualion.workflows.ladder import PROMOTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualion.engines.point import Configuration
    from dualion.engines.registry import EngineChoice
    from dualion.launch.cluster import Cluster
    from dualion.launch.document import Documents
    from dualion.records import EngineStamp

CHECKPOINTS = "checkpoints"

CLAIMED = DRIVERS | {"point"}
"""Kinds of jobs that nobody computes while somebody else does; these have checkpoints."""

_KEPT = 64
"""Outputs and documents that a worker keeps in memory."""

log = logging.getLogger("dualion")


class InputFailedError(RunError):
    """A job was not tried, because another that it needs gave no output."""


@dataclass
class Computer:
    """Computes outputs in this process.

    Parameters
    ----------
    outputs
        Where outputs are kept; its cluster has the documents and the folder of checkpoints.
    expand
        Given the flow by which a job replaces itself, the campaign it is computed for and the
        stamps of its engines; returns what to keep as the job's output.
    campaign
        Id of the campaign for which outputs are made.
    on_record
        Called with the key of every hop record that is there.
    outer
        Whether each force call is a job of its own (:mod:`dualion.engines.point`), as the Firework
        says: the document may have been registered by another campaign.
    lease
        Seconds after which a claim that is not renewed is void.

    Attributes
    ----------
    calls
        Force calls that this process computed. Those answered from a checkpoint do not count: a
        job that makes no others before its wall time does not get on.
    """

    outputs: OutputStore
    expand: Callable[[Flow, str, tuple[EngineStamp, ...]], dict[str, Any]]
    campaign: str = ""
    on_record: Callable[[str], None] | None = None
    outer: bool = False
    lease: float = LEASE
    calls: int = 0
    _known: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)

    @property
    def cluster(self) -> Cluster:
        """The database."""
        return self.outputs.cluster

    def key_of(self, document: JobDocument) -> str:
        """Identity of a job's output here: the job, the engines of this environment, the method.

        Raises
        ------
        EngineError
            If an engine is not installed here.
        RunError
            If what is written into the job was made by other engines than the ones here.
        """
        stamps = self._stamps(document)
        plain = [stamp.model_dump(mode="json") for stamp in stamps]
        for made in document.made_with:
            if made not in stamps:
                here = "; ".join(str(stamp) for stamp in stamps)
                raise RunError(
                    f"its host was made with {made}, here is {here}",
                    where=f"job {document.name!r}",
                    remedy="use the environment the campaign was begun in, or submit it again "
                    "under another name",
                )
        return content_hash([document.job_id, plain, ALGORITHM], length=32)

    def _stamps(self, document: JobDocument) -> tuple[EngineStamp, ...]:
        return tuple(stamp_of(each) for choice in document.choices for each in choice.engines)

    def ensure(self, job_id: str) -> dict[str, Any]:
        """See to it that the output of a job is there.

        Parameters
        ----------
        job_id
            Of a registered job document.

        Returns
        -------
        dict
            The output, as plain data.

        Raises
        ------
        DualionError
            If it cannot be computed here.
        OSError
            If the disk of checkpoints or spool is full.
        Parked
            If it cannot go on before some points are computed.
        """
        if job_id in self._known:
            return self._known[job_id]
        document = self.cluster.document(job_id)
        key = self.key_of(document)
        found = self.outputs.find(key)
        if document.kind == PROMOTION:
            return self._promote(document, key, found)
        if found is None:
            inputs = self._inputs(document)
            if document.kind in CLAIMED:
                with claimed(
                    self.cluster, key, done=lambda: self.outputs.has(key), lease=self.lease
                ) as mine:
                    output = self._compute(document, key, inputs) if mine else self._there(key)
            else:
                output = self._compute(document, key, inputs)
        else:
            log.info("have %s (%s)", document.name, key)
            output = found["output"]
        if document.kind == "record" and self.on_record is not None:
            self.on_record(key)
        if len(self._known) >= _KEPT:
            self._known.pop(next(iter(self._known)))
        self._known[job_id] = output
        return output

    def _promote(
        self, document: JobDocument, key: str, found: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Add the next tier once the answers of this one are there, and never compute them here.

        Every workflow of a tier ends in this job, since FireWorks knows no links between them: the
        last one to come here finds nothing under way. Where answers were missing when it was done
        before, and are there now, it is done again.
        """
        output: dict[str, Any] = found["output"] if found is not None else {}
        if found is not None and not output.get("missing"):
            return output
        inputs: dict[str, dict[str, Any] | None] = {}
        for job_id in document.inputs:
            there = self.outputs.find(self.key_of(self.cluster.document(job_id)))
            inputs[job_id] = None if there is None else there["output"]
        missing = [job_id for job_id, there in inputs.items() if there is None]
        open_ones = under_way(self.cluster, self.campaign, missing)
        if open_ones:
            log.info("%s: %d hops are under way, left to another", document.name, open_ones)
            return output
        if found is not None and len(missing) == len(output["missing"]):
            return output
        return self._compute(document, key, inputs)

    def _there(self, key: str) -> dict[str, Any]:
        found = self.outputs.find(key)
        if found is None:
            raise RunError(
                f"the output {key} has gone", where=self.cluster.where, remedy="dualion recover"
            )
        output: dict[str, Any] = found["output"]
        return output

    def _inputs(self, document: JobDocument) -> dict[str, dict[str, Any] | None]:
        inputs: dict[str, dict[str, Any] | None] = {}
        for job_id in document.inputs:
            try:
                inputs[job_id] = self.ensure(job_id)
            except DualionError as problem:
                if job_id in document.dispensable:
                    log.warning("%s goes on without an input: %s", document.name, problem)
                    inputs[job_id] = None
                    continue
                if isinstance(problem, InputFailedError):
                    raise
                raise InputFailedError(
                    f"needs a job that failed: {problem}", where=f"job {document.name!r}"
                ) from problem
        return inputs

    def _compute(
        self, document: JobDocument, key: str, inputs: dict[str, dict[str, Any] | None]
    ) -> dict[str, Any]:
        function = load_function(document.function)
        arguments = typed_arguments(
            function,
            {name: self._argument(value, inputs) for name, value in document.arguments.items()},
        )
        log.info("start %s (%s)", document.name, key)
        began = time.monotonic()
        calls = 0

        def progress(count: int) -> None:
            nonlocal calls
            calls = count

        def computed() -> None:
            self.calls += 1

        checkpoint = self.cluster.profile.work / CHECKPOINTS / key
        kept = document.kind in CLAIMED
        if document.continues and not checkpoint.exists():
            self._take_over(document.continues, checkpoint)
        try:
            with job_scope(
                checkpoint=checkpoint if kept else None,
                progress=progress,
                computed=computed,
                points=self._points if self.outer and document.kind in DRIVERS else None,
            ):
                answer = function(**arguments)
        except PointsNeeded as needed:
            points = _point_documents(
                needed.choice, needed.charge, needed.configurations, name=document.name
            )
            log.info("%s: %d force calls, then %s more", document.name, calls, needed)
            uuids = tuple(uuid_of(self.key_of(each)) for each in points.jobs)
            raise Parked(points, uuids) from needed
        output: dict[str, Any]
        if isinstance(answer, Response):
            output = self._expanded(document, answer)
        else:
            output = answer.model_dump(mode="json")
        seconds = time.monotonic() - began
        self.outputs.put(
            key,
            name=document.name,
            output=output,
            metadata={
                "job_id": document.job_id,
                "kind": document.kind,
                "function": document.function,
                "campaign": self.campaign,
                "force_calls": calls,
                "seconds": round(seconds, 3),
                **_summary(answer),
            },
        )
        if kept and output.get("converged", True):  # an unconverged band may be asked to go on
            shutil.rmtree(checkpoint, ignore_errors=True)
        log.info("done %s (%s): %d force calls, %.1f s", document.name, key, calls, seconds)
        return output

    def _points(
        self, choice: EngineChoice, charge: int, configurations: Sequence[Configuration]
    ) -> list[PointResult | None]:
        """Look points up among the outputs."""
        documents = _point_documents(choice, charge, configurations, name="?")
        keys = [self.key_of(each) for each in documents.jobs]
        found = self.outputs.small(keys)
        return [PointResult.model_validate(found[key]) if key in found else None for key in keys]

    def _expanded(self, document: JobDocument, answer: Response[Any]) -> dict[str, Any]:
        """Add the flow by which a job replaces itself; return what to keep as its output."""
        output: dict[str, Any] = {}
        if answer.output is not None:
            output |= answer.output.model_dump(mode="json")
        if answer.replace is not None:
            # A tier is made by its own engines; of the one before it has no more than starts.
            made_with = () if document.kind == PROMOTION else self._stamps(document)
            output |= self.expand(get_flow(cast("Flow", answer.replace)), self.campaign, made_with)
        return output

    def _take_over(self, job_id: str, checkpoint: Path) -> None:
        """Go on from the checkpoint of another job, if it is still there."""
        other = checkpoint.parent / self.key_of(self.cluster.document(job_id))
        with suppress(FileNotFoundError):
            shutil.copytree(other, checkpoint)

    def _argument(self, value: Any, inputs: dict[str, dict[str, Any] | None]) -> Any:  # noqa: ANN401 - plain JSON
        if isinstance(value, dict) and len(value) == 1:
            if JOB in value:
                return inputs[value[JOB]]
            if JOBS in value:
                return [inputs[job_id] for job_id in value[JOBS]]
            if VALUE in value:
                return json.loads(self.cluster.value(value[VALUE]))
        return value


def _point_documents(
    choice: EngineChoice, charge: int, configurations: Sequence[Configuration], *, name: str
) -> Documents:
    """Documents of points, one for each configuration, in their order."""
    return documents_of(Flow([*point_jobs(choice, charge, configurations, name=name)]))


def _summary(output: object) -> dict[str, Any]:
    """Return what a list of jobs shows of an output."""
    if isinstance(output, HopRecord):
        return {
            "record_id": output.record_id,
            "outcome": output.outcome.value,
            "forward": output.forward,
            "reverse": output.reverse,
        }
    failure = getattr(output, "failure", "")
    return {"failed": True, "reason": str(failure)} if failure else {}
