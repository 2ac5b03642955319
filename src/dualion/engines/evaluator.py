"""Evaluations: the energy and forces of one configuration, counted and replayable.

A relaxation or a band is a deterministic function of an evaluator. The evaluator answers from a
log of earlier evaluations when the very same configuration was computed before, so a job that
was killed goes on from its last force call with bit-identical results.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from dualion.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.engines.checkpoint import EvaluationLog


@dataclass(frozen=True)
class Evaluation:
    """What an engine says of one configuration.

    Attributes
    ----------
    energy
        In eV per cell.
    forces
        Shape (n, 3), in eV/Å.
    stress
        Shape (3, 3), in eV/Å³, positive under tension; None when it was not asked for.
    """

    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None = None


@runtime_checkable
class ExpectingSource(Protocol):
    """A source that wants to know together what it will be asked one after the other."""

    def expect(
        self,
        numbers: NDArray[np.int64],
        configurations: Sequence[NDArray[np.float64]],
        cell: NDArray[np.float64],
        *,
        stress: bool,
    ) -> None:
        """Get ready for some positions, shape (n, 3) each, in Å, of one cell."""
        ...


class Source(Protocol):
    """Anything that computes an :class:`Evaluation`; ``calculators.build_source`` makes one."""

    def __call__(
        self,
        numbers: NDArray[np.int64],
        xyz: NDArray[np.float64],
        cell: NDArray[np.float64],
        *,
        stress: bool,
    ) -> Evaluation:
        """Compute one configuration: atomic numbers (n,), positions (n, 3) and cell rows in Å."""
        ...


def evaluation_key(
    numbers: NDArray[np.int64],
    xyz: NDArray[np.float64],
    cell: NDArray[np.float64],
    *,
    stress: bool,
) -> bytes:
    """Identify a configuration by the exact bits of its numbers, positions and cell.

    Returns
    -------
    bytes
        A SHA-256 (32 bytes).
    """
    digest = hashlib.sha256(b"stress" if stress else b"forces")
    digest.update(np.ascontiguousarray(numbers, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(xyz, dtype="<f8").tobytes())
    digest.update(np.ascontiguousarray(cell, dtype="<f8").tobytes())
    return digest.digest()


class Evaluator:
    """Counts force calls, refuses numbers that are not finite, and replays a log.

    Parameters
    ----------
    source
        Computes what is not in the log.
    log
        Earlier evaluations of this very job; new ones are appended.
    progress
        Told the number of force calls so far, after each.
    computed
        Called after each force call that the source really made.
    remember
        Keep what was seen without a stress, for a force field to learn from.

    Attributes
    ----------
    calls
        Force calls so far, replayed ones included: the same number whether or not the job was
        interrupted.
    computed
        Force calls that the source really made in this process.
    seen
        Positions and evaluations, replayed ones included, in the order of the calls; empty unless
        they are to be remembered.
    """

    def __init__(
        self,
        source: Source,
        *,
        log: EvaluationLog | None = None,
        progress: Callable[[int], None] | None = None,
        computed: Callable[[], None] | None = None,
        remember: bool = False,
    ) -> None:
        self._source = source
        self._log = log
        self._progress = progress
        self._on_computed = computed
        self._remember = remember
        self.calls = 0
        self.computed = 0
        self.seen: list[tuple[NDArray[np.float64], Evaluation]] = []

    def __call__(
        self,
        numbers: NDArray[np.int64],
        xyz: NDArray[np.float64],
        cell: NDArray[np.float64],
        *,
        stress: bool = False,
    ) -> Evaluation:
        """Evaluate one configuration.

        Parameters
        ----------
        numbers
            Atomic numbers, shape (n,).
        xyz
            Cartesian positions, shape (n, 3), in Å.
        cell
            Lattice vectors as rows, shape (3, 3), in Å.
        stress
            Whether the stress is needed.

        Raises
        ------
        EngineError
            The engine failed, or gave an energy, force or stress that is not finite.
        OSError
            The log could not be written, for instance because the disk is full.
        """
        self.calls += 1
        key = evaluation_key(numbers, xyz, cell, stress=stress)
        found = self._log.find(key) if self._log is not None else None
        if found is None:
            self.computed += 1
            found = self._source(numbers, xyz, cell, stress=stress)
            _check_finite(found, n=len(numbers), stress=stress)
            if self._log is not None:
                self._log.append(key, found)
            if self._on_computed is not None:
                self._on_computed()
        if self._progress is not None:
            self._progress(self.calls)
        if self._remember and not stress:
            self.seen.append((xyz.copy(), found))
        return found

    def many(
        self,
        numbers: NDArray[np.int64],
        configurations: Sequence[NDArray[np.float64]],
        cell: NDArray[np.float64],
        *,
        stress: bool = False,
    ) -> list[Evaluation]:
        """Evaluate configurations of one cell that do not depend on each other's answers.

        As if each were evaluated in turn, and with the same numbers; but a source whose force
        calls are jobs of their own learns of all of them at once.

        Parameters
        ----------
        numbers, cell, stress
            As for one.
        configurations
            Cartesian positions, shape (n, 3) each, in Å.

        Raises
        ------
        EngineError
            Of the first that fails.
        OSError
            The log could not be written.
        """
        if isinstance(self._source, ExpectingSource):
            new = [
                xyz
                for xyz in configurations
                if self._log is None
                or self._log.find(evaluation_key(numbers, xyz, cell, stress=stress)) is None
            ]
            if new:
                self._source.expect(numbers, new, cell, stress=stress)
        return [self(numbers, xyz, cell, stress=stress) for xyz in configurations]


def _check_finite(evaluation: Evaluation, *, n: int, stress: bool) -> None:
    if not np.isfinite(evaluation.energy):
        raise EngineError(f"the engine gave an energy of {evaluation.energy}")
    if evaluation.forces.shape != (n, 3):
        raise EngineError(
            f"the engine gave forces of shape {evaluation.forces.shape}, not {(n, 3)}"
        )
    bad = np.flatnonzero(~np.isfinite(evaluation.forces).all(axis=1))
    if len(bad):
        raise EngineError(
            f"the engine gave a force of {evaluation.forces[bad[0]].tolist()}",
            where=f"atom {bad[0]} (counted from 0)",
        )
    if stress and (evaluation.stress is None or not np.isfinite(evaluation.stress).all()):
        seen: Any = None if evaluation.stress is None else evaluation.stress.tolist()
        raise EngineError(f"the engine gave a stress of {seen}")
