"""What a ``vasprun.xml`` tells, for images whose OUTCAR is not there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
from pydantic import Field

from dualion.errors import StructureError
from dualion.records import Geometry, Record, Vec3, as_vectors
from dualion.store.foreign.band import plain_geometry
from dualion.store.foreign.outcar import is_set, plain
from dualion.store.foreign.text import read

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_DECLARED = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_PARAMETERS = {"ENMAX": "ENCUT", "ENCUT": "ENCUT"} | {
    name: name
    for name in ("ISPIN", "ISMEAR", "SIGMA", "PREC", "GGA", "LHFCALC", "LASPH", "METAGGA", "IVDW")
}


class Vasprun(Record):
    """The last ionic step of a vasprun.xml, and its settings."""

    version: str = ""
    geometry: Geometry
    forces: tuple[Vec3, ...] | None = Field(None, description="In eV/Å.")
    energy: float = Field(description="Extrapolated to zero smearing, in eV.")
    steps: int
    settings: tuple[tuple[str, str], ...] = ()
    incar: tuple[tuple[str, str], ...] = ()
    potentials: tuple[tuple[str, str], ...] = ()


def read_vasprun(file: Path) -> Vasprun:
    """Read the last ionic step.

    Raises
    ------
    StructureError
        If it is not well-formed (a run that was killed), declares entities, or lacks a part.
    """
    text = read(file)
    if _DECLARED.search(text):
        raise StructureError("declares entities, which VASP never does", where=str(file))
    try:
        return _parse(ET.fromstring(text), str(file))  # noqa: S314 - entities are refused above
    except (ET.ParseError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise StructureError(
            f"is no whole vasprun.xml ({error})",
            where=str(file),
            remedy="finish the calculation of this image, or give its OUTCAR",
        ) from error


def _parse(root: ET.Element, where: str) -> Vasprun:
    steps = root.findall("calculation")
    last = steps[-1]
    species = [str(row[0].text).strip() for row in root.findall(".//array[@name='atoms']/set/rc")]
    cell = _rows(_named(last, "structure/crystal/varray[@name='basis']"))
    fractional = _rows(_named(last, "structure/varray[@name='positions']"))
    # The energy of the whole step is written in another order by some versions of VASP; that of
    # its last electronic step is right in all.
    energies = last.findall("scstep/energy/i[@name='e_0_energy']")
    energies = energies or last.findall("energy/i[@name='e_0_energy']")
    forces = last.find("varray[@name='forces']")
    types = [
        [str(cell.text).strip() for cell in row]
        for row in root.findall(".//array[@name='atomtypes']/set/rc")
    ]
    return Vasprun(
        version=(root.findtext("generator/i[@name='version']") or "").strip(),
        geometry=plain_geometry(cell, species, fractional @ cell, where=where),
        forces=None if forces is None else as_vectors(_rows(forces)),
        energy=float(str(energies[-1].text)),
        steps=len(steps),
        settings=_settings(root),
        incar=_values(root.find("incar")),
        potentials=tuple(sorted((row[1], " ".join(row[4].split())) for row in types)),
    )


def _named(element: ET.Element, path: str) -> ET.Element:
    found = element.find(path)
    if found is None:
        message = f"no {path} in its last step"
        raise ValueError(message)
    return found


def _rows(element: ET.Element) -> NDArray[np.float64]:
    rows = [[float(word) for word in str(row.text).split()] for row in element.findall("v")]
    return np.array(rows, dtype=float).reshape(-1, 3)


def _values(element: ET.Element | None) -> tuple[tuple[str, str], ...]:
    if element is None:
        return ()
    found = [*element.iter("i"), *element.iter("v")]
    return tuple(sorted((str(i.get("name")).upper(), str(i.text or "").strip()) for i in found))


def _settings(root: ET.Element) -> tuple[tuple[str, str], ...]:
    """Level of theory, named as in an OUTCAR."""
    known: dict[str, str] = {}
    for name, value in _values(root.find("parameters")):
        if name in _PARAMETERS and is_set(name, value):
            known.setdefault(_PARAMETERS[name], plain(value))
    mesh = root.find("kpoints/generation/v[@name='divisions']")
    if mesh is not None:
        known["KPOINTS"] = " ".join(str(mesh.text).split())
    return tuple(sorted(known.items()))
