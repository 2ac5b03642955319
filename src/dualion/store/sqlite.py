"""The barrier store in one SQLite file: the default, without a server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from dualion.errors import RecordError
from dualion.records import HopRecord, Images
from dualion.store.base import EVERYTHING, BarrierFilter, BarrierStore, Tombstone, gives_way
from dualion.store.columns import Columns
from dualion.store.conditions import Among, Holds, Within, conditions, sorting
from dualion.store.database import Database
from dualion.store.packing import pack_images, pack_record, unpack_images, unpack_record
from dualion.store.schema import BARRIERS, MARKS, NAMES, remove
from dualion.store.summary import KINDS, Kind, now, summary

_CHUNK = 256

log = logging.getLogger("dualion")


class _State(NamedTuple):
    """What tells that rows were taken away, and up to where they were read."""

    removals: int
    last: int


class _Kept(NamedTuple):
    """Columns as read, the state of the file then, and what changes with every write."""

    columns: Columns
    state: _State
    version: tuple[int, int]


_PORTION = 50_000


class SQLiteBarrierStore(BarrierStore):
    """Barrier store in one SQLite file on a local disk.

    Several processes of one machine may read and write at once. A write that returned
    outlives a kill and a power cut.

    Parameters
    ----------
    path
        Made, with its folder, if it does not exist and is not opened read-only.
    read_only
        Open an existing store without ever writing to it.
    mounts
        Text of ``/proc/mounts`` (for tests).

    Raises
    ------
    StoreVersionError
        If the store was made by a newer dualion.
    StoreError
        If it cannot be opened or made; the message says why and what to do.
    """

    backend = "SQLite"
    schema_version = BARRIERS.version

    def __init__(self, path: Path, *, read_only: bool = False, mounts: str | None = None) -> None:
        self.path = Path(path)
        self.database = Database(self.path, BARRIERS, read_only=read_only, mounts=mounts)
        self._lock = threading.Lock()
        self._columns: _Kept | None = None

    @property
    def where(self) -> str:
        """Path of the file."""
        return str(self.path)

    def add(self, record: HopRecord) -> bool:
        """Insert a record unless its id is there; see :meth:`BarrierStore.add`.

        Raises
        ------
        RecordError
            If the record holds a barrier that is no finite number or is larger than 64 MiB.
        StoreError
            If the store cannot be written.
        """
        row = tuple(summary(record).values())
        body = pack_record(record)
        images = _packed_images(record)
        with self.transaction():
            old = self.database.row(
                "SELECT id, outcome FROM records WHERE record_id = ?", (record.record_id,)
            )
            if old is not None:
                if not gives_way(str(old[1]), record.outcome.value):
                    return False
                self._retire(old[0], record.record_id)
            elif self.is_deleted(record.record_id):
                log.warning("record '%s' was deleted: not added", record.record_id)
                return False
            self._insert(row, body, images)
        return True

    def put_history(self, records: Sequence[HopRecord]) -> None:
        """Make a history all that is kept under its id; see :meth:`BarrierStore.put_history`."""
        record_id = records[-1].record_id
        with self.transaction():
            remove(self.database.execute, self._key(record_id))
            self.database.execute("DELETE FROM revisions WHERE record_id = ?", (record_id,))
            for number, record in enumerate(records[:-1]):
                self.database.execute(
                    "INSERT INTO revisions (record_id, number, superseded, body, images) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (record_id, number, now(), pack_record(record), _packed_images(record)),
                )
            if not self.add(records[-1]):
                raise RecordError(
                    f"record '{record_id}' is not taken by this store", where=self.where
                )

    def _insert(self, row: tuple[object, ...], body: object, images: object) -> None:
        self.database.execute(f"INSERT INTO records ({NAMES}) VALUES ({MARKS})", row)  # noqa: S608 - constants
        key = self._key(str(row[0]))
        self.database.execute("INSERT INTO bodies VALUES (?, ?)", (key, body))
        if images is not None:
            self.database.execute("INSERT INTO images VALUES (?, ?)", (key, images))

    def is_deleted(self, record_id: str) -> bool:
        """Whether a tombstone stands under an id."""
        sql = "SELECT 1 FROM tombstones WHERE record_id = ?"
        return self.database.row(sql, (record_id,)) is not None

    def _retire(self, key: object, record_id: str) -> None:
        self.database.execute(
            """
            INSERT INTO revisions
            SELECT ?, (SELECT coalesce(max(number) + 1, 0) FROM revisions WHERE record_id = ?),
                ?, body, blob
            FROM bodies LEFT JOIN images USING (id) WHERE id = ?
            """,
            (record_id, record_id, now(), key),
        )
        remove(self.database.execute, key)

    def _key(self, record_id: str) -> object:
        row = self.database.row("SELECT id FROM records WHERE record_id = ?", (record_id,))
        return None if row is None else row[0]

    def get(self, record_id: str, *, images: bool = True) -> HopRecord | None:
        """Return one record, or None when there is no such id."""
        key = self._key(record_id)
        return None if key is None else next(self._load([key], images=images), None)

    def query(
        self, query: BarrierFilter = EVERYTHING, *, images: bool = False
    ) -> Iterator[HopRecord]:
        """Iterate over the records that pass a filter; see :meth:`BarrierStore.query`."""
        condition, values = _where(query)
        keys = [
            row[0]
            for row in self.database.rows(f"SELECT id FROM records WHERE {condition}", values)  # noqa: S608 - built below from constants
        ]
        # No statement stays open between two records: an open one would keep the log growing.
        for start in range(0, len(keys), _CHUNK):
            yield from self._load(keys[start : start + _CHUNK], images=images)

    def _load(self, keys: Sequence[object], *, images: bool) -> Iterator[HopRecord]:
        marks = ", ".join("?" * len(keys))
        blob, join = ("blob", "LEFT JOIN images USING (id)") if images else ("NULL", "")
        rows = self.database.rows(
            f"SELECT id, record_id, body, {blob} FROM records JOIN bodies USING (id) {join} "  # noqa: S608 - constants and question marks
            f"WHERE id IN ({marks})",
            keys,
        )
        found = {row[0]: row[1:] for row in rows}
        for key in keys:
            if key in found:
                record_id, body, geometry = found[key]
                yield self._unpack(body, geometry, str(record_id))

    def _unpack(self, body: object, images: object, record_id: str) -> HopRecord:
        try:
            return unpack_record(
                _blob(body), None if images is None else _blob(images), record_id=record_id
            )
        except RecordError as error:
            raise RecordError(error.what, where=str(self.path), remedy=error.remedy) from error

    def count(self, query: BarrierFilter = EVERYTHING) -> int:
        """Return the number of records that pass a filter, its limit and offset included."""
        condition, values = _where(query)
        row = self.database.row(
            f"SELECT count(*) FROM (SELECT id FROM records WHERE {condition})",  # noqa: S608 - built below from constants
            values,
        )
        return 0 if row is None else int(str(row[0]))

    def ids(self, query: BarrierFilter = EVERYTHING) -> tuple[str, ...]:
        """Ids of the records that pass a filter, in its order."""
        condition, values = _where(query)
        rows = self.database.rows(f"SELECT record_id FROM records WHERE {condition}", values)  # noqa: S608 - built below from constants
        return tuple(str(row[0]) for row in rows)

    def columns(self) -> Columns:
        """Return all summaries in memory, up to date; see :meth:`BarrierStore.columns`."""
        with self._lock:
            kept = self._columns
            # Before reading: a write in between is then seen by the next call at the latest.
            version = self.database.version
            if kept is not None and kept.version == version and not self.database.in_transaction:
                return kept.columns
            with self.database.snapshot():
                state = self._state()
                if kept is not None and kept.state.removals == state.removals:
                    old, last = kept.columns, kept.state.last
                else:
                    old, last = Columns.empty(), 0
                columns = old.extended(self._portions(last), where=self.where)
            if not self.database.in_transaction:  # its rows may yet be undone
                self._columns = _Kept(columns, state, version)
            return columns

    @property
    def removals(self) -> int:
        """How often rows of summaries went away or changed."""
        return self._state().removals

    def _state(self) -> _State:
        row = self.database.row(
            "SELECT (SELECT value FROM counters WHERE name = 'removals'), coalesce(max(id), 0) "
            "FROM records"
        )
        return _State(*(int(str(value)) for value in row or (0, 0)))

    def _portions(self, after: int) -> Iterator[list[tuple[object, ...]]]:
        """Summaries beyond a key, some at a time."""
        while rows := self.database.rows(
            f"SELECT {NAMES}, id FROM records WHERE id > ? ORDER BY id LIMIT ?",  # noqa: S608 - constant names
            (after, _PORTION),
        ):
            after = int(str(rows[-1][-1]))
            yield [row[:-1] for row in rows]

    def images(self, record_id: str) -> Images | None:
        """Return the geometries of a record; None if it has none or does not exist."""
        row = self.database.row(
            "SELECT blob FROM images JOIN records USING (id) WHERE record_id = ?", (record_id,)
        )
        return None if row is None else unpack_images(_blob(row[0]), record_id=record_id)

    def revisions(self, record_id: str) -> tuple[HopRecord, ...]:
        """Return the records that were superseded under this id, oldest first."""
        rows = self.database.rows(
            "SELECT body, images FROM revisions WHERE record_id = ? ORDER BY number", (record_id,)
        )
        return tuple(self._unpack(body, images, record_id) for body, images in rows)

    def delete(self, record_id: str, *, reason: str, when: str | None = None) -> bool:
        """Keep a record as a revision under a tombstone; see :meth:`BarrierStore.delete`."""
        with self.transaction():
            key = self._key(record_id)
            if key is None:
                return False
            self._retire(key, record_id)
            self.database.execute(
                "INSERT INTO tombstones VALUES (?, ?, ?)", (record_id, when or now(), reason)
            )
            return True

    def revive(self, record_id: str) -> bool:
        """Undo :meth:`delete`; the record comes last in the order of adding."""
        with self.transaction():
            if not self.is_deleted(record_id):
                return False
            self.database.execute("DELETE FROM tombstones WHERE record_id = ?", (record_id,))
            last = self.database.row(
                "SELECT body, images, number FROM revisions WHERE record_id = ? "
                "ORDER BY number DESC LIMIT 1",
                (record_id,),
            )
            if last is None:
                raise RecordError(f"record '{record_id}' is lost", where=self.where)
            body, images, number = last
            record = self._unpack(body, None, record_id)
            self.database.execute(
                "DELETE FROM revisions WHERE record_id = ? AND number = ?", (record_id, number)
            )
            self._insert(tuple(summary(record).values()), body, images)
            return True

    def tombstones(self) -> tuple[Tombstone, ...]:
        """Return what was deleted, by record id."""
        rows = self.database.rows(
            "SELECT record_id, deleted, reason FROM tombstones ORDER BY record_id"
        )
        return tuple(
            Tombstone(record_id=str(one), deleted=str(when), reason=str(why))
            for one, when, why in rows
        )

    def transaction(self) -> AbstractContextManager[None]:
        """All writes inside are kept or none; see :meth:`BarrierStore.transaction`."""
        return self.database.transaction()

    def backup(self, path: Path) -> None:
        """Write a consistent copy to a new file; see :meth:`BarrierStore.backup`."""
        self.database.backup(Path(path))

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        self.database.close()


def _packed_images(record: HopRecord) -> bytes | None:
    images = record.images
    return None if images is None else pack_images(images, record_id=record.record_id)


def _blob(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise RecordError(f"a record is damaged ({type(value).__name__} where bytes are kept)")
    return value


def _where(query: BarrierFilter) -> tuple[str, list[object]]:
    """Condition, order and limit of a filter: constants and question marks only."""
    parts, values = ["1"], list[object]()
    for condition in conditions(query):
        column = condition.column
        if isinstance(condition, Among):
            parts.append(f"{column} IN ({', '.join('?' * len(condition.values))})")
            values.extend(condition.values)
        elif isinstance(condition, Holds):
            parts.append(f"instr('-' || {column} || '-', ?)")
            values.append(f"-{condition.part}-")
        elif isinstance(condition, Within):
            _bound(parts, values, f"{column} >= ?", condition.low)
            _bound(parts, values, f"{column} <= ?", condition.high)
        else:
            _bound(parts, values, f"{column} >= ?", condition.low)
            _bound(parts, values, f"{column} < ?", condition.below)
    text = f"{' AND '.join(parts)} ORDER BY {_order(query)} LIMIT ? OFFSET ?"
    return text, [*values, -1 if query.limit is None else query.limit, query.offset]


def _bound(parts: list[str], values: list[object], text: str, value: object) -> None:
    if value is not None:
        parts.append(text)
        values.append(value)


def _order(query: BarrierFilter) -> str:
    order = sorting(query)
    parts = list[str]()
    for column, descends in order.keys:
        if KINDS[column] is Kind.NUMBER:
            parts.append(f"{column} IS NULL")
        parts.append(f"{column} DESC" if descends else column)
    return ", ".join([*parts, "id DESC" if order.latest_first else "id"])
