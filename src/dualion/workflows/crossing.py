"""What a store's barriers mean for a campaign's framework: channels and diffusivities by ion."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field

from dualion.analysis.diffusion import (
    ATTEMPT_FREQUENCY,
    CM3,
    Diffusivity,
    at_temperature,
    conductivity,
    diffusivity,
    spread_of,
)
from dualion.analysis.dopant import DopantDiffusivity, dopant_diffusivity
from dualion.analysis.jumps import (
    ClassBarrier,
    class_barriers,
    dopant_network,
    is_dopant,
    jump_network,
)
from dualion.analysis.percolation import Channels, channels
from dualion.analysis.vibration import Attempt
from dualion.errors import InputError, PrecisionError
from dualion.records import LevelOfTheory, Record
from dualion.workflows.pair import network_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dualion.analysis.jumps import JumpNetwork
    from dualion.records import Framework, HopNetwork, HopRecord
    from dualion.workflows.campaign import Campaign

    Attempts = Callable[[HopRecord], Attempt | None]

ASSUMED = (
    "host hops beside the dopant are not computed: the host's own barriers are used for them, "
    "and dopant and vacancy do not bind"
)
NO_HOST = (
    "no record of the pure host at this level of theory: the vacancy is taken to be as low on all "
    "sites, and what its memory costs the dopant is not known"
)


class Conductivity(Record):
    """What carriers of a given number conduct, at one temperature."""

    temperature: float = Field(description="In K.")
    carriers: float = Field(description="Per cm³.")
    mean: float = Field(description="In S/cm, by Nernst and Einstein, Haven ratio 1.")
    lowest: float = Field(description="The same less the errors of the barriers (16 %).")
    highest: float = Field(description="The same plus them (84 %).")


class Crossing(Record):
    """How one ion crosses a framework, in one surrounding and at one level of theory."""

    ion: str
    arrangement: str
    theory: LevelOfTheory
    channels: Channels
    diffusivities: tuple[Diffusivity, ...] = Field(
        description="Of one carrier, for each temperature; of a dilute dopant: if each exchange "
        "were with another vacancy, for each fraction of vacant sites."
    )
    conductivities: tuple[Conductivity, ...] = Field(
        (), description="One for each temperature, if the number of carriers was given."
    )
    dopant: tuple[DopantDiffusivity, ...] = Field(
        (), description="Of a dilute dopant, with the vacancy's memory; one for each temperature."
    )
    attempts: dict[str, Attempt] = Field(
        default_factory=dict, description="By hop class, where they were computed."
    )
    mismatch: float = Field(
        description="Largest change, in eV, that one energy scale asked of a barrier."
    )
    notes: tuple[str, ...] = Field((), description="What was assumed.")


def crossings(
    campaign: Campaign,
    framework: Framework,
    records: Iterable[HopRecord],
    *,
    temperatures: Sequence[float] = (300.0,),
    attempt_frequency: float = ATTEMPT_FREQUENCY,
    carriers: float | None = None,
    attempts: Attempts | None = None,
) -> tuple[Crossing, ...]:
    """Find the channels of every ion that a campaign's records tell of.

    Parameters
    ----------
    campaign, framework
        Whose hops; the classes are found anew on the framework's parent.
    records
        Those of other frameworks, mechanisms or ions are left out.
    temperatures
        In K.
    attempt_frequency
        In 1/s; of hops for which none is computed.
    carriers
        Fraction of the sites of the network that hold a carrier (a vacancy or an interstitial);
        None: no conductivity.
    attempts
        Finds the attempt frequencies of a record; asked for the record of each class alone.

    Returns
    -------
    tuple of Crossing
        By ion, arrangement and level of theory; never mixed.

    Raises
    ------
    InputError
        If no record fits.
    """
    network = network_of(campaign, framework)
    kinds = records_by_kind(campaign, framework, network, records)
    chosen = {key: _chosen(several, attempts) for key, several in kinds.items()}
    order = {ion: k for k, ion in enumerate(campaign.pair)}
    found = []
    for key in sorted(kinds, key=lambda key: (order[key[0]], key)):
        ion, arrangement, fingerprint = key
        barriers, shaken = chosen[key]
        shared = _Shared(
            hops=network.model_copy(update={"ion": ion}),
            arrangement=arrangement,
            theory=kinds[key][0].theory,
            barriers=barriers,
            attempts=shaken,
            temperatures=tuple(temperatures),
            frequency=attempt_frequency,
        )
        if is_dopant(kinds[key][0]):
            host, _ = chosen.get((campaign.pair[0], "pure", fingerprint), (None, {}))
            found.append(_dopant(shared, host))
        else:
            found.append(_carrier(shared, carriers))
    return tuple(found)


class _Shared(NamedTuple):
    """What is known of an ion in a surrounding."""

    hops: HopNetwork
    arrangement: str
    theory: LevelOfTheory
    barriers: dict[str, ClassBarrier]
    attempts: dict[str, Attempt]
    temperatures: tuple[float, ...]
    frequency: float


def _chosen(
    records: list[HopRecord], attempts: Attempts | None
) -> tuple[dict[str, ClassBarrier], dict[str, Attempt]]:
    """Choose the barrier of each class, and shake the ion of its record if that is asked for."""
    barriers = class_barriers(records)
    shaken: dict[str, Attempt] = {}
    by_id = {record.record_id: record for record in records}
    for name, barrier in barriers.items():
        attempt = attempts(by_id[barrier.records[0]]) if attempts else None
        if attempt is not None:
            shaken[name] = attempt
            both = (attempt.forward, attempt.reverse)
            barriers[name] = barrier.model_copy(update={"attempts": both})
    return barriers, shaken


def _carrier(given: _Shared, carriers: float | None) -> Crossing:
    """Vacancies or interstitials that do not see each other."""
    jumps = jump_network(given.hops, given.barriers)
    spreads = tuple(
        diffusivity(given.hops, given.barriers, kelvin, attempt_frequency=given.frequency)
        for kelvin in given.temperatures
    )
    density = None
    if carriers is not None:
        density = carriers * len(given.hops.sites) / (given.hops.parent.volume * CM3)
    return Crossing(
        ion=given.hops.ion,
        arrangement=given.arrangement,
        theory=given.theory,
        channels=channels(jumps),
        diffusivities=spreads,
        conductivities=()
        if density is None
        else tuple(
            Conductivity(
                temperature=each.temperature,
                carriers=density,
                mean=conductivity(each.mean, density, each.temperature),
                lowest=conductivity(each.lowest, density, each.temperature),
                highest=conductivity(each.highest, density, each.temperature),
            )
            for each in spreads
        ),
        attempts=given.attempts,
        mismatch=jumps.mismatch,
    )


def _dopant(given: _Shared, host: dict[str, ClassBarrier] | None) -> Crossing:
    """One ion of the second kind that changes places with vacancies of the host."""
    hops, barriers = given.hops, given.barriers

    def build(kelvin: float) -> JumpNetwork:
        matrix = None
        if host is not None:
            matrix = jump_network(hops, at_temperature(host, kelvin, given.frequency))
        return dopant_network(hops, at_temperature(barriers, kelvin, given.frequency), matrix)

    jumps = dopant_network(hops, barriers, jump_network(hops, host) if host else None)
    remembered, unknown = ([], []) if host is None else _with_memory(given, host)
    return Crossing(
        ion=hops.ion,
        arrangement=given.arrangement,
        theory=given.theory,
        channels=channels(jumps),
        diffusivities=tuple(
            spread_of(build, barriers, kelvin, attempt_frequency=given.frequency)
            for kelvin in given.temperatures
        ),
        dopant=tuple(remembered),
        attempts=given.attempts,
        mismatch=jumps.mismatch,
        notes=(NO_HOST if host is None else ASSUMED, *unknown),
    )


def _with_memory(
    given: _Shared, host: dict[str, ClassBarrier]
) -> tuple[list[DopantDiffusivity], list[str]]:
    """Work out a dopant's diffusivities, and say at which temperatures that cannot be done."""
    found, unknown = [], []
    for kelvin in given.temperatures:
        try:
            one = dopant_diffusivity(
                given.hops, host, given.barriers, kelvin, attempt_frequency=given.frequency
            )
        except PrecisionError as error:
            unknown.append(f"at {kelvin:g} K the vacancy's memory is not known: {error.what}")
        else:
            found.append(one)
    return found, unknown


def records_by_kind(
    campaign: Campaign,
    framework: Framework,
    network: HopNetwork,
    records: Iterable[HopRecord],
) -> dict[tuple[str, str, str], list[HopRecord]]:
    """Sort the records of a campaign's framework and pair into kinds that may be mixed.

    Parameters
    ----------
    campaign, framework
        Whose mechanism and pair.
    network
        Whose hop classes.
    records
        Those of other frameworks, mechanisms, ions or classes are left out.

    Returns
    -------
    dict
        By ion, arrangement and level of theory.

    Raises
    ------
    InputError
        If no record fits.
    """
    kinds: dict[tuple[str, str, str], list[HopRecord]] = defaultdict(list)
    classes = {each.class_id for each in network.classes}
    for record in records:
        if record.hop.class_id in classes and _belongs(record, campaign, framework):
            key = (record.moving_ion, record.arrangement.label, record.theory.fingerprint)
            kinds[key].append(record)
    if not kinds:
        raise InputError(
            f"no records of {' or '.join(campaign.pair)} in '{framework.name}'",
            where=f"campaign '{campaign.name}'",
            remedy="run the campaign first, or name its store with --store",
        )
    return dict(kinds)


def _belongs(record: HopRecord, campaign: Campaign, framework: Framework) -> bool:
    return (
        record.framework == framework.name
        and record.provenance.framework_fingerprint == framework.fingerprint
        and record.hop.mechanism is campaign.mechanism
        and record.moving_ion in campaign.pair
    )
