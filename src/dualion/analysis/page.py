"""A self-contained HTML page: built as a tree, so that every text is escaped by construction."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, tostring

from dualion.analysis.palette import palette_css
from dualion.errors import RunError
from dualion.whole import whole_binary

if TYPE_CHECKING:
    from pathlib import Path

# The page says itself that it loads nothing and runs nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 80rem; padding: 2rem 1.25rem 4rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; border-bottom: 1px solid var(--line);
  padding-bottom: .25rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem; }
p { margin: .4rem 0; } .faint { color: var(--faint); }
.scroll { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; background: var(--tint); } th.group { text-align: center; }
th.text, td.text { text-align: left; } td.long { white-space: normal; min-width: 16rem; }
.first { color: var(--first); } .second { color: var(--second); }
.word { color: var(--faint); font-style: italic; } .bad { color: var(--bad); font-weight: 600; }
.warnings { background: var(--warn); border-left: 4px solid var(--warn-line);
  padding: .6rem 1rem; margin: 1rem 0; border-radius: 0 4px 4px 0; }
.warnings ul { margin: 0; padding-left: 1.1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: .6rem 0; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
details { border: 1px solid var(--line); border-radius: 4px; margin: .4rem 0; }
summary { cursor: pointer; padding: .4rem .8rem; } details[open] > summary {
  border-bottom: 1px solid var(--line); background: var(--tint); }
.inside { padding: .2rem .9rem .7rem; }
pre { overflow-x: auto; background: var(--tint); padding: .8rem; border-radius: 4px;
  font-size: 13px; line-height: 1.4; }
code { font-family: ui-monospace, monospace; font-size: .92em; }
img { max-width: 100%; height: auto; display: block; margin: .6rem 0; }
@media print { :root { --paper: #fff; --ink: #000; --faint: #444; --line: #bbb; --tint: #f2f2f2;
  --first: #0072b2; --second: #b84a00; --warn: #fff; --bad: #b3261e; }
  body { max-width: none; padding: 0; font-size: 9.5pt; } .scroll { overflow: visible; }
  th, td { padding: .15rem .35rem; white-space: normal; } tr, img, dl { break-inside: avoid; }
  h2, h3, summary { break-after: avoid; } pre { white-space: pre-wrap; } }
"""

Child = Element | str


def element(tag: str, *children: Child, style: str = "", **attributes: str) -> Element:
    """Make an element; strings become text, ``style`` its class names."""
    made = Element(tag, attributes)
    if style:
        made.set("class", style)
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            made.append(child)
            last = child
        elif last is None:
            made.text = (made.text or "") + child
        else:
            last.tail = (last.tail or "") + child
    return made


def table(head: Sequence[Element], rows: Iterable[Sequence[Element]]) -> Element:
    """Make a table that scrolls sideways on a narrow screen; ``head`` is its rows of headers."""
    body = element("tbody", *(element("tr", *cells) for cells in rows))
    return element("div", element("table", element("thead", *head), body), style="scroll")


def facts(pairs: Iterable[tuple[str, str]]) -> Element:
    """Make a list of names and values; empty values are left out."""
    made = element("dl")
    for name, value in pairs:
        if value:
            made.extend([element("dt", name), element("dd", value)])
    return made


def fold(summary: Sequence[Child], *children: Child) -> Element:
    """Make a part that opens on a click, without a script."""
    return element(
        "details", element("summary", *summary), element("div", *children, style="inside")
    )


def picture(light: bytes, dark: bytes, text: str) -> Element:
    """Embed a PNG in two versions, for light and dark screens."""
    return element(
        "picture",
        element("source", media="(prefers-color-scheme: dark)", srcset=_data(dark)),
        element("img", src=_data(light), alt=text),
    )


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def page(title: str, *children: Element) -> str:
    """Return the whole document as text."""
    policy = Element("meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    head = element(
        "head",
        element("meta", charset="utf-8"),
        policy,
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", palette_css() + _STYLE),
    )
    root = element("html", head, element("body", *children), lang="en")
    return f"<!DOCTYPE html>\n{tostring(root, encoding='unicode', method='html')}\n"


def write_page(text: str, path: Path, *, what: str) -> Path:
    """Write a page into a file, whose folder is made; it appears whole or not at all.

    Parameters
    ----------
    text
        Of :func:`page`. Half a character, as file names may have, becomes a question mark.
    path
        An older file is replaced.
    what
        For the message, as ``the report``.

    Raises
    ------
    RunError
        If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_binary(path) as stream:
            stream.write(text.encode("utf-8", errors="replace"))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise RunError(
            f"cannot write {what} ({error.strerror})",
            where=str(path),
            remedy="free space, or name another file",
        ) from error
    return path
