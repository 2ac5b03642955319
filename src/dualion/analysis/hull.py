"""The convex hull: of which phases a composition has the lowest energy."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.records import EngineStamp, Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from dualion.records import Relaxed

    Array = NDArray[np.float64]

ALIKE = 1e-6
"""Energies closer than this are the same, in eV/atom."""
NOTHING = 1e-7
"""Share of atoms below which a phase takes no part."""


class ComputedPhase(Record):
    """A relaxed crystal: what it is made of, and its energy."""

    name: str = Field(description="For messages: its file, or what it is.")
    atoms: tuple[tuple[str, int], ...] = Field(description="Of the cell, by element.")
    energy: float = Field(description="In eV per cell.")
    stamp: EngineStamp
    charge: int = 0

    @property
    def count(self) -> dict[str, int]:
        """Atoms of the cell, by element."""
        return dict(self.atoms)

    @property
    def size(self) -> int:
        """Atoms of the cell."""
        return sum(self.count.values())

    @property
    def formula(self) -> str:
        """Formula of the whole cell, e.g. ``NaLi23P4S20Cl4``."""
        from pymatgen.core import Composition

        tokens = str(Composition(self.count).formula).split()
        return "".join(re.sub(r"(?<=\D)1$", "", token) for token in tokens)

    @property
    def unit(self) -> tuple[str, float]:
        """Reduced formula, e.g. ``NaCl``, and how many of it make the cell."""
        from pymatgen.core import Composition

        formula, number = Composition(self.count).get_reduced_formula_and_factor()
        return str(formula), float(number)


def phase_of(name: str, relaxed: Relaxed) -> ComputedPhase:
    """Take composition and energy of a relaxed crystal."""
    counted = Counter(relaxed.geometry.species)
    return ComputedPhase(
        name=name,
        atoms=tuple(sorted(counted.items())),
        energy=relaxed.energy,
        stamp=relaxed.stamp,
        charge=relaxed.charge,
    )


@dataclass(frozen=True)
class Mixture:
    """The lowest mixture of some phases at a composition.

    Attributes
    ----------
    energy
        In eV, of as many atoms as the composition has.
    amounts
        Cells of each phase, shape (phases,).
    """

    energy: float
    amounts: Array


def lowest_mixture(phases: Sequence[ComputedPhase], atoms: Mapping[str, float]) -> Mixture | None:
    """Find the mixture of phases that has the lowest energy at a composition: the convex hull.

    Parameters
    ----------
    phases
        Elements need not be among them.
    atoms
        The composition.

    Returns
    -------
    Mixture or None
        None if no mixture has this composition.
    """
    amounts = cheapest(phases, atoms, [1] * len(phases))
    if amounts is None:
        return None
    return Mixture(float(amounts @ [phase.energy for phase in phases]), amounts)


def cheapest(
    phases: Sequence[ComputedPhase], atoms: Mapping[str, float], signs: Sequence[int]
) -> Array | None:
    """Find the cells of each phase that add up to some atoms at the lowest energy.

    A linear program: pymatgen's hull asks for an energy of every element, which no exchange of
    two ions between salts depends on.

    Parameters
    ----------
    phases
        Any.
    atoms
        How many of each element; negative ones are given off.
    signs
        +1: a phase may be used, −1: it may be formed.

    Returns
    -------
    ndarray or None
        Shape (phases,), of the given signs; None if nothing adds up.
    """
    from scipy.optimize import linprog

    if not phases:
        return None
    names = sorted({*atoms, *(name for phase in phases for name, _ in phase.atoms)})
    size = np.array([phase.size for phase in phases], dtype=float)
    share = np.array([[phase.count.get(name, 0) for phase in phases] for name in names]) / size
    scale = sum(abs(value) for value in atoms.values())
    wanted = np.array([atoms.get(name, 0.0) for name in names]) / scale
    energy = np.array([phase.energy for phase in phases]) / size
    bounds = [(0.0, None) if sign > 0 else (None, 0.0) for sign in signs]
    found = linprog(energy, A_eq=share, b_eq=wanted, bounds=bounds, method="highs")
    if not found.success:
        return None
    taken = np.flatnonzero(np.abs(found.x) > NOTHING)
    exact = np.zeros(len(phases))  # free of the solver's tolerance
    exact[taken] = np.linalg.lstsq(share[:, taken], wanted, rcond=None)[0]
    cells: Array = exact * scale / size
    return cells


def is_stable(phase: ComputedPhase, phases: Sequence[ComputedPhase]) -> bool:
    """Whether no mixture of phases is lower than one of them."""
    lowest = lowest_mixture(phases, phase.count)
    return lowest is None or phase.energy < lowest.energy + ALIKE * phase.size
