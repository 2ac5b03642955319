"""Symmetry of a parent crystal: its operations, and what they do to sites."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dualion.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dualion.records import Geometry

SYMPREC = 1e-2
"""Å by which atoms may miss their symmetric places."""


@dataclass(frozen=True)
class Symmetry:
    """Space group of a structure, in that structure's own axes and origin.

    Parameters
    ----------
    number
        Number of the space group.
    rotations
        Rotation parts on fractional coordinates, shape (m, 3, 3); the identity comes first.
    translations
        Translation parts, shape (m, 3).
    orbits
        Orbit of each atom, as the index of the orbit's first atom, shape (n,).
    letters
        Wyckoff letter of each atom, shape (n,).
    cells
        How many of these cells make the conventional cell (a fraction for a supercell).
    """

    number: int
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]
    orbits: tuple[int, ...]
    letters: tuple[str, ...]
    cells: float


def find_symmetry(
    geometry: Geometry,
    *,
    symprec: float = SYMPREC,
    markers: NDArray[np.float64] | None = None,
) -> Symmetry:
    """Find the space group of a structure.

    Parameters
    ----------
    geometry
        The structure; all species count.
    symprec
        Largest misfit, in Å.
    markers
        Fractional positions, shape (m, 3), of further points that count as one more species:
        appended after the atoms, so that their orbits and letters can be read.

    Returns
    -------
    Symmetry
        Operations, orbits and Wyckoff letters.

    Raises
    ------
    StructureError
        If no space group is found, which means overlapping atoms or a broken cell.
    """
    import spglib
    from pymatgen.core import Element

    numbers = [Element(symbol).Z for symbol in geometry.species]
    points = geometry.fractional
    if markers is not None:
        points = np.concatenate([points, markers])
        numbers += [0] * len(markers)
    remedy = "look for overlapping atoms, or change symprec"
    try:
        found = spglib.get_symmetry_dataset(
            (geometry.cell.tolist(), points.tolist(), numbers), symprec=symprec
        )
    except Exception as exc:  # spglib's error classes differ between its versions
        raise StructureError(
            f"no space group found within {symprec:g} Å ({exc})",
            where=geometry.formula,
            remedy=remedy,
        ) from exc
    if found is None:
        raise StructureError(
            f"no space group found within {symprec:g} Å", where=geometry.formula, remedy=remedy
        )
    rotations = np.array(found.rotations, dtype=np.int64)
    translations = np.array(found.translations, dtype=float)
    plain = (rotations == np.eye(3, dtype=int)).all(axis=(1, 2)) & (
        np.abs(translations - np.rint(translations)) < 1e-6
    ).all(axis=1)
    order = np.argsort(~plain, kind="stable")
    return Symmetry(
        number=int(found.number),
        rotations=rotations[order],
        translations=translations[order],
        orbits=tuple(int(i) for i in found.crystallographic_orbits),
        letters=tuple(str(letter) for letter in found.wyckoffs),
        cells=len(found.std_types) / len(numbers),
    )


def orbit_labels(symmetry: Symmetry, members: Sequence[int]) -> tuple[str, ...]:
    """Name the orbits of some atoms, e.g. ``24g``.

    Parameters
    ----------
    symmetry
        Of the structure.
    members
        Atoms (or markers) to be named.

    Returns
    -------
    tuple of str
        Multiplicity in the conventional cell and Wyckoff letter; a second orbit on the same
        letter is ``16e(2)``.
    """
    sizes = Counter(symmetry.orbits)
    seen: dict[str, list[int]] = {}
    labels = []
    for atom in members:
        orbit = symmetry.orbits[atom]
        label = f"{round(sizes[orbit] * symmetry.cells)}{symmetry.letters[atom]}"
        orbits = seen.setdefault(label, [])
        if orbit not in orbits:
            orbits.append(orbit)
        nth = orbits.index(orbit) + 1
        labels.append(label if nth == 1 else f"{label}({nth})")
    return tuple(labels)


def copies(
    point: NDArray[np.float64], symmetry: Symmetry, cell: NDArray[np.float64]
) -> NDArray[np.float64]:
    """List the different places in one cell that the operations bring a point to.

    Parameters
    ----------
    point
        Fractional, shape (3,).
    symmetry
        Of the structure.
    cell
        Its lattice vectors as rows, in Å; places closer than 0.1 Å are one.

    Returns
    -------
    numpy.ndarray
        Fractional, from 0 up to 1, shape (n, 3).
    """
    everywhere = symmetry.rotations @ point + symmetry.translations
    kept: list[NDArray[np.float64]] = []
    for candidate in everywhere:
        offsets = np.array(kept).reshape(-1, 3) - candidate
        offsets -= np.rint(offsets)
        if not (np.linalg.norm(offsets @ cell, axis=1) < 10 * SYMPREC).any():
            kept.append(candidate)
    # -0.0 and 1 - 1e-17 would both be read as another cell.
    rounded: NDArray[np.float64] = np.asarray(np.round(kept, 12) % 1.0 + 0.0, dtype=float)
    return rounded


def wrapped(fractional: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring fractional positions, shape (..., 3), into the cell: from 0 up to, not including, 1."""
    inside: NDArray[np.float64] = fractional % 1.0
    inside[inside >= 1.0] = 0.0  # a negative rounding error wraps to exactly one
    return inside


class SiteMap:
    """What every operation does to every site of a list that the symmetry maps onto itself.

    Parameters
    ----------
    cell
        Lattice vectors as rows, in Å.
    fractional
        The sites, shape (n, 3).
    symmetry
        Operations.
    tolerance
        Å by which a mapped site may miss.
    """

    def __init__(
        self,
        cell: NDArray[np.float64],
        fractional: NDArray[np.float64],
        symmetry: Symmetry,
        tolerance: float,
    ) -> None:
        from scipy.spatial import cKDTree

        self._cell = cell
        self._fractional = fractional
        self._symmetry = symmetry
        self._tolerance = tolerance
        self._tree = cKDTree(wrapped(fractional), boxsize=1.0)
        self._cache: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}

    def images(self, site: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the site, shape (m,), and the cell, shape (m, 3), it goes to per operation.

        Parameters
        ----------
        site
            A site in the home cell.

        Raises
        ------
        StructureError
            If an operation takes the site to where there is none.
        """
        if site not in self._cache:
            moved = self._symmetry.rotations @ self._fractional[site]
            moved = moved + self._symmetry.translations
            _, target = self._tree.query(wrapped(moved))
            offset = moved - self._fractional[target]
            shift = np.rint(offset)
            miss = np.linalg.norm((offset - shift) @ self._cell, axis=1).max()
            if miss > self._tolerance:
                raise StructureError(
                    f"a symmetry operation of the parent misses every site by {miss:.3f} Å",
                    where=f"site {site}",
                    remedy="give all sites of an orbit, or a tighter symprec",
                )
            self._cache[site] = (np.asarray(target, dtype=np.int64), shift.astype(np.int64))
        return self._cache[site]
