"""Checkpoints: an append-only log of force evaluations, and the scope that a runner sets.

The log needs no knowledge of optimisers: a job that is started again asks for the same
configurations in the same order and is answered from the log until it reaches the first one
that was never computed. The runner removes the folder once the job's result is stored.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from dualion.engines.evaluator import Evaluation
from dualion.errors import CheckpointBusyError

if TYPE_CHECKING:
    from types import TracebackType

    from dualion.engines.point import PointLookup

LOG_NAME = "evaluations.bin"

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
"""What file systems say that know no locks."""

_MAGIC = b"dualion1"
_FRAME = struct.Struct("<II")  # length of the payload, its crc32
_HEAD = struct.Struct("<32sIBd")  # key, atoms, whether a stress follows, energy
_HEADER_SIZE = len(_MAGIC) + 32


class EvaluationLog:
    """Evaluations of one job in ``folder/evaluations.bin``.

    Each record is one framed, checksummed write, so a job may be killed at any moment: whatever
    follows the last whole record is cut off when the log is opened again. Use it as a context
    manager.

    Parameters
    ----------
    folder
        Made if it does not exist. One folder serves one job and one process.
    identity
        What the evaluations depend on besides the configuration (engine, version, model). A log
        of another identity is discarded.

    Raises
    ------
    CheckpointBusyError
        Another process has it open. File systems without locks cannot tell.
    OSError
        The folder or the file cannot be made or read.
    """

    def __init__(self, folder: Path, identity: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / LOG_NAME
        self._header = _MAGIC + hashlib.sha256(identity.encode()).digest()
        self._index: dict[bytes, tuple[int, int]] = {}
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self._lock()
            self._size = self._recover()
        except BaseException:
            os.close(self._file)
            raise

    def __len__(self) -> int:
        return len(self._index)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the log cannot be used afterwards."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def find(self, key: bytes) -> Evaluation | None:
        """Return the evaluation logged under a key, or None."""
        place = self._index.get(key)
        if place is None:
            return None
        offset, length = place
        return _unpack(os.pread(self._file, length, offset))

    def append(self, key: bytes, evaluation: Evaluation) -> None:
        """Write one evaluation; it survives a kill of the process once this returns.

        Raises
        ------
        OSError
            Nothing, or only a part that was cut off again, could be written (disk full).
        """
        payload = _pack(key, evaluation)
        self._write(_FRAME.pack(len(payload), zlib.crc32(payload)) + payload)
        self._index[key] = (self._size - len(payload), len(payload))

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    def _lock(self) -> None:
        """Keep other processes out: two writers would take each other's places for their own."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise CheckpointBusyError(
                "is being written by another process",
                where=str(self.path),
                remedy="wait for it to end",
            ) from problem
        except OSError as problem:
            if problem.errno not in _NO_LOCKS:
                raise

    def _recover(self) -> int:
        """Index the whole records and cut off what follows; return the size of the file."""
        data = self.path.read_bytes()
        if data[:_HEADER_SIZE] != self._header:
            os.ftruncate(self._file, 0)
            self._size = 0
            self._write(self._header)
            return self._size
        end = _HEADER_SIZE
        while end + _FRAME.size <= len(data):
            length, checksum = _FRAME.unpack_from(data, end)
            start = end + _FRAME.size
            payload = data[start : start + length]
            if len(payload) < max(length, _HEAD.size) or zlib.crc32(payload) != checksum:
                break
            self._index[payload[:32]] = (start, length)
            end = start + length
        if end < len(data):
            os.ftruncate(self._file, end)
        return end


def _pack(key: bytes, evaluation: Evaluation) -> bytes:
    stress = evaluation.stress
    parts = [
        _HEAD.pack(key, len(evaluation.forces), stress is not None, evaluation.energy),
        np.ascontiguousarray(evaluation.forces, dtype="<f8").tobytes(),
    ]
    if stress is not None:
        parts.append(np.ascontiguousarray(stress, dtype="<f8").tobytes())
    return b"".join(parts)


def _unpack(payload: bytes) -> Evaluation:
    _, n, has_stress, energy = _HEAD.unpack_from(payload)
    numbers = np.frombuffer(payload, dtype="<f8", offset=_HEAD.size).astype(np.float64)
    return Evaluation(
        energy=energy,
        forces=numbers[: 3 * n].reshape(n, 3).copy(),
        stress=numbers[3 * n :].reshape(3, 3).copy() if has_stress else None,
    )


@dataclass(frozen=True)
class JobScope:
    """What a runner sets around a job.

    Attributes
    ----------
    checkpoint
        Folder of the job's log; None: nothing is logged.
    progress
        Told the number of force calls so far, after each.
    computed
        Called after each force call that was not answered from the checkpoint.
    points
        Set where force calls are jobs of their own: looks up what is known of them.
    """

    checkpoint: Path | None = None
    progress: Callable[[int], None] | None = None
    computed: Callable[[], None] | None = None
    points: PointLookup | None = None


_SCOPE: ContextVar[JobScope] = ContextVar("dualion_job_scope", default=JobScope())  # noqa: B039 - frozen


def current_scope() -> JobScope:
    """Return the scope that the runner set around the running job."""
    return _SCOPE.get()


@contextlib.contextmanager
def job_scope(
    checkpoint: Path | None = None,
    progress: Callable[[int], None] | None = None,
    computed: Callable[[], None] | None = None,
    points: PointLookup | None = None,
) -> Iterator[JobScope]:
    """Set checkpoint folder and callbacks for jobs run inside the ``with`` block."""
    scope = JobScope(checkpoint=checkpoint, progress=progress, computed=computed, points=points)
    token = _SCOPE.set(scope)
    try:
        yield scope
    finally:
        _SCOPE.reset(token)
