"""A dilute dopant that changes places with vacancies: its diffusivity with all correlation.

After an exchange the vacancy is still beside the dopant and may take it back. What that costs is
found from the master equation of dopant and vacancy on the infinite lattice, without sampling: far
from the dopant the vacancy walks through the host, whose lattice Green function gives what is felt
of that walk next to the dopant, exactly; only the places beside the dopant are left to solve. The
method is that of Koiwa and Ishioka (doi 10.1080/01418618308243130) and of Trinkle
(doi 10.1080/14786435.2017.1340685), for any network of inequivalent sites and hops.
"""

from __future__ import annotations

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
from dualion.analysis.dopantpair import DopantPair
from dualion.analysis.fluxes import corrected, net_translations
from dualion.analysis.jumps import JumpNetwork, dopant_network, jump_network
from dualion.errors import InputError
from dualion.records import Matrix3, Record, as_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from dualion.analysis.dopantpair import Beside
    from dualion.analysis.jumps import ClassBarrier
    from dualion.records import HopNetwork

    Array = NDArray[np.float64]
    Ints = NDArray[np.int64]

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
    pair = DopantPair(Walk(host, temperature), Walk(dopant, temperature), beside)
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
    PrecisionError
        If the rates of the host lie too many powers of ten apart to be solved together.
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
