"""What of a record one filters and sorts by: the narrow part that every store keeps in the open."""

from __future__ import annotations

import math

from dualion.errors import RecordError
from dualion.records import HopRecord


def summary(record: HopRecord) -> dict[str, str | int | float | None]:
    """Return the columns of a record, in the order the SQLite store has them.

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
        "created": record.provenance.created,
    }


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
