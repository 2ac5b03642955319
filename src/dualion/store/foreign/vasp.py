"""A band as VASP leaves it: folders 00, 01, … with the two ends first and last."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dualion.errors import StructureError
from dualion.records import Geometry, Record
from dualion.store.foreign.band import ForeignBand, Snapshot, forces_between, require_band
from dualion.store.foreign.outcar import UNSET, Outcar, per_element, plain, read_outcar
from dualion.store.foreign.poscar import Poscar, read_poscar
from dualion.store.foreign.text import find, lines
from dualion.store.foreign.vasprun import read_vasprun
from dualion.structures.displacement import minimum_image

if TYPE_CHECKING:
    from collections.abc import Sequence

FUNCTIONALS = {
    "PE": "PBE",
    "PS": "PBEsol",
    "CA": "LDA",
    "91": "PW91",
    "RP": "RPBE",
    "RE": "revPBE",
    "AM": "AM05",
}
"""Names of the values of GGA."""
POTENTIALS = {"PAW_PBE": "PBE", "PAW_GGA": "PW91", "PAW": "LDA", "PAW_LDA": "LDA"}
"""Functional of a potential's kind, which VASP takes where GGA is not set."""
OTHER_GEOMETRY = 0.1
"""An output whose atoms lie further than this from the image's own geometry, in Å, is another's."""
MOVED_ON = 1e-3
"""A CONTCAR further than this from where the energy was computed, in Å, is one step ahead."""

_PHYSICS = (
    "AEXX",
    "ADDGRID",
    "ENCUT",
    "GGA",
    "HFSCREEN",
    "ISPIN",
    "IVDW",
    "KGAMMA",
    "KSPACING",
    "LASPH",
    "LDAU",
    "LDAUTYPE",
    "LHFCALC",
    "LREAL",
    "LSORBIT",
    "LUSE_VDW",
    "METAGGA",
    "NUPDOWN",
    "PREC",
)
_PER_SPECIES = ("LDAUL", "LDAUU", "LDAUJ")


class _Told(Record):
    """What the output of one image says, whichever file it was."""

    snapshot: Snapshot
    version: str
    settings: tuple[tuple[str, str], ...]
    potentials: tuple[tuple[str, str], ...]
    charge: int | None = None
    ediffg: float | None = None
    steps: int
    complete: bool = True
    accurate: bool | None = None
    incar: tuple[tuple[str, str], ...] = ()


def is_band_folder(folder: Path) -> bool:
    """Whether a folder holds 00, 01, …."""
    return (folder / "00").is_dir()


def read_vasp(folder: Path, *, ends: tuple[Path, Path] | None = None) -> ForeignBand:
    """Read a band that VASP computed.

    Energies, forces and settings are those of OUTCAR, which says whether the forces are true or
    projected; of vasprun.xml where there is no OUTCAR. No POTCAR is needed.

    Parameters
    ----------
    folder
        Holds 00, 01, …; INCAR and KPOINTS if they are there.
    ends
        Folders of the relaxations of the initial and the final state, where 00 and the last
        folder have no output of their own.

    Raises
    ------
    StructureError
        If an image lacks a geometry or an energy, or images differ in cell, atoms or settings.
    """
    where = str(folder)
    names = sorted(
        entry.name
        for entry in folder.iterdir()
        if re.fullmatch(r"\d\d", entry.name) and entry.is_dir()
    )
    if names != [f"{k:02d}" for k in range(len(names))]:
        raise StructureError(
            f"folders {', '.join(names)} are no row 00, 01, …",
            where=where,
            remedy="give all images, from one end to the other",
        )
    folders = [folder / name for name in names]
    told: list[_Told] = []
    for index, place in enumerate(folders):
        end = {0: 0, len(folders) - 1: 1}.get(index)
        told.append(_image(place, None if ends is None or end is None else ends[end]))
    images, energies = require_band([one.snapshot for one in told], where=where)
    settings, notes = _common(told, folders)
    incar = dict(told[1].incar) | (_incar(folder) or _incar(folders[1]))
    titles = [title for one in told for _, title in one.potentials]
    settings = _with_files(settings, incar, folder, species=images.species, titles=titles)
    inner = told[1:-1]
    forces, nudged, along = forces_between([one.snapshot for one in told])
    if any(not one.complete for one in inner):
        notes.append("VASP did not come to its end")
    ediffg = next((one.ediffg for one in inner if one.ediffg is not None), None)
    if ediffg is None and "EDIFFG" in incar:
        ediffg = _float(incar["EDIFFG"])
    climbs = incar.get("LCLIMB")
    return ForeignBand(
        source=where,
        images=images,
        energies=energies,
        forces=forces,
        nudged=nudged,
        along=along,
        climbing=None if not incar else plain(climbs or "F") == "T",
        fmax=-ediffg if ediffg is not None and ediffg < 0.0 else None,
        # What VASP says of itself is only used against it: it may stop by energy.
        converged=None if all(one.complete for one in inner) else False,
        engine="vasp",
        code="VASP",
        version=inner[0].version or "unknown",
        settings=tuple(sorted(settings.items())),
        potentials=tuple(sorted({pair for one in told for pair in one.potentials})),
        charge=inner[0].charge,
        steps=max(one.steps for one in inner),
        force_calls=sum(one.steps for one in inner),
        notes=tuple(notes),
    )


def _image(folder: Path, elsewhere: Path | None) -> _Told:
    """Read one image; its output may lie elsewhere, then its geometry may too."""
    output = folder
    if elsewhere is not None:
        if not elsewhere.is_dir():
            raise StructureError("is no folder", where=str(elsewhere), remedy="see --ends")
        output = elsewhere
    held = _geometry(folder) or _geometry(output)
    outcar = find(output, "OUTCAR")
    if outcar is not None:
        return _from_outcar(read_outcar(outcar), outcar, held)
    vasprun = find(output, "vasprun.xml")
    if vasprun is not None:
        return _from_vasprun(vasprun, held)
    raise StructureError(
        "has neither OUTCAR nor vasprun.xml, so no energy",
        where=str(output),
        remedy="finish its calculation; for the two ends, name their folders with --ends",
    )


def _geometry(folder: Path) -> tuple[Poscar, str] | None:
    for name in ("CONTCAR", "POSCAR"):
        file = find(folder, name)
        if file is not None and file.stat().st_size:  # a killed VASP leaves an empty CONTCAR
            return read_poscar(file), str(file)
    return None


def _from_outcar(out: Outcar, file: Path, held: tuple[Poscar, str] | None) -> _Told:
    if held is None:
        raise StructureError(
            "has neither CONTCAR nor POSCAR",
            where=str(file.parent),
            remedy="copy the geometry of this image there",
        )
    poscar, place = held
    own = poscar.geometry
    if len(out.forces) != len(own) or (out.species and out.species != own.species):
        raise StructureError(
            f"is of other atoms than {place} ({len(out.forces)} against {len(own)}, or in another "
            "order)",
            where=str(file),
            remedy="give the output of this very geometry",
        )
    geometry = _where_computed(own, np.array(out.positions), str(file), place)
    return _Told(
        snapshot=Snapshot(
            geometry=geometry,
            energy=out.energy,
            forces=_free(out.forces, poscar.fixed),
            nudged=out.nudged,
            along=out.along,
            where=str(file),
        ),
        version=out.version,
        settings=out.settings,
        potentials=out.potentials,
        charge=out.charge,
        ediffg=out.ediffg,
        steps=out.steps,
        complete=out.finished,
        accurate=out.accurate,
    )


def _from_vasprun(file: Path, held: tuple[Poscar, str] | None) -> _Told:
    run = read_vasprun(file)
    incar = dict(run.incar)
    fixed: tuple[int, ...] = ()
    if held is not None:
        fixed = held[0].fixed
        if held[0].geometry.species == run.geometry.species:
            _where_computed(held[0].geometry, run.geometry.xyz, str(file), held[1])
    return _Told(
        snapshot=Snapshot(
            geometry=run.geometry,
            energy=run.energy,
            forces=None if run.forces is None else _free(run.forces, fixed),
            where=str(file),
        ),
        version=run.version,
        settings=run.settings,
        potentials=run.potentials,
        ediffg=_float(incar.get("EDIFFG", "")),
        steps=run.steps,
        incar=run.incar,
    )


def _where_computed(
    own: Geometry, computed: np.ndarray[tuple[int, ...], np.dtype[np.float64]], file: str, held: str
) -> Geometry:
    """Geometry the energy belongs to: the precise file, unless it is a step ahead."""
    if not np.isfinite(computed).all():
        raise StructureError("a position is no number", where=file)
    step = minimum_image(computed - own.xyz, own.cell)
    apart = float(np.linalg.norm(step, axis=1).max())
    if apart > OTHER_GEOMETRY:
        raise StructureError(
            f"was computed {apart:.2f} Å away from the geometry in {held}",
            where=file,
            remedy="give the output and the geometry of one calculation",
        )
    return own if apart <= MOVED_ON else own.moved(own.xyz + step)


def _free(
    forces: tuple[tuple[float, float, float], ...], fixed: Sequence[int]
) -> tuple[tuple[float, float, float], ...]:
    held = set(fixed)
    return tuple((0.0, 0.0, 0.0) if k in held else f for k, f in enumerate(forces))


def _common(told: Sequence[_Told], folders: Sequence[Path]) -> tuple[dict[str, str], list[str]]:
    """Find the settings that all images share; refuses what differs."""
    first = told[1]
    notes: list[str] = []
    for one, folder in zip(told, folders, strict=True):
        mine, theirs = dict(one.settings), dict(first.settings)
        for name in sorted(mine.keys() & theirs.keys()):
            if mine[name] != theirs[name]:
                raise StructureError(
                    f"{name} is {mine[name]}, but {theirs[name]} in {folders[1].name}",
                    where=one.snapshot.where,
                    remedy="compute all images and both ends with the same settings",
                )
        titles, others = dict(one.potentials), dict(first.potentials)
        for symbol in sorted(titles.keys() & others.keys()):
            if titles[symbol] != others[symbol]:
                raise StructureError(
                    f"the potential of {symbol} is {titles[symbol]!r}, but {others[symbol]!r} in "
                    f"{folders[1].name}",
                    where=one.snapshot.where,
                    remedy="compute all images and both ends with the same potentials",
                )
        if None not in {one.charge, first.charge} and one.charge != first.charge:
            raise StructureError(
                f"the cell has charge {one.charge}, but {first.charge} in {folders[1].name}",
                where=one.snapshot.where,
                remedy="set NELECT alike in all images and both ends",
            )
        if one.version != first.version:
            notes.append(f"{folder.name} by VASP {one.version}")
    return dict(first.settings), notes


def _with_files(
    settings: dict[str, str],
    incar: dict[str, str],
    folder: Path,
    *,
    species: tuple[str, ...],
    titles: Sequence[str],
) -> dict[str, str]:
    """Add what only INCAR and KPOINTS say; what the outputs say goes before."""
    merged = {name: plain(incar[name]) for name in _PHYSICS if incar.get(name)}
    elements = list(dict.fromkeys(species))
    for name in _PER_SPECIES:
        values = incar.get(name, "").split()
        if plain(incar.get("LDAU", "F")) == "T" and len(values) == len(elements):
            try:
                merged[name] = per_element(elements, values, name)
            except ValueError as error:
                raise StructureError(
                    f"{name} = {incar[name]!r} are no numbers", where=str(folder / "INCAR")
                ) from error
    merged |= settings
    kpoints = find(folder, "KPOINTS") or find(folder / "01", "KPOINTS")
    if kpoints is not None:
        rows = [" ".join(line.split("!")[0].split()).upper() for line in lines(kpoints)][1:]
        if "KSPACING" in merged:
            del merged["KSPACING"]  # VASP prefers the file
        merged["KPOINTS"] = " / ".join(row for row in rows if row)[:500]
    functional = _functional(merged, titles)
    for name in ("GGA", "METAGGA"):
        merged.pop(name, None)  # said by the functional, whoever told it
    if functional:
        merged["functional"] = functional
    return merged


def _functional(settings: dict[str, str], titles: Sequence[str]) -> str:
    """Name the functional; where no tag does, the potentials do. Empty: nothing tells."""
    meta, gga = settings.get("METAGGA", ""), settings.get("GGA", "")
    name = FUNCTIONALS.get(gga, gga)
    if meta not in UNSET:
        name = meta
    elif gga in UNSET:
        kinds = {POTENTIALS.get(title.split()[0], "") for title in titles if title}
        name = kinds.pop() if len(kinds) == 1 else ""
    hybrid = settings.get("LHFCALC") == "T"
    return f"hybrid of {name or 'unknown'}" if hybrid else name


def _incar(folder: Path) -> dict[str, str]:
    """Read the tags of an INCAR; empty if there is none."""
    file = find(folder, "INCAR")
    found: dict[str, str] = {}
    for line in lines(file) if file else ():
        for part in re.split("[#!]", line)[0].split(";"):
            name, equals, value = part.partition("=")
            if equals:
                found[name.strip().upper()] = value.strip()
    return found


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
