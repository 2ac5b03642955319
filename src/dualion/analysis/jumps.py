"""A hop network with energies: what one ion needs to leave each site, consistent all around."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.analysis.fluxes import corrected
from dualion.errors import InputError
from dualion.records import (
    HopRecord,
    IntVec3,
    Matrix3,
    Mechanism,
    Outcome,
    Record,
    Vec3,
    as_vectors,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from dualion.records import HopClass, HopNetwork

    Ends = Callable[[HopClass], tuple[float, float]]

NUMERIC_ERROR = 0.005
"""Error of a barrier, in eV, where its record gives none: that of a usual convergence."""


class ClassBarrier(Record):
    """What an ion needs on the hops of one class.

    Forward is from the first to the second orbit of the class, as the class lists its members.
    """

    class_id: str
    forward: float = Field(description="In eV.")
    reverse: float = Field(description="In eV.")
    error: float = Field(NUMERIC_ERROR, ge=0.0, description="Of the numerics, in eV.")
    attempts: tuple[float, float] | None = Field(
        None, description="Attempt frequency forward and reverse, in 1/s; None: not computed."
    )
    records: tuple[str, ...] = Field((), description="Ids of what it was taken from.")

    @property
    def lowering(self) -> float:
        """Shift, in eV and not above 0, that puts the saddle on its higher site."""
        return -min(self.forward, self.reverse)

    def raised(self, by: float) -> ClassBarrier:
        """Raise the saddle by so many eV, or lower it; it cannot fall below either of its sites."""
        by = max(by, self.lowering)
        return self.model_copy(update={"forward": self.forward + by, "reverse": self.reverse + by})


class Jump(Record):
    """One hop of the network, from a site in the home cell to a site in another cell."""

    initial: int
    final: int
    image: IntVec3 = Field(description="Cell of the final site.")
    vector: Vec3 = Field(description="From site to site, Cartesian, in Å.")
    saddle: float = Field(description="Energy at the saddle, in eV, on the scale of the sites.")
    class_id: str


class JumpNetwork(Record):
    """Sites and saddles of one ion in one cell of a crystal, on one energy scale.

    With one energy for each site and each saddle, the rates of any two opposite jumps obey
    detailed balance, whatever the errors of the barriers they come from.
    """

    ion: str
    lattice: Matrix3 = Field(description="Rows are the vectors of the cell, in Å.")
    energies: tuple[float, ...] = Field(description="Of the sites, in eV; the lowest is 0.")
    orbits: tuple[str, ...] = Field(description="Label of each site.")
    jumps: tuple[Jump, ...] = Field(description="Each undirected hop once.")
    closed: tuple[str, ...] = Field(
        (), description="Classes of the network without a barrier, left out."
    )
    mismatch: float = Field(
        0.0, description="Largest change, in eV, that one energy scale asked of a barrier."
    )

    @property
    def cell(self) -> NDArray[np.float64]:
        """Lattice vectors as rows, shape (3, 3), in Å."""
        return np.array(self.lattice, dtype=float)


def class_barriers(records: Iterable[HopRecord]) -> dict[str, ClassBarrier]:
    """Choose the barrier of each hop class among records of one ion in one surrounding.

    Members of a class are equivalent on the ideal lattice. Where the host fell to a lower form
    they differ, and the member with the lowest barrier is taken: a carrier chooses it too. A
    barrierless hop needs no more than the energy difference of its ends.

    Parameters
    ----------
    records
        Of one ion, arrangement and level of theory.

    Returns
    -------
    dict
        By class; classes that ended in no barrier are left out.

    Raises
    ------
    InputError
        If the records are not of one ion, arrangement and level of theory.
    """
    everything = list(records)
    kinds = {(r.moving_ion, r.arrangement.label, r.theory.fingerprint) for r in everything}
    if len(kinds) > 1:
        told = "; ".join(" ".join(kind) for kind in sorted(kinds))
        raise InputError(
            f"records of {len(kinds)} kinds ({told})",
            where="hop network",
            remedy="choose one ion, one arrangement and one level of theory",
        )
    best: dict[str, ClassBarrier] = {}
    for record in everything:
        ends = _ends(record)
        if ends is None:
            continue
        name = record.hop.class_id
        error = record.error.energy if record.error and record.error.energy is not None else None
        found = ClassBarrier(
            class_id=name,
            forward=ends[0],
            reverse=ends[1],
            error=max(NUMERIC_ERROR, error or 0.0),
            records=(record.record_id,),
        )
        if name not in best or max(ends) < max(best[name].forward, best[name].reverse):
            best[name] = found
    return best


def _ends(record: HopRecord) -> tuple[float, float] | None:
    if record.forward is not None and record.reverse is not None:
        return record.forward, record.reverse
    if record.outcome is Outcome.BARRIERLESS and record.energy_difference is not None:
        step = record.energy_difference
        return max(step, 0.0), max(-step, 0.0)
    return None


def jump_network(network: HopNetwork, barriers: Mapping[str, ClassBarrier]) -> JumpNetwork:
    """Spread the barriers of the distinct hops over all hops of the crystal.

    The energies of the sites are fitted, one for each orbit, to the energy differences of the
    classes (least squares), and each class gets the saddle that is nearest to both its
    directions; so loops close, and a hop between equivalent sites costs the same both ways.

    Sites and jumps are those of the carrier: of an interstitial the ion itself, of a vacancy the
    vacancy, which goes the other way. Its energy on a site is high where the ion's is low.

    Parameters
    ----------
    network
        With the symmetry of the parent.
    barriers
        By class, of the ion; a class without one is closed.

    Returns
    -------
    JumpNetwork
        Sites in the order of the network.

    Raises
    ------
    InputError
        If a barrier belongs to no class of the network.
    """
    carried = dict(barriers)
    if network.mechanism is Mechanism.VACANCY:
        carried = {name: _turned(barrier) for name, barrier in barriers.items()}
    level = _orbit_energies(network, carried)

    def ends(hops: HopClass) -> tuple[float, float]:
        return level[hops.orbits[0]], level[hops.orbits[1]]

    return _spread(network, carried, level, ends)


def class_jumps(network: HopNetwork, saddles: Mapping[str, float]) -> tuple[Jump, ...]:
    """Give all hops of some classes the saddle of their class.

    Parameters
    ----------
    network
        With the symmetry of the parent.
    saddles
        By class, on the scale of the sites, in eV; a class without one has no jumps.

    Returns
    -------
    tuple of Jump
        In the order of the network.
    """
    places = np.array([site.fractional for site in network.sites])
    jumps = []
    for each in network.classes:
        if each.class_id not in saddles:
            continue
        for member in each.members:
            step = places[member.final] + np.array(member.image) - places[member.initial]
            jumps.append(
                Jump(
                    initial=member.initial,
                    final=member.final,
                    image=member.image,
                    vector=as_vectors((step @ network.parent.cell)[None])[0],
                    saddle=saddles[each.class_id],
                    class_id=each.class_id,
                )
            )
    return tuple(jumps)


def is_dopant(record: HopRecord) -> bool:
    """Whether the mover is a foreign ion that vacancies of the host's own ions come to."""
    return (
        record.moving_ion != record.host_ion
        and record.hop.mechanism is Mechanism.VACANCY
        and record.arrangement.label == "dilute"
    )


def dopant_network(
    network: HopNetwork,
    barriers: Mapping[str, ClassBarrier],
    host: JumpNetwork | None = None,
) -> JumpNetwork:
    """Spread the barriers of one dopant that changes places with a vacancy of the host.

    Energies are those of the dopant on each site, far from the vacancy; a saddle is that of the
    exchange, above the lowest dopant and the lowest vacancy apart from each other. Dopant and
    vacancy are taken not to bind, so the state before an exchange has the sum of both energies.

    Parameters
    ----------
    network
        With the symmetry of the parent.
    barriers
        Of the dopant's exchanges, by class.
    host
        The network of the vacancy without the dopant; None: all its sites are alike.

    Returns
    -------
    JumpNetwork
        Of the dopant: a path in it climbs over the energies of both.

    Raises
    ------
    InputError
        If a barrier belongs to no class of the network.
    """
    empty = dict(zip(host.orbits, host.energies, strict=True)) if host else {}
    with_vacancy = _orbit_energies(network, barriers)
    level = {orbit: each + empty.get(orbit, 0.0) for orbit, each in with_vacancy.items()}
    lowest = min(level.values(), default=0.0)
    level = {orbit: each - lowest for orbit, each in level.items()}

    def ends(hops: HopClass) -> tuple[float, float]:
        first, last = hops.orbits
        return level[first] + empty.get(last, 0.0), level[last] + empty.get(first, 0.0)

    return _spread(network, barriers, level, ends)


def _turned(barrier: ClassBarrier) -> ClassBarrier:
    tries = barrier.attempts
    return barrier.model_copy(
        update={
            "forward": barrier.reverse,
            "reverse": barrier.forward,
            "attempts": None if tries is None else (tries[1], tries[0]),
        }
    )


def _spread(
    network: HopNetwork,
    barriers: Mapping[str, ClassBarrier],
    level: Mapping[str, float],
    ends: Ends,
) -> JumpNetwork:
    """Put each class's saddle between the energies of its two states, and on all its hops."""
    known = {each.class_id: each for each in network.classes}
    strange = sorted(set(barriers) - set(known))
    if strange:
        raise InputError(
            f"barriers of hop classes that are not there: {', '.join(strange)}",
            where=f"hop network of {network.parent.formula}",
            remedy="use the framework and the hop settings that the barriers were computed with",
        )
    saddles: dict[str, float] = {}
    mismatch = 0.0
    for each in network.classes:
        barrier = barriers.get(each.class_id)
        if barrier is None:
            continue
        first, last = ends(each)
        saddle = max(
            (first + barrier.forward + last + barrier.reverse) / 2.0,
            first,
            last,  # a barrierless hop ends on its higher site
        )
        mismatch = max(mismatch, abs(saddle - first - barrier.forward))
        saddles[each.class_id] = saddle
    return JumpNetwork(
        ion=network.ion,
        lattice=network.parent.lattice,
        energies=tuple(level[site.orbit] for site in network.sites),
        orbits=tuple(site.orbit for site in network.sites),
        jumps=class_jumps(network, saddles),
        closed=tuple(name for name in known if name not in barriers),
        mismatch=mismatch,
    )


def _orbit_energies(network: HopNetwork, barriers: Mapping[str, ClassBarrier]) -> dict[str, float]:
    """Energy of each orbit above the lowest; 0 for one that no hop joins to another."""
    orbits = tuple(dict.fromkeys(site.orbit for site in network.sites))
    place = {orbit: k for k, orbit in enumerate(orbits)}
    joining = [
        (place[each.orbits[0]], place[each.orbits[1]], barriers[each.class_id])
        for each in network.classes
        if each.class_id in barriers and each.orbits[0] != each.orbits[1]
    ]
    if not joining:
        return dict.fromkeys(orbits, 0.0)
    tail = np.array([first for first, _, _ in joining])
    head = np.array([last for _, last, _ in joining])
    rise = np.array([barrier.forward - barrier.reverse for _, _, barrier in joining])
    # Least squares: the potential that takes the most out of these differences.
    fitted = corrected(len(orbits), tail, head, np.ones(len(rise)), -rise[:, None])[0][:, 0]
    return {orbit: float(fitted[k] - fitted.min()) for orbit, k in place.items()}
