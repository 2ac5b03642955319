"""``dualion export``: records of a store as a file for other programs."""

from __future__ import annotations

import csv
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dualion.cli.listing import counted
from dualion.cli.selection import (
    FIELDS,
    CationOption,
    FingerprintOption,
    FrameworkOption,
    LimitOption,
    MaxOption,
    MechanismOption,
    MinOption,
    OutcomeOption,
    PairOption,
    StoreOption,
    flat,
    reading,
    select,
)
from dualion.cli.whole import whole_file
from dualion.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from ase import Atoms

    from dualion.records import HopRecord


class Format(StrEnum):
    """What can be written."""

    CSV = "csv"
    EXTXYZ = "extxyz"


def export(
    kind: Annotated[
        Format, typer.Argument(metavar="FORMAT", help="csv: one row a record; extxyz: all images.")
    ],
    file: Annotated[Path, typer.Argument(help="Where to write.")],
    *,
    store: StoreOption = None,
    framework: FrameworkOption = None,
    cation: CationOption = None,
    pair: PairOption = None,
    min_barrier: MinOption = None,
    max_barrier: MaxOption = None,
    mechanism: MechanismOption = None,
    outcome: OutcomeOption = None,
    fingerprint: FingerprintOption = None,
    limit: LimitOption = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write the records of a store into a file, as a table or as geometries."""
    if file.exists() and not force:
        raise InputError("exists already", where=str(file), remedy="name another file, or --force")
    wanted = select(
        framework=framework,
        cation=cation,
        pair=pair,
        min_barrier=min_barrier,
        max_barrier=max_barrier,
        mechanism=mechanism,
        outcome=outcome,
        fingerprint=fingerprint,
        limit=limit,
    )
    with reading(store) as opened:
        if not opened.count(wanted):
            raise InputError(
                "no record passes the filter",
                where="export",
                remedy="nothing was written; look with 'dualion query'",
            )
        records = opened.query(wanted, images=kind is Format.EXTXYZ)
        with whole_file(file) as target:
            if kind is Format.CSV:
                told = counted(write_csv(target, records), "record")
            else:
                told = counted(write_extxyz(target, records), "image")
    typer.echo(f"{told} in {file}")


def write_csv(stream: TextIO, records: Iterable[HopRecord]) -> int:
    """Write one row for each record and return their number."""
    writer = csv.DictWriter(stream, list(FIELDS), lineterminator="\n")
    writer.writeheader()
    count = 0
    for record in records:
        writer.writerow(flat(record))
        count += 1
    return count


def write_extxyz(stream: TextIO, records: Iterable[HopRecord]) -> int:
    """Write all images of all bands, in order, and return their number.

    Energies are above the initial state of each band, in eV, under the key ``relative_energy``:
    they are no total energies, so nobody should fit them as such.
    """
    from ase.io.extxyz import write_extxyz as write

    count = 0
    for record in records:
        frames = list(band_frames(record))
        if frames:
            write(stream, frames)
        count += len(frames)
    return count


def band_frames(record: HopRecord) -> Iterator[Atoms]:
    """Images of one record as ASE atoms that say in ``info`` what they are."""
    if record.images is None:
        return
    about: dict[str, Any] = {
        "record_id": _word(record.record_id),
        "framework": _word(record.framework),
        "host_ion": record.host_ion,
        "moving_ion": record.moving_ion,
        "arrangement": record.arrangement.label,
        "hop": record.hop.label,
        "outcome": record.outcome.value,
        "fingerprint": _word(record.theory.fingerprint),
    }
    if record.mover is not None:
        about["mover"] = record.mover
    for image, atoms in enumerate(record.images.atoms()):
        atoms.info = {**about, "image": image}
        if image < len(record.energies):
            atoms.info["relative_energy"] = record.energies[image]
        yield atoms


def _word(text: str) -> str:
    """Keep text as text: readers of extended XYZ take a hash like '12e4' for a number."""
    try:
        float(text)
    except ValueError:
        return text
    return f"_JSON {json.dumps(text)}"
