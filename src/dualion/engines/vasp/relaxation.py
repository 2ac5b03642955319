"""A relaxation by VASP, gone on with from whatever an earlier start of it left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.fingerprint import stamp_of
from dualion.engines.registry import entry_of
from dualion.engines.vasp import presets
from dualion.engines.vasp.custody import Tally, run_vasp
from dualion.engines.vasp.folder import Runs
from dualion.engines.vasp.inputs import Layout, changed_level, vasp_input, write_single
from dualion.engines.vasp.machine import Machine
from dualion.engines.vasp.outputs import cycle_ran_out, read_contcar, read_output, unwrapped
from dualion.records import Geometry, Relaxed, as_vectors

if TYPE_CHECKING:
    from pathlib import Path

    from dualion.engines.registry import EngineChoice
    from dualion.engines.vasp.outputs import IonicStep
    from dualion.settings import RelaxSettings

FRESH_BASIS = 0.01
"""A volume that changed by more than this share in one run: the basis was that of another cell."""


@dataclass
class _Progress:
    """Where a relaxation is after the runs so far."""

    geometry: Geometry
    energy: float = 0.0
    max_force: float = 0.0
    start_energy: float | None = None
    calls: int = 0
    converged: bool = False
    next: Geometry = field(init=False)

    def __post_init__(self) -> None:
        self.next = self.geometry


def relax_structure(
    structure: Geometry,
    choice: EngineChoice,
    settings: RelaxSettings,
    *,
    cell: bool = False,
    charge: int = 0,
    keep_symmetry: bool = False,
) -> Relaxed:
    """Relax a structure with VASP, under the present job scope.

    A VASP that fails beyond correction gives a ``Relaxed`` with ``failure`` set and the input
    geometry. A lattice that changed much is relaxed once more, with the basis of the new one.

    Raises
    ------
    EngineNotInstalledError
        A package is not installed here.
    ModelFileError
        A POTCAR is not there.
    EngineError
        VASP cannot be started.
    """
    structure = Geometry.model_validate(structure)
    stamp = stamp_of(choice)
    preset = presets.preset_from(dict(entry_of(choice).kwargs))
    machine = Machine.here()
    runs = Runs.of_job(machine)
    tally = Tally()
    now = _Progress(structure)
    failure = ""
    for run in runs.started():
        if not changed_level(run):
            _take(run, now, settings, cell=cell)
    while not now.converged and now.calls < settings.steps and not failure:
        run = runs.new()
        tags = [
            *presets.electronic(preset),
            *presets.relaxation(
                settings,
                cell=cell,
                symmetric=keep_symmetry,
                steps=settings.steps - now.calls,
            ),
        ]
        made = vasp_input(now.next, tags, preset, charge=charge, machine=machine)
        write_single(run, made)
        runs.ready(run)
        tally.before = now.calls
        ended = run_vasp(run, machine, tally=tally)
        before = now.calls
        now.calls += ended.lost
        _take(run, now, settings, cell=cell)
        other = changed_level(run)
        if other:
            failure = f"custodian changed the level of theory: {other}"
            now.converged = False
        elif ended.failure:
            failure = ended.failure
        elif now.calls == before:
            failure = "VASP made no ionic step"
    tally.before = 0
    tally.tell(now.calls)
    runs.keep()
    return Relaxed(
        geometry=structure if failure else now.geometry,
        energy=now.energy,
        max_force=now.max_force,
        converged=now.converged and not failure,
        force_calls=now.calls,
        charge=charge,
        stamp=stamp,
        start_energy=now.start_energy,
        failure=failure,
    )


def _take(run: Path, now: _Progress, settings: RelaxSettings, *, cell: bool) -> None:
    """Take up what a run left, whole or not."""
    output = read_output(run)
    if not output.steps:
        return
    first, last = output.steps[0], output.steps[-1]
    if now.start_energy is None:
        now.start_energy = first.energy
    now.calls += len(output.steps)
    now.energy, now.max_force = last.energy, last.max_force
    now.geometry = _geometry(last, now.geometry)
    now.next = now.geometry
    if not output.accurate and (left := read_contcar(run, len(now.geometry))) is not None:
        now.next = _placed(left[0], left[1], now.geometry)
    change = abs(np.linalg.det(last.cell) / np.linalg.det(first.cell) - 1.0) if cell else 0.0
    small = last.max_force < settings.fmax
    settled = change < FRESH_BASIS and (output.accurate or not cell)
    now.converged = small and settled and not cycle_ran_out(run)


def _geometry(step: IonicStep, near: Geometry) -> Geometry:
    cell = near.cell if not np.isfinite(step.cell).all() else step.cell
    return _placed(cell, step.xyz, near)


def _placed(
    cell: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    xyz: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    near: Geometry,
) -> Geometry:
    """Make a geometry in its own order, its atoms next to where they were."""
    layout = Layout.of(near.species)
    placed = unwrapped(xyz, layout.grouped(near.xyz), cell, near_cell=near.cell)
    a, b, c = as_vectors(cell)
    return Geometry(
        lattice=(a, b, c), species=near.species, positions=as_vectors(layout.restored(placed))
    )
