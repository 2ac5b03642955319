"""The mirror of a hop: a symmetry of its surroundings that swaps its two ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualion.errors import StructureError
from dualion.records import Geometry, Mirror, as_vectors
from dualion.structures.displacement import in_band_order
from dualion.structures.equivalence import EXACT, cartesian, matched
from dualion.structures.symmetry import find_symmetry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.records import EndPoints
    from dualion.structures.symmetry import Symmetry

    Array = NDArray[np.float64]
    IntArray = NDArray[np.int64]

SWAP = 0.05
"""Å by which an atom of a relaxed end may miss its place in the other end."""
SAME_ENERGY = 0.002
"""eV by which the energies of the two ends of a mirror hop may differ."""


def find_mirror(
    start: Array, end: Array, endpoints: EndPoints, *, guess: Array | None = None
) -> Mirror | None:
    """Find the isometry that swaps the two relaxed ends of a hop.

    Symmetries are looked for around the unrelaxed hop, with its two sites as one more species;
    one counts if it maps each relaxed end onto the other within `SWAP`, atom by atom. A hop of
    half a period of the cell is not mirrored by the mere translation: that maps the way of the
    mover onto the next one, not onto itself.

    Parameters
    ----------
    start, end
        Relaxed ends in band order on continuous coordinates, shape (n, 3), in Å.
    endpoints
        The ends before relaxation.
    guess
        Images of the first guess, shape (images, n, 3), in Å.

    Returns
    -------
    Mirror or None
        Of several, first one whose rotation is its own inverse; then the one that moves the
        straight midpoint least (to 0.01 Å); then the one that moves the mover in the middle of
        the guess least (to 0.1 Å); then the first that the space group lists.
    """
    before = in_band_order(endpoints.initial.xyz, endpoints.initial_order)
    vector = np.subtract(endpoints.mover_to, endpoints.mover_from)
    cell = endpoints.initial.cell
    around = Geometry(
        lattice=endpoints.initial.lattice,
        species=endpoints.species[:-1],
        positions=as_vectors(before[:-1]),
    )
    ends = np.array([endpoints.mover_from, endpoints.mover_to]) @ np.linalg.inv(cell)
    try:
        symmetry = find_symmetry(around, markers=ends)
    except StructureError:  # two sites that are one by the cell's own periods
        return None
    ranked: list[tuple[tuple[bool, float, float], Mirror]] = []
    for number, rotation in enumerate(symmetry.rotations):
        turn, misfit = cartesian(rotation, cell)
        if misfit > EXACT or np.linalg.norm(turn @ vector + vector) > SWAP:
            continue
        order = _order(symmetry, number, around, ends)
        if order is None:
            continue
        shift = symmetry.translations[number] @ cell
        mirror = _fitted(turn, shift, order, start=start, end=end, cell=cell)
        if _misses(mirror, start, end) <= SWAP:
            ranked.append((_rank(mirror, start, end, guess), mirror))
    return min(ranked, key=lambda item: item[0])[1] if ranked else None


def _order(
    symmetry: Symmetry, number: int, around: Geometry, ends: Array
) -> tuple[int, ...] | None:
    """Where an operation takes each atom, in band order; None unless it swaps the two sites."""
    rotation, shift = symmetry.rotations[number], symmetry.translations[number]
    places = around.fractional
    sites, _ = matched(ends @ rotation.T + shift, ends, around.cell)
    if sites.tolist() != [1, 0]:
        return None
    order, gaps = matched(places @ rotation.T + shift, places, around.cell)
    exact = np.linalg.norm(gaps - gaps.mean(axis=0), axis=1).max(initial=0.0) <= EXACT
    alike = all(around.species[k] == around.species[j] for k, j in enumerate(order.tolist()))
    if not (exact and alike and len(np.unique(order)) == len(order)):
        return None
    return (*order.tolist(), len(order))


def _fitted(
    turn: Array, shift: Array, order: tuple[int, ...], *, start: Array, end: Array, cell: Array
) -> Mirror:
    """Choose the lattice vectors of each atom, and the common shift that fits both ends best."""
    places = list(order)
    moved = start @ turn.T + shift
    offsets = shift + np.rint((end[places] - moved) @ np.linalg.inv(cell)) @ cell
    gaps = end[places] - start @ turn.T - offsets
    gaps_back = start[places] - end @ turn.T - offsets
    offsets = offsets + (gaps.mean(axis=0) + gaps_back.mean(axis=0)) / 2.0
    if _involution(turn):
        # Twice the mirror is exactly nothing, not a shift by the noise of the ends.
        offsets = offsets - (offsets @ turn.T + offsets[places]).mean(axis=0) / 2.0
    first, second, third = as_vectors(turn)
    return Mirror(rotation=(first, second, third), order=order, offsets=as_vectors(offsets))


def _misses(mirror: Mirror, start: Array, end: Array) -> float:
    """Largest distance of an atom of either mirrored end from its place in the other, in Å."""
    gaps = np.stack([mirror.apply(start) - end, mirror.apply(end) - start])
    return float(np.linalg.norm(gaps, axis=-1).max())


def _involution(turn: Array) -> bool:
    return bool(np.abs(turn @ turn - np.eye(3)).max() < 1e-6)


def _rank(
    mirror: Mirror, start: Array, end: Array, guess: Array | None
) -> tuple[bool, float, float]:
    """Say how far a mirror is from what is wanted."""
    middle = (start + end) / 2.0
    moves = np.linalg.norm(mirror.apply(middle) - middle, axis=1).max()
    aside = 0.0
    if guess is not None:
        top = (guess[(len(guess) - 1) // 2] + guess[len(guess) // 2]) / 2.0
        aside = float(np.linalg.norm((mirror.apply(top) - top)[-1]))
    turn = np.array(mirror.rotation)
    return (not _involution(turn), round(float(moves), 2), round(aside, 1))
