"""Bond-valence site energies: what a cation feels at any point of a rigid framework.

A level of theory of its own, good for ranking in seconds: nothing relaxes, and the working ions are
not there. Its barriers are no barriers of elastic bands and are never put beside them as equals.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.analysis.radii import electronegativity, ion_radius
from dualion.analysis.softbv import BONDS, Bond, attraction, bond_valence, repulsion
from dualion.errors import InputError
from dualion.settings import PhysicsSettings
from dualion.structures.charges import guess_charges
from dualion.structures.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from dualion.records import Framework, Geometry

LEVEL = "bond valence"
"""Name of this level of theory."""

_ROUND = 12
"""Grids have a multiple of this many points along an axis, so that special positions are on it."""

_BLOCK = 8
"""Points along an axis that are computed at once."""

_TRIED = 200
"""Numbers of working ions that are tried to make a framework neutral."""

_MAX_POINTS = 8_000_000
"""No grid has more points."""


class GridSettings(PhysicsSettings):
    """How finely and how far bond valences are looked at."""

    spacing: float = Field(0.2, ge=0.05, le=0.5, description="Widest gap of the grid, in Å.")
    reach: float = Field(8.0, ge=4.0, le=15.0, description="Neighbours within this count, in Å.")
    ceiling: float = Field(
        10.0, gt=0.0, description="Barriers above are none: the ion is blocked, in eV."
    )
    version: str = Field("1", description="Of parameters and method; part of a result's identity.")


@dataclass(frozen=True)
class Rigid:
    """A framework without its working ions, as bond valences see it.

    Parameters
    ----------
    cell
        Reduced cell vectors as rows, in Å.
    symbols
        Of the atoms that stay, shape (n,).
    charges
        Of the same, in elementary charges.
    around
        Their periodic copies; an atom's index is that in ``symbols``.
    sites
        Working-ion sites, Cartesian, shape (m, 3), in Å.
    reach
        Distance up to which atoms count, in Å.
    """

    cell: NDArray[np.float64]
    symbols: tuple[str, ...]
    charges: NDArray[np.float64]
    around: Surroundings
    sites: NDArray[np.float64]
    reach: float

    @property
    def anions(self) -> tuple[tuple[str, int], ...]:
        """Kinds of anions with their charges; a charge that is no whole number is rounded."""
        kinds = {
            (symbol, round(float(charge)))
            for symbol, charge in zip(self.symbols, self.charges, strict=True)
            if charge < 0
        }
        return tuple(sorted(kinds))

    def missing(self, ion: str) -> tuple[str, ...]:
        """Anions for which there are no parameters with a cation, e.g. ``F-1``."""
        table = BONDS.get(ion, {})
        return tuple(f"{symbol}{charge:+d}" for symbol, charge in self.anions
                     if (symbol, charge) not in table)  # fmt: skip


def rigid(framework: Framework, settings: GridSettings) -> Rigid:
    """Take the working ions out of a framework and give the rest oxidation states.

    Raises
    ------
    InputError
        If no oxidation states make it neutral, or nothing in it is an anion.
    """
    parent, ion = framework.parent, framework.working_ion
    place = f"framework {framework.name!r}"
    charges = charges_of(parent, ion, place)
    stays = [k for k, symbol in enumerate(parent.species) if symbol != ion]
    symbols = tuple(parent.species[k] for k in stays)
    values = np.array([charges[symbol] for symbol in symbols], dtype=float)
    if not (values < 0).any():
        raise InputError(
            f"nothing in {parent.formula} is an anion",
            where=place,
            remedy="bond valences need an ionic crystal; use an engine",
        )
    # A block of points lies within its diagonal of its middle.
    margin = settings.reach + _BLOCK * settings.spacing * 1.8
    around = Surroundings(parent.cell, parent.xyz[stays], margin)
    working = [k for k, symbol in enumerate(parent.species) if symbol == ion]
    return Rigid(
        cell=around.cell,
        symbols=symbols,
        charges=values,
        around=around,
        sites=around.wrap(parent.xyz[working]),
        reach=settings.reach,
    )


def charges_of(parent: Geometry, ion: str, place: str) -> dict[str, float]:
    """Give each element an oxidation state, as if its working ions were monovalent.

    Where nothing makes the crystal neutral (a framework with fewer of its ions than it can hold, as
    LiSc2S4), the number of monovalent working ions nearest to its own that does is assumed.

    Parameters
    ----------
    parent
        With its working ions.
    ion
        The working ion.
    place
        Named in the error.

    Returns
    -------
    dict
        Charge of each symbol, in elementary charges.

    Raises
    ------
    InputError
        If there is no such number.
    """
    from pymatgen.core import Composition

    counts = Counter(parent.species)
    own = counts[ion]
    for number in sorted(range(8 * own + 1), key=lambda count: (abs(count - own), count))[:_TRIED]:
        charges = guess_charges(Composition(counts | {ion: number}), ion)
        if charges is not None:
            return {**charges, ion: 1.0}
    raise InputError(
        f"no oxidation states make {parent.formula} neutral",
        where=place,
        remedy="bond valences need an ionic crystal; use an engine",
    )


@dataclass(frozen=True)
class Landscape:
    """Fields on a grid over the reduced cell, shape (l, m, n) each.

    Parameters
    ----------
    energies
        By ion, in eV; the zero is an ion far from everything.
    clearance
        Radius of the sphere that fits between the framework's ions, in Å.
    """

    energies: dict[str, NDArray[np.float64]]
    clearance: NDArray[np.float64]


def grid_shape(cell: NDArray[np.float64], spacing: float) -> tuple[int, int, int]:
    """Points along each axis: at most `spacing` apart, with all simple fractions among them.

    Raises
    ------
    InputError
        If there are too many.
    """
    lengths = np.linalg.norm(cell, axis=1)
    a, b, c = (_ROUND * int(np.ceil(length / (_ROUND * spacing) - 1e-9)) for length in lengths)
    if a * b * c > _MAX_POINTS:
        raise InputError(
            f"{a} × {b} × {c} points are too many",
            where="bond-valence grid",
            remedy=f"use a wider spacing than {spacing:g} Å",
        )
    return a, b, c


def landscape(framework: Rigid, ions: Iterable[str], spacing: float) -> Landscape:
    """Compute the bond-valence site energies of several ions on one grid.

    Parameters
    ----------
    framework
        From :func:`rigid`.
    ions
        Symbols, each with parameters for every anion of the framework.
    spacing
        Widest gap of the grid, in Å.

    Returns
    -------
    Landscape
        Energies of each ion, and the clearance.
    """
    shape = grid_shape(framework.cell, spacing)
    radii = ionic_radii(framework)
    energies = {ion: np.zeros(shape) for ion in ions}
    clearance = np.zeros(shape)
    for block, points in _blocks(framework.cell, shape):
        distances, atoms = _distances(framework, points)
        size = clearance[block].shape
        clearance[block] = (distances - radii[atoms]).min(axis=1).reshape(size)
        for ion, field in energies.items():
            field[block] = _energies(framework, ion, distances, atoms).reshape(size)
    return Landscape(energies=energies, clearance=clearance)


def site_energies(framework: Rigid, ion: str, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energy of an ion at points, shape (m, 3) in Å, alone in the framework; shape (m,), in eV."""
    each = [_distances(framework, point[None]) for point in points]
    return np.array([_energies(framework, ion, *one)[0] for one in each])


def valence_sums(framework: Rigid, ion: str, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Valence of an ion at points: the sum of its bonds; 1 where a monovalent ion fits.

    Parameters
    ----------
    framework
        From :func:`rigid`.
    ion
        With parameters for every anion of the framework.
    points
        Cartesian, shape (m, 3), in Å.

    Returns
    -------
    array
        Shape (m,): above 1 the site is too narrow, below too wide.
    """
    sums = []
    kinds = _kinds(framework, ion)
    for point in points:
        distances, atoms = _distances(framework, point[None])
        total = 0.0
        for members, bond, _ in kinds:
            if bond is not None:
                chosen = members[atoms] & (distances[0] <= framework.reach)
                total += float(bond_valence(distances[0, chosen], bond).sum())
        sums.append(total)
    return np.array(sums)


def ionic_radii(framework: Rigid) -> NDArray[np.float64]:
    """Shannon radii of the ions that stay, shape (n,), in Å (doi 10.1107/S0567739476001551)."""
    known = {
        (symbol, float(charge)): _radius(symbol, float(charge))
        for symbol, charge in zip(framework.symbols, framework.charges, strict=True)
    }
    pairs = zip(framework.symbols, framework.charges, strict=True)
    return np.array([known[symbol, float(charge)] for symbol, charge in pairs])


def _radius(symbol: str, charge: float) -> float:
    """Six-fold radius of the nearest charge of the same sign that has one, in Å."""
    from pymatgen.core import Element

    sign = -1 if charge < 0 else 1
    for state in sorted(range(1, 9), key=lambda state: abs(state - abs(charge))):
        try:
            return ion_radius(symbol, sign * state).radius
        except InputError:
            continue
    return float(Element(symbol).atomic_radius or 1.0)


def _blocks(
    cell: NDArray[np.float64], shape: tuple[int, int, int]
) -> Iterator[tuple[tuple[slice, slice, slice], NDArray[np.float64]]]:
    """Walk through the grid in compact blocks: where each lies, and its Cartesian points."""
    starts = (range(0, size, _BLOCK) for size in shape)
    for corner in product(*starts):
        i, j, k = (
            slice(start, min(start + _BLOCK, size))
            for start, size in zip(corner, shape, strict=True)
        )
        axes = [np.arange(s.start, s.stop) / size for s, size in zip((i, j, k), shape, strict=True)]
        fractional = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        yield (i, j, k), fractional @ cell


def _distances(
    framework: Rigid, points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distances of compact points to all copies that may matter, shape (m, c), and whose they are.

    Those of one atom beyond the reach of all points are left out.
    """
    from scipy.spatial.distance import cdist

    middle = points.mean(axis=0)
    spread = float(np.linalg.norm(points - middle, axis=1).max())
    _, atoms, offsets = framework.around.within(middle[None], framework.reach + spread)
    return cdist(points - middle, offsets), atoms


def _kinds(
    framework: Rigid, ion: str
) -> list[tuple[NDArray[np.bool_], Bond | None, tuple[int, float]]]:
    """Atoms by element: which they are, the parameters of an anion, number and charge."""
    from ase.data import atomic_numbers

    symbols = np.array(framework.symbols)
    found: list[tuple[NDArray[np.bool_], Bond | None, tuple[int, float]]] = []
    for symbol in dict.fromkeys(framework.symbols):
        members = symbols == symbol
        charge = float(framework.charges[members][0])
        bond = BONDS[ion][symbol, round(charge)] if charge < 0 else None
        found.append((members, bond, (int(atomic_numbers[symbol]), charge)))
    return found


def _energies(
    framework: Rigid, ion: str, distances: NDArray[np.float64], atoms: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sum over neighbours of points whose distances are known, shape (m,), in eV."""
    from ase.data import atomic_numbers

    mover = int(atomic_numbers[ion])
    total = np.zeros(len(distances))
    for members, bond, (number, charge) in _kinds(framework, ion):
        # On top of an atom the energy is as high as anything; it need not be infinite.
        apart = np.maximum(distances[:, members[atoms]], 0.2)
        if bond is not None:
            each = attraction(apart, bond)
        else:
            each = repulsion(apart, mover, number, charge)
        total += np.where(apart <= framework.reach, each, 0.0).sum(axis=1)
    return total


def anion_electronegativity(parent: Geometry, charges: dict[str, float]) -> float:
    """Mean of the anions' electronegativities, on Pauling's scale."""
    values = [electronegativity(symbol) for symbol in parent.species if charges[symbol] < 0]
    return float(np.mean(values))
