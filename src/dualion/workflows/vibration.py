"""Attempt frequencies of records: the moving ion shaken at both sites and at the saddle."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dualion.analysis.vibration import Attempt, vineyard
from dualion.engines.calculators import build_source
from dualion.engines.checkpoint import EvaluationLog
from dualion.engines.evaluator import Evaluator
from dualion.engines.fingerprint import stamp_of
from dualion.engines.registry import EngineChoice, find_entry
from dualion.errors import DualionError, InputError
from dualion.records import LITERATURE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.engines.registry import Device
    from dualion.records import HopRecord, Images

    Array = NDArray[np.float64]

STEP = 0.02
"""Displacement of the mover in a central difference, in Å."""
FOLDER = "vibrations"


@dataclass
class Vibrations:
    """Finds the attempt frequency of a record with the record's own engine.

    Only the moving ion is displaced, with all others held: 18 force calls. They are kept in a
    folder of the record, so that they are made once.

    Attributes
    ----------
    folder
        For the force calls that were made; None: they are not kept.
    device
        Where a model runs.
    refused
        By record id, why a record has none.
    force_calls, computed
        Of all records so far, and those of them which were really made.
    """

    folder: Path | None = None
    device: Device = "auto"
    refused: dict[str, str] = field(default_factory=dict)
    force_calls: int = 0
    computed: int = 0

    def __call__(self, record: HopRecord) -> Attempt | None:
        """Return the attempt frequencies of a record; None where there are none, see `refused`."""
        try:
            return self._attempt(record)
        except DualionError as error:
            self.refused[record.record_id] = str(error)
            return None

    def _attempt(self, record: HopRecord) -> Attempt:
        images, mover, top = _positions(record)
        choice = self._choice(record)
        source = build_source(choice, charge=record.theory.charge)
        if self.folder is None:
            return self._found(images, mover, top, Evaluator(source))
        with EvaluationLog(self.folder / record.record_id, record.theory.fingerprint) as log:
            return self._found(images, mover, top, Evaluator(source, log=log))

    def _choice(self, record: HopRecord) -> EngineChoice:
        """Choose the engine of a record, if it is here and gives the same numbers."""
        stamp = record.theory.stamp
        where = f"record {record.record_id}"
        if stamp.code == LITERATURE:
            raise InputError(
                "is from the literature: nothing can be computed", where=where, remedy="leave it"
            )
        entry = find_entry(stamp.engine)
        if entry.kind == "vasp":
            raise InputError(
                "is of VASP, which is not called from here",
                where=where,
                remedy="give its attempt frequencies in Python (ClassBarrier.attempts)",
            )
        choice = EngineChoice(
            name=entry.name,
            device=self.device,
            trust_model=stamp.model_sha256 is not None,
            entry=entry,
        )
        here = stamp_of(choice)
        if here != stamp:
            raise InputError(
                f"is of {stamp.text}, but here is {here.text}",
                where=where,
                remedy="levels of theory are not mixed: use the environment of that run",
            )
        return choice

    def _found(self, images: Images, mover: int, top: int, evaluate: Evaluator) -> Attempt:
        from ase.data import atomic_masses

        try:
            hessians = [
                mover_hessian(evaluate, images, index, mover) for index in (0, top, len(images) - 1)
            ]
        finally:
            self.force_calls += evaluate.calls
            self.computed += evaluate.computed
        mass = float(atomic_masses[images.numbers[mover]])
        attempt = vineyard(hessians[0], hessians[1], hessians[2], np.full(3, mass))
        return attempt.model_copy(update={"force_calls": evaluate.calls})


def mover_hessian(evaluate: Evaluator, images: Images, index: int, mover: int) -> Array:
    """Second derivatives of the energy by the place of one atom, all others held.

    Parameters
    ----------
    evaluate
        Six force calls are asked of it.
    images
        A band.
    index
        Which image.
    mover
        Which atom.

    Returns
    -------
    ndarray
        Shape (3, 3), symmetric, in eV/Å², by central differences of the force.
    """
    start = images.xyz[index]
    shaken = []
    for axis in range(3):
        for sign in (1.0, -1.0):
            moved = start.copy()
            moved[mover, axis] += sign * STEP
            shaken.append(moved)
    found = evaluate.many(images.numbers, shaken, images.cell)
    forces = np.array([each.forces[mover] for each in found]).reshape(3, 2, 3)
    hessian = (forces[:, 1] - forces[:, 0]) / (2.0 * STEP)
    return np.asarray((hessian + hessian.T) / 2.0)


def _positions(record: HopRecord) -> tuple[Images, int, int]:
    """Return images, mover and highest image of a record."""
    where = f"record {record.record_id}"
    if not record.outcome.is_barrier:
        raise InputError(
            f"ended {record.outcome.value}: there is no saddle", where=where, remedy="leave it"
        )
    if record.images is None or record.mover is None:
        raise InputError(
            "keeps no images", where=where, remedy="use a store that holds whole records"
        )
    if len(record.energies) != len(record.images):
        raise InputError(
            f"has {len(record.images)} images but {len(record.energies)} energies",
            where=where,
            remedy="compute it again",
        )
    top = int(np.argmax(record.energies))
    if top in (0, len(record.images) - 1):
        raise InputError("is highest at an end", where=where, remedy="leave it")
    return record.images, record.mover, top
