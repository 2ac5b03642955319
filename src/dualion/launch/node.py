"""A job of a flow under way."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeGuard

from jobflow.core.reference import OnMissing, OutputReference

from dualion.launch.task import bound_arguments, original

if TYPE_CHECKING:
    from jobflow.core.job import Job


def is_outputs(value: object) -> TypeGuard[tuple[OutputReference, ...]]:
    """Whether an argument is a tuple of whole outputs of other jobs."""
    return (
        isinstance(value, tuple)
        and bool(value)
        and all(isinstance(each, OutputReference) and not each.attributes for each in value)
    )


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
        parameters whose default is None, or members of an argument that is a tuple of outputs.
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
            elif is_outputs(value):
                spare.update(each.uuid for each in value)
        return spare - needed
