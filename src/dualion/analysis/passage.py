"""How an ion gets through a crystal, with bounds: what is not known may open or close a way."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from dualion.analysis.band import resting_depth
from dualion.analysis.bounds import heights, levelled, opened, sets
from dualion.analysis.comparison import QUOTABLE_DISTANCE, outcome_word
from dualion.analysis.criteria import Criteria, Trust, trust_in
from dualion.analysis.jumps import class_barriers, dopant_network, is_dopant, jump_network
from dualion.analysis.percolation import AXES, DIMENSIONS, Channels, channels
from dualion.records import Check, HopRecord, Outcome, Record

if TYPE_CHECKING:
    from dualion.analysis.jumps import ClassBarrier, JumpNetwork
    from dualion.records import HopNetwork

UNPROVEN = "its saddles are not proven to join its ends"
"""What a record's note says of a band whose proof was tried and failed."""

NOT_COMPUTED = "not computed"


class Movement(StrEnum):
    """What an ion does at a temperature."""

    MOVES = "moves"
    SLOW = "slow"
    BLOCKED = "blocked"


class Range(Record):
    """The lowest barrier by which an ion gets through, and the bounds of it.

    It counts from the lowest of all sites, where the carriers are in equilibrium.
    """

    what: str = Field(description="'1D', '2D', '3D', or 'a', 'b', 'c'.")
    value: float | None = Field(
        description="With the classes that have a barrier, in eV; None: not through these."
    )
    lowest: float | None = Field(
        description="Were all missing classes open and all errors in favour, in eV; None: it does "
        "not get through even then."
    )
    highest: float | None = Field(
        description="Were all missing classes closed and all errors against it, in eV; None: it "
        "is not known to get through."
    )


class Missing(Record):
    """A hop class without a barrier that counts."""

    class_id: str
    label: str
    reason: str = Field(description="'not computed', or the outcome's word.")
    remedy: str = Field(description="What would give one.")


class ClassRange(Record):
    """The barrier of one hop class as the verdict takes it."""

    class_id: str
    label: str
    forward: float = Field(description="In eV.")
    reverse: float = Field(description="In eV.")
    numeric: float = Field(description="Error of the numerics, in eV.")
    small_cell: float = Field(description="What is added for a small cell, in eV.")
    spread: float = Field(description="Among members that a fallen host tells apart, in eV.")
    below: float = Field(description="All errors by which it may be lower, in eV.")
    above: float = Field(description="All errors by which it may be higher, in eV.")
    proven: bool = Field(description="Whether its saddle is proven to join its ends.")
    record: str = Field(description="Id of the record it is from.")


class Passage(Record):
    """How one ion gets through, in one surrounding and at one level of theory."""

    ion: str
    arrangement: str
    ranges: tuple[Range, ...] = Field(description="1D, 2D, 3D, a, b, c.")
    channels: Channels = Field(description="Of the classes that have a barrier.")
    classes: tuple[ClassRange, ...]
    missing: tuple[Missing, ...]
    trust: Trust
    mismatch: float = Field(
        description="Largest change, in eV, that one energy scale asked of a barrier; counted as "
        "an error of every channel."
    )
    needs: str | None = Field(
        None, description="Ion of the host whose own hops must bring the vacancies; None: none."
    )
    doubts: tuple[str, ...] = Field((), description="What no error bar holds.")

    def range(self, what: str) -> Range:
        """Return one of the ranges by its name."""
        return next(each for each in self.ranges if each.what == what)

    def widened(self, factor: float) -> tuple[Range, ...]:
        """Ranges with all errors larger by a factor; the missing classes stay missing."""
        widened = []
        for each in self.ranges:
            low, mid, high = each.lowest, each.value, each.highest
            if mid is not None and high is not None:
                high = mid + factor * (high - mid)
            if mid is not None and low is not None:
                low = mid - factor * (mid - low)
            widened.append(each.model_copy(update={"lowest": low, "highest": high}))
        return tuple(widened)

    def possible(
        self, criteria: Criteria, temperature: float, *, factor: float = 1.0
    ) -> frozenset[Movement]:
        """Tell what the ion may do within the bounds; one movement: it is decided.

        Parameters
        ----------
        criteria, temperature
            Thresholds, and where they are taken, in K.
        factor
            On all errors.
        """
        moves, blocked = criteria.at(temperature)
        ranges = {each.what: each for each in self.widened(factor)}
        through, any_way = ranges[DIMENSIONS[criteria.dimensions - 1]], ranges["1D"]
        low, high = (math.inf if v is None else v for v in (through.lowest, through.highest))
        low_1, high_1 = (math.inf if v is None else v for v in (any_way.lowest, any_way.highest))
        found = set()
        if low < moves:
            found.add(Movement.MOVES)
        if high_1 > blocked:
            found.add(Movement.BLOCKED)
        if high >= moves and low_1 <= blocked:
            found.add(Movement.SLOW)
        return frozenset(found)


def passage(
    network: HopNetwork,
    records: Iterable[HopRecord],
    ion: str,
    *,
    criteria: Criteria,
    vacancies: JumpNetwork | None = None,
) -> Passage:
    """Find by which barrier an ion gets through, and within which bounds.

    A class without a barrier that counts is closed for the upper bound and open, without any
    saddle, for the lower. A site that only such classes join to the others may lie below them and
    hold the carriers: then there is no upper bound. So an ion whose missing classes could open a
    lower channel is never taken for blocked, nor one that needs them for moving. The error of a
    barrier is the sum of the bound on its numerics, the error taken for its level of theory, that
    of a small cell, and the spread among the members that a fallen host tells apart.

    Parameters
    ----------
    network
        All hop classes of the framework.
    records
        Of one ion, arrangement and level of theory; at least one.
    ion
        Symbol.
    criteria
        Errors, and whether saddles must be proven.
    vacancies
        For a dopant, the network of the host's own vacancies, whose energies differ from site to
        site; None: they are taken to be alike.

    Raises
    ------
    InputError
        If the records are of several kinds, or of classes that are not there.
    """
    everything = list(records)
    theory = everything[0].theory
    trust = trust_in(theory, criteria)
    counted = [r for r in everything if not _unproven(r, criteria)]
    barriers = class_barriers(counted)
    by_id = {record.record_id: record for record in counted}
    ranges = {
        name: _class_range(
            network, barrier, by_id[barrier.records[0]], counted, trust=trust, criteria=criteria
        )
        for name, barrier in barriers.items()
    }
    missing = _missing(network, everything, barriers)
    # A dopant moves by itself; all other vacancies are the carriers.
    make = partial(dopant_network, host=vacancies) if is_dopant(everything[0]) else jump_network
    jumps = make(network.model_copy(update={"ion": ion}), barriers)
    high = make(network, {k: b.raised(ranges[k].above) for k, b in barriers.items()})
    low = make(network, {k: b.raised(-ranges[k].below) for k, b in barriers.items()})
    found = channels(jumps)
    middle = heights(levelled(jumps, network))
    bottom = heights(opened(low, network), -jumps.mismatch)
    # A site that no known hop joins to the others may lie below them all and hold the carriers.
    whole = len(sets(network, jumps.closed)) == 1
    top = heights(high, jumps.mismatch) if whole else {}
    first = everything[0]
    return Passage(
        ion=ion,
        arrangement=first.arrangement.label,
        ranges=tuple(
            Range(
                what=what,
                value=middle.get(what),
                lowest=bottom.get(what),
                highest=top.get(what),
            )
            for what in (*DIMENSIONS, *AXES)
        ),
        channels=found,
        classes=tuple(ranges[each.class_id] for each in network.classes if each.class_id in ranges),
        missing=missing,
        trust=trust,
        mismatch=jumps.mismatch,
        needs=first.host_ion if is_dopant(first) else None,
        doubts=tuple(_doubts(everything, ranges.values(), trust)),
    )


def not_looked_at(
    network: HopNetwork, ion: str, arrangement: str, *, trust: Trust, needs: str | None = None
) -> Passage:
    """Return the passage of an ion of which there is no record: anything is possible.

    Parameters
    ----------
    network
        All hop classes of the framework.
    ion, arrangement
        Which ion, among what.
    trust
        In the level of theory that its records are missing at.
    needs
        Ion of the host whose own hops must bring the vacancies; None: none.
    """
    empty = jump_network(network.model_copy(update={"ion": ion}), {})
    bound = heights(opened(empty, network))
    return Passage(
        ion=ion,
        arrangement=arrangement,
        ranges=tuple(
            Range(what=what, value=None, lowest=bound.get(what), highest=None)
            for what in (*DIMENSIONS, *AXES)
        ),
        channels=channels(empty),
        classes=(),
        missing=_missing(network, (), {}),
        trust=trust,
        mismatch=0.0,
        needs=needs,
    )


def _unproven(record: HopRecord, criteria: Criteria) -> bool:
    """Whether a barrier does not count because nothing shows what its saddle joins."""
    if not record.outcome.is_barrier:
        return False
    if UNPROVEN in record.note:
        return True
    return criteria.require_proof and not _proven(record)


def _proven(record: HopRecord) -> bool:
    return record.error is not None and Check.JOINS_ENDS in record.error.verified


def _class_range(
    network: HopNetwork,
    barrier: ClassBarrier,
    record: HopRecord,
    records: Sequence[HopRecord],
    *,
    trust: Trust,
    criteria: Criteria,
) -> ClassRange:
    each = next(k for k in network.classes if k.class_id == barrier.class_id)
    others = [
        max(r.forward, r.reverse)
        for r in records
        if r.hop.class_id == barrier.class_id and r.forward is not None and r.reverse is not None
    ]
    # In a host of broken symmetry members of a class differ; the lowest was chosen.
    spread = max(others) - min(others) if len(others) > 1 and record.broken_symmetry_host else 0.0
    small = 0.0 < record.min_image_distance < QUOTABLE_DISTANCE
    cell = criteria.small_cell_error if small else 0.0
    common = barrier.error + trust.error + cell
    resting = resting_depth(record.energies) or 0.0
    return ClassRange(
        class_id=barrier.class_id,
        label=each.label,
        forward=barrier.forward,
        reverse=barrier.reverse,
        numeric=barrier.error,
        small_cell=cell,
        spread=spread,
        below=common,
        above=common + spread + resting,
        proven=_proven(record),
        record=record.record_id,
    )


_REMEDIES = {
    Outcome.UNCONVERGED: "raise band.steps, or use band.method: adaptive",
    Outcome.ENDPOINT_COLLAPSED: "look where the ion goes: a site of the parent is none",
    Outcome.WRONG_MOVER: "look at the concerted way, or compute other members of the class",
    Outcome.FRAMEWORK_BROKEN: "look at the images: the framework does not stay what it is",
    Outcome.ENGINE_FAILED: "run it again, or with another engine",
}


def _missing(
    network: HopNetwork, records: Sequence[HopRecord], barriers: Mapping[str, ClassBarrier]
) -> tuple[Missing, ...]:
    ended: dict[str, list[HopRecord]] = defaultdict(list)
    for record in records:
        ended[record.hop.class_id].append(record)
    found = []
    for each in network.classes:
        if each.class_id in barriers:
            continue
        seen = ended.get(each.class_id, [])
        unproven = [record for record in seen if record.outcome.is_barrier]
        if unproven:
            top = min(max(r.forward or 0.0, r.reverse or 0.0) for r in unproven)
            reason = f"not proven ({top:.3f} eV)"
            remedy = "use band.method: adaptive, more images, or another start"
        elif seen:
            outcome = seen[0].outcome
            reason, remedy = outcome_word(outcome), _REMEDIES.get(outcome, "look at the record")
        else:
            reason, remedy = NOT_COMPUTED, "run the campaign with this class"
        found.append(
            Missing(class_id=each.class_id, label=each.label, reason=reason, remedy=remedy)
        )
    return tuple(found)


def _doubts(
    records: Sequence[HopRecord], ranges: Iterable[ClassRange], trust: Trust
) -> Iterable[str]:
    ranges = list(ranges)
    if any(record.broken_symmetry_host for record in records):
        counted = {
            k.class_id: sum(r.hop.class_id == k.class_id and r.outcome.is_barrier for r in records)
            for k in ranges
        }
        single = [name for name, number in counted.items() if number < 2]
        if single:
            yield (
                "the symmetric host is no minimum of this engine: in the form it falls to, hops of "
                f"a class differ, and of {', '.join(single)} one was computed (hops.members: 3 "
                "computes more)"
            )
    if records[0].arrangement.label.startswith("x="):
        yield (
            f"{records[0].arrangement.label} is one arrangement of many: its dopants make hops of "
            "a class differ, and what was computed is a sample"
        )
    if any(0.0 < record.min_image_distance < QUOTABLE_DISTANCE for record in records):
        least = min(record.min_image_distance for record in records)
        yield f"images are {least:.1f} Å apart: the barriers rank, they are not to be quoted"
    loose = [k.class_id for k in ranges if not k.proven]
    if loose:
        yield f"no proof that the saddles of {', '.join(loose)} join their ends (band: adaptive)"
    if trust.kind == "other":
        yield "no benchmark of this engine is known"
