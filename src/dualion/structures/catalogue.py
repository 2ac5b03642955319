"""The catalogue of a framework library: what ``catalogue.yaml`` may hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator

from dualion.errors import StructureError
from dualion.records import Record

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
"""What a framework's name looks like; ``..`` is refused as well."""


def is_name(text: str) -> bool:
    """Whether a text may be the name of a framework."""
    return NAME.fullmatch(text) is not None and ".." not in text


class CatalogueEntry(Record):
    """One framework of a library."""

    name: str = Field(description="Lower-case letters, digits, '_', '-' and '.'.")
    file: str = Field(description="Structure file, relative to the library's folder.")
    working_ion: str
    formula: str = Field("", description="Reduced formula of the ordered parent.")
    space_group: str = Field("", description="Hermann–Mauguin symbol of the ordered parent.")
    prototype: str = ""
    source: str = Field("", description="DOI or database id.")
    ordering: str = Field("", description="What was done to order it, and to its coordinates.")
    pairs: tuple[tuple[str, str], ...] = Field((), description="Cation pairs of interest.")
    note: str = Field("", description="What the literature says of it.")

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not is_name(name):
            msg = f"{name!r} is no framework name"
            raise ValueError(msg)
        return name


def slug(file: Path) -> str:
    """Make a plain name of a file's."""
    stem = file.stem if file.suffix else file.name
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "framework"


def require_name(name: str) -> None:
    """Raise a :class:`StructureError` unless a name is plain."""
    if not is_name(name):
        raise StructureError(
            f"{name!r} is no framework name",
            where="name",
            remedy="use lower-case letters, digits, '_', '-' and single '.'",
        )


def parse_catalogue(text: str, where: str) -> tuple[CatalogueEntry, ...]:
    """Read a catalogue's text.

    Parameters
    ----------
    text
        YAML: a list of entries under ``frameworks``.
    where
        The file it came from, for messages.

    Raises
    ------
    StructureError
        If it is not YAML, or an entry has an unknown, missing or wrong field.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise StructureError(
            f"no valid YAML{line} ({getattr(error, 'problem', error)})",
            where=where,
            remedy="mend it",
        ) from None
    if not isinstance(content, dict) or set(content) != {"frameworks"}:
        raise StructureError(
            "is not a list of frameworks", where=where, remedy="start it with 'frameworks:'"
        )
    rows = content["frameworks"] or []
    if not isinstance(rows, list):
        raise StructureError(
            "'frameworks' is no list", where=where, remedy="start each framework with '- name:'"
        )
    entries: dict[str, CatalogueEntry] = {}
    for number, row in enumerate(rows, start=1):
        label = row.get("name", number) if isinstance(row, dict) else number
        try:
            entry = CatalogueEntry.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "entry"
            raise StructureError(
                f"framework {label}: {field}: {first['msg']} (got {str(first['input'])[:60]!r})",
                where=where,
                remedy=f"correct it; fields are {', '.join(CatalogueEntry.model_fields)}",
            ) from None
        if entry.name in entries:
            raise StructureError(
                f"two frameworks named {entry.name!r}", where=where, remedy="rename one"
            )
        entries[entry.name] = entry
    return tuple(entries.values())


def _row(entry: CatalogueEntry) -> dict[str, Any]:
    return {
        key: value
        for key, value in entry.model_dump(mode="json").items()
        if value not in ("", [], ())
    }


def extended_catalogue(
    text: str, entries: tuple[CatalogueEntry, ...], entry: CatalogueEntry
) -> str:
    """Append an entry, keeping the user's comments if the file's form allows it."""
    options: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": 96}
    block = str(yaml.safe_dump([_row(entry)], **options))
    joined = text.rstrip("\n") + "\n\n" + block
    try:
        if parse_catalogue(joined, "") == (*entries, entry):
            return joined
    except StructureError:
        pass
    return str(yaml.safe_dump({"frameworks": [_row(e) for e in (*entries, entry)]}, **options))
