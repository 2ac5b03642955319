"""The files VASP reads: species grouped, k-points and electrons written out."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dualion.engines.vasp import presets
from dualion.errors import EngineError, InputError, ModelFileError
from dualion.records import Geometry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pymatgen.io.vasp.inputs import Kpoints, VaspInput

    from dualion.engines.vasp.machine import Machine
    from dualion.engines.vasp.presets import Preset, Tag

PSP_DIR = "PMG_VASP_PSP_DIR"
_ASKED = ".asked"
"""Ending of the files that hold what was asked, whatever custodian makes of it."""
_SMALL_MOMENT = 0.6
"""Start of an atom that is not known to be magnetic, in μB, as in pymatgen's input sets."""

_POTCAR_REMEDY = (
    f"set {PSP_DIR} to the folder that holds your POT_GGA_PAW_PBE_54 (environment variable, or "
    "'pmg config --add PMG_VASP_PSP_DIR FOLDER'); 'pmg config -p SOURCE FOLDER' makes it from the "
    "potentials that come with your VASP licence"
)


@dataclass(frozen=True)
class Layout:
    """Where each atom stands in VASP's files.

    Species are grouped, in the order of electronegativity that pymatgen uses, whatever their order
    in the band: one POTCAR a species, and the same in all images and both ends.

    Attributes
    ----------
    order
        VASP's atom k is atom ``order[k]`` of the geometry.
    """

    order: tuple[int, ...]

    @classmethod
    def of(cls, species: Sequence[str]) -> Layout:
        """Group the species of a geometry."""
        from pymatgen.core import Element

        rank = {symbol: (Element(symbol).X, symbol) for symbol in set(species)}
        return cls(tuple(sorted(range(len(species)), key=lambda k: (*rank[species[k]], k))))

    def grouped(self, xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring positions or forces, shape (n, 3), into VASP's order."""
        return xyz[list(self.order)]

    def restored(self, xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring positions or forces, shape (n, 3), back from VASP's order."""
        own = np.empty_like(xyz)
        own[list(self.order)] = xyz
        return own


def mesh_of(cell: NDArray[np.float64], spacing: float) -> tuple[int, int, int]:
    """Divisions of a mesh centred on Γ.

    Parameters
    ----------
    cell
        Lattice vectors as rows, in Å.
    spacing
        Largest distance of neighbouring k-points, in 1/Å, 2π included, as VASP's ``KSPACING``.

    Returns
    -------
    tuple
        Of the lattice alone, hence the same for all images and both ends.
    """
    lengths = 2.0 * np.pi * np.linalg.norm(np.linalg.inv(cell).T, axis=1)
    a, b, c = (max(1, int(np.ceil(length / spacing - 1e-6))) for length in lengths)
    return a, b, c


def check_potcars() -> None:
    """See whether pymatgen knows where POTCARs are.

    Raises
    ------
    ModelFileError
        It does not, or the folder is not there.
    """
    from pathlib import Path

    from pymatgen.core import SETTINGS

    folder = SETTINGS.get(PSP_DIR)
    if not folder or not Path(folder).expanduser().is_dir():
        seen = f"{PSP_DIR} is {folder!r}, which is no folder" if folder else f"{PSP_DIR} is not set"
        raise ModelFileError(
            f"no POTCARs are known: {seen}", where="engine VASP", remedy=_POTCAR_REMEDY
        )


def vasp_input(
    geometry: Geometry, tags: Iterable[Tag], preset: Preset, *, charge: int, machine: Machine
) -> VaspInput:
    """Build INCAR, KPOINTS, POSCAR and POTCAR with atomate2's input set.

    Parameters
    ----------
    geometry
        In its own order; the files are in that of :class:`Layout`.
    tags
        Of the step; of two with one name the last holds.
    preset
        The level of theory.
    charge
        Of the cell, in e; the number of electrons is always written.
    machine
        Its NCORE and KPAR are added.

    Raises
    ------
    ModelFileError
        A POTCAR is missing.
    InputError
        A tag is one VASP or pymatgen does not know.
    """
    from atomate2.vasp.sets.base import _BASE_VASP_SET, VaspInputGenerator
    from pymatgen.core import Structure
    from pymatgen.io.vasp.inputs import PmgVaspPspDirError

    check_potcars()
    layout = Layout.of(geometry.species)
    structure = Structure(
        geometry.cell,
        [geometry.species[k] for k in layout.order],
        layout.grouped(geometry.xyz),
        coords_are_cartesian=True,
        charge=charge,
    )
    own: dict[str, Any] = {tag.name: tag.value for tag in tags}
    if len(geometry) > presets.REAL_SPACE_ATOMS:
        own.setdefault("LREAL", "Auto")
    else:
        own.setdefault("LREAL", False)
    own |= {k: v for k, v in (("NCORE", machine.ncore), ("KPAR", machine.kpar)) if v is not None}
    base = _BASE_VASP_SET
    known = {name: base["INCAR"][name] for name in ("MAGMOM", "LDAUU", "LDAUJ", "LDAUL")}
    config = {
        "INCAR": {**known, "LDAU": preset.hubbard, "LDAUTYPE": 2, "LDAUPRINT": 0, **own},
        "KPOINTS": {},
        "POTCAR": base["POTCAR"],
    }
    mesh = mesh_of(geometry.cell, preset.spacing)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of potentials that pymatgen has no hash of
        try:
            made = VaspInputGenerator(
                config_dict=config,
                user_incar_settings=own,
                user_kpoints_settings=_kpoints(mesh),  # type: ignore[arg-type]
                user_potcar_functional=preset.potentials,  # type: ignore[arg-type]
                use_structure_charge=True,
                sort_structure=False,
                force_gamma=True,
            ).get_input_set(structure, potcar_spec=False)
        except (FileNotFoundError, PmgVaspPspDirError) as error:
            what = " ".join(str(error).split("\n")[0].split())
            raise ModelFileError(what, where="engine VASP", remedy=_POTCAR_REMEDY) from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"no VASP input can be made: {type(error).__name__}: {error}",
                where=f"cell {geometry.formula}",
                remedy="check the tags in the kwargs of the engine's entry",
            ) from error
    made["KPOINTS"] = _kpoints(mesh)
    _set_spin(made)
    return made


def _kpoints(mesh: tuple[int, int, int]) -> Kpoints:
    from pymatgen.io.vasp.inputs import Kpoints

    return Kpoints.gamma_automatic(kpts=mesh)


def _set_spin(made: VaspInput) -> None:
    """Switch spin on where something can be magnetic: all images of a band decide alike."""
    from atomate2.vasp.sets.base import _BASE_VASP_SET

    incar = made["INCAR"]
    magnetic = set(_BASE_VASP_SET["INCAR"]["MAGMOM"])
    sites = made["POSCAR"].structure
    present = {str(site.specie) for site in sites}
    odd = round(float(incar["NELECT"])) % 2 == 1
    if "ISPIN" not in incar:
        incar["ISPIN"] = 2 if odd or present & magnetic else 1
    incar.pop("MAGMOM", None)
    if incar["ISPIN"] == 2:
        moments = _BASE_VASP_SET["INCAR"]["MAGMOM"]
        incar["MAGMOM"] = [moments.get(str(site.specie), _SMALL_MOMENT) for site in sites]


def write_single(folder: Path, made: VaspInput) -> None:
    """Write the files of one configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("INCAR", "KPOINTS", "POSCAR", "POTCAR"):
        made[name].write_file(str(folder / name))
    for name in ("INCAR", "KPOINTS"):
        shutil.copyfile(folder / name, folder / f"{name}{_ASKED}")


def write_band(folder: Path, made: VaspInput, xyz: NDArray[np.float64], geometry: Geometry) -> None:
    """Write the files of a band: 00, 01, … with the two ends first and last.

    Parameters
    ----------
    folder
        Head folder.
    made
        Input of one image.
    xyz
        Of all images in their own order, shape (images, n, 3), in Å; never wrapped.
    geometry
        Lattice and species.
    """
    from pymatgen.core import Structure
    from pymatgen.io.vasp.inputs import Poscar

    # Handlers of custodian look for a POSCAR in the head folder.
    write_single(folder, made)
    layout = Layout.of(geometry.species)
    species = [geometry.species[k] for k in layout.order]
    for k, image in enumerate(xyz):
        place = folder / f"{k:02d}"
        place.mkdir(exist_ok=True)
        structure = Structure(
            geometry.cell, species, layout.grouped(image), coords_are_cartesian=True
        )
        Poscar(structure).write_file(str(place / "POSCAR"))


def titles(made: VaspInput) -> tuple[tuple[str, float], ...]:
    """TITEL and number of valence electrons of each POTCAR, in the order of the files."""
    return tuple((str(one.TITEL), float(one.ZVAL)) for one in made["POTCAR"])


_FREE = frozenset(
    {
        *("ALGO", "IALGO", "AMIX", "BMIX", "AMIX_MAG", "BMIX_MAG", "AMIN", "IMIX", "MIXPRE"),
        *("ISTART", "ICHARG", "NELM", "NELMIN", "NELMDL", "EDIFF", "TIME", "ISEARCH", "NBANDS"),
        *("IBRION", "POTIM", "IOPT", "MAXMOVE", "TIMESTEP", "NFREE", "SYMPREC", "NSIM", "LPLANE"),
        *("NCORE", "NPAR", "KPAR", "LSCALAPACK", "LSCALU", "LWAVE", "LCHARG", "NSW", "MAXMIX"),
        *("LORBIT", "SMASS", "LASYNC", "WC", "INIMIX", "FDSTEP"),
    }
)
"""Tags that change the way to a result, not the result."""


def changed_level(folder: Path) -> str:
    """Say what of the level of theory is not as it was asked any more.

    Custodian mends runs by changing their input. What only changes the way to the result is
    welcome; a run with another cutoff, smearing or mesh is not of the same level of theory as the
    other end of its band.

    Parameters
    ----------
    folder
        Of a run whose input :func:`write_single` or :func:`write_band` wrote.

    Returns
    -------
    str
        In words; empty: nothing.
    """
    from pymatgen.io.vasp.inputs import Incar, Kpoints

    try:
        before, incar = (Incar.from_file(str(folder / f"INCAR{end}")) for end in (_ASKED, ""))
        old, kpoints = (Kpoints.from_file(str(folder / f"KPOINTS{end}")) for end in (_ASKED, ""))
    except (OSError, ValueError, IndexError) as error:
        raise EngineError(f"the input cannot be read again: {error}", where=str(folder)) from error
    words = [
        f"{name} {before.get(name, 'unset')} → {incar.get(name, 'unset')}"
        for name in sorted((set(incar) | set(before)) - _FREE)
        if incar.get(name) != before.get(name)
    ]
    if (kpoints.style, tuple(kpoints.kpts[0])) != (old.style, tuple(old.kpts[0])):
        words.append(f"k-points {old.kpts[0]} → {kpoints.style.name} {kpoints.kpts[0]}")
    return ", ".join(words)
