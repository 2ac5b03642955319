"""The map of frameworks and pairs: the lowest barrier of each ion, one supercell a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from dualion.records import Record
from dualion.structures.cations import rank

if TYPE_CHECKING:
    from dualion.store.grouping import Group

ROWS = 300
"""More frameworks than these are not sent at once."""


class Chip(Record):
    """What one ion does in one framework."""

    ion: str
    barrier: float | None = Field(description="Lowest, in eV; None: no barrier.")
    barriers: int
    count: int = Field(description="Records, those without a barrier included.")


class Pair(Record):
    """One column: two ions, or one where the framework saw no second."""

    key: str = Field(description="'Li,Cu'.")
    text: str = Field(description="'Li–Cu'.")


class MapRow(Record):
    """One framework in one supercell; its cells by the key of the pair."""

    framework: str
    cell: str = Field(description="Fingerprint.")
    cells: dict[str, tuple[Chip, ...]]


class HeatMap(Record):
    """The whole map, and how many rows were left out."""

    pairs: tuple[Pair, ...]
    rows: tuple[MapRow, ...]
    left_out: int

    def count(self, pair: str) -> int:
        """Count the records in the column of a pair."""
        return sum(chip.count for row in self.rows for chip in row.cells.get(pair, ()))


def _key(ions: Iterable[str]) -> str:
    return ",".join(sorted(ions, key=rank))


def heat_map(groups: Iterable[Group]) -> HeatMap:
    """Arrange groups by framework, host ion, moving ion and fingerprint into a map.

    An ion other than the host's makes a pair with it. The host's own ion stands in each pair of
    its framework, and in a column of its own where no other ion moved.

    Parameters
    ----------
    groups
        Of :meth:`~dualion.store.columns.Columns.groups`, of one level of theory.
    """
    places: dict[tuple[str, str], dict[str, dict[str, Chip]]] = {}
    for group in groups:
        key = {name: str(value) for name, value in group.key.items()}
        row = places.setdefault((key["framework"], key["fingerprint"]), {})
        row.setdefault(key["host_ion"], {})[key["moving_ion"]] = Chip(
            ion=key["moving_ion"],
            barrier=group.lowest,
            barriers=group.with_barrier,
            count=group.records,
        )
    rows = [
        MapRow(framework=framework, cell=cell, cells=_cells(hosts))
        for (framework, cell), hosts in sorted(places.items())
    ]
    keys = {key for row in rows for key in row.cells}
    pairs = sorted(keys, key=lambda key: (key.count(","), [rank(ion) for ion in key.split(",")]))
    return HeatMap(
        pairs=tuple(Pair(key=key, text=_text(key)) for key in pairs),
        rows=tuple(rows[:ROWS]),
        left_out=max(0, len(rows) - ROWS),
    )


def _text(key: str) -> str:
    return key.replace(",", "–") if "," in key else f"{key} alone"


def _cells(hosts: dict[str, dict[str, Chip]]) -> dict[str, tuple[Chip, ...]]:
    cells: dict[str, tuple[Chip, ...]] = {}
    for host, movers in hosts.items():
        own = (movers[host],) if host in movers else ()
        others = [chip for ion, chip in movers.items() if ion != host]
        if not others:
            cells[host] = cells.get(host, ()) + own
        for chip in others:
            key = _key((host, chip.ion))
            cells[key] = (*cells.get(key, ()), *own, chip)
    return cells
