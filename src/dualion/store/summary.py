"""What of a record one filters and sorts by: the narrow part that every store keeps in the open."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from dualion.errors import RecordError
from dualion.records import HopRecord

Value = str | int | float | None
"""Of one column in one row."""


class Kind(StrEnum):
    """What a column holds."""

    ID = "id"
    """Text that is another in every record."""
    TEXT = "text"
    """One of a few texts."""
    WHOLE = "whole"
    """One of a few integers."""
    NUMBER = "number"
    """A float, or nothing."""
    MOMENT = "moment"
    """A time, as text in ISO 8601, UTC; nothing known is an empty text."""


class SummaryColumn(NamedTuple):
    """One column of the summaries."""

    name: str
    kind: Kind
    meaning: str


COLUMNS = (
    SummaryColumn("record_id", Kind.ID, "content hash of what was asked"),
    SummaryColumn("framework", Kind.TEXT, "name in the framework library"),
    SummaryColumn("prototype", Kind.TEXT, "structure type"),
    SummaryColumn("formula", Kind.TEXT, "of the supercell host"),
    SummaryColumn("host_ion", Kind.TEXT, "working ion of the host"),
    SummaryColumn("moving_ion", Kind.TEXT, "ion that hops"),
    SummaryColumn("arrangement", Kind.TEXT, "label of the occupants"),
    SummaryColumn("fraction", Kind.NUMBER, "share of sites with the second ion"),
    SummaryColumn("hop_class", Kind.TEXT, "'h1', 'h2', by length"),
    SummaryColumn("member", Kind.WHOLE, "which hop of the class"),
    SummaryColumn("mechanism", Kind.TEXT, "vacancy or interstitial"),
    SummaryColumn("outcome", Kind.TEXT, "how the band ended"),
    SummaryColumn("barrier", Kind.NUMBER, "larger of forward and reverse, in eV"),
    SummaryColumn("forward", Kind.NUMBER, "in eV"),
    SummaryColumn("reverse", Kind.NUMBER, "in eV"),
    SummaryColumn("fingerprint", Kind.TEXT, "level of theory"),
    SummaryColumn("engine", Kind.TEXT, "name of the engine"),
    SummaryColumn("campaign", Kind.TEXT, "campaign that asked"),
    SummaryColumn("created", Kind.MOMENT, "UTC, ISO 8601"),
)
"""In the order the SQLite store has them."""

KINDS = {column.name: column.kind for column in COLUMNS}


def summary(record: HopRecord) -> dict[str, Value]:
    """Return the columns of a record, in the order of :data:`COLUMNS`.

    Returns
    -------
    dict
        Plain values; ``barrier``, ``forward`` and ``reverse`` in eV, None where there is no
        barrier. ``barrier`` is the larger of both directions, or the one there is.

    Raises
    ------
    RecordError
        If a barrier is not a finite number.
    """
    return {
        "record_id": record.record_id,
        "framework": record.framework,
        "prototype": record.prototype,
        "formula": record.formula,
        "host_ion": record.host_ion,
        "moving_ion": record.moving_ion,
        "arrangement": record.arrangement.label,
        "fraction": record.arrangement.fraction,
        "hop_class": record.hop.class_id,
        "member": record.hop.member,
        "mechanism": record.hop.mechanism.value,
        "outcome": record.outcome.value,
        "barrier": _barrier(record),
        "forward": record.forward,
        "reverse": record.reverse,
        "fingerprint": record.theory.fingerprint,
        "engine": record.theory.stamp.engine,
        "campaign": record.provenance.campaign,
        "created": moment(record.provenance.created),
    }


def moment(text: str) -> str:
    """Write a time in UTC, so that times compare as text; empty if it is none.

    Parameters
    ----------
    text
        ISO 8601; without a zone it is UTC.
    """
    try:
        time = datetime.fromisoformat(text)
        aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return aware.isoformat()


def _barrier(record: HopRecord) -> float | None:
    """Larger of both directions, or None; refuses what is no number."""
    numbers = {
        "forward": record.forward,
        "reverse": record.reverse,
        "forward_fit": record.forward_fit,
    }
    for name, value in numbers.items():
        if value is not None and not math.isfinite(value):
            raise RecordError(
                f"{name} barrier is {value}, not a number in eV",
                where=f"record '{record.record_id}'",
                remedy="give the record an outcome that is no barrier",
            )
    both = [each for each in (record.forward, record.reverse) if each is not None]
    return max(both, default=None)
