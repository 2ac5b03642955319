"""Reading a structure file and making an anion framework of it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dualion.errors import StructureError
from dualion.records import Framework
from dualion.structures.cations import CATIONS
from dualion.structures.check import MAX_ATOMS, Problem, check_structure, contents
from dualion.structures.spacegroup import primitive_standard
from dualion.structures.symmetry import SYMPREC

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = [
    "MAX_ATOMS",
    "SYMPREC",
    "Problem",
    "build_framework",
    "check_structure",
    "primitive_standard",
    "read_structure",
]


def read_structure(file: Path) -> Structure:
    """Read any structure file that pymatgen or ASE can read.

    pymatgen is asked first, because its CIF reader keeps partial occupancies. ASE is the
    fallback; a file in which ASE would drop partial occupancies is refused. Of a file with
    several structures pymatgen takes the first block and ASE the last frame.

    Raises
    ------
    StructureError
        If there is no such file, or neither library reads it, or it holds no cell.
    """
    file = Path(file)
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "no such file"
        raise StructureError(what, where=str(file), remedy="give the path of a structure file")
    from pymatgen.core import Structure

    reasons = []
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            structure = Structure.from_file(str(file))
        # pymatgen's readers raise whatever their parsing trips over.
        except Exception as error:  # noqa: BLE001
            reasons.append(_brief("pymatgen", error))
        else:
            _refuse_invented_names(file, [str(w.message) for w in seen])
            return structure.remove_oxidation_states() if structure.is_ordered else structure
        try:
            return _read_with_ase(file)
        except StructureError:
            raise
        except Exception as error:  # noqa: BLE001 (as above)
            reasons.append(_brief("ASE", error))
    raise StructureError(
        f"cannot be read as a structure ({'; '.join(reasons)})",
        where=str(file),
        remedy="give a CIF, POSCAR, extxyz or any other file that pymatgen or ASE reads",
    )


def _brief(library: str, error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{library}: {text[:120]}{'…' if len(text) > 120 else ''}"


def _refuse_invented_names(file: Path, messages: list[str]) -> None:
    """Turn pymatgen's warning about a POSCAR without symbols into an error."""
    if any("false names" in text for text in messages):
        raise StructureError(
            "names no elements (a POSCAR of VASP 4)",
            where=str(file),
            remedy="write the chemical symbols in line 6",
        )


def _read_with_ase(file: Path) -> Structure:
    from ase import Atoms
    from ase.io import read
    from ase.io.formats import filetype
    from pymatgen.core import Lattice, Structure

    options: dict[str, Any] = {"do_not_split_by_at_sign": True}
    if filetype(str(file)) == "cif":
        options["fractional_occupancies"] = True
    atoms = read(str(file), **options)
    if not isinstance(atoms, Atoms):
        atoms = atoms[-1]
    shares = [share for site in atoms.info.get("occupancy", {}).values() for share in site.values()]
    for key in ("occupancy", "occupancies"):
        if key in atoms.arrays:
            shares += [float(x) for x in np.ravel(atoms.arrays[key])]
    if any(abs(share - 1.0) > 1e-6 for share in shares):
        raise StructureError(
            f"has partly occupied sites (smallest share {min(shares):g}) that only ASE can read, "
            "and ASE fills them",
            where=str(file),
            remedy="write it as a CIF that pymatgen reads, then 'dualion frameworks order FILE'",
        )
    if atoms.cell.rank < 3:
        raise StructureError(
            "holds no three-dimensional cell",
            where=str(file),
            remedy="give a crystal with three lattice vectors",
        )
    a, b, c = (bool(periodic) for periodic in atoms.pbc)
    return Structure(
        Lattice(atoms.cell.array, pbc=(a, b, c)),
        atoms.get_chemical_symbols(),
        atoms.positions,
        coords_are_cartesian=True,
    )


def _pick_working_ion(structure: Structure, where: str) -> str:
    symbols = [e.symbol for e in structure.composition.element_composition.elements]
    present = [symbol for symbol in CATIONS if symbol in symbols]
    if len(present) == 1:
        return present[0]
    what = (
        f"several possible working ions in {where} (has {contents(structure)})"
        if present
        else f"no working ion among {', '.join(CATIONS)} in {where} (has {contents(structure)})"
    )
    choices = ", ".join(present or symbols)
    raise StructureError(what, remedy=f"name one of {choices} with 'working_ion'")


def build_framework(
    structure: Structure,
    *,
    name: str,
    working_ion: str | None = None,
    prototype: str = "",
    source: str = "",
    ordering: str = "",
    where: str = "",
    max_atoms: int = MAX_ATOMS,
    symprec: float = SYMPREC,
) -> Framework:
    """Make an anion framework of a structure.

    The parent is the primitive cell in spglib's standard setting: turning, shifting or
    repeating the input, or shuffling its sites, gives the same framework.

    Parameters
    ----------
    structure
        An ordered structure.
    name
        The framework's name.
    working_ion
        Symbol of the mobile ion, any element of the structure; None takes the only one of
        :data:`~dualion.structures.cations.CATIONS` in it.
    prototype, source, ordering
        Notes kept with the framework.
    where
        The file it came from, for messages.
    max_atoms
        Limit on the atoms of the parent.
    symprec
        Tolerance of the symmetry search, in Å.

    Raises
    ------
    StructureError
        The first error that :func:`check_structure` finds, or an ambiguous working ion.
    """
    place = f"framework {name!r}"
    problems = check_structure(
        structure, working_ion, where=place, max_atoms=max_atoms, symprec=symprec
    )
    for problem in problems:
        if problem.severity == "error":
            inside = place in problem.message
            raise StructureError(
                problem.message,
                where=where if where or inside else place,
                remedy=problem.remedy,
            )
    ion = working_ion or _pick_working_ion(structure, place)
    parent, symbol = primitive_standard(structure, symprec)
    return Framework(
        name=name,
        prototype=prototype,
        working_ion=ion,
        parent=parent,
        source=source,
        ordering=ordering,
        space_group=symbol,
    )
