"""A directive that tabulates the fields of a settings class or record from its source."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive
from pydantic_core import PydanticUndefined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo
    from sphinx.application import Sphinx


def default_of(field: FieldInfo) -> str:
    """Text of a field's default; a nested model is described by its own table."""
    value = field.get_default(call_default_factory=False)
    if value is PydanticUndefined:
        return "required"
    if hasattr(value, "model_dump"):
        changed = value.model_dump(exclude_defaults=True)
        return ", ".join(f"{key}: {new}" for key, new in changed.items()) or "see below"
    if isinstance(value, tuple):
        return ", ".join(getattr(item, "kind", str(item)) for item in value)
    return str(getattr(value, "value", value)).lower() if value is not None else "none"


def limits_of(field: FieldInfo) -> str:
    """Write the bounds of a field, as in ``> 0, ≤ 1``; empty if it has none."""
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    return ", ".join(
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for name, sign in signs.items()
        if getattr(rule, name, None) is not None
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> nodes.table:
    """Build a table; the first column is literal."""
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    for part, lines in ((nodes.thead(), [head]), (nodes.tbody(), rows)):
        group.append(part)
        for line in lines:
            row = nodes.row()
            for i, text in enumerate(line):
                literal = i == 0 and lines is rows
                words = nodes.literal(text=text) if literal else nodes.Text(text)
                row += nodes.entry("", nodes.paragraph("", "", words))
            part.append(row)
    return nodes.table("", group)


class Fields(Directive):
    """``fields:: dualion.settings.BandSettings``."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any] | None] = {}

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        module, _, name = self.arguments[0].rpartition(".")
        model: type[BaseModel] = getattr(import_module(module), name)
        rows = [
            (
                key,
                default_of(field),
                limits_of(field),
                re.sub(r"`([^`]*)`", r"\1", field.description or ""),
            )
            for key, field in model.model_fields.items()
        ]
        return [table(("Key", "Default", "Allowed", "Meaning"), rows)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("fields", Fields)
    return {"parallel_read_safe": True}
