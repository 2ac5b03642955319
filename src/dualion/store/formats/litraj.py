"""Bands as a folder after the convention of LiTraj's nebDFT2k (github.com/AIRI-Institute/LiTraj).

``NAME/NAME_index.csv`` has one row a band, ``edge_id`` names its files: ``EDGE_relaxed.xyz`` (the
band), ``EDGE_init.xyz`` (a start for a band: the straight line between the relaxed ends, since a
record does not keep the path its band began from), and ``NAME_centroids.xyz`` holds the initial
images with ``X`` half-way between both places of the moving ion. ``NAME`` is that of the folder, so
``litraj.data.load_data('nebDFT2k', 'out')`` reads ``out/nebDFT2k``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dualion.errors import InputError
from dualion.records import HopRecord, Images
from dualion.store.formats.csvtable import safe_text
from dualion.store.formats.extxyz import frame_text, frames
from dualion.store.spool import file_stem

INDEX = (
    "material_id",
    "edge_id",
    "chemsys",
    "em",
    "forward",
    "reverse",
    "energy_difference",
    "moving_ion",
    "host_ion",
    "arrangement",
    "hop_class",
    "hop_length",
    "n_images",
    "mover",
    "outcome",
    "engine",
    "fingerprint",
    "record_id",
    "_split",
)


def write_litraj(folder: Path, records: Iterable[HopRecord]) -> int:
    """Write the folder and return the number of bands.

    Parameters
    ----------
    folder
        Exists and is empty; its name is that of the data set.
    records
        Of one level of theory. Those without images or without a barrier are left out.

    Raises
    ------
    InputError
        If the records are of several levels of theory: the convention has no place to tell them
        apart.
    """
    name, theory, count = folder.name, "", 0
    with (
        (folder / f"{name}_index.csv").open("w", encoding="utf-8", newline="") as table,
        (folder / f"{name}_centroids.xyz").open("w", encoding="utf-8") as centroids,
    ):
        index = csv.DictWriter(table, INDEX, lineterminator="\n")
        index.writeheader()
        for record in records:
            if record.images is None or not record.outcome.is_barrier:
                continue
            theory = theory or record.theory.fingerprint
            if record.theory.fingerprint != theory:
                raise InputError(
                    f"levels of theory {theory} and {record.theory.fingerprint}",
                    where="export litraj",
                    remedy="choose one with --fingerprint",
                )
            row = _row(record, record.images)
            index.writerow({key: safe_text(value) for key, value in row.items()})
            edge = str(row["edge_id"])
            (folder / f"{edge}_relaxed.xyz").write_text("".join(frames(record)), encoding="utf-8")
            start = _straight(record.images)
            (folder / f"{edge}_init.xyz").write_text(
                "".join(
                    frame_text(start, k, {"edge_id": edge, "image": k}) for k in range(len(start))
                ),
                encoding="utf-8",
            )
            centroids.write(_centroid(record, record.images, row))
            count += 1
    return count


def _row(record: HopRecord, images: Images) -> dict[str, str | int | float | None]:
    material = re.sub(r"[^A-Za-z0-9.-]+", "-", record.framework)[:60].strip("-.") or "framework"
    edge = f"{material}_{record.moving_ion}_{file_stem(record.record_id)}"
    return {
        "material_id": record.framework,
        "edge_id": edge,
        "chemsys": "-".join(sorted(set(images.species))),
        # As the compilation has it: one number a band, over all its images.
        "em": max(record.energies) - min(record.energies) if record.energies else None,
        "forward": record.forward,
        "reverse": record.reverse,
        "energy_difference": record.energy_difference,
        "moving_ion": record.moving_ion,
        "host_ion": record.host_ion,
        "arrangement": record.arrangement.label,
        "hop_class": record.hop.class_id,
        "hop_length": record.hop.length,
        "n_images": len(images),
        "mover": record.mover,
        "outcome": record.outcome.value,
        "engine": record.theory.stamp.engine,
        "fingerprint": record.theory.fingerprint,
        "record_id": record.record_id,
        "_split": "test",  # nothing here was made to train on
    }


def _straight(images: Images) -> Images:
    xyz = images.xyz
    steps = np.linspace(0.0, 1.0, len(images))[:, None, None]
    return Images.from_array(images.lattice, images.species, xyz[0] + steps * (xyz[-1] - xyz[0]))


def _centroid(record: HopRecord, images: Images, row: dict[str, str | int | float | None]) -> str:
    mover = len(images.species) - 1 if record.mover is None else record.mover
    xyz = images.xyz
    middle = (xyz[0, mover] + xyz[-1, mover]) / 2.0
    marked = Images.from_array(
        images.lattice, (*images.species, "X"), np.concatenate([xyz[0], middle[None]])[None]
    )
    keys: dict[str, str | int | float] = {
        "edge_id": str(row["edge_id"]),
        "material_id": record.framework,
    }
    if isinstance(row["em"], float):
        keys["em"] = row["em"]
    return frame_text(marked, 0, keys)
