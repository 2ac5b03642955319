"""Levels of theory as the page offers them: all that must agree, the size of the cell excepted.

Frameworks differ in their supercells, so one column of numbers over many frameworks holds several
fingerprints. Those of one level differ in nothing but the supercell, and the page gives each
supercell of a framework a row of its own.
"""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.errors import RecordError
from dualion.records import IntMatrix3, LevelOfTheory, Record, content_hash
from dualion.store.base import BarrierFilter

if TYPE_CHECKING:
    from dualion.store.base import BarrierStore
    from dualion.store.columns import Columns


class Level(Record):
    """Fingerprints that differ in nothing but the supercell."""

    level_id: str
    label: str = Field(description="Engine, code and charge, for a list to choose from.")
    detail: str = Field(description="What else must agree.")
    count: int = Field(description="Records at this level.")
    fingerprints: tuple[str, ...]


def size_text(matrix: IntMatrix3) -> str:
    """Write a supercell, e.g. ``2×2×2``, or its number of cells where it is skewed."""
    a, b, c = matrix
    if not any((a[1], a[2], b[0], b[2], c[0], c[1])):
        return f"{a[0]}×{b[1]}×{c[2]}"
    return f"{round(abs(np.linalg.det(matrix)))}-fold"


class Theories:
    """The levels of theory of a store, each read once from one of its records.

    Parameters
    ----------
    store
        Open for reading.
    """

    def __init__(self, store: BarrierStore) -> None:
        self._store = store
        self._lock = Lock()
        self._known: dict[str, LevelOfTheory | None] = {}

    def theory(self, fingerprint: str, columns: Columns) -> LevelOfTheory | None:
        """Return what a fingerprint stands for; None if its record cannot be read."""
        with self._lock:
            if fingerprint not in self._known:
                self._known[fingerprint] = self._read(fingerprint, columns)
            return self._known[fingerprint]

    def _read(self, fingerprint: str, columns: Columns) -> LevelOfTheory | None:
        rows = columns.select(BarrierFilter(fingerprints=(fingerprint,), limit=1))
        if not len(rows):
            return None
        try:
            record = self._store.get(str(columns.ids[rows[0]]), images=False)
        except RecordError:
            return None
        return None if record is None else record.theory

    def size(self, fingerprint: str, columns: Columns) -> str:
        """Return the supercell of a fingerprint in words, e.g. ``2×2×2``."""
        theory = self.theory(fingerprint, columns)
        return "" if theory is None else size_text(theory.supercell)

    def levels(self, columns: Columns) -> tuple[Level, ...]:
        """Return all levels of a store, the one with most records first."""
        counts = columns.facets(columns=("fingerprint",))["fingerprint"]
        bundles: dict[str, list[str]] = {}
        for fingerprint in map(str, counts):
            theory = self.theory(fingerprint, columns)
            bundles.setdefault(_level_id(fingerprint, theory), []).append(fingerprint)
        found = [
            self._level(level_id, tuple(members), sum(counts[one] for one in members), columns)
            for level_id, members in bundles.items()
        ]
        names = Counter(level.label for level in found)
        told = [
            level
            if names[level.label] == 1
            else level.model_copy(update={"label": f"{level.label} · {level.level_id[:6]}"})
            for level in found
        ]
        return tuple(sorted(told, key=lambda level: (-level.count, level.label)))

    def _level(
        self, level_id: str, members: tuple[str, ...], count: int, columns: Columns
    ) -> Level:
        theory = self.theory(members[0], columns)
        if theory is None:
            label, detail = f"level {members[0]}", "its records cannot be read"
        else:
            label, detail = level_text(theory), _detail(theory)
        return Level(
            level_id=level_id, label=label, detail=detail, count=count, fingerprints=members
        )


def level_text(theory: LevelOfTheory) -> str:
    """Name a level of theory in one line, without its supercell."""
    return f"{theory.stamp.text}, {theory.charge_text}"


def _level_id(fingerprint: str, theory: LevelOfTheory | None) -> str:
    if theory is None:
        return fingerprint
    return content_hash(theory.model_dump(mode="json", exclude={"fingerprint", "supercell"}))


def _detail(theory: LevelOfTheory) -> str:
    stamp = theory.stamp
    parts = [f"{name} = {value}" for name, value in stamp.parameters]
    if stamp.model_sha256:
        parts.append(f"model {stamp.model_sha256[:12]}")
    return ", ".join([*parts, f"algorithm {theory.algorithm}"])
