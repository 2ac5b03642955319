"""Distinct hops of a moving sublattice: which jumps there are, told apart by symmetry.

Hops are enumerated on the ordered single-species parent; which of two ions sits where comes
later. Two hops are the same class if an operation of the parent's space group maps one onto the
other, in either direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dualion.errors import InputError, StructureError
from dualion.records import Geometry, HopNetwork, IntVec3, Mechanism, Operation, Site, as_vectors
from dualion.structures.hop_classes import HopOrbit, as_classes, hop_orbit
from dualion.structures.network import PeriodicGraph, dimensionality
from dualion.structures.placement import place_hops
from dualion.structures.surroundings import Surroundings
from dualion.structures.symmetry import SYMPREC, SiteMap, find_symmetry, orbit_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["find_hops", "place_hops", "working_sites"]

SITE_CLEARANCE = 0.9
"""Å from the straight line within which another site blocks a hop.

An ion that comes so close is in that site's basin (an ion more than about 0.8 Å from its site has
left it), so the hop is a chain of two shorter ones that are listed anyway.
"""

FRAMEWORK_CLEARANCE = 1.0
"""Å from the straight line within which an ion that stays blocks a hop.

A path bows sideways by some 0.6 Å at most; 1.0 Å more is still less than the 1.7 Å to which even
Li passes O, the closest of all pairs in question.
"""

SHELL_WIDTH = 0.02
"""Å: hops whose lengths lie closer together are added to a network together."""

_REACHES = (6.0, 8.0)
"""Å up to which a percolating network is looked for: the first, or the second if it has none."""


def working_sites(parent: Geometry, ion: str, *, symprec: float = SYMPREC) -> tuple[Site, ...]:
    """List the sites that the working ion occupies in the parent.

    Parameters
    ----------
    parent
        Ordered parent cell.
    ion
        Chemical symbol of the working ion.
    symprec
        Largest misfit of a symmetry operation, in Å.

    Returns
    -------
    tuple of Site
        In the parent's order, labelled by multiplicity in the conventional cell and Wyckoff letter.

    Raises
    ------
    StructureError
        If the parent has no such ion.
    """
    atoms = [index for index, symbol in enumerate(parent.species) if symbol == ion]
    if not atoms:
        raise StructureError(
            f"no working ion {ion} (has {parent.formula})",
            where="working ion",
            remedy=f"name one of {', '.join(dict.fromkeys(parent.species))}",
        )
    labels = orbit_labels(find_symmetry(parent, symprec=symprec), atoms)
    places = as_vectors(parent.fractional[atoms])
    return tuple(
        Site(index=number, fractional=place, orbit=label, atom=atom)
        for number, (atom, place, label) in enumerate(zip(atoms, places, labels, strict=True))
    )


def find_hops(
    parent: Geometry,
    sites: tuple[Site, ...],
    *,
    mechanism: Mechanism,
    ion: str,
    max_length: float | None,
    classes: tuple[str, ...] | None = None,
    symprec: float = SYMPREC,
) -> HopNetwork:
    """Find the distinct hops between sites.

    Hops whose straight line runs through another site or through an ion that stays are left out
    (`SITE_CLEARANCE`, `FRAMEWORK_CLEARANCE`).

    Parameters
    ----------
    parent
        Ordered parent cell.
    sites
        The moving sublattice: occupied sites (vacancy) or voids (interstitial), complete orbits.
    mechanism
        How the ion moves.
    ion
        Chemical symbol of the working ion.
    max_length
        Longest hop, in Å. None: hops are added by length until they percolate in as many
        directions as hops of up to 6 Å do (8 Å if those do not percolate at all).
    classes
        Keep only these classes (``'h1'``, …); ids are those of the full list.
    symprec
        Largest misfit of a symmetry operation, in Å.

    Returns
    -------
    HopNetwork
        Classes by length. `dimensionality` is that of the classes kept. A class's first member is
        chosen so that classes share end points; every member is listed in the direction that its
        operation gives the first one, so a member's forward barrier is the class's forward
        barrier.

    Raises
    ------
    InputError
        If there is no hop, or a named class does not exist.
    StructureError
        If the sites are not complete orbits of the parent's space group.
    """
    _check_sites(parent, sites, mechanism)
    symmetry = find_symmetry(parent, symprec=symprec)
    fractional = np.array([site.fractional for site in sites])
    site_map = SiteMap(parent.cell, fractional, symmetry, tolerance=max(5 * symprec, 1e-3))
    reaches = _REACHES if max_length is None else (max_length,)
    orbits: list[HopOrbit] = []
    nearest, blocked = float("inf"), 0
    for reach in reaches:
        candidates = _candidates(parent, sites, mechanism, reach)
        nearest, blocked = candidates.nearest, candidates.blocked
        orbits, percolates = _grow(
            candidates, site_map, symmetry.rotations, len(sites), stop=max_length is None
        )
        if percolates:
            break
    if not orbits:
        raise InputError(
            f"no hop of {ion} up to {reaches[-1]:g} Å (nearest sites {nearest:.2f} Å apart, "
            f"{blocked} hops blocked by another site or ion)",
            where=f"hops of {parent.formula}",
            remedy="raise max_length, or check the sites and the mechanism",
        )
    listed = as_classes(orbits, sites, fractional, parent.cell, site_map)
    if classes is not None:
        missing = [name for name in classes if name not in {each.class_id for each in listed}]
        if missing:
            raise InputError(
                f"no hop class {', '.join(missing)}",
                where="hops.classes",
                remedy=f"choose from {'; '.join(each.label for each in listed)}",
            )
        listed = tuple(each for each in listed if each.class_id in classes)
    longest = max(each.length for each in listed) if max_length is None else max_length
    return HopNetwork(
        parent=parent,
        mechanism=mechanism,
        ion=ion,
        sites=sites,
        operations=tuple(
            Operation(rotation=rotation, translation=translation)
            for rotation, translation in zip(
                symmetry.rotations.tolist(), symmetry.translations.tolist(), strict=True
            )
        ),
        classes=listed,
        max_length=longest,
        dimensionality=dimensionality(
            len(sites),
            ((m.initial, m.final, m.image) for each in listed for m in each.members),
        ),
    )


@dataclass(frozen=True)
class _Candidates:
    """Unblocked hops by length, each undirected hop once; shapes (n,), (n,), (n, 3), (n,)."""

    initial: NDArray[np.int64]
    final: NDArray[np.int64]
    image: NDArray[np.int64]
    length: NDArray[np.float64]
    nearest: float
    blocked: int


def _check_sites(parent: Geometry, sites: tuple[Site, ...], mechanism: Mechanism) -> None:
    if not sites:
        raise InputError(
            "no sites to hop between", where="sites", remedy="find working sites or voids first"
        )
    for number, site in enumerate(sites):
        if site.index != number:
            raise InputError(
                f"site {number} of the list has index {site.index}",
                where="sites",
                remedy="number the sites by their place in the list",
            )
        if mechanism is Mechanism.VACANCY and (site.atom is None or site.atom >= len(parent)):
            raise InputError(
                f"site {number} holds no atom of the parent (atom = {site.atom})",
                where="sites",
                remedy="a vacancy hop needs occupied sites; voids hop by mechanism interstitial",
            )


def _candidates(
    parent: Geometry, sites: tuple[Site, ...], mechanism: Mechanism, reach: float
) -> _Candidates:
    from ase.neighborlist import primitive_neighbor_list

    xyz = np.array([site.fractional for site in sites]) @ parent.cell
    initial, final, image, vector, length = primitive_neighbor_list(
        "ijSDd", (True, True, True), parent.cell, xyz, reach + 1e-6
    )
    # One direction of each pair; of a hop to a site's own copy the lexicographically positive one.
    first = image[np.arange(len(image)), np.argmax(image != 0, axis=1)]
    once = (initial < final) | ((initial == final) & (first > 0))
    initial, final, image = initial[once], final[once], image[once]
    vector, length = vector[once], length[once]
    free = ~_blocked(parent, sites, mechanism, start=xyz[initial], vector=vector, length=length)
    order = np.argsort(length[free], kind="stable")
    return _Candidates(
        initial=initial[free][order].astype(np.int64),
        final=final[free][order].astype(np.int64),
        image=image[free][order].astype(np.int64),
        length=length[free][order],
        nearest=float(length.min()) if len(length) else float("inf"),
        blocked=int((~free).sum()),
    )


def _blocked(
    parent: Geometry,
    sites: tuple[Site, ...],
    mechanism: Mechanism,
    *,
    start: NDArray[np.float64],
    vector: NDArray[np.float64],
    length: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Tell which straight lines run through another site or an ion that stays, shape (n,)."""
    if not len(length):
        return np.zeros(0, dtype=bool)
    held = {site.atom for site in sites} if mechanism is Mechanism.VACANCY else set()
    staying = [index for index in range(len(parent)) if index not in held]
    site_xyz = np.array([site.fractional for site in sites]) @ parent.cell
    xyz = np.concatenate([site_xyz, parent.xyz[staying]])
    clearance = np.repeat([SITE_CLEARANCE, FRAMEWORK_CLEARANCE], [len(sites), len(staying)])
    reach = float(length.max()) / 2 + FRAMEWORK_CLEARANCE
    around = Surroundings(parent.cell, xyz, reach)
    hop, point, offset = around.within(start + vector / 2, length / 2 + FRAMEWORK_CLEARANCE)
    direction = vector[hop] / length[hop, None]
    along = (offset * direction).sum(axis=1)
    aside = np.linalg.norm(offset - along[:, None] * direction, axis=1)
    # The end points themselves, and what lies behind them, are not passed.
    passed = np.abs(along) < length[hop] / 2 - 0.05
    blocked = np.zeros(len(length), dtype=bool)
    blocked[hop[passed & (aside < clearance[point] - 1e-6)]] = True
    return blocked


def _grow(
    candidates: _Candidates,
    site_map: SiteMap,
    rotations: NDArray[np.int64],
    sites: int,
    *,
    stop: bool,
) -> tuple[list[HopOrbit], bool]:
    """Gather hops into orbits, shell by shell.

    Returns
    -------
    list of HopOrbit, bool
        The orbits, up to the shell with which the network reaches its full dimensionality if
        `stop`; and whether it percolates at all.
    """
    graph = PeriodicGraph(sites)
    seen: set[tuple[int, int, IntVec3]] = set()
    orbits: list[HopOrbit] = []
    shell_end, complete, reached = -1.0, float("inf"), 0
    rows = zip(
        candidates.initial.tolist(),
        candidates.final.tolist(),
        candidates.image.tolist(),
        candidates.length.tolist(),
        strict=True,
    )
    for initial, final, (x, y, z), length in rows:
        if (initial, final, (x, y, z)) in seen:
            continue
        if length > shell_end:
            if stop and reached == 3:
                break
            shell_end = length + SHELL_WIDTH
        orbit = hop_orbit(
            initial, final, (x, y, z), length=length, site_map=site_map, rotations=rotations
        )
        orbits.append(orbit)
        for start, end, image in orbit.hops:
            seen.add((start, end, image))
            seen.add((end, start, (-image[0], -image[1], -image[2])))
            graph.add(start, end, image)
        if graph.dimensionality > reached:
            reached, complete = graph.dimensionality, shell_end
    if stop:
        # A network that leads nowhere is what it is; its long hops help as little as its short.
        limit = complete if reached else max(_REACHES[0], orbits[0].length if orbits else 0.0)
        orbits = [orbit for orbit in orbits if orbit.length <= limit + 1e-9]
    return orbits, reached > 0
