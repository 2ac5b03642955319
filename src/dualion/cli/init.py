"""``dualion init``: lay the campaign, structure and launch folders into a new place."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from dualion.errors import InputError

SHOWN = 3
"""Files in the way that a message names."""


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write; it is made if need be.")],
) -> None:
    """Write the workflows, structures and launch folders into a new place."""
    written = write_content(folder)
    typer.echo(f"{len(written)} files in {folder}")
    typer.echo(f"next: cd {folder} && dualion run workflows/li_cu_argyrodite.yaml")


def write_content(folder: Path) -> tuple[Path, ...]:
    """Copy the shipped content into a folder; all of it or nothing.

    Parameters
    ----------
    folder
        Target; existing folders are entered, existing files are never touched.

    Returns
    -------
    tuple[pathlib.Path, ...]
        The files written.

    Raises
    ------
    InputError
        If a file of the content exists already, or the target is no folder.
    OSError
        If the target cannot be written; what had been written is removed first.
    """
    from dualion.cli.content import content_files, content_root

    root = content_root()
    names = content_files()
    if folder.exists() and not folder.is_dir():
        raise InputError("is not a folder", where=str(folder), remedy="name a new folder")
    if taken := [str(name) for name in names if (folder / name).exists()]:
        more = f" and {len(taken) - SHOWN} more" if len(taken) > SHOWN else ""
        raise InputError(
            f"{', '.join(taken[:SHOWN])}{more} exist already",
            where=str(folder),
            remedy="nothing was written; name a new folder",
        )
    made: list[Path] = []
    try:
        for name in names:
            for parent in reversed([p for p in (folder / name).parents if not p.exists()]):
                made.append(parent)
                parent.mkdir()
            made.append(folder / name)
            shutil.copyfile(root / name, folder / name)
    except OSError:
        for path in reversed(made):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        raise
    return tuple(folder / name for name in names)
