"""From raw job outputs to curated records: incremental, repeatable, and stopped by no document.

Raw outputs lie in the collection that a jobflow ``JobStore`` writes. What was built is noted in
the collection ``builds`` beside it, one document for each output and version of this module; a
time is no watermark, since outputs arrive late. Documents that hold no record are named, with
the reason, in ``quarantine``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from pydantic import Field
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from dualion.errors import RecordError
from dualion.records import HopRecord, Record
from dualion.store.base import BarrierStore
from dualion.store.connection import Connection, Document
from dualion.store.plain import plain_record
from dualion.store.summary import now

BUILDER_VERSION = 1
"""Raised when the same output gives another record: all outputs are looked at again."""

KIND = "record"
"""``metadata.kind`` of the outputs that hold a hop record."""

BUILDS = "builds"
QUARANTINE = "quarantine"

Resolver = Callable[[str], Mapping[str, object] | None]
"""Gives the whole document of a job's uuid, with what the blob store holds put in its place."""

_BATCH = 500
_LONGEST_REASON = 500


class BuildReport(Record):
    """What became of the raw outputs, in numbers of documents."""

    added: int = Field(0, description="Records written to the store.")
    present: int = Field(0, description="Gave a record that was there already.")
    known: int = Field(0, description="Were built, or set aside, before.")
    not_ready: int = Field(0, description="A part has not arrived in the blob store yet.")
    quarantined: tuple[str, ...] = Field((), description="Why outputs were set aside this time.")


class _Head(NamedTuple):
    """An output by name: where it is, and which version of it."""

    place: object
    uuid: str
    key: str
    completed: object


def build(
    raw_collection: Collection[Document],
    store: BarrierStore,
    *,
    only: Iterable[str] | None = None,
    resolve: Resolver | None = None,
    retry: bool = False,
) -> BuildReport:
    """Build the records of the raw outputs that were not built yet.

    ``output`` is read as plain data: nothing that a document names is imported or called. May be
    run by several processes at once, and killed at any moment.

    Parameters
    ----------
    raw_collection
        Of a jobflow ``JobStore``: documents with ``uuid``, ``index``, ``output``, ``completed_at``
        and ``metadata``. Its database takes ``builds`` and ``quarantine``.
    store
        Open for writing.
    only
        Uuids of the jobs looked at; None: all.
    resolve
        Asked for documents of which a part lies in the blob store; None, or an answer that is
        still not whole: such a document is not ready, and is looked at again the next time.
    retry
        Look again at documents that were set aside by this version.

    Returns
    -------
    BuildReport
        What was added, was there, is not ready or was set aside.

    Raises
    ------
    StoreError
        If the database or the store cannot be used.
    """
    builder = _Builder(raw_collection, store, resolve)
    heads = iter(builder.heads(only))
    while chunk := list(islice(heads, _BATCH)):
        settled = builder.settled(chunk, retry=retry)
        for head in chunk:
            if head.key in settled:
                builder.counts["known"] += 1
            else:
                builder.build(head)
    return BuildReport(**builder.counts, quarantined=tuple(builder.reasons))


class _NotReadyError(Exception):
    """A part of a document has not arrived yet."""


class _Builder:
    def __init__(
        self, raw: Collection[Document], store: BarrierStore, resolve: Resolver | None
    ) -> None:
        self._connection = Connection(raw.database)
        self._name = raw.name
        self._store = store
        self._resolve = resolve
        self.counts = dict.fromkeys(("added", "present", "known", "not_ready"), 0)
        self.reasons: list[str] = []

    def heads(self, only: Iterable[str] | None) -> list[_Head]:
        """Name the outputs that hold records, in the order in which they were completed."""
        wanted: list[Document] = [{}]
        if only is not None:
            wanted = [{"uuid": {"$in": part}} for part in _parts(only)]
        fields = {"uuid": 1, "index": 1, "completed_at": 1}
        found: list[Document] = []
        for each in wanted:
            query = {**each, "metadata.kind": KIND}
            found += self._connection.ask(lambda db, q=query: list(db[self._name].find(q, fields)))  # type: ignore[misc]
        heads = [
            _Head(
                each["_id"],
                str(each.get("uuid")),
                f"{each['uuid']}:{each['index']}"
                if isinstance(each.get("uuid"), str) and type(each.get("index")) is int
                else f"document {each['_id']}",
                each.get("completed_at"),
            )
            for each in found
        ]
        return sorted(heads, key=lambda head: str(head.completed))

    def settled(self, heads: list[_Head], *, retry: bool) -> set[str]:
        """Keys of the outputs that this version has built, or set aside, as they are now."""
        now = {head.key: head.completed for head in heads}
        keys = list(now)

        def look(name: str, ids: list[str]) -> list[Document]:
            query = {"_id": {"$in": ids}, "builder": BUILDER_VERSION}
            return self._connection.ask(
                lambda db: list(db[name].find(query, {"key": 1, "completed_at": 1}))
            )

        found = look(BUILDS, [_build_id(key) for key in keys])
        if not retry:
            found += look(QUARANTINE, keys)
        # An output that was computed again stands under the same key, completed at another time.
        return {each["key"] for each in found if each.get("completed_at") == now.get(each["key"])}

    def build(self, head: _Head) -> None:
        """Build one record, or set the document aside."""
        document = self._connection.ask(lambda db: db[self._name].find_one({"_id": head.place}))
        if document is None:  # removed meanwhile
            return
        try:
            record = self._record(head, document)
            added = self._store.add(record)
        except _NotReadyError:
            self.counts["not_ready"] += 1
        except RecordError as error:
            self._set_aside(head, error)
        else:
            self.counts["added" if added else "present"] += 1
            self._note(BUILDS, _build_id(head.key), head, record_id=record.record_id, added=added)
            self._connection.ask(lambda db: db[QUARANTINE].delete_one({"_id": head.key}))

    def _record(self, head: _Head, document: Document) -> HopRecord:
        where = f"output {head.key}"
        if not isinstance(document.get("uuid"), str) or type(document.get("index")) is not int:
            raise RecordError("has no uuid and index of a job", where=where)
        output: object = document.get("output")
        if has_blob(output):
            if self._resolve is None:
                raise _NotReadyError
            whole = self._resolve(head.uuid)
            if whole is None or whole.get("index") != document["index"]:
                raise _NotReadyError
            output = whole.get("output")
            if has_blob(output):
                raise _NotReadyError
        return plain_record(output, where=where)

    def _set_aside(self, head: _Head, problem: RecordError) -> None:
        reason = " ".join(problem.what.split())[:_LONGEST_REASON]
        self._note(QUARANTINE, head.key, head, uuid=head.uuid, reason=reason)
        self.reasons.append(f"{head.key}: {reason}")

    def _note(self, collection: str, name: str, head: _Head, **facts: object) -> None:
        document = {
            "key": head.key,
            "builder": BUILDER_VERSION,
            "completed_at": head.completed,
            "built": now(),
            **facts,
        }

        def write(database: Database[Document]) -> None:
            with suppress(DuplicateKeyError):  # another process notes the same
                database[collection].replace_one({"_id": name}, document, upsert=True)

        self._connection.ask(write)


def _build_id(key: str) -> str:
    return f"{key}:{BUILDER_VERSION}"


def _parts(only: Iterable[str]) -> Iterator[list[str]]:
    uuids = iter(dict.fromkeys(str(each) for each in only))
    while part := list(islice(uuids, _BATCH)):
        yield part


def has_blob(value: object) -> bool:
    """Whether anything in an output is only named, and lies in the blob store."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            if "blob_uuid" in one:
                return True
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)
    return False
