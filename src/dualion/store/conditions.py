"""What a filter means, said once: every store turns these few conditions into its own language."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from dualion.store.order import Order
from dualion.store.summary import moment

if TYPE_CHECKING:
    from dualion.store.base import BarrierFilter


class Among(NamedTuple):
    """The column has one of these values."""

    column: str
    values: tuple[str | int, ...]


class Within(NamedTuple):
    """The column holds a number between these, both included; None: no bound."""

    column: str
    low: float | None
    high: float | None


class Span(NamedTuple):
    """The column's text sorts at or after ``low`` and before ``below``; None: no bound."""

    column: str
    low: str | None
    below: str | None


class Holds(NamedTuple):
    """The column's text, parts joined by hyphens, has this part."""

    column: str
    part: str


Condition = Among | Within | Span | Holds


class Sorting(NamedTuple):
    """How rows are sorted: by columns, then by when they were added.

    What is no number comes last, in either direction.
    """

    keys: tuple[tuple[str, bool], ...] = ()
    """Column, and whether it descends."""
    latest_first: bool = False
    """Whether of equal rows the one that was added last comes first."""


_ONE = (
    *("framework", "prototype", "formula", "anion", "host_ion", "mechanism", "engine", "code"),
    *("charge", "campaign", "arrangement", "hop_class"),
)
_SEVERAL = (
    ("framework", "frameworks"),
    ("moving_ion", "moving_ions"),
    ("outcome", "outcomes"),
    ("source", "sources"),
    ("fingerprint", "fingerprints"),
)

_BY_FRAMEWORK = ("framework", "hop_class", "member", "arrangement", "moving_ion", "fingerprint")

_ORDERS = {
    Order.ADDED: Sorting(),
    Order.BARRIER: Sorting((("barrier", False),)),
    Order.FRAMEWORK: Sorting(tuple((name, False) for name in _BY_FRAMEWORK)),
    Order.NEWEST: Sorting((("created", True),), latest_first=True),
}


def conditions(query: BarrierFilter) -> tuple[Condition, ...]:
    """Return what must all hold of a record that passes a filter."""
    found: list[Condition] = []
    for name in _ONE:
        wanted = getattr(query, name)
        if wanted is not None:
            found.append(Among(name, (_plain(wanted),)))
    for column, field in _SEVERAL:
        several = getattr(query, field)
        if several:
            found.append(Among(column, tuple(map(_plain, several))))
    found += [Holds("elements", symbol) for symbol in query.elements]
    if query.pair is not None:
        one, two = query.pair
        found.append(Among("pair", (one, two, f"{one}-{two}", f"{two}-{one}")))
    if query.fingerprint is not None:
        # Hexadecimal digits all sort before 'g'; a range, unlike a prefix, can use an index.
        found.append(Span("fingerprint", query.fingerprint, f"{query.fingerprint}g"))
    if query.min_barrier is not None or query.max_barrier is not None:
        found.append(Within("barrier", query.min_barrier, query.max_barrier))
    if query.min_length is not None or query.max_length is not None:
        found.append(Within("hop_length", query.min_length, query.max_length))
    if query.since is not None or query.until is not None:
        # Any time sorts after '0'; what is none is an empty text and passes neither bound.
        low = "0" if query.since is None else moment(query.since)
        found.append(Span("created", low, _after(query.until)))
    return tuple(found)


def _after(text: str | None) -> str | None:
    """Return the first moment after a time, or after the whole of a day."""
    if text is None:
        return None
    step = timedelta(days=1) if len(text) <= len("2026-01-02") else timedelta(microseconds=1)
    try:
        return (datetime.fromisoformat(moment(text)) + step).isoformat()
    except OverflowError:
        return None


def _plain(value: object) -> str | int:
    return value if isinstance(value, int) else str(value)


def sorting(query: BarrierFilter) -> Sorting:
    """Return how the answer to a filter is sorted."""
    if query.sort is not None:
        column, _, direction = query.sort.partition(":")
        return Sorting(((column, direction == "desc"),))
    return _ORDERS[query.order]
