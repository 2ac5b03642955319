"""Hop classes placed on the atoms of a supercell."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from dualion.errors import InputError
from dualion.records import (
    Hop,
    HopClass,
    HopMember,
    HopNetwork,
    Mechanism,
    Site,
    Supercell,
    as_vectors,
)
from dualion.structures.supercell import AtomFinder

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)


def place_hops(network: HopNetwork, supercell: Supercell, *, members: int = 1) -> tuple[Hop, ...]:
    """Put hops of every class into a supercell.

    Parameters
    ----------
    network
        Hops of the parent.
    supercell
        Made of the same parent.
    members
        Hops per class, at most as many as the class has; they are spread evenly over its list
        of members and begin with the representative.

    Returns
    -------
    tuple of Hop
        By class, the representative first. A further member that joins the same two atoms (or
        voids) as an earlier one, which happens only in small cells, is left out and logged.

    Raises
    ------
    InputError
        If the supercell is not one of the network's parent, or so small that a hop leads from an
        atom to its own image.
    """
    if members < 1:
        raise InputError(
            f"cannot place {members} hops of a class",
            where="hops.members",
            remedy="ask for 1 or more",
        )
    _check_same_parent(network, supercell)
    finder = AtomFinder(supercell)
    cell = np.linalg.inv(np.array(supercell.matrix, dtype=float)) @ supercell.geometry.cell
    placed: list[Hop] = []
    for hop_class in network.classes:
        joined: set[frozenset[tuple[object, ...]]] = set()
        for number in _spread(hop_class.multiplicity, members):
            member = hop_class.members[number]
            initial, final = network.sites[member.initial], network.sites[member.final]
            ends = frozenset(
                {
                    (initial.index, finder.coset((0, 0, 0))),
                    (final.index, finder.coset(member.image)),
                }
            )
            if len(ends) == 1:
                raise InputError(
                    f"{hop_class.label} leads from an ion to its own image in this supercell "
                    f"(shortest image distance {supercell.min_image_distance:.2f} Å)",
                    where="cell",
                    remedy="raise min_image_distance",
                )
            if ends in joined:
                _log.info("%s #%d joins the ends of an earlier member", hop_class.label, number)
                continue
            joined.add(ends)
            placed.append(
                _place(
                    hop_class, number, (initial, final), network=network, finder=finder, cell=cell
                )
            )
    return tuple(placed)


def _place(
    hop_class: HopClass,
    number: int,
    ends: tuple[Site, Site],
    *,
    network: HopNetwork,
    finder: AtomFinder,
    cell: NDArray[np.float64],
) -> Hop:
    member: HopMember = hop_class.members[number]
    start = np.array(ends[0].fractional)
    vector = np.array(ends[1].fractional) + np.array(member.image) - start
    position, step = as_vectors(np.array([start, vector]) @ cell)
    atoms: tuple[int | None, int | None] = (None, None)
    if network.mechanism is Mechanism.VACANCY and None not in (ends[0].atom, ends[1].atom):
        atoms = (
            finder.atom(int(ends[0].atom or 0), (0, 0, 0)),
            finder.atom(int(ends[1].atom or 0), member.image),
        )
    return Hop(
        class_id=hop_class.class_id,
        member=number,
        mechanism=network.mechanism,
        orbits=hop_class.orbits,
        length=hop_class.length,
        multiplicity=hop_class.multiplicity,
        self_mirror=hop_class.self_mirror,
        initial=atoms[0],
        final=atoms[1],
        initial_position=position,
        vector=step,
    )


def _spread(available: int, wanted: int) -> list[int]:
    """Take up to `wanted` of `available` numbers, evenly, beginning with 0."""
    count = min(available, wanted)
    return [k * available // count for k in range(count)]


def _check_same_parent(network: HopNetwork, supercell: Supercell) -> None:
    parent = network.parent
    species = supercell.geometry.species
    copies = round(np.linalg.det(np.array(supercell.matrix)))
    same = len(species) == copies * len(parent) and all(
        parent.species[atom] == symbol
        for atom, symbol in zip(supercell.parent_index, species, strict=True)
    )
    if not same:
        raise InputError(
            f"the supercell ({supercell.geometry.formula}) is not a multiple of the parent "
            f"({parent.formula}) that the hops were found on",
            where="cell",
            remedy="build both from one parent",
        )
