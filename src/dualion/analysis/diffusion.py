"""Diffusivity and conductivity of single carriers on a hop network, without sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field
from scipy import constants
from scipy.sparse.csgraph import connected_components

from dualion.analysis.jumps import jump_network
from dualion.errors import InputError
from dualion.records import Matrix3, Record, as_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from dualion.analysis.jumps import ClassBarrier, JumpNetwork
    from dualion.records import HopNetwork

BOLTZMANN = constants.value("Boltzmann constant in eV/K")
ATTEMPT_FREQUENCY = 1e13
"""In 1/s: what is used where none is given; typical of ions in solids (Vineyard's formula,
doi 10.1016/0022-3697(57)90059-8, gives 1e12 to 1e13)."""
_CM2 = 1e-16
"""One Å² in cm²."""
_DRAWS = 200


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
    attempt_frequency: float = Field(description="In 1/s.")


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
    *Atomic Transport in Solids*, doi 10.1017/CBO9780511563904).

    Parameters
    ----------
    network
        Of one ion. Sites that no hop joins are separate sets; all share one Boltzmann weight.
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
    if not (np.isfinite(temperature) and temperature > 0.0):
        raise InputError(f"{temperature} K is no temperature", remedy="give one above 0 K")
    if not (np.isfinite(attempt_frequency) and attempt_frequency > 0.0):
        raise InputError(
            f"an attempt frequency of {attempt_frequency}", remedy="give a positive one in 1/s"
        )
    sites = len(network.energies)
    if not network.jumps:
        return np.zeros((3, 3))
    heat = BOLTZMANN * temperature
    weights = np.exp(-np.array(network.energies) / heat)
    saddles = np.array([jump.saddle for jump in network.jumps])
    base = saddles.min()  # so that no flux of a cold crystal becomes zero before it is scaled
    flux = np.exp(-(saddles - base) / heat) / weights.sum()
    step = np.array([jump.vector for jump in network.jumps])
    tail = np.array([jump.initial for jump in network.jumps])
    head = np.array([jump.final for jump in network.jumps])
    bare = np.einsum("k,ki,kj->ij", flux, step, step)  # each jump and its reverse, halved
    drift = np.zeros((sites, 3))
    np.add.at(drift, tail, flux[:, None] * step)
    np.add.at(drift, head, -flux[:, None] * step)
    loss = np.zeros((3, 3))
    laplacian = np.zeros((sites, sites))
    np.add.at(laplacian, (tail, head), -flux)
    np.add.at(laplacian, (head, tail), -flux)
    np.fill_diagonal(laplacian, 0.0)
    number, label = connected_components(laplacian != 0.0, directed=False)
    for part in range(number):
        rows = np.flatnonzero(label == part)
        if len(rows) > 1:
            loss += _loss(laplacian[np.ix_(rows, rows)], drift[rows])
    scale = attempt_frequency * np.exp(-base / heat)
    return np.asarray((bare - loss) * scale)


def _loss(coupling: NDArray[np.float64], drift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``bᵀ L⁺ b`` of one connected set: one site is held, the others respond."""
    laplacian = coupling - np.diag(coupling.sum(axis=1))
    # Rates span many orders: scaled by what leaves each site, the system is well conditioned.
    size = np.sqrt(np.diag(laplacian))[1:]
    scaled = laplacian[1:, 1:] / np.outer(size, size)
    force = drift[1:] / size[:, None]
    return np.asarray(force.T @ np.linalg.solve(scaled, force))


def diffusivity(
    hops: HopNetwork,
    barriers: Mapping[str, ClassBarrier],
    temperature: float,
    *,
    attempt_frequency: float = ATTEMPT_FREQUENCY,
    seed: int = 0,
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
        In 1/s.
    seed
        Of the variation.

    Returns
    -------
    Diffusivity
        In cm²/s.

    Raises
    ------
    InputError
        If temperature or frequency is not positive.
    """

    def mean(given: Mapping[str, ClassBarrier], kelvin: float) -> float:
        tensor = diffusion_tensor(
            jump_network(hops, given), kelvin, attempt_frequency=attempt_frequency
        )
        return float(np.trace(tensor)) / 3.0

    tensor = diffusion_tensor(
        jump_network(hops, barriers), temperature, attempt_frequency=attempt_frequency
    )
    generator = np.random.default_rng(seed)
    draws = [mean(_varied(barriers, generator), temperature) for _ in range(_DRAWS)]
    lowest, highest = np.quantile(draws, [0.16, 0.84])
    a, b, c = as_vectors(tensor * _CM2)
    return Diffusivity(
        ion=hops.ion,
        temperature=temperature,
        tensor=(a, b, c),
        mean=float(np.trace(tensor)) / 3.0 * _CM2,
        lowest=float(lowest) * _CM2,
        highest=float(highest) * _CM2,
        activation=activation_energy(
            [mean(barriers, t) for t in (temperature * 0.99, temperature * 1.01)],
            [temperature * 0.99, temperature * 1.01],
        ),
        attempt_frequency=attempt_frequency,
    )


def _varied(
    barriers: Mapping[str, ClassBarrier], generator: np.random.Generator
) -> dict[str, ClassBarrier]:
    varied = {}
    for name, barrier in barriers.items():
        shift = float(generator.normal(0.0, barrier.error))
        # A saddle cannot fall below either of its sites.
        shift = max(shift, -min(barrier.forward, barrier.reverse))
        varied[name] = barrier.model_copy(
            update={"forward": barrier.forward + shift, "reverse": barrier.reverse + shift}
        )
    return varied


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
