"""Sites and windows of a framework: how much room its anions leave an ion, from geometry alone.

Everything here is of the parent crystal as it was given, before anything is relaxed or removed.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.analysis.jumps import JumpNetwork, class_jumps
from dualion.analysis.percolation import DIMENSIONS, channels
from dualion.analysis.polyanion import is_anion
from dualion.analysis.radii import anion_radius
from dualion.records import Record, Vec3, as_vectors
from dualion.structures.surroundings import Surroundings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.records import HopClass, HopNetwork

    Array = NDArray[np.float64]

SHELL = 1.25
"""Anions within this many times the nearest distance are a site's coordination."""
SAME_WINDOW = 0.3
"""Anions whose surfaces are this much farther than the nearest one's belong to a window, in Å."""
_SIDEWAYS = 1.6
"""A way may be so many times longer than the straight line, about."""
_OTHER_SITE = 0.9
"""A way keeps this far from all other sites, in Å: closer, an ion is on that site."""
_CATION = 1.5
"""A way keeps this far from the framework's cations, in Å: no ion goes through a PS4 or ScS6."""
_STEP = 0.1
"""Å between the points at which a way is looked at."""


class SiteRoom(Record):
    """The room that the anions around a site leave."""

    orbit: str
    coordination: int = Field(description="Anions within 1.25 times the nearest distance.")
    anions: tuple[str, ...] = Field(description="Their symbols, nearest first.")
    distance: float = Field(description="To the nearest anion, in Å.")
    radius: float = Field(description="Distance less that anion's Shannon radius, in Å.")


class Window(Record):
    """The narrowest place on the widest way between the two sites of a hop class."""

    class_id: str
    label: str = Field(description="Of the hop class, e.g. 'h1 24g–24g 3.26 Å'.")
    orbits: tuple[str, str] = Field(description="Of the two sites.")
    distance: float = Field(description="To the nearest anion, in Å.")
    radius: float = Field(description="Distance less that anion's Shannon radius, in Å.")
    anions: tuple[str, ...] = Field(description="That frame it, nearest first.")
    straight_radius: float = Field(description="The same on the straight line, in Å.")
    place: Vec3 = Field(description="Of the class's first member, Cartesian, in Å.")

    @property
    def frame(self) -> str:
        """The anions that frame it, as ``S3`` or ``S2Cl``."""
        return frame(self.anions)


class Openings(Record):
    """All sites and windows of a network, and the widest channels through them."""

    sites: tuple[SiteRoom, ...] = Field(description="One for each orbit.")
    windows: tuple[Window, ...] = Field(
        description="One for each hop class that has one: not where every way leads through an ion."
    )
    channels: tuple[tuple[str, float, str], ...] = Field(
        description="'1D', '2D', '3D': largest radius in Å of a sphere that gets through, and the "
        "hop class that limits it."
    )
    absent: str = Field("", description="Why there is nothing, where there is nothing.")

    def window(self, class_id: str) -> Window | None:
        """Return the window of a hop class, or None."""
        return next((each for each in self.windows if each.class_id == class_id), None)


def frame(anions: tuple[str, ...]) -> str:
    """Write a set of anions as a formula, e.g. ``S3``."""
    names = dict.fromkeys(anions)
    numbers = {name: anions.count(name) for name in names}
    return "".join(f"{name}{number if number > 1 else ''}" for name, number in numbers.items())


def openings(network: HopNetwork) -> Openings:
    """Measure the sites and windows of a framework.

    The widest way of a hop is looked for on the edges of the Voronoi tessellation of the anions
    around it (as in Zeo++, doi 10.1016/j.micromeso.2011.08.020) and on straight lines from the
    two sites to its vertices; it keeps off the framework's cations and off all other sites. Where
    anions of several radii meet, the edges are those of equal distance from their centres, and
    the way found may be a little narrower than the widest.

    Parameters
    ----------
    network
        Of the parent. For the vacancy mechanism the working ions are taken out; for the
        interstitial one they stay, as cations that block.

    Returns
    -------
    Openings
        Radii are distances less Shannon radii: those of a hard sphere that fits. Real ions pass
        windows smaller than themselves, since the framework gives way.
    """
    parent = network.parent
    occupied = {site.atom for site in network.sites if site.atom is not None}
    rest = [k for k in range(len(parent)) if k not in occupied]
    anions = [k for k in rest if is_anion(parent.species[k])]
    radii = {s: anion_radius(s) for s in {parent.species[k] for k in anions}}
    unknown = sorted(symbol for symbol, radius in radii.items() if radius is None)
    if not anions or unknown:
        reason = f"no Shannon radius of {', '.join(unknown)}" if unknown else "no anions"
        return Openings(sites=(), windows=(), channels=(), absent=reason)
    species = tuple(parent.species[k] for k in anions)
    room = _Room(
        cell=parent.cell,
        anions=parent.xyz[anions],
        species=species,
        radii=np.array([radii[s] for s in species], dtype=float),
        cations=parent.xyz[[k for k in rest if k not in anions]],
        sites=np.array([site.fractional for site in network.sites]) @ parent.cell,
    )
    sites = []
    for orbit in dict.fromkeys(site.orbit for site in network.sites):
        place = next(k for k, site in enumerate(network.sites) if site.orbit == orbit)
        sites.append(_site(orbit, room.sites[place], room))
    windows = []
    for each in network.classes:
        found = _window(each, room)
        if found is not None:
            windows.append(found)
    return Openings(
        sites=tuple(sites),
        windows=tuple(windows),
        channels=_channels(network, {each.class_id: each.radius for each in windows}),
    )


@dataclass(frozen=True)
class _Room:
    """Atoms of the parent that leave the room, and the sites in it, Cartesian in Å."""

    cell: Array
    anions: Array
    species: tuple[str, ...]
    radii: Array
    cations: Array
    sites: Array


@dataclass(frozen=True)
class _Near:
    """The same around one hop, without periodicity."""

    anions: Array
    kinds: NDArray[np.int64]
    radii: Array
    cations: Array
    others: Array

    def clearance(self, points: Array) -> Array:
        """Distance to the nearest anion's surface, shape (n,), in Å; -inf within an ion."""
        free: Array = (_apart(points, self.anions) - self.radii).min(axis=1)
        free = np.where(free < 0.0, -np.inf, free)
        for barred, reach in ((self.cations, _CATION), (self.others, _OTHER_SITE)):
            if len(barred):
                free = np.where(_apart(points, barred).min(axis=1) < reach, -np.inf, free)
        return free


def _apart(points: Array, others: Array) -> Array:
    found: Array = np.linalg.norm(points[:, None] - others[None], axis=-1)
    return found


def _around(room: _Room, points: Array, centre: Array, reach: float) -> tuple[Array, list[int]]:
    """Periodic copies of points within a reach of a place, and which each is of."""
    if not len(points):
        return np.zeros((0, 3)), []
    _, which, offsets = Surroundings(room.cell, points, reach).within(centre[None], reach)
    return centre + offsets, [int(k) for k in which]


def _site(orbit: str, place: Array, room: _Room) -> SiteRoom:
    reach = 6.0
    points, which = _around(room, room.anions, place, reach)
    while not len(points):
        reach *= 2.0
        points, which = _around(room, room.anions, place, reach)
    apart = np.linalg.norm(points - place, axis=1)
    order = np.argsort(apart, kind="stable")
    shell = [k for k in order if apart[k] <= SHELL * apart[order[0]]]
    return SiteRoom(
        orbit=orbit,
        coordination=len(shell),
        anions=tuple(room.species[which[k]] for k in shell),
        distance=float(apart[order[0]]),
        radius=float((apart - room.radii[which]).min()),
    )


def _window(each: HopClass, room: _Room) -> Window | None:
    """Find the window of a class's first member; None if every way leads through an ion."""
    first = each.members[0]
    start = room.sites[first.initial]
    end = room.sites[first.final] + np.array(first.image) @ room.cell
    near = _nearby(start, end, room)
    straight = _segment(start, end)
    way = _widest(start, end, near)
    if way is None:
        return None
    free = near.clearance(way)
    narrowest = int(np.argmin(free))
    place = way[narrowest]
    apart = np.linalg.norm(near.anions - place, axis=1)
    surface = apart - near.radii
    order = np.argsort(surface, kind="stable")
    framed = [k for k in order if surface[k] <= surface[order[0]] + SAME_WINDOW]
    return Window(
        class_id=each.class_id,
        label=each.label,
        orbits=each.orbits,
        distance=float(apart[order[0]]),
        radius=float(free[narrowest]),
        anions=tuple(room.species[near.kinds[k]] for k in framed),
        straight_radius=float((_apart(straight, near.anions) - near.radii).min()),
        place=as_vectors(place[None])[0],
    )


def _nearby(start: Array, end: Array, room: _Room) -> _Near:
    middle, length = (start + end) / 2.0, float(np.linalg.norm(end - start))
    # All anions that can be nearest to any point of the region, and a margin for its vertices.
    reach = _SIDEWAYS * length / 2.0 + 7.0
    anions, kinds = _around(room, room.anions, middle, reach)
    cations, _ = _around(room, room.cations, middle, reach)
    others, _ = _around(room, room.sites, middle, reach)
    ends = np.array([start, end])
    keep = _apart(others, ends).min(axis=1) > 1e-3 if len(others) else np.zeros(0, dtype=bool)
    return _Near(
        anions=anions,
        kinds=np.array(kinds, dtype=np.int64),
        radii=room.radii[kinds],
        cations=cations,
        others=others[keep],
    )


def _segment(start: Array, end: Array) -> Array:
    """Points from start to end, shape (n, 3)."""
    count = max(2, int(np.ceil(np.linalg.norm(end - start) / _STEP)) + 1)
    # An odd number, so that the middle of a symmetric hop is one of them.
    way: Array = start + np.linspace(0.0, 1.0, count | 1)[:, None] * (end - start)
    return way


def _widest(start: Array, end: Array, near: _Near) -> Array | None:
    """Points of the way whose narrowest place is widest, and which is short."""
    length = float(np.linalg.norm(end - start))
    nodes, edges = _graph(start, end, near, _SIDEWAYS * length + 0.5)
    joined: dict[int, list[tuple[int, float, float]]] = {}
    for i, j in edges:
        points = _segment(nodes[i], nodes[j])
        width = float(near.clearance(points).min())
        if width == -np.inf:
            continue
        far = float(np.linalg.norm(nodes[j] - nodes[i]))
        joined.setdefault(i, []).append((j, width, far))
        joined.setdefault(j, []).append((i, width, far))
    # Widest first, then shortest: Dijkstra on (narrowest so far, length so far).
    best: dict[int, tuple[float, float]] = {0: (-np.inf, 0.0)}
    came: dict[int, int] = {}
    queue: list[tuple[float, float, int]] = [(-np.inf, 0.0, 0)]
    while queue:
        narrow, far, node = heapq.heappop(queue)
        if node == 1:
            break
        if (narrow, far) > best[node]:
            continue
        for other, width, step in joined.get(node, ()):
            new = (max(narrow, -width), far + step)
            if other not in best or new < best[other]:
                best[other], came[other] = new, node
                heapq.heappush(queue, (*new, other))
    if 1 not in came:
        return None
    way = [1]
    while way[-1] != 0:
        way.append(came[way[-1]])
    return np.concatenate([_segment(nodes[a], nodes[b]) for a, b in pairwise(way)])


def _graph(
    start: Array, end: Array, near: _Near, reach: float
) -> tuple[Array, list[tuple[int, int]]]:
    """Nodes (the two sites, then Voronoi vertices near the hop) and edges between them."""
    from scipy.spatial import Voronoi

    ends = np.array([start, end])
    edges = {(0, 1)}
    if len(near.anions) < 5:
        return ends, sorted(edges)
    diagram = Voronoi(near.anions)
    inside = _apart(diagram.vertices, ends).sum(axis=1) <= reach
    number = {int(k): 2 + n for n, k in enumerate(np.flatnonzero(inside))}
    nodes = np.vstack([ends, diagram.vertices[inside]])
    for ridge in diagram.ridge_vertices:
        for a, b in zip(ridge, (*ridge[1:], ridge[0]), strict=True):
            if a in number and b in number:
                edges.add((min(number[a], number[b]), max(number[a], number[b])))
    edges |= {(site, node) for site in (0, 1) for node in number.values()}
    return nodes, sorted(edges)


def _channels(network: HopNetwork, radii: dict[str, float]) -> tuple[tuple[str, float, str], ...]:
    """Widest channels: hops opened by the radius of their window, widest first."""
    found = channels(
        JumpNetwork(
            ion=network.ion,
            lattice=network.parent.lattice,
            energies=(0.0,) * len(network.sites),
            orbits=tuple(site.orbit for site in network.sites),
            jumps=class_jumps(network, {name: -radius for name, radius in radii.items()}),
        )
    )
    ways = [found.get(what) for what in DIMENSIONS]
    return tuple((way.what, -way.barrier, way.bottleneck) for way in ways if way is not None)
