"""A folder or zip file of a few named files: written the same to the bit, read as hostile.

Nothing is ever unpacked to disk: files are read through this module, by names that are compared,
not joined to a path.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from dualion.errors import InputError

MAX_FILES = 1_000
MAX_TOTAL = 64 * 2**30
"""Bytes of all files together when unpacked."""
MAX_RATIO = 200
"""How much smaller than its content a large packed file may be."""
SMALL = 64 * 2**20
"""Bytes of a file that may be packed to any size: many bands on one hop are much alike."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99})*")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHUNK = 2**20
_ENCRYPTED = 1


class Digested(io.RawIOBase):
    """A stream that hashes and counts what is written through it."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        """Return true: it is for writing."""
        return True

    def write(self, data: object) -> int:
        """Write bytes on, and hash them."""
        block = bytes(data)  # type: ignore[call-overload]
        self._hash.update(block)
        self.size += len(block)
        self._target.write(block)
        return len(block)

    @property
    def sha256(self) -> str:
        """Of all that was written, in hexadecimal digits."""
        return self._hash.hexdigest()


class Target(ABC):
    """Where files are written to, one after the other."""

    def __init__(self) -> None:
        self.written: dict[str, tuple[str, int]] = {}
        """SHA-256 and size of each file, by name."""

    @abstractmethod
    def _open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a new file for writing."""

    @contextmanager
    def binary(self, name: str) -> Iterator[BinaryIO]:
        """Write a new file."""
        with self._open(name) as raw:
            digested = Digested(raw)
            buffered = io.BufferedWriter(digested, _CHUNK)
            yield buffered
            buffered.flush()
            self.written[name] = (digested.sha256, digested.size)

    @contextmanager
    def text(self, name: str) -> Iterator[TextIO]:
        """Write a new file of UTF-8 text."""
        with self.binary(name) as raw:
            wrapped = io.TextIOWrapper(raw, encoding="utf-8", newline="")
            yield wrapped
            wrapped.flush()
            wrapped.detach()


class FolderTarget(Target):
    """An empty folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def _open(self, name: str) -> AbstractContextManager[BinaryIO]:
        return (self._folder / name).open("xb")


class ZipTarget(Target):
    """A zip file, in which dates and rights are always the same."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        super().__init__()
        self._archive = archive

    @contextmanager
    def _open(self, name: str) -> Iterator[BinaryIO]:
        info = zipfile.ZipInfo(name, _EPOCH)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = (stat.S_IFREG | 0o644) << 16
        info.create_system = 3
        with self._archive.open(info, "w", force_zip64=True) as stream:
            yield stream  # type: ignore[misc]


class Source(ABC):
    """Files that somebody else wrote.

    Parameters
    ----------
    place
        Folder or zip file.
    sizes
        Bytes of each file, by name.
    """

    def __init__(self, place: Path, sizes: dict[str, int]) -> None:
        self.place = place
        self.sizes = sizes

    @abstractmethod
    def _open(self, name: str) -> BinaryIO:
        """Open a file of ``sizes``."""

    @contextmanager
    def binary(self, name: str) -> Iterator[BinaryIO]:
        """Read a file.

        Raises
        ------
        InputError
            If there is none of this name, or it is damaged.
        """
        where = f"{self.place}: {name}"
        if name not in self.sizes:
            raise InputError("is missing", where=where, remedy="get the whole bundle again")
        try:
            with self._open(name) as stream:
                yield stream
        except (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error) as error:
            raise InputError(
                f"is damaged ({str(error)[:80]})", where=where, remedy="get the bundle again"
            ) from error

    @contextmanager
    def text(self, name: str) -> Iterator[TextIO]:
        """Read a file of UTF-8 text.

        Raises
        ------
        InputError
            As :meth:`binary`, or if it is no UTF-8.
        """
        with self.binary(name) as raw:
            wrapped = io.TextIOWrapper(raw, encoding="utf-8", newline="\n")
            try:
                yield wrapped
            except UnicodeDecodeError as error:
                raise InputError(
                    f"is no UTF-8 (byte {error.start})",
                    where=f"{self.place}: {name}",
                    remedy="get the bundle again",
                ) from error

    def check(self, name: str, sha256: str) -> None:
        """Hash a file.

        Raises
        ------
        InputError
            If it is another file.
        """
        found = hashlib.sha256()
        with self.binary(name) as stream:
            while block := stream.read(_CHUNK):
                found.update(block)
        if found.hexdigest() != sha256:
            raise InputError(
                f"has SHA-256 {found.hexdigest()[:16]}…, not {sha256[:16]}…",
                where=f"{self.place}: {name}",
                remedy="it was changed or damaged: get the bundle again",
            )


class _FolderSource(Source):
    def _open(self, name: str) -> BinaryIO:
        handle = os.open(self.place / name, os.O_RDONLY | os.O_NOFOLLOW)
        return os.fdopen(handle, "rb")


class _ZipSource(Source):
    def __init__(self, place: Path, sizes: dict[str, int], archive: zipfile.ZipFile) -> None:
        super().__init__(place, sizes)
        self._archive = archive

    def _open(self, name: str) -> BinaryIO:
        return self._archive.open(name)  # type: ignore[return-value]


@contextmanager
def open_source(place: Path) -> Iterator[Source]:
    """Open a folder or zip file for reading.

    Raises
    ------
    InputError
        If it is neither, or holds what no bundle does: names that lead elsewhere, links, a name
        twice, secrets, or a content far larger than the file.
    """
    if place.is_dir():
        yield _FolderSource(place, _folder(place))
        return
    if not place.is_file():
        raise InputError("there is no such file or folder", where=str(place))
    try:
        archive = zipfile.ZipFile(place)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise InputError(
            f"is no whole zip file ({str(error)[:80]})",
            where=str(place),
            remedy="get the bundle again; is it a bundle of 'dualion export bundle'?",
        ) from error
    with archive:
        yield _ZipSource(place, _members(place, archive), archive)


def _folder(place: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.is_symlink():
                raise _refused(place, entry.name, "is a link")
            if entry.is_file(follow_symlinks=False):
                sizes[entry.name] = entry.stat(follow_symlinks=False).st_size
    _require_total(place, len(sizes), sum(sizes.values()))
    return sizes


def _members(place: Path, archive: zipfile.ZipFile) -> dict[str, int]:
    sizes: dict[str, int] = {}
    infos = archive.infolist()
    _require_total(place, len(infos), sum(info.file_size for info in infos))
    for info in infos:
        mode = info.external_attr >> 16
        # The name as it stands in the file: zipfile cuts it at a zero and turns backslashes.
        name = info.orig_filename
        if not _NAME.fullmatch(name.removesuffix("/")):
            raise _refused(place, name, "is no name of a file inside a bundle")
        if name.endswith("/"):
            continue
        if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
            raise _refused(place, name, "is a link or a device")
        if info.flag_bits & _ENCRYPTED:
            raise _refused(place, name, "is encrypted")
        if name in sizes:
            raise _refused(place, name, "is there twice")
        if info.file_size > SMALL and info.file_size > MAX_RATIO * max(info.compress_size, 1):
            raise _refused(
                place,
                name,
                f"unfolds from {info.compress_size} to {info.file_size} bytes, as a zip bomb does",
            )
        sizes[name] = info.file_size
    return sizes


def _require_total(place: Path, count: int, total: int) -> None:
    if count > MAX_FILES:
        raise InputError(
            f"holds {count} files", where=str(place), remedy=f"a bundle has at most {MAX_FILES}"
        )
    if total > MAX_TOTAL:
        raise InputError(
            f"unfolds to {total / 2**30:.1f} GiB",
            where=str(place),
            remedy=f"a bundle has at most {MAX_TOTAL // 2**30} GiB: split it",
        )


def _refused(place: Path, name: str, why: str) -> InputError:
    return InputError(
        f"{name[:80]!r} {why}", where=str(place), remedy="do not trust where it is from"
    )
