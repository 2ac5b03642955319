"""What every barrier store can do, and the filter that all of them understand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, field_validator

from dualion.records import HopRecord, Images, Mechanism, Outcome, Record
from dualion.store.order import Order
from dualion.store.summary import KINDS, Source, moment

if TYPE_CHECKING:
    import pandas as pd

    from dualion.store.columns import Columns

__all__ = [
    "EVERYTHING",
    "SUPERSEDABLE",
    "BarrierFilter",
    "BarrierStore",
    "Order",
    "Tombstone",
    "gives_way",
]

_MOST = 2**53

Symbol = Annotated[str, Field(pattern=r"^[A-Z][a-z]?$")]

SUPERSEDABLE = frozenset({Outcome.ENGINE_FAILED, Outcome.UNCONVERGED})
"""A record with one of these outcomes gives way to a later one with another outcome."""


def gives_way(stored: str, new: str) -> bool:
    """Whether a stored record with one outcome is superseded by a new one with another."""
    return stored in SUPERSEDABLE and stored != new


class BarrierFilter(Record):
    """Which records are asked for; a field left at its default does not filter.

    ``min_barrier`` and ``max_barrier`` look at the harder direction of a hop, the larger of
    its forward and reverse barrier. Records whose outcome is no barrier have no such number
    and are left out as soon as either is set.
    """

    framework: str | None = None
    frameworks: tuple[str, ...] = Field((), description="Any of these frameworks.")
    prototype: str | None = Field(None, description="Structure type.")
    formula: str | None = Field(None, description="Of the supercell host, e.g. 'Li24P4S20Cl4'.")
    elements: tuple[Symbol, ...] = Field((), description="The host holds all of these elements.")
    anion: str | None = Field(None, description="Most frequent anion of the host.")
    pair: tuple[str, str] | None = Field(
        None, description="The host is of one of these ions, and no third one takes part."
    )
    moving_ions: tuple[str, ...] = Field((), description="Any of these ions moves.")
    host_ion: str | None = None
    mechanism: Mechanism | None = None
    outcomes: tuple[Outcome, ...] = Field((), description="Ended in any of these ways.")
    min_barrier: float | None = Field(None, allow_inf_nan=False, description="In eV, inclusive.")
    max_barrier: float | None = Field(None, allow_inf_nan=False, description="In eV, inclusive.")
    min_length: float | None = Field(
        None, allow_inf_nan=False, description="Of the hop on the parent, in Å, inclusive."
    )
    max_length: float | None = Field(
        None, allow_inf_nan=False, description="Of the hop on the parent, in Å, inclusive."
    )
    engine: str | None = None
    code: str | None = Field(None, description="Program or model behind the engine.")
    charge: int | None = Field(
        None, ge=-_MOST, le=_MOST, description="Of the cell with the defect, in e."
    )
    sources: tuple[Source, ...] = Field((), description="Made by any of these.")
    since: str | None = Field(
        None, description="Created then or later: a day or time in ISO 8601, UTC."
    )
    until: str | None = Field(
        None, description="Created then or before; a day counts to its end. ISO 8601, UTC."
    )
    fingerprint: str | None = Field(
        None, description="Level of theory: the sixteen digits or the first few of them."
    )
    fingerprints: tuple[str, ...] = Field(
        (), description="Of any of these levels of theory, sixteen digits each."
    )
    campaign: str | None = None
    arrangement: str | None = Field(None, description="Label, e.g. 'dilute'.")
    hop_class: str | None = Field(None, description="E.g. 'h1'.")
    order: Order = Order.ADDED
    sort: str | None = Field(
        None,
        description="Column of the summaries to sort by, 'barrier' or 'barrier:desc'; goes before "
        "``order``. What is no number comes last either way.",
    )
    limit: int | None = Field(None, ge=0, le=_MOST, description="At most this many records.")
    offset: int = Field(0, ge=0, le=_MOST, description="Leave out this many records first.")

    @field_validator("*")
    @classmethod
    def _text(cls, value: object) -> object:
        """Refuse halves of characters: no store can look for them."""
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, str):
                try:
                    each.encode()
                except UnicodeEncodeError:
                    msg = f"{each!r} is no text"
                    raise ValueError(msg) from None
        return value

    @field_validator("since", "until")
    @classmethod
    def _a_time(cls, text: str | None) -> str | None:
        if text is not None and not moment(text):
            msg = f"{text!r} is no time: write 2026-01-31 or 2026-01-31T12:00:00"
            raise ValueError(msg)
        return text

    @field_validator("sort")
    @classmethod
    def _sortable(cls, text: str | None) -> str | None:
        if text is not None:
            column, colon, direction = text.partition(":")
            if column not in KINDS:
                msg = f"no column {column!r} to sort by: choose from {', '.join(KINDS)}"
                raise ValueError(msg)
            if colon and direction not in {"asc", "desc"}:
                msg = f"cannot sort {direction!r}: write '{column}:asc' or '{column}:desc'"
                raise ValueError(msg)
        return text

    @property
    def unpaged(self) -> BarrierFilter:
        """The same without limit and offset, to count all that pass."""
        return self.model_copy(update={"limit": None, "offset": 0})


EVERYTHING = BarrierFilter()


class Tombstone(Record):
    """What is left of a record that was deleted; the record itself is its last revision."""

    record_id: str
    deleted: str = Field(description="When; UTC, ISO 8601.")
    reason: str


class BarrierStore(ABC):
    """Where curated hop records are kept.

    A record is known by its ``record_id``, which hashes what was asked: the same question is
    stored once. All methods raise :class:`~dualion.errors.StoreError` when the store cannot
    be read or written.
    """

    backend: ClassVar[str]
    """What the store is made of, e.g. ``"SQLite"``."""
    schema_version: ClassVar[int]
    """Of the stores that this dualion makes; one with a higher version is refused."""

    @property
    @abstractmethod
    def where(self) -> str:
        """Path or address, for messages: without user, password and options."""

    @abstractmethod
    def add(self, record: HopRecord) -> bool:
        """Insert a record unless one with its id is there.

        A stored record that failed or did not converge (:data:`SUPERSEDABLE`) is replaced
        when the new one ended in another way; the old one is kept as a revision. A record that
        was deleted is not added again: see :meth:`revive`.

        Returns
        -------
        bool
            Whether anything was written.
        """

    @abstractmethod
    def put_history(self, records: Sequence[HopRecord]) -> None:
        """Make a history all that is kept under its id.

        Parameters
        ----------
        records
            With one ``record_id``; the last one stands, the others become its revisions.

        Raises
        ------
        RecordError
            If one of them cannot be kept; nothing is written then.
        """

    @abstractmethod
    def get(self, record_id: str, *, images: bool = True) -> HopRecord | None:
        """Return one record, or None when there is no such id."""

    @abstractmethod
    def query(
        self, query: BarrierFilter = EVERYTHING, *, images: bool = False
    ) -> Iterator[HopRecord]:
        """Iterate over the records that pass a filter.

        The set of records is fixed at the first step; writing meanwhile is safe.

        Parameters
        ----------
        query
            Which records, in which order.
        images
            Whether the geometries are read too; they are most of a record.
        """

    @abstractmethod
    def count(self, query: BarrierFilter = EVERYTHING) -> int:
        """Return the number of records that pass a filter, its limit and offset included."""

    @abstractmethod
    def ids(self, query: BarrierFilter = EVERYTHING) -> tuple[str, ...]:
        """Ids of the records that pass a filter, in its order."""

    @abstractmethod
    def columns(self) -> Columns:
        """Return the summaries of all records in memory, for many questions one after another.

        The answer is a snapshot and never changes. It is kept, and made up to date by the next
        call when records were written since, by whomever: a call that finds nothing new is
        cheap. The first one reads all summaries.
        """

    def frame(self, query: BarrierFilter = EVERYTHING) -> pd.DataFrame:
        """Return the summaries of the records that pass a filter as a pandas table.

        Returns
        -------
        pandas.DataFrame
            See :meth:`~dualion.store.columns.Columns.frame`.
        """
        return self.columns().frame(query)

    @abstractmethod
    def images(self, record_id: str) -> Images | None:
        """Return the geometries of a record; None if it has none or does not exist."""

    @abstractmethod
    def revisions(self, record_id: str) -> tuple[HopRecord, ...]:
        """Return the records that were superseded under this id, oldest first."""

    @abstractmethod
    def delete(self, record_id: str, *, reason: str, when: str | None = None) -> bool:
        """Take a record out of all answers; it is kept as a revision under a tombstone.

        Parameters
        ----------
        record_id
            Of the record.
        reason
            For those who miss it.
        when
            UTC, ISO 8601; None: now.

        Returns
        -------
        bool
            Whether there was such a record.
        """

    @abstractmethod
    def revive(self, record_id: str) -> bool:
        """Undo :meth:`delete`; the record comes last in the order of adding, or where it was.

        Returns
        -------
        bool
            Whether there was such a tombstone.
        """

    @abstractmethod
    def is_deleted(self, record_id: str) -> bool:
        """Whether a tombstone stands under an id."""

    @abstractmethod
    def tombstones(self) -> tuple[Tombstone, ...]:
        """Return what was deleted, by record id."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Make all writes inside the block one: all of them are kept or none.

        May be nested; an inner block that raises undoes its own writes only. :meth:`add` knows of
        the block's own writes; whether the reading methods do is up to the store. How far "all or
        none" goes when the process is killed while the block ends is said by each store.
        """

    @abstractmethod
    def backup(self, path: Path) -> None:
        """Write all records with their revisions to a new SQLite file, also while others write.

        Raises
        ------
        StoreError
            If the file exists or cannot be written; nothing is left behind then.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the store; closing twice is allowed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
