"""Which hops of one tier are computed again in the next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, model_serializer, model_validator

from dualion.analysis.compare import environment
from dualion.analysis.comparison import outcome_word
from dualion.analysis.promotion import Left
from dualion.records import HopRecord, Record
from dualion.settings import PhysicsSettings

FORMS = "'all', 'lowest 3', 'lowest 5 per ion' or 'barrier < 0.6'"
"""How a rule is written."""

_LOWEST = re.compile(r"lowest\s+(\d{1,6})(\s+per\s+ion)?")
_BELOW = re.compile(r"barrier\s*(<=?)\s*(\d+(?:\.\d*)?|\.\d+)(?:\s*ev)?")

Row = tuple[str, int, object]


class Rule(PhysicsSettings):
    """Which hops are promoted: ``lowest 5 per ion``, ``lowest 3``, ``barrier < 0.6`` or ``all``.

    The barrier of a hop is that of its harder direction, in eV.
    """

    kind: Literal["all", "lowest", "below"]
    count: int | None = Field(None, ge=1, description="Of the lowest.")
    per_ion: bool = Field(default=False, description="So many for each ion, not of all hops.")
    barrier: float | None = Field(None, gt=0.0, description="In eV.")
    inclusive: bool = Field(default=False, description="Whether the limit itself is promoted.")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:  # noqa: ANN401 - pydantic hands over raw input
        if isinstance(value, dict | Rule):
            return value
        if not isinstance(value, str):
            msg = f"is no rule of promotion: write {FORMS}"
            raise ValueError(msg)  # noqa: TRY004 - pydantic collects ValueErrors
        text = " ".join(value.split()).lower()
        if text == "all":
            return {"kind": "all"}
        if found := _LOWEST.fullmatch(text):
            count = int(found[1])
            if count < 1:
                msg = "promotes nothing: give at least 1"
                raise ValueError(msg)
            return {"kind": "lowest", "count": count, "per_ion": found[2] is not None}
        if found := _BELOW.fullmatch(text):
            barrier = float(found[2])
            if barrier <= 0.0:
                msg = "promotes nothing: give a barrier above 0 eV"
                raise ValueError(msg)
            return {"kind": "below", "barrier": barrier, "inclusive": found[1] == "<="}
        msg = f"is no rule of promotion: write {FORMS}"
        raise ValueError(msg)

    @model_serializer
    def _text(self) -> str:
        return self.text

    @property
    def text(self) -> str:
        """The rule as a user writes it."""
        if self.kind == "lowest":
            return f"lowest {self.count}{' per ion' if self.per_ion else ''}"
        if self.kind == "below":
            return f"barrier {'<=' if self.inclusive else '<'} {self.barrier!r}"
        return "all"


class Selection(Record):
    """What a rule makes of the records of a tier."""

    promoted: tuple[HopRecord, ...] = Field(description="In the order of the records.")
    left: tuple[Left, ...] = Field((), description="The others, each with the reason.")


def select(records: Sequence[HopRecord], rule: Rule) -> Selection:
    """Choose the records of a tier that are computed again in the next.

    Both ions of the same hop in the same surroundings are chosen together, so that the comparison
    stays whole. What has no barrier is never chosen; of such a pair the other ion goes alone.

    Parameters
    ----------
    records
        Of one tier, one for each question.
    rule
        Says which rows of the comparison are wanted: a row is wanted if the rule wants either of
        its ions.

    Returns
    -------
    Selection
        What is promoted, and why the rest is not.
    """
    barriers = [record for record in records if record.outcome.is_barrier]
    wanted = _wanted(barriers, rule)
    promoted = tuple(record for record in barriers if _row(record) in wanted)
    chosen = {record.record_id for record in promoted}
    left = []
    for record in records:
        if record.record_id in chosen:
            continue
        if not record.outcome.is_barrier:
            partner = ", its pair goes alone" if _row(record) in wanted else ""
            reason = f"{outcome_word(record.outcome)}: no barrier to promote{partner}"
        else:
            reason = f"{barrier_of(record):.3f} eV, not in '{rule.text}'"
        left.append(Left(title=title_of(record), reason=reason, barrier=record.outcome.is_barrier))
    return Selection(promoted=promoted, left=tuple(left))


def barrier_of(record: HopRecord) -> float:
    """Barrier of the harder direction, in eV, of a record that has one."""
    return max(record.forward or 0.0, record.reverse or 0.0)


def title_of(record: HopRecord) -> str:
    """Short text, e.g. ``Cu h2 24g–24g 3.26 Å dilute``."""
    return f"{record.moving_ion} {record.hop.label} {record.arrangement.label}"


def _row(record: HopRecord) -> Row:
    """Where a record stands in the comparison: hop and surroundings, whichever ion moves."""
    return record.hop.class_id, record.hop.member, environment(record)


def _wanted(barriers: Sequence[HopRecord], rule: Rule) -> set[Row]:
    if rule.kind == "all":
        return {_row(record) for record in barriers}
    if rule.kind == "below":
        limit = rule.barrier or 0.0
        return {
            _row(record)
            for record in barriers
            if barrier_of(record) < limit or (rule.inclusive and barrier_of(record) == limit)
        }
    groups: dict[str, list[HopRecord]] = {}
    for record in barriers:
        groups.setdefault(record.moving_ion if rule.per_ion else "", []).append(record)
    wanted: set[Row] = set()
    for group in groups.values():
        ranked = sorted(group, key=lambda r: (barrier_of(r), r.hop.class_id, r.hop.member))
        rows = list(dict.fromkeys(_row(record) for record in ranked))
        wanted.update(rows[: rule.count])
    return wanted
