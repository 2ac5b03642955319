"""Kinetic Monte Carlo of single carriers on a hop network: an independent look at a diffusivity."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dualion.analysis.diffusion import ATTEMPT_FREQUENCY, BOLTZMANN
from dualion.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.analysis.jumps import JumpNetwork


class Walked(NamedTuple):
    """What walkers did: diffusivity and its standard error, shape (3, 3), in Å²/s."""

    tensor: NDArray[np.float64]
    error: NDArray[np.float64]


def walk(
    network: JumpNetwork,
    temperature: float,
    *,
    walkers: int = 4000,
    jumps: int = 400,
    attempt_frequency: float = ATTEMPT_FREQUENCY,
    seed: int = 0,
) -> Walked:
    """Let independent carriers walk and measure how far they come.

    Residence-time algorithm (Bortz, Kalos and Lebowitz, doi 10.1016/0021-9991(75)90060-1): each
    walker starts on a site by its Boltzmann weight, so that every moment of the walk is in
    equilibrium, and the displacements at one common time give ``D = <x x> / 2t``.

    Parameters
    ----------
    network
        Of one ion; every site must have a way out.
    temperature
        In K.
    walkers, jumps
        How many, and about how many jumps each is given; the common time is half of what these
        take on average.
    attempt_frequency
        In 1/s.
    seed
        Of the random numbers.

    Returns
    -------
    Walked
        In Å²/s.

    Raises
    ------
    InputError
        If a site has no hop.
    """
    heat = BOLTZMANN * temperature
    energies = np.array(network.energies)
    base = min((jump.saddle for jump in network.jumps), default=0.0)
    rates, targets, steps = _ways(network, heat, base)
    total = rates.sum(axis=1)
    if not network.jumps or total.min() <= 0.0:
        raise InputError(
            "a site has no hop: a walker there would never move",
            where=f"hop network of {network.ion}",
            remedy="compute the hops that lead to it, or leave it out",
        )
    reach = np.cumsum(rates, axis=1) / total[:, None]
    generator = np.random.default_rng(seed)
    weights = np.exp(-(energies - energies.min()) / heat)
    weights /= weights.sum()
    stop = 0.5 * jumps / float((weights * total).sum())  # in 1 / scaled rate
    site = generator.choice(len(energies), size=walkers, p=weights)
    clock = np.zeros(walkers)
    place = np.zeros((walkers, 3))
    alive = np.arange(walkers)
    while len(alive):
        now = site[alive]
        clock[alive] += generator.exponential(size=len(alive)) / total[now]
        # A jump that would come after the common time is not made.
        alive = alive[clock[alive] <= stop]
        now = site[alive]
        way = (generator.random(len(alive))[:, None] > reach[now]).sum(axis=1)
        place[alive] += steps[now, way]
        site[alive] = targets[now, way]
    scale = attempt_frequency * np.exp(-base / heat)
    squares = np.einsum("ni,nj->nij", place, place) / (2.0 * stop) * scale
    return Walked(squares.mean(axis=0), squares.std(axis=0) / np.sqrt(walkers))


def _ways(
    network: JumpNetwork, heat: float, base: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Rates, ends and vectors of all jumps out of each site, padded to one length."""
    out: list[list[tuple[float, int, NDArray[np.float64]]]] = [[] for _ in network.energies]
    for jump in network.jumps:
        vector = np.array(jump.vector)
        for tail, head, step in (
            (jump.initial, jump.final, vector),
            (jump.final, jump.initial, -vector),
        ):
            rate = float(np.exp(-(jump.saddle - base - network.energies[tail]) / heat))
            out[tail].append((rate, head, step))
    most = max(map(len, out))
    rates = np.zeros((len(out), most))
    targets = np.zeros((len(out), most), dtype=np.int64)
    steps = np.zeros((len(out), most, 3))
    for site, ways in enumerate(out):
        for k, (rate, head, step) in enumerate(ways):
            rates[site, k], targets[site, k], steps[site, k] = rate, head, step
    return rates, targets, steps
