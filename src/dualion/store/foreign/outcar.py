"""What an OUTCAR tells: energies, forces, settings, and whose forces they are.

VASP's own elastic band writes the true forces under ``TOTAL-FORCE``; VASP with the VTST
extensions writes the projected forces of the band there, and the true force along the path in a
line ``NEB: projections on to tangent (spring, REAL)``. So that line says which they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import Field

from dualion.errors import StructureError
from dualion.records import Record, Vec3
from dualion.store.foreign.text import lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][-+]?\d+)?|[*]+|[Nn]a[Nn]|[-+]?[Ii]nf\w*)"
_SIGMA_0 = re.compile(rf"energy\(sigma->0\)\s*=\s*{_NUMBER}")
_PROJECTED = re.compile(rf"NEB: projections on to tangent \(spring, REAL\)\s+\S+\s+{_NUMBER}")
_HEAD = {
    "ENCUT": re.compile(rf"^\s*ENCUT\s+=\s*{_NUMBER}\s+eV"),
    "ISPIN": re.compile(r"^\s*ISPIN\s+=\s*(\d)"),
    "ISMEAR": re.compile(r"^\s*ISMEAR\s+=\s*(-?\d+);"),
    "SIGMA": re.compile(rf"SIGMA\s+=\s*{_NUMBER}\s+broadening"),
    "PREC": re.compile(r"^\s*PREC\s+=\s*(\w+)"),
    "GGA": re.compile(r"^\s*GGA\s+=\s*(\S+)\s+GGA type"),
    "LEXCH": re.compile(r"^\s*LEXCH\s+=\s*([A-Z][A-Z0-9])\b"),
    "LHFCALC": re.compile(r"^\s*LHFCALC\s*=\s*([TF])\b"),
    "LASPH": re.compile(r"^\s*LASPH\s+=\s*([TF])\b"),
    "METAGGA": re.compile(r"^\s*METAGGA\s*=\s*(\w+)"),
    "IVDW": re.compile(r"^\s*IVDW\s+=\s*(\d+)"),
    "LDAUTYPE": re.compile(r"LDAUTYPE\s*=\s*(\d)"),
    "LDAUL": re.compile(r"for each species LDAUL\s*=\s*(.+)"),
    "LDAUU": re.compile(r"for each species LDAUU\s*=\s*(.+)"),
    "LDAUJ": re.compile(r"for each species LDAUJ\s*=\s*(.+)"),
    "NELECT": re.compile(rf"^\s*NELECT\s*=\s*{_NUMBER}"),
    "EDIFFG": re.compile(rf"^\s*EDIFFG\s*=\s*{_NUMBER}"),
    "KPOINTS": re.compile(r"generate k-points for:\s*(\d+\s+\d+\s+\d+)"),
}
UNSET = frozenset({"", "F", "-", "--", "NONE"})
"""How VASP's files write a functional that no tag names."""
_TITEL = re.compile(r"^\s*TITEL\s+=\s*(.+?)\s*$")
_ELEMENT = re.compile(r"^\s*VRHFIN\s*=\s*([A-Z][a-z]?)\s*:")
_COUNTS = re.compile(r"^\s*ions per type\s*=\s*([\d\s]+)$")
_VERSION = re.compile(r"^\s*vasp\.(\S+)")
_VALENCE = re.compile(r"^\s*ZVAL\s+=\s*((?:[\d.]+\s*)+)$")
_TAIL = "General timing and accounting"
_ACCURATE = "reached required accuracy"


class Outcar(Record):
    """The last whole ionic step of an OUTCAR, and its settings."""

    version: str = ""
    species: tuple[str, ...] = Field((), description="Of all atoms; empty: not told.")
    positions: tuple[Vec3, ...] = Field((), description="Of the last step, in Å.")
    forces: tuple[Vec3, ...] = Field((), description="Of the last step, in eV/Å.")
    energy: float = Field(description="energy(sigma->0) of the last step, in eV.")
    nudged: bool = Field(default=False, description="Whether these are forces of the band.")
    along: float | None = Field(None, description="True force along the path, in eV/Å.")
    steps: int = Field(description="Whole ionic steps.")
    finished: bool = Field(description="Whether VASP came to its end.")
    accurate: bool = Field(description="Whether VASP says that its limit was reached.")
    settings: tuple[tuple[str, str], ...] = ()
    potentials: tuple[tuple[str, str], ...] = Field((), description="Element and TITEL.")
    charge: int | None = None
    ediffg: float | None = None


@dataclass
class _Seen:
    """What the lines up to here said."""

    found: dict[str, str] = field(default_factory=dict)
    titles: list[str] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    valences: list[float] = field(default_factory=list)
    version: str = ""
    block: tuple[list[Vec3], list[Vec3]] | None = None
    last: tuple[list[Vec3], list[Vec3]] | None = None
    energy: float | None = None
    along: float | None = None
    nudged: bool = False
    steps: int = 0
    ionic: bool = False  # the next energy is that of a whole step
    finished: bool = False
    accurate: bool = False


def read_outcar(file: Path) -> Outcar:
    """Read the last whole ionic step of an OUTCAR.

    Raises
    ------
    StructureError
        If there is none, if it ends within one, or a number is none.
    """
    seen = _Seen()
    stream = lines(file)
    try:
        for line in stream:
            if seen.steps == 0 and seen.block is None:
                _head(seen, line)
            _step(seen, line, stream)
    except (ValueError, IndexError, OverflowError) as error:
        raise _cut(file, f"step {seen.steps + 1}: {error}") from error
    if seen.block is not None:
        raise _cut(file, f"it ends after the forces of step {seen.steps + 1}, before its energy")
    if seen.last is None or seen.energy is None:
        raise _cut(file, "no whole ionic step")
    species: tuple[str, ...] = ()
    if len(seen.elements) == len(seen.counts):
        pairs = zip(seen.elements, seen.counts, strict=True)
        species = tuple(symbol for symbol, count in pairs for _ in range(count))
    if species and len(species) != len(seen.last[1]):
        raise _cut(file, f"{len(seen.last[1])} forces for {len(species)} atoms")
    return Outcar(
        version=seen.version,
        species=species,
        positions=tuple(seen.last[0]),
        forces=tuple(seen.last[1]),
        energy=seen.energy,
        nudged=seen.nudged,
        along=seen.along,
        steps=seen.steps,
        finished=seen.finished,
        accurate=seen.accurate,
        settings=_settings(seen),
        potentials=tuple(sorted(zip(seen.elements, seen.titles, strict=False))),
        charge=_charge(seen),
        ediffg=_number(seen.found["EDIFFG"]) if "EDIFFG" in seen.found else None,
    )


def _head(seen: _Seen, line: str) -> None:
    if not seen.version and (version := _VERSION.match(line)):
        seen.version = version[1]
    if (titel := _TITEL.match(line)) and len(seen.titles) < 100:
        seen.titles.append(" ".join(titel[1].split()))
    elif (element := _ELEMENT.match(line)) and len(seen.elements) < 100:
        seen.elements.append(element[1])
    elif counts := _COUNTS.match(line):
        seen.counts = [int(word) for word in counts[1].split()]
    elif (valence := _VALENCE.match(line)) and len(valence[1].split()) == len(seen.counts):
        seen.valences = [float(word) for word in valence[1].split()]
    for name, pattern in _HEAD.items():
        if name not in seen.found and (found := pattern.search(line)):
            seen.found[name] = " ".join(found[1].split())


def _step(seen: _Seen, line: str, stream: Iterator[str]) -> None:
    if "TOTAL-FORCE (eV/Angst)" in line:
        seen.block = _block(stream)
    elif projected := _PROJECTED.search(line):
        seen.nudged, seen.along = True, _number(projected[1])
    elif "FREE ENERGIE OF THE ION-ELECTRON SYSTEM" in line:
        seen.ionic = True
    elif seen.ionic and (energy := _SIGMA_0.search(line)):
        seen.ionic = False
        if seen.block is None:
            message = "an energy without forces"
            raise ValueError(message)
        seen.energy, seen.last, seen.block = _number(energy[1]), seen.block, None
        seen.steps += 1
    elif _ACCURATE in line and "structural" in line:
        seen.accurate = True
    elif _TAIL in line:
        seen.finished = True


def _block(stream: Iterator[str]) -> tuple[list[Vec3], list[Vec3]]:
    """Read positions and forces up to the closing line."""
    positions: list[Vec3] = []
    forces: list[Vec3] = []
    next(stream, "")
    for line in stream:
        if line.lstrip().startswith("---"):
            return positions, forces
        x, y, z, fx, fy, fz = (_number(word) for word in line.split())
        positions.append((x, y, z))
        forces.append((fx, fy, fz))
    message = f"the block of forces ends after {len(forces)} atoms"
    raise ValueError(message)


def _number(text: str) -> float:
    return float(re.sub("[dD]", "e", text))


def _settings(seen: _Seen) -> tuple[tuple[str, str], ...]:
    """Level of theory that the head of the file tells, without what belongs to one cell only."""
    known = {k: v for k, v in seen.found.items() if k not in {"NELECT", "EDIFFG", "LEXCH"}}
    if known.get("GGA", "--") == "--" and "LEXCH" in seen.found:
        known["GGA"] = seen.found["LEXCH"]
    for name in ("LDAUL", "LDAUU", "LDAUJ"):
        values = known.pop(name, "").split()
        if values and len(values) == len(seen.elements):
            known[name] = per_element(seen.elements, values, name)
    return tuple(
        sorted((name, plain(value)) for name, value in known.items() if is_set(name, value))
    )


def is_set(name: str, value: str) -> bool:
    """Whether a tag was given a value; VASP's files write one for some that were not."""
    return not (name in {"GGA", "METAGGA"} and plain(value) in UNSET)


def per_element(elements: list[str], values: list[str], name: str) -> str:
    """Write a list of one value a species as ``Fe=4``; species without a correction are left out.

    So the same settings read the same in cells that hold different ions.
    """
    none = -1.0 if name == "LDAUL" else 0.0
    pairs = sorted(
        f"{symbol}={plain(value)}"
        for symbol, value in zip(elements, values, strict=True)
        if _number(value) != none
    )
    return " ".join(pairs) or "none"


def plain(value: str) -> str:
    """Write a setting one way: numbers without trailing zeros, words in capitals."""
    text = value.strip().strip(".").upper() if re.fullmatch(r"\.?\w+\.?", value.strip()) else value
    if text in {"TRUE", "FALSE"}:
        return text[0]
    try:
        return f"{_number(value):g}"
    except ValueError:
        return " ".join(text.split()).upper()


def _charge(seen: _Seen) -> int | None:
    """Charge of the cell: what the neutral atoms bring less the electrons there are."""
    if len(seen.valences) != len(seen.counts) or "NELECT" not in seen.found or not seen.counts:
        return None
    neutral = sum(z * n for z, n in zip(seen.valences, seen.counts, strict=True))
    charge = neutral - _number(seen.found["NELECT"])
    return round(charge) if abs(charge - round(charge)) < 1e-3 else None


def _cut(file: Path, why: str) -> StructureError:
    return StructureError(
        f"is no whole OUTCAR ({why})",
        where=str(file),
        remedy="finish the calculation of this image, or give its whole OUTCAR",
    )
