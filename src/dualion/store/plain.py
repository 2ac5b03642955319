"""Records from plain data that somebody else wrote: looked at as data, never decoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from dualion.errors import RecordError
from dualion.records import HopRecord
from dualion.store.summary import summary

_SHOWN = 80


def plain_record(given: object, *, where: str) -> HopRecord:
    """Make a record of plain data, such as ``json.loads`` gives.

    Nothing that the data name is imported or called: ``@module`` is a key that no record has.
    Values are taken as they are; a number written as text is refused, not converted.

    Parameters
    ----------
    given
        A mapping with the fields of :class:`~dualion.records.HopRecord`.
    where
        Where the data come from, for the message.

    Raises
    ------
    RecordError
        If this is no record of this version, or one that no store takes.
    """
    try:
        record = HopRecord.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RecordError(
            f"no record of this dualion ({f'{place}: ' if place else ''}{first['msg']})",
            where=where,
            remedy="it may be from a newer version: upgrade dualion",
        ) from error
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise RecordError(f"no record ({type(error).__name__})", where=where) from error
    if place := _converted(given, record.model_dump(mode="json")):
        raise RecordError(
            f"no record of this dualion ({place[:_SHOWN]} is of another type)", where=where
        )
    try:
        summary(record)
    except RecordError as error:
        raise RecordError(error.what, where=where, remedy=error.remedy) from error
    return record


def _converted(given: Any, kept: Any, place: str = "record") -> str:  # noqa: ANN401 - plain data
    """Name the first place where validation changed the type of a value; empty if none."""
    if isinstance(kept, dict) and isinstance(given, Mapping):
        pairs = ((name, value, kept[name]) for name, value in given.items() if name in kept)
    elif isinstance(kept, list) and isinstance(given, list | tuple):
        pairs = ((str(k), value, kept[k]) for k, value in enumerate(given))
    elif isinstance(given, bool) or isinstance(kept, bool):
        return "" if given is kept else place
    elif isinstance(kept, float | int):
        return "" if isinstance(given, float | int) else place
    else:
        return "" if given == kept else place
    for name, value, other in pairs:
        if found := _converted(value, other, f"{place}.{name}"):
            return found
    return ""
