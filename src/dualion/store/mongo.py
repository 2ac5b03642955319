"""The barrier store in a MongoDB database: for a group, and for the nodes of a cluster."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database

from dualion.errors import RecordError, StoreError, StoreVersionError
from dualion.records import HopRecord, Images
from dualion.store.base import EVERYTHING, BarrierFilter, BarrierStore, Tombstone, gives_way
from dualion.store.columns import Columns
from dualion.store.conditions import Among, Holds, Within, conditions, sorting
from dualion.store.connection import LONG, SHORT, Connection, Document
from dualion.store.database import explain as explain_file
from dualion.store.documents import (
    LIVE,
    NULLABLE,
    SCHEMA,
    VERSION,
    Packed,
    bury,
    pack,
    prepare,
    rewrite,
    unbury,
    upgrade,
    write,
    write_all,
)
from dualion.store.migrate import migrate
from dualion.store.packing import unpack_images, unpack_record
from dualion.store.sqlite import SQLiteBarrierStore
from dualion.store.summary import COLUMNS, now

_CHUNK = 64

_PORTION = 20_000
_COLUMNS = tuple("_id" if each.name == "record_id" else each.name for each in COLUMNS)


class _State(NamedTuple):
    """Of all numbers: how many, their sum, and the largest."""

    records: int
    total: int
    last: int


class MongoBarrierStore(BarrierStore):
    """Barrier store in a MongoDB database (4.4 or newer), stand-alone or a replica set.

    Any number of processes on any number of machines may read and write at once. A write that
    returned is in the journal of the server, or of a majority of servers.

    A record becomes visible by one write of one small document, its summary, which names the
    documents of body and images; these were written before. So what is seen is always whole, and
    a superseded record stays where it is. A writer killed before its last step leaves a body
    that nothing names, which costs space and nothing else.

    A stand-alone server has no transactions. Inside :meth:`transaction` records are gathered and
    written when the outermost block ends: a block that raises writes nothing. What is not
    promised: a process killed, or a server lost, during that last step leaves some of the
    records written, each of them whole (adding them again completes them); other readers may see
    some of them a moment before the others; and what :meth:`add` answered inside the block may
    be overtaken by another writer. Reading inside the block does not see its writes.

    Parameters
    ----------
    database
        A ``mongodb://`` address with the name of a database, or an open database. Collections
        whose names begin with ``barrier`` are made in it, unless opened read-only.
    read_only
        Open an existing store without ever writing to it.
    patience
        Seconds to wait for a server that goes away after it was opened; None: 10 for reading,
        600 for writing, and as long as its client waits for an open database.

    Raises
    ------
    StoreVersionError
        If the store was made by a newer dualion.
    StoreError
        If the server cannot be used, or there is no store to read.
    """

    backend = "MongoDB"
    schema_version = VERSION

    def __init__(
        self,
        database: Database[Document] | str,
        *,
        read_only: bool = False,
        patience: float | None = None,
    ) -> None:
        self.read_only = read_only
        self._lock = threading.RLock()
        self._levels: list[list[Packed]] = []
        self._columns: tuple[_State, Columns] | None = None
        if patience is None and isinstance(database, str):
            patience = SHORT if read_only else LONG
        self._connection = Connection(database, patience=patience)
        try:
            # A store of a newer dualion is not touched.
            version = self._check_version()
            if not read_only:
                if version < VERSION:
                    self._connection.ask(upgrade)
                self._connection.ask(prepare)
        except BaseException:
            self.close()
            raise

    @property
    def where(self) -> str:
        """Hosts and database."""
        return self._connection.where

    def _check_version(self) -> int:
        schema = self._connection.ask(lambda db: db["barrier_meta"].find_one({"_id": SCHEMA}))
        if schema is None:
            if not self.read_only:
                return VERSION
            raise StoreError(
                "there is no barrier store in this database",
                where=self.where,
                remedy="check the name of the database",
            )
        version = schema.get("version")
        if not isinstance(version, int) or version < 1:
            raise StoreError(
                f"not a barrier store (schema version {version!r})",
                where=self.where,
                remedy="name another database",
            )
        if version > VERSION:
            raise StoreVersionError(
                f"the barrier store has schema version {version}, this dualion knows {VERSION}",
                where=self.where,
                remedy="upgrade dualion",
            )
        if version < VERSION and self.read_only:
            raise StoreVersionError(
                f"the barrier store has the older schema version {version}, this dualion reads "
                f"{VERSION}",
                where=self.where,
                remedy="bring it up to date with 'dualion store upgrade'; nothing is lost",
            )
        return version

    def add(self, record: HopRecord) -> bool:
        """Insert a record unless its id is there; see :meth:`BarrierStore.add`.

        Raises
        ------
        RecordError
            If the record holds a barrier that is no finite number, is larger than 64 MiB, or
            its body or images are larger than 15 MiB when packed.
        StoreError
            If the store cannot be written.
        """
        self._check_writable()
        packed = pack(record)
        with self._lock:
            if not self._levels:
                return self._connection.ask(lambda db: write(db, packed))
            before = self._outcome(packed.record_id)
            if before is not None and not gives_way(before, packed.outcome):
                return False  # a deleted one gives way to none
            self._levels[-1].append(packed)
            return True

    def put_history(self, records: Sequence[HopRecord]) -> None:
        """Make a history all that is kept under its id, at once, also inside a block.

        Parameters
        ----------
        records
            With one ``record_id``; the last one stands, the others become its revisions.

        Raises
        ------
        RecordError
            As :meth:`add`; nothing is written then.
        """
        self._check_writable()
        several = [pack(record) for record in records]
        with self._lock:
            self._connection.ask(lambda db: rewrite(db, several))

    def _outcome(self, record_id: str) -> str | None:
        """Outcome stored, or to be stored at the end of the block, under an id."""
        for level in reversed(self._levels):
            for packed in reversed(level):
                if packed.record_id == record_id:
                    return packed.outcome
        found = self._connection.ask(
            lambda db: db["barriers"].find_one({"_id": record_id}, {"outcome": 1, "deleted": 1})
        )
        if found is None:
            return None
        return "deleted" if found.get("deleted") else str(found["outcome"])

    def _check_writable(self) -> None:
        if self.read_only:
            raise StoreError(
                "the barrier store is open for reading only",
                where=self.where,
                remedy="open it for writing",
            )

    def delete(self, record_id: str, *, reason: str, when: str | None = None) -> bool:
        """Put a tombstone on a record; see :meth:`BarrierStore.delete`.

        Raises
        ------
        StoreError
            Inside a transaction too: what is gathered there is only added.
        """
        self._check_marking()
        moment = when or now()
        return self._connection.ask(lambda db: bury(db, record_id, reason, moment))

    def revive(self, record_id: str) -> bool:
        """Take a tombstone away; the record stands where it stood."""
        self._check_marking()
        return self._connection.ask(lambda db: unbury(db, record_id))

    def _check_marking(self) -> None:
        self._check_writable()
        if self._levels:
            raise StoreError("nothing is deleted or revived in a transaction", where=self.where)

    def is_deleted(self, record_id: str) -> bool:
        """Whether a tombstone stands under an id."""
        found = self._connection.ask(
            lambda db: db["barriers"].find_one({"_id": record_id}, {"deleted": 1})
        )
        return found is not None and bool(found.get("deleted"))

    def tombstones(self) -> tuple[Tombstone, ...]:
        """Return what was deleted, by record id."""
        found = self._connection.ask(
            lambda db: list(
                db["barriers"]
                .find({"deleted": {"$ne": None}}, {"deleted": 1})
                .sort([("_id", ASCENDING)])
            )
        )
        return tuple(
            Tombstone(
                record_id=str(each["_id"]),
                deleted=str(each["deleted"]["when"]),
                reason=str(each["deleted"]["reason"]),
            )
            for each in found
        )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Gather all writes inside; see the class for what is promised."""
        self._check_writable()
        with self._lock:
            self._levels.append([])
            try:
                yield
            except BaseException:
                self._levels.pop()
                raise
            level = self._levels.pop()
            if self._levels:
                self._levels[-1].extend(level)
            elif level:
                self._connection.ask(lambda db: write_all(db, level))

    def get(self, record_id: str, *, images: bool = True) -> HopRecord | None:
        """Return one record, or None when there is no such id."""
        found = self._connection.ask(
            lambda db: db["barriers"].find_one({"_id": record_id, **LIVE}, {"body": 1, "images": 1})
        )
        return None if found is None else next(self._load([found], images=images))

    def query(
        self, query: BarrierFilter = EVERYTHING, *, images: bool = False
    ) -> Iterator[HopRecord]:
        """Iterate over the records that pass a filter; see :meth:`BarrierStore.query`."""
        found = self._find(query, {"body": 1, "images": 1})
        for start in range(0, len(found), _CHUNK):
            yield from self._load(found[start : start + _CHUNK], images=images)

    def _find(self, query: BarrierFilter, fields: Document) -> list[Document]:
        if query.limit == 0:  # MongoDB takes 0 for no limit
            return []
        return self._connection.ask(
            lambda db: list(
                db["barriers"]
                .find(_where(query), fields)
                .sort(_order(query))
                .skip(query.offset)
                .limit(query.limit or 0)
                .allow_disk_use(True)  # noqa: FBT003 - pymongo's
            )
        )

    def _load(self, found: Sequence[Document], *, images: bool) -> Iterator[HopRecord]:
        bodies = self._blobs("barrier_bodies", [each["body"] for each in found])
        wanted = [each["body"] for each in found if images and each["images"]]
        geometries = self._blobs("barrier_images", wanted) if wanted else {}
        for each in found:
            key, record_id = each["body"], str(each["_id"])
            body, geometry = bodies.get(key), geometries.get(key)
            if body is None or (key in wanted and geometry is None):
                raise RecordError(
                    f"record '{record_id}' is damaged (a part of it is missing)",
                    where=self.where,
                    remedy="restore a backup",
                )
            try:
                yield unpack_record(body, geometry, record_id=record_id)
            except RecordError as error:
                raise RecordError(error.what, where=self.where, remedy=error.remedy) from error

    def _blobs(self, collection: str, keys: Sequence[object]) -> dict[object, bytes]:
        documents = self._connection.ask(
            lambda db: list(db[collection].find({"_id": {"$in": list(keys)}}))
        )
        return {
            each["_id"]: each["blob"] for each in documents if isinstance(each.get("blob"), bytes)
        }

    def count(self, query: BarrierFilter = EVERYTHING) -> int:
        """Return the number of records that pass a filter, its limit and offset included."""
        if query.limit == 0:
            return 0
        options: Document = {"skip": query.offset}
        if query.limit is not None:
            options["limit"] = query.limit
        return self._connection.ask(
            lambda db: db["barriers"].count_documents(_where(query), **options)
        )

    def ids(self, query: BarrierFilter = EVERYTHING) -> tuple[str, ...]:
        """Ids of the records that pass a filter, in its order."""
        return tuple(str(each["_id"]) for each in self._find(query, {"_id": 1}))

    def columns(self) -> Columns:
        """Return all summaries in memory, up to date; see :meth:`BarrierStore.columns`.

        A server says nothing of changes: it adds up the numbers of all records each time.
        """
        with self._lock:
            while True:
                state = self._state()
                old_state, old = self._columns or (_State(0, 0, 0), Columns.empty())
                if state != old_state:
                    columns, read = self._extended(old, old_state)
                    if read != state:
                        columns, read = self._extended(Columns.empty(), _State(0, 0, 0))
                    self._columns = read, columns
                    if read != state and self._state() != read:
                        continue  # somebody wrote meanwhile
                return (self._columns or (state, old))[1]

    def _state(self) -> _State:
        group = {
            "_id": None,
            "records": {"$sum": 1},
            "total": {"$sum": "$number"},
            "last": {"$max": "$number"},
        }
        found = self._connection.ask(
            lambda db: list(db["barriers"].aggregate([{"$match": LIVE}, {"$group": group}]))
        )
        return (
            _State(*(int(found[0][name] or 0) for name in _State._fields))
            if found
            else _State(0, 0, 0)
        )

    def _extended(self, columns: Columns, state: _State) -> tuple[Columns, _State]:
        """Append the rows with higher numbers; returns what then must be the state."""
        count, total, last = state

        def portions() -> Iterator[list[tuple[object, ...]]]:
            nonlocal count, total, last
            while found := self._beyond(last):
                numbers = [int(each["number"]) for each in found]
                count, total, last = count + len(found), total + sum(numbers), numbers[-1]
                yield [tuple(each.get(name) for name in _COLUMNS) for each in found]

        columns = columns.extended(portions(), where=self.where)
        return columns, _State(count, total, last)

    def _beyond(self, number: int) -> list[Document]:
        fields = dict.fromkeys((*_COLUMNS, "number"), 1)
        return self._connection.ask(
            lambda db: list(
                db["barriers"]
                .find({"number": {"$gt": number}, **LIVE}, fields)
                .sort([("number", ASCENDING)])
                .limit(_PORTION)
            )
        )

    def images(self, record_id: str) -> Images | None:
        """Return the geometries of a record; None if it has none or does not exist."""
        found = self._connection.ask(
            lambda db: db["barriers"].find_one({"_id": record_id, **LIVE}, {"body": 1, "images": 1})
        )
        if found is None or not found["images"]:
            return None
        blob = self._blobs("barrier_images", [found["body"]]).get(found["body"])
        if blob is None:
            raise RecordError(f"images of record '{record_id}' are missing", where=self.where)
        return unpack_images(blob, record_id=record_id)

    def revisions(self, record_id: str) -> tuple[HopRecord, ...]:
        """Return the records that were superseded under this id, oldest first."""

        def read(database: Database[Document]) -> list[Document]:
            kept = list(
                database["barrier_revisions"]
                .find({"record_id": record_id})
                .sort([("number", ASCENDING)])
            )
            # A writer killed between keeping a revision and superseding it left both.
            now = database["barriers"].find_one({"_id": record_id})
            found = [
                {"_id": record_id, "body": each["_id"], "images": each["images"]}
                for each in kept
                if now is None or each["_id"] != now["body"]
            ]
            return [*found, now] if now is not None and now.get("deleted") else found

        found = self._connection.ask(read)
        return tuple(self._load(found, images=True))

    def backup(self, path: Path) -> None:
        """Write all records to a new SQLite store; see :meth:`BarrierStore.backup`."""
        path = Path(path)
        if path.exists():
            raise StoreError("exists already", where=str(path), remedy="name a new file")
        if self._levels:
            raise StoreError("no backup inside a transaction", where=self.where)
        # Gathered in a local place: the copy may go to a network disk, where SQLite's log may not.
        try:
            with (
                tempfile.TemporaryDirectory(prefix="dualion-") as folder,
                SQLiteBarrierStore(Path(folder) / "copy.sqlite") as copy,
            ):
                done = migrate(self, copy)
                if not done.complete:
                    raise StoreError(
                        f"{len(done.refused)} records cannot be copied ({done.refused[0]})",
                        where=self.where,
                        remedy="'dualion store migrate' copies the others",
                    )
                copy.backup(path)
        except OSError as error:
            raise explain_file(error, path, "backup") from error

    def close(self) -> None:
        """Let go of the server; closing twice is allowed."""
        self._connection.close()


def _where(query: BarrierFilter) -> Document:
    """Condition of a filter; values are compared, never run as operators."""
    parts: list[Document] = [LIVE]
    for condition in conditions(query):
        name = condition.column
        if isinstance(condition, Among):
            parts.append({name: {"$in": list(condition.values)}})
            continue
        if isinstance(condition, Holds):
            # A symbol, as the filter makes sure.
            parts.append({name: {"$regex": f"(^|-){condition.part}(-|$)"}})
            continue
        if isinstance(condition, Within):
            bounds: Document = {"$gte": condition.low, "$lte": condition.high}
        else:
            bounds = {"$gte": condition.low, "$lt": condition.below}
        parts.append({name: {key: value for key, value in bounds.items() if value is not None}})
    return {"$and": parts}


def _order(query: BarrierFilter) -> list[tuple[str, int]]:
    order = sorting(query)
    keys = list[tuple[str, int]]()
    for column, descends in order.keys:
        if column in NULLABLE:
            # What is no number comes last; null alone would come first.
            keys.append((f"no_{column}", ASCENDING))
        name = "_id" if column == "record_id" else column
        keys.append((name, DESCENDING if descends else ASCENDING))
    return [*keys, ("number", DESCENDING if order.latest_first else ASCENDING)]
