"""Taking the records of a spool into a store."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import Field

from dualion.errors import RecordError, StoreError
from dualion.records import Record
from dualion.store.base import BarrierStore
from dualion.store.spool import DONE, QUARANTINE, Spool, read_entry, sync_folder, write_whole

_LOCK = ".ingest.lock"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class Ingestion(Record):
    """What became of the files of a spool."""

    added: int = Field(0, description="Records written to the store.")
    present: int = Field(0, description="Were in the store already.")
    quarantined: tuple[str, ...] = Field((), description="Why files were set aside, one text each.")


def ingest(
    spool: Spool,
    store: BarrierStore,
    *,
    remove: bool = False,
    tell: Callable[[Path], None] | None = None,
) -> Ingestion:
    """Add each record of a spool to a store, then move its file to ``done/``.

    A file that holds no record goes to ``quarantine/`` with a ``.reason`` beside it. Each step may
    be done twice, so killed at any moment and run again this gives the same.

    Parameters
    ----------
    spool
        May be written to meanwhile.
    store
        Open for writing.
    remove
        Delete files instead of keeping them in ``done/``.
    tell
        Called with each file when it is done.

    Raises
    ------
    StoreError
        If another process ingests this spool, or store or folder cannot be used.
    """
    added = present = 0
    reasons: list[str] = []
    files = spool.entries()
    with _alone(spool.folder):
        spool.clear_partial()
        for file in files:
            try:
                if store.add(read_entry(file)):
                    added += 1
                else:
                    present += 1
            except FileNotFoundError:
                continue  # where locks do not work: another process was faster
            except RecordError as error:
                reasons.append(_set_aside(file, error))
            else:
                _put_away(file, remove=remove)
            if tell is not None:
                tell(file)
    return Ingestion(added=added, present=present, quarantined=tuple(reasons))


def _put_away(file: Path, *, remove: bool) -> None:
    try:
        if remove:
            file.unlink()
        else:
            _move(file, file.parent / DONE)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _cannot(error, file) from error


def _set_aside(file: Path, problem: RecordError) -> str:
    """Move a file to the quarantine; returns what was said of it."""
    text = " ".join(problem.what.split())
    folder = file.parent / QUARANTINE
    try:
        folder.mkdir(exist_ok=True)
        # Before the file: one in the quarantine always has its reason.
        write_whole(folder / f"{file.name}.reason", f"{text}\n".encode())
        _move(file, folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _cannot(error, file) from error
    return f"{file.name}: {text}"


def _move(file: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    file.replace(folder / file.name)
    sync_folder(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel lets it go when the process ends, however it ends."""
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise _cannot(error, folder) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(
                f"is being ingested by process {_owner(handle)}",
                where=str(folder),
                remedy="wait for it, or stop it first",
            ) from error
        except OSError as error:
            # The lock spares work; without one two processes still do no harm.
            if error.errno not in _NO_LOCKS:
                raise _cannot(error, folder) from error
        with suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()} on {os.uname().nodename}".encode(), 0)
        yield
    finally:
        os.close(handle)


def _owner(handle: int) -> str:
    try:
        return os.pread(handle, 200, 0).decode(errors="replace").strip() or "?"
    except OSError:
        return "?"


def _cannot(error: OSError, place: Path) -> StoreError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    why = "no space left on device" if full else (error.strerror or "").lower()
    return StoreError(
        f"the spool cannot be used ({why})",
        where=str(place),
        remedy="free some space there" if full else "check the folder and your rights to it",
    )
