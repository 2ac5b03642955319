"""An ASE calculator on top of an :class:`~dualion.engines.evaluator.Evaluator`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ase.calculators.calculator import Calculator, all_changes

if TYPE_CHECKING:
    from ase import Atoms

    from dualion.engines.evaluator import Evaluator


class EvaluatorCalculator(Calculator):
    """Lets ASE's optimisers run on an evaluator, one force call per configuration.

    Parameters
    ----------
    evaluate
        Gives energy, forces and stress.
    stress
        Whether every call asks for the stress, so that a cell relaxation needs one call a step.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012 - ASE's

    def __init__(self, evaluate: Evaluator, *, stress: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._evaluate = evaluate
        self._stress = stress

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: tuple[str, ...] = ("energy",),
        system_changes: list[str] = all_changes,
    ) -> None:
        """Evaluate ``atoms``; ASE calls this only when something has changed."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        stress = self._stress or "stress" in properties
        now: Any = self.atoms
        found = self._evaluate(now.numbers, now.positions, now.cell.array, stress=stress)
        self.results = {
            "energy": found.energy,
            "free_energy": found.energy,
            "forces": found.forces.copy(),
        }
        if found.stress is not None:
            from ase.stress import full_3x3_to_voigt_6_stress

            self.results["stress"] = full_3x3_to_voigt_6_stress(found.stress)
