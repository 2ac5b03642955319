"""Relaxed ends and converged images of one level of theory as the start of another's.

The other level has a lattice of its own and its own places of the ions. Ends are taken over as
displacements from the unrelaxed state, so the new host's own sites count; images are taken over
as what they lie beside the straight line between their ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.records import Finding, Geometry, Images, Record, as_vectors
from dualion.structures.displacement import in_band_order, minimum_image
from dualion.structures.interpolation import closest_pair, lengths_along
from dualion.structures.transfer import SAME_CELL, SAME_ENDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dualion.records import EndPoints

    Array = NDArray[np.float64]

DIGITS = 6
"""Decimals of an Å that a start keeps, so that the last bits of an equal one do not matter."""


class Handed(Record):
    """A converged band of the same hop and ion, computed at another level of theory."""

    images: Images = Field(description="In band order, relaxed ends included.")
    energies: tuple[float, ...] = Field(description="Of all images, in eV; any zero.")
    engine: str = Field(description="What computed them.")

    @property
    def top(self) -> int:
        """Index of the highest image between the ends."""
        return 1 + int(np.argmax(self.energies[1:-1]))


def handed_end(
    relaxed: Array, before: EndPoints, now: EndPoints, *, final: bool, min_distance: float
) -> Geometry:
    """Start the relaxation of an end where another level of theory has come to rest.

    Parameters
    ----------
    relaxed
        The other level's relaxed end, in band order, shape (n, 3), in Å.
    before
        The ends that it was relaxed from, in the other level's host.
    now
        The same ends in this level's host.
    final
        Whether it is the final end.
    min_distance
        If two atoms came closer than this, in Å, the unrelaxed end is the start.

    Returns
    -------
    Geometry
        In the order of the state, in this level's lattice: its unrelaxed places, and the
        displacements of the other relaxation, stretched as the lattice is.
    """
    old, new = (before.final, now.final) if final else (before.initial, now.initial)
    order = now.final_order if final else now.initial_order
    old_order = before.final_order if final else before.initial_order
    moved = minimum_image(relaxed - in_band_order(old.xyz, old_order), old.cell)
    places = in_band_order(new.xyz, order) + moved @ np.linalg.solve(old.cell, new.cell)
    closest = closest_pair(np.stack([places] * 3), new.cell, now.species, min_distance)
    if closest < min_distance:
        return new
    xyz = np.empty_like(places)
    xyz[list(order)] = np.round(places, DIGITS)
    return new.moved(xyz)


def handed_images(
    handed: Handed,
    first: Array,
    last: Array,
    *,
    species: Sequence[str],
    cell: Array,
    count: int,
    min_distance: float,
) -> tuple[Array | None, int, Finding]:
    """Carry a converged band over to the ends of another level of theory.

    An image :math:`x` of the band with ends :math:`x_0, x_1` lies at the share
    :math:`λ = (x − x_0)·(x_1 − x_0)/|x_1 − x_0|^2`, kept between 0 and 1, of the hop. Between the
    ends :math:`y_0, y_1` it becomes :math:`x + (1 − λ)(y_0 − x_0) + λ (y_1 − x_1)`.

    Parameters
    ----------
    handed
        The band.
    first, last
        The relaxed ends of the same hop here, in band order and continuous, shape (n, 3), in Å.
    species
        Symbols in band order, shape (n,); all are those of the band.
    cell
        Lattice vectors as rows, in Å; the band is stretched with it.
    count
        Images wanted, ends included. Where the band has another number, they are spread along it;
        its highest one is always kept.
    min_distance
        No image has two atoms closer than this, in Å.

    Returns
    -------
    tuple
        The images, shape (count, n, 3), in Å, the index of the highest, and the evidence; None, 0
        and the reason where the band does not serve: its atoms or its cell are others, or an atom
        of an end lies farther than 1 Å from its place.
    """
    reason = _other(handed, species, cell)
    if reason:
        return None, 0, _refused(handed, reason)
    old = handed.images.xyz @ np.linalg.solve(handed.images.cell, cell)
    offset = first - old[0]
    cells = np.rint((offset - minimum_image(offset, cell)) @ np.linalg.inv(cell))
    old = old + cells @ cell
    off_first, off_last = first - old[0], last - old[-1]
    worst = float(np.linalg.norm([off_first, off_last], axis=2).max())
    if not worst < SAME_ENDS:
        return None, 0, _refused(handed, "an end lies elsewhere", worst, SAME_ENDS)
    way = old[-1] - old[0]
    square = float((way * way).sum())
    along = ((old - old[0]) * way).sum(axis=(1, 2)) / square if square else np.zeros(len(old))
    share = np.clip(along, 0.0, 1.0)
    share[[0, -1]] = 0.0, 1.0
    weight = share[:, None, None]
    images = old + (1.0 - weight) * off_first + weight * off_last
    images[[0, -1]] = first, last
    images, top = spread(images, count, handed.top)
    closest = closest_pair(images, cell, species, min_distance)
    if closest < min_distance:
        return None, 0, _refused(handed, "two atoms would clash", closest, min_distance)
    check = f"share of the hop at which the band of {handed.engine} has its maximum"
    return images, top, Finding(check=check, value=float(share[handed.top]))


def spread(images: Array, count: int, top: int) -> tuple[Array, int]:
    """Spread images evenly along both sides of one of them, which is kept.

    Parameters
    ----------
    images
        Shape (m, n, 3), in Å.
    count
        Images wanted, at least 3, ends included.
    top
        Index of the image that is kept, between the ends.

    Returns
    -------
    tuple
        Images, shape (count, n, 3), and the index of the one that was kept. With as many images
        as wanted nothing is moved.
    """
    if len(images) == count:
        return images, top
    place = lengths_along(images)
    share = place[top] / place[-1] if place[-1] else 0.5
    kept = int(np.clip(round(share * (count - 1)), 1, count - 2))
    wanted = np.concatenate(
        [
            np.linspace(0.0, place[top], kept + 1),
            np.linspace(place[top], place[-1], count - kept)[1:],
        ]
    )
    flat = images.reshape(len(images), -1)
    # Two images in one place would make the interpolation ambiguous.
    _, known = np.unique(place, return_index=True)
    columns = [np.interp(wanted, place[known], column) for column in flat[known].T]
    moved: Array = np.stack(columns, axis=1).reshape(count, *images.shape[1:])
    moved[[0, kept, -1]] = images[0], images[top], images[-1]
    return moved, kept


def carried_back(start: Geometry, state: Geometry, representative: Geometry, turn: Array,
                 order: Sequence[int]) -> Geometry:  # fmt: skip
    """Turn the displacements of a state's start into those of its representative.

    Parameters
    ----------
    start
        Where the state's relaxation would start.
    state, representative
        Both before relaxation, in one lattice.
    turn
        Rotation of Cartesian column vectors from the representative to the state, shape (3, 3).
    order
        Atom k of the representative is atom order[k] of the state.

    Returns
    -------
    Geometry
        Where the representative's relaxation starts instead.
    """
    moved = (start.xyz - state.xyz)[list(order)] @ turn
    return representative.moved(np.round(representative.xyz + moved, DIGITS))


def swollen(geometry: Geometry, volume_change: float) -> Geometry:
    """Scale a geometry to a volume larger by `volume_change`, relative, in all directions alike."""
    factor = (1.0 + volume_change) ** (1.0 / 3.0)
    a, b, c = as_vectors(np.round(geometry.cell * factor, DIGITS))
    lattice = (a, b, c)
    xyz = np.round(geometry.fractional @ np.array(lattice), DIGITS)
    return Geometry(lattice=lattice, species=geometry.species, positions=as_vectors(xyz))


def _other(handed: Handed, species: Sequence[str], cell: Array) -> str:
    """Say why a band is of other atoms or of another cell."""
    if handed.images.species != tuple(species):
        return "its ions are not the same"
    if len(handed.images) < 3 or len(handed.energies) != len(handed.images):
        return "it has no image between its ends"
    if not np.isfinite(handed.images.xyz).all():
        return "it has no finite positions"
    strain = np.linalg.solve(handed.images.cell, cell) - np.eye(3)
    return "" if np.abs(strain).max() < SAME_CELL else "its cell is another one"


def _refused(
    handed: Handed, reason: str, value: float = 0.0, limit: float | None = None
) -> Finding:
    """Say why the band is not used; the hop is none the worse for it, so this is no failure."""
    check = f"the band of {handed.engine} does not start this one: {reason}"
    return Finding(check=check, value=value, limit=limit, unit="Å" if limit is not None else "")
