"""Which working-ion sites of a supercell hold the second cation."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from dualion.errors import CationError, InputError, StructureError
from dualion.records import Arrangement, Geometry, Record, Substitution, Supercell
from dualion.structures.displacement import distances
from dualion.structures.symmetry import find_symmetry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    IntArray = NDArray[np.intp]

SHELLS = 4
"""Neighbour shells of the working-ion sublattice that enter the score."""
SHELL_GAP = 0.15
"""Distances farther apart than this belong to different shells, in Å."""


class DopingChoice(Record):
    """The arrangements chosen, and how many were looked at to choose them."""

    arrangements: tuple[Arrangement, ...]
    tried: int
    not_tried: int
    notes: tuple[str, ...] = ()


def arrangements(
    supercell: Supercell,
    *,
    working_ion: str,
    dopant: str,
    kind: Literal["pure", "dilute", "full"] | float,
    count: int = 1,
    seed: int = 0,
    max_tries: int = 500,
    exclude: tuple[int, ...] = (),
    near: int | None = None,
    mover: str | None = None,
) -> DopingChoice:
    r"""Choose how the working-ion sites are shared between two cations, best first.

    * ``'pure'``: no dopant. ``'full'`` (or 1.0): the dopant on every working-ion site.
    * ``'dilute'``: one dopant. If ``mover`` is the dopant it is that one, and nothing else is
      substituted; otherwise it takes one of the symmetry-distinct sites, nearest to ``near``
      first (score: that distance in Å), or in site order without ``near``.
    * a fraction x: ``round(x N)`` dopants on N sites, ranked by how closely the pair
      correlations come to those of the random alloy (special quasi-random structures, doi
      10.1103/PhysRevLett.65.353). With the spin σ = +1 for a dopant and −1 for the working ion,
      the score is

      .. math:: \sum_{s=1}^{4} \left|\langle\sigma\sigma\rangle_s - (2x-1)^2\right|

      over the first four neighbour shells of the sublattice, images included; 0 is a perfectly
      random pair statistics. It is not an energy: point-charge sums cannot tell two monovalent
      cations apart. All arrangements are scored if there are at most ``max_tries``, else
      ``max_tries`` different ones drawn at random; only one of symmetry-equivalent ones is
      returned.

    Parameters
    ----------
    supercell
        The cell to dope; its working ions are the sites.
    working_ion, dopant
        Chemical symbols of the host's ion and of the second one.
    kind
        See above.
    count
        Largest number of arrangements returned.
    seed
        Of the random draw.
    max_tries
        Largest number of arrangements scored.
    exclude
        Supercell atoms that keep the working ion, such as the ends of the hop; ignored by
        ``'full'``. Symmetry is then only that which leaves each of them in place.
    near
        Supercell atom that a dilute dopant is ranked by its distance to.
    mover
        The moving ion, if the arrangement is for one hop.

    Returns
    -------
    DopingChoice
        ``tried`` and ``not_tried`` add up to the number of arrangements in this cell, those
        equivalent by symmetry counted one by one.

    Raises
    ------
    InputError
        If the fraction is outside 0–1 or rounds to no ion at all, if a number or an atom index is
        out of range, or if both ions are the same.
    StructureError
        If the cell has no such working ion, or too few sites are left.
    CationError
        If the dopant is no chemical symbol.
    """
    sites = _sites(supercell, working_ion, dopant)
    size = len(supercell.geometry)
    _check_numbers(count, max_tries, (*exclude, *(() if near is None else (near,))), size)
    if kind == "pure":
        return DopingChoice(
            arrangements=(Arrangement(label="pure", fraction=0.0),), tried=1, not_tried=0
        )
    if kind in {"full", 1.0}:
        everywhere = tuple(Substitution(atom=k, species=dopant) for k in sites)
        return DopingChoice(
            arrangements=(Arrangement(label="full", fraction=1.0, substitutions=everywhere),),
            tried=1,
            not_tried=0,
        )
    if kind == "dilute":
        if mover == dopant:
            alone = Arrangement(label="dilute", fraction=1.0 / len(sites))
            return DopingChoice(arrangements=(alone,), tried=1, not_tried=0)
        free = _free(sites, exclude, needed=1)
        return _dilute(supercell, dopant, sites, free=free, exclude=exclude, near=near, count=count)
    dopants = _dopants(kind, len(sites))
    free = _free(sites, exclude, needed=dopants)
    return _random_alloy(
        supercell,
        dopant,
        sites,
        free=free,
        exclude=exclude,
        dopants=dopants,
        count=count,
        seed=seed,
        max_tries=max_tries,
    )


def doped_geometry(host: Geometry, arrangement: Arrangement) -> Geometry:
    """Return the host with an arrangement's substitutions; positions stay.

    Raises
    ------
    InputError
        If the arrangement names an atom that the host does not have.
    """
    species = list(host.species)
    for change in arrangement.substitutions:
        if not 0 <= change.atom < len(host):
            raise InputError(
                f"no atom {change.atom} in a host of {len(host)} atoms",
                where=f"arrangement '{arrangement.label}'",
                remedy="use an arrangement made for this supercell",
            )
        species[change.atom] = change.species
    return Geometry(lattice=host.lattice, species=tuple(species), positions=host.positions)


def _sites(supercell: Supercell, working_ion: str, dopant: str) -> tuple[int, ...]:
    """Supercell atoms of the working ion."""
    from ase.data import atomic_numbers

    if dopant not in atomic_numbers:
        raise CationError(
            f"unknown dopant '{dopant}'", where="doping", remedy="give a chemical symbol such as Cu"
        )
    if dopant == working_ion:
        raise InputError(
            f"dopant and working ion are both {dopant}",
            where="doping",
            remedy="give a second cation",
        )
    sites = tuple(k for k, s in enumerate(supercell.geometry.species) if s == working_ion)
    if not sites:
        raise StructureError(
            f"no working ion {working_ion} in {supercell.geometry.formula}",
            where="doping",
            remedy="name an ion of the framework",
        )
    return sites


def _check_numbers(count: int, max_tries: int, atoms: Iterable[int], size: int) -> None:
    for name, value in (("count", count), ("max_tries", max_tries)):
        if value < 1:
            raise InputError(f"{name} is {value}", where="doping", remedy="give at least 1")
    for atom in atoms:
        if not 0 <= atom < size:
            raise InputError(
                f"no atom {atom} in a supercell of {size} atoms",
                where="doping",
                remedy=f"give an index from 0 to {size - 1}",
            )


def _dopants(fraction: float | str, sites: int) -> int:
    """Count the dopants of a fraction; at least one."""
    smallest = f"{1 / sites:.4g}"
    if isinstance(fraction, str) or not 0.0 <= fraction <= 1.0:
        raise InputError(
            f"doping {fraction!r} is neither 'pure', 'dilute', 'full' nor a fraction",
            where="doping",
            remedy=f"give a fraction from {smallest} (one of {sites} sites) to 1",
        )
    number = round(fraction * sites)
    if number == 0:
        raise InputError(
            f"fraction {fraction:g} of {sites} sites rounds to no ion",
            where="doping",
            remedy=f"give at least {smallest}, take a larger supercell, or say 'pure'",
        )
    return number


def _free(sites: tuple[int, ...], exclude: tuple[int, ...], *, needed: int) -> tuple[int, ...]:
    """Sites that may be doped."""
    free = tuple(k for k in sites if k not in exclude)
    if len(free) < needed:
        raise StructureError(
            f"{needed} dopants for {len(free)} free sites ({len(sites) - len(free)} are kept)",
            where="doping",
            remedy="lower the fraction, say 'full', or take a larger supercell",
        )
    return free


def _dilute(
    supercell: Supercell,
    dopant: str,
    sites: tuple[int, ...],
    *,
    free: tuple[int, ...],
    exclude: tuple[int, ...],
    near: int | None,
    count: int,
) -> DopingChoice:
    """One dopant on each symmetry-distinct site."""
    fixed = exclude if near is None else (*exclude, near)
    distinct: list[int] = []
    covered: set[int] = set()
    maps = _symmetry_maps(supercell.geometry, fixed)
    for site in free:
        if site not in covered:
            distinct.append(site)
            covered.update(int(k) for k in maps[:, site])
    scores: dict[int, float] = {}
    if near is not None:
        geometry = supercell.geometry
        apart = distances(geometry.xyz[near][None], geometry.xyz[distinct], geometry.cell)[0]
        scores = {site: float(d) for site, d in zip(distinct, apart, strict=True)}
        # Rounded, so that equal distances keep the order of the sites.
        distinct.sort(key=lambda site: (round(scores[site], 4), site))
    chosen = tuple(
        Arrangement(
            label="dilute" if rank == 0 else f"dilute #{rank + 1}",
            fraction=1.0 / len(sites),
            substitutions=(Substitution(atom=site, species=dopant),),
            rank=rank,
            score=scores.get(site),
        )
        for rank, site in enumerate(distinct[:count])
    )
    note = f"{len(distinct)} symmetry-distinct sites for one {dopant}"
    return DopingChoice(arrangements=chosen, tried=len(free), not_tried=0, notes=(note,))


def _random_alloy(
    supercell: Supercell,
    dopant: str,
    sites: tuple[int, ...],
    *,
    free: tuple[int, ...],
    exclude: tuple[int, ...],
    dopants: int,
    count: int,
    seed: int,
    max_tries: int,
) -> DopingChoice:
    """Arrangements of several dopants, the most random-like first."""
    total = math.comb(len(free), dopants)
    shells = _shells(supercell.geometry, sites)
    rows = {site: row for row, site in enumerate(sites)}
    scored = []
    drawn = (
        itertools.combinations(free, dopants)
        if total <= max_tries
        else _draw(free, dopants, max_tries, seed)
    )
    for doped in drawn:
        spins = -np.ones(len(sites))
        spins[[rows[k] for k in doped]] = 1.0
        scored.append((round(_score(spins, shells), 9), doped))
    scored.sort()
    kept = _inequivalent(scored, _symmetry_maps(supercell.geometry, exclude), count)
    fraction = dopants / len(sites)
    chosen = tuple(
        Arrangement(
            label=f"x={fraction:.3g} #{rank + 1}",
            fraction=fraction,
            substitutions=tuple(Substitution(atom=k, species=dopant) for k in doped),
            rank=rank,
            score=score,
            seed=None if total <= max_tries else seed,
        )
        for rank, (score, doped) in enumerate(kept)
    )
    notes = [f"{dopants} of {len(sites)} sites doped, {len(scored)} of {total} arrangements scored"]
    if len(chosen) < count:
        notes.append(f"only {len(chosen)} symmetry-distinct arrangements of {count} asked for")
    return DopingChoice(
        arrangements=chosen,
        tried=len(scored),
        not_tried=total - len(scored),
        notes=tuple(notes),
    )


def _draw(free: tuple[int, ...], dopants: int, tries: int, seed: int) -> Iterator[tuple[int, ...]]:
    """Draw different arrangements at random; there are more of them than tries."""
    rng = np.random.default_rng(seed)
    seen: set[tuple[int, ...]] = set()
    while len(seen) < tries:
        picked = rng.choice(len(free), size=dopants, replace=False)
        doped = tuple(sorted(free[k] for k in picked))
        if doped not in seen:
            seen.add(doped)
            yield doped


def _shells(geometry: Geometry, sites: tuple[int, ...]) -> tuple[tuple[IntArray, IntArray], ...]:
    """Pairs of the first neighbour shells, as rows into the list of sites; images included."""
    from ase import Atoms
    from ase.neighborlist import neighbor_list

    sublattice = Atoms(["X"] * len(sites), positions=geometry.xyz[list(sites)], pbc=True)
    sublattice.cell[:] = geometry.cell
    reach = (geometry.volume / len(sites)) ** (1 / 3)
    for widening in (2.0, 3.0, 4.0, 6.0):
        first, second, apart = neighbor_list("ijd", sublattice, widening * reach)
        order = np.argsort(apart, kind="stable")
        shell = np.cumsum(np.diff(apart[order], prepend=apart[order][:1]) > SHELL_GAP)
        # The last shell may be cut by the reach, so one more is asked for.
        if len(shell) and shell[-1] >= SHELLS:
            break
    return tuple(
        (first[order][shell == s], second[order][shell == s])
        for s in range(min(SHELLS, int(shell[-1]) if len(shell) else 0))
    )


def _score(spins: Array, shells: tuple[tuple[IntArray, IntArray], ...]) -> float:
    """Deviation of the pair correlations from the random alloy's, summed over shells."""
    target = float(spins.mean()) ** 2
    return sum(abs(float((spins[i] * spins[j]).mean()) - target) for i, j in shells)


def _symmetry_maps(geometry: Geometry, fixed: tuple[int, ...]) -> IntArray:
    """Atom maps of the space group, shape (operations, n); each keeps the fixed atoms in place."""
    from scipy.spatial import cKDTree

    symmetry = find_symmetry(geometry)
    fractional = geometry.fractional % 1.0 % 1.0  # twice: -1e-17 % 1.0 is 1.0
    tree = cKDTree(fractional, boxsize=1.0)

    def maps(operations: NDArray[np.bool_], atoms: list[int]) -> IntArray:
        images = np.einsum("mij,nj->mni", symmetry.rotations[operations], fractional[atoms])
        images = (images + symmetry.translations[operations, None]) % 1.0 % 1.0
        found: IntArray = tree.query(images)[1]
        return found

    every = np.ones(len(symmetry.rotations), dtype=bool)
    # A large supercell has thousands of operations (translations); few keep the fixed atoms.
    keeping = (maps(every, list(fixed)) == np.array(fixed, dtype=int)).all(axis=1)
    return maps(keeping, list(range(len(fractional))))


def _inequivalent(
    scored: list[tuple[float, tuple[int, ...]]], maps: IntArray, count: int
) -> list[tuple[float, tuple[int, ...]]]:
    """Take the first arrangements that no operation maps onto an earlier one."""
    kept: list[tuple[float, tuple[int, ...]]] = []
    covered: set[tuple[int, ...]] = set()
    for score, doped in scored:
        if len(kept) == count:
            break
        if doped not in covered:
            kept.append((score, doped))
            covered.update(map(tuple, np.sort(maps[:, list(doped)], axis=1).tolist()))
    return kept
