"""Relaxation: from a geometry to the nearest minimum, as a pure function of an evaluator."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dualion.engines.descent import Descent, Fire, QuasiNewton
from dualion.engines.springs import Springs
from dualion.errors import EngineError
from dualion.records import Geometry

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

    from dualion.engines.evaluator import Evaluator
    from dualion.settings import RelaxSettings

SYMMETRY = 0.01
"""Tolerance within which a space group that is to be kept is found, in Å."""
_STIFFNESS = 20.0
"""First guess of the curvature, in eV/Å²."""
_PATIENCE = 30
"""Steps without a lower energy or force after which L-BFGS gives way to FIRE."""
_RISE = 1.0
"""Energy in eV above the lowest one seen beyond which L-BFGS has diverged."""
_VOLUME_FACTOR = 2.5  # Li exchanged for K swells a close-packed host by up to 1.8
_CLASH = 0.5


@dataclass(frozen=True)
class Relaxation:
    """How a relaxation ended.

    Attributes
    ----------
    geometry
        The relaxed geometry; the input when the engine failed.
    energy
        In eV per cell; of the last good configuration when the engine failed.
    max_force
        Largest force on an atom (with the cell: or on a row of the cell), in eV/Å.
    start_energy
        Before the first step, in eV; None when the first evaluation failed.
    failure
        Why the engine failed; empty when it did not.
    """

    geometry: Geometry
    energy: float
    max_force: float
    converged: bool
    force_calls: int
    start_energy: float | None
    failure: str = ""


def relax(
    geometry: Geometry,
    evaluate: Evaluator,
    settings: RelaxSettings,
    *,
    cell: bool = False,
    keep_symmetry: bool = False,
    reach: float = np.inf,
) -> Relaxation:
    """Relax a geometry; the input is not changed.

    L-BFGS, at fixed cell on springs between neighbours, and FIRE from the best configuration if
    that stalls or diverges. With the cell, its degrees of freedom are those of ASE's Frechet
    filter and the same ``fmax`` holds for the forces on them (the virial divided by the square
    root of the number of atoms).

    Parameters
    ----------
    geometry
        Where to start.
    evaluate
        Gives energies and forces; its errors end the relaxation with a ``failure``.
    settings
        Threshold and largest number of force calls.
    cell
        Relax the lattice as well.
    keep_symmetry
        Keep the space group of the input (found within :data:`SYMMETRY`).
    reach
        Stop, unconverged, where an atom is this far from where it was, in Å.
    """
    with warnings.catch_warnings():
        # Frechet filter: scipy warns of an error of 1e-13 in the logarithm at every step.
        warnings.filterwarnings("ignore", message="logm result may be inaccurate")
        run = _Run(
            geometry, evaluate, settings, cell=cell, keep_symmetry=keep_symmetry, reach=reach
        )
        return run.result()


class _Run:
    """The state of one relaxation: the atoms, and the best configuration seen so far."""

    def __init__(
        self,
        geometry: Geometry,
        evaluate: Evaluator,
        settings: RelaxSettings,
        *,
        cell: bool,
        keep_symmetry: bool,
        reach: float,
    ) -> None:
        from dualion.engines.adapter import EvaluatorCalculator

        self.geometry = geometry
        self.evaluate = evaluate
        self.settings = settings
        self.reach = reach
        self.stopped = False
        self.atoms = geometry.atoms()
        if keep_symmetry:
            from ase.constraints import FixSymmetry

            self.atoms.set_constraint(FixSymmetry(self.atoms, symprec=SYMMETRY))
        self.atoms.calc = EvaluatorCalculator(evaluate, stress=cell)
        self.target: Any = self.atoms
        if cell:
            from ase.filters import FrechetCellFilter

            # With the square root the cell is about as stiff as an atom (bulk modulus times
            # volume per atom), which the quasi-Newton start needs; ASE's default is far softer.
            self.target = FrechetCellFilter(self.atoms, exp_cell_factor=len(geometry) ** 0.5)
        self.first_call = evaluate.calls
        self.start_energy: float | None = None
        self.best = _Best(self.atoms)

    def result(self) -> Relaxation:
        failure = ""
        converged = False
        try:
            converged = self._follow(self._quasi_newton(), patience=_PATIENCE)
            if not converged and not self.stopped and self._left() > 0:
                self.best.restore(self.atoms)
                converged = self._follow(Fire(), patience=self.settings.steps)
        except EngineError as error:
            failure = str(error)
        geometry = self.geometry
        if not failure:
            if not converged:
                self.best.restore(self.atoms)
            geometry = Geometry.from_atoms(self.atoms)
        return Relaxation(
            geometry=geometry,
            energy=self.best.energy if np.isfinite(self.best.energy) else 0.0,
            max_force=self.best.force if np.isfinite(self.best.force) else 0.0,
            converged=converged and not failure,
            force_calls=self.evaluate.calls - self.first_call,
            start_energy=self.start_energy,
            failure=failure,
        )

    def _quasi_newton(self) -> QuasiNewton:
        """Start from springs between neighbours, unless the cell or a symmetry is in the way."""
        if self.target is self.atoms and not self.atoms.constraints and len(self.atoms) > 1:
            return QuasiNewton(soften=Springs(self.atoms).soften)
        return QuasiNewton(_STIFFNESS)

    def _left(self) -> int:
        return self.settings.steps - (self.evaluate.calls - self.first_call)

    def _follow(self, descent: Descent, *, patience: int) -> bool:
        """Step until converged, out of force calls, diverging, or idle for ``patience`` steps."""
        idle, lowest_force = 0, np.inf
        while True:
            forces = self.target.get_forces()
            force = float(np.linalg.norm(forces, axis=1).max())
            energy = float(self.atoms.get_potential_energy())
            if self.start_energy is None:
                self.start_energy = energy
            gained = energy < self.best.energy - 1e-4 or force < 0.98 * lowest_force
            idle = 0 if gained else idle + 1
            lowest_force = min(lowest_force, force)
            converged = force < self.settings.fmax
            if converged or energy < self.best.energy:
                self.best.keep(self.atoms, energy, force)
            diverged = energy > self.best.energy + _RISE
            if converged or diverged or self.stopped or idle >= patience or self._left() <= 0:
                return converged
            xyz = self.target.get_positions()
            self.target.set_positions(xyz + descent.step(xyz, forces))
            self._check_reach()
            self._check_sanity()

    def _check_reach(self) -> None:
        """Go no farther than allowed."""
        if not np.isfinite(self.reach):
            return
        moved = self.atoms.positions - self.geometry.xyz
        far = float(np.linalg.norm(moved, axis=1).max())
        if far > self.reach:
            self.atoms.positions = self.geometry.xyz + moved * (self.reach / far)
            self.stopped = True

    def _check_sanity(self) -> None:
        """Raise when the model sends the structure where no model can be right."""
        from ase.neighborlist import neighbor_list

        factor = self.atoms.get_volume() / self.geometry.volume
        if not 1.0 / _VOLUME_FACTOR < factor < _VOLUME_FACTOR:
            raise EngineError(f"the relaxation changed the volume by {factor - 1.0:+.0%}")
        close = neighbor_list("ijd", self.atoms, _CLASH)
        if len(close[2]):
            nearest = int(np.argmin(close[2]))
            i, j, distance = (int(close[0][nearest]), int(close[1][nearest]), close[2][nearest])
            raise EngineError(
                f"the relaxation brought two atoms to {distance:.2f} Å of each other",
                where=f"atoms {i} ({self.atoms.symbols[i]}) and {j} ({self.atoms.symbols[j]})",
            )


class _Best:
    """The lowest configuration seen."""

    def __init__(self, atoms: Atoms) -> None:
        self.energy = np.inf
        self.force = np.inf
        self._xyz: NDArray[np.float64] = atoms.positions.copy()
        self._cell: NDArray[np.float64] = atoms.cell.array.copy()

    def keep(self, atoms: Atoms, energy: float, force: float) -> None:
        self.energy = energy
        self.force = force
        self._xyz = atoms.positions.copy()
        self._cell = atoms.cell.array.copy()

    def restore(self, atoms: Atoms) -> None:
        atoms.set_cell(self._cell, apply_constraint=False)
        atoms.set_positions(self._xyz, apply_constraint=False)
