"""A database as one thing to publish or to carry to another machine.

A bundle is a folder or zip file: the table, all records in full with those they superseded, their
images, and what they are (:mod:`~dualion.store.formats.croissant`). The same records give the same
bytes, whatever store they are in and in whatever order they came there.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import dualion
from dualion.errors import InputError
from dualion.records import HopRecord, LevelOfTheory
from dualion.store.base import BarrierStore
from dualion.store.formats.archive import FolderTarget, Target, ZipTarget
from dualion.store.formats.croissant import About, Contents, citation, croissant, readme
from dualion.store.formats.csvtable import write_csv
from dualion.store.formats.extxyz import frames
from dualion.store.formats.parquet import write_parquet
from dualion.store.history import canonical, history_of
from dualion.whole import whole_binary, whole_folder

FORMAT = "dualion-bundle"
VERSION = 1
MANIFEST = "manifest.json"
RECORDS = "records.jsonl"
IMAGES = "images.extxyz"

NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""How numbers that JSON has no word for are written; only in the fields below."""
MAY_BE_NOT_FINITE = frozenset({"value", "limit", "energies", "coordinates", "tangent_forces"})
"""Fields of records in which a band that failed may hold NaN."""

Table = Literal["csv", "parquet"]


def write_bundle(
    path: Path,
    store: BarrierStore,
    ids: Sequence[str],
    *,
    about: About | None = None,
    table: Table = "csv",
) -> Contents:
    """Write a bundle: a zip file if its name ends so, else a folder.

    Parameters
    ----------
    path
        Does not exist, or is a file that is replaced; appears whole or not at all.
    store
        Where the records are.
    ids
        Which records, in any order.
    about
        Who publishes it.
    table
        Kind of the table.

    Raises
    ------
    InputError
        If the folder exists, or ``parquet`` is asked for and pyarrow is missing.
    OSError
        If it cannot be written.
    """
    about = about or About()
    with _target(path) as target:
        return _write(target, store, sorted(set(ids)), about, table)


@contextmanager
def _target(path: Path) -> Iterator[Target]:
    if path.suffix == ".zip":
        with whole_binary(path) as raw, zipfile.ZipFile(raw, "w") as archive:
            yield ZipTarget(archive)
    else:
        with whole_folder(path) as folder:
            yield FolderTarget(folder)


def _write(
    target: Target, store: BarrierStore, ids: Sequence[str], about: About, table: Table
) -> Contents:
    levels: Counter[str] = Counter()
    theories: dict[str, LevelOfTheory] = {}
    frameworks: set[str] = set()
    newest, superseded = "", 0
    with target.text(RECORDS) as stream:
        for history in _histories(store, ids):
            for record in history:
                stream.write(record_line(record, stands=record is history[-1]))
            stands = history[-1]
            levels[stands.theory.fingerprint] += 1
            theories[stands.theory.fingerprint] = stands.theory
            frameworks.add(stands.framework)
            newest = max(newest, stands.provenance.created)
            superseded += len(history) - 1
    with target.text(IMAGES) as stream:
        for history in _histories(store, ids):
            for record in history:
                stream.writelines(frames(record))
    name = f"barriers.{table}"
    standing = (each for record_id in ids if (each := store.get(record_id, images=False)))
    if table == "parquet":
        with target.binary(name) as raw:
            write_parquet(raw, standing)
    else:
        with target.text(name) as stream:
            write_csv(stream, standing)
    contents = Contents(
        table=name,
        files=tuple((each, *target.written[each]) for each in (name, RECORDS, IMAGES)),
        records=sum(levels.values()),
        superseded=superseded,
        levels=tuple((each, _described(theories[each]), n) for each, n in sorted(levels.items())),
        frameworks=tuple(sorted(frameworks)),
        newest=newest,
    )
    for name, text in (
        ("croissant.json", croissant(about, contents)),
        ("CITATION.cff", citation(about, contents)),
        ("README.md", readme(about, contents)),
        (MANIFEST, ""),
    ):
        with target.text(name) as stream:
            stream.write(text or _manifest(target, about, contents))
    return contents


def _histories(store: BarrierStore, ids: Sequence[str]) -> Iterator[tuple[HopRecord, ...]]:
    for record_id in ids:
        history = history_of(store, record_id)
        if history:  # else it is gone since
            yield canonical(history)


def _described(theory: LevelOfTheory) -> str:
    stamp = theory.stamp
    settings = ", ".join(f"{name} {value}" for name, value in stamp.parameters)
    cell = " ".join(",".join(str(x) for x in row) for row in theory.supercell)
    return (
        f"{stamp.engine} ({stamp.code_text}{'; ' if settings else ''}{settings}), "
        f"{theory.charge_text}, supercell {cell}, algorithm {theory.algorithm}"
    )


def record_line(record: HopRecord, *, stands: bool) -> str:
    """One line of the file of records: the record without its images, and how many these are.

    Raises
    ------
    InputError
        If a number is not finite but in the fields :data:`MAY_BE_NOT_FINITE`.
    """
    body = {
        name: _finite(value) if name in {"findings", *MAY_BE_NOT_FINITE} else value
        for name, value in record.model_dump(mode="json", exclude={"images"}).items()
    }
    line = {
        "stands": stands,
        "images": None if record.images is None else len(record.images),
        "record": body,
    }
    try:
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise InputError(
            f"record '{record.record_id}' holds NaN or infinity where every band has a number",
            where="export bundle",
            remedy="leave it out, e.g. with --outcome",
        ) from error
    return text + "\n"


def _finite(value: Any) -> Any:  # noqa: ANN401 - plain data
    if isinstance(value, float) and not math.isfinite(value):
        return next(
            name
            for name, other in NOT_FINITE.items()
            if value == other or (math.isnan(value) and math.isnan(other))
        )
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return value


def _manifest(target: Target, about: About, contents: Contents) -> str:
    document = {
        "format": FORMAT,
        "version": VERSION,
        "dualion": dualion.__version__,
        "name": about.name,
        "license": about.licence,
        "records": contents.records,
        "superseded": contents.superseded,
        "levels_of_theory": [
            {"fingerprint": each, "description": what, "records": n}
            for each, what, n in contents.levels
        ],
        "files": {
            name: {"sha256": sha256, "bytes": size}
            for name, (sha256, size) in sorted(target.written.items())
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
