"""What was computed already: one JSON file per finished piece, written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Stash:
    """Files of finished pieces under a folder.

    A piece carries the digest of what it was computed from. One that was computed from something
    else counts as missing, so that a changed hop or host never meets old numbers.

    Parameters
    ----------
    folder
        Made when needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, *name: str, digest: str | None = None) -> dict[str, Any] | None:
        """Return a piece, or None if it is not there or was computed from something else."""
        file = self._file(name)
        if not file.exists():
            return None
        piece: dict[str, Any] = json.loads(file.read_text())
        return piece if digest is None or piece.get("digest") == digest else None

    def write(self, piece: dict[str, Any], *name: str) -> None:
        """Keep a piece."""
        file = self._file(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(piece, indent=1, ensure_ascii=False) + "\n")
        os.replace(part, file)  # noqa: PTH105 - the one call that is named for being atomic

    def _file(self, name: tuple[str, ...]) -> Path:
        return self.folder.joinpath(*name[:-1], f"{name[-1]}.json")
