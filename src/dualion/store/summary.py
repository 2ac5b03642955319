"""What of a record one filters and sorts by: the narrow part that every store keeps in the open."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from dualion.errors import RecordError
from dualion.records import HopRecord
from dualion.store.packing import unpack_record

_WHOLE = 2**53
_ATOMS = re.compile(r"([A-Z][a-z]?)(\d{1,9}(?:\.\d{1,9})?)?", re.ASCII)
_ANIONS = (
    ("F", "O", "Cl", "N", "Br", "I", "S", "Se", "Te"),  # the most electronegative first
    ("C", "H", "As", "P", "B", "Sb"),
)

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
    SummaryColumn("elements", Kind.TEXT, "of the host, sorted, as 'Cl-Li-P-S'"),
    SummaryColumn("anion", Kind.TEXT, "most frequent anion of the host"),
    SummaryColumn("host_ion", Kind.TEXT, "working ion of the host"),
    SummaryColumn("moving_ion", Kind.TEXT, "ion that hops"),
    SummaryColumn("pair", Kind.TEXT, "host ion and second ion, as 'Li-Cu'; 'Li' where pure"),
    SummaryColumn("arrangement", Kind.TEXT, "label of the occupants"),
    SummaryColumn("fraction", Kind.NUMBER, "share of sites with the second ion"),
    SummaryColumn("hop_class", Kind.TEXT, "'h1', 'h2', by length"),
    SummaryColumn("member", Kind.WHOLE, "which hop of the class"),
    SummaryColumn("hop_length", Kind.NUMBER, "on the parent, in Å"),
    SummaryColumn("mechanism", Kind.TEXT, "vacancy or interstitial"),
    SummaryColumn("outcome", Kind.TEXT, "how the band ended"),
    SummaryColumn("barrier", Kind.NUMBER, "larger of forward and reverse, in eV"),
    SummaryColumn("forward", Kind.NUMBER, "in eV"),
    SummaryColumn("reverse", Kind.NUMBER, "in eV"),
    SummaryColumn("barrier_error", Kind.NUMBER, "bound on the numerical error, in eV"),
    SummaryColumn("fingerprint", Kind.TEXT, "level of theory"),
    SummaryColumn("charge", Kind.WHOLE, "of the cell with the defect, in e"),
    SummaryColumn("engine", Kind.TEXT, "name of the engine"),
    SummaryColumn("code", Kind.TEXT, "program or model behind the engine"),
    SummaryColumn("version", Kind.TEXT, "of the code"),
    SummaryColumn("source", Kind.TEXT, "computed, ingested or literature"),
    SummaryColumn("campaign", Kind.TEXT, "campaign that asked"),
    SummaryColumn("created", Kind.MOMENT, "UTC, ISO 8601"),
)
"""In the order every store has them."""

KINDS = {column.name: column.kind for column in COLUMNS}


class Source(StrEnum):
    """Who made the number of a record."""

    COMPUTED = "computed"
    """dualion, with one of its engines."""
    INGESTED = "ingested"
    """Another program; dualion read its files and judged the band."""
    LITERATURE = "literature"
    """Somebody who published it."""


def source(record: HopRecord) -> Source:
    """Tell who made a record: foreign ones name themselves in place of dualion's algorithm."""
    algorithm = record.theory.algorithm
    foreign = {Source.INGESTED, Source.LITERATURE}
    return Source(algorithm) if algorithm in foreign else Source.COMPUTED


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
        If a barrier is not a finite number, or a count too large for any store.
    """
    barrier = _barrier(record)
    error = record.error.energy if record.error is not None and barrier is not None else None
    whole = {"member": record.hop.member, "charge": record.theory.charge}
    for name, value in whole.items():
        if abs(value) >= _WHOLE:
            raise RecordError(f"{name} {value} is too large", where=f"record '{record.record_id}'")
    if not math.isfinite(record.arrangement.fraction):
        raise RecordError(
            f"fraction {record.arrangement.fraction} is no number",
            where=f"record '{record.record_id}'",
        )
    return {
        "record_id": record.record_id,
        "framework": record.framework,
        "prototype": record.prototype,
        "formula": record.formula,
        "elements": "-".join(sorted(composition(record.formula))),
        "anion": anion(record.formula),
        "host_ion": record.host_ion,
        "moving_ion": record.moving_ion,
        "pair": _pair(record),
        "arrangement": record.arrangement.label,
        "fraction": record.arrangement.fraction,
        "hop_class": record.hop.class_id,
        "member": record.hop.member,
        "hop_length": _finite(record.hop.length),
        "mechanism": record.hop.mechanism.value,
        "outcome": record.outcome.value,
        "barrier": barrier,
        "forward": record.forward,
        "reverse": record.reverse,
        "barrier_error": _finite(error),
        "fingerprint": record.theory.fingerprint,
        "charge": record.theory.charge,
        "engine": record.theory.stamp.engine,
        "code": record.theory.stamp.code,
        "version": record.theory.stamp.version,
        "source": source(record).value,
        "campaign": record.provenance.campaign,
        "created": moment(record.provenance.created),
    }


def summary_of_body(body: object, images: object, *, record_id: str) -> dict[str, Value]:
    """Unpack what a store keeps under an id, and return its columns.

    Parameters
    ----------
    body, images
        As packed; images None: not looked at, or there are none.
    record_id
        Under which they are kept.

    Raises
    ------
    RecordError
        If they are damaged, are those of another record, or hold a barrier that is no number.
    """
    if not isinstance(body, bytes):
        raise RecordError("its body is missing")
    if images is not None and not isinstance(images, bytes):
        raise RecordError("its images are no bytes")
    record = unpack_record(body, images, record_id=record_id)
    if record.record_id != record_id:
        raise RecordError(f"its body is that of {record.record_id!r}")
    return summary(record)


def composition(formula: str) -> dict[str, float]:
    """Count the atoms of a formula such as ``Li24P4S20Cl4``; empty if it is none."""
    counts: dict[str, float] = {}
    end = 0
    for part in _ATOMS.finditer(formula):
        if part.start() != end:
            return {}
        symbol, number = part.groups()
        counts[symbol] = counts.get(symbol, 0.0) + float(number or 1)
        end = part.end()
    return counts if end == len(formula) else {}


def anion(formula: str) -> str:
    """Return the most frequent anion of a formula; of equals the more electronegative one.

    P, As, Sb, C, B and H count only where nothing else can be the anion (Li3P, not Li3PS4).
    """
    counts = composition(formula)
    for candidates in _ANIONS:
        found = [symbol for symbol in candidates if symbol in counts]
        if found:
            return max(found, key=lambda symbol: (counts[symbol], -found.index(symbol)))
    return ""


def _pair(record: HopRecord) -> str:
    """Host ion and second ion: the mover, or else what was put in the host."""
    others = (record.moving_ion, *(each.species for each in record.arrangement.substitutions))
    second = next((ion for ion in others if ion != record.host_ion), None)
    return record.host_ion if second is None else f"{record.host_ion}-{second}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def now() -> str:
    """Return the present moment as records have it: UTC, ISO 8601, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


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
