"""JSON from somebody else: finite numbers, no key twice, nothing that asks to be decoded."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from dualion.errors import InputError

_DIGITS = 30


def parse_json(text: str | bytes, *, where: str) -> Any:  # noqa: ANN401 - plain data
    """Parse one JSON value as plain data.

    Raises
    ------
    InputError
        If it is no JSON, is nested too deeply, repeats a key, has a key that begins with ``@``,
        or holds a number that is NaN, infinite or longer than 30 digits.
    """
    try:
        return json.loads(
            text,
            parse_constant=_no_number,
            parse_int=_integer,
            parse_float=_double,
            object_pairs_hook=_mapping,
        )
    except _HostileError as error:
        raise InputError(str(error), where=where, remedy="do not trust where it is from") from None
    except UnicodeDecodeError as error:
        raise InputError("is no UTF-8", where=where, remedy="write it again as UTF-8") from error
    except RecursionError as error:
        raise InputError("is nested too deeply", where=where) from error
    except ValueError as error:
        raise InputError(
            f"holds no JSON ({str(error)[:80]})", where=where, remedy="is it whole?"
        ) from error


class _HostileError(Exception):
    """What no honest writer puts into JSON."""


def _no_number(text: str) -> NoReturn:
    raise _HostileError(f"holds {text}, which is no number in JSON")


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise _HostileError(f"holds a number of {len(text)} digits")
    return int(text)


def _double(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _HostileError(f"holds {text[:40]}, which is no finite number")
    return value


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _HostileError(f"holds the key {twice[:40]!r} twice")
    for name in found:
        if name.startswith("@"):
            raise _HostileError(f"holds the key {name[:40]!r}, which asks for code to be run")
    return found
