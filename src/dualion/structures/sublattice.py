"""The partly occupied sites of a cell, and what may stand on each."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import comb, prod
from typing import TYPE_CHECKING, Self

import numpy as np

from dualion.errors import StructureError
from dualion.records import Geometry, IntMatrix3, as_vectors
from dualion.structures.spacegroup import call_spglib
from dualion.structures.symmetry import SYMPREC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pymatgen.core import Composition, Structure

EMPTY = ""
"""Name of the occupant of an empty site."""

CLOSE = 0.82
"""Sites nearer than this share of the covalent radii's sum exclude each other.

It lies above the halves of split sites (Li–Li 1.9 Å, 0.73) and below bonds (P–O 1.5 Å, 0.87)."""

WHOLE = 0.02
"""A number of atoms this close to a whole one counts as whole (rounded occupancies)."""


@dataclass(frozen=True)
class SiteGroup:
    """Sites that symmetry makes equivalent, and the shares of their occupants."""

    sites: tuple[int, ...]
    shares: tuple[tuple[str, float], ...]


def disordered_sites(structure: Structure) -> tuple[SiteGroup, ...]:
    """Group the partly occupied sites by symmetry; the share of :data:`EMPTY` is included."""
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    data = SpacegroupAnalyzer(structure, symprec=SYMPREC).get_symmetry_dataset()
    orbit = data.equivalent_atoms if data is not None else range(len(structure))
    groups: dict[int, list[int]] = {}
    for index, site in enumerate(structure):
        if not site.is_ordered:
            groups.setdefault(int(orbit[index]), []).append(index)
    result = []
    for sites in groups.values():
        shares = {str(sp): float(x) for sp, x in structure[sites[0]].species.items()}
        empty = 1.0 - sum(shares.values())
        if empty > 1e-3:
            shares[EMPTY] = empty
        result.append(SiteGroup(tuple(sites), tuple(sorted(shares.items()))))
    return tuple(result)


def _whole(group: SiteGroup, multiple: int) -> tuple[int, ...] | None:
    """Count each occupant in so many primitive cells; None if that is not whole."""
    sites = multiple * len(group.sites)
    exact = [share * sites for _, share in group.shares]
    counts = tuple(round(x) for x in exact)
    fits = sum(counts) == sites and all(
        abs(x - n) <= max(WHOLE, 1e-3 * sites) and (n > 0 or not name)
        for x, n, (name, _) in zip(exact, counts, group.shares, strict=True)
    )
    return counts if fits else None


def integer_multiple(
    structure: Structure, groups: tuple[SiteGroup, ...], max_multiple: int
) -> tuple[int, IntMatrix3]:
    """Smallest multiple of the cell with whole numbers of atoms, and its most compact shape.

    Raises
    ------
    StructureError
        If there is none up to ``max_multiple``; the nearest shares that fit are named.
    """
    for multiple in range(1, max_multiple + 1):
        if all(_whole(group, multiple) for group in groups):
            return multiple, _compact(structure.lattice.matrix, multiple)
    group = next(g for g in groups if _whole(g, 1) is None)
    name, share = next((n, x) for n, x in group.shares if n)
    sites = len(group.sites)
    low = int(share * sites)
    raise StructureError(
        f"occupancy {share:.4g} of {name} on {sites} equivalent sites gives no whole number of "
        f"atoms in up to {max_multiple} primitive cells",
        where=f"site {group.sites[0] + 1}",
        remedy=f"round it, e.g. to {low}/{sites} = {low / sites:.4g} or "
        f"{low + 1}/{sites} = {(low + 1) / sites:.4g}, keeping the formula neutral",
    )


def sublattices(multiple: int) -> Iterator[IntMatrix3]:
    """All distinct supercells of one size, as Hermite normal forms (rows: vectors)."""
    for a in (d for d in range(1, multiple + 1) if multiple % d == 0):
        rest = multiple // a
        for b in (d for d in range(1, rest + 1) if rest % d == 0):
            for i, j, k in itertools.product(range(a), range(a), range(b)):
                yield (a, 0, 0), (i, b, 0), (j, k, rest // b)


def _compact(cell: NDArray[np.float64], multiple: int) -> IntMatrix3:
    """Among all supercells of this size, the one whose shortest vector is longest.

    Among equals the one with the shortest edges.
    """
    from pymatgen.core import Lattice

    def edges(matrix: IntMatrix3) -> tuple[float, float]:
        lengths = Lattice(np.array(matrix) @ cell).get_lll_reduced_lattice().abc
        return -round(min(lengths), 5), round(sum(lengths), 5)

    return min(sublattices(multiple), key=edges)


@dataclass(frozen=True)
class Sublattice:
    """All sites of a cell; some are fixed, the others hold one of their options.

    A label is a place in ``names``. The sites stand in an order that puts those which exclude
    each other side by side.
    """

    cell: NDArray[np.float64]
    fractional: NDArray[np.float64]
    """Of all sites, shape (n, 3)."""
    names: tuple[str, ...]
    """What a label means; the first is :data:`EMPTY`."""
    fixed: dict[int, int]
    """Label of each fixed site."""
    sites: tuple[int, ...]
    """The other sites."""
    group: tuple[int, ...]
    """Group of each of these."""
    options: tuple[tuple[int, ...], ...]
    """Labels that each of these may hold."""
    counts: tuple[tuple[int, ...], ...]
    """How often each option of a group is taken."""
    conflicts: tuple[tuple[tuple[int, float], ...], ...]
    """Places within reach of each, with the distance in Å."""
    reach: NDArray[np.float64]
    """Distance in Å below which two labels exclude each other, shape (labels, labels)."""
    blocked: frozenset[tuple[int, int]]
    """(place, label) that a fixed site forbids."""
    permutations: NDArray[np.intp]
    """Where each symmetry operation takes the sites, shape (operations, sites)."""

    @classmethod
    def of(cls, structure: Structure, matrix: IntMatrix3, min_distance: float | None) -> Self:
        """Lay out the sites of a supercell of a disordered structure."""
        big = structure.copy()
        big.make_supercell(np.array(matrix), to_unit_cell=True)
        multiple = round(abs(np.linalg.det(np.array(matrix))))
        groups = disordered_sites(structure)
        # A supercell keeps the copies of each site together.
        member = {
            s * multiple + k: g
            for g, group in enumerate(groups)
            for s in group.sites
            for k in range(multiple)
        }
        named = {str(sp) for site in big for sp in site.species}
        names = (EMPTY, *sorted(named))
        fixed = {
            i: names.index(str(next(iter(site.species))))
            for i, site in enumerate(big)
            if i not in member
        }
        reach = _reach(names, min_distance)
        distance = big.distance_matrix
        np.fill_diagonal(distance, np.inf)
        sites = _side_by_side(sorted(member), distance, float(reach.max()))
        counts = []
        for group in groups:
            whole = _whole(group, multiple)
            if whole is None:
                raise ValueError(group)
            counts.append(whole)
        options = [tuple(names.index(n) for n, _ in group.shares) for group in groups]
        place = {site: k for k, site in enumerate(sites)}
        # Only where a site may stay empty can a short distance be a matter of choice.
        loose = {s for s in sites if 0 in options[member[s]]}
        conflicts = tuple(
            tuple(
                (place[o], float(distance[s, o]))
                for o in sites
                if distance[s, o] < reach.max() and (s in loose or o in loose)
            )
            for s in sites
        )
        blocked = frozenset(
            (place[s], label)
            for s in loose
            for o, other in fixed.items()
            for label in options[member[s]]
            if distance[s, o] < reach[label, other]
        )
        return cls(
            cell=big.lattice.matrix,
            fractional=big.frac_coords,
            names=names,
            fixed=fixed,
            sites=sites,
            group=tuple(member[s] for s in sites),
            options=tuple(options[member[s]] for s in sites),
            counts=tuple(counts),
            conflicts=conflicts,
            reach=reach,
            blocked=blocked,
            permutations=_permutations(big, sites),
        )

    @property
    def arrangements(self) -> int:
        """Ways to distribute the occupants of every group, overlapping or not."""
        return prod(multinomial(counts) for counts in self.counts)

    @property
    def composition(self) -> Composition:
        """Content of the cell."""
        from pymatgen.core import Composition, get_el_sp

        amounts: dict[str, float] = {}
        for label in self.fixed.values():
            name = self.names[label]
            amounts[name] = amounts.get(name, 0) + 1
        for group, counts in enumerate(self.counts):
            options = self.options[self.group.index(group)]
            for label, count in zip(options, counts, strict=True):
                if label:
                    amounts[self.names[label]] = amounts.get(self.names[label], 0) + count
        return Composition({get_el_sp(name): amount for name, amount in amounts.items()})

    @property
    def formula(self) -> str:
        """Content of the cell, e.g. ``Li6 P1 S5 Cl1``."""
        return str(self.composition.element_composition.formula)

    def charges(self, guess: dict[str, float] | None) -> NDArray[np.float64] | None:
        """Charge of each label: the file's, else the guessed; None if neither is neutral."""
        from pymatgen.core import get_el_sp

        kinds = [get_el_sp(name) for name in self.names[1:]]
        states = [getattr(kind, "oxi_state", None) for kind in kinds]
        if all(state is not None for state in states):
            total = sum(float(sp.oxi_state or 0) * n for sp, n in self.composition.items())
            if abs(total) < 1e-6:
                return np.array([0.0, *(float(state or 0) for state in states)])
        if guess is None or not any(guess.values()):
            return None
        return np.array([0.0, *(guess[kind.symbol] for kind in kinds)])

    def fixed_charges(self, charges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Charges of the fixed sites, zero elsewhere, shape (n,)."""
        q = np.zeros(len(self.fractional))
        for site, label in self.fixed.items():
            q[site] = charges[label]
        return q

    def clashes(self, site: int, label: int, labels: list[int]) -> bool:
        """Whether a label is forbidden beside others (stored plus one; 0 is not yet set)."""
        if not label:
            return False
        if (site, label) in self.blocked:
            return True
        return any(
            labels[other] > 1 and distance < self.reach[label, labels[other] - 1]
            for other, distance in self.conflicts[site]
        )

    def allowed(self, labels: NDArray[np.int16]) -> bool:
        """Whether no two occupants of an arrangement come too close."""
        plain = [int(x) + 1 for x in labels]
        return not any(self.clashes(k, plain[k] - 1, plain) for k in range(len(plain)))

    def draw(self, rng: np.random.Generator) -> NDArray[np.int16] | None:
        """Draw an arrangement without overlap, or None if the draw ended in a dead end."""
        labels = [0] * len(self.sites)
        left = [list(counts) for counts in self.counts]
        for k in rng.permutation(len(self.sites)):
            group, options = left[self.group[k]], self.options[k]
            fits = [
                i
                for i, label in enumerate(options)
                if group[i] and not self.clashes(int(k), label, labels)
            ]
            # Filling before emptying keeps close pairs from using up the empty places.
            fits = [i for i in fits if options[i]] or fits
            if not fits:
                return None
            share = np.array([group[i] for i in fits], dtype=float)
            pick = int(rng.choice(fits, p=share / share.sum()))
            group[pick] -= 1
            labels[k] = options[pick] + 1
        return np.array(labels, dtype=np.int16) - np.int16(1)

    def exchanges(
        self, labels: NDArray[np.int16], limit: int, rng: np.random.Generator
    ) -> NDArray[np.int16]:
        """Arrangements one exchange of two unlike occupants of a group away, at most ``limit``."""
        group = np.array(self.group)
        i, j = np.triu_indices(len(labels), 1)
        unlike = np.flatnonzero((group[i] == group[j]) & (labels[i] != labels[j]))
        pick = rng.permutation(unlike)[:limit]
        moves = np.tile(labels, (len(pick), 1))
        rows = np.arange(len(pick))
        moves[rows, i[pick]], moves[rows, j[pick]] = labels[j[pick]], labels[i[pick]]
        keep = np.array([self.allowed(move) for move in moves], dtype=bool)
        return np.asarray(moves[keep], dtype=np.int16)

    def geometry(self, labels: NDArray[np.int16]) -> Geometry:
        """Build the ordered cell, sites sorted by element."""
        from pymatgen.core import get_el_sp

        label = {**self.fixed, **dict(zip(self.sites, labels.tolist(), strict=True))}
        rows = sorted(
            (get_el_sp(self.names[kind]).Z, get_el_sp(self.names[kind]).symbol, site)
            for site, kind in label.items()
            if kind
        )
        a, b, c = as_vectors(self.cell)
        return Geometry(
            lattice=(a, b, c),
            species=tuple(symbol for _, symbol, _ in rows),
            positions=as_vectors(self.fractional[[site for *_, site in rows]] @ self.cell),
        )


def multinomial(counts: tuple[int, ...]) -> int:
    """Ways to put that many of each kind on as many sites, exactly."""
    total, ways = 0, 1
    for count in counts:
        total += count
        ways *= comb(total, count)
    return ways


def _reach(names: tuple[str, ...], min_distance: float | None) -> NDArray[np.float64]:
    from ase.data import covalent_radii
    from pymatgen.core import get_el_sp

    radii = np.array([0.0, *(covalent_radii[get_el_sp(name).Z] for name in names[1:])])
    reach = CLOSE * (radii[:, None] + radii)
    if min_distance is not None:
        reach[:] = min_distance
    reach[0] = reach[:, 0] = 0.0
    return np.asarray(reach, dtype=float)


def _side_by_side(sites: list[int], distance: NDArray[np.float64], reach: float) -> tuple[int, ...]:
    """Order sites so that those within reach of each other follow each other."""
    ordered: list[int] = []
    waiting = list(sites)
    while waiting:
        queue = [waiting.pop(0)]
        while queue:
            site = queue.pop(0)
            ordered.append(site)
            near = [o for o in waiting if distance[site, o] < reach]
            queue += near
            waiting = [o for o in waiting if o not in near]
    return tuple(ordered)


def _permutations(structure: Structure, sites: tuple[int, ...]) -> NDArray[np.intp]:
    """Permutations of some sites by the space group (translations within the cell too)."""
    import spglib

    kinds: dict[str, int] = {}
    numbers = [kinds.setdefault(site.species_string, len(kinds) + 1) for site in structure]
    found = call_spglib(
        spglib.get_symmetry,
        structure.lattice.matrix,
        structure.frac_coords,
        numbers,
        symprec=SYMPREC,
    )
    fractional = structure.frac_coords[list(sites)]
    identity = np.arange(len(sites))
    rows = [identity]
    for rotation, translation in zip(
        *((found["rotations"], found["translations"]) if found is not None else ((), ())),
        strict=True,
    ):
        image = fractional @ np.asarray(rotation).T + translation
        delta = image[:, None] - fractional[None]
        delta -= np.round(delta)
        away = np.linalg.norm(delta @ structure.lattice.matrix, axis=2)
        target = away.argmin(axis=1)
        # An operation that only nearly holds would merge what is distinct: leave it out.
        if away.min(axis=1).max() < 10 * SYMPREC and len(set(target.tolist())) == len(sites):
            rows.append(target)
    return np.unique(np.array(rows, dtype=np.intp), axis=0)
