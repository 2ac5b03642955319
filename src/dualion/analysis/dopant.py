"""A dilute dopant that changes places with vacancies: its diffusivity with all correlation.

After an exchange the vacancy is still beside the dopant and may take it back. What that costs is
found from the master equation of dopant and vacancy on the infinite lattice, without sampling: far
from the dopant the vacancy walks through the host, whose lattice Green function gives what is felt
of that walk next to the dopant, exactly; only the places beside the dopant are left to solve. The
method is that of Koiwa and Ishioka (doi 10.1080/01418618308243130) and of Trinkle
(doi 10.1080/14786435.2017.1340685), for any network of inequivalent sites and hops.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydantic import Field

from dualion.analysis.diffusion import (
    ATTEMPT_FREQUENCY,
    CM2,
    DRAWS,
    QUANTILES,
    Walk,
    activation_energy,
    at_temperature,
    check_conditions,
    drawn_shifts,
)
from dualion.analysis.fluxes import corrected, gathered, net_translations
from dualion.analysis.jumps import JumpNetwork, dopant_network, jump_network
from dualion.analysis.propagator import Propagator, in_basis, translation_basis
from dualion.errors import InputError
from dualion.records import Matrix3, Record, as_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from dualion.analysis.jumps import ClassBarrier
    from dualion.records import HopNetwork

    Array = NDArray[np.float64]
    Ints = NDArray[np.int64]

    Beside = Callable[[Array, Array, float], float]
    """Saddle of a host hop near the dopant, in eV: from where the dopant is to both ends of the
    hop, in Å, and what the saddle is without it. The same both ways."""

_QUICK = 0.1
"""Effort of what is only compared with itself: slopes and spreads."""


class DopantSpread(NamedTuple):
    """How fast a dopant spreads for each vacant site fraction.

    Attributes
    ----------
    tensor
        Shape (3, 3), in Å²/s, to be multiplied with the fraction of vacant sites.
    memoryless
        The same if each exchange were with another vacancy.
    precision
        Bound on the relative error of the solution, from two extrapolations.
    """

    tensor: Array
    memoryless: Array
    precision: float


class DopantDiffusivity(Record):
    """How fast a dilute dopant spreads by vacancies, at one temperature."""

    ion: str
    temperature: float = Field(description="In K.")
    tensor: Matrix3 = Field(
        description="Cartesian, in cm²/s, to be multiplied with the fraction of vacant sites."
    )
    mean: float = Field(description="A third of the trace.")
    lowest: float = Field(description="The same less the errors of the barriers (16 %).")
    highest: float = Field(description="The same plus them (84 %).")
    activation: float | None = Field(
        description="Slope of ln(mean) against -1/kT, in eV, at a given fraction of vacant sites."
    )
    correlation: float | None = Field(
        description="Mean over that of exchanges without memory; None where nothing gets through."
    )
    precision: float = Field(description="Bound on the relative error of the solution.")
    attempt_frequency: float = Field(description="Of hops for which none was computed, in 1/s.")


def dopant_tensor(
    host: JumpNetwork,
    dopant: JumpNetwork,
    temperature: float,
    *,
    attempt_frequency: float = ATTEMPT_FREQUENCY,
    beside: Beside | None = None,
    effort: float = 1.0,
) -> DopantSpread:
    """Diffusivity tensor of a dilute dopant for each vacant site fraction.

    With the dopant's and the vacancy's places as the sites of a walk, the diffusivity is a least
    dissipation as in :mod:`dualion.analysis.fluxes`. The vacancy's walk away from the dopant is
    eliminated with the :class:`~dualion.analysis.propagator.Propagator` of the host; vacancies do
    not get lost, so no dissipation is left to one that comes back from afar after any time: it
    does not know the dopant any more, and is as good as another.

    Parameters
    ----------
    host
        Of the vacancy, without the dopant.
    dopant
        Of the exchanges, from :func:`~dualion.analysis.jumps.dopant_network`; same sites.
    temperature
        In K.
    attempt_frequency
        Of every hop, in 1/s.
    beside
        Saddles of host hops of which one end is beside the dopant; None: as without it.
    effort
        Relative number of wave vectors of the Green function.

    Returns
    -------
    DopantSpread
        In Å²/s.

    Raises
    ------
    InputError
        If temperature or frequency is not positive, or the networks do not belong together.
    """
    check_conditions(temperature, attempt_frequency)
    if host.lattice != dopant.lattice or host.orbits != dopant.orbits:
        raise InputError(
            f"networks of {len(host.energies)} and {len(dopant.energies)} sites that differ",
            where=f"dopant {dopant.ion}",
            remedy="make both from the hop network of one framework",
        )
    nothing = np.zeros((3, 3))
    if not dopant.jumps:
        return DopantSpread(nothing, nothing, 0.0)
    pair = _Pair(Walk(host, temperature), Walk(dopant, temperature), beside)
    scale = pair.scale * attempt_frequency
    memoryless = _dissipation(
        len(host.energies), *pair.dopant.ends, pair.dopant.image, pair.exchange, dopant.cell
    )
    best, check = (
        _dissipation(pair.places, *network, dopant.cell) for network in pair.networks(effort)
    )
    change = float(np.abs(best - check).max())
    precision = change / float(np.abs(best).max()) if change else 0.0
    return DopantSpread(best * scale, memoryless * scale, precision)


def _dissipation(
    sites: int, tail: Ints, head: Ints, image: Ints, flux: Array, cell: Array
) -> Array:
    step = net_translations(sites, tail, head, image, flux) @ cell
    _, left = corrected(sites, tail, head, flux, step)
    return np.asarray((flux[:, None] * left).T @ left)


@dataclass(frozen=True)
class _Place:
    """A site, and its cell as the host's sites are gathered."""

    site: int
    cell: tuple[int, int, int]


class _Pair:
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
        self._numbers: dict[tuple[int, _Place], int] = {}
        self._ways = self._all_ways()
        self._near = [self._places_near(site) for site in range(sites)]

    @property
    def places(self) -> int:
        """How many states there are of a dopant in the home cell with a vacancy near by."""
        return len(self._numbers)

    def _all_ways(self) -> list[list[tuple[_Place, int, Array]]]:
        """Per site, the host's hops from it: where to, which, and by which vector."""
        ways: list[list[tuple[_Place, int, Array]]] = [[] for _ in self.host.weights]
        for k, jump in enumerate(self.host.network.jumps):
            vector = np.array(jump.vector)
            ways[jump.initial].append((self._to(jump.initial, jump.final, jump.image), k, vector))
            back = tuple(-each for each in jump.image)
            ways[jump.final].append((self._to(jump.final, jump.initial, back), k, -vector))
        return ways

    def _to(self, initial: int, final: int, image: tuple[int, ...]) -> _Place:
        """Where a hop ends, from a site in the home cell as the sites are gathered."""
        x, y, z = (self._cell[initial] + np.array(image) - self._cell[final]).tolist()
        return _Place(final, (x, y, z))

    def _number(self, dopant: int, vacancy: _Place) -> int:
        return self._numbers.setdefault((dopant, vacancy), len(self._numbers))

    def _places_near(self, dopant: int) -> dict[_Place, Array]:
        """Own place of a dopant, those it exchanges with, and what else the dopant changes."""
        near = {_Place(dopant, (0, 0, 0)): np.zeros(3)}
        beside: dict[_Place, Array] = {}
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

    def _from(self, place: _Place) -> list[tuple[_Place, int, Array]]:
        x, y, z = place.cell
        return [
            (_Place(to.site, (x + to.cell[0], y + to.cell[1], z + to.cell[2])), k, step)
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
            own = _Place(dopant, (0, 0, 0))
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

    def _blocks(self) -> list[list[list[_Place]]]:
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
            sets: dict[tuple[int, ...], list[_Place]] = defaultdict(list)
            for place in near:
                root = int(self._root[place.site])
                _, left = in_basis(np.array([place.cell]), self._bases[root])
                sets[root, *left[0].tolist()].append(place)
            split.append(list(sets.values()))
        return split

    def _responses(
        self, blocks: list[list[list[_Place]]], effort: float
    ) -> list[list[tuple[Array, Array]]]:
        """Per dopant and block, the Laplacian of the host's walk as felt in those places."""
        asked: dict[int, list[list[_Place]]] = defaultdict(list)
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

    def _felt(
        self, root: int, sets: list[list[_Place]], effort: float
    ) -> list[tuple[Array, Array]]:
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

    def _changes(self, dopant: int) -> dict[frozenset[_Place], float]:
        """By how much the fluxes of host hops beside a dopant differ, by the hop's two places."""
        changes: dict[frozenset[_Place], float] = {}
        if self._beside is None:
            return changes
        own = _Place(dopant, (0, 0, 0))
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
    """Invert G on some places, so that a constant potential costs nothing."""
    count = len(green)
    size = float(np.abs(green).max()) or 1.0
    bordered = np.ones((count + 1, count + 1))
    bordered[:count, :count] = (green + green.T) / (2.0 * size)
    bordered[count, count] = 0.0
    return np.asarray(np.linalg.inv(bordered)[:count, :count] / size)


def dopant_diffusivity(
    hops: HopNetwork,
    host: Mapping[str, ClassBarrier],
    dopant: Mapping[str, ClassBarrier],
    temperature: float,
    *,
    attempt_frequency: float = ATTEMPT_FREQUENCY,
    beside: Beside | None = None,
    seed: int = 0,
) -> DopantDiffusivity:
    """Diffusivity of a dilute dopant, with what the errors of the barriers do to it.

    Parameters
    ----------
    hops
        The network of the framework.
    host
        Barriers of the host's ion, by class.
    dopant
        Barriers of the dopant in that host, by class.
    temperature
        In K.
    attempt_frequency
        Of hops whose barrier has none of its own, in 1/s.
    beside
        As for :func:`dopant_tensor`.
    seed
        Of the variation.

    Returns
    -------
    DopantDiffusivity
        For each fraction of vacant sites. Its spread is from the change of its logarithm by the
        error of each barrier, up and down, added for drawn errors.

    Raises
    ------
    InputError
        If temperature or frequency is not positive.
    """
    check_conditions(temperature, attempt_frequency)

    def solve(
        kelvin: float,
        host_given: Mapping[str, ClassBarrier],
        dopant_given: Mapping[str, ClassBarrier],
        effort: float,
    ) -> DopantSpread:
        matrix = jump_network(hops, at_temperature(host_given, kelvin, attempt_frequency))
        guest = dopant_network(
            hops, at_temperature(dopant_given, kelvin, attempt_frequency), matrix
        )
        return dopant_tensor(
            matrix,
            guest,
            kelvin,
            attempt_frequency=attempt_frequency,
            beside=beside,
            effort=effort,
        )

    def mean(
        kelvin: float,
        host_given: Mapping[str, ClassBarrier] = host,
        dopant_given: Mapping[str, ClassBarrier] = dopant,
    ) -> float:
        return float(np.trace(solve(kelvin, host_given, dopant_given, _QUICK).tensor)) / 3.0

    found = solve(temperature, host, dopant, 1.0)
    value = float(np.trace(found.tensor)) / 3.0 * CM2
    memoryless = float(np.trace(found.memoryless)) / 3.0 * CM2
    lowest = highest = value
    if value > 0.0:
        generator = np.random.default_rng(seed)
        rough = np.log(mean(temperature))
        logarithm = np.zeros(DRAWS)
        for given, varies_host in ((host, True), (dopant, False)):
            shifts = drawn_shifts(given, generator)
            for name, barrier in given.items():
                points = []
                for sign in (-1.0, 1.0):
                    shift = max(sign * barrier.error, barrier.lowering)
                    changed = dict(given) | {name: barrier.raised(shift)}
                    now = (
                        mean(temperature, changed, dopant)
                        if varies_host
                        else mean(temperature, host, changed)
                    )
                    points.append((shift, np.log(now) - rough))
                logarithm += _through(points, shifts[name])
        lowest, highest = (
            float(each) for each in np.exp(np.quantile(logarithm, QUANTILES)) * value
        )
    near = [temperature * 0.99, temperature * 1.01]
    a, b, c = as_vectors(found.tensor * CM2)
    return DopantDiffusivity(
        ion=hops.ion,
        temperature=temperature,
        tensor=(a, b, c),
        mean=value,
        lowest=lowest,
        highest=highest,
        activation=activation_energy([mean(each) for each in near], near),
        correlation=value / memoryless if memoryless > 0.0 else None,
        precision=found.precision,
        attempt_frequency=attempt_frequency,
    )


def _through(points: list[tuple[float, float]], shifts: Array) -> Array:
    """Straight lines from the origin through a point on each side."""
    (low, change_low), (high, change_high) = points
    down = change_low / low if low else 0.0
    up = change_high / high if high else 0.0
    return np.where(shifts < 0.0, down, up) * shifts
