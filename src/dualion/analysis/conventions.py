"""Charge conventions: whether a cell with a defect is neutral or carries the defect's charge.

The same vacancy hop may differ by 0.4 eV between the two, so barriers of different conventions are
set side by side only when that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from dualion.analysis.tiers import ShiftTable, side_by_side
from dualion.errors import InputError
from dualion.records import LITERATURE

if TYPE_CHECKING:
    from dualion.records import HopRecord

FLAG = "--across-charges"


def conventions(records: Iterable[HopRecord]) -> dict[int, tuple[HopRecord, ...]]:
    """Sort records by the charge of their cell, in e; the neutral ones first."""
    found: dict[int, list[HopRecord]] = {}
    for record in records:
        found.setdefault(record.theory.charge, []).append(record)
    return {
        charge: tuple(found[charge]) for charge in sorted(found, key=lambda each: (abs(each), each))
    }


def describe(records: Sequence[HopRecord]) -> str:
    """Say in words which convention some records of one charge have, e.g. for a message."""
    engines = ", ".join(sorted({record.theory.stamp.engine for record in records}))
    noun = "record" if len(records) == 1 else "records"
    return f"{records[0].theory.charge_text} ({len(records)} {noun}: {engines})"


def require_one_convention(records: Iterable[HopRecord], *, where: str = "compare") -> None:
    """Refuse to set barriers of several charge conventions side by side unasked.

    Parameters
    ----------
    records
        To be compared; values from the literature are left out.
    where
        For the message.

    Raises
    ------
    InputError
        If they have more than one charge: the message tells each, and the flags there are.
    """
    # The literature does not tell the charge; its values stand in tables of their own anyway.
    found = conventions(each for each in records if each.theory.stamp.code != LITERATURE)
    if len(found) > 1:
        choices = " or ".join(f"--charge {charge}" for charge in found)
        raise InputError(
            f"{len(found)} charge conventions: {'; '.join(map(describe, found.values()))}",
            where=where,
            remedy=f"choose one with {choices}, or compare them with {FLAG}",
        )


def of_charge(records: Iterable[HopRecord], charge: int) -> list[HopRecord]:
    """Return the records of one charge convention.

    Parameters
    ----------
    records
        Of any.
    charge
        Of the cell with the defect, in e.

    Raises
    ------
    InputError
        If there are records, but none of this charge.
    """
    found = conventions(records)
    if found and charge not in found:
        raise InputError(
            f"no record of charge {charge}",
            where="--charge",
            remedy=f"there are: {'; '.join(map(describe, found.values()))}",
        )
    return list(found.get(charge, ()))


def across_charges(
    records: Iterable[HopRecord], *, pair: tuple[str, str] | None = None
) -> tuple[ShiftTable, ...]:
    """Set the charge conventions of one engine side by side, hop by hop.

    Parameters
    ----------
    records
        In any order.
    pair
        Order of the ions; None: the host's own first.

    Returns
    -------
    tuple of ShiftTable
        For each framework and two levels of theory that differ in nothing but the charge; the
        shift is that of the larger charge against the smaller.
    """
    levels: dict[str, list[HopRecord]] = {}
    for record in records:
        theory = record.theory.model_copy(update={"charge": 0})
        levels.setdefault(theory.fingerprint, []).append(record)
    tables: list[ShiftTable] = []
    for _, members in sorted(levels.items()):
        for one, two in combinations(conventions(members).values(), 2):
            tables += side_by_side(one, two, ions=pair)
    return tuple(tables)
