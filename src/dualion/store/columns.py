"""The summaries of a store as columns in memory: a million of them answer within milliseconds."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import isnan
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from dualion.errors import InputError, RecordError
from dualion.store.base import EVERYTHING, BarrierFilter
from dualion.store.conditions import Among, Condition, Holds, Sorting, Within, conditions, sorting
from dualion.store.grouping import Group, numbered, statistics
from dualion.store.summary import COLUMNS, KINDS, Kind, Value

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Codes = NDArray[np.int32]
    Rows = NDArray[np.int64]

_CODED = tuple(column.name for column in COLUMNS if column.kind in {Kind.TEXT, Kind.WHOLE})
_NAMES = tuple(column.name for column in COLUMNS)
_UTC = -len("+00:00")
_KEPT = 12
"""Orders and groupings that are remembered."""

FACETS = tuple(name for name in _CODED if name not in {"formula", "member", "version"})
"""Columns with few enough values to choose from."""

THEORY = ("fingerprint", "charge")
"""Columns that must agree before two barriers may be compared."""

_Made = TypeVar("_Made")


class Coded(NamedTuple):
    """A column of few distinct values."""

    codes: Codes
    categories: tuple[str | int, ...]
    places: dict[str | int, int]

    def where(self, passes: Callable[[Any], bool]) -> Flags:
        """Rows whose value passes."""
        table = np.fromiter(map(passes, self.categories), np.bool_, len(self.categories))
        return table[self.codes]

    @property
    def ranks(self) -> Codes:
        """Place of each row's value among the sorted values."""
        order = sorted(range(len(self.categories)), key=self.categories.__getitem__)
        ranks = np.empty(len(order), np.int32)
        ranks[order] = np.arange(len(order), dtype=np.int32)
        return ranks[self.codes]


class Columns:
    """All summaries of a store at one moment; never changes, and may be shared by threads.

    Rows are counted from 0 in the order of adding. What a filter means is what it means to the
    store itself.

    Attributes
    ----------
    ids
        Record id of each row, an array of objects.
    coded
        Columns of few distinct values (:attr:`Kind.TEXT` and :attr:`Kind.WHOLE`), by name.
    numbers
        Columns of floats, NaN where there is none, by name; in the units of
        :data:`~dualion.store.summary.COLUMNS`.
    created
        Times, ``datetime64[us]`` in UTC, NaT where unknown.
    """

    def __init__(
        self,
        ids: NDArray[np.object_],
        coded: dict[str, Coded],
        numbers: dict[str, NDArray[np.float64]],
        created: NDArray[np.datetime64],
    ) -> None:
        self.ids = ids
        self.coded = coded
        self.numbers = numbers
        self.created = created
        self._lock = Lock()
        self._made: OrderedDict[object, Any] = OrderedDict()

    @classmethod
    def empty(cls) -> Columns:
        """Return columns of no row."""
        return cls(
            np.empty(0, np.object_),
            {name: Coded(np.empty(0, np.int32), (), {}) for name in _CODED},
            {n: np.empty(0) for n in _NAMES if KINDS[n] is Kind.NUMBER},
            np.empty(0, "datetime64[us]"),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def extended(
        self, portions: Iterable[Sequence[Sequence[object]]], *, where: str = ""
    ) -> Columns:
        """Return columns with more rows at their end.

        Parameters
        ----------
        portions
            Lists of rows, each in the order of :data:`~dualion.store.summary.COLUMNS`.
        where
            Of the store, for messages.

        Raises
        ------
        RecordError
            If a value is not of its column's kind.
        """
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in _NAMES}
        indices: dict[str, defaultdict[str | int, int]] = {}
        for name, before in self.coded.items():
            indices[name] = defaultdict(None, before.places)
            indices[name].default_factory = indices[name].__len__
        for rows in portions:
            for name, values in zip(_NAMES, zip(*rows, strict=True), strict=True):
                try:
                    parts[name].append(_array(KINDS[name], values, indices.get(name)))
                except (ValueError, TypeError, OverflowError) as error:
                    raise RecordError(
                        f"a summary is damaged ({name}: {error})",
                        where=where,
                        remedy="look it over with 'dualion store check'",
                    ) from error
        if not parts["record_id"]:
            return self
        coded: dict[str, Coded] = {}
        for name, old in self.coded.items():
            codes = np.concatenate([old.codes, *parts[name]])
            coded[name] = Coded(codes, tuple(indices[name]), dict(indices[name]))
        return Columns(
            np.concatenate([self.ids, *parts["record_id"]]),
            coded,
            {name: np.concatenate([old, *parts[name]]) for name, old in self.numbers.items()},
            np.concatenate([self.created, *parts["created"]]),
        )

    def select(self, query: BarrierFilter = EVERYTHING) -> Rows:
        """Return the rows that pass a filter, in its order, within its limit and offset."""
        mask = self._mask(query)
        order = sorting(query)
        if order == Sorting():
            rows = np.arange(len(self)) if mask is None else np.flatnonzero(mask)
        else:
            rows = self._keep(order, lambda: self._sorted(order))
            rows = rows if mask is None else rows[mask[rows]]
        stop = None if query.limit is None else query.offset + query.limit
        return rows[query.offset : stop]

    def count(self, query: BarrierFilter = EVERYTHING) -> int:
        """Return the number of rows that pass a filter, its limit and offset included."""
        mask = self._mask(query)
        every = len(self) if mask is None else int(np.count_nonzero(mask))
        left = max(0, every - query.offset)
        return left if query.limit is None else min(left, query.limit)

    def groups(
        self,
        by: tuple[str, ...],
        query: BarrierFilter = EVERYTHING,
        *,
        across_theories: bool = False,
    ) -> list[Group]:
        """Summarise the barriers of the records that pass a filter, group by group.

        Parameters
        ----------
        by
            Columns of kind text or whole number.
        query
            Its order, limit and offset do not matter.
        across_theories
            Put records of different levels of theory into one group. Else each group is of one
            level of theory and one charge of the cell, which come last among its values.

        Returns
        -------
        list of Group
            Sorted by their values; only groups that have a record.

        Raises
        ------
        InputError
            If one cannot group by a column.
        """
        for name in by:
            if name not in self.coded:
                raise InputError(
                    f"cannot group by {name!r}",
                    where="group-by",
                    remedy=f"choose from {', '.join(sorted(self.coded))}",
                )
        names = tuple(dict.fromkeys(by if across_theories else (*by, *THEORY)))
        numbers, firsts = self._keep(
            names, lambda: numbered([self.coded[name].codes for name in names], len(self))
        )
        rising = self._keep("rising", self._rising)
        mask = self._mask(query)
        found = statistics(numbers, len(firsts), self.numbers["barrier"], rising, mask)
        groups = [Group(self._values(names, int(firsts[one.number])), *one[1:]) for one in found]
        return sorted(groups, key=lambda group: [*group.key.values()])

    def _values(self, names: tuple[str, ...], row: int) -> dict[str, str | int]:
        return {name: self.coded[name].categories[self.coded[name].codes[row]] for name in names}

    def facets(
        self, query: BarrierFilter = EVERYTHING, columns: tuple[str, ...] = FACETS
    ) -> dict[str, dict[str | int, int]]:
        """Count the records that pass a filter by each value of each column.

        Parameters
        ----------
        query
            Its order, limit and offset do not matter.
        columns
            Of kind text or whole number.

        Returns
        -------
        dict
            By column, then by value; the most frequent first. Values without a record are left
            out.
        """
        mask = self._mask(query)
        answer = {}
        for name in columns:
            coded = self.coded[name]
            codes = coded.codes if mask is None else coded.codes[mask]
            counts = np.bincount(codes, minlength=len(coded.categories))
            pairs = [(coded.categories[k], int(counts[k])) for k in np.flatnonzero(counts)]
            answer[name] = dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))
        return answer

    def rows(self, rows: Rows) -> list[dict[str, Value]]:
        """Return rows as plain values, by column; None where there is no number."""
        lists = [self._plain(name, rows) for name in _NAMES]
        return [dict(zip(_NAMES, values, strict=True)) for values in zip(*lists, strict=True)]

    def _plain(self, name: str, rows: Rows) -> list[Any]:
        kind = KINDS[name]
        if kind is Kind.ID:
            return list(self.ids[rows])
        if kind is Kind.NUMBER:
            return [None if isnan(x) else x for x in self.numbers[name][rows].tolist()]
        if kind is Kind.MOMENT:
            times = self.created[rows].tolist()
            return ["" if time is None else f"{time.isoformat()}+00:00" for time in times]
        coded = self.coded[name]
        return [coded.categories[code] for code in coded.codes[rows].tolist()]

    def frame(self, query: BarrierFilter = EVERYTHING) -> pd.DataFrame:
        """Return the rows that pass a filter as a pandas table, in its order.

        Returns
        -------
        pandas.DataFrame
            One column for each of :data:`~dualion.store.summary.COLUMNS`, text as categories,
            times with their zone (UTC), numbers as floats that are NaN where there is none.
        """
        import pandas as pd

        rows = self.select(query)
        table: dict[str, Any] = {}
        for name in _NAMES:
            kind = KINDS[name]
            if kind is Kind.ID:
                table[name] = pd.array(self.ids[rows], dtype="str")
            elif kind is Kind.NUMBER:
                table[name] = self.numbers[name][rows]
            elif kind is Kind.MOMENT:
                table[name] = pd.DatetimeIndex(self.created[rows]).tz_localize("UTC")
            elif kind is Kind.TEXT:
                coded = self.coded[name]
                table[name] = pd.Categorical.from_codes(
                    coded.codes[rows], categories=pd.Index(coded.categories, dtype="str")
                )
            else:
                coded = self.coded[name]
                table[name] = np.array(coded.categories, dtype=np.int64)[coded.codes[rows]]
        return pd.DataFrame(table)

    def _mask(self, query: BarrierFilter) -> Flags | None:
        """Rows that pass; None: all of them."""
        mask: Flags | None = None
        for condition in conditions(query):
            passed = self._passed(condition)
            mask = passed if mask is None else mask & passed
        return mask

    def _passed(self, condition: Condition) -> Flags:
        if isinstance(condition, Among):
            wanted = frozenset(condition.values)
            return self.coded[condition.column].where(wanted.__contains__)
        low: Any
        if isinstance(condition, Within):
            numbers, low, high = self.numbers[condition.column], condition.low, condition.high
            passed = ~np.isnan(numbers)
            if low is not None:
                passed &= numbers >= low
            if high is not None:
                passed &= numbers <= high
            return passed
        if isinstance(condition, Holds):
            part = f"-{condition.part}-"
            return self.coded[condition.column].where(lambda text: part in f"-{text}-")
        low, below = condition.low, condition.below
        if condition.column == "created":
            passed = ~np.isnat(self.created)
            if low is not None and low > "0":
                passed &= self.created >= np.datetime64(low[:_UTC], "us")
            if below is not None:
                passed &= self.created < np.datetime64(below[:_UTC], "us")
            return passed
        return self.coded[condition.column].where(
            lambda text: (low is None or text >= low) and (below is None or text < below)
        )

    def _sorted(self, order: Sorting) -> Rows:
        keys = [self._sort_key(column, descends) for column, descends in reversed(order.keys)]
        if order.latest_first:
            keys.insert(0, -np.arange(len(self)))
        return np.lexsort(keys) if len(keys) > 1 else np.argsort(keys[0], kind="stable")

    def _sort_key(self, name: str, descends: bool) -> NDArray[Any]:  # noqa: FBT001 - private
        kind = KINDS[name]
        if kind is Kind.NUMBER:
            key: NDArray[Any] = self.numbers[name]
        elif kind is Kind.MOMENT:
            # Not a time comes first, as an empty text does.
            key = self.created.view(np.int64)
        elif kind is Kind.ID:
            key = np.empty(len(self), np.int64)
            key[np.argsort(self.ids, kind="stable")] = np.arange(len(self))
        else:
            key = self.coded[name].ranks
        # NaN stays last either way.
        return -key if descends else key

    def _rising(self) -> Rows:
        """Rows with a barrier, the lowest first."""
        barriers = self.numbers["barrier"]
        order = np.argsort(barriers, kind="stable")
        return order[: len(order) - int(np.count_nonzero(np.isnan(barriers)))]

    def _keep(self, key: object, make: Callable[[], _Made]) -> _Made:
        """Make something once; of what was made the last few are remembered."""
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                kept: _Made = self._made[key]
                return kept
            made = self._made[key] = make()
            if len(self._made) > _KEPT:
                self._made.popitem(last=False)
            return made


def _array(
    kind: Kind, values: Sequence[Any], index: defaultdict[str | int, int] | None
) -> NDArray[Any]:
    """Turn the values of one column into an array."""
    if index is not None:
        wanted = str if kind is Kind.TEXT else int
        before = len(index)
        codes = np.fromiter(map(index.__getitem__, values), np.int32, len(values))
        if any(type(value) is not wanted for value in list(index)[before:]):
            msg = f"not all are {wanted.__name__}"
            raise TypeError(msg)
        return codes
    if kind is Kind.NUMBER:
        # None becomes NaN.
        return np.array(values, dtype=np.float64)
    if kind is Kind.MOMENT:
        return np.array([text[:_UTC] or "NaT" for text in values], "datetime64[us]")
    if any(type(value) is not str for value in values):
        msg = "not all are text"
        raise TypeError(msg)
    ids = np.empty(len(values), np.object_)
    ids[:] = values
    return ids
