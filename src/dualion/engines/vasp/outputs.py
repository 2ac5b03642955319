"""What VASP left: the ionic steps of ``vasprun.xml`` or OUTCAR, and of the images of a band.

With VTST the block ``TOTAL-FORCE`` of an image's OUTCAR holds the forces of the band, and a line
``NEB: projections on to tangent (spring, REAL)`` the true force along the path. The two have the
same norm on a climbing image, and elsewhere the line makes one out of the other.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.vasp.inputs import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

STDOUT = "vasp.out"
"""What VASP prints."""
NO_VTST = "this VASP has no VTST"
ENDED = "General timing and accounting"
"""VASP's last words in an OUTCAR."""
VTST = re.compile(r"VTST:\s+version\s+(\S+)")
ACCURATE = "reached required accuracy"

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][-+]?\d+)?"
_ALONG = re.compile(
    rf"NEB: projections on to tangent \(spring, REAL[^)]*\)\s+({_NUMBER})\s+({_NUMBER})"
)
_FREE = re.compile(rf"free\s+energy\s+TOTEN\s*=\s*({_NUMBER})")
_VERSION = re.compile(r"^\s*vasp\.(\S+)")
_ELECTRONIC = re.compile(r"^\s*[A-Z]{3}\s*:\s*\d+")
_IONIC = re.compile(r"^\s*\d+ F=")


@dataclass(frozen=True)
class IonicStep:
    """One whole ionic step, in VASP's order of atoms.

    Attributes
    ----------
    cell
        Rows, in Å.
    xyz, forces
        Shape (n, 3), in Å and eV/Å.
    energy
        Free energy, in eV: the one that the forces are the derivative of.
    stress
        Shape (3, 3), in eV/Å³, positive under tension; None: not told.
    spring, along
        Of an image: force of the springs and true force along the path, in eV/Å; None: not told.
    """

    cell: NDArray[np.float64]
    xyz: NDArray[np.float64]
    forces: NDArray[np.float64]
    energy: float
    stress: NDArray[np.float64] | None = None
    spring: float | None = None
    along: float | None = None

    @property
    def max_force(self) -> float:
        """Largest force on an atom, in eV/Å."""
        return float(np.linalg.norm(self.forces, axis=1).max())


@dataclass(frozen=True)
class Output:
    """What a folder of one configuration or image tells."""

    steps: tuple[IonicStep, ...]
    ended: bool
    accurate: bool
    version: str = ""


_KBAR = 1.0 / 1602.176634
"""eV/Å³ in a kbar."""


def read_output(folder: Path) -> Output:
    """Read a relaxation or a single configuration.

    ``vasprun.xml`` where it is whole, else OUTCAR, of which every whole step counts.
    """
    outcar = read_outcar(folder / "OUTCAR")
    steps = _from_vasprun(folder / "vasprun.xml")
    if steps and len(steps) >= len(outcar.steps):
        return Output(steps, outcar.ended, outcar.accurate, outcar.version)
    return outcar


def _from_vasprun(file: Path) -> tuple[IonicStep, ...]:
    from pymatgen.io.vasp.outputs import Vasprun

    if not file.exists():
        return ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            run = Vasprun(str(file), parse_dos=False, parse_eigen=False, parse_potcar_file=False)
            return tuple(
                IonicStep(
                    cell=np.array(step["structure"].lattice.matrix),
                    xyz=np.array(step["structure"].cart_coords),
                    forces=np.array(step["forces"], dtype=float),
                    energy=float(step["e_fr_energy"]),
                    stress=-np.array(step["stress"], dtype=float) * _KBAR
                    if "stress" in step
                    else None,
                )
                for step in run.ionic_steps
            )
        except (SyntaxError, ValueError, KeyError, IndexError, TypeError, AttributeError):
            return ()  # not well-formed, as a killed run leaves it: the OUTCAR has its steps


def read_outcar(file: Path) -> Output:
    """Read the whole ionic steps of an OUTCAR, however it ends; none where there is no file."""
    found = _Reader()
    if file.exists():
        with file.open(encoding="utf-8", errors="replace") as stream:
            found.read(stream)
    return Output(tuple(found.steps), found.ended, found.accurate, found.version)


class _Reader:
    def __init__(self) -> None:
        self.steps: list[IonicStep] = []
        self.ended = self.accurate = False
        self.version = ""
        self._cell: NDArray[np.float64] | None = None
        self._block: NDArray[np.float64] | None = None
        self._stress: NDArray[np.float64] | None = None
        self._spring: float | None = None
        self._along: float | None = None

    def read(self, lines: Iterator[str]) -> None:
        try:
            for line in lines:
                self._take(line, lines)
        except (ValueError, StopIteration):
            return  # cut off within a block: what came before is whole

    def _take(self, line: str, lines: Iterator[str]) -> None:
        if "TOTAL-FORCE (eV/Angst)" in line:
            next(lines)
            rows = []
            while not (row := next(lines)).lstrip().startswith("---"):
                rows.append([float(word) for word in row.split()])
            self._block = np.array(rows, dtype=float).reshape(-1, 6)
        elif "direct lattice vectors" in line:
            rows = [[float(word) for word in next(lines).split()[:3]] for _ in range(3)]
            self._cell = np.array(rows, dtype=float)
        elif line.startswith("  in kB"):
            xx, yy, zz, xy, yz, zx = (float(word) for word in line.split()[2:8])
            self._stress = -np.array([[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]]) * _KBAR
        elif found := _ALONG.search(line):
            self._spring, self._along = float(found[1]), float(found[2])
        elif self._block is not None and (found := _FREE.search(line)):
            self._end_step(float(found[1]))
        elif not self.version and (found := _VERSION.match(line)):
            self.version = found[1]
        elif ACCURATE in line and "structural" in line:
            self.accurate = True
        elif ENDED in line:
            self.ended = True

    def _end_step(self, energy: float) -> None:
        assert self._block is not None  # noqa: S101 - asked before
        cell = np.full((3, 3), np.nan) if self._cell is None else self._cell
        step = IonicStep(
            cell=cell,
            xyz=self._block[:, :3],
            forces=self._block[:, 3:],
            energy=energy,
            stress=self._stress,
            spring=self._spring,
            along=self._along,
        )
        self.steps.append(step)
        self._block = self._stress = self._spring = self._along = None


def unwrapped(
    xyz: NDArray[np.float64],
    near: NDArray[np.float64],
    cell: NDArray[np.float64],
    *,
    near_cell: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Put atoms where they are continuous with an earlier geometry: VASP wraps them into the cell.

    Parameters
    ----------
    xyz, near
        Shape (n, 3), in Å, in one order.
    cell
        Rows, in Å.
    near_cell
        Of the earlier geometry; None: the same.
    """
    new = xyz @ np.linalg.inv(cell)
    old = near @ np.linalg.inv(cell if near_cell is None else near_cell)
    found: NDArray[np.float64] = (new - np.rint(new - old)) @ cell
    return found


def read_contcar(
    folder: Path, natoms: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Read cell and positions, in VASP's order; None: it is empty, cut off or not there."""
    from pymatgen.io.vasp.inputs import BadPoscarWarning, Poscar

    file = folder / "CONTCAR"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
            if not text.endswith("\n"):  # cut off, perhaps within a number
                return None
            structure = Poscar.from_str(text).structure
        except (OSError, ValueError, IndexError, BadPoscarWarning):  # pymatgen raises that one
            return None
    cell, xyz = np.array(structure.lattice.matrix), np.array(structure.cart_coords)
    whole = len(structure) == natoms and bool(np.isfinite(xyz).all())
    return (cell, xyz) if whole else None


def image_folders(folder: Path) -> list[Path]:
    """Folders of the images between the ends of a band; empty: no band."""
    numbered = sorted(p for p in folder.glob("[0-9][0-9]") if p.is_dir())
    return numbered[1:-1]


def electronic_steps(file: Path) -> list[int]:
    """Electronic steps of each whole ionic step of an OSZICAR."""
    counts: list[int] = []
    count = 0
    if not file.exists():
        return counts
    with file.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if _ELECTRONIC.match(line):
                count += 1
            elif _IONIC.match(line):
                counts.append(count)
                count = 0
    return counts


def cycle_ran_out(folder: Path) -> bool:
    """Whether a last electronic cycle, of any image, took all the steps it was allowed."""
    from pymatgen.io.vasp.inputs import Incar

    try:
        limit = int(Incar.from_file(str(folder / "INCAR")).get("NELM", 60))
    except (OSError, ValueError):
        return False
    counts = (electronic_steps(p / "OSZICAR") for p in image_folders(folder) or [folder])
    return any(steps and steps[-1] >= limit for steps in counts)


def vtst_version(file: Path) -> str | None:
    """Version of VTST in an OUTCAR; '' if there is none in this VASP, None if it is too early."""
    if not file.exists():
        return None
    with file.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if found := VTST.search(line):
                return found[1].rstrip(",")
            if "Iteration" in line:  # the banner stands before the first electronic step
                return ""
    return None


def whole(directory: str | Path) -> bool:
    """Whether VASP came to its end: its last words are in the OUTCAR, or in that of every image."""
    folder = Path(directory)
    places = image_folders(folder) or [folder]
    return all(_ended(place / "OUTCAR") for place in places)


def _ended(file: Path) -> bool:
    if not file.exists():
        return False
    with file.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - 20_000))
        return ENDED.encode() in stream.read()


def band_is_good(folder: Path, *, fmax: float, fmax_flanks: float) -> bool:
    """Whether the highest image of a climbing band and the others are below their thresholds."""
    images = [read_outcar(place / "OUTCAR").steps for place in image_folders(folder)]
    if not images or not all(images):
        return False
    at = min(map(len, images)) - 1
    forces = [steps[at].max_force for steps in images]
    energies = [steps[at].energy for steps in images]
    top = energies.index(max(energies))
    return forces[top] < fmax and all(f < fmax_flanks for f in forces)


@dataclass(frozen=True)
class BandState:
    """A band as its images' OUTCARs tell it, in its own order of atoms.

    Attributes
    ----------
    xyz
        Where the energies belong to, interior images, shape (images, n, 3), in Å.
    energies, along, spring, largest, norms
        Of the interior images: free energy in eV; true force along the path, force of the springs,
        largest force of the band on an atom, and norm of the forces of the band, in eV/Å.
    steps
        Whole steps that all images have done.
    """

    xyz: NDArray[np.float64]
    energies: NDArray[np.float64]
    along: NDArray[np.float64]
    spring: NDArray[np.float64]
    largest: NDArray[np.float64]
    norms: NDArray[np.float64]
    steps: int
    version: str

    def true_norm(self, image: int, *, climbing: bool) -> float:
        """Norm of the true forces on an image, in eV/Å.

        On a climbing image the force of the band is the true one with its part along the path
        turned round; elsewhere that part is the one of the springs.
        """
        square = self.norms[image] ** 2
        if not climbing:
            square += self.along[image] ** 2 - self.spring[image] ** 2
        return float(np.sqrt(max(square, 0.0)))


def read_band(
    folder: Path, near: NDArray[np.float64], cell: NDArray[np.float64], layout: Layout
) -> BandState | None:
    """Read the last step that all images of a band have done.

    Parameters
    ----------
    folder
        Head folder.
    near
        The interior images as they were written, in their own order, shape (images, n, 3), in Å.
    cell
        Rows, in Å.
    layout
        Of the files.

    Returns
    -------
    BandState or None
        None: an image has no whole step.
    """
    images = [read_outcar(place / "OUTCAR") for place in image_folders(folder)]
    if len(images) != len(near) or not all(image.steps for image in images):
        return None
    steps = min(len(image.steps) for image in images)
    last = [image.steps[steps - 1] for image in images]
    if any(step.xyz.shape != near.shape[1:] for step in last):
        return None
    xyz = [
        layout.restored(unwrapped(step.xyz, layout.grouped(at), cell))
        for step, at in zip(last, near, strict=True)
    ]
    return BandState(
        xyz=np.stack(xyz),
        energies=np.array([step.energy for step in last]),
        along=np.array([step.along or 0.0 for step in last]),
        spring=np.array([step.spring or 0.0 for step in last]),
        largest=np.array([step.max_force for step in last]),
        norms=np.array([float(np.linalg.norm(step.forces)) for step in last]),
        steps=steps,
        version=images[0].version,
    )
