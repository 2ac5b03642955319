"""Bounds of the barrier by which an ion gets through, where hop classes have none of their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from dualion.analysis.jumps import Jump, JumpNetwork
from dualion.analysis.percolation import channels
from dualion.records import as_vectors

if TYPE_CHECKING:
    from dualion.analysis.jumps import ClassBarrier
    from dualion.records import HopNetwork


def heights(jumps: JumpNetwork, shift: float = 0.0) -> dict[str, float]:
    """Highest saddle of each channel above the lowest of all sites, in eV, shifted by so much.

    That is where the carriers are in equilibrium, on the channel or not, and what diffusivities
    follow; raising a saddle never lowers it.

    Parameters
    ----------
    jumps
        Sites and saddles on one energy scale.
    shift
        Added to each, in eV; none falls below 0.

    Returns
    -------
    dict
        By channel: '1D', '2D', '3D', 'a', 'b', 'c', those that exist.
    """
    saddle = {jump.class_id: jump.saddle for jump in jumps.jumps}
    lowest = min(jumps.energies)
    return {
        way.what: max(saddle[way.bottleneck] - lowest + shift, 0.0) for way in channels(jumps).found
    }


def shifted(barrier: ClassBarrier, by: float) -> ClassBarrier:
    """Raise or lower the saddle of a class, in eV; it cannot fall below either of its sites."""
    by = max(by, -min(barrier.forward, barrier.reverse))
    return barrier.model_copy(
        update={"forward": barrier.forward + by, "reverse": barrier.reverse + by}
    )


def sets(network: HopNetwork, closed: Iterable[str]) -> list[set[str]]:
    """Orbits that known hops join to each other, directly or not."""
    shut = set(closed)
    orbits = tuple(dict.fromkeys(site.orbit for site in network.sites))
    return _groups(orbits, [k.orbits for k in network.classes if k.class_id not in shut])


def levelled(jumps: JumpNetwork, network: HopNetwork) -> JumpNetwork:
    """Put the lowest sites of sets level whose energies nothing tells apart.

    Of all their relative heights this makes any way through them lowest.
    """
    level = dict(zip(jumps.orbits, jumps.energies, strict=True))
    base: dict[str, float] = {}
    for group in sets(network, jumps.closed):
        base |= dict.fromkeys(group, min(level[orbit] for orbit in group))
    shift = [base[orbit] for orbit in jumps.orbits]
    return jumps.model_copy(
        update={
            "energies": tuple(e - s for e, s in zip(jumps.energies, shift, strict=True)),
            "jumps": tuple(
                jump.model_copy(update={"saddle": jump.saddle - shift[jump.initial]})
                for jump in jumps.jumps
            ),
        }
    )


def opened(jumps: JumpNetwork, network: HopNetwork) -> JumpNetwork:
    """Open the closed classes without a saddle of their own: no way can be lower."""
    level = levelled(jumps, network)
    energies, hops = level.energies, list(level.jumps)
    places = np.array([site.fractional for site in network.sites])
    for each in network.classes:
        if each.class_id not in jumps.closed:
            continue
        # One height for the class, as elsewhere: members join like orbits.
        first = each.members[0]
        saddle = max(energies[first.initial], energies[first.final])
        for member in each.members:
            step = places[member.final] + np.array(member.image) - places[member.initial]
            hops.append(
                Jump(
                    initial=member.initial,
                    final=member.final,
                    image=member.image,
                    vector=as_vectors((step @ network.parent.cell)[None])[0],
                    saddle=saddle,
                    class_id=each.class_id,
                )
            )
    return level.model_copy(update={"jumps": tuple(hops), "closed": ()})


def _groups(orbits: tuple[str, ...], joined: Iterable[tuple[str, str]]) -> list[set[str]]:
    groups = [{orbit} for orbit in orbits]
    for first, second in joined:
        one = next(group for group in groups if first in group)
        two = next(group for group in groups if second in group)
        if one is not two:
            one |= two
            groups.remove(two)
    return groups
