"""Space group and primitive standard cell of a crystal, by spglib."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from dualion.errors import StructureError
from dualion.records import Geometry, Record, as_vectors
from dualion.structures.symmetry import SYMPREC

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from pymatgen.core import Structure

REMEDY = "look for doubled sites and a skewed lattice"


class SpaceGroup(Record):
    """A space group as found at some tolerance."""

    symbol: str
    number: int
    operations: int
    primitive_atoms: int
    orbits: tuple[int, ...]


def call_spglib(
    function: Callable[..., Any],
    lattice: NDArray[np.float64],
    fractional: NDArray[np.float64],
    kinds: list[int],
    **options: Any,  # noqa: ANN401 (spglib's own)
) -> Any | None:  # noqa: ANN401 (spglib's own)
    """Call a function of spglib; None whether it returns None or raises.

    spglib changed from the one to the other between its versions.
    """
    cell = (np.asarray(lattice).tolist(), np.asarray(fractional).tolist(), kinds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return function(cell, **options)
        except Exception:  # noqa: BLE001 (its error classes differ too)
            return None


def find_space_group(
    structure: Structure | Geometry, symprec: float = SYMPREC
) -> SpaceGroup | None:
    """Find the space group of an ordered structure; None if spglib finds none."""
    import spglib

    geometry = structure if isinstance(structure, Geometry) else Geometry.from_structure(structure)
    found = call_spglib(
        spglib.get_symmetry_dataset,
        geometry.cell,
        geometry.fractional,
        _numbers(geometry),
        symprec=symprec,
    )
    if found is None:
        return None
    return SpaceGroup(
        symbol=str(found.international),
        number=int(found.number),
        operations=len(found.rotations),
        primitive_atoms=len(set(found.mapping_to_primitive.tolist())),
        orbits=tuple(found.equivalent_atoms.tolist()),
    )


def primitive_standard(structure: Structure, symprec: float = SYMPREC) -> tuple[Geometry, str]:
    """Find the primitive standardised cell of an ordered structure.

    Sites are sorted by element and position, so that the order of the sites in the input does
    not matter.

    Returns
    -------
    Geometry
        The primitive cell in spglib's standard setting, idealised.
    str
        Hermann–Mauguin symbol.

    Raises
    ------
    StructureError
        If spglib finds no symmetry.
    """
    import spglib
    from pymatgen.core import Element

    geometry = Geometry.from_structure(structure)
    group = find_space_group(geometry, symprec)
    standard = call_spglib(
        spglib.standardize_cell,
        geometry.cell,
        geometry.fractional,
        _numbers(geometry),
        to_primitive=True,
        no_idealize=False,
        symprec=symprec,
    )
    if group is None or standard is None:
        raise StructureError(f"no space group found within {symprec:g} Å", remedy=REMEDY)
    lattice = np.array(standard[0], dtype=float)
    fractional = np.array(standard[1], dtype=float) % 1.0
    # 0.99999… and 0 are the same place: without this the order would hang on rounding.
    fractional[np.isclose(fractional, 1.0, atol=1e-5)] = 0.0
    rounded = np.round(fractional, 4) + 0.0
    numbers = [int(z) for z in standard[2]]
    order = sorted(range(len(numbers)), key=lambda i: (numbers[i], *rounded[i].tolist()))
    a, b, c = as_vectors(lattice)
    parent = Geometry(
        lattice=(a, b, c),
        species=tuple(Element.from_Z(numbers[i]).symbol for i in order),
        positions=as_vectors(fractional[order] @ lattice),
    )
    return parent, group.symbol


def _numbers(geometry: Geometry) -> list[int]:
    from pymatgen.core import Element

    # pymatgen's elements include deuterium, which is hydrogen here.
    return [int(Element(symbol).Z) for symbol in geometry.species]
