"""Bands as extended XYZ, exactly: every coordinate by ``repr``, and read back as the same double.

A frame is the number of atoms, a line of ``key=value``, and one line an atom. Energies are above
the initial state of each band, under the key ``relative_energy``: they are no total energies, so
nobody should fit them as such.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import TextIO

from dualion.errors import InputError
from dualion.records import HopRecord, Images, Vec3

MAX_ATOMS = 100_000
"""Of one image that is read; more is refused before memory is given to it."""
MAX_IMAGES = 1_000
"""Of one band that is read."""
LINE = 1_000
"""Characters of an atom's line."""
COMMENT = 100_000
"""Characters of a frame's line of keys."""

_PLAIN = re.compile(r"[A-Za-z_][\w.:/-]*", re.ASCII)
_BOOLEAN = frozenset({"T", "F", "true", "false", "True", "False", "TRUE", "FALSE"})
_NOT_TEXT = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_LATTICE = re.compile(r'Lattice="([^"]{1,400})"')
_SYMBOL = re.compile(r"[A-Z][a-z]?")


def write_extxyz(stream: TextIO, records: Iterable[HopRecord]) -> int:
    """Write all images of all bands, in order, and return their number."""
    count = 0
    for record in records:
        for frame in frames(record):
            stream.write(frame)
            count += 1
    return count


def frames(record: HopRecord) -> Iterator[str]:
    """Text of each image of a record, with what it is; nothing if it has no images."""
    if record.images is None:
        return
    about: dict[str, str | int] = {
        "record_id": record.record_id,
        "framework": record.framework,
        "host_ion": record.host_ion,
        "moving_ion": record.moving_ion,
        "arrangement": record.arrangement.label,
        "hop": record.hop.label,
        "outcome": record.outcome.value,
        "fingerprint": record.theory.fingerprint,
    }
    if record.mover is not None:
        about["mover"] = record.mover
    for image in range(len(record.images)):
        keys: dict[str, str | int | float] = {**about, "image": image}
        if image < len(record.energies):
            keys["relative_energy"] = record.energies[image]
        yield frame_text(record.images, image, keys)


def frame_text(images: Images, image: int, keys: dict[str, str | int | float]) -> str:
    """Text of one image; lattice and positions in Å, periodic in all directions."""
    cell = " ".join(repr(x) for row in images.lattice for x in row)
    info = " ".join(f"{name}={_value(value)}" for name, value in keys.items())
    head = f'Lattice="{cell}" Properties=species:S:1:pos:R:3 {info} pbc="T T T"'
    atoms = (
        f"{symbol} {x!r} {y!r} {z!r}\n"
        for symbol, (x, y, z) in zip(images.species, images.positions[image], strict=True)
    )
    return f"{len(images.species)}\n{head}\n{''.join(atoms)}"


def _value(value: str | float) -> str:
    """One value of the line of keys, quoted so that text stays text and stays on its line."""
    if not isinstance(value, str):
        return repr(value)
    if _PLAIN.fullmatch(value) and value not in _BOOLEAN and not _NOT_TEXT.fullmatch(value):
        return value
    # Readers take '12e4' for a number and 'T' for true, so what is not a plain word is JSON.
    quoted = f"_JSON {json.dumps(value)}".replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def read_images(stream: TextIO, count: int, *, where: str) -> Images:
    """Read the next images of one band, as :func:`write_extxyz` writes them.

    Parameters
    ----------
    stream
        Stands at the first of them, and after the last one afterwards.
    count
        How many images the band has.
    where
        For messages.

    Returns
    -------
    Images
        Every number is the double that was written; NaN and infinity are kept.

    Raises
    ------
    InputError
        If this is not what :func:`write_extxyz` writes, or is larger than any band.
    """
    if not 1 <= count <= MAX_IMAGES:
        raise InputError(
            f"a band of {count} images", where=where, remedy=f"there are 1 to {MAX_IMAGES}"
        )
    lattice: tuple[Vec3, Vec3, Vec3] | None = None
    species: tuple[str, ...] = ()
    positions: list[tuple[Vec3, ...]] = []
    for image in range(count):
        place = f"{where}: image {image}"
        atoms = _count(stream.readline(LINE), place)
        cell = _cell(stream.readline(COMMENT), place)
        symbols, xyz = _atoms(stream, atoms, place)
        if lattice is None:
            lattice, species = cell, symbols
        elif repr(cell) != repr(lattice) or symbols != species:
            raise InputError("has another cell or other atoms than the first image", where=place)
        positions.append(xyz)
    assert lattice is not None  # noqa: S101 - there was at least one image
    return Images(lattice=lattice, species=species, positions=tuple(positions))


def _count(line: str, where: str) -> int:
    text = line.strip()
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise InputError(f"no number of atoms ({text[:40]!r})", where=where, remedy="is it whole?")
    atoms = int(text)
    if not 1 <= atoms <= MAX_ATOMS:
        raise InputError(
            f"claims {atoms} atoms", where=where, remedy=f"an image has 1 to {MAX_ATOMS}"
        )
    return atoms


def _cell(line: str, where: str) -> tuple[Vec3, Vec3, Vec3]:
    found = _LATTICE.match(line)
    values = found.group(1).split() if found else []
    if len(values) != 9 or "Properties=species:S:1:pos:R:3 " not in line or line[-1:] != "\n":
        raise InputError("no lattice of nine numbers, species and positions", where=where)
    x = [_number(value, where) for value in values]
    return (x[0], x[1], x[2]), (x[3], x[4], x[5]), (x[6], x[7], x[8])


def _atoms(stream: TextIO, atoms: int, where: str) -> tuple[tuple[str, ...], tuple[Vec3, ...]]:
    symbols: list[str] = []
    xyz: list[Vec3] = []
    for _ in range(atoms):
        parts = stream.readline(LINE).split()
        if len(parts) != 4 or not _SYMBOL.fullmatch(parts[0]):
            raise InputError(
                f"no atom but {' '.join(parts)[:40]!r}", where=where, remedy="is the file whole?"
            )
        symbols.append(parts[0])
        x, y, z = (_number(part, where) for part in parts[1:])
        xyz.append((x, y, z))
    return tuple(symbols), tuple(xyz)


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{text[:40]!r} is no number", where=where) from None
