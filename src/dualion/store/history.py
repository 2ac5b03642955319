"""Bringing what two stores know of one question together, whichever comes first.

All answers to one question (one ``record_id``) are a history: those that were superseded, and the
one that stands. The union of two histories is put into one order that depends on nothing but the
records in it:

- an answer goes before one that failed or did not converge
  (:data:`~dualion.store.base.SUPERSEDABLE`), as in :meth:`BarrierStore.add`;
- of two answers the one computed first stands, as the first one added does in one store;
- of two that failed the one computed last stands, as in one store too.

So merging is commutative and associative, and merging again changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from enum import StrEnum

from dualion.records import HopRecord
from dualion.store.base import SUPERSEDABLE, BarrierStore


class Merged(StrEnum):
    """What became of a history."""

    ADDED = "added"
    EXTENDED = "extended"
    PRESENT = "present"


def digest(record: HopRecord) -> str:
    """Hash of all of a record, images included; equal if and only if every bit is."""
    # Python's json keeps NaN and the sign of zero apart.
    text = json.dumps(record.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(records: Sequence[HopRecord]) -> tuple[HopRecord, ...]:
    """Put the answers to one question in order; equal ones come once, the last one stands."""
    return tuple(_ordered([(digest(record), record) for record in records]).values())


def _ordered(records: Sequence[tuple[str, HopRecord]]) -> dict[str, HopRecord]:
    """Do as :func:`canonical` for records whose digests are known; by digest."""
    distinct = dict(records)
    ages = {key: (record.provenance.created, key) for key, record in distinct.items()}
    failed = {key for key, record in distinct.items() if record.outcome in SUPERSEDABLE}
    order = [
        *sorted(failed, key=ages.__getitem__),
        *sorted(distinct.keys() - failed, key=ages.__getitem__, reverse=True),
    ]
    return {key: distinct[key] for key in order}


def history_of(store: BarrierStore, record_id: str) -> tuple[HopRecord, ...]:
    """Return all that a store has under one id, the one that stands last; empty if none."""
    stands = store.get(record_id)
    return () if stands is None else (*store.revisions(record_id), stands)


def merge_history(store: BarrierStore, incoming: Sequence[HopRecord]) -> Merged:
    """Bring answers to one question into a store.

    Parameters
    ----------
    store
        Open for writing.
    incoming
        With one ``record_id``, in any order.

    Returns
    -------
    Merged
        ``PRESENT`` if nothing was written; nor is it where the record was deleted.

    Raises
    ------
    RecordError
        If the store cannot keep one of them.
    """
    if store.is_deleted(incoming[0].record_id):
        return Merged.PRESENT
    present = history_of(store, incoming[0].record_id)
    known = [(digest(each), each) for each in present]
    wanted = _ordered([*known, *((digest(each), each) for each in incoming)])
    if list(wanted) == [key for key, _ in known]:
        return Merged.PRESENT
    store.put_history(tuple(wanted.values()))
    return Merged.EXTENDED if present else Merged.ADDED
