"""What VASP reads: INCAR, KPOINTS, POTCAR."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


class Incar(dict):
    """Tags by name, as text."""

    @classmethod
    def read(cls, file: Path) -> Incar:
        """Read an INCAR as VASP does: comments dropped, several tags on a line allowed."""
        tags = cls()
        for line in file.read_text().splitlines():
            for part in re.split("[#!]", line)[0].split(";"):
                name, equals, value = part.partition("=")
                if equals:
                    tags[name.strip().upper()] = value.strip()
        return tags

    def number(self, name: str, default: float) -> float:
        """Value of a tag as a number."""
        return float(self[name].split()[0]) if name in self else default

    def flag(self, name: str) -> bool:
        """Value of a tag as a truth."""
        return self.get(name, "F").strip(". ").upper().startswith("T")

    def typed(self) -> dict[str, object]:
        """All tags with the types vasprun.xml gives them."""
        return {name: _typed(value) for name, value in self.items()}


def _typed(text: str) -> object:
    words = text.split()
    if not words:
        return text
    if words[0].strip(".").upper() in {"T", "F", "TRUE", "FALSE"}:
        return words[0].strip(".").upper()[0] == "T"
    try:
        numbers: list[float] = []
        for word in words:
            count, star, value = word.rpartition("*")
            numbers += [float(value)] * (int(count) if star else 1)
    except ValueError:
        return text
    if len(numbers) > 1:
        return numbers
    return int(words[0]) if words[0].lstrip("-").isdigit() else numbers[0]


@dataclass(frozen=True)
class Potcar:
    """TITEL, valence and element of each potential."""

    titles: list[str]
    valences: list[float]
    elements: list[str]

    @classmethod
    def read(cls, file: Path) -> Potcar:
        """Read the headers of a POTCAR."""
        text = file.read_text()
        return cls(
            titles=[t.strip() for t in re.findall(r"TITEL\s+=\s*(.+)", text)],
            valences=[float(z) for z in re.findall(r"ZVAL\s*=\s*([\d.]+)", text)],
            elements=re.findall(r"VRHFIN\s*=\s*(\w+):", text),
        )


def read_mesh(file: Path) -> tuple[int, int, int]:
    """Divisions of a KPOINTS file with an automatic mesh."""
    lines = file.read_text().splitlines()
    if int(lines[1].split()[0]) != 0:
        raise SystemExit(f"KPOINTS lists points: {lines[1]}")
    a, b, c = (int(word) for word in lines[3].split()[:3])
    return a, b, c
