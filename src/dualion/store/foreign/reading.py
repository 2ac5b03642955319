"""Which reader a path is for."""

from __future__ import annotations

from pathlib import Path

from dualion.errors import InputError, StructureError
from dualion.store.foreign.band import ForeignBand
from dualion.store.foreign.document import read_document
from dualion.store.foreign.frames import read_frames
from dualion.store.foreign.vasp import is_band_folder, read_vasp

FRAMES = {".traj", ".xyz", ".extxyz"}
FIRST_GUESS, RELAXED = "_init", "_relaxed"
"""Ends of the names of a pair of files as LiTraj has them: the guess, and the band."""


def read_path(
    path: Path, *, images: int | None = None, ends: tuple[Path, Path] | None = None
) -> tuple[ForeignBand, ...]:
    """Read what lies at a path.

    Parameters
    ----------
    path
        A folder with 00, 01, …; a ``.traj``, ``.xyz``, ``.extxyz`` or ``.json`` file; or a folder
        of pairs ``…_init.xyz`` and ``…_relaxed.xyz``, of which the second are read.
    images
        Images of one band in a trajectory; None: told from the file.
    ends
        Outputs of the two ends: folders for VASP, files for trajectories.

    Raises
    ------
    StructureError
        If there is nothing that can be read, or it is no band.
    InputError
        If an option does not fit the kind of path.
    """
    if not path.exists():
        raise StructureError("is not there", where=str(path))
    if path.is_dir():
        return _read_folder(path, images=images, ends=ends)
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix == ".json":
        if images is not None or ends is not None:
            raise InputError(
                "is a whole result", where=str(path), remedy="leave out --images and --ends"
            )
        return (read_document(path),)
    if path.suffix not in FRAMES:
        raise StructureError(
            f"is of no known kind ({path.suffix or 'no ending'})",
            where=str(path),
            remedy="give a folder with 00, 01, …, or a .traj, .xyz, .extxyz or .json file",
        )
    if path.stem.endswith(FIRST_GUESS):
        relaxed = path.with_name(path.stem.removesuffix(FIRST_GUESS) + RELAXED + path.suffix)
        path = relaxed if relaxed.is_file() else path
    return (read_frames(path, images=images, ends=ends),)


def _read_folder(
    path: Path, *, images: int | None, ends: tuple[Path, Path] | None
) -> tuple[ForeignBand, ...]:
    if images is not None:
        raise InputError("is a folder", where=str(path), remedy="leave out --images")
    if is_band_folder(path):
        return (read_vasp(path, ends=ends),)
    relaxed = sorted(
        file
        for file in path.iterdir()
        if file.stem.endswith(RELAXED) and file.suffix in FRAMES and file.is_file()
    )
    if not relaxed or ends is not None:
        raise StructureError(
            "holds no folders 00, 01, …",
            where=str(path),
            remedy="give the folder of the band itself, or a .traj, .xyz or .json file",
        )
    return tuple(read_frames(file) for file in relaxed)
