"""Copying the records of one barrier store into another, with their revisions.

A record and its revisions are a history: what was superseded, oldest first, then what stands.
Adding a history in its order to another store makes the same history there. So a copy that was
cut short is completed by the same copy, and nothing is ever overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from pydantic import Field

from dualion.errors import RecordError, StoreError
from dualion.records import HopRecord, Record
from dualion.store.base import BarrierStore
from dualion.store.history import digest, history_of

BATCH = 32
"""Records written at once, and held in memory."""


class Migration(Record):
    """What a copy did, in numbers of records."""

    total: int = Field(0, description="Records of the store copied from.")
    copied: int = Field(0, description="Were not there, or in part: all of it is there now.")
    present: int = Field(0, description="Were there already, with the same content.")
    newer: tuple[str, ...] = Field(
        (), description="Ids superseded there since; what was to be copied is among the revisions."
    )
    differs: tuple[str, ...] = Field(
        (), description="Ids with another content there; left as they were."
    )
    deleted: tuple[str, ...] = Field((), description="Ids that were deleted there; left so.")
    refused: tuple[str, ...] = Field(
        (), description="Why records could not be read or kept there; one text each."
    )

    @property
    def complete(self) -> bool:
        """Whether all records are in the other store now."""
        return not (self.differs or self.refused)


class _History(NamedTuple):
    """All that one store has under one id, oldest first, and a hash of each."""

    records: tuple[HopRecord, ...]
    hashes: tuple[str, ...]


def migrate(
    source: BarrierStore,
    target: BarrierStore,
    *,
    batch: int = BATCH,
    tell: Callable[[int, int], None] | None = None,
) -> Migration:
    """Copy all records and their revisions, and read each of them back.

    Killed and run again, it goes on with what is missing. Memory is that of one batch.

    Parameters
    ----------
    source, target
        Open stores of any kind; the second one for writing.
    batch
        Records written at once.
    tell
        Called with the number of records done, and of all.

    Returns
    -------
    Migration
        Records that were added to ``source`` meanwhile are not part of it.

    Raises
    ------
    StoreError
        If a store cannot be used, or a record that was written is not read back equal.
    """
    ids = iter(source.ids())
    total, done = source.count(), 0
    parts: list[Migration] = []
    buried = {each.record_id for each in target.tombstones()}
    while chunk := list(islice(ids, batch)):
        standing = [each for each in chunk if each not in buried]
        gone = tuple(each for each in chunk if each in buried)
        parts.append(_copy(source, target, standing).model_copy(update={"deleted": gone}))
        done += len(chunk)
        if tell is not None:
            tell(done, max(total, done))
    _copy_deleted(source, target, buried)
    return Migration(
        total=done,
        copied=sum(part.copied for part in parts),
        present=sum(part.present for part in parts),
        newer=tuple(one for part in parts for one in part.newer),
        differs=tuple(one for part in parts for one in part.differs),
        deleted=tuple(one for part in parts for one in part.deleted),
        refused=tuple(one for part in parts for one in part.refused),
    )


def _copy_deleted(source: BarrierStore, target: BarrierStore, buried: set[str]) -> None:
    """Copy what was deleted with its tombstone, unless the other store knows of it."""
    for each in source.tombstones():
        if each.record_id in buried or target.get(each.record_id, images=False) is not None:
            continue
        with target.transaction():
            for record in source.revisions(each.record_id):
                target.add(record)
        target.delete(each.record_id, reason=each.reason, when=each.deleted)


def _copy(source: BarrierStore, target: BarrierStore, ids: Sequence[str]) -> Migration:
    refused: list[str] = []
    newer: list[str] = []
    differs: list[str] = []
    present = 0
    missing: dict[str, _History] = {}
    known: dict[str, int] = {}
    for record_id in ids:
        try:
            ours, theirs = _history(source, record_id), _history(target, record_id)
        except RecordError as error:
            refused.append(str(error))
            continue
        shared = min(len(ours.hashes), len(theirs.hashes))
        if ours.hashes[:shared] != theirs.hashes[:shared]:
            differs.append(record_id)
        elif len(theirs.hashes) > len(ours.hashes):
            newer.append(record_id)
        elif len(theirs.hashes) == len(ours.hashes):
            present += 1
        else:
            missing[record_id], known[record_id] = ours, shared
    for record_id, reason in _add(target, missing, known).items():
        refused.append(reason)
        del missing[record_id]
    for record_id, history in missing.items():
        if _history(target, record_id).hashes[: len(history.hashes)] != history.hashes:
            raise StoreError(
                f"record '{record_id}' is not read back as it was written",
                where=target.where,
                remedy="check that store; nothing was taken from the other",
            )
    return Migration(
        copied=len(missing),
        present=present,
        newer=tuple(newer),
        differs=tuple(differs),
        refused=tuple(refused),
    )


def _add(
    target: BarrierStore, missing: dict[str, _History], known: dict[str, int]
) -> dict[str, str]:
    """Add what is missing of each history; returns why some could not be kept."""
    refused: dict[str, str] = {}
    if not missing:
        return refused
    with target.transaction():
        for record_id, history in missing.items():
            try:
                with target.transaction():
                    for record in history.records[known[record_id] :]:
                        target.add(record)
            except RecordError as error:
                refused[record_id] = str(error)
    return refused


def _history(store: BarrierStore, record_id: str) -> _History:
    records = history_of(store, record_id)
    return _History(records, tuple(map(digest, records)))
