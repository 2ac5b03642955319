"""The folders a user edits: in the clone, or in the wheel, which carries the same files."""

from __future__ import annotations

from pathlib import Path

from dualion.errors import RunError

FOLDERS = ("workflows", "structures", "launch")


def content_root() -> Path:
    """Folder that holds ``workflows``, ``structures`` and ``launch`` as shipped.

    Raises
    ------
    RunError
        If this installation has neither the clone's folders nor those of the wheel.
    """
    package = Path(__file__).resolve().parents[1]
    for root in (package / "content", package.parents[1]):
        if all((root / folder).is_dir() for folder in FOLDERS):
            return root
    raise RunError(
        f"the folders {', '.join(FOLDERS)} are missing",
        where=str(package),
        remedy="install dualion again, from its wheel or as an editable clone",
    )


def content_files() -> tuple[Path, ...]:
    """Shipped files, relative to :func:`content_root`, sorted; hidden and compiled ones left out.

    Raises
    ------
    RunError
        As :func:`content_root`.
    """
    root = content_root()
    found = (
        path.relative_to(root)
        for folder in FOLDERS
        for path in (root / folder).rglob("*")
        if path.is_file()
    )
    return tuple(
        sorted(
            path
            for path in found
            if not any(part.startswith((".", "__pycache__")) for part in path.parts)
        )
    )
