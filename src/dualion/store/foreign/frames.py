"""Bands in ASE trajectories and extended XYZ: several frames of one file are one path.

A ``.traj`` file is read through ASE's plain container (arrays and JSON); the old pickled format is
refused. Constraints are read as data.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from dualion.errors import InputError, StructureError
from dualion.records import as_vectors
from dualion.store.foreign.band import (
    ForeignBand,
    Snapshot,
    forces_between,
    plain_geometry,
    require_band,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms

ENERGY_KEYS = ("energy", "total_energy", "REF_energy", "ref_energy", "dft_energy", "Energy")
"""Names under which files keep the energy of a frame, in eV."""
FORCE_KEYS = ("forces", "REF_forces", "ref_forces", "dft_forces", "force")
"""Names under which files keep the forces of a frame, in eV/Å."""
MAX_FRAMES = 100_000


def read_frames(
    file: Path, *, images: int | None = None, ends: tuple[Path, Path] | None = None
) -> ForeignBand:
    """Read the last band of a trajectory or extended XYZ file.

    Parameters
    ----------
    file
        ``.traj``, or anything else as extended XYZ.
    images
        Frames of one band, both ends included; None: as often as the first frame comes again.
    ends
        Files whose last frames give the energies of the two ends, where the band lacks them.

    Raises
    ------
    StructureError
        If the file cannot be read, or its frames are no band.
    InputError
        If `images` does not fit the number of frames.
    """
    frames = _snapshots(file)
    count = images if images is not None else band_length(frames)
    if images is not None and (images < 3 or len(frames) % images):
        raise InputError(
            f"{len(frames)} frames are no whole number of bands of {images} images",
            where=str(file),
            remedy="give --images with both ends counted, or leave it out",
        )
    band = list(frames[-count:])
    for index, other in zip((0, -1), ends or (), strict=False):
        if band[index].energy is None:
            band[index] = _energy_from(band[index], _snapshots(other)[-1])
    checked, energies = require_band(band, where=str(file))
    forces, nudged, along = forces_between(band)
    notes = [] if count == len(frames) else [f"the last {count} of {len(frames)} frames"]
    return ForeignBand(
        source=str(file),
        images=checked,
        energies=energies,
        forces=forces,
        nudged=nudged,
        along=along,
        steps=len(frames) // count - 1,
        notes=tuple(notes),
    )


def band_length(frames: Sequence[Snapshot]) -> int:
    """How many frames make one band: the initial state, which never moves, begins each.

    All frames are one band where the first does not come again at even distances.
    """
    first = frames[0].geometry
    again = [
        k
        for k, frame in enumerate(frames)
        if frame.geometry.species == first.species
        and np.abs(frame.geometry.xyz - first.xyz).max(initial=0.0) < 1e-6
    ]
    gaps = {b - a for a, b in pairwise([*again, len(frames)])}
    return gaps.pop() if len(gaps) == 1 else len(frames)


def _energy_from(end: Snapshot, other: Snapshot) -> Snapshot:
    """Take the energy of an end from its relaxation, if that is of the same geometry."""
    mine, theirs = end.geometry, other.geometry
    same = (
        mine.species == theirs.species
        and np.abs(mine.cell - theirs.cell).max() < 1e-3
        and np.abs(mine.xyz - theirs.xyz).max() < 0.1
    )
    if not same:
        raise StructureError(
            f"its last frame is not the end of the band in {end.where}",
            where=other.where,
            remedy="give the relaxation of this very end",
        )
    return end.model_copy(update={"energy": other.energy})


def _snapshots(file: Path) -> tuple[Snapshot, ...]:
    if not file.is_file():
        raise StructureError("is no file", where=str(file))
    try:
        found = _trajectory(file) if file.suffix == ".traj" else _extended_xyz(file)
    except StructureError:
        raise
    # ASE's readers fail in all of these ways on a damaged file.
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        OSError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        why = " ".join(str(error).split())[:120] or type(error).__name__
        kind = "an ASE trajectory" if file.suffix == ".traj" else "extended XYZ"
        raise StructureError(
            f"cannot be read as {kind} ({why})", where=str(file), remedy="give a whole file"
        ) from error
    if not found:
        raise StructureError("holds no frames", where=str(file))
    return found


def _trajectory(file: Path) -> tuple[Snapshot, ...]:
    from ase.io import ulm

    found = []
    with ulm.open(str(file), "r") as reader:
        if reader.get_tag() != "ASE-Trajectory" or len(reader) > MAX_FRAMES:
            message = f"tag {reader.get_tag()!r}, {len(reader)} frames"
            raise ValueError(message)
        for index in range(len(reader)):
            item = reader[index]
            where = f"{file}: frame {index}"
            head = item if "numbers" in item else reader
            calculator = item.calculator if "calculator" in item else {}
            results = {name: calculator.get(name) for name in ("energy", "forces")}
            fixed = _fixed(head.get("constraints", "[]"))
            found.append(_snapshot(head.numbers, item.cell, item.positions, results, fixed, where))
    return tuple(found)


def _fixed(constraints: object) -> tuple[int, ...]:
    """Atoms that a trajectory's constraints hold wholly fixed."""
    given = json.loads(constraints) if isinstance(constraints, str) else constraints
    rows: list[int] = []
    for one in given if isinstance(given, list) else []:
        if isinstance(one, dict) and one.get("name") == "FixAtoms":
            rows += [int(k) for k in one["kwargs"]["indices"]]
    return tuple(rows)


def _extended_xyz(file: Path) -> tuple[Snapshot, ...]:
    from ase.io.extxyz import read_extxyz

    found = []
    with file.open(encoding="utf-8") as stream:
        for index, atoms in enumerate(read_extxyz(stream, slice(None))):
            where = f"{file}: frame {index}"
            if {"record_id", "relative_energy"} <= set(atoms.info):
                raise StructureError(
                    "is an export of a barrier store",
                    where=str(file),
                    remedy="copy stores with 'dualion store migrate'",
                )
            if index >= MAX_FRAMES:
                message = f"more than {MAX_FRAMES} frames"
                raise ValueError(message)
            fixed = tuple(int(k) for c in atoms.constraints for k in getattr(c, "index", ()))
            found.append(
                _snapshot(
                    atoms.numbers, atoms.cell.array, atoms.positions, _results(atoms), fixed, where
                )
            )
    return tuple(found)


def _results(atoms: Atoms) -> dict[str, Any]:
    known: dict[str, Any] = dict(atoms.calc.results) if atoms.calc is not None else {}
    energies = [atoms.info[key] for key in ENERGY_KEYS if key in atoms.info]
    forces = [atoms.arrays[key] for key in FORCE_KEYS if key in atoms.arrays]
    return {
        "energy": known.get("energy", energies[0] if energies else None),
        "forces": known.get("forces", forces[0] if forces else None),
    }


def _snapshot(
    numbers: Any,  # noqa: ANN401 - whatever the file holds
    cell: Any,  # noqa: ANN401
    xyz: Any,  # noqa: ANN401
    results: dict[str, Any],
    fixed: tuple[int, ...],
    where: str,
) -> Snapshot:
    from ase.data import chemical_symbols

    species = [chemical_symbols[int(number)] for number in numbers]
    matrix = np.asarray(cell, dtype=float)
    geometry = plain_geometry(matrix, species, np.asarray(xyz, dtype=float), where=where)
    forces = results.get("forces")
    if forces is not None:
        forces = np.array(forces, dtype=float).reshape(-1, 3)
        forces[list(fixed)] = 0.0
    energy = results.get("energy")
    return Snapshot(
        geometry=geometry,
        energy=None if energy is None else float(energy),
        forces=None if forces is None else as_vectors(forces),
        where=where,
    )
