"""Job documents: a flow as plain data that any worker can compute from.

A document names a function of dualion and its arguments. An argument that is another job's output
is named by that job; a bulky one is kept apart, once for all jobs that share it. A document is
known by its content and that of all it needs, so the same work gets the same document whoever
submits it, and nothing in it is ever decoded into a class that the document names.
"""

from __future__ import annotations

import json
import typing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobflow.core.flow import Flow
from jobflow.core.reference import OutputReference, find_and_get_references
from pydantic import Field, TypeAdapter

from dualion.engines.registry import EngineChoice, category_of
from dualion.errors import RunError
from dualion.launch.node import Node, is_outputs
from dualion.launch.task import bound_arguments, function_path, original
from dualion.records import EngineStamp, Record, content_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jobflow.core.job import Job

JOB = "$job"
JOBS = "$jobs"
VALUE = "$value"
_APART = 600
"""A value whose JSON is longer than this is kept apart."""


class JobDocument(Record):
    """One job as plain data."""

    job_id: str = Field(description="Hash of the function, the arguments and all that is needed.")
    name: str
    kind: str = Field(description="'relax', 'band', 'path', 'record' or '' for cheap ones.")
    function: str = Field(description="Import path, ``package.module:name``.")
    arguments: dict[str, Any] = Field(
        description="Plain JSON; {'$job': id} is an output, {'$jobs': ids} several of them, "
        "{'$value': hash} a value kept apart."
    )
    inputs: tuple[str, ...] = Field((), description="Jobs whose outputs are arguments.")
    dispensable: tuple[str, ...] = Field((), description="Those of them it can do without.")
    choices: tuple[EngineChoice, ...] = Field(
        (), description="Engines of this job and of all it needs."
    )
    continues: str = Field(
        "", description="Job whose checkpoint this one takes over: the same with fewer steps."
    )
    outer: bool = Field(
        default=False,
        description="Each of its force calls is a job of its own; no part of its identity.",
    )
    made_with: tuple[EngineStamp, ...] = Field(
        (), description="Engines that made what is written into the arguments."
    )

    @property
    def category(self) -> str:
        """Packages of the engine that a worker needs for this job and all it needs."""
        packages = sorted({category_of(choice) for choice in self.choices})
        if len(packages) > 1:
            raise RunError(
                f"needs several engines at once ({', '.join(packages)})",
                where=f"job {self.name!r}",
                remedy="use one engine in a campaign",
            )
        return packages[0] if packages else ""


@dataclass
class Documents:
    """A flow's job documents in an order in which each follows what it needs."""

    jobs: list[JobDocument] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.jobs)


def documents_of(flow: Flow | Job, *, made_with: Iterable[EngineStamp] = ()) -> Documents:
    """Turn a flow into job documents.

    Parameters
    ----------
    flow
        Composed from the builders of dualion.
    made_with
        Engines whose results are written into the arguments of the flow's jobs.

    Returns
    -------
    Documents
        Each after those it needs; two jobs of one identity are one document.

    Raises
    ------
    RunError
        If a job is none of dualion's, or refers to an output in a way that plain data cannot say.
    """
    stamps = tuple(made_with)
    found = Documents()
    known: dict[str, JobDocument] = {}
    seen: set[str] = set()
    cache: dict[int, tuple[object, str]] = {}
    for job in _ordered(flow):
        document = _document(job, known, found.values, cache, stamps)
        known[job.uuid] = document
        if document.job_id not in seen:
            seen.add(document.job_id)
            found.jobs.append(document)
    return found


def _ordered(flow: Flow | Job) -> list[Job]:
    """Put the jobs of a flow into an order in which each follows what it needs, else as they come.

    jobflow's own iteration searches every argument for references and builds a graph of them,
    which takes longer than all else for thousands of hops.
    """
    jobs = {job.uuid: job for job in _jobs_in(flow)}
    ordered: dict[str, Job] = {}

    def visit(job: Job) -> None:
        if job.uuid in ordered:
            return
        for value in (*job.function_args, *job.function_kwargs.values()):
            outputs = value if is_outputs(value) else (value,)
            for each in outputs:
                if isinstance(each, OutputReference) and each.uuid in jobs:
                    visit(jobs[each.uuid])
        ordered[job.uuid] = job

    for job in jobs.values():
        visit(job)
    return list(ordered.values())


def _jobs_in(flow: Flow | Job) -> Iterator[Job]:
    if isinstance(flow, Flow):
        for each in flow.jobs:
            yield from _jobs_in(each)
    else:
        yield flow


def _document(
    job: Job,
    known: dict[str, JobDocument],
    values: dict[str, str],
    cache: dict[int, tuple[object, str]],
    made_with: tuple[EngineStamp, ...],
) -> JobDocument:
    function = original(job)
    hints = typing.get_type_hints(function)
    named = bound_arguments(function, job.function_args, job.function_kwargs)
    arguments: dict[str, Any] = {}
    inputs: dict[str, JobDocument] = {}
    choices: dict[str, EngineChoice] = {}
    for name, value in named.items():
        one = isinstance(value, OutputReference) and not value.attributes
        if one or is_outputs(value):
            needed = {each.uuid: known[each.uuid] for each in ((value,) if one else value)}
            inputs |= needed
            ids = [each.job_id for each in needed.values()]
            arguments[name] = {JOB: ids[0]} if one else {JOBS: ids}
            choices |= {c.model_dump_json(): c for each in needed.values() for c in each.choices}
            continue
        # A record cannot hold a reference, and looking into thousands of them takes minutes.
        if not isinstance(value, Record | str | int | float) and find_and_get_references(value):
            raise RunError(
                f"argument {name!r} refers to an output from within",
                where=f"job {job.name!r}",
                remedy="hand the whole output over as an argument of its own",
            )
        if isinstance(value, EngineChoice):
            choices[value.model_dump_json()] = value
        arguments[name] = _plain(value, hints[name], values, cache)
    spare = Node(job, set()).dispensable
    path = function_path(function)
    return JobDocument(
        job_id=content_hash([path, arguments], length=32),
        name=job.name,
        kind=str(job.metadata.get("kind", "")),
        function=path,
        arguments=arguments,
        inputs=tuple(dict.fromkeys(each.job_id for each in inputs.values())),
        dispensable=tuple(dict.fromkeys(inputs[uuid].job_id for uuid in inputs if uuid in spare)),
        choices=tuple(choices[key] for key in sorted(choices)),
        outer=bool(job.metadata.get("outer")),
        made_with=made_with,
    )


def _plain(
    value: object,
    hint: Any,  # noqa: ANN401 - an annotation
    values: dict[str, str],
    cache: dict[int, tuple[object, str]],
) -> Any:  # noqa: ANN401 - JSON
    """Plain JSON of an argument, or where it is kept."""
    if (kept := cache.get(id(value))) is not None and kept[0] is value:
        return {VALUE: kept[1]}
    plain = TypeAdapter(hint).dump_python(value, mode="json")
    text = json.dumps(plain, separators=(",", ":"), sort_keys=True)
    if len(text) <= _APART:
        return plain
    key = content_hash(plain, length=32)
    values[key] = text
    cache[id(value)] = (value, key)  # keeps the value alive, so that its id stays its own
    return {VALUE: key}
