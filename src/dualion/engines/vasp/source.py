"""Single energies and forces from VASP, for bands that dualion itself moves."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from dualion.engines.vasp import presets
from dualion.engines.vasp.custody import Tally, run_vasp
from dualion.engines.vasp.folder import Runs
from dualion.engines.vasp.inputs import Layout, changed_level, vasp_input, write_single
from dualion.engines.vasp.machine import Machine
from dualion.engines.vasp.outputs import read_output
from dualion.errors import EngineError
from dualion.records import Geometry

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms


def vasp_calculator(charge: int = 0, **kwargs: Any) -> Any:  # noqa: ANN401 - ASE is untyped
    """Return an ASE calculator whose every call is one run of VASP.

    Parameters
    ----------
    charge
        Of the cell, in e.
    kwargs
        Fields of :class:`~dualion.engines.vasp.presets.Preset`, and INCAR tags in capitals.
    """
    from ase.calculators.calculator import Calculator, all_changes
    from ase.stress import full_3x3_to_voigt_6_stress

    preset = presets.preset_from(kwargs)

    class VaspStatic(Calculator):
        """One configuration a call; its orbitals are the start of the next."""

        implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012

        def calculate(
            self,
            atoms: Atoms | None = None,
            properties: tuple[str, ...] = ("energy",),
            system_changes: list[str] = all_changes,
        ) -> None:
            """Run VASP."""
            super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
            now: Any = self.atoms
            geometry = Geometry.from_atoms(now)
            step = run_static(geometry, preset, charge=charge)
            layout = Layout.of(geometry.species)
            self.results = {
                "energy": step.energy,
                "free_energy": step.energy,
                "forces": layout.restored(step.forces),
            }
            if step.stress is not None:
                self.results["stress"] = full_3x3_to_voigt_6_stress(step.stress)

    return VaspStatic()  # type: ignore[no-untyped-call]


def run_static(geometry: Geometry, preset: presets.Preset, *, charge: int) -> Any:  # noqa: ANN401
    """Compute one configuration; return its :class:`~dualion.engines.vasp.outputs.IonicStep`.

    Raises
    ------
    EngineError
        VASP failed beyond correction, or cannot be started.
    ModelFileError
        A POTCAR is not there.
    """
    machine = Machine.here()
    runs = Runs.of_job(machine)
    folder = runs.folder / f"static-{os.getpid()}"
    made = vasp_input(
        geometry,
        [*presets.electronic(preset), *presets.static()],
        preset,
        charge=charge,
        machine=machine,
    )
    _clear(folder)
    write_single(folder, made)
    # Force calls are counted by whoever asks for this one.
    ended = run_vasp(folder, machine, tally=Tally(silent=True))
    where = f"VASP on {geometry.formula}"
    if ended.failure:
        raise EngineError(ended.failure, where=where)
    if other := changed_level(folder):
        raise EngineError(f"custodian changed the level of theory: {other}", where=where)
    steps = read_output(folder).steps
    if not steps:
        raise EngineError("VASP left no energy", where=where)
    if runs.kept is None:
        shutil.rmtree(runs.folder, ignore_errors=True)
    return steps[-1]


def _clear(folder: Path) -> None:
    """Remove what the last configuration left, but for its orbitals."""
    for file in folder.glob("*"):
        if file.is_file() and file.name != "WAVECAR":
            file.unlink()
