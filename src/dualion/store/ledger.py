"""The local runner's ledger of finished jobs: what was computed is never computed again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import Field

from dualion.errors import StoreError
from dualion.records import Record
from dualion.store.database import Database, FileKind
from dualion.store.packing import deflate, inflate
from dualion.store.summary import now

_CHUNK = 500

LEDGER = FileKind(
    "job ledger",
    0x6475_6C67,  # spells 'dulg'
    1,
    (
        """
        CREATE TABLE outputs (
            key TEXT NOT NULL PRIMARY KEY,
            name TEXT NOT NULL,
            kind TEXT NOT NULL,
            force_calls INTEGER NOT NULL,
            seconds REAL NOT NULL,
            created TEXT NOT NULL,
            body BLOB NOT NULL
        )
        """,
    ),
)


class LedgerEntry(Record):
    """The output of one finished job."""

    key: str = Field(description="Content hash of the job and its inputs.")
    name: str
    kind: str = Field(description="What was done, e.g. 'relax' or 'band'.")
    output_json: str
    force_calls: int
    seconds: float = Field(description="Wall time, in s.")
    created: str = Field(description="UTC, ISO 8601.")


class Ledger:
    """Finished job outputs by content, in one SQLite file on a local disk.

    Several processes of one machine may use it at once. A write that returned outlives a
    kill and a power cut.

    Parameters
    ----------
    path
        Made, with its folder, if it does not exist and is not opened read-only.
    read_only
        Open an existing ledger without ever writing to it.

    Raises
    ------
    StoreVersionError
        If the ledger was made by a newer dualion.
    StoreError
        If it cannot be opened or made.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.database = Database(self.path, LEDGER, read_only=read_only)

    def get(self, key: str) -> LedgerEntry | None:
        """Return the output stored under a key, or None."""
        row = self.database.row(
            "SELECT name, kind, body, force_calls, seconds, created FROM outputs WHERE key = ?",
            (key,),
        )
        if row is None:
            return None
        name, kind, body, force_calls, seconds, created = row
        what = f"output '{key}'"
        if not isinstance(body, bytes):
            raise StoreError(f"{what} is damaged", where=str(self.path))
        try:
            text = inflate(body, what=what).decode()
        except (StoreError, UnicodeDecodeError) as error:
            raise StoreError(
                f"{what} cannot be read",
                where=str(self.path),
                remedy="restore a backup, or delete the ledger to compute all again",
            ) from error
        return LedgerEntry(
            key=key,
            name=str(name),
            kind=str(kind),
            output_json=text,
            force_calls=int(str(force_calls)),
            seconds=float(str(seconds)),
            created=str(created),
        )

    def put(
        self,
        key: str,
        *,
        name: str,
        kind: str,
        output_json: str,
        force_calls: int,
        seconds: float,
    ) -> bool:
        """Store an output unless its key is there; on disk when this returns.

        Returns
        -------
        bool
            Whether it was written.

        Raises
        ------
        StoreError
            If the output is larger than 64 MiB or the ledger cannot be written.
        """
        body = deflate(output_json.encode(), what=f"output of job '{name}'")
        created = now()
        with self.database.transaction():
            changed = self.database.execute(
                "INSERT OR IGNORE INTO outputs VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, name, kind, force_calls, seconds, created, body),
            )
        return changed > 0

    def keys(self, kind: str) -> tuple[str, ...]:
        """Return the keys of all outputs of a kind (``path``, ``band``, …), oldest first."""
        rows = self.database.rows("SELECT key FROM outputs WHERE kind = ? ORDER BY rowid", (kind,))
        return tuple(str(key) for (key,) in rows)

    def has(self, key: str) -> bool:
        """Whether an output is stored under a key."""
        return self.database.row("SELECT 1 FROM outputs WHERE key = ?", (key,)) is not None

    def count(self) -> int:
        """Return the number of outputs."""
        return self._number("SELECT count(*) FROM outputs", ())

    def total_force_calls(self, keys: Iterable[str]) -> int:
        """Sum of the force calls behind some keys; a key counts once, unknown ones not."""
        wanted = list(dict.fromkeys(keys))
        total = 0
        for start in range(0, len(wanted), _CHUNK):
            part = wanted[start : start + _CHUNK]
            marks = ", ".join("?" * len(part))
            total += self._number(
                f"SELECT coalesce(sum(force_calls), 0) FROM outputs WHERE key IN ({marks})",  # noqa: S608 - only question marks
                part,
            )
        return total

    def _number(self, sql: str, values: Iterable[object]) -> int:
        row = self.database.row(sql, values)
        return 0 if row is None else int(str(row[0]))

    def delete(self, key: str) -> bool:
        """Forget an output; returns whether there was one."""
        with self.database.transaction():
            return self.database.execute("DELETE FROM outputs WHERE key = ?", (key,)) > 0

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
