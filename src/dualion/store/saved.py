"""Comparisons that have a name: a filter and what to group by, in a small YAML file."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, ValidationError

from dualion.errors import InputError
from dualion.records import Record
from dualion.store.base import BarrierFilter
from dualion.store.columns import Columns
from dualion.whole import whole_file

FOLDER = "comparisons"
"""Beside a store."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_LARGEST = 64 * 1024


class SavedComparison(Record):
    """What to compare, and how to group it."""

    filter: BarrierFilter = BarrierFilter()
    group_by: tuple[str, ...] = Field(min_length=1, description="Columns of the summaries.")
    across_theories: bool = Field(
        default=False, description="Put levels of theory and charges of the cell into one group."
    )


def _file(folder: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:80]!r} is no name for a comparison",
            where="comparison",
            remedy="use letters, digits, '.', '_' and '-', at most 64, a letter or digit first",
        )
    return folder / f"{name}.yaml"


def save(folder: Path, name: str, comparison: SavedComparison) -> Path:
    """Write a comparison under a name; one of that name is replaced.

    Raises
    ------
    InputError
        If the name is none, or the file cannot be written.
    """
    import yaml

    file = _file(folder, name)
    content = comparison.model_dump(mode="json", exclude_defaults=True)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as stream:
            stream.write(text)
    except OSError as error:
        raise InputError(
            f"the comparison cannot be saved ({error.strerror})",
            where=str(file),
            remedy="check the folder and your rights to it",
        ) from error
    return file


def load(folder: Path, name: str) -> SavedComparison:
    """Read a comparison by its name.

    Raises
    ------
    InputError
        If there is none, with those that there are, or its file holds something else.
    """
    import yaml

    file = _file(folder, name)
    try:
        with file.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        there = ", ".join(names(folder)) or "none"
        raise InputError(
            f"no comparison {name!r}", where=str(folder), remedy=f"there are: {there}"
        ) from None
    except OSError as error:
        raise InputError(
            f"the comparison cannot be read ({error.strerror})", where=str(file)
        ) from error
    if len(data) > _LARGEST:
        raise InputError(f"is larger than {_LARGEST // 1024} kB", where=str(file))
    try:
        comparison = SavedComparison.model_validate(yaml.safe_load(data.decode("utf-8")))
        Columns.empty().groups(comparison.group_by)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "comparison"
        raise InputError(
            f"is no comparison ({place}: {first['msg']})",
            where=str(file),
            remedy="write it with 'dualion compare --save'",
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(
            f"is no YAML ({type(error).__name__})",
            where=str(file),
            remedy="write it with 'dualion compare --save'",
        ) from error
    return comparison


def names(folder: Path) -> tuple[str, ...]:
    """Names of the comparisons in a folder."""
    try:
        return tuple(sorted(file.stem for file in folder.glob("*.yaml") if file.is_file()))
    except OSError:
        return ()
