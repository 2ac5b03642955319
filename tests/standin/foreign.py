"""Bands as other programs leave them, made from one that ASE converged with EMT."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from ase.mep import NEB
from ase.mep.neb import NEBState
from ase.optimize import BFGS, FIRE

LIMIT = 0.03
VALENCE = {"Al": 3.0, "Cu": 11.0}


@dataclass(frozen=True)
class Truth:
    """A band, with what EMT says of it."""

    images: tuple[Atoms, ...]
    energies: np.ndarray
    forces: np.ndarray
    mover: int

    @property
    def barrier(self) -> float:
        return float(self.energies.max() - self.energies[0])


def copper_in_aluminium() -> Truth:
    """A copper atom beside a vacancy of aluminium, hopping into it: 31 atoms, five images."""
    crystal = bulk("Al", "fcc", a=4.0, cubic=True).repeat(2)
    gaps = crystal.get_distances(0, range(32), mic=True)
    neighbour = int(np.argsort(gaps)[1])
    initial = crystal.copy()
    initial.symbols[neighbour] = "Cu"
    final = initial.copy()
    final.positions[neighbour] = crystal.positions[0]
    for end in (initial, final):
        del end[0]
        end.rattle(0.02, seed=3)
        end.calc = EMT()
        BFGS(end, logfile=None).run(fmax=0.005, steps=500)
    rows = [initial, *(initial.copy() for _ in range(3)), final]
    band = NEB(rows, k=2.0, climb=True, method="improvedtangent")
    band.interpolate(mic=True)
    for image in rows[1:-1]:
        image.calc = EMT()
    assert FIRE(band, logfile=None).run(fmax=LIMIT * 0.9, steps=1500)
    # One order of species, as VASP wants it, and every atom in the cell, as it writes them.
    order = sorted(range(31), key=lambda k: rows[0].symbols[k])
    images = []
    for row in rows:
        image = row[order]
        image.wrap(eps=1e-9)
        image.calc = EMT()
        images.append(image)
    return Truth(
        images=tuple(images),
        energies=np.array([image.get_potential_energy() for image in images]),
        forces=np.array([image.get_forces() for image in images]),
        mover=30,
    )


def tangents(truth: Truth) -> np.ndarray:
    """Improved tangents of the interior images by ASE's own implementation."""
    rows = [image.copy() for image in truth.images]
    for row, energy in zip(rows, truth.energies, strict=True):
        row.calc = SinglePointCalculator(row, energy=float(energy), forces=np.zeros((31, 3)))
    band = NEB(rows, k=0.0, method="improvedtangent")
    state = NEBState(band, rows, truth.energies)
    found = []
    for k in range(1, 4):
        unit = band.neb_method.get_tangent(state, state.spring(k - 1), state.spring(k), k)
        found.append(unit / np.linalg.norm(unit))
    return np.array(found)


def outcar(
    atoms: Atoms,
    energy: float,
    forces: np.ndarray,
    *,
    along: float | None = None,
    encut: str = "400.0",
    gga: str = "PE",
    electrons: float | None = None,
    titles: dict[str, str] | None = None,
) -> str:
    """The lines of an OUTCAR that matter, in VASP's own format; two ionic steps."""
    symbols = list(dict.fromkeys(atoms.get_chemical_symbols()))
    counts = [atoms.get_chemical_symbols().count(s) for s in symbols]
    neutral = sum(VALENCE[s] * n for s, n in zip(symbols, counts, strict=True))
    names = {s: f"PAW_PBE {s} 05Jan2001" for s in symbols} | (titles or {})
    text = [" vasp.6.4.2 20Jul23 (build Sep 01 2023 10:00:00) complex", ""]
    text += [f" POTCAR:    {names[symbol]}" for symbol in symbols]
    for symbol in symbols:
        text += [
            f" POTCAR:    {names[symbol]}",
            f"   VRHFIN ={symbol}: s2p1",
            "   LEXCH  = PE",
            f"   TITEL  = {names[symbol]}",
            f"   POMASS =   26.981; ZVAL   =    {VALENCE[symbol]:.3f}    mass and valenz",
        ]
    text += [
        "   generate k-points for:    2    2    2",
        "   ions per type =      " + "".join(f"{n:8d}" for n in counts),
        "   PREC   = accura    normal or accurate (medium, high low for compatibility)",
        "   ISPIN  =      1    spin polarized calculation?",
        f"   ENCUT  =  {encut} eV  29.40 Ry    5.42 a.u.",
        "   EDIFFG = -.3E-01   stopping-criterion for IOM",
        "   LHFCALC =      F    Hartree Fock is set to",
        "   Ionic Valenz",
        "   ZVAL   = " + "".join(f"{VALENCE[s]:8.2f}" for s in symbols),
        f"   NELECT =  {neutral if electrons is None else electrons:12.4f}    total number of",
        "   ISMEAR =     1;   SIGMA  =   0.20  broadening in eV -4-tet -1-fermi 0-gaus",
        f"   GGA     =    {gga}    GGA type",
        "",
    ]
    lattice = [
        "      direct lattice vectors                 reciprocal lattice vectors",
        *("  " + "".join(f"{x:13.9f}" for x in row) * 2 for row in atoms.cell.array),
    ]
    for step in (1, 2):
        shift = 0.0 if step == 2 else 0.5  # the first step must not be taken for the last
        text += [
            f"----------------------------------------- Iteration    {step}(   1)  ------------",
            "  Free energy of the ion-electron system (eV)",
            "  ---------------------------------------------------",
            f"  free energy    TOTEN  =      {energy + 9.0:14.8f} eV",
            (
                f"  energy without entropy = {energy + 9.0:16.8f}  "
                f"energy(sigma->0) = {energy + 9.0:16.8f}"
            ),
            *lattice,
            " POSITION                                       TOTAL-FORCE (eV/Angst)",
            " " + "-" * 83,
        ]
        for xyz, force in zip(atoms.positions, forces + shift, strict=True):
            text.append(
                "".join(f"{x:13.5f}" for x in xyz) + "   " + "".join(f"{f:14.6f}" for f in force)
            )
        text += [" " + "-" * 83, "    total drift:          0.000000      0.000000     0.000000"]
        if along is not None:
            text.append(
                f"  NEB: projections on to tangent (spring, REAL)  0.012345 {along + shift:12.6f}"
            )
        text += [
            "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)",
            "  ---------------------------------------------------",
            f"  free  energy   TOTEN  = {energy + shift + 0.01:18.8f} eV",
            "",
            (
                f"  energy  without entropy={energy + shift + 0.02:18.8f}  "
                f"energy(sigma->0) ={energy + shift:18.8f}"
            ),
            "",
        ]
    text += [
        " reached required accuracy - stopping structural energy minimisation",
        " General timing and accounting informations for this job:",
        " ========================================================",
    ]
    return "\n".join(text) + "\n"


def vasp_folder(
    folder: Path, truth: Truth, *, projected: bool = False, packed: bool = False
) -> Path:
    """Write 00 to 04; projected: the forces that VTST writes."""
    folder.mkdir(parents=True)
    (folder / "INCAR").write_text(
        "IMAGES = 3 ; SPRING = -5\nLCLIMB = .TRUE.  # climbs\nENCUT = 400\nEDIFFG = -0.03\n"
    )
    (folder / "KPOINTS").write_text("any comment\n0\nGamma\n 2 2 2\n")
    units = tangents(truth)
    top = int(np.argmax(truth.energies))
    for k, image in enumerate(truth.images):
        place = folder / f"{k:02d}"
        place.mkdir()
        write(place / ("CONTCAR" if k in range(1, 4) else "POSCAR"), image, format="vasp")
        force, along = truth.forces[k], None
        if projected and 0 < k < 4:
            along = float((force * units[k - 1]).sum())
            force = force - (2.0 if k == top else 1.0) * along * units[k - 1]
        text = outcar(image, truth.energies[k], force, along=along)
        if packed:
            (place / "OUTCAR.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (place / "OUTCAR").write_text(text)
    return folder


def vasprun(atoms: Atoms, energy: float, forces: np.ndarray) -> str:
    """The elements of a vasprun.xml that matter."""

    def rows(values: np.ndarray) -> str:
        return "".join("<v>" + "".join(f" {x:16.8f}" for x in row) + "</v>\n" for row in values)

    species = atoms.get_chemical_symbols()
    kinds = list(dict.fromkeys(species))
    each = "".join(f"<rc><c>{s} </c><c> {kinds.index(s) + 1}</c></rc>" for s in species)
    types = "".join(
        f"<rc><c>{species.count(s)}</c><c>{s}</c><c>1.0</c><c>3.0</c><c>  PAW_PBE {s} 05Jan2001 "
        "</c></rc>"
        for s in kinds
    )
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <generator><i name="program" type="string">vasp </i><i name="version" type="string">6.4.2 </i>
 </generator>
 <incar><i type="string" name="PREC">accura</i><i name="ENCUT"> 400.00</i>
  <i name="EDIFFG"> -0.03</i></incar>
 <kpoints><generation param="Gamma"><v type="int" name="divisions"> 2 2 2 </v></generation>
 </kpoints>
 <parameters><separator name="electronic"><i type="string" name="PREC">accura</i>
  <i name="ENMAX"> 400.00</i><i type="int" name="ISPIN"> 1</i><i type="string" name="GGA">--</i>
 </separator></parameters>
 <atominfo>
  <array name="atoms"><set>{each}</set></array>
  <array name="atomtypes"><set>{types}</set></array>
 </atominfo>
 <calculation>
  <scstep><energy><i name="e_fr_energy"> {energy + 1:.8f} </i>
   <i name="e_0_energy"> {energy + 5:.8f} </i></energy></scstep>
  <scstep><energy><i name="e_fr_energy"> {energy + 1:.8f} </i>
   <i name="e_0_energy"> {energy:.8f} </i></energy></scstep>
  <structure><crystal><varray name="basis">{rows(atoms.cell.array)}</varray></crystal>
   <varray name="positions">{rows(atoms.get_scaled_positions())}</varray></structure>
  <varray name="forces">{rows(forces)}</varray>
  <energy><i name="e_fr_energy"> {energy + 1:.8f} </i><i name="e_0_energy"> 0.5 </i></energy>
 </calculation>
</modeling>
"""


def structure(atoms: Atoms) -> dict[str, object]:
    """A crystal as pymatgen writes it, module names included."""
    return {
        "@module": "pymatgen.core.structure",
        "@class": "Structure",
        "charge": 0,
        "lattice": {"matrix": atoms.cell.array.tolist(), "pbc": [True, True, True]},
        "sites": [
            {"species": [{"element": s, "occu": 1}], "abc": list(map(float, abc)), "label": s}
            for s, abc in zip(
                atoms.get_chemical_symbols(), atoms.get_scaled_positions(), strict=True
            )
        ],
    }


def neb_result(truth: Truth) -> dict[str, object]:
    """A NebResult as atomate2 stores it."""
    return {
        "@module": "emmet.core.neb",
        "@class": "NebResult",
        "images": [structure(image) for image in truth.images],
        "energies": truth.energies.tolist(),
        "forces": truth.forces.tolist(),
        "state": "successful",
        "neb_method": "climbing image",
    }


def write_json(file: Path, document: object) -> Path:
    file.write_text(json.dumps(document))
    return file
