"""The fixed set of hops: which ions, in which frameworks, and which half each hop is in.

The halves alternate within a framework, so both see simple hosts and the rough one. They were
chosen before any barrier of the set was known: parameters may be tuned on 'tune' only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Half = Literal["tune", "report"]

IMAGE_DISTANCE = 9.0
"""Å between an ion and its image: small cells, since here methods are compared, not crystals."""


@dataclass(frozen=True)
class Case:
    """One hop by a vacancy.

    Attributes
    ----------
    framework
        Name in the library.
    pair
        The host's own ion and the second one, as a campaign gives them.
    mover
        One of the pair; the second one moves as the only one of its kind.
    hop_class
        As dualion lists it.
    half
        Whether parameters may be tuned on it.
    second_member
        Another hop of the class, which differs where the host has lost its symmetry.
    """

    framework: str
    pair: tuple[str, str]
    mover: str
    hop_class: str
    half: Half
    second_member: bool = False

    @property
    def name(self) -> str:
        """Name of files and rows."""
        tail = "b" if self.second_member else ""
        return f"{self.framework}-{self.mover}-{self.hop_class}{tail}"


_ARGYRODITE = ("Li", "Cu")

CASES: tuple[Case, ...] = (
    Case("licl", ("Li", "Na"), "Li", "h1", "tune"),
    Case("licl", ("Li", "Na"), "Na", "h1", "report"),
    Case("nacl", ("Na", "K"), "Na", "h1", "report"),
    Case("nacl", ("Na", "K"), "K", "h1", "tune"),
    Case("cui", ("Cu", "Ag"), "Cu", "h1", "tune"),
    Case("cui", ("Cu", "Ag"), "Ag", "h1", "report"),
    Case("agi-beta", ("Ag", "Cu"), "Ag", "h1", "report"),
    Case("agi-beta", ("Ag", "Cu"), "Cu", "h1", "tune"),
    Case("li2s", ("Li", "Cu"), "Li", "h1", "tune"),
    Case("li2s", ("Li", "Cu"), "Cu", "h1", "report"),
    Case("litis2", ("Li", "Na"), "Li", "h1", "report"),
    Case("litis2", ("Li", "Na"), "Na", "h1", "tune"),
    Case("na3ps4", ("Na", "Li"), "Na", "h1", "tune"),
    Case("na3ps4", ("Na", "Li"), "Li", "h1", "report"),
    Case("li6ps5cl", _ARGYRODITE, "Li", "h1", "tune"),
    Case("li6ps5cl", _ARGYRODITE, "Cu", "h1", "report"),
    Case("li6ps5cl", _ARGYRODITE, "Li", "h2", "report"),
    Case("li6ps5cl", _ARGYRODITE, "Cu", "h2", "tune"),
    Case("li6ps5cl", _ARGYRODITE, "Li", "h1", "report", second_member=True),
    Case("li6ps5cl", _ARGYRODITE, "Li", "h2", "tune", second_member=True),
    Case("li3ocl", ("Li", "Na"), "Li", "h1", "report"),
    Case("li3ocl", ("Li", "Na"), "Na", "h1", "tune"),
    Case("lisc2s4", ("Li", "Na"), "Li", "h1", "tune"),
    Case("lisc2s4", ("Li", "Na"), "Na", "h1", "report"),
)


def interleaved(cases: list[Case]) -> list[Case]:
    """Order hops so that a run that is stopped has seen every framework alike."""
    same = {case: [each for each in cases if each.framework == case.framework] for case in cases}
    return sorted(cases, key=lambda case: same[case].index(case) / len(same[case]))
