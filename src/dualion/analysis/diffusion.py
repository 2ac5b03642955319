"""Diffusivity and conductivity of single carriers on a hop network, without sampling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field
from scipy import constants

from dualion.analysis.fluxes import corrected, net_translations
from dualion.analysis.jumps import jump_network
from dualion.errors import InputError
from dualion.records import Matrix3, Record, as_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from dualion.analysis.jumps import ClassBarrier, JumpNetwork
    from dualion.records import HopNetwork

    Array = NDArray[np.float64]
    Ints = NDArray[np.int64]

BOLTZMANN = constants.value("Boltzmann constant in eV/K")
ATTEMPT_FREQUENCY = 1e13
"""In 1/s: what is used where none is given; typical of ions in solids (Vineyard's formula,
doi 10.1016/0022-3697(57)90059-8, gives 1e12 to 1e13)."""
CM2 = 1e-16
"""One Å² in cm²."""
CM3 = 1e-24
"""One Å³ in cm³."""
DRAWS = 200
QUANTILES = (0.16, 0.84)
_SOLVED, _CHECKS, _MANY = 8, 2, 24
"""Draws that are solved, those that check what is made of them, and all if it is not good."""
_GOOD = 0.02
"""Relative error of a draw that is let pass."""


class Diffusivity(Record):
    """How fast single carriers spread at one temperature."""

    ion: str
    temperature: float = Field(description="In K.")
    tensor: Matrix3 = Field(description="Cartesian, in cm²/s.")
    mean: float = Field(description="A third of the trace, in cm²/s.")
    lowest: float = Field(description="The same less the errors of the barriers (16 %), in cm²/s.")
    highest: float = Field(description="The same plus them (84 %), in cm²/s.")
    activation: float | None = Field(
        description="Slope of ln(mean) against -1/kT, in eV; None where nothing gets through."
    )
    attempt_frequency: float = Field(
        description="Of hops for which none was computed, in 1/s.",
    )


@dataclass(frozen=True)
class Walk:
    """A network as arrays, and the walks on it at one temperature.

    Attributes
    ----------
    network
        Of one carrier.
    temperature
        In K.
    """

    network: JumpNetwork
    temperature: float

    @cached_property
    def heat(self) -> float:
        """kT, in eV."""
        return float(BOLTZMANN * self.temperature)

    @cached_property
    def weights(self) -> Array:
        """Boltzmann weight of each site; the lowest has 1."""
        return np.exp(-np.array(self.network.energies) / self.heat)

    @cached_property
    def ends(self) -> tuple[Ints, Ints]:
        """Sites at both ends of each jump."""
        jumps = self.network.jumps
        tail = np.array([jump.initial for jump in jumps], dtype=np.int64)
        return tail, np.array([jump.final for jump in jumps], dtype=np.int64)

    @cached_property
    def image(self) -> Ints:
        """Cell of the final site of each jump, shape (m, 3)."""
        return np.array([jump.image for jump in self.network.jumps], dtype=np.int64).reshape(-1, 3)

    @cached_property
    def saddles(self) -> Array:
        """Of the jumps, in eV."""
        return np.array([jump.saddle for jump in self.network.jumps])

    @cached_property
    def base(self) -> float:
        """The lowest saddle: fluxes are scaled by it, so that none of a cold crystal is zero."""
        return float(self.saddles.min())

    @cached_property
    def flux(self) -> Array:
        """Of each jump, without the attempt frequency and relative to :attr:`base`."""
        return np.asarray(np.exp(-(self.saddles - self.base) / self.heat) / self.weights.sum())

    @property
    def scale(self) -> float:
        """What fluxes are to be multiplied with, but for the attempt frequency."""
        return float(np.exp(-self.base / self.heat))

    @cached_property
    def step(self) -> Array:
        """Cartesian step of each jump with the sites gathered, shape (m, 3), in Å."""
        nets = net_translations(len(self.weights), *self.ends, self.image, self.flux)
        return np.asarray(nets @ self.network.cell)

    def corrected(self, flux: Array) -> Array:
        """Return the steps of least dissipation with some fluxes, shape (m, 3), in Å."""
        return corrected(len(self.weights), *self.ends, flux, self.step)[1]


def diffusion_tensor(
    network: JumpNetwork, temperature: float, *, attempt_frequency: float = ATTEMPT_FREQUENCY
) -> NDArray[np.float64]:
    """Diffusivity tensor of a single carrier, exact for the network.

    The carrier jumps from site i over a saddle at S with rate ``ν exp(-(S - E_i)/kT)``
    (Vineyard, doi 10.1016/0022-3697(57)90059-8). With p the Boltzmann weights of the sites, the
    fluxes ``w = p_i k_ij`` are symmetric, and

        D = 1/2 Σ w x⊗x − bᵀ L⁺ b,   b_i = Σ_j w_ij x_ij,   L = diag(Σ_j w_ij) − w,

    sums over all directed jumps x of a cell, where L⁺ is the pseudo-inverse. The second term is
    what a carrier loses by jumping back where sites are not equivalent (Allnatt and Lidiard,
    *Atomic Transport in Solids*, doi 10.1017/CBO9780511563904). It is evaluated as the equal
    least dissipation, without that difference: see :mod:`dualion.analysis.fluxes`.

    Parameters
    ----------
    network
        Of one carrier. Sites that no hop joins are separate sets; all share one Boltzmann weight.
    temperature
        In K.
    attempt_frequency
        ν of every hop, in 1/s.

    Returns
    -------
    ndarray
        Shape (3, 3), Cartesian, in Å²/s.

    Raises
    ------
    InputError
        If temperature or frequency is not positive.
    """
    check_conditions(temperature, attempt_frequency)
    if not network.jumps:
        return np.zeros((3, 3))
    walk = Walk(network, temperature)
    step = walk.corrected(walk.flux)
    return np.asarray((walk.flux[:, None] * step).T @ step * (walk.scale * attempt_frequency))


def check_conditions(temperature: float, attempt_frequency: float) -> None:
    """Refuse a temperature or a frequency that is not positive.

    Raises
    ------
    InputError
        With the value.
    """
    if not (np.isfinite(temperature) and temperature > 0.0):
        raise InputError(f"{temperature} K is no temperature", remedy="give one above 0 K")
    if not (np.isfinite(attempt_frequency) and attempt_frequency > 0.0):
        raise InputError(
            f"an attempt frequency of {attempt_frequency}", remedy="give a positive one in 1/s"
        )


def at_temperature(
    barriers: Mapping[str, ClassBarrier],
    temperature: float,
    attempt_frequency: float = ATTEMPT_FREQUENCY,
) -> dict[str, ClassBarrier]:
    """Put computed attempt frequencies into the barriers: they become free energies.

    Parameters
    ----------
    barriers
        By class.
    temperature
        In K.
    attempt_frequency
        That of all hops afterwards, in 1/s: a hop with ν of its own is changed by
        ``-kT ln(ν / attempt_frequency)``, in each direction.

    Returns
    -------
    dict
        By class.
    """
    heat = BOLTZMANN * temperature
    changed = {}
    for name, barrier in barriers.items():
        update: dict[str, object] = {}
        if barrier.attempts is not None:
            there, back = (heat * float(np.log(nu / attempt_frequency)) for nu in barrier.attempts)
            update = {
                "forward": barrier.forward - there,
                "reverse": barrier.reverse - back,
                "attempts": None,
            }
        changed[name] = barrier.model_copy(update=update)
    return changed


def diffusivity(
    hops: HopNetwork,
    barriers: Mapping[str, ClassBarrier],
    temperature: float,
    *,
    attempt_frequency: float = ATTEMPT_FREQUENCY,
    seed: int = 0,
    make: Callable[[HopNetwork, Mapping[str, ClassBarrier]], JumpNetwork] = jump_network,
) -> Diffusivity:
    """Diffusivity of a single carrier, with what the errors of the barriers do to it.

    Parameters
    ----------
    hops
        The network of the framework.
    barriers
        Of its classes; each is varied by its error (normal, both directions together, the same
        for all hops of the class) to find the spread.
    temperature
        In K.
    attempt_frequency
        Of hops whose barrier has none of its own, in 1/s.
    seed
        Of the variation.
    make
        What makes a network of the hops and their barriers: that of a carrier, or for a dopant
        :func:`~dualion.analysis.jumps.dopant_network`.

    Returns
    -------
    Diffusivity
        In cm²/s.

    Raises
    ------
    InputError
        If temperature or frequency is not positive.
    """
    check_conditions(temperature, attempt_frequency)

    def build(kelvin: float) -> JumpNetwork:
        return make(hops, at_temperature(barriers, kelvin, attempt_frequency))

    return spread_of(build, barriers, temperature, attempt_frequency=attempt_frequency, seed=seed)


def spread_of(
    build: Callable[[float], JumpNetwork],
    barriers: Mapping[str, ClassBarrier],
    temperature: float,
    *,
    attempt_frequency: float = ATTEMPT_FREQUENCY,
    seed: int = 0,
) -> Diffusivity:
    """Diffusivity on the network that some barriers make at a temperature, with its spread.

    Parameters
    ----------
    build
        Makes the network at a temperature.
    barriers
        By class, for their errors.
    temperature, attempt_frequency, seed
        As for :func:`diffusivity`.

    Returns
    -------
    Diffusivity
        In cm²/s.
    """
    network = build(temperature)
    tensor = diffusion_tensor(network, temperature, attempt_frequency=attempt_frequency) * CM2
    mean = float(np.trace(tensor)) / 3.0
    lowest = highest = mean
    if mean > 0.0:
        shifts = drawn_shifts(barriers, np.random.default_rng(seed))
        lowest, highest = (
            each * mean for each in _spread_ratios(Walk(network, temperature), shifts)
        )
    near = [temperature * 0.99, temperature * 1.01]
    means = [np.trace(diffusion_tensor(build(each), each)) for each in near]
    a, b, c = as_vectors(tensor)
    return Diffusivity(
        ion=network.ion,
        temperature=temperature,
        tensor=(a, b, c),
        mean=mean,
        lowest=lowest,
        highest=highest,
        activation=activation_energy(means, near),
        attempt_frequency=attempt_frequency,
    )


def drawn_shifts(
    barriers: Mapping[str, ClassBarrier], generator: np.random.Generator
) -> dict[str, Array]:
    """Draw :data:`DRAWS` errors of each barrier, in eV; no saddle falls below its sites."""
    return {
        name: np.maximum(generator.normal(0.0, barrier.error, DRAWS), barrier.lowering)
        for name, barrier in barriers.items()
    }


def _spread_ratios(walk: Walk, shifts: Mapping[str, Array]) -> tuple[float, float]:
    """Quantiles of the diffusivity with shifted saddles over that without.

    A few draws are solved. The dissipation is least for the right field of a draw, so the best
    combination of the fields of those few gives it with an error of second order (a Galerkin
    projection), at a cost that does not grow with the network. Where two more draws tell that
    this is not good enough, since very many barriers vary by themselves, some more are solved
    instead: D, a mean over many, is then lognormal.
    """
    names = list(dict.fromkeys(jump.class_id for jump in walk.network.jumps))
    place = {name: k for k, name in enumerate(names)}
    kind = np.array([place[jump.class_id] for jump in walk.network.jumps])
    factors = np.exp(-np.array([shifts[name] for name in names]) / walk.heat)  # (classes, draws)
    plain = walk.corrected(walk.flux)
    size = float(np.einsum("k,ki->", walk.flux, plain**2))
    fields, exact = [plain], []

    def solve(draw: int) -> Array:
        flux = walk.flux * factors[kind, draw]
        field = walk.corrected(flux)
        exact.append(float(np.einsum("k,ki->", flux, field**2)) / size)
        return field

    fields += [solve(draw) - plain for draw in range(_SOLVED)]
    basis = np.stack(fields, axis=1)  # (hops, fields, 3)
    order = np.argsort(kind, kind="stable")
    starts = np.searchsorted(kind[order], np.arange(len(names)))
    products = np.einsum("k,kai,kbi->kiab", walk.flux[order], basis[order], basis[order])
    of_class = np.add.reduceat(products, starts, axis=0)
    forms = np.einsum("cd,ciab->diab", factors, of_class)
    ratios = np.vectorize(_least, signature="(a,a)->()")(forms).sum(axis=1) / size
    checks = range(_SOLVED, _SOLVED + _CHECKS)
    for draw in checks:
        solve(draw)
    if np.allclose(ratios[checks], exact[-_CHECKS:], rtol=_GOOD):
        low, high = np.quantile(ratios, QUANTILES)
        return float(low), float(high)
    for draw in range(_SOLVED + _CHECKS, _MANY):
        solve(draw)
    middle, width = float(np.mean(np.log(exact))), float(np.std(np.log(exact), ddof=1))
    return float(np.exp(middle - width)), float(np.exp(middle + width))


def _least(form: Array) -> float:
    """Least value of a quadratic form in 1 and free coefficients."""
    size = np.sqrt(np.diag(form))[1:]
    size[size == 0.0] = 1.0
    pull = form[0, 1:] / size
    inner = form[1:, 1:] / np.outer(size, size)
    return float(form[0, 0] - pull @ np.linalg.pinv(inner, rcond=1e-12, hermitian=True) @ pull)


def activation_energy(values: Sequence[float], temperatures: Sequence[float]) -> float | None:
    """Slope of the logarithm of a property against -1/kT.

    Parameters
    ----------
    values
        Positive; at each temperature.
    temperatures
        In K, at least two.

    Returns
    -------
    float or None
        In eV, by least squares; None if a value is not positive.
    """
    if min(values) <= 0.0:
        return None
    inverse = -1.0 / (BOLTZMANN * np.array(temperatures))
    return float(np.polyfit(inverse, np.log(values), 1)[0])


def conductivity(diffusivity: float, carriers: float, temperature: float) -> float:
    """Conductivity of monovalent carriers by the Nernst-Einstein relation.

    Parameters
    ----------
    diffusivity
        Of one carrier, in cm²/s.
    carriers
        Per cm³: sites times the fraction that carries (vacancies or interstitials).
    temperature
        In K.

    Returns
    -------
    float
        ``n e² D / kT``, in S/cm: carriers that do not see each other (Haven ratio 1).
    """
    return float(carriers * constants.e * diffusivity / (BOLTZMANN * temperature))
