"""A worker process: reads tasks as JSON lines on stdin, answers on stdout.

One worker is one thread and loads each model once. It ends when its runner ends, however that
came: the reader thread sees the end of stdin and leaves at once, mid-computation if need be;
every force call made until then is in the task's checkpoint.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from dualion.engines.checkpoint import job_scope
from dualion.engines.point import PointsNeeded
from dualion.errors import DualionError
from dualion.launch.affinity import stay
from dualion.launch.parking import lookup_in, needed_message
from dualion.launch.task import load_function, typed_arguments

PROGRESS_SECONDS = 0.5


def _reader(source: IO[str], tasks: queue.Queue[dict[str, Any]]) -> None:
    for line in source:
        tasks.put(json.loads(line))
    os._exit(0)  # the runner is gone: nobody wants the rest


def run_task(task: dict[str, Any], send: Any) -> None:  # noqa: ANN401 - a callable or a test's list
    """Run one task and send its result, or the reason why there is none.

    Parameters
    ----------
    task
        ``id``, ``function``, ``arguments`` and ``checkpoint`` (a folder); with ``known`` its
        force calls are jobs of their own, and these are results of such.
    send
        Called with each message: ``progress``, then ``done``, ``failed``, or ``points``: it is to
        be sent again when those are known.
    """
    began = time.monotonic()
    last = began
    calls = 0

    def progress(count: int) -> None:
        nonlocal last, calls
        calls = count
        now = time.monotonic()
        if now - last >= PROGRESS_SECONDS:
            last = now
            send({"event": "progress", "id": task["id"], "calls": count})

    answer: dict[str, Any] = {"id": task["id"]}
    try:
        function = load_function(task["function"])
        points = lookup_in(task["known"]) if "known" in task else None
        with job_scope(checkpoint=Path(task["checkpoint"]), progress=progress, points=points):
            output = function(**typed_arguments(function, task["arguments"]))
        answer |= {"event": "done", "output": output.model_dump(mode="json"), "calls": calls}
    except PointsNeeded as needed:
        answer |= needed_message(needed.choice, needed.charge, needed.configurations)
    except OSError as error:
        answer |= {"event": "failed", "error": str(error), "errno": error.errno}
    except DualionError as error:
        answer |= {"event": "failed", "error": str(error), "exit_code": error.exit_code}
    except Exception as error:  # noqa: BLE001 - a bug in one hop must not lose the others
        with suppress(OSError):  # the log's disk may be full
            traceback.print_exc()
        answer |= {"event": "failed", "error": f"{type(error).__name__}: {error}"}
    answer["seconds"] = time.monotonic() - began
    send(answer)


def main() -> None:
    """Serve tasks until stdin ends."""
    stay()
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print; the channel is for messages only
    tasks: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_reader, args=(sys.stdin, tasks), daemon=True).start()

    def send(message: dict[str, Any]) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    with suppress(KeyboardInterrupt, BrokenPipeError):
        while True:
            run_task(tasks.get(), send)


if __name__ == "__main__":
    main()
