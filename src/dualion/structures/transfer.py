"""The saddle of one band as the start of a search on the same hop.

The other search may be for another ion in the same surroundings, or for the same ion with another
engine: only the numbers of the band count, not who made it. What the first search has found beside
the way of the mover, such as the detour it makes and the neighbours that give way, is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualion.records import Finding
from dualion.structures.displacement import minimum_image
from dualion.structures.interpolation import closest_pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dualion.records import Band

    Array = NDArray[np.float64]

SAME_ENDS = 1.0
"""Ends whose atoms all lie closer than this to those of the band, in Å, are of the same hop."""
SAME_CELL = 0.05
"""Lattices that differ by less than this strain are of the same cell."""
INSIDE = 0.1
"""The start keeps this share of the hop away from either end."""


def transferred_start(
    band: Band,
    first: Array,
    last: Array,
    *,
    species: Sequence[str],
    cell: Array,
    min_distance: float,
) -> tuple[Array | None, Finding]:
    """Carry the highest image of a band over to other ends of the same hop.

    With the ends :math:`x_0, x_1` and the climbing image :math:`x_s` of the band, and
    :math:`λ = (x_s − x_0)·(x_1 − x_0)/|x_1 − x_0|^2`, kept between 0.1 and 0.9, the start between
    the ends :math:`y_0, y_1` is :math:`(1 − λ) y_0 + λ y_1 + (x_s − (1 − λ) x_0 − λ x_1)`: as far
    along the new hop, and as far beside it. For ends that equal those of the band, it is the
    band's own saddle.

    Parameters
    ----------
    band
        Converged, of any ion and any engine; the mover is its last atom, as everywhere.
    first, last
        The relaxed ends of the new hop, in the same band order and continuous, shape (n, 3), in Å.
    species
        Symbols, shape (n,); only the last may be another one than that of the band.
    cell
        Lattice vectors as rows, in Å. Where another engine makes the cell a little larger, the
        band is stretched with it.
    min_distance
        No start has two atoms closer than this, in Å.

    Returns
    -------
    tuple
        The start, shape (n, 3), in Å, and the evidence; None, and the reason, where the band does
        not serve: it is no barrier, its atoms are others, or an atom of an end lies farther than
        1 Å from its place.
    """
    reason = _unusable(band) or _other_atoms(band, species, cell)
    if reason:
        return None, _refused(band, reason)
    images = _followed(band, first, cell)
    off_first, off_last = first - images[0], last - images[-1]
    worst = float(np.linalg.norm([off_first, off_last], axis=2).max())
    if not worst < SAME_ENDS:
        return None, _refused(band, "an end lies elsewhere", worst, SAME_ENDS)
    top = images[band.climbing]
    way = images[-1] - images[0]
    square = float((way * way).sum())
    share = float(((top - images[0]) * way).sum()) / square if square else 0.5
    share = min(max(share, INSIDE), 1.0 - INSIDE)
    start: Array = top + ((1.0 - share) * off_first + share * off_last)
    closest = closest_pair(np.stack([first, start, last]), cell, species, min_distance)
    if closest < min_distance:
        return None, _refused(band, "two atoms would clash", closest, min_distance)
    return start, Finding(check=f"share of the hop at which {_whose(band)} starts it", value=share)


def _unusable(band: Band) -> str:
    """Say why a band has no saddle to give."""
    if band.failure or not band.converged:
        return "it has not converged"
    if band.climbing is None or not 0 < band.climbing < len(band.images) - 1:
        return "it has no maximum"
    return "" if np.isfinite(band.images.xyz).all() else "it has no finite positions"


def _other_atoms(band: Band, species: Sequence[str], cell: Array) -> str:
    """Say why a band is of other atoms or of another cell."""
    if len(band.images.species) != len(species):
        return f"it has {len(band.images.species)} atoms, not {len(species)}"
    if band.mover != len(species) - 1 or band.images.species[:-1] != tuple(species[:-1]):
        return "its other ions are not the same"
    strain = np.linalg.solve(band.images.cell, cell) - np.eye(3)
    return "" if np.abs(strain).max() < SAME_CELL else "its cell is another one"


def _followed(band: Band, first: Array, cell: Array) -> Array:
    """Images in the new cell, each atom in the periodic image in which the new hop starts."""
    images = band.images.xyz
    if not np.array_equal(band.images.cell, cell):
        images = images @ np.linalg.solve(band.images.cell, cell)
    offset = first - images[0]
    cells = np.rint((offset - minimum_image(offset, cell)) @ np.linalg.inv(cell))
    followed: Array = images + cells @ cell
    return followed


def _whose(band: Band) -> str:
    return f"the band of {band.images.species[-1]} ({band.stamp.engine})"


def _refused(band: Band, reason: str, value: float = 0.0, limit: float | None = None) -> Finding:
    """Say why the band is not used; the hop is none the worse for it, so this is no failure."""
    check = f"{_whose(band)} does not start the hop: {reason}"
    unit = "Å" if limit is not None else ""
    return Finding(check=check, value=value, limit=limit, unit=unit)
