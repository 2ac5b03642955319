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
from datetime import UTC, datetime
from enum import StrEnum

from dualion.errors import RecordError, StoreError
from dualion.records import HopRecord
from dualion.store.base import SUPERSEDABLE, BarrierStore
from dualion.store.packing import pack_images, pack_record
from dualion.store.sqlite import SQLiteBarrierStore


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
    distinct = {digest(record): record for record in records}
    final = [
        (record.provenance.created, key)
        for key, record in distinct.items()
        if record.outcome not in SUPERSEDABLE
    ]
    failed = [
        (record.provenance.created, key)
        for key, record in distinct.items()
        if record.outcome in SUPERSEDABLE
    ]
    order = [*sorted(failed), *sorted(final, reverse=True)]
    return tuple(distinct[key] for _, key in order)


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
    wanted = canonical((*present, *incoming))
    if [digest(each) for each in wanted] == [digest(each) for each in present]:
        return Merged.PRESENT
    put_history(store, wanted)
    return Merged.EXTENDED if present else Merged.ADDED


def put_history(store: BarrierStore, records: Sequence[HopRecord]) -> None:
    """Make a history all that a store has under its id.

    Parameters
    ----------
    store
        Open for writing.
    records
        With one ``record_id``; the last one stands, the others become revisions.

    Raises
    ------
    RecordError
        If the store cannot keep one of them; it is as it was before then.
    """
    if isinstance(store, SQLiteBarrierStore):
        _put_sqlite(store, records)
        return
    from dualion.store.mongo import MongoBarrierStore

    if not isinstance(store, MongoBarrierStore):
        raise StoreError(f"a store of {store.backend} cannot merge histories", where=store.where)
    store.put_history(records)


def _put_sqlite(store: SQLiteBarrierStore, records: Sequence[HopRecord]) -> None:
    record_id = records[-1].record_id
    database = store.database
    with store.transaction():
        row = database.row("SELECT id FROM records WHERE record_id = ?", (record_id,))
        if row is not None:
            for table in ("images", "bodies", "records"):
                database.execute(f"DELETE FROM {table} WHERE id = ?", row)  # noqa: S608 - names above
        database.execute("DELETE FROM revisions WHERE record_id = ?", (record_id,))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        for number, record in enumerate(records[:-1]):
            images = record.images
            packed = None if images is None else pack_images(images, record_id=record_id)
            database.execute(
                "INSERT INTO revisions (record_id, number, superseded, body, images) "
                "VALUES (?, ?, ?, ?, ?)",
                (record_id, number, now, pack_record(record), packed),
            )
        if not store.add(records[-1]):
            raise RecordError(f"record '{record_id}' is not taken by this store", where=store.where)
