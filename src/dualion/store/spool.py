"""A spool: one file per record in a folder, on any file system, for a store elsewhere to take in.

A file appears whole or not at all, and its name holds the hash of its content. So writers need no
lock, no database and no common clock, and a network file system will do.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dualion.errors import RecordError, StoreError
from dualion.records import HopRecord, content_hash
from dualion.store.packing import MAX_BYTES, inflate
from dualion.store.plain import plain_record
from dualion.store.summary import summary

DONE = "done"
QUARANTINE = "quarantine"

_NAME = re.compile(r"([A-Za-z0-9_][\w.-]{0,99})-([0-9a-f]{16})\.json(\.z)?", re.ASCII)
_DIGITS = 16
_STALE_SECONDS = 86_400.0
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS}


class Spool:
    """A folder of records.

    Parameters
    ----------
    folder
        Made when it is needed.
    compress
        Whether files are compressed (zlib): images take a third of the space then.
    """

    def __init__(self, folder: Path, *, compress: bool = True) -> None:
        self.folder = Path(folder)
        self.compress = compress

    @property
    def where(self) -> str:
        """The folder, for messages."""
        return str(self.folder)

    def prepare(self) -> None:
        """Make the folder if it is not there.

        Raises
        ------
        StoreError
            If it cannot be made or written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _failed(error, self.folder) from error
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise StoreError(
                "may not be written to",
                where=self.where,
                remedy="name another folder, or ask its owner",
            )

    def put(self, record: HopRecord) -> bool:
        """Write a record to a file; on disk when this returns.

        Returns
        -------
        bool
            Whether it was written; False when the very same record waits already.

        Raises
        ------
        RecordError
            If no store would take it: too large, or a barrier that is no number.
        StoreError
            If the file cannot be written.
        """
        summary(record)
        # Python's json writes NaN, which a finding of a failed band may hold.
        data = json.dumps(record.model_dump(mode="json"), separators=(",", ":")).encode()
        if len(data) > MAX_BYTES:
            raise RecordError(
                f"record '{record.record_id}' is too large to store "
                f"({len(data) / 2**20:.0f} MiB, limit {MAX_BYTES // 2**20} MiB)",
                remedy="use fewer images or a smaller supercell",
            )
        name = f"{file_stem(record.record_id)}-{_digest(data)}.json"
        if self.compress:
            name, data = f"{name}.z", zlib.compress(data, 6)
        file = self.folder / name
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if file.exists():
                sync_folder(self.folder)  # whoever wrote it may have been killed before
                return False
            write_whole(file, data)
        except OSError as error:
            raise _failed(error, file) from error
        return True

    def entries(self) -> tuple[Path, ...]:
        """Files that wait, oldest first.

        Raises
        ------
        StoreError
            If there is no such folder, or it cannot be read.
        """
        found: list[tuple[int, str]] = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    # Also names that no spool gives: they are set aside with a reason.
                    if entry.name.startswith(".") or not entry.is_file(follow_symlinks=False):
                        continue
                    with suppress(FileNotFoundError):
                        found.append((entry.stat().st_mtime_ns, entry.name))
        except OSError as error:
            raise _failed(error, self.folder) from error
        return tuple(self.folder / name for _, name in sorted(found))

    def records(self) -> Iterator[HopRecord]:
        """Read the records that wait, oldest first.

        Raises
        ------
        RecordError
            If a file is damaged.
        """
        for file in self.entries():
            yield read_entry(file)

    def clear_partial(self) -> int:
        """Remove what killed writers left a day ago or longer; returns how many files."""
        count = 0
        for file in self.folder.glob(".*.part"):
            with suppress(OSError):
                if time.time() - file.stat().st_mtime > _STALE_SECONDS:
                    file.unlink()
                    count += 1
        return count


def read_entry(file: Path) -> HopRecord:
    """Read one file of a spool, and check it against its name.

    Raises
    ------
    RecordError
        If it is not what a spool writes, is damaged, or holds what this version does not know.
    FileNotFoundError
        If it is gone.
    """
    found = _NAME.fullmatch(file.name)
    if found is None:
        raise RecordError("is not named as a spool names its files", where=str(file))
    stem, digest, packed = found.groups()
    try:
        if file.stat().st_size > MAX_BYTES:
            raise RecordError("is larger than any record", where=str(file))
        data = file.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _failed(error, file) from error
    if packed:
        data = inflate(data, what=file.name)
    if _digest(data) != digest:
        raise RecordError("its content is not what its name says", where=str(file))
    try:
        given = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RecordError("holds no JSON", where=str(file)) from error
    record = plain_record(given, where=str(file))
    if file_stem(record.record_id) != stem:
        raise RecordError(f"holds another record ('{record.record_id}')", where=str(file))
    return record


def write_whole(file: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all, and is on disk when this returns.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left behind then.
    """
    partial = file.with_name(f".{file.name[:100]}.{uuid.uuid4().hex}.part")
    try:
        with partial.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk, where the file system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(handle)


def file_stem(record_id: str) -> str:
    """Return the id where it can be part of a file name, else a hash of it."""
    plain = re.fullmatch(r"[A-Za-z0-9_][\w.-]{0,99}", record_id, re.ASCII)
    return record_id if plain else f"id_{content_hash(record_id)}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


def _failed(error: OSError, place: Path) -> StoreError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreError(
            "no space left on device",
            where=str(place),
            remedy="free some space, then run the same command again",
        )
    why = (error.strerror or type(error).__name__).lower()
    return StoreError(
        f"the spool cannot be used ({why})",
        where=str(place),
        remedy="check the folder and your rights to it",
    )
