"""Force calls that a search may still make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualion.engines.stretch import NoProofError

if TYPE_CHECKING:
    from dualion.engines.evaluator import Evaluator

GRANT, MOST_CALLS = 60, 200
"""Force calls that a search is granted beyond that for what it has found, and the most of all."""


class Budget:
    """Limits an attempt; more is granted to one that has found something.

    Parameters
    ----------
    evaluate
        Counts the calls.
    calls
        Of the first attempt.
    patience
        Factor on all calls.
    """

    def __init__(self, evaluate: Evaluator, calls: int, patience: int = 1) -> None:
        self._evaluate = evaluate
        self._patience = patience
        self._most = evaluate.calls + patience * MOST_CALLS
        self.start(calls)

    def start(self, calls: int) -> None:
        """Begin another attempt."""
        self._limit = self._evaluate.calls + self._patience * calls

    def grant(self) -> None:
        """Give a search that has found something the calls to make something of it."""
        if self._evaluate.calls < self._most:
            self._limit = min(
                self._most, max(self._limit, self._evaluate.calls + self._patience * GRANT)
            )

    @property
    def left(self) -> int:
        """Calls left of the attempt."""
        return self._limit - self._evaluate.calls

    def check(self) -> None:
        """Raise NoProofError when no calls are left."""
        if self.left <= 0:
            raise NoProofError("out of force calls")
