"""Bounds of the barrier by which an ion gets through, where hop classes have none of their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dualion.analysis.jumps import class_jumps
from dualion.analysis.percolation import channels

if TYPE_CHECKING:
    from dualion.analysis.jumps import JumpNetwork
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


def sets(network: HopNetwork, closed: Iterable[str]) -> list[set[str]]:
    """Find the sets of orbits that known hops join, directly or not.

    Parameters
    ----------
    network
        All hop classes.
    closed
        Ids of the classes that nothing is known of.

    Returns
    -------
    list of set
        Orbit labels; one set: all energies are on one scale.
    """
    shut = set(closed)
    orbits = tuple(dict.fromkeys(site.orbit for site in network.sites))
    return _groups(orbits, [k.orbits for k in network.classes if k.class_id not in shut])


def levelled(jumps: JumpNetwork, network: HopNetwork) -> JumpNetwork:
    """Put the lowest sites of sets level whose energies nothing tells apart.

    Of all their relative heights this makes any way through them lowest.

    Parameters
    ----------
    jumps
        With the classes that have a barrier.
    network
        With all classes.

    Returns
    -------
    JumpNetwork
        Energies of sites and saddles shifted set by set, in eV; the lowest of each set is 0.
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
    """Open the closed classes without a saddle of their own: no way can be lower.

    Parameters
    ----------
    jumps
        With the classes that have a barrier.
    network
        With all classes.

    Returns
    -------
    JumpNetwork
        Levelled, and with every class; a closed one has its saddle on its higher site.
    """
    level = levelled(jumps, network)
    # One height for the class, as elsewhere: members join like orbits.
    saddles = {
        each.class_id: max(level.energies[site] for site in (member.initial, member.final))
        for each in network.classes
        if each.class_id in jumps.closed
        for member in each.members[:1]
    }
    hops = (*level.jumps, *class_jumps(network, saddles))
    return level.model_copy(update={"jumps": hops, "closed": ()})


def _groups(orbits: tuple[str, ...], joined: Iterable[tuple[str, str]]) -> list[set[str]]:
    groups = [{orbit} for orbit in orbits]
    for first, second in joined:
        one = next(group for group in groups if first in group)
        two = next(group for group in groups if second in group)
        if one is not two:
            one |= two
            groups.remove(two)
    return groups
