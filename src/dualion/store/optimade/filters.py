"""OPTIMADE filters: parsed by optimade's grammar, evaluated on one entry at a time.

A comparison with a property that an entry does not have is false. What the specification leaves
optional and is not here (properties on both sides, correlated lists) is said to be so.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from dualion.errors import InputError
from dualion.store.summary import moment

LONGEST = 4_000
"""Characters of a filter."""

Predicate = Callable[[Mapping[str, Any]], bool]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FUZZY: dict[str, Callable[[str, str], bool]] = {
    "CONTAINS": lambda text, part: part in text,
    "STARTS": lambda text, part: text.startswith(part),
    "ENDS": lambda text, part: text.endswith(part),
}
_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


class NotSupportedError(InputError):
    """A filter of a kind that the specification allows a server not to know."""


def compile_filter(text: str, types: Mapping[str, str], *, prefix: str) -> Predicate:
    """Turn a filter into a function that says whether an entry passes.

    Parameters
    ----------
    text
        Of the query.
    types
        OPTIMADE type of each property that can be asked of.
    prefix
        Of this server's own properties; those of other servers are unknown everywhere.

    Raises
    ------
    InputError
        If it is no filter, names an unknown property, or compares what cannot be compared.
    NotSupportedError
        If it asks for what this server does not know.
    """
    if len(text) > LONGEST:
        raise InputError(f"a filter of {len(text)} characters", where="filter")
    from lark.exceptions import LarkError
    from optimade.exceptions import BadRequest

    try:
        tree = _parser().parse(text)
        return _Compiler(types, prefix).any_of(tree.children[0])
    except (BadRequest, LarkError) as error:
        raise InputError(f"no filter: {str(error)[:200]}", where="filter") from error
    except RecursionError as error:
        raise InputError("is nested too deeply", where="filter") from error


@cache
def _parser() -> Any:  # noqa: ANN401 - optimade has no types to tell
    from optimade.filterparser import LarkParser

    return LarkParser()


class _Compiler:
    def __init__(self, types: Mapping[str, str], prefix: str) -> None:
        self._types = types
        self._prefix = prefix

    def any_of(self, tree: Any) -> Predicate:  # noqa: ANN401 - a tree of lark
        parts = [self._all_of(each) for each in tree.children]
        return parts[0] if len(parts) == 1 else lambda entry: any(p(entry) for p in parts)

    def _all_of(self, tree: Any) -> Predicate:  # noqa: ANN401 - same
        parts = [self._phrase(each) for each in tree.children]
        return parts[0] if len(parts) == 1 else lambda entry: all(p(entry) for p in parts)

    def _phrase(self, tree: Any) -> Predicate:  # noqa: ANN401 - same
        children = [each for each in tree.children if each is not None]
        inner = children[-1]
        part = self.any_of(inner) if inner.data == "expression" else self._comparison(inner)
        return (lambda entry: not part(entry)) if len(children) > 1 else part

    def _comparison(self, tree: Any) -> Predicate:  # noqa: ANN401 - same
        (inner,) = tree.children
        if inner.data == "constant_first_comparison":
            constant, sign, other = inner.children
            if other.data != "non_string_value" or other.children[0].data != "property":
                raise NotSupportedError("two constants are compared", where="filter")
            name = self._name(other.children[0])
            return self._compare(name, _MIRROR.get(str(sign), str(sign)), _value(constant))
        name, right = self._name(inner.children[0]), inner.children[1]
        words = [each for each in right.children if each is not None]
        if right.data == "value_op_rhs":
            return self._compare(name, str(words[0]), _value(words[1]))
        if right.data == "known_op_rhs":
            known = str(words[-1]) == "KNOWN"
            return lambda entry: (entry.get(name) is not None) == known
        if right.data == "fuzzy_string_op_rhs":
            return self._fuzzy(name, str(words[0]), _value(words[-1]))
        if right.data == "length_op_rhs":
            sign = str(words[1]) if len(words) == 3 else "="
            size = int(str(words[-1].children[0]))
            self._require(name, "list")
            return lambda entry: (
                entry.get(name) is not None and _COMPARE[sign](len(entry[name]), size)
            )
        if right.data == "set_op_rhs":
            return self._has(name, words)
        raise NotSupportedError("correlated lists", where="filter")

    def _name(self, tree: Any) -> str:  # noqa: ANN401 - same
        name = str(tree.children[0])
        if len(tree.children) > 1:
            raise NotSupportedError("properties of properties", where="filter")
        foreign = name.startswith("_") and not name.startswith(self._prefix)
        if name not in self._types and not foreign:
            raise InputError(
                f"no property {name[:60]!r}", where="filter", remedy="see /info/structures"
            )
        return name

    def _require(self, name: str, kind: str) -> None:
        found = self._types.get(name, kind)
        if found != kind:
            raise InputError(f"{name} is a {found}, not a {kind}", where="filter")

    def _compare(self, name: str, sign: str, value: Any) -> Predicate:  # noqa: ANN401 - a constant
        kind = self._types.get(name)
        compare = _COMPARE[sign]
        if kind in {"list", "dictionary"}:
            raise NotSupportedError(f"{name} is a {kind}", where="filter")
        if kind == "timestamp":
            limit = moment(str(value))
            if not limit:
                raise InputError(f"{str(value)[:40]!r} is no time", where="filter")
            return lambda entry: entry.get(name) is not None and compare(moment(entry[name]), limit)
        fits = {
            "string": (str,),
            "boolean": (bool,),
            "integer": (int, float),
            "float": (int, float),
        }
        wrong = isinstance(value, bool) and kind != "boolean"
        if kind is not None and (wrong or not isinstance(value, fits[kind])):
            raise InputError(f"{name} is a {kind}, not {str(value)[:40]!r}", where="filter")
        if kind is None:
            return lambda _: False
        return lambda entry: entry.get(name) is not None and compare(entry[name], value)

    def _fuzzy(self, name: str, word: str, value: Any) -> Predicate:  # noqa: ANN401 - a constant
        self._require(name, "string")
        if not isinstance(value, str):
            raise InputError(f"{str(value)[:40]!r} is no text", where="filter")
        test = _FUZZY[word]
        return lambda entry: entry.get(name) is not None and test(entry[name], value)

    def _has(self, name: str, words: list[Any]) -> Predicate:
        self._require(name, "list")
        how = str(words[1]) if len(words) == 3 else ""
        values = words[-1].children if words[-1].data == "value_list" else [words[-1]]
        if how in _COMPARE or any(not hasattr(each, "data") for each in values if each is not None):
            raise NotSupportedError("operators within HAS", where="filter")
        wanted = [_value(each) for each in values if each is not None]
        if how == "ANY":
            return lambda entry: any(each in (entry.get(name) or ()) for each in wanted)
        if how == "ONLY":
            return lambda entry: (
                bool(entry.get(name)) and all(each in wanted for each in entry[name])
            )
        return lambda entry: all(each in (entry.get(name) or ()) for each in wanted)


def _value(tree: Any) -> Any:  # noqa: ANN401 - a tree of lark gives a constant
    inner = tree.children[0] if tree.data in {"value", "constant", "non_string_value"} else tree
    if inner.data == "property":
        raise NotSupportedError("properties on both sides", where="filter")
    text = str(inner.children[0]) if inner.children else ""
    if inner.data == "string":
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if inner.data == "bool":
        return text == "TRUE"
    try:
        return int(text)
    except ValueError:
        return float(text)
