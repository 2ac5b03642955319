"""The Firetask of dualion: see to it that the output of a job is there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from fireworks import FiretaskBase, FWAction

from dualion.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

Run = Callable[[dict[str, Any]], dict[str, Any]]
"""Given what a Firework is to do, does it, and returns what its launch is to store."""

_RUN: ContextVar[Run | None] = ContextVar("dualion_run", default=None)


@contextmanager
def running(run: Run) -> Iterator[None]:
    """Set what Firetasks of this process do while the block runs."""
    token = _RUN.set(run)
    try:
        yield
    finally:
        _RUN.reset(token)


class EnsureTask(FiretaskBase):  # type: ignore[misc] # FireWorks publishes no types
    """Ensures the job that the Firework's spec names under ``dualion``.

    It holds neither the job nor an address: both come from the worker's own profile.
    """

    _fw_name = "{{dualion.launch.firetask.EnsureTask}}"

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        """Compute what is missing; called by FireWorks.

        Raises
        ------
        RunError
            If it was not started by ``dualion rocket``.
        """
        run = _RUN.get()
        if run is None:
            raise RunError(
                "a job of dualion was started by another command",
                where="worker",
                remedy="start workers with 'dualion launch'",
            )
        return FWAction(stored_data=run(fw_spec["dualion"]))
