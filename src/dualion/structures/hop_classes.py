"""Orbits of undirected hops under the parent's space group, and the classes made of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dualion.records import HopClass, HopMember, IntVec3, Site

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from dualion.structures.symmetry import SiteMap

    DirectedHop = tuple[int, int, IntVec3]


@dataclass(frozen=True)
class HopOrbit:
    """All copies of one hop.

    Parameters
    ----------
    length
        Of the hop it was made from, in Å.
    hops
        Directed copies (initial site, final site, cell of the final site) that the operations
        make of it; both directions of a hop if `mirror`.
    mirror
        Whether an operation swaps the ends.
    """

    length: float
    hops: tuple[DirectedHop, ...]
    mirror: bool
    rotations: NDArray[np.int64]


def hop_orbit(
    initial: int,
    final: int,
    image: IntVec3,
    *,
    length: float,
    site_map: SiteMap,
    rotations: NDArray[np.int64],
) -> HopOrbit:
    """Apply every operation to a hop.

    Parameters
    ----------
    initial, final
        Sites.
    image
        Cell of the final site; the initial one is in the home cell.
    length
        In Å.
    site_map
        What the operations do to the sites.
    rotations
        Rotation parts of the operations, shape (m, 3, 3).

    Returns
    -------
    HopOrbit
        Distinct directed copies, in the order of the operations.
    """
    copies = dict.fromkeys(_copies(initial, final, image, site_map, rotations))
    return HopOrbit(
        length=length,
        hops=tuple(copies),
        mirror=_turned((initial, final, image)) in copies,
        rotations=rotations,
    )


def as_classes(
    orbits: list[HopOrbit],
    sites: tuple[Site, ...],
    fractional: NDArray[np.float64],
    cell: NDArray[np.float64],
    site_map: SiteMap,
) -> tuple[HopClass, ...]:
    """Choose a first member of every orbit and write the classes.

    The first members start from one shared site where they can, and end on sites already in use:
    each distinct end point is one relaxation saved.

    Parameters
    ----------
    orbits
        By length.
    sites
        All sites, in order.
    fractional
        Their fractional positions, shape (n, 3).
    cell
        Lattice vectors as rows, in Å.
    site_map
        What the operations do to the sites.

    Returns
    -------
    tuple of HopClass
        ``h1``, ``h2``, … by length.
    """
    sizes = Counter(site.orbit for site in sites)
    used: set[tuple[int, IntVec3]] = set()
    anchor: int | None = None
    classes = []
    for number, orbit in enumerate(orbits, start=1):
        initial, final, image = first = _first_member(orbit, anchor, used)
        anchor = initial if anchor is None else anchor
        used |= {(initial, (0, 0, 0)), (final, image)}
        members = _members(first, site_map, orbit.rotations)
        ends = (sites[initial].orbit, sites[final].orbit)
        ways = 2 if orbit.mirror else 1
        vector = fractional[final] + np.array(image) - fractional[initial]
        classes.append(
            HopClass(
                class_id=f"h{number}",
                orbits=ends,
                length=float(np.linalg.norm(vector @ cell)),
                multiplicity=len(members),
                per_site=(
                    ways * len(members) // sizes[ends[0]],
                    ways * len(members) // sizes[ends[1]],
                ),
                self_mirror=orbit.mirror,
                members=members,
            )
        )
    return tuple(classes)


def _copies(
    initial: int, final: int, image: IntVec3, site_map: SiteMap, rotations: NDArray[np.int64]
) -> Iterable[DirectedHop]:
    """Yield the hop under every operation, brought back so that it starts in the home cell."""
    start, start_cell = site_map.images(initial)
    end, end_cell = site_map.images(final)
    cells = rotations @ np.array(image, dtype=np.int64) + end_cell - start_cell
    yield from zip(start.tolist(), end.tolist(), map(tuple, cells.tolist()), strict=True)


def _turned(hop: DirectedHop) -> DirectedHop:
    initial, final, (x, y, z) = hop
    return final, initial, (-x, -y, -z)


def _first_member(
    orbit: HopOrbit, anchor: int | None, used: set[tuple[int, IntVec3]]
) -> DirectedHop:
    choices = set(orbit.hops) | {_turned(hop) for hop in orbit.hops}

    def rank(hop: DirectedHop) -> tuple[bool, int, int, int, tuple[int, ...], IntVec3]:
        initial, final, image = hop
        shared = ((initial, (0, 0, 0)) in used) + ((final, image) in used)
        spread = tuple(abs(component) for component in image)
        # Near cells and positive directions only to make the choice one that reads well.
        return (
            initial != anchor,
            -shared,
            initial,
            final,
            (sum(spread), *spread),
            (-image[0], -image[1], -image[2]),
        )

    return min(choices, key=rank)


def _members(
    first: DirectedHop, site_map: SiteMap, rotations: NDArray[np.int64]
) -> tuple[HopMember, ...]:
    """List each undirected hop once, in the direction in which an operation makes it of `first`."""
    found: dict[DirectedHop, int] = {}
    for operation, hop in enumerate(_copies(*first, site_map, rotations)):
        if hop not in found and _turned(hop) not in found:
            found[hop] = operation
    found.pop(first)
    rest = sorted(found.items())
    # The identity is the first operation, so the first member is its own copy.
    return tuple(
        HopMember(initial=i, final=j, image=image, operation=operation, reversed=False)
        for (i, j, image), operation in [(first, 0), *rest]
    )
