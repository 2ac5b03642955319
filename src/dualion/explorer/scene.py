"""The path of a band in space, as the page paints it: centred on the hop, in plain numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.records import Matrix3, Record, Vec3, as_vectors
from dualion.structures.cations import CATIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.records import HopRecord, Images

ATOMS = 2500
"""More atoms than these are not painted: the ones nearest to the path are."""
NUMBERS = 600_000
"""Coordinates sent at most."""
_BOND = 1.15
"""Atoms closer than this times the sum of their covalent radii are joined."""


class Kind(Record):
    """How atoms of an element are painted."""

    colour: str = Field(description="Jmol's, as ASE has it; '#rrggbb'.")
    radius: float = Field(description="Covalent, in Å (doi 10.1039/B801115J).")


class Scene(Record):
    """Atoms along a band around the middle of the hop, which is the origin."""

    lattice: Matrix3
    origin: Vec3 = Field(description="Corner of the cell, in Å.")
    species: tuple[str, ...]
    kinds: dict[str, Kind]
    positions: tuple[tuple[Vec3, ...], ...] = Field(description="Shape (images, n, 3), in Å.")
    mover: int
    bonds: tuple[tuple[int, int], ...] = Field(description="Pairs of framework atoms.")
    reach: float = Field(description="Largest distance from the middle of the hop, in Å.")
    left_out: int = Field(description="Atoms of the cell that are not painted.")


def scene(record: HopRecord) -> Scene | None:
    """Centre the images of a record on its hop and join the atoms of the framework.

    Returns
    -------
    Scene or None
        None without images, or where they are no numbers or too many.
    """
    images = record.images
    if images is None or record.mover is None or not 0 <= record.mover < len(images.species):
        return None
    if not images.is_finite:
        return None
    if abs(np.linalg.det(images.cell)) < 1.0 or len(images) * 3 > NUMBERS:
        return None
    moved = _around_hop(images, record.mover)
    shown = _nearest(moved, record.mover)
    moved = moved[:, shown]
    species = tuple(images.species[k] for k in shown)
    a, b, c = as_vectors(images.cell)
    return Scene(
        lattice=(a, b, c),
        origin=as_vectors(-0.5 * images.cell.sum(axis=0)[None])[0],
        species=species,
        kinds=_kinds(species),
        positions=tuple(as_vectors(np.round(image, 3)) for image in moved),
        mover=int(np.flatnonzero(shown == record.mover)[0]),
        bonds=_bonds(moved[0], species, {record.host_ion, record.moving_ion}),
        reach=float(np.linalg.norm(moved, axis=2).max()) or 1.0,
        left_out=len(images.species) - len(shown),
    )


def _around_hop(images: Images, mover: int) -> NDArray[np.float64]:
    """Positions from the middle of the hop, each atom in the cell around it, whole paths moved."""
    xyz = images.xyz
    middle = 0.5 * (xyz[0, mover] + xyz[-1, mover])
    moved = xyz - middle
    fractional = moved[0] @ np.linalg.inv(images.cell)
    shift = np.round(fractional)
    # The mover stays: its two ends are on either side of the middle already.
    shift[mover] = 0.0
    return np.asarray(moved - (shift @ images.cell)[None])


def _nearest(moved: NDArray[np.float64], mover: int) -> NDArray[np.int64]:
    """Atoms that are painted, in their order."""
    most = min(ATOMS, NUMBERS // (3 * len(moved)))
    distance = np.linalg.norm(moved[0], axis=1)
    distance[mover] = -1.0
    return np.sort(np.argsort(distance, kind="stable")[:most])


def _kinds(species: tuple[str, ...]) -> dict[str, Kind]:
    from ase.data import atomic_numbers, covalent_radii
    from ase.data.colors import jmol_colors

    found: dict[str, Kind] = {}
    for symbol in sorted(set(species)):
        number = atomic_numbers.get(symbol, 0)
        red, green, blue = (round(255 * float(x)) for x in jmol_colors[number])
        found[symbol] = Kind(
            colour=f"#{red:02x}{green:02x}{blue:02x}", radius=float(covalent_radii[number])
        )
    return found


def _bonds(
    xyz: NDArray[np.float64], species: tuple[str, ...], ions: set[str]
) -> tuple[tuple[int, int], ...]:
    """Join atoms that keep their places: what moves, or could, is left free."""
    from ase.data import atomic_numbers, covalent_radii
    from scipy.spatial import cKDTree

    still = [k for k, symbol in enumerate(species) if symbol not in ions | set(CATIONS)]
    if len(still) < 2:
        return ()
    radii = np.array([covalent_radii[atomic_numbers.get(species[k], 0)] for k in still])
    tree = cKDTree(xyz[still])
    longest = 2.0 * _BOND * float(radii.max())
    joined = []
    for i, j in sorted(tree.query_pairs(longest)):
        if np.linalg.norm(xyz[still[i]] - xyz[still[j]]) < _BOND * (radii[i] + radii[j]):
            joined.append((still[i], still[j]))
    return tuple(joined)
