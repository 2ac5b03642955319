"""Continuous channels: the lowest barrier by which an ion crosses the whole crystal."""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.records import IntVec3, Record, Vec3, as_vectors
from dualion.structures.network import PeriodicGraph

if TYPE_CHECKING:
    from dualion.analysis.jumps import Jump, JumpNetwork

DIMENSIONS = ("1D", "2D", "3D")
AXES = ("a", "b", "c")
_REACHES = (2, 4, 8)
"""Cells around home that a channel may wander through on its way to a copy of its start."""


class Step(Record):
    """One hop of a channel."""

    initial: int
    final: int
    image: IntVec3 = Field(description="Cell of the final site, from that of the initial one.")
    class_id: str
    climb: float = Field(description="From the initial site to the saddle, in eV.")
    saddle: float = Field(description="On the scale of the network, in eV.")


class Channel(Record):
    """The easiest way through the crystal in a number of dimensions, or along an axis."""

    what: str = Field(description="'1D', '2D', '3D', or 'a', 'b', 'c': along that cell vector.")
    barrier: float = Field(
        description="Highest saddle less the lowest site that the channel joins, in eV."
    )
    bottleneck: str = Field(description="Hop class of the highest saddle.")
    span: float = Field(description="Highest less lowest site that the channel joins, in eV.")
    path: tuple[Step, ...] = Field(
        description="From a site over the bottleneck to a copy of the site in another cell; empty "
        f"if the next copy is more than {_REACHES[-1]} cells away."
    )
    direction: Vec3 = Field(description="From that site to the copy, Cartesian, in Å.")


class Channels(Record):
    """All channels of an ion, those that exist."""

    ion: str
    found: tuple[Channel, ...]
    closed: tuple[str, ...] = Field((), description="Hop classes without a barrier, left out.")

    def get(self, what: str) -> Channel | None:
        """Return one of them, or None where the ion does not get through."""
        return next((each for each in self.found if each.what == what), None)

    @property
    def dimensionality(self) -> int:
        """In how many dimensions the ion gets through at all."""
        return sum(self.get(what) is not None for what in DIMENSIONS)


def channels(network: JumpNetwork) -> Channels:
    """Find the lowest barrier that percolates, in one to three dimensions and along each axis.

    Hops are opened by the height of their saddle, lowest first; the first moment at which a
    connected set of sites reaches copies of itself in so many independent directions (or in a
    cell with another index along that axis) decides. Site energies count: the barrier is from
    the lowest site of that set, where the carriers are, to the highest saddle opened.

    Parameters
    ----------
    network
        Of one ion.

    Returns
    -------
    Channels
        Exact for the network: no box, no tolerance.
    """
    graph = PeriodicGraph(len(network.energies))
    ordered = sorted(network.jumps, key=lambda jump: jump.saddle)
    found: dict[str, Channel] = {}
    for count, jump in enumerate(ordered, start=1):
        graph.add(jump.initial, jump.final, jump.image)
        for what in _opened(graph.translations(jump.initial)):
            if what not in found:
                found[what] = _channel(what, network, ordered[:count], graph, jump)
    return Channels(
        ion=network.ion,
        found=tuple(found[what] for what in (*DIMENSIONS, *AXES) if what in found),
        closed=network.closed,
    )


def _opened(basis: tuple[IntVec3, ...]) -> list[str]:
    """Name the dimensions and axes in which these translations lead."""
    along = [axis for k, axis in enumerate(AXES) if any(vector[k] for vector in basis)]
    return [*DIMENSIONS[: len(basis)], *along]


def _channel(
    what: str, network: JumpNetwork, opened: list[Jump], graph: PeriodicGraph, last: Jump
) -> Channel:
    members = graph.component(last.initial)
    levels = [network.energies[site] for site in members]
    axis = AXES.index(what) if what in AXES else None
    ways = (_shortest(network, opened, last, axis, reach=reach) for reach in _REACHES)
    steps = next((way for way in ways if way), [])
    net = np.sum([step.image for step in steps] or [(0, 0, 0)], axis=0)
    return Channel(
        what=what,
        barrier=last.saddle - min(levels),
        bottleneck=last.class_id,
        span=max(levels) - min(levels),
        path=tuple(steps),
        direction=as_vectors((net @ network.cell)[None])[0],
    )


def _shortest(
    network: JumpNetwork, opened: list[Jump], last: Jump, axis: int | None, *, reach: int
) -> list[Step]:
    """Shortest way from the last hop's start through that hop to a copy of the start."""
    from_site: dict[int, list[tuple[int, IntVec3, float, Jump]]] = defaultdict(list)
    for jump in opened:
        length = float(np.linalg.norm(jump.vector))
        x, y, z = jump.image
        from_site[jump.initial].append((jump.final, jump.image, length, jump))
        from_site[jump.final].append((jump.initial, (-x, -y, -z), length, jump))
    start = (last.initial, (0, 0, 0))
    first = (last.final, last.image)
    best: dict[tuple[int, IntVec3], float] = {first: 0.0}
    came: dict[tuple[int, IntVec3], tuple[tuple[int, IntVec3], Jump]] = {first: (start, last)}
    queue = [(0.0, first)]
    while queue:
        far, (site, cell) = heapq.heappop(queue)
        if far > best[site, cell]:
            continue
        if site == last.initial and any(cell) and (axis is None or cell[axis]):
            return _steps(network, came, (site, cell), start)
        for other, image, length, jump in from_site[site]:
            there = (cell[0] + image[0], cell[1] + image[1], cell[2] + image[2])
            node = (other, there)
            if node == start or max(map(abs, there)) > reach:
                continue
            if far + length < best.get(node, np.inf):
                best[node] = far + length
                came[node] = ((site, cell), jump)
                heapq.heappush(queue, (far + length, node))
    return []


def _steps(
    network: JumpNetwork,
    came: dict[tuple[int, IntVec3], tuple[tuple[int, IntVec3], Jump]],
    node: tuple[int, IntVec3],
    start: tuple[int, IntVec3],
) -> list[Step]:
    steps = []
    while node != start:
        before, jump = came[node]
        image = (
            node[1][0] - before[1][0],
            node[1][1] - before[1][1],
            node[1][2] - before[1][2],
        )
        steps.append(
            Step(
                initial=before[0],
                final=node[0],
                image=image,
                class_id=jump.class_id,
                climb=jump.saddle - network.energies[before[0]],
                saddle=jump.saddle,
            )
        )
        node = before
    return steps[::-1]
