"""A potential that keeps one waiting, as a density functional does that computes elsewhere."""

from __future__ import annotations

import time
from typing import Any

from ase.calculators.calculator import Calculator, all_changes


class Remote(Calculator):
    """Answers what another calculator says, later.

    Parameters
    ----------
    inner
        Computes energy, forces and stress at once.
    seconds
        How much longer each configuration takes.

    Attributes
    ----------
    calls
        Configurations computed in this process, by all of these calculators.
    """

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012 - as ASE has it
    calls = 0

    def __init__(self, inner: Any, seconds: float) -> None:  # noqa: ANN401 - ASE
        super().__init__()  # type: ignore[no-untyped-call]
        self.inner = inner
        self.seconds = seconds

    def __deepcopy__(self, memo: dict[int, Any]) -> Remote:
        """Keep the one model when a band gives each image its own calculator."""
        del memo
        return Remote(self.inner, self.seconds)

    def calculate(
        self,
        atoms: Any = None,  # noqa: ANN401 - ASE
        properties: list[str] | None = None,
        system_changes: list[str] | None = None,
    ) -> None:
        """Wait and compute."""
        del properties
        super().calculate(  # type: ignore[no-untyped-call]
            atoms, self.implemented_properties, system_changes or all_changes
        )
        Remote.calls += 1
        time.sleep(self.seconds)
        self.inner.calculate(self.atoms, self.implemented_properties, all_changes)
        found = self.inner.results
        self.results = {name: found[name] for name in self.implemented_properties}


def calculator(model: str, device: str, seconds: float) -> Remote:
    """Return SevenNet's calculator, made to wait."""
    from sevenn.calculator import SevenNetCalculator  # noqa: PLC0415 - slow to import

    return Remote(SevenNetCalculator(model=model, device=device), seconds)
