"""What the page asks: a query string becomes a checked question, or an error in one line."""

from __future__ import annotations

import math
from typing import Final
from urllib.parse import parse_qsl

from pydantic import Field

from dualion.errors import InputError
from dualion.records import Mechanism, Outcome, Record
from dualion.store.base import BarrierFilter, Order
from dualion.store.summary import KINDS

LONGEST: Final = 8192
"""Characters of a query string."""
PAGE: Final = 25
"""Rows of one page of the table."""

_VALUE = 400
_MOST = 2**53
BARRIERS = "barriers"
"""Outcome that stands for both outcomes that are barriers."""

_TEXTS = ("level", "framework", "cell", "ion", "arrangement", "campaign")
KEYS = (*_TEXTS, "pair", "mechanism", "outcome", "min", "max", "sort", "offset")


class Question(Record):
    """Which records are asked for, and in which order; None does not filter."""

    level: str | None = Field(None, description="Id of a level of theory; None: the usual one.")
    framework: str | None = None
    cell: str | None = Field(None, description="Fingerprint: of this size of supercell only.")
    pair: tuple[str, str] | None = None
    ion: str | None = None
    arrangement: str | None = None
    mechanism: Mechanism | None = None
    outcomes: tuple[Outcome, ...] = ()
    min_barrier: float | None = None
    max_barrier: float | None = None
    sort: str | None = None
    offset: int = 0
    campaign: str | None = None

    def filter(self, fingerprints: tuple[str, ...]) -> BarrierFilter:
        """Return the filter, for the fingerprints of the level that was chosen."""
        wanted = fingerprints if self.cell is None else tuple({self.cell} & {*fingerprints})
        ions: tuple[str, ...] = self.pair or ()
        if self.ion is not None:
            ions = (self.ion,) if not ions or self.ion in ions else ("",)
        return BarrierFilter(
            framework=self.framework,
            moving_ions=ions,
            mechanism=self.mechanism,
            outcomes=self.outcomes,
            min_barrier=self.min_barrier,
            max_barrier=self.max_barrier,
            # No fingerprint fits: none at all, which an empty tuple would not say.
            fingerprints=wanted or ("-",),
            campaign=self.campaign,
            arrangement=self.arrangement,
            order=Order.FRAMEWORK,
            sort=None if self.sort == "framework" else self.sort,
        )

    def without(self, *names: str) -> Question:
        """Return the same question with some fields back at their defaults."""
        blank = {name: Question.model_fields[name].default for name in names}
        return self.model_copy(update=blank)


def pairs_of(query: str, known: tuple[str, ...]) -> dict[str, str]:
    """Split a query string into known names and their values.

    Raises
    ------
    InputError
        If it is too long, or a name is unknown or comes twice, or a value is no plain text.
    """
    if len(query) > LONGEST:
        raise InputError(
            f"the query string has {len(query)} characters",
            where="address",
            remedy=f"at most {LONGEST} are read",
        )
    try:
        found = parse_qsl(
            query, keep_blank_values=True, max_num_fields=40, encoding="utf-8", errors="strict"
        )
    except ValueError as error:  # also what is no UTF-8
        raise InputError(
            "the query string cannot be read", where="address", remedy="start again without it"
        ) from error
    values: dict[str, str] = {}
    for name, value in found:
        if name not in known:
            raise InputError(
                f"unknown field {name[:40]!r}",
                where="address",
                remedy=f"known are {', '.join(known)}",
            )
        if name in values:
            raise InputError(f"{name!r} is given twice", where="address", remedy="give it once")
        if len(value) > _VALUE or not value.isprintable():
            raise InputError(
                f"the value of {name!r} is too long or holds control characters",
                where="address",
                remedy=f"give at most {_VALUE} printable characters",
            )
        values[name] = value
    return {name: value for name, value in values.items() if value}


def read_question(query: str) -> Question:
    """Read the query string of a view or a table.

    Raises
    ------
    InputError
        If it holds anything that is not a question.
    """
    given = pairs_of(query, KEYS)
    low, high = _number(given, "min"), _number(given, "max")
    if low is not None and high is not None and low > high:
        raise InputError(
            f"the lowest barrier, {low} eV, is above the highest, {high} eV",
            where="min and max",
            remedy="swap them",
        )
    return Question(
        **{name: given.get(name) for name in _TEXTS},
        pair=_pair(given.get("pair")),
        mechanism=_mechanism(given.get("mechanism")),
        outcomes=_outcomes(given.get("outcome")),
        min_barrier=low,
        max_barrier=high,
        sort=_sort(given.get("sort")),
        offset=_offset(given.get("offset")),
    )


def read_id(query: str) -> str:
    """Read a query string that names one record.

    Raises
    ------
    InputError
        If it names none, or holds anything else.
    """
    given = pairs_of(query, ("id",))
    if "id" not in given:
        raise InputError("no record is named", where="id", remedy="give id=RECORD")
    return given["id"]


def _number(given: dict[str, str], name: str) -> float | None:
    if name not in given:
        return None
    try:
        value = float(given[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(
            f"{given[name][:40]!r} is no number of eV", where=name, remedy="give one like 0.4"
        )
    return value


def _pair(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    ions = text.split(",")
    if len(ions) != 2 or not all(ions):
        raise InputError(f"{text[:40]!r} is no pair", where="pair", remedy="give two, as in Li,Cu")
    return ions[0], ions[1]


def _mechanism(text: str | None) -> Mechanism | None:
    if text is None:
        return None
    try:
        return Mechanism(text)
    except ValueError:
        raise InputError(
            f"unknown value {text[:40]!r}",
            where="mechanism",
            remedy=f"choose from {', '.join(Mechanism)}",
        ) from None


def _outcomes(text: str | None) -> tuple[Outcome, ...]:
    if text is None:
        return ()
    if text == BARRIERS:
        return tuple(outcome for outcome in Outcome if outcome.is_barrier)
    try:
        return (Outcome(text),)
    except ValueError:
        raise InputError(
            f"unknown value {text[:40]!r}",
            where="outcome",
            remedy=f"choose from {BARRIERS}, {', '.join(Outcome)}",
        ) from None


def _sort(text: str | None) -> str | None:
    if text is None:
        return "framework"
    column, colon, way = text.partition(":")
    if column not in KINDS or (colon and way not in {"asc", "desc"}):
        raise InputError(
            f"cannot sort by {text[:40]!r}",
            where="sort",
            remedy="give a column of the table, or 'column:desc'",
        )
    return text


def _offset(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= _MOST):
        raise InputError(
            f"{text[:40]!r} is no row number", where="offset", remedy="give 0 or a whole number"
        )
    return int(text)
