"""Ordering the partly occupied sites of a disordered crystal."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.errors import StructureError
from dualion.records import Geometry, IntMatrix3, Record
from dualion.structures.charges import guess_charges
from dualion.structures.check import check_structure
from dualion.structures.spacegroup import find_space_group
from dualion.structures.sublattice import Sublattice, disordered_sites, integer_multiple
from dualion.structures.symmetry import SYMPREC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pymatgen.core import Structure

    Labels = NDArray[np.int16]

MAX_MOVES = 500
"""No more exchanges than this are looked at before the best of them is made."""

MAX_MULTIPLE = 8
"""No cell of more primitive cells than this is tried to make the counts whole."""


class OrderedCandidate(Record):
    """One ordered arrangement."""

    geometry: Geometry
    energy: float | None = Field(
        description="Electrostatic (Ewald) energy of point charges, in eV/atom; None: no charges."
    )
    space_group: str
    weight: int = Field(description="Arrangements that symmetry makes equal to this one.")


class Ordering(Record):
    """What ordering a structure gave, and how much was not looked at."""

    candidates: tuple[OrderedCandidate, ...] = Field(
        description="Distinct by symmetry; lowest energy first, then highest symmetry."
    )
    arrangements: int = Field(
        description="Ways to put the atoms on the partly occupied sites of this cell."
    )
    tried: int = Field(description="Of these, how many were built or ruled out.")
    overlapping: int = Field(description="Of those tried, ruled out because atoms come too close.")
    not_tried: int = Field(description="``arrangements − tried``.")
    multiple: int = Field(description="Primitive cells in the cell used.")
    matrix: IntMatrix3 = Field(description="Rows: vectors of the cell used in primitive ones.")
    formula: str = Field(description="Content of the cell used.")

    @property
    def complete(self) -> bool:
        """Whether every arrangement of this cell was looked at."""
        return self.not_tried == 0


def order(
    structure: Structure,
    *,
    max_candidates: int = 10,
    max_tries: int = 20_000,
    seed: int = 0,
    min_distance: float | None = None,
    max_multiple: int = MAX_MULTIPLE,
) -> Ordering:
    """Find ordered arrangements of a disordered structure.

    Works on the primitive cell, or on its smallest, most compact multiple in which every
    occupancy gives a whole number of atoms. All arrangements are listed if that takes no more
    than ``max_tries``; otherwise arrangements are drawn at random and improved by exchanging
    occupants while the electrostatic energy falls, until ``max_tries`` have been seen. Nothing
    beyond that is guessed: ``not_tried`` says how many were left out.

    The rank is the Ewald energy of point charges: those of the file, or usual oxidation states.
    Without either (an alloy) higher symmetry comes first.

    Parameters
    ----------
    structure
        A structure with partly occupied sites.
    max_candidates
        How many distinct arrangements are returned at most.
    max_tries
        How many arrangements are looked at, at most.
    seed
        Of the random draws.
    min_distance
        Two sites closer than this, in Å, are never both occupied if one of them may be empty;
        None takes 0.82 of the sum of covalent radii, which separates the halves of split sites
        (1.9 Å in argyrodites) from neighbours.
    max_multiple
        Largest multiple of the primitive cell.

    Raises
    ------
    StructureError
        If the cell is unusable, nothing is disordered, no multiple gives whole numbers, or
        every arrangement has atoms that overlap.
    """
    if structure.is_ordered:
        raise StructureError(
            f"every site is fully occupied ({structure.composition.formula})",
            remedy="there is nothing to order; add the file as it is",
        )
    for problem in check_structure(structure, None):
        if problem.severity == "error" and problem.code != "disorder":
            raise StructureError(problem.message, where=problem.field, remedy=problem.remedy)
    primitive = _primitive(structure)
    groups = disordered_sites(primitive)
    multiple, matrix = integer_multiple(primitive, groups, max_multiple)
    lattice = Sublattice.of(primitive, matrix, min_distance)
    energies = _Energies(lattice)
    found, tried, overlapping = _search(lattice, energies, max_tries, np.random.default_rng(seed))
    if not len(found):
        raise StructureError(
            f"atoms overlap in every one of {tried} arrangements"
            if tried
            else f"no arrangement without overlapping atoms found in {max_tries} draws",
            where=lattice.formula,
            remedy="check the occupancies of sites that lie close together, or give a smaller "
            "minimum distance",
        )
    return Ordering(
        candidates=_distinct(lattice, energies, found, max_candidates),
        arrangements=lattice.arrangements,
        tried=tried,
        overlapping=overlapping,
        not_tried=lattice.arrangements - tried,
        multiple=multiple,
        matrix=matrix,
        formula=lattice.formula,
    )


def _primitive(structure: Structure) -> Structure:
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    found = SpacegroupAnalyzer(structure, symprec=SYMPREC).find_primitive()
    return structure if found is None else found


class _Energies:
    """Electrostatic energy of arrangements by one Ewald sum over all sites.

    With unit charges the sum gives a matrix M; an arrangement with charges q (zero on empty
    sites) then has the energy qᵀ M q, in eV, if the cell is neutral.
    """

    def __init__(self, lattice: Sublattice) -> None:
        self.charges = lattice.charges(guess_charges(lattice.composition))
        self.matrix: NDArray[np.float64] | None = None
        if self.charges is not None:
            from pymatgen.analysis.ewald import EwaldSummation
            from pymatgen.core import Lattice, Structure

            units = Structure(
                Lattice(lattice.cell),
                ["H"] * len(lattice.fractional),
                lattice.fractional,
                site_properties={"charge": [1.0] * len(lattice.fractional)},
            )
            units.add_oxidation_state_by_site([1.0] * len(units))
            self.matrix = np.asarray(EwaldSummation(units).total_energy_matrix, dtype=float)

    def __call__(self, lattice: Sublattice, labels: Labels) -> NDArray[np.float64]:
        """Energies of arrangements, shape (m,), in eV per cell; zero without charges."""
        if self.matrix is None or self.charges is None:
            return np.zeros(len(labels))
        q = np.tile(lattice.fixed_charges(self.charges), (len(labels), 1))
        q[:, lattice.sites] = self.charges[labels]
        return np.asarray(np.einsum("mi,ij,mj->m", q, self.matrix, q, optimize=True))


def _search(
    lattice: Sublattice, energies: _Energies, max_tries: int, rng: np.random.Generator
) -> tuple[Labels, int, int]:
    """Arrangements without overlap, how many were accounted for, how many of these overlap."""
    # Whole branches that overlap are cut at once: 40 steps an arrangement is ample.
    listed = list(itertools.islice(_steps(lattice, max_steps=40 * max_tries), max_tries + 1))
    if len(listed) <= max_tries and None not in listed:
        found = np.array(listed, dtype=np.int16).reshape(len(listed), len(lattice.sites))
        return found, lattice.arrangements, lattice.arrangements - len(found)
    found = _sample(lattice, energies, max_tries, rng)
    return found, len(found), 0


def _steps(lattice: Sublattice, max_steps: int) -> Iterator[tuple[int, ...] | None]:
    """List all arrangements without overlap; end with None if ``max_steps`` did not suffice."""
    left = [list(counts) for counts in lattice.counts]
    labels = [0] * len(lattice.sites)
    # Neighbours that exclude each other stand next to each other: dead ends show early.
    choices: list[Iterator[int]] = [iter(lattice.options[0])]
    steps = 0
    while choices:
        site = len(choices) - 1
        group = left[lattice.group[site]]
        options = lattice.options[site]
        if labels[site]:  # take back the last try at this site
            group[options.index(labels[site] - 1)] += 1
            labels[site] = 0
        steps += 1
        if steps > max_steps:
            yield None
            return
        label = next(choices[-1], None)
        if label is None:
            choices.pop()
            continue
        if group[options.index(label)] == 0 or lattice.clashes(site, label, labels):
            continue
        group[options.index(label)] -= 1
        labels[site] = label + 1
        if site + 1 < len(labels):
            choices.append(iter(lattice.options[site + 1]))
        else:
            yield tuple(value - 1 for value in labels)


def _sample(
    lattice: Sublattice, energies: _Energies, max_tries: int, rng: np.random.Generator
) -> Labels:
    """Draw arrangements and walk downhill from each by exchanging two occupants."""
    seen: dict[bytes, Labels] = {}
    for _ in range(max_tries):
        labels = lattice.draw(rng)
        if labels is None:
            continue
        energy = float(energies(lattice, labels[None])[0])
        seen.setdefault(labels.tobytes(), labels)
        while len(seen) < max_tries:
            moves = lattice.exchanges(labels, min(MAX_MOVES, max_tries - len(seen)), rng)
            if not len(moves):
                break
            values = energies(lattice, moves)
            for move in moves:
                seen.setdefault(move.tobytes(), move)
            best = int(np.argmin(values))
            if values[best] >= energy - 1e-6:
                break
            labels, energy = moves[best], float(values[best])
        if len(seen) >= max_tries:
            break
    return np.array(list(seen.values()), dtype=np.int16).reshape(len(seen), len(lattice.sites))


def _distinct(
    lattice: Sublattice, energies: _Energies, found: Labels, max_candidates: int
) -> tuple[OrderedCandidate, ...]:
    """Keep one of each symmetry class, lowest energies first."""
    values = energies(lattice, found)
    known: set[bytes] = set()
    kept: list[tuple[float, int, OrderedCandidate]] = []
    for index in np.lexsort((np.arange(len(values)), np.round(values, 6))):
        # A class is met whole in the exact listing; ties at the cut are looked at as well,
        # so that the most symmetric of them comes first.
        full = len(kept) >= max_candidates
        if full and (values[index] > kept[-1][0] + 1e-6 or len(kept) >= 20 * max_candidates):
            break
        images = np.unique(found[index][lattice.permutations], axis=0)
        if images[0].tobytes() in known:
            continue
        known.add(images[0].tobytes())
        geometry = lattice.geometry(found[index])
        group = find_space_group(geometry)
        energy = None if energies.matrix is None else float(values[index]) / len(geometry)
        kept.append(
            (
                float(values[index]),
                -(group.operations if group else 0),
                OrderedCandidate(
                    geometry=geometry,
                    energy=energy,
                    space_group=group.symbol if group else "",
                    weight=len(images),
                ),
            )
        )
    kept.sort(key=lambda item: (round(item[0], 6), item[1]))
    return tuple(candidate for _, _, candidate in kept[:max_candidates])
