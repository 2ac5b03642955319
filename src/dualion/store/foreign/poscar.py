"""A geometry in VASP's POSCAR format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from dualion.errors import StructureError
from dualion.records import Geometry, Record
from dualion.store.foreign.band import MAX_ATOMS, plain_geometry
from dualion.store.foreign.text import lines

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class Poscar(Record):
    """What a POSCAR or CONTCAR holds."""

    geometry: Geometry
    fixed: tuple[int, ...] = ()
    """Atoms with any direction held fixed by selective dynamics."""


def read_poscar(file: Path) -> Poscar:
    """Read a POSCAR or CONTCAR with a line of symbols (VASP 5 and newer).

    Raises
    ------
    StructureError
        If it is cut short, has no line of symbols, or holds what is no number.
    """
    where = str(file)
    rows: list[str] = []
    for line in lines(file):
        rows.append(line.rstrip("\n"))
        if len(rows) > 9 + MAX_ATOMS:
            break
    try:
        return _parse(rows, where)
    except (ValueError, IndexError, OverflowError) as error:
        raise StructureError(
            f"is no POSCAR, or cut short ({error})",
            where=where,
            remedy="give a whole CONTCAR or POSCAR",
        ) from error


def _parse(rows: list[str], where: str) -> Poscar:
    scales = [float(word) for word in rows[1].split()[:3]]
    cell = np.array([[float(word) for word in row.split()[:3]] for row in rows[2:5]])
    scale = _scale(scales, cell)
    # VASP 6 writes "Li_sv/1a2b3c", what stands before is the element.
    symbols = [re.split(r"[_/.]", word)[0] for word in rows[5].split()]
    if not symbols or not symbols[0][:1].isalpha():
        raise StructureError(
            f"line 6 names no elements ({rows[5].strip()!r})",
            where=where,
            remedy="write their symbols above the numbers of atoms, as VASP 5 does",
        )
    counts = [int(word) for word in rows[6].split()[: len(symbols)]]
    if len(counts) != len(symbols) or min(counts) < 0 or sum(counts) > MAX_ATOMS:
        raise StructureError(
            f"{len(symbols)} elements, but numbers of atoms {rows[6].strip()!r}",
            where=where,
            remedy=f"give one number for each element, {MAX_ATOMS} atoms at most",
        )
    species = [s for s, count in zip(symbols, counts, strict=True) for _ in range(count)]
    at = 7
    selective = rows[at].strip().lower().startswith("s")
    at += int(selective)
    cartesian = rows[at].strip().lower()[:1] in {"c", "k"}
    table = [row.split() for row in rows[at + 1 : at + 1 + len(species)]]
    xyz = np.array([[float(word) for word in row[:3]] for row in table]).reshape(-1, 3)
    fixed: tuple[int, ...] = ()
    if selective:
        fixed = tuple(
            k for k, row in enumerate(table) if any(w.upper().startswith("F") for w in row[3:6])
        )
    cell = cell * scale
    xyz = xyz * scale if cartesian else xyz @ cell
    return Poscar(geometry=plain_geometry(cell, species, xyz, where=where), fixed=fixed)


def _scale(scales: list[float], cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Factor of each Cartesian axis; a negative number stands for the volume."""
    if len(scales) == 3:
        return np.array(scales)
    scale = scales[0]
    if scale < 0.0:
        volume = abs(float(np.linalg.det(cell)))
        if not volume > 0.0:
            message = "a cell without volume"
            raise ValueError(message)
        scale = (-scale / volume) ** (1.0 / 3.0)
    return np.full(3, scale)
