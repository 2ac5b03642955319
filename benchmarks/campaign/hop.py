"""What both sides start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Start:
    """Two unrelaxed states of one hop: one order of atoms, the mover last and continuous."""

    name: str
    states: tuple[Atoms, Atoms]
