"""The hops: a vacancy in a small cell, and an ion of either kind that moves into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

KICK = 0.6
"""Sideways push at mid-path, in Å: the straight line in rocksalt is a ridge, and stays one."""


@dataclass(frozen=True)
class System:
    """A host and how it is computed.

    Attributes
    ----------
    lattice
        Name and lattice parameter in Å for ``ase.build.bulk``.
    primitive
        Repeats of the primitive cell; 0: one conventional cell.
    cutoff
        Of the plane waves, in eV.
    """

    formula: str
    lattice: tuple[str, float]
    primitive: int
    cutoff: float


LICL = System("LiCl", ("rocksalt", 5.15), 2, 200.0)
CUI = System("CuI", ("zincblende", 6.08), 0, 250.0)
HOPS = {
    "LiCl-Li": (LICL, "Li"),
    "LiCl-Na": (LICL, "Na"),
    "CuI-Cu": (CUI, "Cu"),
    "CuI-Ag": (CUI, "Ag"),
}
"""Host and moving ion; the second of each host is a dopant."""


def states(name: str) -> tuple[Any, Any]:
    """Return both ideal states as ``ase.Atoms`` in one order, the mover last and continuous."""
    from ase.build import bulk  # noqa: PLC0415 - only when really run

    system, mover = HOPS[name]
    host = bulk(system.formula, system.lattice[0], a=system.lattice[1], cubic=not system.primitive)
    if system.primitive:
        host *= (system.primitive,) * 3
    cations = [k for k in range(len(host)) if host.symbols[k] in {"Li", "Cu"}]
    vacancy = cations[0]
    distances = host.get_distances(vacancy, cations, mic=True)
    ion = cations[int(np.argsort(distances, kind="stable")[1])]
    hop = host.get_distance(ion, vacancy, mic=True, vector=True)
    first = host[[*(k for k in range(len(host)) if k not in {vacancy, ion}), ion]]
    first.symbols[-1] = mover
    last = first.copy()
    last.positions[-1] += hop
    return first, last


def kicked(images: list[Any]) -> None:
    """Push the mover of a band sideways, along the axis that its hop goes along least.

    Of the two directions the one that keeps it farther from all other atoms is taken.
    """
    hop = images[-1].positions[-1] - images[0].positions[-1]
    side = KICK * np.eye(3)[int(np.argmin(np.abs(hop)))]
    side *= max((1.0, -1.0), key=lambda sign: _clearance(images[len(images) // 2], sign * side))
    for k, image in enumerate(images[1:-1], start=1):
        image.positions[-1] += np.sin(np.pi * k / (len(images) - 1)) * side


def _clearance(image: Any, push: Any) -> float:  # noqa: ANN401 - ASE and numpy
    moved = image.copy()
    moved.positions[-1] += push
    others = range(len(moved) - 1)
    return float(moved.get_distances(len(moved) - 1, others, mic=True).min().round(6))
