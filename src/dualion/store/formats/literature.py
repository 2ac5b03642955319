"""Barriers from the literature: a CSV table as records of a level of theory of their own.

Such a record has one or two numbers and no band: no images, no cell, no force. Its engine and
code are ``literature``; functional, method and DOI are part of its level of theory, so its
barriers share a table only with those of the same source and method, and never with computed ones.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from dualion.errors import InputError
from dualion.records import (
    LITERATURE,
    Arrangement,
    EngineStamp,
    Hop,
    HopRecord,
    LevelOfTheory,
    Mechanism,
    Outcome,
    Provenance,
    content_hash,
)
from dualion.structures.catalogue import require_name
from dualion.structures.cations import cation

REQUIRED = ("framework", "ion", "forward_eV", "doi")
OPTIONAL = (
    "reverse_eV",
    "path",
    "host_ion",
    "arrangement",
    "mechanism",
    "formula",
    "prototype",
    "functional",
    "method",
    "length_A",
    "note",
)
MAX_ROWS = 100_000
MAX_BYTES = 64 * 2**20
MAX_TEXT = 500
"""Characters of one cell."""
MAX_BARRIER = 20.0
"""A barrier above this, in eV, is a slip of the unit."""

_DOI = re.compile(r"10\.[0-9]{4,9}/[^\s\"<>]{1,200}")
_CELL = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def read_shipped() -> tuple[HopRecord, ...]:
    """Return the records of the table that comes with dualion.

    From the compilation of Devi et al., doi 10.48550/arXiv.2508.06459; a selection.
    """
    shipped = files("dualion.store.formats") / "data" / "literature_barriers.csv"
    with as_file(shipped) as path:
        return read_literature(path)


def read_literature(path: Path) -> tuple[HopRecord, ...]:
    """Read a table of barriers, one row each.

    Parameters
    ----------
    path
        CSV in UTF-8 with a heading. Columns ``framework``, ``ion``, ``forward_eV`` and ``doi``;
        where wanted ``reverse_eV``, ``path`` (names the hop), ``host_ion``, ``arrangement``,
        ``mechanism``, ``formula``, ``prototype``, ``functional``, ``method``, ``length_A``,
        ``note``.

    Returns
    -------
    tuple of HopRecord
        In the order of the rows. The id hashes what the number is of and where it is from, not
        the number.

    Raises
    ------
    InputError
        If the table cannot be read, or a row makes no sense: nothing of it is taken then.
    """
    where = str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError("is larger than any table of barriers", where=where)
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("is no UTF-8", where=where, remedy="save it as UTF-8") from error
    records: list[HopRecord] = []
    known: dict[str, int] = {}
    for number, row in _rows(text, where):
        record = _record(row, f"{where}: line {number}")
        first = known.setdefault(record.record_id, number)
        if first != number:
            raise InputError(
                f"line {number} is of the same hop and source as line {first}",
                where=where,
                remedy="tell them apart in 'path' or 'method'",
            )
        records.append(record)
    return tuple(records)


def _rows(text: str, where: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        heading = [name.strip() for name in next(reader, [])]
        missing = [name for name in REQUIRED if name not in heading]
        unknown = [name for name in heading if name not in {*REQUIRED, *OPTIONAL}]
        if missing or unknown or len(set(heading)) != len(heading):
            what = (
                f"has no column {', '.join(missing)}"
                if missing
                else f"has an unknown column {unknown[0][:40]!r}"
                if unknown
                else "has a column twice"
            )
            raise InputError(
                what, where=where, remedy=f"columns are {', '.join((*REQUIRED, *OPTIONAL))}"
            )
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            line = reader.line_num
            if line > MAX_ROWS:
                raise InputError(f"more than {MAX_ROWS} rows", where=where, remedy="split it")
            if len(row) != len(heading):
                raise InputError(
                    f"line {line} has {len(row)} cells, the heading {len(heading)}", where=where
                )
            cells = {name: cell.strip() for name, cell in zip(heading, row, strict=True)}
            if not all(cell.isprintable() for cell in cells.values()):
                raise InputError(f"line {line} holds what cannot be printed", where=where)
            if long := [name for name, cell in cells.items() if len(cell) > MAX_TEXT]:
                raise InputError(
                    f"line {line}: {long[0]} is longer than {MAX_TEXT} characters", where=where
                )
            yield line, cells
    except csv.Error as error:
        raise InputError(f"is no CSV ({error})", where=where) from error


def _record(row: dict[str, str], where: str) -> HopRecord:
    framework, ion = row["framework"], row["ion"]
    _checked(require_name, framework, where)
    host = row.get("host_ion") or ion
    for each in (ion, host):
        _checked(cation, each, where)
    doi = row["doi"].removeprefix("https://doi.org/").removeprefix("doi:")
    if not _DOI.fullmatch(doi):
        raise InputError(f"{doi[:60]!r} is no DOI", where=where, remedy="give e.g. 10.1000/xyz")
    forward = _barrier(row["forward_eV"], "forward_eV", where)
    if forward is None:
        raise InputError("no forward_eV", where=where, remedy="leave the row out")
    mechanism = _mechanism(row.get("mechanism", ""), where)
    parameters = [("doi", doi)] + [
        (name, row[name]) for name in ("functional", "method") if row.get(name)
    ]
    theory = LevelOfTheory(
        stamp=EngineStamp(
            engine=LITERATURE, code=LITERATURE, version="", parameters=tuple(parameters)
        ),
        supercell=_CELL,
        algorithm=LITERATURE,
    )
    path = row.get("path") or "path"
    label = row.get("arrangement") or "pure"
    parent = content_hash([LITERATURE, framework])
    identity = [LITERATURE, framework, ion, host, label, mechanism.value, path, theory.fingerprint]
    length = _length(row.get("length_A", ""), where)
    return HopRecord(
        record_id=content_hash(identity, length=24),
        framework=framework,
        prototype=row.get("prototype", ""),
        formula=row.get("formula") or framework,
        host_ion=host,
        moving_ion=ion,
        arrangement=Arrangement(label=label, fraction=0.0),
        hop=Hop(
            class_id=path,
            member=0,
            mechanism=mechanism,
            orbits=("?", "?"),
            length=length,
            multiplicity=0,
            self_mirror=False,
            initial_position=(0.0, 0.0, 0.0),
            vector=(length, 0.0, 0.0),
        ),
        theory=theory,
        outcome=Outcome.CONVERGED,
        forward=forward,
        reverse=_barrier(row.get("reverse_eV", ""), "reverse_eV", where),
        note="; ".join(part for part in (row.get("note", ""), f"doi {doi}") if part),
        min_image_distance=0.0,
        provenance=Provenance(
            dualion=LITERATURE,  # no dualion computed it: the same wherever the table is read
            campaign=LITERATURE,
            framework_fingerprint=parent,
            settings_fingerprint=theory.fingerprint,
            created=_EPOCH,
        ),
    )


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).isoformat(timespec="seconds")
"""When such a record was made: the same wherever the table is read, so that stores stay equal."""


def _checked(check: Any, value: str, where: str) -> None:  # noqa: ANN401 - a function of one text
    try:
        check(value)
    except InputError as error:
        raise InputError(error.what, where=where, remedy=error.remedy) from error


def _barrier(text: str, name: str, where: str) -> float | None:
    if not text:
        return None
    value = _float(text, name, where)
    if not 0.0 <= value <= MAX_BARRIER:
        raise InputError(
            f"{name} is {text[:40]}", where=where, remedy=f"give eV, from 0 to {MAX_BARRIER:.0f}"
        )
    return value


def _length(text: str, where: str) -> float:
    if not text:
        return 0.0
    value = _float(text, "length_A", where)
    if not 0.0 <= value <= 100.0:
        raise InputError(f"length_A is {text[:40]}", where=where, remedy="give Å, up to 100")
    return value


def _float(text: str, name: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{name} is {text[:40]!r}, no number", where=where, remedy="give a number")
    return value


def _mechanism(text: str, where: str) -> Mechanism:
    try:
        return Mechanism(text or "vacancy")
    except ValueError:
        raise InputError(
            f"mechanism {text[:40]!r}", where=where, remedy="give vacancy or interstitial"
        ) from None
