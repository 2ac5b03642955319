"""The distinct hops of a framework with what each ion needs on them, from records alone."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from dualion.analysis.comparison import outcome_word
from dualion.errors import RecordError
from dualion.explorer.record import Row, ion_order, rows_beside
from dualion.records import Outcome

if TYPE_CHECKING:
    from dualion.records import Hop, HopRecord
    from dualion.store.base import BarrierStore

Answer = dict[str, Any]

CLASSES = 40
"""Hop classes that are drawn."""


def network_answer(record: HopRecord, store: BarrierStore) -> Answer:
    """Return the hops of a record's framework, at its level of theory and in its surroundings.

    Of the records of one ion on one class, the lowest barrier is shown; where the host fell to a
    lower form, members of a class differ, and a carrier takes the lowest. The record itself is
    shown for its own class.

    Returns
    -------
    dict
        ``framework``, ``mechanism``, ``ion``, ``chosen``, ``ions``, ``left_out``, and ``hops``,
        each with ``class_id``, ``orbits``, ``length`` in Å, ``multiplicity`` and ``ions``.
    """
    best: dict[str, dict[str, Row]] = {}
    for row in rows_beside(record, store.columns()):
        of_class = best.setdefault(str(row["hop_class"]), {})
        ion = str(row["moving_ion"])
        if ion not in of_class or _rank(row, record) < _rank(of_class[ion], record):
            of_class[ion] = row
    names = sorted(best, key=_by_number)
    shown = names[:CLASSES]
    if record.hop.class_id not in shown:
        shown = [*shown[: CLASSES - 1], record.hop.class_id]
    hops = [
        each
        for name in shown
        if (each := _hop(best.get(name, {}), record, store, name)) is not None
    ]
    ions = {ion for of_class in best.values() for ion in of_class} | {record.moving_ion}
    return {
        "framework": record.framework,
        "mechanism": record.hop.mechanism.value,
        "ion": record.moving_ion,
        "chosen": record.hop.class_id,
        "ions": sorted(ions, key=lambda ion: ion_order(ion, record.host_ion)),
        "left_out": max(0, len(names) - len(shown)),
        "hops": hops,
    }


def _rank(row: Row, record: HopRecord) -> tuple[bool, float]:
    """Order the rows of one ion and class: the record itself, then the lowest barrier."""
    barrier = row["barrier"]
    height = float(barrier) if isinstance(barrier, int | float) else math.inf
    return row["record_id"] != record.record_id, height


def _by_number(name: str) -> tuple[int, str]:
    found = re.search(r"\d{1,9}", name)
    return (int(found[0]) if found else 0, name)


def _hop(rows: dict[str, Row], record: HopRecord, store: BarrierStore, name: str) -> Answer | None:
    hop = record.hop if name == record.hop.class_id else _geometry(rows, store)
    if hop is None:
        return None
    return {
        "class_id": name,
        "orbits": hop.orbits,
        "length": hop.length,
        "multiplicity": hop.multiplicity,
        "ions": [
            {
                "ion": ion,
                "record_id": row["record_id"],
                "barrier": row["barrier"],
                "outcome_text": outcome_word(Outcome(str(row["outcome"]))),
            }
            for ion, row in rows.items()
        ],
    }


def _geometry(rows: dict[str, Row], store: BarrierStore) -> Hop | None:
    """Read the sites of a class from one of its records."""
    for row in rows.values():
        try:
            record = store.get(str(row["record_id"]), images=False)
        except RecordError:
            continue
        if record is not None:
            return record.hop
    return None
