"""A task: one job as plain data, with an identity that is its content.

The runner never decodes a job from disk. It hands a worker the import path of a function of
dualion and plain JSON arguments, which are validated against that function's own annotations.
"""

from __future__ import annotations

import inspect
import typing
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from dualion.errors import RunError
from dualion.records import content_hash
from dualion.settings import ALGORITHM

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobflow.core.job import Job

ALLOWED = ("dualion.engines.", "dualion.workflows.")
"""Only functions in these packages are run by a worker."""


def original(job: Job) -> Callable[..., Any]:
    """Return the plain function behind a job."""
    function: Callable[..., Any] = getattr(job.function, "original", job.function)
    return function


def function_path(function: Callable[..., Any]) -> str:
    """Import path of a module-level function, ``package.module:name``."""
    return f"{function.__module__}:{function.__qualname__}"


def load_function(path: str) -> Callable[..., Any]:
    """Import a job function by its path.

    Raises
    ------
    RunError
        If it lies outside the packages whose functions may be run.
    """
    module, _, name = path.partition(":")
    if not module.startswith(ALLOWED) or not name.isidentifier():
        raise RunError(f"{path!r} is no job of dualion", remedy="compose flows from its builders")
    function = getattr(import_module(module), name)
    plain: Callable[..., Any] = getattr(function, "original", function)
    return plain


def plain_arguments(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Turn arguments into JSON data by the function's annotations."""
    hints = typing.get_type_hints(function)
    return {
        name: TypeAdapter(hints[name]).dump_python(value, mode="json")
        for name, value in arguments.items()
    }


def typed_arguments(function: Callable[..., Any], plain: dict[str, Any]) -> dict[str, Any]:
    """Turn JSON data back into arguments, validated by the function's annotations."""
    hints = typing.get_type_hints(function)
    return {name: TypeAdapter(hints[name]).validate_python(value) for name, value in plain.items()}


def bound_arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Name all arguments and fill in the defaults, so that spelling does not change identity."""
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def task_key(function: str, plain: dict[str, Any], stamps: list[dict[str, Any]]) -> str:
    """Identity of a task: function, arguments, engine with version and model, algorithm."""
    return content_hash([function, plain, stamps, ALGORITHM], length=32)
