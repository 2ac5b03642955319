"""CHGNet for plain ASE, with a counter; every method of this benchmark uses the same weights."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

Task = Literal["e", "ef", "em", "efs", "efsm"]


class Counter:
    """Force calls made, by all calculators that share the counter."""

    def __init__(self) -> None:
        self.calls = 0

    def taken(self) -> int:
        """Return the calls since this was last asked."""
        calls, self.calls = self.calls, 0
        return calls

    def __deepcopy__(self, memo: dict[int, Any]) -> Counter:
        """Stay the one counter when a calculator is copied."""
        del memo
        return self


@cache
def _model() -> Any:  # noqa: ANN401 - CHGNet is untyped
    import torch  # noqa: PLC0415 - only when really run
    from chgnet.model.model import CHGNet  # noqa: PLC0415

    torch.set_num_threads(1)
    model = CHGNet.load(model_name="0.3.0", use_device="cpu", verbose=False)
    for parameter in model.parameters():
        parameter.requires_grad = False
    return model


@cache
def _counting_class() -> Any:  # noqa: ANN401
    from chgnet.model.dynamics import CHGNetCalculator  # noqa: PLC0415

    class CountingCalculator(CHGNetCalculator):
        """Counts every configuration it computes; no stress or moments unless asked for.

        Leaving them out is as fast for everybody as dualion's own CHGNet, so that seconds compare
        methods and not calculators.
        """

        counter: Counter
        complete: bool

        def calculate(
            self,
            atoms: Any = None,  # noqa: ANN401
            properties: list[str] | None = None,
            system_changes: list[str] | None = None,
            task: Task = "ef",
        ) -> None:
            self.counter.calls += 1
            if self.complete:
                task = "efsm"
            elif "stress" in (properties or ()):
                task = "efs"
            super().calculate(atoms, properties, system_changes, task=task)

    return CountingCalculator


def calculators(counter: Counter, *, complete: bool = False) -> Callable[[], Any]:
    """Return a maker of ASE calculators that share one model and one counter.

    Parameters
    ----------
    counter
        Told of every configuration computed.
    complete
        Compute stress and moments with every configuration, as CHGNet's calculator does by
        itself: for code that asks for them after the forces, which would otherwise count twice.
    """
    model = _model()

    def make() -> Any:  # noqa: ANN401
        with contextlib.redirect_stdout(io.StringIO()):
            calculator = _counting_class()(model, use_device="cpu", on_isolated_atoms="error")
        calculator.counter = counter
        calculator.complete = complete
        return calculator

    return make
