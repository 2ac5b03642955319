"""A pool of worker processes that speak JSON lines."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Self

from dualion.launch.affinity import CPU

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "DUALION_THREADS",
)
"""Set to 1 in a worker: two one-thread workers beat one two-thread process on shared cores."""


@dataclass
class Worker:
    """One worker process and the task it has."""

    process: subprocess.Popen[str]
    cpu: int | None = None
    task: str | None = None
    calls: int = 0


@dataclass
class Pool:
    """Worker processes, started when there is work and ended with the pool.

    Parameters
    ----------
    size
        Largest number of workers.
    log
        File that takes what workers and their libraries print.
    cpus
        One CPU for each worker to stay on (:func:`~dualion.launch.affinity.cpus_for`); empty: the
        system moves them as it likes.
    """

    size: int
    log: Path
    cpus: tuple[int, ...] = ()
    messages: queue.Queue[tuple[Worker, dict[str, Any] | None]] = field(default_factory=queue.Queue)
    workers: list[Worker] = field(default_factory=list)
    _log: IO[str] | None = None

    def __enter__(self) -> Self:
        self._log = self.log.open("a", encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self.workers:
            worker.process.kill()
        for worker in self.workers:
            worker.process.wait()
        self.workers.clear()
        if self._log is not None:
            self._log.close()

    def idle(self) -> Worker | None:
        """Return a worker without a task, starting one if the pool may still grow."""
        for worker in self.workers:
            if worker.task is None:
                return worker
        return self._start() if len(self.workers) < self.size else None

    def send(self, worker: Worker, task: dict[str, Any]) -> None:
        """Give a worker a task; a dead worker shows up as a message later."""
        worker.task = task["id"]
        worker.calls = 0
        try:
            assert worker.process.stdin is not None  # noqa: S101 - opened as a pipe below
            worker.process.stdin.write(json.dumps(task) + "\n")
            worker.process.stdin.flush()
        except (BrokenPipeError, OSError):
            worker.process.kill()

    def forget(self, worker: Worker) -> int:
        """Drop a worker that ended; return its exit code."""
        self.workers.remove(worker)
        return worker.process.wait()

    def _start(self) -> Worker:
        environment = os.environ | dict.fromkeys(_THREADS, "1")
        environment.pop(CPU, None)
        taken = {worker.cpu for worker in self.workers}
        cpu = next((cpu for cpu in self.cpus if cpu not in taken), None)
        if cpu is not None:
            environment[CPU] = str(cpu)
        process = subprocess.Popen(
            [sys.executable, "-m", "dualion.launch.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
            env=environment,
            start_new_session=True,  # Ctrl-C is the runner's to handle
        )
        worker = Worker(process, cpu)
        self.workers.append(worker)
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        return worker

    def _listen(self, worker: Worker) -> None:
        assert worker.process.stdout is not None  # noqa: S101 - opened as a pipe above
        for line in worker.process.stdout:
            try:
                self.messages.put((worker, json.loads(line)))
            except ValueError:  # cut off in the middle by a kill
                break
        self.messages.put((worker, None))
