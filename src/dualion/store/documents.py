"""The documents that a MongoDB barrier store consists of, and the order they are written in.

``barriers`` holds one small document a record: what one filters and sorts by, and the key of its
body in ``barrier_bodies`` and ``barrier_images``. Each attempt to write has a key of its own, so
parts can be written first and in any number without disturbing anybody; the one write that
counts is that of the small document.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReplaceOne, ReturnDocument
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError

from dualion.errors import RecordError
from dualion.records import HopRecord
from dualion.store.base import gives_way
from dualion.store.connection import Document
from dualion.store.packing import pack_images, pack_record
from dualion.store.summary import now, summary, summary_of_body

VERSION = 2
LARGEST = 15 * 2**20
"""Bytes of a packed record, or its packed images: MongoDB's documents end at 16 MiB."""

LIVE: Document = {"deleted": None}
"""Matches what was not deleted: a tombstone is a mark on the summary, body and all stay."""

NULLABLE = ("barrier", "forward", "reverse", "barrier_error", "hop_length")
"""Columns that may hold no number; each has a flag beside it that says so."""

SCHEMA = "schema"
NUMBERS = "numbers"

_DUPLICATE = 11000
_PORTION = 200

log = logging.getLogger("dualion")

_INDEXES = (
    ("number",),
    ("framework", "moving_ion", "hop_class", "outcome", "barrier"),
    ("moving_ion", "barrier", "outcome", "framework"),
    ("fingerprint", "framework", "moving_ion", "outcome", "barrier"),
    ("campaign", "framework", "moving_ion", "outcome", "barrier"),
)


class Packed(NamedTuple):
    """A record ready to be written; ``key`` is that of its body and images, and only theirs."""

    key: ObjectId
    record_id: str
    outcome: str
    fields: Document
    body: bytes
    images: bytes | None

    def document(self, number: int) -> Document:
        """Return the summary that makes the record visible."""
        return {"_id": self.record_id, "number": number, "body": self.key, **self.fields}


def prepare(database: Database[Document]) -> None:
    """Make what is missing of the store; several may do so at once."""
    meta = database["barrier_meta"]
    for document in ({"_id": SCHEMA, "version": VERSION}, {"_id": NUMBERS, "last": 0}):
        try:
            meta.update_one(
                {"_id": document["_id"]},
                {"$setOnInsert": {k: v for k, v in document.items() if k != "_id"}},
                upsert=True,
            )
        except DuplicateKeyError:  # another process was first
            continue
    database["barriers"].create_indexes(
        [IndexModel([(name, ASCENDING) for name in names]) for names in _INDEXES]
    )
    database["barrier_revisions"].create_index([("record_id", ASCENDING), ("number", ASCENDING)])


def pack(record: HopRecord) -> Packed:
    """Make a record ready to be written, under a key of its own.

    Raises
    ------
    RecordError
        If it cannot be kept: too large, or a barrier that is no number.
    """
    fields: Document = dict(summary(record))
    record_id = str(fields.pop("record_id"))
    body = pack_record(record)
    images = None if record.images is None else pack_images(record.images, record_id=record_id)
    for what, blob in (("record", body), ("images of record", images)):
        if blob is not None and len(blob) > LARGEST:
            raise RecordError(
                f"{what} '{record_id}' too large to store ({len(blob) / 2**20:.0f} MiB packed, "
                f"limit of MongoDB {LARGEST // 2**20} MiB)",
                remedy="use fewer images or a smaller supercell, or an SQLite store",
            )
    fields |= {**absences(fields), "images": images is not None}
    return Packed(ObjectId(), record_id, record.outcome.value, fields, body, images)


def absences(fields: Document) -> Document:
    """Say which numbers are absent, so that these can be sorted behind all others."""
    return {f"no_{name}": fields[name] is None for name in NULLABLE}


def _take_numbers(database: Database[Document], count: int) -> int:
    """Reserve numbers, which give the order of adding; returns the first."""
    after = database["barrier_meta"].find_one_and_update(
        {"_id": NUMBERS},
        {"$inc": {"last": count}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    assert after is not None  # noqa: S101 - what an upsert made is there
    return int(after["last"]) - count + 1


def _put_parts(database: Database[Document], several: Sequence[Packed]) -> None:
    """Write bodies and images; nothing names them yet. Doing it twice does not matter."""
    for collection, parts in (
        ("barrier_bodies", [(each.key, each.body) for each in several]),
        ("barrier_images", [(each.key, each.images) for each in several if each.images]),
    ):
        writes = [ReplaceOne({"_id": k}, {"blob": blob}, upsert=True) for k, blob in parts]
        if writes:
            database[collection].bulk_write(writes, ordered=False)


def bury(database: Database[Document], record_id: str, reason: str, when: str) -> bool:
    """Put a tombstone on a record; returns whether it stood without one."""
    mark = {"$set": {"deleted": {"when": when, "reason": reason}}}
    return database["barriers"].update_one({"_id": record_id, **LIVE}, mark).matched_count > 0


def unbury(database: Database[Document], record_id: str) -> bool:
    """Take a tombstone away; returns whether there was one."""
    done = database["barriers"].update_one(
        {"_id": record_id, "deleted": {"$ne": None}}, {"$unset": {"deleted": ""}}
    )
    return done.matched_count > 0


def upgrade(database: Database[Document]) -> None:
    """Compute the summaries of a store of version 1 anew; killed and begun again, it goes on.

    What cannot be read goes to ``barrier_quarantine``.
    """
    old = {"elements": {"$exists": False}}
    while found := list(database["barriers"].find(old).limit(_PORTION)):
        keys = [each["body"] for each in found]
        bodies = {
            each["_id"]: each.get("blob")
            for each in database["barrier_bodies"].find({"_id": {"$in": keys}})
        }
        for each in found:
            record_id, body = str(each["_id"]), bodies.get(each["body"])
            try:
                fields: Document = dict(summary_of_body(body, None, record_id=record_id))
            except RecordError as error:
                log.warning("record '%s' goes to quarantine: %s", record_id, error.what)
                quarantine(database, each, error.what)
                continue
            del fields["record_id"]
            database["barriers"].update_one(
                {"_id": each["_id"], "body": each["body"]},
                {"$set": {**fields, **absences(fields)}},
            )
    database["barrier_meta"].update_one({"_id": SCHEMA, "version": 1}, {"$set": {"version": 2}})


def quarantine(database: Database[Document], document: Document, reason: str) -> None:
    """Move the summary of a damaged record out of sight; what it names stays where it is."""
    kept = {
        "record_id": document["_id"],
        "moved": now(),
        "reason": reason,
        "summary": {key: value for key, value in document.items() if key != "_id"},
    }
    database["barrier_quarantine"].replace_one({"_id": document["body"]}, kept, upsert=True)
    database["barriers"].delete_one({"_id": document["_id"], "body": document["body"]})


def write(database: Database[Document], packed: Packed, number: int | None = None) -> bool:
    """Make one record visible, or leave all as it is; doing it twice does not matter.

    Parameters
    ----------
    database
        Of the store.
    packed
        The record.
    number
        Its place in the order of adding; None: the next.

    Returns
    -------
    bool
        Whether it was written.
    """
    put = False
    while True:
        old = database["barriers"].find_one(
            {"_id": packed.record_id},
            {"outcome": 1, "body": 1, "number": 1, "images": 1, "deleted": 1},
        )
        if old is not None and old["body"] == packed.key:
            return True  # it was written, and the answer was lost on its way
        better = old is None or (
            not old.get("deleted") and gives_way(str(old["outcome"]), packed.outcome)
        )
        if old is not None and (put or better) and _was_superseded(database, packed):
            return True  # the same, and another writer has superseded it since
        if not better:
            if put:  # another writer was faster
                _drop_parts(database, packed.key)
            return False
        if not put:
            _put_parts(database, [packed])
            put = True
        if number is None:
            number = _take_numbers(database, 1)
        if _show(database, packed.document(number), old):
            return True


def _was_superseded(database: Database[Document], packed: Packed) -> bool:
    return database["barrier_revisions"].find_one({"_id": packed.key}, {"_id": 1}) is not None


def _show(database: Database[Document], document: Document, old: Document | None) -> bool:
    """Put a summary in its place, if there still stands there what stood there before."""
    barriers = database["barriers"]
    if old is None:
        try:
            barriers.insert_one(document)
        except DuplicateKeyError:
            return False
        return True
    _keep_revision(database, document["_id"], old)
    done = barriers.replace_one({"_id": document["_id"], "body": old["body"], **LIVE}, document)
    return done.matched_count > 0


def _drop_parts(database: Database[Document], key: ObjectId) -> None:
    for collection in ("barrier_bodies", "barrier_images"):
        database[collection].delete_one({"_id": key})


def _revision(record_id: str, number: int, *, images: bool) -> Document:
    return {"record_id": record_id, "number": number, "images": images, "superseded": now()}


def _keep_revision(database: Database[Document], record_id: str, old: Document) -> None:
    revision = _revision(record_id, old["number"], images=old["images"])
    with suppress(DuplicateKeyError):  # another writer keeps the same
        database["barrier_revisions"].replace_one({"_id": old["body"]}, revision, upsert=True)


def write_all(database: Database[Document], several: Sequence[Packed]) -> None:
    """Write the records of a block: all new ones together, those that supersede one by one.

    Parameters
    ----------
    database
        Of the store.
    several
        In the order of adding; one id may come several times.
    """
    first = _take_numbers(database, len(several))
    numbers = {each.key: first + k for k, each in enumerate(several)}
    ids = [each.record_id for each in several]
    known = {each["_id"] for each in database["barriers"].find({"_id": {"$in": ids}}, {"_id": 1})}
    fresh: dict[str, Packed] = {}
    for each in several:
        if each.record_id not in known:
            fresh.setdefault(each.record_id, each)
    placed = set[ObjectId]()
    if fresh:
        new = tuple(fresh.values())
        _put_parts(database, new)
        taken = _insert_new(database, [each.document(numbers[each.key]) for each in new])
        placed = {each.key for each in new} - taken
    for each in several:
        if each.key not in placed:
            write(database, each, numbers[each.key])


def rewrite(database: Database[Document], several: Sequence[Packed]) -> None:
    """Make a history all that is kept under its id; doing it twice does not matter.

    Readers see the old record or the new one. A writer killed on the way leaves revisions of both
    histories; the same again completes it.

    Parameters
    ----------
    database
        Of the store.
    several
        Answers to one question: the last one stands, the others become its revisions.
    """
    record_id, last = several[-1].record_id, several[-1]
    _put_parts(database, several)
    first = _take_numbers(database, len(several))
    before = {each["_id"] for each in database["barrier_revisions"].find({"record_id": record_id})}
    for number, each in enumerate(several[:-1], first):
        revision = _revision(record_id, number, images=each.images is not None)
        database["barrier_revisions"].replace_one({"_id": each.key}, revision, upsert=True)
    while True:
        old = database["barriers"].find_one({"_id": record_id}, {"body": 1})
        document = last.document(first + len(several) - 1)
        if old is not None and old["body"] == last.key:
            break
        if old is None:
            try:
                database["barriers"].insert_one(document)
            except DuplicateKeyError:  # another writer was faster
                continue
            break
        found = {"_id": record_id, "body": old["body"]}
        if database["barriers"].replace_one(found, document).matched_count:
            before.add(old["body"])
            break
    for key in before - {each.key for each in several}:
        database["barrier_revisions"].delete_one({"_id": key})
        _drop_parts(database, key)


def _insert_new(database: Database[Document], documents: list[Document]) -> set[ObjectId]:
    """Insert summaries; returns the keys of those whose id was taken meanwhile."""
    try:
        database["barriers"].insert_many(documents, ordered=False)
    except BulkWriteError as error:
        problems: list[dict[str, Any]] = error.details.get("writeErrors", [])
        if error.details.get("writeConcernErrors") or any(
            each.get("code") != _DUPLICATE for each in problems
        ):
            raise
        return {documents[each["index"]]["body"] for each in problems}
    return set()
