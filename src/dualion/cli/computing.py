"""The options that all verbs share which compute here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", "-w", min=1, help="Worker processes (default: one per core)."),
]
RunsOption = Annotated[Path | None, typer.Option("--runs", help="Folder for runs (default: runs).")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
