"""A band of another program, as it was read and before it is judged."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.errors import StructureError
from dualion.records import Geometry, Images, Record, Vec3, as_vectors
from dualion.structures.displacement import assigned, minimum_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FLATTEST = 1e-3
"""Volume of a cell by the product of its edges below which it is damage."""
SAME_CELL = 1e-3
"""Lattice vectors of two images that differ by more, in Å, are two cells."""
LARGEST = 1e6
"""Larger numbers are damage: of positions in Å, energies in eV and forces in eV/Å."""
MAX_ATOMS = 5_000
"""A larger cell is refused: its band would not fit into a record."""


class Snapshot(Record):
    """One image: a geometry and what a program said of it."""

    geometry: Geometry
    energy: float | None = Field(None, description="In eV per cell; None: not found.")
    forces: tuple[Vec3, ...] | None = Field(
        None, description="On all atoms, shape (n, 3), in eV/Å, 0 on atoms held fixed."
    )
    nudged: bool = Field(
        default=False,
        description="Whether the forces are those of the band (projected), as VTST writes them.",
    )
    along: float | None = Field(
        None, description="True force along the path, in eV/Å, where the program says it."
    )
    where: str = Field("", description="File it was read from, for messages.")


class ForeignBand(Record):
    """A band with both ends, in the atom order of its files, continuous from image to image."""

    source: str = Field(description="What was read, as it was named.")
    images: Images
    energies: tuple[float, ...] = Field(description="Of all images, in eV per cell.")
    forces: tuple[tuple[Vec3, ...], ...] | None = Field(
        None, description="On the interior images, shape (images - 2, n, 3), in eV/Å."
    )
    nudged: bool = Field(default=False, description="Whether these are forces of the band.")
    along: tuple[float, ...] | None = Field(
        None, description="True force along the path at the interior images, in eV/Å, if told."
    )
    climbing: bool | None = Field(None, description="None: not told.")
    fmax: float | None = Field(None, description="Its own convergence limit, in eV/Å.")
    converged: bool | None = Field(None, description="What the program says; None: nothing.")
    engine: str = Field("", description="Short name of the program; empty: not told.")
    code: str = ""
    version: str = ""
    settings: tuple[tuple[str, str], ...] = Field((), description="Level of theory, sorted.")
    potentials: tuple[tuple[str, str], ...] = Field(
        (), description="Pseudopotential of each element, sorted."
    )
    charge: int | None = Field(None, description="Of the cell; None: not told.")
    steps: int = Field(0, description="Ionic steps; 0: not told.")
    force_calls: int = Field(0, description="Of all interior images; 0: not told.")
    notes: tuple[str, ...] = ()


def require_band(snapshots: Sequence[Snapshot], *, where: str) -> tuple[Images, tuple[float, ...]]:
    """Check that snapshots are the images of one band, and make them continuous.

    Parameters
    ----------
    snapshots
        From the initial to the final state.
    where
        The folder or file, for messages.

    Returns
    -------
    tuple
        Images whose atoms take the shortest way from each image to the next, and their energies
        in eV.

    Raises
    ------
    StructureError
        If there are fewer than three, cells or species differ, atoms change their number, or an
        energy or position is missing or no number.
    """
    if len(snapshots) < 3:
        raise StructureError(
            f"{len(snapshots)} image{'s' * (len(snapshots) != 1)}, but a band has two ends and at "
            "least one image between",
            where=where,
            remedy="give the whole band",
        )
    first = snapshots[0].geometry
    if not 1 <= len(first) <= MAX_ATOMS:
        raise StructureError(
            f"{len(first)} atoms (at least 1, at most {MAX_ATOMS})", where=snapshots[0].where
        )
    for index, shot in enumerate(snapshots):
        place = f"{shot.where or where} (image {index})"
        _require_alike(first, shot.geometry, place)
        if shot.energy is None or not abs(shot.energy) < LARGEST:
            value = "none" if shot.energy is None else str(shot.energy)
            raise StructureError(
                f"no energy of this image (found: {value})",
                where=place,
                remedy="finish its calculation; for the two ends, name theirs with --ends",
            )
        if shot.forces is not None and (
            len(shot.forces) != len(first) or not np.abs(np.array(shot.forces)).max() < LARGEST
        ):
            raise StructureError("a force is missing or no number", where=place)
    xyz = [first.xyz]
    for index, shot in enumerate(snapshots[1:], start=1):
        step = minimum_image(shot.geometry.xyz - xyz[-1], first.cell)
        _require_order(first.species, xyz[-1], shot.geometry.xyz, first.cell, f"{where}: {index}")
        xyz.append(xyz[-1] + step)
    for index, (one, other) in enumerate(pairwise(xyz)):
        if np.abs(other - one).max() < 1e-6:
            raise StructureError(
                f"images {index} and {index + 1} are the same geometry",
                where=where,
                remedy="leave out the copy",
            )
    images = Images.from_array(first.lattice, first.species, np.array(xyz))
    return images, tuple(float(shot.energy or 0.0) for shot in snapshots)


def forces_between(
    snapshots: Sequence[Snapshot],
) -> tuple[tuple[tuple[Vec3, ...], ...] | None, bool, tuple[float, ...] | None]:
    """Collect the forces on the interior images, and say whose they are.

    Returns
    -------
    tuple
        As the fields `forces`, `nudged` and `along` of :class:`ForeignBand`. None where an
        interior image lacks them.

    Raises
    ------
    StructureError
        If some images have true forces and others those of the band.
    """
    inner = snapshots[1:-1]
    forces = [shot.forces for shot in inner if shot.forces is not None]
    along = [shot.along for shot in inner if shot.along is not None]
    kinds = {shot.nudged for shot in inner}
    if len(kinds) > 1:
        odd = next(shot for shot in inner if shot.nudged != inner[0].nudged)
        raise StructureError(
            "its forces are projected and those of other images are not, or the reverse",
            where=odd.where,
            remedy="give images of one calculation",
        )
    return (
        tuple(forces) if len(forces) == len(inner) else None,
        kinds == {True},
        tuple(along) if len(along) == len(inner) else None,
    )


def plain_geometry(
    cell: NDArray[np.float64], species: Sequence[str], xyz: NDArray[np.float64], *, where: str
) -> Geometry:
    """Build a geometry from arrays, positions in Å.

    Raises
    ------
    StructureError
        If a number is not finite, a shape is wrong, the cell flat, or a symbol is no element.
    """
    from ase.data import atomic_numbers

    if np.shape(cell) != (3, 3) or np.shape(xyz) != (len(species), 3):
        raise StructureError(
            f"{len(species)} species, but positions of shape {np.shape(xyz)} in a cell of shape "
            f"{np.shape(cell)}",
            where=where,
            remedy="the file is incomplete",
        )
    unknown = [s for s in species if s not in atomic_numbers or s == "X"]
    if unknown:
        raise StructureError(f"no element {unknown[0]!r}", where=where)
    largest = float(np.abs(np.vstack([cell, xyz])).max())  # NaN if any is
    if not largest < LARGEST:
        raise StructureError(
            f"a position or lattice vector is no number, or far out ({largest} Å)", where=where
        )
    edges = np.linalg.norm(cell, axis=1)
    volume = abs(float(np.linalg.det(cell)))
    if edges.min() < 0.5 or volume < FLATTEST * edges.prod():
        raise StructureError(f"its cell of {volume:.3g} Å³ is flat", where=where)
    a, b, c = as_vectors(cell)
    return Geometry(lattice=(a, b, c), species=tuple(species), positions=as_vectors(xyz))


def _require_alike(first: Geometry, other: Geometry, place: str) -> None:
    if len(other) != len(first):
        raise StructureError(
            f"{len(other)} atoms, but the initial image has {len(first)}",
            where=place,
            remedy="all images of a band hold the same atoms",
        )
    if other.species != first.species:
        row = next(
            k for k, (a, b) in enumerate(zip(first.species, other.species, strict=True)) if a != b
        )
        raise StructureError(
            f"atom {row} is {other.species[row]}, but {first.species[row]} in the initial image",
            where=place,
            remedy="bring the atoms of all images into one order",
        )
    apart = float(np.abs(other.cell - first.cell).max())
    if not apart <= SAME_CELL:
        raise StructureError(
            f"its cell differs from that of the initial image by up to {apart:.3f} Å",
            where=place,
            remedy="a band has one cell; relax both ends in it",
        )


def _require_order(
    species: tuple[str, ...],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    cell: NDArray[np.float64],
    where: str,
) -> None:
    """Refuse atoms of one species that changed their numbers from one image to the next."""
    for symbol in sorted(set(species)):
        rows = [k for k, s in enumerate(species) if s == symbol]
        taken = assigned(after[rows], before[rows], cell)
        swapped = [k for k, home in enumerate(taken) if home != k]
        if swapped:
            own = minimum_image(after[rows] - before[rows], cell)[swapped]
            best = minimum_image(after[rows] - before[rows][taken], cell)[swapped]
            # A chain of ions on the move may look so a little; exchanged numbers do very much.
            if (own**2).sum() > 4.0 * (best**2).sum() + 1.0:
                one, other = rows[swapped[0]], rows[int(taken[swapped[0]])]
                raise StructureError(
                    f"{symbol} atom {one} is where atom {other} was in the image before",
                    where=f"{where} (image)",
                    remedy="bring the atoms of all images into one order",
                )
