"""What VASP writes: OUTCAR, OSZICAR, CONTCAR and vasprun.xml, whole after every ionic step."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase.stress import voigt_6_to_full_3x3_stress

if TYPE_CHECKING:
    from ase import Atoms
    from inputs import Incar, Potcar

KBAR = 1602.176634
"""kbar in an eV/Å³."""
BEGAN = time.time()
VTST = "VTST: version 4.2, (03/15/22)"


@dataclass
class Step:
    """One ionic step of one folder; forces as VASP prints them."""

    atoms: Atoms
    energy: float
    forces: np.ndarray
    stress: np.ndarray | None = None
    spring: float | None = None
    along: float | None = None


@dataclass
class OutputFolder:
    """The files of one configuration or image."""

    path: Path
    start: Atoms
    incar: Incar
    potcar: Potcar
    mesh: tuple[int, int, int]
    vtst: bool
    steps: list[Step] = field(default_factory=list)
    nelm_reached: bool = False

    def __post_init__(self) -> None:
        self.start = self.start.copy()
        self.types = [(s, len(list(group))) for s, group in groupby(self.start.symbols)]
        neutral = sum(z * n for z, (_, n) in zip(self.potcar.valences, self.types, strict=True))
        self.nelect = self.incar.number("NELECT", neutral)

    @property
    def bands(self) -> int:
        return int(self.nelect / 2) + 4

    @property
    def spins(self) -> int:
        return int(self.incar.number("ISPIN", 1))

    def cycles(self) -> list[int]:
        """Electronic steps of each ionic step."""
        nelm = int(self.incar.number("NELM", 60))
        counts = [3] * len(self.steps)
        if self.nelm_reached and counts:
            counts[-1] = nelm
        return counts

    def write(self, *, end: str = "", cut: bool = False) -> None:
        """Write all files.

        ``end``: '' while running, 'accurate' or 'done' at the end; ``cut``: as a killed VASP.
        """
        (self.path / "CONTCAR").write_text("" if cut else self._contcar(end))
        (self.path / "OSZICAR").write_text(self._oszicar())
        outcar = self._outcar(end)
        (self.path / "OUTCAR").write_text(outcar[: int(0.97 * len(outcar))] if cut else outcar)
        xml = self._vasprun()
        whole = "" if cut else _structure(self.steps[-1].atoms, "finalpos") + "\n</modeling>\n"
        (self.path / "vasprun.xml").write_text((xml[: int(0.8 * len(xml))] if cut else xml) + whole)

    next_atoms: Atoms | None = None
    """Where the ions go next: in CONTCAR while running."""

    def _contcar(self, end: str) -> str:
        atoms = self.steps[-1].atoms
        if end != "accurate" and self.next_atoms is not None:
            atoms = self.next_atoms
        rows = atoms.get_scaled_positions(wrap=True)
        lattice = "\n".join(" ".join(f"{x:21.16f}" for x in row) for row in atoms.cell[:])
        return (
            f"stand-in\n   1.0\n{lattice}\n"
            f" {' '.join(s for s, _ in self.types)}\n {' '.join(str(n) for _, n in self.types)}\n"
            "Direct\n" + "\n".join(" ".join(f"{x:19.16f}" for x in row) for row in rows) + "\n\n"
        )

    def _oszicar(self) -> str:
        lines = []
        before = 0.0
        for k, (step, count) in enumerate(zip(self.steps, self.cycles(), strict=True), start=1):
            e = step.energy
            lines.append("       N       E                     dE             d eps       ncg")
            for n in range(1, count + 1):
                change = e if n == 1 else 1e-3 * 0.1**n
                lines.append(f"DAV: {n:3d}   {e:20.12E}   {change:12.5E}   -0.10000E-04   100")
            moved = e - before if k > 1 else e
            lines.append(f"{k:4d} F= {e:15.8E} E0= {e:15.8E}  d E ={moved:13.6E}")
            before = e
        return "\n".join(lines) + "\n"

    def _outcar(self, end: str) -> str:
        now = dt.datetime.now(dt.UTC)
        nelm = int(self.incar.number("NELM", 60))
        lines = [
            " vasp.6.4.2 20Jul23 (stand-in for tests) complex",
            f" executed on             none date {now:%Y.%m.%d  %H:%M:%S}",
            " running on    1 total cores",
            *(f"   TITEL  = {title}" for title in self.potcar.titles),
            *(f"   VRHFIN ={element}: none" for element in self.potcar.elements),
            f"   ions per type =  {' '.join(f'{n:6d}' for _, n in self.types)}",
            f"   ISPIN  = {self.spins:6d}    spin polarized calculation?",
            f"   ENCUT  = {self.incar.number('ENCUT', 400.0):6.1f} eV",
            f"   NELECT = {self.nelect:12.4f}    total number of electrons",
            f"   NELM   = {nelm:6d};   NELMIN=  2; NELMDL= -5     # of ELM steps",
            f"   EDIFFG = {self.incar.number('EDIFFG', -0.05):8.1E}   stopping-criterion for IOM",
            f"   k-points           NKPTS =      1   number of bands    NBANDS= {self.bands:6d}",
            "   total plane-waves  NPLWV =  32768",
            f"   generate k-points for:    {' '.join(map(str, self.mesh))}",
        ]
        if self.vtst:
            lines += ["", VTST, "", " CHAIN: initializing optimizer"]
        for k, (step, count) in enumerate(zip(self.steps, self.cycles(), strict=True), start=1):
            lines += self._outcar_step(k, step, count)
        if end:
            if end == "accurate":
                lines.append(" reached required accuracy - stopping structural energy minimisation")
            lines += [
                " General timing and accounting informations for this job:",
                f"                  Total CPU time used (sec): {time.process_time():12.3f}",
                f"                            User time (sec): {time.process_time():12.3f}",
                "                          System time (sec):        0.100",
                f"                         Elapsed time (sec): {time.time() - BEGAN:12.3f}",
                "                   Maximum memory used (kb):      100000.",
                "                   Average memory used (kb):          N/A",
            ]
        return "\n".join(lines) + "\n"

    def _outcar_step(self, k: int, step: Step, count: int) -> list[str]:
        e = step.energy
        nelm = int(self.incar.number("NELM", 60))
        inverse = np.linalg.inv(step.atoms.cell[:]).T
        lines = [
            f"{'-' * 40} Iteration {k:6d}({count:4d})  {'-' * 39}",
            f"  free energy    TOTEN  = {e:18.8f} eV",
        ]
        if count < nelm:
            lines.append(" ------- aborting loop because EDIFF is reached -------")
        if step.stress is not None:
            xx, yy, zz, yz, xz, xy = -step.stress * KBAR
            lines.append("  in kB  " + " ".join(f"{x:11.5f}" for x in (xx, yy, zz, xy, yz, xz)))
        lines.append("      direct lattice vectors                 reciprocal lattice vectors")
        lines += [
            "    " + " ".join(f"{x:12.9f}" for x in (*a, *b))
            for a, b in zip(step.atoms.cell[:], inverse, strict=True)
        ]
        if step.spring is not None and self.vtst:
            lines.append(
                f" NEB: projections on to tangent (spring, REAL) {step.spring:12.6f}"
                f" {step.along:12.6f}"
            )
        lines += [
            " POSITION                                       TOTAL-FORCE (eV/Angst)",
            " " + "-" * 83,
            *(
                " " + " ".join(f"{x:12.5f}" for x in (*xyz, *force))
                for xyz, force in zip(_wrapped(step.atoms), step.forces, strict=True)
            ),
            " " + "-" * 83,
            "    total drift:                                0.000000      0.000000      0.000000",
            "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)",
            "  ---------------------------------------------------",
            f"  free  energy   TOTEN  = {e:18.8f} eV",
            "",
            f"  energy  without entropy={e:18.8f}  energy(sigma->0) ={e:18.8f}",
        ]
        return lines

    def _vasprun(self) -> str:
        a, b, c = self.mesh
        given = self.incar.typed()
        now = dt.datetime.now(dt.UTC)
        full = {**_DEFAULTS, "ENMAX": self.incar.number("ENCUT", 400.0), **given}
        full |= {"NELECT": self.nelect, "NBANDS": self.bands, "LORBIT": 0}
        atoms = [
            f"    <rc><c>{s:2s}</c><c>{k + 1}</c></rc>"
            for k, (s, n) in enumerate(self.types)
            for _ in range(n)
        ]
        rows = zip(self.types, self.potcar.valences, self.potcar.titles, strict=True)
        types = [
            f"    <rc><c>{n}</c><c>{s:2s}</c><c>1.0</c><c>{z}</c><c> {t} </c></rc>"
            for (s, n), z, t in rows
        ]
        parts = [
            '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n <generator>',
            '  <i name="program" type="string">vasp </i>',
            '  <i name="version" type="string">6.4.2  </i>',
            '  <i name="subversion" type="string">stand-in for tests </i>',
            '  <i name="platform" type="string">none </i>',
            f'  <i name="date" type="string">{now:%Y %m %d} </i>',
            f'  <i name="time" type="string">{now:%H:%M:%S} </i>\n </generator>\n <incar>',
            *(_item(name, value) for name, value in given.items()),
            ' </incar>\n <kpoints>\n  <generation param="Gamma">',
            f'   <v type="int" name="divisions">{a} {b} {c}</v>',
            '   <v name="usershift">0 0 0</v>',
            f'   <v name="genvec1">{1 / a:.8f} 0 0</v>',
            f'   <v name="genvec2">0 {1 / b:.8f} 0</v>',
            f'   <v name="genvec3">0 0 {1 / c:.8f}</v>',
            '   <v name="shift">0 0 0</v>\n  </generation>',
            '  <varray name="kpointlist">\n   <v>0 0 0</v>\n  </varray>',
            '  <varray name="weights">\n   <v>1.0</v>\n  </varray>\n </kpoints>',
            ' <parameters>\n <separator name="general">',
            *(_item(name, value) for name, value in full.items()),
            " </separator>\n </parameters>",
            f" <atominfo>\n  <atoms>{len(self.start)}</atoms>\n  <types>{len(self.types)}</types>",
            '  <array name="atoms">\n   <dimension dim="1">ion</dimension>',
            '   <field type="string">element</field>\n   <field type="int">atomtype</field>',
            "   <set>",
            *atoms,
            "   </set>\n  </array>",
            '  <array name="atomtypes">\n   <dimension dim="1">type</dimension>',
            '   <field type="int">atomspertype</field>\n   <field type="string">element</field>',
            "   <field>mass</field>\n   <field>valence</field>",
            '   <field type="string">pseudopotential</field>\n   <set>',
            *types,
            "   </set>\n  </array>\n </atominfo>",
            _structure(self.start, "initialpos"),
        ]
        for k, (step, count) in enumerate(zip(self.steps, self.cycles(), strict=True)):
            parts += self._vasprun_step(step, count, last=k == len(self.steps) - 1)
        return "\n".join(parts) + "\n"

    def _vasprun_step(self, step: Step, count: int, *, last: bool) -> list[str]:
        names = ("e_fr_energy", "e_wo_entrp", "e_0_energy")
        energy = "\n".join(f'   <i name="{name}"> {step.energy:16.8f} </i>' for name in names)
        full = np.zeros((3, 3)) if step.stress is None else voigt_6_to_full_3x3_stress(step.stress)
        parts = [
            " <calculation>",
            *([f"  <scstep>\n   <energy>\n{energy}\n   </energy>\n  </scstep>"] * count),
            _structure(step.atoms),
            f'  <varray name="forces">\n{_rows(step.forces)}\n  </varray>',
            f'  <varray name="stress">\n{_rows(-full * KBAR)}\n  </varray>',
            f"  <energy>\n{energy}\n  </energy>",
        ]
        if last:
            parts.append(self._states())
        return [*parts, " </calculation>"]

    def _states(self) -> str:
        filled = round(self.nelect / 2)
        rows = "\n".join(
            f"      <r> {(-5 + 4 * b / filled) if b < filled else 4.0 + b - filled:9.4f}"
            f" {1.0 if b < filled else 0.0:7.4f} </r>"
            for b in range(self.bands)
        )
        spins = range(1, self.spins + 1)
        eigenvalues = "\n".join(
            f'     <set comment="spin {s}">\n      <set comment="kpoint 1">\n{rows}\n      </set>\n'
            "     </set>"
            for s in spins
        )
        dos = "\n".join(
            f'      <set comment="spin {s}">\n       <r> -6.0 0.0 0.0 </r>\n'
            f"       <r> 1.0 0.0 {self.nelect} </r>\n      </set>"
            for s in spins
        )
        return (
            '  <eigenvalues>\n   <array>\n    <dimension dim="1">band</dimension>\n'
            '    <dimension dim="2">kpoint</dimension>\n    <dimension dim="3">spin</dimension>\n'
            "    <field>eigene</field>\n    <field>occ</field>\n    <set>\n"
            f"{eigenvalues}\n    </set>\n   </array>\n  </eigenvalues>\n"
            '  <dos>\n   <i name="efermi">  1.0 </i>\n   <total>\n    <array>\n'
            '     <dimension dim="1">gridpoints</dimension>\n'
            '     <dimension dim="2">spin</dimension>\n     <field>energy</field>\n'
            "     <field>total</field>\n     <field>integrated</field>\n     <set>\n"
            f"{dos}\n     </set>\n    </array>\n   </total>\n  </dos>"
        )


_DEFAULTS: dict[str, object] = {
    "PREC": "normal",
    "EDIFF": 1e-4,
    "EDIFFG": -0.05,
    "NSW": 0,
    "IBRION": -1,
    "ISIF": 2,
    "POTIM": 0.5,
    "NELM": 60,
    "NELMDL": -5,
    "ISPIN": 1,
    "ISMEAR": 1,
    "SIGMA": 0.2,
    "GGA": "PE",
    "LDAU": False,
    "LHFCALC": False,
    "AEXX": 0.0,
    "HFSCREEN": 0.0,
    "METAGGA": "--",
    "LUSE_VDW": False,
    "IVDW": 0,
    "LEPSILON": False,
    "ICHARG": 2,
    "ALGO": "Normal",
    "LCHIMAG": False,
    "KSPACING": 0.5,
    "IMAGES": 0,
    "SPRING": -5.0,
    "ISYM": 2,
}


def _wrapped(atoms: Atoms) -> np.ndarray:
    return atoms.get_scaled_positions(wrap=True) @ atoms.cell[:]


def _rows(array: np.ndarray) -> str:
    return "\n".join(
        "    <v> " + " ".join(f"{x:16.8f}" for x in row) + " </v>" for row in np.atleast_2d(array)
    )


def _structure(atoms: Atoms, name: str = "") -> str:
    named = f' name="{name}"' if name else ""
    return (
        f' <structure{named}>\n  <crystal>\n   <varray name="basis">\n{_rows(atoms.cell[:])}\n'
        f'   </varray>\n   <i name="volume"> {atoms.get_volume():.8f} </i>\n'
        f'   <varray name="rec_basis">\n{_rows(atoms.cell.reciprocal()[:])}\n   </varray>\n'
        '  </crystal>\n  <varray name="positions">\n'
        f"{_rows(atoms.get_scaled_positions(wrap=True))}\n  </varray>\n </structure>"
    )


def _item(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f'  <i type="logical" name="{name}">{"T" if value else "F"}</i>'
    if isinstance(value, int):
        return f'  <i type="int" name="{name}">{value}</i>'
    if isinstance(value, float):
        return f'  <i name="{name}">{value:.8g}</i>'
    if isinstance(value, list):
        return f'  <v name="{name}">' + " ".join(f"{x:.4f}" for x in value) + "</v>"
    return f'  <i type="string" name="{name}">{value}</i>'
