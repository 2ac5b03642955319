"""Stand-in for ``vasp_std``: moves ions by an effective-medium potential, with VASP's files.

Environment: ``VASP_STANDIN_VTST`` (0: a VASP without VTST), ``VASP_STANDIN_FAIL`` (see
``failures``), ``VASP_STANDIN_PAUSE`` (seconds for an ionic step), ``VASP_STANDIN_LOG`` (a file that
gets a line for every configuration computed).
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from ase.calculators.emt import EMT
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.io import read
from ase.mep import NEB
from ase.optimize import BFGS, FIRE
from failures import Plan
from inputs import Incar, Potcar, read_mesh
from outputs import OutputFolder, Step

SHIFT = -4.0
"""Added to the energy of every atom, in eV: VASP's energies are negative, and custodian says so."""
ACCURATE = " reached required accuracy - stopping structural energy minimisation"


def stopped(places: list[Path]) -> bool:
    """Whether a STOPCAR asks for an end."""
    files = [place / "STOPCAR" for place in (Path(), *places)]
    return any(f.exists() and ".T" in f.read_text().upper() for f in files)


def note(atoms: object) -> None:
    """Write down that a configuration is computed."""
    log = os.environ.get("VASP_STANDIN_LOG")
    if log:
        digest = hashlib.sha256(np.round(atoms.get_scaled_positions(), 6).tobytes()).hexdigest()
        with Path(log).open("a") as stream:
            stream.write(digest + "\n")


def shifted(atoms: object) -> float:
    """Energy as it is written."""
    return atoms.get_potential_energy() + SHIFT * len(atoms)


def tangent(before: Step, here: Step, after: Step) -> np.ndarray:
    """Improved tangent at an image, a unit vector."""
    back, ahead = here.xyz - before.xyz, after.xyz - here.xyz
    e0, e1, e2 = before.energy, here.energy, after.energy
    if e2 > e1 > e0:
        found = ahead
    elif e2 < e1 < e0:
        found = back
    else:
        big, small = max(abs(e2 - e1), abs(e0 - e1)), min(abs(e2 - e1), abs(e0 - e1))
        found = ahead * big + back * small if e2 > e0 else ahead * small + back * big
    return found / np.linalg.norm(found)


class Point:
    """An image with its energy, for the tangent."""

    def __init__(self, atoms: object) -> None:
        self.xyz = atoms.positions
        self.energy = shifted(atoms)


class Single:
    """A relaxation or one configuration."""

    def __init__(self, incar: Incar, *, vtst: bool) -> None:
        self.atoms = read("POSCAR", format="vasp")
        self.atoms.calc = EMT()
        self.nsw = int(incar.number("NSW", 0))
        self.places: list[Path] = []
        if incar.number("ISYM", 2) > 0 and self.nsw:
            self.atoms.set_constraint(FixSymmetry(self.atoms, symprec=0.01))
        cell = incar.number("ISIF", 2) == 3 and self.nsw
        self.target = FrechetCellFilter(self.atoms) if cell else self.atoms
        self.optimiser = BFGS(self.target, logfile=None)
        outside = incar.number("IBRION", -1) == 3 and incar.number("POTIM", 0.5) == 0
        self.frozen = outside and not (vtst and incar.number("IOPT", 0) > 0)
        self.folders: list[OutputFolder] = []

    def starts(self) -> list[tuple[Path, object]]:
        return [(Path(), self.atoms)]

    def record(self) -> None:
        note(self.atoms)
        here = self.atoms.copy()
        here.set_constraint()
        forces = self.atoms.get_forces()
        energy = shifted(self.atoms)
        stress = self.atoms.get_stress()
        self.folders[0].steps.append(Step(here, energy, forces, stress))

    def largest(self) -> float:
        return float(np.linalg.norm(self.target.get_forces(), axis=1).max())

    def now(self) -> list[object]:
        return [self.atoms]


class Band:
    """A nudged elastic band in image folders."""

    def __init__(self, incar: Incar, *, vtst: bool) -> None:
        count = int(incar.number("IMAGES", 0))
        self.nsw = int(incar.number("NSW", 0))
        missing = [f"{k:02d}" for k in range(count + 2) if not Path(f"{k:02d}/POSCAR").exists()]
        if missing:
            sys.exit(f" ERROR: no POSCAR in {missing}")
        self.images = [read(f"{k:02d}/POSCAR", format="vasp") for k in range(count + 2)]
        # VASP takes the nearest images of the atoms; ASE's band has to be told.
        for before, after in zip(self.images, self.images[1:], strict=False):
            step = after.get_scaled_positions(wrap=False) - before.get_scaled_positions(wrap=False)
            after.set_scaled_positions(after.get_scaled_positions(wrap=False) - np.rint(step))
        for image in self.images:
            image.calc = EMT()
        self.places = [Path(f"{k:02d}") for k in range(1, count + 1)]
        self.climb = vtst and incar.flag("LCLIMB")
        self.spring = abs(incar.number("SPRING", -5.0))
        self.neb = NEB(self.images, k=self.spring, climb=self.climb, method="improvedtangent")
        quasi_newton = incar.number("IOPT", 0) in {1, 2}
        self.optimiser = (BFGS if quasi_newton else FIRE)(self.neb, logfile=None)
        outside = incar.number("IBRION", -1) == 3 and incar.number("POTIM", 0.5) == 0
        self.frozen = outside and not (vtst and incar.number("IOPT", 0) > 0)
        self.folders: list[OutputFolder] = []

    def starts(self) -> list[tuple[Path, object]]:
        return list(zip(self.places, self.images[1:-1], strict=True))

    def record(self) -> None:
        forces = self.neb.get_forces().reshape(len(self.places), -1, 3)
        points = [Point(image) for image in self.images]
        for k, folder in enumerate(self.folders, start=1):
            image = self.images[k]
            note(image)
            unit = tangent(*points[k - 1 : k + 2])
            spring = float(np.sum(forces[k - 1] * unit))
            if self.climb and points[k].energy == max(p.energy for p in points[1:-1]):
                spring = 0.0
            along = float(np.sum(image.get_forces() * unit))
            step = Step(image.copy(), points[k].energy, forces[k - 1], None, spring, along)
            folder.steps.append(step)

    def largest(self) -> float:
        return float(np.linalg.norm(self.neb.get_forces(), axis=1).max())

    def now(self) -> list[object]:
        return self.images[1:-1]


def main() -> None:
    """Run what the files in this folder ask for."""
    incar = Incar.read(Path("INCAR"))
    vtst = os.environ.get("VASP_STANDIN_VTST", "1") == "1"
    banded = incar.number("IMAGES", 0) > 0
    plan = Plan.of_run(band=banded)
    potcar, mesh = Potcar.read(Path("POTCAR")), read_mesh(Path("KPOINTS"))
    print(" running on    1 total cores\n POSCAR, INCAR and KPOINTS ok, starting setup", flush=True)
    run = Band(incar, vtst=vtst) if banded else Single(incar, vtst=vtst)
    run.folders = [
        OutputFolder(place, atoms, incar, potcar, mesh, vtst) for place, atoms in run.starts()
    ]
    for folder in run.folders:
        if [s for s, _ in folder.types] != potcar.elements:
            sys.exit(f" ERROR: POSCAR has {folder.types}, POTCAR {potcar.elements}")
    limit = -incar.number("EDIFFG", -0.05) if "nsw" not in plan else 1e-12
    pause = float(os.environ.get("VASP_STANDIN_PAUSE", "0"))
    accurate = False
    for step in range(max(run.nsw, 1)):
        time.sleep(pause)
        run.record()
        accurate = run.nsw > 0 and run.largest() < limit
        last = accurate or step == max(run.nsw, 1) - 1 or stopped(run.places)
        if not last and not run.frozen:
            run.optimiser.step()
            for folder, atoms in zip(run.folders, run.now(), strict=True):
                folder.next_atoms = atoms.copy()
        plan.after(step, incar, run.folders)
        for folder in run.folders:
            folder.write()
        if last:
            break
    for folder in run.folders:
        folder.write(end="accurate" if accurate else "done")
    print(ACCURATE if accurate else " writing wavefunctions", flush=True)


main()
