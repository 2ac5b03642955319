"""``dualion engines``: what can compute energies and forces here."""

from __future__ import annotations

from dualion.cli.listing import Column, print_listing
from dualion.cli.selection import JsonOption

SHOWN = (
    Column("name", "engine"),
    Column("alias", "also"),
    Column("tier", "tier"),
    Column("installed", "installed"),
    Column("package", "package"),
    Column("version", "version"),
    Column("note", "note"),
)


def engines(*, as_json: JsonOption = False) -> None:
    """List the engines with tier, and whether they are installed."""
    from dualion.engines.registry import list_engines

    rows = [engine.model_dump(mode="json") for engine in list_engines()]
    print_listing(rows, SHOWN, as_json=as_json)
