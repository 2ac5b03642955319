"""One SQLite file: opened safely, with every failure told in one line.

Writers use the write-ahead log and ``BEGIN IMMEDIATE``, so that several processes of one
machine can write at once and a killed one loses nothing it was told is stored. The log needs
shared memory between all writers, which a network file system does not give: there it loses
writes without an error, and is refused.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from dualion.errors import StoreError, StoreVersionError
from dualion.store.mounts import FileSystem, file_system

BUSY_SECONDS = 60.0
"""How long a writer waits for another process to finish its transaction."""

_LOG_BYTES = 2**16


class FileKind(NamedTuple):
    """What a database file is for."""

    noun: str
    application_id: int
    version: int
    schema: tuple[str, ...]
    upgrades: Mapping[int, Callable[[sqlite3.Connection], None]] = MappingProxyType({})
    """From each older version to the next, inside one transaction."""


def explain(error: sqlite3.Error | OSError, path: Path | str, noun: str) -> StoreError:
    """Turn what SQLite or the system raised into a one-line error with a remedy."""
    text = str(error)
    code = _code(error)
    if code == sqlite3.SQLITE_IOERR and _is_full(Path(path)):
        code = sqlite3.SQLITE_FULL
    what, remedy = {
        sqlite3.SQLITE_FULL: (
            "no space left on device",
            "free some space, then run the same command again",
        ),
        sqlite3.SQLITE_NOTADB: (f"not a {noun} (no SQLite file)", "name another file"),
        sqlite3.SQLITE_CORRUPT: (
            f"the {noun} is damaged ({text})",
            "restore a backup, or save what is left with 'sqlite3 FILE .recover'",
        ),
        sqlite3.SQLITE_BUSY: (
            f"another process kept the {noun} locked for more than {BUSY_SECONDS:.0f} s",
            "wait for it, or end it, and try again",
        ),
        sqlite3.SQLITE_READONLY: (
            f"permission denied ({text})",
            "make the file and its folder writable, or name another place",
        ),
        sqlite3.SQLITE_CANTOPEN: (
            f"cannot open the {noun} ({text})",
            "check that you may read the file and write to its folder",
        ),
        sqlite3.SQLITE_IOERR: (
            f"the disk failed ({text})",
            "check the disk and its free space",
        ),
    }.get(code, (f"cannot use the {noun} ({text})", "check the file and its folder"))
    return StoreError(what, where=str(path), remedy=remedy)


def _is_full(path: Path) -> bool:
    """Whether the disk is full: SQLite calls it an I/O error when its log cannot grow."""
    try:
        return shutil.disk_usage(path.parent).free < _LOG_BYTES
    except OSError:
        return False


def _code(error: sqlite3.Error | OSError) -> int:
    """Primary SQLite result code; what the system raised is sorted among them."""
    if isinstance(error, OSError):
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return sqlite3.SQLITE_FULL
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            return sqlite3.SQLITE_READONLY
        return sqlite3.SQLITE_ERROR
    code = int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF
    same = {
        sqlite3.SQLITE_LOCKED: sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_PERM: sqlite3.SQLITE_READONLY,
    }
    return same.get(code, code)


class Database:
    """An open SQLite file of one kind.

    Safe to use from several threads; a second process opens its own.

    Parameters
    ----------
    path
        Made, with its folder, if it does not exist and is not opened read-only.
    kind
        What the file is for: its schema, application id and version.
    read_only
        Open an existing file without ever writing to it.
    mounts
        Text of ``/proc/mounts`` (for tests).

    Raises
    ------
    StoreVersionError
        If the file was made by a newer dualion.
    StoreError
        If the file cannot be opened or made, is something else, or lies on a network file
        system and would be written to. A file that could not be completed is not left behind.
    """

    def __init__(
        self, path: Path, kind: FileKind, *, read_only: bool = False, mounts: str | None = None
    ) -> None:
        self.path = path
        self.kind = kind
        self.read_only = read_only
        self._lock = threading.RLock()
        self._depth = 0
        self._process = os.getpid()
        self._open: sqlite3.Connection | None = None
        try:
            disk = file_system(path, mounts)
            self._check_place(disk)
            if not path.exists():
                _create(path, kind)
            self._open = _connect(path, read_only=read_only, frozen=disk.is_network)
            self._check_kind(self._open)
            if not read_only:
                self._prepare(self._open)
                self._upgrade(self._open)
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise explain(error, path, kind.noun) from error
        except StoreError:
            self.close()
            raise

    def _check_place(self, disk: FileSystem) -> None:
        noun, where = self.kind.noun, str(self.path)
        if self.path.is_dir():
            raise StoreError(
                f"is a folder, not a {noun}", where=where, remedy="name a file inside it"
            )
        if self.path.exists() and not self.path.is_file():
            raise StoreError(f"is a device, not a {noun}", where=where, remedy="name a file")
        if self.read_only and not self.path.exists():
            raise StoreError(f"there is no {noun}", where=where, remedy="check the path")
        logged = not self.read_only or Path(f"{self.path}-wal").exists()
        if disk.is_network and logged:
            raise StoreError(
                f"lies on a network file system ({disk.kind} at {disk.mount}), "
                "where SQLite loses writes without an error",
                where=where,
                remedy="put it on a local disk and copy a backup to the shared folder",
            )

    def _check_kind(self, connection: sqlite3.Connection) -> None:
        noun, where = self.kind.noun, str(self.path)
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if application != self.kind.application_id:
            raise StoreError(
                f"not a {noun} (SQLite application id {application})",
                where=where,
                remedy="name another file",
            )
        if version > self.kind.version:
            raise StoreVersionError(
                f"the {noun} has schema version {version}, this dualion knows {self.kind.version}",
                where=where,
                remedy="upgrade dualion",
            )
        if version < 1:
            raise StoreError(
                f"the {noun} is incomplete (schema version {version})",
                where=where,
                remedy="restore a backup, or delete the file",
            )
        if version < self.kind.version and self.read_only:
            raise StoreVersionError(
                f"the {noun} has the older schema version {version}, this dualion reads "
                f"{self.kind.version}",
                where=where,
                remedy="bring it up to date with 'dualion store upgrade'; nothing is lost",
            )

    def _upgrade(self, connection: sqlite3.Connection) -> None:
        """Bring a file of an older version up to date: wholly or not at all."""
        if connection.execute("PRAGMA user_version").fetchone()[0] == self.kind.version:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Asked again: another process may have been faster.
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            for old in range(version, self.kind.version):
                self.kind.upgrades[old](connection)
            connection.execute(f"PRAGMA user_version={self.kind.version}")
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _prepare(self, connection: sqlite3.Connection) -> None:
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise StoreError(
                f"the write-ahead log cannot be used here (journal mode {mode!r})",
                where=str(self.path),
                remedy="put the file on a local disk",
            )
        # A record stands for hours of work: 4 ms for a sync that outlives a power cut is cheap.
        connection.execute("PRAGMA synchronous=FULL")

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            raise StoreError(f"the {self.kind.noun} is closed", where=str(self.path))
        if self._process != os.getpid():
            raise StoreError(
                f"the {self.kind.noun} was opened by another process",
                where=str(self.path),
                remedy="open it again in this one",
            )
        return self._open

    def execute(self, sql: str, values: Iterable[object] = ()) -> int:
        """Run one writing statement and return the number of rows it changed."""
        with self._guard() as connection:
            if self._depth and not connection.in_transaction:
                raise StoreError("the transaction was undone", where=str(self.path))
            return connection.execute(sql, tuple(values)).rowcount

    def rows(self, sql: str, values: Iterable[object] = ()) -> list[tuple[object, ...]]:
        """Run one reading statement and return all its rows."""
        with self._guard() as connection:
            return connection.execute(sql, tuple(values)).fetchall()

    def row(self, sql: str, values: Iterable[object] = ()) -> tuple[object, ...] | None:
        """Run one reading statement and return its first row."""
        rows = self.rows(sql, values)
        return rows[0] if rows else None

    @contextmanager
    def _guard(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise explain(error, self.path, self.kind.noun) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are kept or none; may be nested."""
        if self.read_only:
            raise StoreError(
                f"the {self.kind.noun} is open for reading only",
                where=str(self.path),
                remedy="open it for writing",
            )
        with self._lock:
            inner = self._depth > 0
            point = f"level_{self._depth}"
            self._run(f"SAVEPOINT {point}" if inner else "BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
                # A full disk is often seen only here.
                self._run(f"RELEASE {point}" if inner else "COMMIT")
            except BaseException:
                # SQLite may have rolled back by itself; then there is nothing left to undo.
                if self._open is not None and self._open.in_transaction:
                    with suppress(sqlite3.Error):
                        self._open.execute(f"ROLLBACK TO {point}" if inner else "ROLLBACK")
                        if inner:
                            self._open.execute(f"RELEASE {point}")
                raise
            finally:
                self._depth -= 1

    @property
    def version(self) -> tuple[int, int]:
        """Another pair after every write, of this connection or any other."""
        with self._guard() as connection:
            return (
                int(connection.execute("PRAGMA data_version").fetchone()[0]),
                connection.total_changes,
            )

    @property
    def in_transaction(self) -> bool:
        """Whether writes of this connection may yet be undone."""
        return self._depth > 0

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read inside is of one moment; inside a transaction, of that."""
        with self._lock:
            if self._depth or self._connection.in_transaction:
                yield
                return
            self._run("BEGIN")
            try:
                yield
            finally:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")

    def _run(self, sql: str) -> None:
        with self._guard() as connection:
            connection.execute(sql)

    def check(self) -> str:
        """Let SQLite look the whole file over; ``"ok"`` if it finds nothing wrong."""
        return "; ".join(str(row[0]) for row in self.rows("PRAGMA integrity_check"))

    def backup(self, path: Path) -> None:
        """Write a consistent copy to a new file.

        Raises
        ------
        StoreError
            If the file exists or cannot be written; nothing is left behind then.
        """
        if path.exists():
            raise StoreError("exists already", where=str(path), remedy="name a new file")
        with self._lock:
            if self._depth:
                raise StoreError("no backup inside a transaction", where=str(self.path))
            connection = self._connection
            try:
                with _new_file(path) as draft:
                    copy = sqlite3.connect(draft, isolation_level=None)
                    try:
                        connection.backup(copy)
                        # One plain file, so that it can be read from a shared folder.
                        copy.execute("PRAGMA journal_mode=DELETE")
                    finally:
                        copy.close()
            except FileExistsError:
                raise StoreError(
                    "exists already", where=str(path), remedy="name a new file"
                ) from None
            except (sqlite3.Error, OSError) as error:
                raise explain(error, path, "backup") from error

    def compact(self) -> None:
        """Write the file anew without its gaps; it must have room on the disk twice meanwhile."""
        with self._lock:
            if self._depth:
                raise StoreError("is not compacted inside a transaction", where=str(self.path))
            for statement in ("VACUUM", "PRAGMA optimize", "PRAGMA wal_checkpoint(TRUNCATE)"):
                self._run(statement)

    def replace(self, draft: Path) -> None:
        """Take over the whole content of another file, in one transaction that others see at once.

        Raises
        ------
        StoreError
            If another process is writing, or the disk is full: the old content stays.
        """
        with self._lock, closing(sqlite3.connect(draft, isolation_level=None)) as source:
            if self._depth:
                raise StoreError("is not replaced inside a transaction", where=str(self.path))
            with self._guard() as connection:
                source.backup(connection)

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        with self._lock:
            # Closing a connection inherited by fork would drop the parent's locks.
            if self._open is not None and self._process == os.getpid():
                with suppress(sqlite3.Error):
                    self._open.close()
            self._open = None


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """Give a name to write to; it becomes ``path`` at the end, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        draft = Path(folder) / "draft"
        yield draft
        try:
            # Unlike a rename, a link fails when another process was first.
            os.link(draft, path)
        except FileExistsError:
            raise
        except OSError:  # a disk without hard links
            if path.exists():
                raise FileExistsError(path) from None
            draft.rename(path)


def _create(path: Path, kind: FileKind) -> None:
    with suppress(FileExistsError), _new_file(path) as draft:
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in kind.schema:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id={kind.application_id}")
            connection.execute(f"PRAGMA user_version={kind.version}")
            connection.execute("COMMIT")
        finally:
            connection.close()


def _connect(path: Path, *, read_only: bool, frozen: bool) -> sqlite3.Connection:
    uri = path.resolve().as_uri() + ("?mode=ro" if read_only else "?mode=rw")
    # The log needs files beside the database. Where nobody may write any, and none is left
    # over, the database cannot change, and SQLite may be told so.
    still = f"{uri}&immutable=1"
    if read_only and frozen:
        return _try(still)
    try:
        return _try(uri)
    except sqlite3.OperationalError as error:
        refused = _code(error) in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
        if not (read_only and refused) or Path(f"{path}-wal").exists():
            raise
    return _try(still)


def _try(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        # A file from elsewhere may bring views and triggers; they must not call anything.
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
