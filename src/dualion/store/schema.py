"""The tables of an SQLite barrier store, and how a store of an older version gets them."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator

from dualion.errors import RecordError
from dualion.store.database import FileKind
from dualion.store.summary import COLUMNS, now, summary_of_body

log = logging.getLogger("dualion")

NAMES = ", ".join(column.name for column in COLUMNS)
MARKS = ", ".join("?" * len(COLUMNS))
_PORTION = 500

_RECORDS = """
    CREATE TABLE {name} (
        id INTEGER PRIMARY KEY,
        record_id TEXT NOT NULL UNIQUE,
        framework TEXT NOT NULL,
        prototype TEXT NOT NULL,
        formula TEXT NOT NULL,
        elements TEXT NOT NULL,
        anion TEXT NOT NULL,
        host_ion TEXT NOT NULL,
        moving_ion TEXT NOT NULL,
        pair TEXT NOT NULL,
        arrangement TEXT NOT NULL,
        fraction REAL NOT NULL,
        hop_class TEXT NOT NULL,
        member INTEGER NOT NULL,
        hop_length REAL,
        mechanism TEXT NOT NULL,
        outcome TEXT NOT NULL,
        barrier REAL,
        forward REAL,
        reverse REAL,
        barrier_error REAL,
        fingerprint TEXT NOT NULL,
        charge INTEGER NOT NULL,
        engine TEXT NOT NULL,
        code TEXT NOT NULL,
        version TEXT NOT NULL,
        source TEXT NOT NULL,
        campaign TEXT NOT NULL,
        created TEXT NOT NULL
    )
"""
# Bulky parts lie apart, so that filtering and counting read the narrow table only.
_PARTS = (
    """
    CREATE TABLE bodies (
        id INTEGER PRIMARY KEY REFERENCES records (id),
        body BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE images (
        id INTEGER PRIMARY KEY REFERENCES records (id),
        blob BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE revisions (
        record_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        superseded TEXT NOT NULL,
        body BLOB NOT NULL,
        images BLOB,
        PRIMARY KEY (record_id, number)
    ) WITHOUT ROWID
    """,
)
_INDEXES = (
    """
    CREATE INDEX by_framework ON records (
        framework, moving_ion, hop_class, outcome, barrier, fingerprint, arrangement, host_ion,
        mechanism, campaign
    )
    """,
    "CREATE INDEX by_ion ON records (moving_ion, barrier, outcome, framework)",
    "CREATE INDEX by_theory ON records (fingerprint, framework, moving_ion, outcome, barrier)",
    "CREATE INDEX by_campaign ON records (campaign, framework, moving_ion, outcome, barrier)",
)
_SINCE_2 = (
    # What a record that was deleted leaves behind; the record itself is among the revisions.
    """
    CREATE TABLE tombstones (
        record_id TEXT PRIMARY KEY,
        deleted TEXT NOT NULL,
        reason TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    # What could not be read any more, as it was found.
    """
    CREATE TABLE quarantine (
        number INTEGER PRIMARY KEY,
        record_id TEXT NOT NULL,
        moved TEXT NOT NULL,
        reason TEXT NOT NULL,
        body BLOB,
        images BLOB
    )
    """,
    "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO counters VALUES ('removals', 0)",
    # Readers that keep the summaries learn from it that rows went away or changed, not only came.
    """
    CREATE TRIGGER row_removed AFTER DELETE ON records BEGIN
        UPDATE counters SET value = value + 1 WHERE name = 'removals';
    END
    """,
    """
    CREATE TRIGGER row_changed AFTER UPDATE ON records BEGIN
        UPDATE counters SET value = value + 1 WHERE name = 'removals';
    END
    """,
)


def _from_1(connection: sqlite3.Connection) -> None:
    """Compute the summaries anew from the bodies; what cannot be read goes to quarantine."""
    connection.execute(_RECORDS.format(name="summaries"))
    for statement in _SINCE_2[:2]:
        connection.execute(statement)
    for key, record_id, body in _bodies(connection):
        try:
            values = tuple(summary_of_body(body, None, record_id=record_id).values())
        except RecordError as error:
            log.warning("record '%s' goes to quarantine: %s", record_id, error.what)
            quarantine(connection.execute, key, record_id, error.what)
        else:
            connection.execute(
                f"INSERT INTO summaries (id, {NAMES}) VALUES (?, {MARKS})",  # noqa: S608 - constants
                (key, *values),
            )
    connection.execute("DROP TABLE records")
    connection.execute("ALTER TABLE summaries RENAME TO records")
    for statement in (*_INDEXES, *_SINCE_2[2:]):
        connection.execute(statement)


def _bodies(connection: sqlite3.Connection) -> Iterator[tuple[int, str, object]]:
    last = -(2**63)
    while rows := connection.execute(
        "SELECT id, record_id, body FROM records LEFT JOIN bodies USING (id) "
        "WHERE id > ? ORDER BY id LIMIT ?",
        (last, _PORTION),
    ).fetchall():
        last = rows[-1][0]
        yield from rows


def quarantine(
    execute: Callable[[str, tuple[object, ...]], object], key: object, record_id: str, reason: str
) -> None:
    """Move the parts of a record, as they are, to where nobody reads them by mistake."""
    execute(
        """
        INSERT INTO quarantine (record_id, moved, reason, body, images)
        SELECT ?, ?, ?, (SELECT body FROM bodies WHERE id = ?),
            (SELECT blob FROM images WHERE id = ?)
        """,
        (record_id, now(), reason, key, key),
    )
    remove(execute, key)


def remove(execute: Callable[[str, tuple[object, ...]], object], key: object) -> None:
    """Delete all parts of a record."""
    for table in ("images", "bodies", "records"):
        execute(f"DELETE FROM {table} WHERE id = ?", (key,))  # noqa: S608 - names above


BARRIERS = FileKind(
    noun="barrier store",
    application_id=0x6475_616C,  # spells 'dual'
    version=2,
    schema=(_RECORDS.format(name="records"), *_PARTS, *_INDEXES, *_SINCE_2),
    upgrades={1: _from_1},
)
