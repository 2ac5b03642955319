"""Small systems and analytic engines, shared by the tests of engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from ase import Atoms

from dualion.engines.evaluator import Evaluation
from dualion.records import Geometry, Images, Path

Potential = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass
class AnalyticSource:
    """An engine whose energy and forces are a formula of the positions."""

    potential: Potential
    count: int = 0

    def __call__(self, _numbers, xyz, _cell, *, stress):
        self.count += 1
        energy, forces = self.potential(xyz)
        return Evaluation(energy, forces, np.zeros((3, 3)) if stress else None)


def vacancy_ends(host: Atoms) -> tuple[Atoms, Atoms]:
    """Nearest-neighbour vacancy hop of the first element; the mover is the last atom."""
    mobile = np.flatnonzero(host.numbers == host.numbers[0])
    distances = host.get_distances(int(mobile[0]), mobile, mic=True)
    vacancy, mover = int(mobile[0]), int(mobile[np.argsort(distances, kind="stable")[1]])
    vector = host.get_distance(mover, vacancy, mic=True, vector=True)
    keep = [i for i in range(len(host)) if i not in (vacancy, mover)]
    first = host[[*keep, mover]]
    last = first.copy()
    last.positions[-1] += vector
    return first, last


def straight_path(
    first: Geometry, last: Geometry, energies: tuple[float, float], images: int = 5
) -> Path:
    """Evenly spaced images on the straight line between two ends."""
    share = np.linspace(0.0, 1.0, images + 2)[:, None, None]
    xyz = first.xyz + share * (last.xyz - first.xyz)
    return Path(
        images=Images.from_array(first.lattice, first.species, xyz),
        mover=len(first) - 1,
        initial_energy=energies[0],
        final_energy=energies[1],
    )


def mueller_brown_surface(xyz):
    """Müller and Brown's surface (doi 10.1007/BF00547608) in eV/100, and a bowl along z."""
    x, y, z = xyz[0]
    energy, fx, fy = 0.0, 0.0, 0.0
    for a, b, c, d, x0, y0 in (
        (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
        (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
        (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
        (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
    ):
        dx, dy = x - x0, y - y0
        term = a * np.exp(b * dx * dx + c * dx * dy + d * dy * dy)
        energy += term
        fx -= term * (2 * b * dx + c * dy)
        fy -= term * (c * dx + 2 * d * dy)
    forces = 0.01 * np.array([[fx, fy, 0.0]])
    forces[0, 2] = -10.0 * z
    return 0.01 * float(energy) + 5.0 * z * z, forces


def valley_surface(seed, atoms=8):
    """A hop that drags the other atoms along; returns the potential, both ends, the barrier.

    E = h sin²(πx/4) + Σ ½ kᵢ (qᵢ − cᵢ sin(πx/4))²: along the valley q = c sin(πx/4) only the
    first term is left, so the saddle (x = 2) is at h exactly, whatever the stiffnesses are.
    """
    rng = np.random.default_rng(seed)
    height = rng.uniform(0.15, 0.9)
    stiff = np.exp(rng.uniform(np.log(0.12), np.log(12.0), 3 * atoms - 1))
    drag = rng.normal(0.0, 0.25, 3 * atoms - 1)

    def potential(xyz):
        flat = xyz.reshape(-1)
        x, rest = flat[-1], flat[:-1]
        off = rest - drag * np.sin(np.pi * x / 4.0)
        energy = height * np.sin(np.pi * x / 4.0) ** 2 + 0.5 * float(stiff @ off**2)
        slope = height * np.pi / 4.0 * np.sin(np.pi * x / 2.0)
        slope -= np.pi / 4.0 * np.cos(np.pi * x / 4.0) * float((stiff * off) @ drag)
        return energy, -np.concatenate([stiff * off, [slope]]).reshape(-1, 3)

    first = np.zeros((atoms, 3))
    last = first.copy()
    last[-1, -1] = 4.0
    return potential, first, last, height


@pytest.fixture(scope="session")
def valley() -> Callable[..., tuple[Potential, np.ndarray, np.ndarray, float]]:
    return valley_surface


@pytest.fixture(scope="session")
def mueller_brown() -> Potential:
    return mueller_brown_surface


@pytest.fixture(scope="session")
def analytic() -> type[AnalyticSource]:
    return AnalyticSource


@pytest.fixture(scope="session")
def hop_ends() -> Callable[[Atoms], tuple[Atoms, Atoms]]:
    return vacancy_ends


@pytest.fixture(scope="session")
def straight() -> Callable[..., Path]:
    return straight_path
