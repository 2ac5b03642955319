"""A vacancy beside a dopant: the places where the dopant is felt, and the fluxes between them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dualion.analysis.fluxes import gathered
from dualion.analysis.propagator import Propagator, in_basis, translation_basis
from dualion.errors import PrecisionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from dualion.analysis.diffusion import Walk

    Array = NDArray[np.float64]
    Ints = NDArray[np.int64]

    Beside = Callable[[Array, Array, float], float]
    """Saddle of a host hop near the dopant, in eV: from where the dopant is to both ends of the
    hop, in Å, and what the saddle is without it. The same both ways."""

_LOST = 1e-4
"""Deviation of a matrix times its inverse from one at which rounding has taken over."""


@dataclass(frozen=True)
class Place:
    """A site, and its cell as the host's sites are gathered."""

    site: int
    cell: tuple[int, int, int]


class DopantPair:
    """The places of a vacancy beside a dopant, and the fluxes between them."""

    def __init__(self, host: Walk, dopant: Walk, beside: Beside | None) -> None:
        self.host, self.dopant, self._beside = host, dopant, beside
        sites = len(host.weights)
        # Fluxes relative to the lowest saddle of both, so that none of a cold crystal is zero.
        base = min([dopant.base, *([host.base] if host.network.jumps else [])])
        heat = dopant.heat
        self._base = base
        self.scale = float(
            np.exp(-base / heat) * sites / (host.weights.sum() * dopant.weights.sum())
        )
        self.exchange = np.exp(-(dopant.saddles - base) / heat)
        self._hop = np.exp(-(host.saddles - base) / heat) if host.network.jumps else np.zeros(0)
        self._root, self._cell = gathered(sites, *host.ends, host.image, self._hop)
        self._numbers: dict[tuple[int, Place], int] = {}
        self._ways = self._all_ways()
        self._near = [self._places_near(site) for site in range(sites)]

    @property
    def places(self) -> int:
        """How many states there are of a dopant in the home cell with a vacancy near by."""
        return len(self._numbers)

    def _all_ways(self) -> list[list[tuple[Place, int, Array]]]:
        """Per site, the host's hops from it: where to, which, and by which vector."""
        ways: list[list[tuple[Place, int, Array]]] = [[] for _ in self.host.weights]
        for k, jump in enumerate(self.host.network.jumps):
            vector = np.array(jump.vector)
            ways[jump.initial].append((self._to(jump.initial, jump.final, jump.image), k, vector))
            back = tuple(-each for each in jump.image)
            ways[jump.final].append((self._to(jump.final, jump.initial, back), k, -vector))
        return ways

    def _to(self, initial: int, final: int, image: tuple[int, ...]) -> Place:
        """Where a hop ends, from a site in the home cell as the sites are gathered."""
        x, y, z = (self._cell[initial] + np.array(image) - self._cell[final]).tolist()
        return Place(final, (x, y, z))

    def _number(self, dopant: int, vacancy: Place) -> int:
        return self._numbers.setdefault((dopant, vacancy), len(self._numbers))

    def _places_near(self, dopant: int) -> dict[Place, Array]:
        """Own place of a dopant, those it exchanges with, and what else the dopant changes."""
        near = {Place(dopant, (0, 0, 0)): np.zeros(3)}
        beside: dict[Place, Array] = {}
        for jump in self.dopant.network.jumps:
            vector = np.array(jump.vector)
            if jump.initial == dopant:
                beside[self._to(dopant, jump.final, jump.image)] = vector
            if jump.final == dopant:
                back = tuple(-each for each in jump.image)
                beside[self._to(dopant, jump.initial, back)] = -vector
        # A vacancy that reaches the dopant's place by a hop of the host stays as near.
        for place, _, vector in self._ways[dopant]:
            beside.setdefault(place, vector)
        near |= {place: vector for place, vector in beside.items() if place not in near}
        if self._beside is not None:
            for place, vector in beside.items():
                for other, _, step in self._from(place):
                    near.setdefault(other, vector + step)
        return near

    def _from(self, place: Place) -> list[tuple[Place, int, Array]]:
        x, y, z = place.cell
        return [
            (Place(to.site, (x + to.cell[0], y + to.cell[1], z + to.cell[2])), k, step)
            for to, k, step in self._ways[place.site]
        ]

    def networks(self, effort: float) -> list[tuple[Ints, Ints, Ints, Array]]:
        """Return the walk of the dopant with best and second Green function: fluxes as arrays."""
        ends: list[tuple[int, int]] = []
        images: list[tuple[int, ...]] = []
        fluxes: list[tuple[float, float]] = []
        blocks = self._blocks()
        responses = self._responses(blocks, effort)
        for dopant in range(len(self._near)):
            own = Place(dopant, (0, 0, 0))
            changed = self._changes(dopant)
            for places, (best, check) in zip(blocks[dopant], responses[dopant], strict=True):
                numbers = [self._number(dopant, place) for place in places]
                weight = self.dopant.weights[dopant]
                for a, b in zip(*np.triu_indices(len(places), 1), strict=True):
                    if own in (places[a], places[b]):
                        continue  # where the dopant is, no vacancy comes but by exchange
                    change = changed.get(frozenset((places[a], places[b])), 0.0)
                    pair = [max(0.0, weight * (-each[a, b] + change)) for each in (best, check)]
                    if max(pair) > 0.0:
                        ends.append((numbers[a], numbers[b]))
                        images.append((0, 0, 0))
                        fluxes.append((pair[0], pair[1]))
        for k, jump in enumerate(self.dopant.network.jumps):
            there = self._to(jump.initial, jump.final, jump.image)
            back = self._to(jump.final, jump.initial, tuple(-each for each in jump.image))
            ends.append((self._number(jump.initial, there), self._number(jump.final, back)))
            images.append(jump.image)
            fluxes.append((self.exchange[k], self.exchange[k]))
        tail, head = np.array(ends, dtype=np.int64).T
        image = np.array(images, dtype=np.int64)
        both = np.array(fluxes)
        return [(tail, head, image, both[:, 0]), (tail, head, image, both[:, 1])]

    def _blocks(self) -> list[list[list[Place]]]:
        """Split the places near each dopant into sets that the host's hops join at all."""
        hosts = self.host
        nets = self._cell[hosts.ends[0]] + hosts.image - self._cell[hosts.ends[1]]
        self._bases = {
            int(root): translation_basis(nets[self._root[hosts.ends[0]] == root])
            if len(nets)
            else np.zeros((0, 3), dtype=np.int64)
            for root in np.unique(self._root)
        }
        split = []
        for near in self._near:
            sets: dict[tuple[int, ...], list[Place]] = defaultdict(list)
            for place in near:
                root = int(self._root[place.site])
                _, left = in_basis(np.array([place.cell]), self._bases[root])
                sets[root, *left[0].tolist()].append(place)
            split.append(list(sets.values()))
        return split

    def _responses(
        self, blocks: list[list[list[Place]]], effort: float
    ) -> list[list[tuple[Array, Array]]]:
        """Per dopant and block, the Laplacian of the host's walk as felt in those places."""
        asked: dict[int, list[list[Place]]] = defaultdict(list)
        where = []
        for sets in blocks:
            row = []
            for places in sets:
                root = int(self._root[places[0].site])
                row.append((root, len(asked[root])))
                asked[root].append(places)
            where.append(row)
        found = {root: self._felt(root, sets, effort) for root, sets in asked.items()}
        return [[found[root][k] for root, k in row] for row in where]

    def _felt(self, root: int, sets: list[list[Place]], effort: float) -> list[tuple[Array, Array]]:
        members = np.flatnonzero(self._root == root)
        inside = np.flatnonzero(self._root[self.host.ends[0]] == root)
        if not len(inside):
            return [(np.zeros((len(p), len(p))), np.zeros((len(p), len(p)))) for p in sets]
        local = {int(site): k for k, site in enumerate(members)}
        tail = np.array([local[int(site)] for site in self.host.ends[0][inside]])
        head = np.array([local[int(site)] for site in self.host.ends[1][inside]])
        nets = (
            self._cell[self.host.ends[0][inside]]
            + self.host.image[inside]
            - self._cell[self.host.ends[1][inside]]
        )
        shift, _ = in_basis(nets, self._bases[root])
        propagator = Propagator(len(members), tail, head, shift, self._hop[inside], effort=effort)
        sites, cells, rows, columns = [], [], [], []
        start = 0
        for places in sets:
            count = len(places)
            sites += [local[place.site] for place in places]
            cells += [place.cell for place in places]
            a, b = np.meshgrid(np.arange(count), np.arange(count), indexing="ij")
            rows.append(start + a.ravel())
            columns.append(start + b.ravel())
            start += count
        site = np.array(sites)
        cell, _ = in_basis(np.array(cells, dtype=np.int64), self._bases[root])
        first, second = np.concatenate(rows), np.concatenate(columns)
        between = propagator.between((site[first], cell[first]), (site[second], cell[second]))
        felt, place = [], 0
        for places in sets:
            count = len(places)
            part = slice(place, place + count**2)
            best, check = (_response(each[part].reshape(count, count)) for each in between)
            felt.append((best, check))
            place += count**2
        return felt

    def _changes(self, dopant: int) -> dict[frozenset[Place], float]:
        """By how much the fluxes of host hops beside a dopant differ, by the hop's two places."""
        changes: dict[frozenset[Place], float] = {}
        if self._beside is None:
            return changes
        own = Place(dopant, (0, 0, 0))
        near = self._near[dopant]
        exchanged = {
            place for place in near for to, _, _ in self._from(place) if to == own and place != own
        }
        for jump in self.dopant.network.jumps:
            if jump.initial == dopant:
                exchanged.add(self._to(dopant, jump.final, jump.image))
            if jump.final == dopant:
                back = tuple(-each for each in jump.image)
                exchanged.add(self._to(dopant, jump.initial, back))
        for place in exchanged - {own}:
            for other, k, step in self._from(place):
                if other == own:
                    continue
                start = near[place]
                saddle = self._beside(start, start + step, float(self.host.saddles[k]))
                flux = np.exp(-(saddle - self._base) / self.dopant.heat)
                changes[frozenset((place, other))] = float(flux - self._hop[k])
        return changes


def _response(green: Array) -> Array:
    """Invert G on some places, so that a constant potential costs nothing.

    Raises
    ------
    PrecisionError
        If rounding has made a place the same as another. It does where the slowest hop between
        them is slower than others by more than some 13 powers of ten.
    """
    count = len(green)
    size = float(np.abs(green).max()) or 1.0
    bordered = np.ones((count + 1, count + 1))
    bordered[:count, :count] = (green + green.T) / (2.0 * size)
    bordered[count, count] = 0.0
    try:
        inverse = np.linalg.inv(bordered)
    except np.linalg.LinAlgError:
        inverse = np.zeros_like(bordered)
    lost = float(np.abs(bordered @ inverse - np.eye(count + 1)).max())
    if not lost < _LOST:
        raise PrecisionError(
            "the rates of the host's hops lie too many powers of ten apart",
            where="the vacancy's walk beside a dopant",
            remedy="ask at a higher temperature, or leave the slow hops out ('hops: {classes: …}')",
        )
    return np.asarray(inverse[:count, :count] / size)
