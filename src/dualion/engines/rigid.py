"""A calculator in which one species moves through a lattice that stands still.

Whatever a search does to the atoms of the lattice, they are computed at their sites and feel no
force: energy and forces are those of the mobile species alone, and agree with each other. The
lattice is part of the level of theory.
"""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dualion.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

    from dualion.engines.entry import EngineEntry
    from dualion.records import Geometry

    Array = NDArray[np.float64]

DIGITS = 9
"""Decimals to which the lattice is written down, in Å and in fractions of the cell."""


def rigid_entry(base: EngineEntry, parent: Geometry, *, mobile: str) -> EngineEntry:
    """Make an engine of another one, with all atoms but one species fixed.

    Parameters
    ----------
    base
        The engine that computes.
    parent
        Cell and sites of the fixed lattice. Supercells must be cut from it without turning it.
    mobile
        Symbol of the species that moves.

    Returns
    -------
    EngineEntry
        Named after the base, with ``-rigid``.

    Raises
    ------
    InputError
        If the base moves the atoms itself, so that no force can be taken away from it.
    """
    if base.kind != "ase":
        raise InputError(
            f"{base.name} moves the atoms itself and cannot hold a lattice still",
            where="rigid lattices",
            remedy="choose an engine that gives energies and forces only",
        )
    lattice = {
        "cell": np.round(parent.cell, DIGITS).tolist(),
        "sites": np.round(parent.fractional, DIGITS).tolist(),
    }
    kwargs = {
        **base.kwargs,
        "base": base.calculator,
        "lattice": json.dumps(lattice, separators=(",", ":")),
        "mobile": mobile,
    }
    return base.model_copy(
        update={
            "name": f"{base.name}-rigid",
            "alias": "",
            "tier": "other",
            "calculator": f"{__name__}:rigid_calculator",
            "kwargs": kwargs,
            "note": f"{base.name} with all but {mobile} fixed",
        }
    )


def at_sites(xyz: Array, cell: Array, sites: Array) -> Array:
    """Put atoms on the nearest sites of a lattice.

    Parameters
    ----------
    xyz
        Positions, shape (n, 3), in Å.
    cell
        Primitive vectors of the lattice as rows, in Å.
    sites
        Fractional positions of its sites, shape (m, 3).

    Returns
    -------
    ndarray
        Shape (n, 3), in Å; nothing is wrapped.
    """
    from ase.geometry import minkowski_reduce

    reduced, _ = minkowski_reduce(cell)
    places = sites @ cell
    offsets = xyz[:, None, :] - places[None]
    # In a reduced cell the nearest lattice vector is a neighbour of the rounded one.
    steps = np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T
    whole = np.rint(offsets @ np.linalg.inv(reduced))[:, :, None, :] + steps
    vectors = whole @ reduced
    distance = np.linalg.norm(offsets[:, :, None, :] - vectors, axis=-1)
    best = distance.reshape(len(xyz), -1).argmin(axis=1)
    found = (places[None, :, None, :] + vectors).reshape(len(xyz), -1, 3)
    nearest: Array = found[np.arange(len(xyz)), best]
    return nearest


def rigid_calculator(base: str, lattice: str, mobile: str, **arguments: Any) -> Any:  # noqa: ANN401
    """Return a calculator that holds a lattice still.

    Parameters
    ----------
    base
        Calculator that computes, as 'module:attribute'.
    lattice
        JSON with ``cell`` (rows, in Å) and ``sites`` (fractional).
    mobile
        Symbol of the species that moves.
    arguments
        Of the base.
    """
    calculators: Any = importlib.import_module("ase.calculators.calculator")  # ASE is untyped
    module, attribute = base.split(":")
    inner = getattr(importlib.import_module(module), attribute)(**arguments)
    read = json.loads(lattice)
    cell, sites = np.array(read["cell"], dtype=float), np.array(read["sites"], dtype=float)

    class RigidCalculator(calculators.Calculator):  # type: ignore[misc]
        """Energies and forces of the mobile species; there is no stress."""

        implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces"]

        def calculate(
            self,
            atoms: Atoms | None = None,
            properties: list[str] | None = None,
            system_changes: list[str] | None = None,
        ) -> None:
            super().calculate(atoms, properties, system_changes or calculators.all_changes)
            held = np.array(self.atoms.get_chemical_symbols()) != mobile
            still = self.atoms.copy()
            still.positions[held] = at_sites(still.positions[held], cell, sites)
            still.calc = inner
            forces = np.array(still.get_forces(), dtype=float)
            forces[held] = 0.0
            energy = float(still.get_potential_energy())
            self.results = {"energy": energy, "free_energy": energy, "forces": forces}

    return RigidCalculator()
