"""Looking a barrier store over: whether it holds what it says it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import Field

from dualion.errors import RecordError
from dualion.records import Record
from dualion.store.base import BarrierStore
from dualion.store.schema import quarantine
from dualion.store.sqlite import SQLiteBarrierStore
from dualion.store.summary import COLUMNS, summary, summary_of_body

_PORTION = 200


class Trouble(Record):
    """One thing that is wrong with a store."""

    record_id: str = Field(description="Of the record; empty: not of one record.")
    what: str
    repaired: str = Field("", description="What was done about it; empty: nothing.")


class Health(Record):
    """What was looked at, and what is wrong."""

    records: int = Field(0, description="Looked at, body and images.")
    revisions: int = Field(0, description="Looked at.")
    tombstones: int = 0
    quarantined: int = Field(0, description="Set aside earlier or now.")
    troubles: tuple[Trouble, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong, or what was is repaired."""
        return all(each.repaired for each in self.troubles)


def check(store: BarrierStore, *, repair: bool = False) -> Health:
    """Read everything in a store, and compare the summaries with the records.

    Parameters
    ----------
    store
        Open; for writing if it is to be repaired.
    repair
        Of SQLite stores only. A record that cannot be read is moved to quarantine with all its
        parts as they are; a summary that disagrees with its record is computed anew.

    Raises
    ------
    StoreError
        If the store cannot be read at all, or not written when it is to be repaired.
    """
    if not isinstance(store, SQLiteBarrierStore):
        return _check_any(store)
    if not repair:
        with store.database.snapshot():
            return _check_file(store, repair=False)
    with store.transaction():
        return _check_file(store, repair=True)


def _check_any(store: BarrierStore) -> Health:
    columns = store.columns()
    troubles, revisions = list[Trouble](), 0
    for start in range(0, len(columns), _PORTION):
        rows = columns.select()[start : start + _PORTION]
        for row in columns.rows(rows):
            record_id = str(row["record_id"])
            try:
                record = store.get(record_id)
                revisions += len(store.revisions(record_id))
            except RecordError as error:
                troubles.append(Trouble(record_id=record_id, what=error.what))
                continue
            if record is not None and (wrong := _disagree(tuple(row.values()), summary(record))):
                troubles.append(Trouble(record_id=record_id, what=wrong))
    return Health(
        records=len(columns),
        revisions=revisions,
        tombstones=len(store.tombstones()),
        troubles=tuple(troubles),
    )


def _disagree(stored: tuple[object, ...], expected: Mapping[str, object]) -> str:
    """Name the columns whose stored value is not that of the record."""
    wrong = [name for name, value in zip(expected, stored, strict=True) if value != expected[name]]
    return f"its summary differs from it in {', '.join(wrong)}" if wrong else ""


def _check_file(store: SQLiteBarrierStore, *, repair: bool) -> Health:
    troubles = [
        Trouble(record_id="", what=f"SQLite: {line}")
        for line in store.database.check().split("; ")
        if line != "ok"
    ]
    troubles += _check_records(store, repair=repair)
    troubles += _check_parts(store, repair=repair)
    troubles += _check_revisions(store, repair=repair)
    return Health(
        records=_count(store, "records"),
        revisions=_count(store, "revisions"),
        tombstones=_count(store, "tombstones"),
        quarantined=_count(store, "quarantine"),
        troubles=tuple(troubles),
    )


def _count(store: SQLiteBarrierStore, table: str) -> int:
    row = store.database.row(f"SELECT count(*) FROM {table}")  # noqa: S608 - names above
    return 0 if row is None else int(str(row[0]))


def _rows(store: SQLiteBarrierStore, select: str) -> Iterator[tuple[object, ...]]:
    """Rows of a table with a key, some at a time."""
    last: object = -(2**63)
    while rows := store.database.rows(select, (last, _PORTION)):
        last = rows[-1][0]
        yield from rows


def _check_records(store: SQLiteBarrierStore, *, repair: bool) -> Iterator[Trouble]:
    names = ", ".join(f"records.{column.name}" for column in COLUMNS)
    select = (
        f"SELECT records.id, {names}, body, blob FROM records "  # noqa: S608 - constants
        "LEFT JOIN bodies USING (id) LEFT JOIN images USING (id) "
        "WHERE records.id > ? ORDER BY records.id LIMIT ?"
    )
    for key, *values, body, images in _rows(store, select):
        record_id = str(values[0])
        try:
            expected = summary_of_body(body, images, record_id=record_id)
        except RecordError as error:
            done = ""
            if repair:
                quarantine(store.database.execute, key, record_id, error.what)
                done = "moved to quarantine"
            yield Trouble(record_id=record_id, what=error.what, repaired=done)
            continue
        if wrong := _disagree(tuple(values), expected):
            if repair:
                marks = ", ".join(f"{column.name} = ?" for column in COLUMNS)
                store.database.execute(
                    f"UPDATE records SET {marks} WHERE id = ?",  # noqa: S608 - constants
                    (*expected.values(), key),
                )
            yield Trouble(
                record_id=record_id, what=wrong, repaired="computed anew" if repair else ""
            )


def _check_parts(store: SQLiteBarrierStore, *, repair: bool) -> Iterator[Trouble]:
    """Look for parts that no record owns, and for tombstones of records that stand."""
    for table, column in (("bodies", "body"), ("images", "blob")):
        orphans = store.database.rows(
            f"SELECT id FROM {table} WHERE id NOT IN (SELECT id FROM records)"  # noqa: S608 - names above
        )
        for (key,) in orphans:
            if repair:
                kept = ("body", "images")[table == "images"]
                store.database.execute(
                    f"INSERT INTO quarantine (record_id, moved, reason, {kept}) "  # noqa: S608 - names above
                    f"SELECT '', datetime(), 'of no record', {column} FROM {table} WHERE id = ?",
                    (key,),
                )
                store.database.execute(f"DELETE FROM {table} WHERE id = ?", (key,))  # noqa: S608 - same
            yield Trouble(
                record_id="",
                what=f"a row of {table} belongs to no record",
                repaired="moved to quarantine" if repair else "",
            )
    for (record_id,) in store.database.rows(
        "SELECT record_id FROM tombstones WHERE record_id IN (SELECT record_id FROM records)"
    ):
        if repair:
            store.database.execute("DELETE FROM tombstones WHERE record_id = ?", (record_id,))
        yield Trouble(
            record_id=str(record_id),
            what="has a tombstone, and stands",
            repaired="tombstone taken away" if repair else "",
        )


def _check_revisions(store: SQLiteBarrierStore, *, repair: bool) -> Iterator[Trouble]:
    keys = store.database.rows("SELECT record_id, number FROM revisions ORDER BY 1, 2")
    for record_id, number in keys:
        place = "WHERE record_id = ? AND number = ?"
        row = store.database.row(
            f"SELECT body, images FROM revisions {place}",  # noqa: S608 - constant
            (record_id, number),
        )
        try:
            summary_of_body(*(row or (None, None)), record_id=str(record_id))
        except RecordError as error:
            if repair:
                store.database.execute(
                    "INSERT INTO quarantine (record_id, moved, reason, body, images) "  # noqa: S608 - constant
                    f"SELECT record_id, datetime(), ?, body, images FROM revisions {place}",
                    (error.what, record_id, number),
                )
                store.database.execute(
                    f"DELETE FROM revisions {place}",  # noqa: S608 - constant
                    (record_id, number),
                )
            yield Trouble(
                record_id=str(record_id),
                what=f"revision {number}: {error.what}",
                repaired="moved to quarantine" if repair else "",
            )
