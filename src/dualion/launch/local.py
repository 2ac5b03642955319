"""The local runner: a flow on this machine, several workers, killable at any moment.

The flow is built anew each time, never read back from disk. A job that costs time is known by the
content of its arguments; its output is in the ledger before anything that needs it starts. So the
same command after a kill finds what is finished, and unfinished jobs go on from the last force
call in their checkpoint.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import queue
import shutil
import warnings
from collections import deque
from typing import TYPE_CHECKING, Any

from jobflow.core.flow import Flow, get_flow
from jobflow.core.job import Response, prepare_replace
from jobflow.core.reference import OutputReference, find_and_resolve_references

from dualion.analysis.promotion import Promotion
from dualion.analysis.solution import Solution
from dualion.engines.fingerprint import stamp_of
from dualion.engines.point import DRIVERS
from dualion.engines.registry import EngineChoice
from dualion.errors import DualionError, RunError, StoreError
from dualion.launch.affinity import cpus_for
from dualion.launch.node import Node, is_outputs
from dualion.launch.outputs import Outputs
from dualion.launch.parking import ParkingLot
from dualion.launch.pool import Pool, Worker
from dualion.launch.state import RunState
from dualion.launch.task import (
    bound_arguments,
    function_path,
    original,
    plain_arguments,
    task_key,
)
from dualion.records import HopRecord, HostState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobflow.core.job import Job

    from dualion.launch.state import Observer
    from dualion.store.ledger import Ledger, LedgerEntry

WORKER_KINDS = frozenset({"relax", "band", "path", "point"})
"""Kinds of jobs that run in workers and whose outputs go to the ledger."""

TRIES = 2
"""A task that ends its worker this often has failed."""

log = logging.getLogger("dualion")


class LocalRunner:
    """Run a flow with worker processes.

    Parameters
    ----------
    ledger
        Takes and gives outputs of finished jobs.
    checkpoints
        Folder for the checkpoints of unfinished jobs.
    logfile
        Takes what workers print.
    workers
        Number of worker processes.
    pin
        Keep each worker on one CPU, where there are as many as workers.
    on_record
        Called once with every hop record, at once when it is made.
    observer
        Shown the state of the run.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        checkpoints: Path,
        logfile: Path,
        workers: int,
        pin: bool = False,
        on_record: Callable[[HopRecord], None],
        observer: Observer | None = None,
    ) -> None:
        self.ledger = ledger
        self.checkpoints = checkpoints
        self.on_record = on_record
        self.observer = observer
        self.pool = Pool(workers, logfile, cpus_for(workers) if pin else ())
        self.state = RunState(workers=workers)
        self.outputs = Outputs()
        self._waiting: dict[str, list[Node]] = {}
        self._ready: deque[Node] = deque()
        self._tasks: dict[str, list[Node]] = {}
        self._lost: set[str] = set()
        self._failures: dict[str, str] = {}
        self._lot = ParkingLot()

    def run(self, flow: Flow | Job) -> RunState:
        """Run all jobs of a flow and of whatever they add to it.

        Returns
        -------
        RunState
            At the end; jobs that failed are in ``failed``, those that needed them in ``skipped``.

        Raises
        ------
        OSError
            If the disk is full.
        """
        self._add(get_flow(flow))
        with self.pool:
            while self._ready or self._tasks:
                self._start_ready()
                if self._tasks:
                    self._listen()
                self._show()
        for nodes in self._waiting.values():
            for node in nodes:
                if node.job.name not in self.state.skipped and node.waits:
                    self.state.skipped.append(node.job.name)
        self._show()
        return self.state

    def _show(self) -> None:
        if self.observer is not None:
            self.observer.changed(self.state)

    def _add(self, flow: Flow) -> None:
        with warnings.catch_warnings():
            # Hops of one host are not connected to each other; their order does not matter.
            warnings.filterwarnings("ignore", "Some jobs are not connected")
            jobs = [job for job, _ in flow.iterflow()]
        for job in jobs:
            lost = self._lost.intersection(job.input_uuids)
            waits = {uuid for uuid in job.input_uuids if uuid not in self.outputs}
            node = Node(job, waits)
            self.state.total += 1
            if node.kind in WORKER_KINDS:
                self.state.waiting[node.kind] = self.state.waiting.get(node.kind, 0) + 1
            if lost - node.dispensable:
                self._lose(node)
            elif waits:
                for uuid in waits:
                    self._waiting.setdefault(uuid, []).append(node)
            else:
                self._ready.append(node)

    def _lose(self, node: Node) -> None:
        """Give up a job whose input will never come, and all that need it."""
        if node.job.uuid in self._lost:
            return
        self.state.skipped.append(node.job.name)
        self._give_up(node)

    def _give_up(self, node: Node) -> None:
        """Lose what needs the output of a job that will never come; the rest goes on without."""
        uuid = node.job.uuid
        self._lost.add(uuid)
        self._count_down(node)
        self.outputs.put(uuid, node.job.index, lambda: None)
        for later in self._waiting.pop(uuid, []):
            if uuid not in later.dispensable:
                self._lose(later)
                continue
            log.warning("%s goes on without %s", later.job.name, node.job.name)
            later.waits.discard(uuid)
            if not later.waits:
                self._ready.append(later)

    def _count_down(self, node: Node) -> None:
        if node.kind in self.state.waiting:
            self.state.waiting[node.kind] -= 1

    def _start_ready(self) -> None:
        blocked: deque[Node] = deque()
        while self._ready:
            node = self._ready.popleft()
            try:
                if not self._start(node):
                    blocked.append(node)
            except DualionError as error:
                self._fail(node, str(error))
        self._ready = blocked

    def _arguments(self, job: Job) -> dict[str, Any]:
        named = bound_arguments(original(job), job.function_args, job.function_kwargs)
        cache: dict[str, Any] = {}
        store: Any = self.outputs  # answers the two questions that references ask of a JobStore
        resolved: dict[str, Any] = {}
        for name, value in named.items():
            if isinstance(value, OutputReference) and not value.attributes:
                resolved[name] = self.outputs.get_output(value.uuid)
            elif is_outputs(value):
                resolved[name] = tuple(self.outputs.get_output(each.uuid) for each in value)
            else:
                resolved[name] = find_and_resolve_references(value, store, cache=cache)
        return resolved

    def _start(self, node: Node) -> bool:
        """Start a job, or answer it from the ledger; False: no worker is free."""
        function = original(node.job)
        if node.kind not in WORKER_KINDS:
            self._run_here(node, function)
            return True
        if not node.key:
            named = self._arguments(node.job)
            stamps = [
                stamp_of(value).model_dump(mode="json")
                for value in named.values()
                if isinstance(value, EngineChoice)
            ]
            node.path = function_path(function)
            node.key = task_key(node.path, plain_arguments(function, named), stamps)
        if self._joins(node):
            return True
        entry = self._entry(node.key)
        if entry is not None:
            self.state.reused += node.kind != "point"
            self.state.reused_calls += entry.force_calls
            self._drop_checkpoint(node.key)  # of a run killed between result and clean-up
            log.info("have %s (%s)", node.job.name, node.key)
            self._finish_task([node], entry.force_calls, entry.seconds, reused=True)
            return True
        worker = self.pool.idle()
        if worker is None:
            return False
        plain = plain_arguments(function, self._arguments(node.job))
        self._tasks[node.key] = [node]
        self.state.running[node.job.name] = 0
        log.info("start %s (%s)", node.job.name, node.key)
        task = {
            "id": node.key,
            "function": node.path,
            "arguments": plain,
            "checkpoint": str(self.checkpoints / node.key),
        }
        if self._drives(node):
            task["known"] = self._lot.known(node.key)
        self.pool.send(worker, task)
        return True

    def _joins(self, node: Node) -> bool:
        """Leave a job to another of the same identity, if there is one: computed once."""
        if node.key in self._tasks:
            self._tasks[node.key].append(node)
        elif self._lot.waits(node.key):
            self._lot.join(node.key, node)
        elif node.kind == "point" and node.key in self._failures:
            self._finish_task([node], 0, 0.0, reused=True)
        else:
            return False
        return True

    def _drives(self, node: Node) -> bool:
        """Whether the force calls of a job are jobs of their own."""
        return node.kind in DRIVERS and bool(node.job.metadata.get("outer"))

    def _entry(self, key: str) -> LedgerEntry | None:
        try:
            return self.ledger.get(key)
        except StoreError as error:  # a damaged entry costs a computation, not the run
            log.warning("%s: computed again", error)
            self.ledger.delete(key)
            return None

    def _run_here(self, node: Node, function: Callable[..., Any]) -> None:
        job = node.job
        response: Response[Any] = Response.from_job_returns(
            function(**self._arguments(job)), job.output_schema
        )
        if isinstance(response.output, Promotion):
            self._tell(response.output)
        if response.replace is not None:
            replacement = prepare_replace(response.replace, job)
            self._add(replacement)
            self.state.done += 1
            if not any(
                job.uuid in new.job_uuids if isinstance(new, Flow) else new.uuid == job.uuid
                for new in replacement.jobs
            ):
                self._deliver(job.uuid, job.index, lambda: None)
            return
        output = response.output
        if isinstance(output, HopRecord):
            self.on_record(output)
            self.state.records.append(output)
            if job.uuid not in self._waiting:
                output = None
        elif isinstance(output, HostState):
            self.state.hosts.append(output)
        elif isinstance(output, Solution):
            self.state.solutions.append(output)
        self.state.done += 1
        self._deliver(job.uuid, job.index, lambda: output)

    def _tell(self, promotion: Promotion) -> None:
        self.state.promotions.append(promotion)
        log.info("%s", promotion.text)
        for line in promotion.told:
            log.warning("not promoted: %s", line)

    def _deliver(self, uuid: str, index: int, load: Callable[[], Any]) -> None:
        self.outputs.put(uuid, index, load)
        for node in self._waiting.pop(uuid, []):
            node.waits.discard(uuid)
            if not node.waits:
                self._ready.append(node)

    def _listen(self) -> None:
        """Handle the messages of the workers; wait a moment for the first."""
        try:
            worker, message = self.pool.messages.get(timeout=0.2)
        except queue.Empty:
            return
        while True:
            self._handle(worker, message)
            try:
                worker, message = self.pool.messages.get_nowait()
            except queue.Empty:
                return

    def _handle(self, worker: Worker, message: dict[str, Any] | None) -> None:
        if message is None:
            self._bury(worker)
            return
        nodes = self._tasks[message["id"]]
        name = nodes[0].job.name
        counts = not self._drives(nodes[0])  # a driver's are counted where they are computed
        if message["event"] == "progress":
            self.state.force_calls += (message["calls"] - worker.calls) * counts
            worker.calls = message["calls"]
            self.state.running[name] = message["calls"]
            return
        worker.task = None
        self.state.running.pop(name, None)
        del self._tasks[message["id"]]
        if message["event"] == "points":
            self._ready.extend(self._lot.park(message["id"], nodes, message))
        elif message["event"] == "done":
            self.state.force_calls += (message["calls"] - worker.calls) * counts
            message["seconds"] += self._lot.finish(message["id"])
            self._keep(message, name, nodes[0].kind)
            self._drop_checkpoint(message["id"])
            log.info(
                "done %s (%s): %d force calls, %.1f s",
                name,
                message["id"],
                message["calls"],
                message["seconds"],
            )
            self._finish_task(nodes, message["calls"], message["seconds"], reused=False)
        elif message.get("errno") in {errno.ENOSPC, errno.EDQUOT}:
            raise OSError(message["errno"], os.strerror(message["errno"]), str(self.checkpoints))
        else:
            for node in nodes:
                self._fail(node, message["error"])

    def _keep(self, message: dict[str, Any], name: str, kind: str) -> None:
        """Put an output into the ledger; one that says why it failed is tried again next time."""
        text = json.dumps(message["output"])
        if message["output"].get("failure"):
            log.warning("%s: %s", name, message["output"]["failure"])
            self._failures[message["id"]] = text
            return
        self.ledger.put(
            message["id"],
            name=name,
            kind=kind,
            output_json=text,
            force_calls=message["calls"],
            seconds=message["seconds"],
        )

    def _drop_checkpoint(self, key: str) -> None:
        """Remove the checkpoint of a task whose result is in the ledger."""
        shutil.rmtree(self.checkpoints / key, ignore_errors=True)

    def _finish_task(self, nodes: list[Node], calls: int, seconds: float, *, reused: bool) -> None:
        for node in nodes:
            load = self._loader(node.key, node.job.output_schema)
            if node.kind == "point":
                self._ready.extend(self._lot.arrived(node, load(), seconds))
                continue
            self.state.done += 1
            self._count_down(node)
            self._deliver(node.job.uuid, node.job.index, load)
        if not reused or calls:
            self.state.seconds.setdefault(nodes[0].kind, []).append(seconds)

    def _loader(self, key: str, schema: Any) -> Callable[[], Any]:  # noqa: ANN401 - a record class
        def load() -> Any:  # noqa: ANN401
            if key in self._failures:
                return schema.model_validate_json(self._failures[key])
            entry = self.ledger.get(key)
            if entry is None:
                raise RunError(f"the output of job {key} is gone", where=str(self.ledger.path))
            return schema.model_validate_json(entry.output_json)

        return load

    def _bury(self, worker: Worker) -> None:
        code = self.pool.forget(worker)
        if worker.task is None or worker.task not in self._tasks:
            return
        nodes = self._tasks.pop(worker.task)
        self.state.running.pop(nodes[0].job.name, None)
        for node in nodes:
            node.tries += 1
            if node.tries < TRIES:
                log.warning("worker ended (exit %d) in %s: again", code, node.job.name)
                self._ready.append(node)
            else:
                self._fail(node, f"its worker ended {TRIES} times (exit {code}): out of memory?")

    def _fail(self, node: Node, reason: str) -> None:
        if node.kind == "point":
            for driver in self._lot.failed(node):
                self._fail(driver, f"{node.job.name}: {reason}")
            return
        log.error("failed %s: %s", node.job.name, reason)
        self.state.failed[node.job.name] = reason
        self._give_up(node)
