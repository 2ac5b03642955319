"""The two states of a hop, index-consistent by construction.

A vacancy is a neutral atom taken out; a charge is a matter of the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualion.errors import CationError, InputError
from dualion.records import EndPoints, Geometry, Mechanism, Vec3, as_vectors

if TYPE_CHECKING:
    from dualion.records import Arrangement, Hop

_OCCUPIED = 0.5
"""Å: an interstitial nearer than this to an atom sits on that atom's site."""


def build_endpoints(host: Geometry, hop: Hop, mover: str, arrangement: Arrangement) -> EndPoints:
    """Make the initial and the final state of a hop.

    Each state is in its canonical order: host order without the vacancy, or host order with the
    interstitial appended. It depends on nothing but the state, so two hops that share a state
    give equal geometries, which are relaxed once.

    Parameters
    ----------
    host
        The supercell as it is used, relaxed or not, in the supercell's atom order.
    hop
        A hop placed in that supercell.
    mover
        Chemical symbol of the ion that moves.
    arrangement
        Substitutions on other working-ion sites; the two sites of the hop are the mover's and
        the vacancy's and must not be among them.

    Returns
    -------
    EndPoints
        Both states, the orders that bring them into band order (mover last), and the mover's
        way. `mover_from` and `mover_to` are the host's own sites, in an unrelaxed host
        `hop.vector` apart: the hop is never wrapped to a nearer image of the final site.

    Raises
    ------
    InputError
        If the hop or the arrangement does not fit the host.
    CationError
        If a symbol is no chemical element.
    """
    species = _substituted(host, hop, mover, arrangement)
    if hop.mechanism is Mechanism.VACANCY:
        initial, final, orders = _vacancy_states(host, hop, mover, species)
    else:
        initial, final, orders = _interstitial_states(host, hop, mover, species)
    mover_from, mover_to = _way(host, hop)
    return EndPoints(
        initial=initial,
        final=final,
        initial_order=orders[0],
        final_order=orders[1],
        species=tuple(initial.species[index] for index in orders[0]),
        mover_from=mover_from,
        mover_to=mover_to,
    )


def _way(host: Geometry, hop: Hop) -> tuple[Vec3, Vec3]:
    """Where the hop starts and ends in this host, unwrapped along the hop."""
    vector = np.array(hop.vector)
    if hop.initial is None or hop.final is None:
        start = np.array(hop.initial_position)
        end = start + vector
    else:
        start, target = host.xyz[hop.initial], host.xyz[hop.final]
        # A relaxed or swollen host moves its sites, but by far less than half a cell.
        cells = np.rint((start + vector - target) @ np.linalg.inv(host.cell))
        end = target + cells @ host.cell
    mover_from, mover_to = as_vectors(np.array([start, end]))
    return mover_from, mover_to


def _substituted(host: Geometry, hop: Hop, mover: str, arrangement: Arrangement) -> list[str]:
    """Return the host's species with the arrangement on them."""
    from pymatgen.core import Element

    species = list(host.species)
    placed: set[int] = set()
    for substitution in arrangement.substitutions:
        atom, symbol = substitution.atom, substitution.species
        where = f"arrangement {arrangement.label}"
        if not 0 <= atom < len(host):
            raise InputError(
                f"dopant {symbol} on atom {atom}, but the host has {len(host)}",
                where=where,
                remedy="use an arrangement made for this supercell",
            )
        if atom in placed:
            raise InputError(
                f"two dopants on atom {atom}", where=where, remedy="name each atom once"
            )
        if atom in (hop.initial, hop.final):
            raise InputError(
                f"dopant {symbol} on atom {atom}, an end of {hop.label}",
                where=where,
                remedy="leave the two sites of the hop to the mover and the vacancy",
            )
        placed.add(atom)
        species[atom] = symbol
    for symbol in (mover, *(each.species for each in arrangement.substitutions)):
        if not Element.is_valid_symbol(symbol):
            raise CationError(
                f"{symbol!r} is no chemical element",
                where="moving ion" if symbol == mover else f"arrangement {arrangement.label}",
                remedy="give a symbol such as Li or Cu",
            )
    return species


def _vacancy_states(
    host: Geometry, hop: Hop, mover: str, species: list[str]
) -> tuple[Geometry, Geometry, tuple[tuple[int, ...], tuple[int, ...]]]:
    first, last = hop.initial, hop.final
    if (
        first is None
        or last is None
        or first == last
        or not (0 <= first < len(host) and 0 <= last < len(host))
    ):
        raise InputError(
            f"atoms {first} and {last} cannot be the ends of a vacancy hop in {len(host)} atoms",
            where=hop.label,
            remedy="place the hop in the supercell that the host was made from",
        )
    states = []
    orders = []
    for occupied, vacant in ((first, last), (last, first)):
        kept = [index for index in range(len(host)) if index != vacant]
        states.append(
            Geometry(
                lattice=host.lattice,
                species=tuple(mover if index == occupied else species[index] for index in kept),
                positions=tuple(host.positions[index] for index in kept),
            )
        )
        place = kept.index(occupied)
        orders.append((*(i for i in range(len(kept)) if i != place), place))
    return states[0], states[1], (orders[0], orders[1])


def _interstitial_states(
    host: Geometry, hop: Hop, mover: str, species: list[str]
) -> tuple[Geometry, Geometry, tuple[tuple[int, ...], tuple[int, ...]]]:
    start = np.array(hop.initial_position)
    places = as_vectors(np.array([start, start + np.array(hop.vector)]))
    for place in places:
        _check_free(host, place, hop)
    wrapped = _wrapped(host, places)
    initial, final = (
        Geometry(
            lattice=host.lattice,
            species=(*species, mover),
            positions=(*host.positions, place),
        )
        for place in wrapped
    )
    order = tuple(range(len(host) + 1))
    return initial, final, (order, order)


def _wrapped(host: Geometry, places: tuple[Vec3, ...]) -> tuple[Vec3, ...]:
    """Bring both places into the cell, so that one void reached by two hops is one state."""
    fractional = np.array(places) @ np.linalg.inv(host.cell)
    # Rounding before wrapping keeps a coordinate of zero from becoming one by noise.
    fractional = np.round(fractional, 9) % 1.0
    return as_vectors(np.round(fractional @ host.cell, 8) + 0.0)


def _check_free(host: Geometry, place: Vec3, hop: Hop) -> None:
    from ase.geometry import get_distances

    _, distances = get_distances(
        np.array([place]), host.xyz, cell=host.cell, pbc=(True, True, True)
    )
    nearest = float(distances.min())
    if nearest < _OCCUPIED:
        raise InputError(
            f"an interstitial {nearest:.2f} Å from atom {int(distances.argmin())} of the host",
            where=hop.label,
            remedy="choose voids further from the ions (min_clearance)",
        )
