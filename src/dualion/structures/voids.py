"""Interstitial sites: the voids of a parent crystal, from its Voronoi tessellation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dualion.errors import CationError, InputError
from dualion.records import Geometry, Site, as_vectors
from dualion.structures.surroundings import Surroundings
from dualion.structures.symmetry import (
    SYMPREC,
    Symmetry,
    copies,
    find_symmetry,
    orbit_labels,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

RADIUS_SHARE = 0.75
"""Share of the sum of ionic radii that a void must leave between the ion and every neighbour.

A tetrahedral void between touching ions of rocksalt, the tightest that ions are known to pass,
leaves √3/2 = 0.87; relaxation opens a void by some 10 %.
"""

SHALLOW = 0.03
"""Share of a void's clearance by which the way to a larger one must narrow for the two to be two.

It is 0.06 from the tetrahedral to the octahedral void of close packing, and 0.016 from the
hexagonal position of diamond, a maximum of the clearance in name only, to the tetrahedral one.
"""

_NEIGHBOURHOOD = 2.5
"""Å within which a void is compared with larger ones: further apart there is an ion between."""


def find_voids(
    parent: Geometry,
    ion: str,
    *,
    min_clearance: float | None = None,
    merge: float = 0.75,
    symprec: float = SYMPREC,
) -> tuple[Site, ...]:
    """Find the sites that an extra ion can take while all others stay.

    Voids are vertices of the Voronoi tessellation of all ions, i.e. the centres of spheres that
    touch at least four ions and hold none, symmetrised onto special positions. A vertex that
    lies in the cavity of a larger one (see `SHALLOW`) is part of that one.

    Parameters
    ----------
    parent
        Ordered parent cell.
    ion
        Chemical symbol of the extra ion.
    min_clearance
        Smallest distance from a void to the nearest ion, in Å. None: every ion must be further
        away than `RADIUS_SHARE` of the sum of the ionic radii.
    merge
        Voids closer together than this become one, in Å. An ion within it of a site is on it.
    symprec
        Largest misfit of a symmetry operation, in Å.

    Returns
    -------
    tuple of Site
        Whole orbits, the roomiest first, labelled by multiplicity and Wyckoff letter.

    Raises
    ------
    CationError
        If the ion is no chemical element.
    InputError
        If no void is large enough, or a length is not positive.

    Notes
    -----
    Radii are Shannon's (doi 10.1107/S0567739476001551) as given by pymatgen: the ion's for
    charge +1, a neighbour's average over its anionic states, or over its cationic ones if it
    has none.
    """
    if merge <= 0 or (min_clearance is not None and min_clearance <= 0):
        raise InputError(
            f"merge = {merge:g} Å and min_clearance = {min_clearance} must be positive",
            where="voids",
            remedy="give lengths in Å above 0",
        )
    limits = _limits(parent, ion, min_clearance)
    symmetry = find_symmetry(parent, symprec=symprec)
    around = Surroundings(parent.cell, parent.xyz)
    orbits = _orbits(parent, symmetry, around, limits, merge=merge)
    if not orbits:
        radii = f"{RADIUS_SHARE:g} of the sum of ionic radii"
        wanted = radii if min_clearance is None else f"{min_clearance:g} Å"
        raise InputError(
            f"no void for {ion} keeps {wanted} from every ion",
            where=f"voids of {parent.formula}",
            remedy="lower min_clearance, or use the vacancy mechanism",
        )
    return named_sites(
        parent, np.concatenate([orbit.fractional for orbit in orbits]), symprec=symprec
    )


def named_sites(
    parent: Geometry, points: NDArray[np.float64], *, symprec: float = SYMPREC
) -> tuple[Site, ...]:
    """Name places that no ion holds by their orbits.

    Parameters
    ----------
    parent
        Ordered parent cell.
    points
        Fractional places, whole orbits, shape (n, 3).
    symprec
        Largest misfit of a symmetry operation, in Å.

    Returns
    -------
    tuple of Site
        In the same order, labelled by multiplicity in the conventional cell and Wyckoff letter.

    Raises
    ------
    StructureError
        If no space group is found.
    """
    labelled = find_symmetry(parent, symprec=symprec, markers=points)
    labels = orbit_labels(labelled, range(len(parent), len(parent) + len(points)))
    return tuple(
        Site(index=number, fractional=place, orbit=label)
        for number, (place, label) in enumerate(zip(as_vectors(points), labels, strict=True))
    )


@dataclass(frozen=True)
class _Orbit:
    """All copies of a void, shape (n, 3), and their distance to the nearest ion in Å."""

    fractional: NDArray[np.float64]
    clearance: float
    around: Surroundings
    separate: bool


def _limits(parent: Geometry, ion: str, min_clearance: float | None) -> NDArray[np.float64]:
    """Smallest distance of a void to each atom of the parent, shape (n,), in Å."""
    from pymatgen.core import Element, Species

    if not Element.is_valid_symbol(ion):
        raise CationError(
            f"{ion!r} is no chemical element", where="voids", remedy="give a symbol such as Li"
        )
    if min_clearance is not None:
        return np.full(len(parent), min_clearance)
    own = Species(ion, 1).ionic_radius or Element(ion).average_cationic_radius
    radii = []
    for symbol in parent.species:
        element = Element(symbol)
        radius = element.average_anionic_radius or element.average_cationic_radius
        radii.append(float(radius or element.atomic_radius or 1.0))
    return RADIUS_SHARE * (float(own) + np.array(radii))


def _orbits(
    parent: Geometry,
    symmetry: Symmetry,
    around: Surroundings,
    limits: NDArray[np.float64],
    *,
    merge: float,
) -> list[_Orbit]:
    """Voids by descending clearance, each with all its copies."""
    vertices = _vertices(around)
    clearance = around.distance(vertices)
    fractional = vertices @ np.linalg.inv(parent.cell)
    found: list[_Orbit] = []
    taken = np.zeros(len(vertices), dtype=bool)
    # Rounded, so that equivalent vertices come in an order that noise does not choose.
    for start in np.lexsort((*np.round(fractional.T, 4), -np.round(clearance, 3))):
        if taken[start]:
            continue
        point = _symmetrised(fractional[start], symmetry, parent.cell, merge)
        xyz = point[None] @ parent.cell
        if any(orbit.around.distance(xyz)[0] < merge for orbit in found):
            continue
        everywhere = copies(point, symmetry, parent.cell)
        orbit = _Orbit(
            fractional=everywhere,
            clearance=float(around.distance(xyz)[0]),
            around=Surroundings(parent.cell, everywhere @ parent.cell),
            separate=True,
        )
        taken |= orbit.around.distance(vertices) < merge
        if any(_joined(orbit, other, around, parent.cell) for other in found):
            orbit = replace(orbit, separate=False)
        found.append(orbit)
    return [
        orbit for orbit in found if orbit.separate and _has_room(orbit, around, parent.cell, limits)
    ]


def _vertices(around: Surroundings) -> NDArray[np.float64]:
    """Vertices of the tessellation in the home cell, shape (m, 3), in Å."""
    from scipy.spatial import Voronoi

    corners = Voronoi(around.xyz).vertices
    fractional = corners @ np.linalg.inv(around.cell)
    inside = ((fractional > -1e-6) & (fractional < 1 + 1e-6)).all(axis=1)
    corners = corners[inside]
    # A vertex of a flat group of ions is ill-defined: it must touch four ions in fact.
    room = around.distance(corners)
    which, _, _ = around.within(corners, room + 0.01)
    touching = np.bincount(which, minlength=len(corners))
    return np.asarray(corners[touching >= 4], dtype=float)


def _symmetrised(
    point: NDArray[np.float64], symmetry: Symmetry, cell: NDArray[np.float64], merge: float
) -> NDArray[np.float64]:
    """Move a point onto the special position that it is nearly on."""
    for _ in range(10):
        moved = symmetry.rotations @ point + symmetry.translations - point
        offsets = moved - np.rint(moved)
        near = np.linalg.norm(offsets @ cell, axis=1) < merge
        shift: NDArray[np.float64] = offsets[near].mean(axis=0)
        point = point + shift
        if np.linalg.norm(shift @ cell) < 1e-9:
            break
    return point


def _joined(orbit: _Orbit, larger: _Orbit, around: Surroundings, cell: NDArray[np.float64]) -> bool:
    """Whether a void opens into a larger one without a bottleneck."""
    if larger.clearance < orbit.clearance + 0.01:
        return False
    start = orbit.fractional[0] @ cell
    reach = min(_NEIGHBOURHOOD, larger.around.reach)
    _, _, offsets = larger.around.within(start[None], reach)
    way = np.linspace(0.0, 1.0, 41)
    for offset in offsets:
        narrowest = float(around.distance(start + way[:, None] * offset).min())
        if narrowest > orbit.clearance * (1 - SHALLOW):
            return True
    return False


def _has_room(
    orbit: _Orbit,
    around: Surroundings,
    cell: NDArray[np.float64],
    limits: NDArray[np.float64],
) -> bool:
    reach = min(float(limits.max()), around.reach)
    _, atoms, offsets = around.within(orbit.fractional[:1] @ cell, reach)
    return bool((np.linalg.norm(offsets, axis=1) >= limits[atoms] - 1e-6).all())
