"""Bands in JSON: the ``NebResult`` of emmet and atomate2, read as plain data.

What a document names (``@module``, ``@class``, ``@callable``) is never looked at.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from dualion.errors import StructureError
from dualion.records import Geometry, Vec3, as_vectors
from dualion.store.foreign.band import (
    ForeignBand,
    Snapshot,
    forces_between,
    plain_geometry,
    require_band,
)
from dualion.store.foreign.text import find, read

if TYPE_CHECKING:
    from pathlib import Path

_STATES = {"successful": True, "success": True, "failed": False, "error": False}


def read_document(file: Path) -> ForeignBand:
    """Read a NebResult.

    Its fields ``images`` (pymatgen structures), ``energies`` in eV, and where they are there
    ``forces`` in eV/Å, ``state`` and ``neb_method`` are read, at the top or under ``output``.

    Raises
    ------
    StructureError
        If these are no band.
    """
    where = str(file)
    found = find(file.parent, file.name)
    if found is None:
        raise StructureError("is no file", where=where)
    try:
        given = json.loads(read(found))
    except (ValueError, RecursionError) as error:
        raise StructureError(
            f"holds no JSON ({str(error)[:100]})", where=where, remedy="give a whole file"
        ) from error
    document = given
    if isinstance(given, dict) and "images" not in given and isinstance(given.get("output"), dict):
        document = given["output"]
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        raise StructureError(
            "holds no 'images'", where=where, remedy="give the JSON of a NebResult of emmet"
        )
    try:
        return _band(document, where)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise StructureError(
            f"is no NebResult ({type(error).__name__}: {str(error)[:100]})",
            where=where,
            remedy="give images, energies and forces as emmet writes them",
        ) from error


def _band(document: dict[str, Any], where: str) -> ForeignBand:
    images = document["images"]
    energies = _row(document, "energies", len(images), where)
    forces = _row(document, "forces", len(images), where)
    snapshots = []
    for index, image in enumerate(images):
        place = f"{where}: images[{index}]"
        row = forces[index]
        snapshots.append(
            Snapshot(
                geometry=_geometry(image, place),
                energy=None if energies[index] is None else float(energies[index]),
                forces=None if row is None else _vectors(row),
                where=place,
            )
        )
    checked, values = require_band(snapshots, where=where)
    between, nudged, along = forces_between(snapshots)
    charges = {float(image.get("charge") or 0.0) for image in images}
    charge = round(charges.pop()) if len(charges) == 1 else None
    return ForeignBand(
        source=where,
        images=checked,
        energies=values,
        forces=between,
        nudged=nudged,
        along=along,
        climbing=_climbing(document),
        converged=_STATES.get(_word(document.get("state"))),
        charge=charge or None,  # pymatgen writes 0 where nobody said anything
    )


def _row(document: dict[str, Any], name: str, count: int, where: str) -> list[Any]:
    """Values of one field, one an image; Nones where it is not there."""
    given = document.get(name)
    if given is None:
        return [None] * count
    if not isinstance(given, list) or len(given) != count:
        size = len(given) if isinstance(given, list) else type(given).__name__
        raise StructureError(
            f"{name} of {size} images, but {count} images",
            where=where,
            remedy=f"give one of {name} for each image, ends included",
        )
    return given


def _geometry(image: dict[str, Any], where: str) -> Geometry:
    if "lattice" not in image:
        raise StructureError("has no lattice (a molecule?)", where=where, remedy="give crystals")
    species = []
    for index, site in enumerate(image["sites"]):
        occupants = site["species"]
        if len(occupants) != 1 or abs(float(occupants[0].get("occu", 1.0)) - 1.0) > 1e-6:
            raise StructureError(
                f"site {index} is occupied in part", where=where, remedy="give ordered images"
            )
        species.append(str(occupants[0]["element"]))
    cell = np.array(image["lattice"]["matrix"], dtype=float)
    xyz = np.array([site["abc"] for site in image["sites"]], dtype=float).reshape(-1, 3) @ cell
    return plain_geometry(cell, species, xyz, where=where)


def _vectors(row: object) -> tuple[Vec3, ...]:
    return as_vectors(np.array(row, dtype=float).reshape(-1, 3))


def _word(value: object) -> str:
    """Text of an enumeration's value, however it was written."""
    given = value.get("value") if isinstance(value, dict) else value
    return str(given).rpartition(".")[2].lower()


def _climbing(document: dict[str, Any]) -> bool | None:
    method = document.get("neb_method") or document.get("method")
    return None if method is None else "climb" in _word(method)
