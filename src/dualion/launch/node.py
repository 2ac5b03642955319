"""A job of a flow under way."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from jobflow.core.reference import OnMissing, OutputReference

from dualion.launch.task import bound_arguments, original

if TYPE_CHECKING:
    from jobflow.core.job import Job


@dataclass
class Node:
    """A job of the flow and what it still waits for."""

    job: Job
    waits: set[str]
    path: str = ""
    key: str = ""
    tries: int = 0

    @cached_property
    def kind(self) -> str:
        """Kind of the job, '' for cheap ones."""
        return str(self.job.metadata.get("kind", ""))

    @cached_property
    def dispensable(self) -> set[str]:
        """Jobs whose output this one takes if it comes, and does without if it does not.

        Those of a job configured so (``on_missing_references``) that are whole arguments of
        parameters whose default is None.
        """
        if self.job.config.on_missing_references is not OnMissing.NONE:
            return set()
        function = original(self.job)
        named = bound_arguments(function, self.job.function_args, self.job.function_kwargs)
        parameters = inspect.signature(function).parameters
        needed: set[str] = set()
        spare: set[str] = set()
        for name, value in named.items():
            if isinstance(value, OutputReference):
                (spare if parameters[name].default is None else needed).add(value.uuid)
        return spare - needed
