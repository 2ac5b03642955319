"""The files of the page, read once: what is not among them cannot be asked for."""

from __future__ import annotations

from importlib import resources
from typing import NamedTuple

from dualion.analysis.palette import palette_css

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class Page(NamedTuple):
    """One file as it is sent."""

    media: str
    body: bytes


def pages() -> dict[str, Page]:
    """Return the files by the path they are asked for."""
    found = {
        "/static/palette.css": Page(_TYPES["css"], palette_css(toggled=True).encode()),
    }
    for file in resources.files("dualion.explorer").joinpath("static").iterdir():
        ending = file.name.rpartition(".")[2]
        if ending in _TYPES:
            found[f"/static/{file.name}"] = Page(_TYPES[ending], file.read_bytes())
    found["/"] = found.pop("/static/index.html")
    return found
