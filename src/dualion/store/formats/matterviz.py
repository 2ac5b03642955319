"""Bands as MatterViz's reaction-path JSON, format ``matterviz-reaction-path`` version 1.

As read by ``src/lib/neb/parse.ts`` of MatterViz 0.7.0: a record ``paths`` of named paths, each with
``images``; an image has a finite ``energy`` and a ``structure`` in pymatgen's shape.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

import numpy as np

from dualion.records import HopRecord

FORMAT = "matterviz-reaction-path"
VERSION = 1


def write_matterviz(stream: TextIO, records: Iterable[HopRecord]) -> int:
    """Write one path for each band and return their number.

    Energies are above the initial state, in eV. Records without images, or with a number that is
    none, are left out: MatterViz reads none of the file then.
    """
    stream.write(f'{{"format":"{FORMAT}","version":{VERSION},"energy_unit":"eV","paths":{{')
    count = 0
    for record in records:
        images = list(_images(record))
        if len(images) < 2:
            continue
        path = {"label": _label(record), "images": images}
        stream.write(f"{',' if count else ''}{json.dumps(f'{_label(record)} {record.record_id}')}:")
        stream.write(json.dumps(path, separators=(",", ":"), allow_nan=False))
        count += 1
    stream.write("}}\n")
    return count


def _label(record: HopRecord) -> str:
    return (
        f"{record.framework} {record.moving_ion} {record.hop.label} {record.arrangement.label} "
        f"[{record.theory.stamp.engine} {record.theory.fingerprint}]"
    )


def _images(record: HopRecord) -> Iterator[dict[str, Any]]:
    images = record.images
    if images is None or len(record.energies) != len(images):
        return
    if not all(math.isfinite(energy) for energy in record.energies):
        return
    if not images.is_finite:
        return
    if np.linalg.det(images.cell) == 0.0:
        return
    inverse = np.linalg.inv(images.cell)
    last = len(images) - 1
    for k, (xyz, energy) in enumerate(zip(images.xyz, record.energies, strict=True)):
        sites = [
            {
                "species": [{"element": symbol, "occu": 1}],
                "abc": abc,
                "xyz": at,
                "label": symbol,
            }
            for symbol, abc, at in zip(
                images.species, (xyz @ inverse).tolist(), xyz.tolist(), strict=True
            )
        ]
        structure = {
            "lattice": {"matrix": images.cell.tolist(), "pbc": [True, True, True]},
            "sites": sites,
        }
        label = {0: "initial", last: "final"}.get(k, f"image {k}")
        yield {"energy": energy, "label": label, "structure": structure}
