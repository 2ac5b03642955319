"""Taking a bundle into a store: looked at as data, checked against its checksums, merged."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TextIO

from pydantic import Field

from dualion.errors import InputError, RecordError
from dualion.records import HopRecord, Record
from dualion.store.base import BarrierStore
from dualion.store.formats.archive import Source, open_source
from dualion.store.formats.bundle import (
    FORMAT,
    IMAGES,
    MANIFEST,
    MAY_BE_NOT_FINITE,
    NOT_FINITE,
    RECORDS,
    VERSION,
)
from dualion.store.formats.extxyz import read_images
from dualion.store.formats.strictjson import parse_json
from dualion.store.history import Merged, merge_history
from dualion.store.packing import MAX_BYTES
from dualion.store.plain import plain_record

_MANIFEST_BYTES = 16 * 2**20
_REVISIONS = 1_000


class Imported(Record):
    """What became of the records of a bundle."""

    added: int = Field(0, description="Were not in the store.")
    extended: int = Field(0, description="Were there with other answers; see the revisions.")
    present: int = Field(0, description="Were there with all their answers.")

    @property
    def total(self) -> int:
        """All records of the bundle."""
        return self.added + self.extended + self.present

    def plus(self, other: Imported) -> Imported:
        """Sum of two imports."""
        return Imported(
            added=self.added + other.added,
            extended=self.extended + other.extended,
            present=self.present + other.present,
        )


def import_records(records: Iterable[HopRecord], store: BarrierStore) -> Imported:
    """Merge single records into a store.

    Raises
    ------
    StoreError
        If the store cannot be written; into an SQLite store none is taken then.
    """
    counts: Counter[Merged] = Counter()
    with _whole(store):
        for record in records:
            counts[merge_history(store, [record])] += 1
    return _imported(counts)


def _whole(store: BarrierStore) -> AbstractContextManager[None]:
    """All or nothing, where the store reads its own writes inside a block."""
    return store.transaction() if store.backend == "SQLite" else nullcontext()


def _imported(counts: Counter[Merged]) -> Imported:
    return Imported(
        added=counts[Merged.ADDED],
        extended=counts[Merged.EXTENDED],
        present=counts[Merged.PRESENT],
    )


def import_bundle(
    path: Path, store: BarrierStore, *, tell: Callable[[int], None] | None = None
) -> Imported:
    """Merge the records of a bundle into a store.

    All checksums are looked at before the first record is. Into an SQLite store all records are
    taken or none; into MongoDB each as a whole, and the same again completes it.

    Parameters
    ----------
    path
        Folder or zip file.
    store
        Open for writing.
    tell
        Called with the number of records done.

    Raises
    ------
    InputError
        If this is no bundle, is damaged, or holds what no bundle does.
    StoreError
        If the store cannot be written.
    """
    counts: Counter[Merged] = Counter()
    with open_source(path) as source:
        _check(source)
        with _whole(store):
            for done, history in enumerate(_histories(source), 1):
                counts[merge_history(store, history)] += 1
                if tell is not None:
                    tell(done)
    return _imported(counts)


def _check(source: Source) -> None:
    """Look at the manifest, and at every file by its checksum."""
    where = f"{source.place}: {MANIFEST}"
    if MANIFEST not in source.sizes:
        raise InputError(
            f"holds no {MANIFEST}",
            where=str(source.place),
            remedy="give a bundle of 'dualion export bundle'",
        )
    with source.binary(MANIFEST) as stream:
        text = stream.read(_MANIFEST_BYTES + 1)
    if len(text) > _MANIFEST_BYTES:
        raise InputError("is larger than any manifest", where=where)
    manifest = parse_json(text, where=where)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"is no manifest of a {FORMAT}", where=where)
    if manifest.get("version") != VERSION:
        raise InputError(
            f"version {str(manifest.get('version'))[:20]}, this dualion knows {VERSION}",
            where=where,
            remedy="upgrade dualion",
        )
    files = manifest.get("files")
    if not isinstance(files, dict) or not {RECORDS, IMAGES} <= set(files):
        raise InputError(f"does not list {RECORDS} and {IMAGES}", where=where)
    for extra in sorted(set(source.sizes) - set(files) - {MANIFEST}):
        raise InputError(
            "is not listed in the manifest",
            where=f"{source.place}: {extra[:80]}",
            remedy="it was put in afterwards: remove it, or get the bundle again",
        )
    for name, facts in files.items():
        sha256 = facts.get("sha256") if isinstance(facts, dict) else None
        if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise InputError(f"lists no SHA-256 of {name[:80]!r}", where=where)
        source.check(name, sha256)


def _histories(source: Source) -> Iterator[tuple[HopRecord, ...]]:
    """Read the histories of a bundle, one at a time."""
    seen: set[str] = set()
    waiting: list[HopRecord] = []
    with source.text(RECORDS) as records, source.text(IMAGES) as images:
        for number, line in enumerate(_lines(records, f"{source.place}: {RECORDS}"), 1):
            where = f"{source.place}: {RECORDS} line {number}"
            record, stands = _record(line, images, where)
            if waiting and waiting[0].record_id != record.record_id:
                raise InputError("the record before it has no end", where=where)
            if record.record_id in seen:
                raise InputError(f"record '{record.record_id[:40]}' is there twice", where=where)
            waiting.append(record)
            if len(waiting) > _REVISIONS:
                raise InputError(f"more than {_REVISIONS} revisions of a record", where=where)
            if stands:
                seen.add(record.record_id)
                yield tuple(waiting)
                waiting = []
        if waiting:
            raise InputError("ends within a record", where=f"{source.place}: {RECORDS}")
        if images.read(1):
            raise InputError(
                "holds more images than the records", where=f"{source.place}: {IMAGES}"
            )


def _lines(stream: TextIO, where: str) -> Iterator[str]:
    while line := stream.readline(MAX_BYTES):
        if not line.endswith("\n"):
            raise InputError("a line is cut short, or longer than any record", where=where)
        yield line


def _record(line: str, images: TextIO, where: str) -> tuple[HopRecord, bool]:
    given = parse_json(line, where=where)
    if (
        not isinstance(given, dict)
        or set(given) != {"stands", "images", "record"}
        or not isinstance(given["stands"], bool)
        or not isinstance(given["record"], dict)
        or "images" in given["record"]
    ):
        raise InputError("is no record of a bundle", where=where)
    body = {
        name: _numbers(value) if name in {"findings", *MAY_BE_NOT_FINITE} else value
        for name, value in given["record"].items()
    }
    try:
        record = plain_record(body, where=where)
    except RecordError as error:
        raise InputError(error.what, where=where, remedy=error.remedy) from error
    count = given["images"]
    if count is None:
        return record, given["stands"]
    if not isinstance(count, int) or isinstance(count, bool):
        raise InputError("the number of images is no number", where=where)
    band = read_images(images, count, where=f"{where}, {IMAGES}")
    if record.outcome.is_barrier and not band.is_finite:
        raise InputError("a barrier with a position that is no number", where=where)
    return record.model_copy(update={"images": band}), given["stands"]


def _numbers(value: Any, name: str = "energies") -> Any:  # noqa: ANN401 - plain data
    """Turn the words for what is no finite number back, where they may stand."""
    if isinstance(value, str) and name in MAY_BE_NOT_FINITE:
        return NOT_FINITE.get(value, value)
    if isinstance(value, list):
        return [_numbers(each, name) for each in value]
    if isinstance(value, dict):
        return {key: _numbers(each, key) for key, each in value.items()}
    return value
