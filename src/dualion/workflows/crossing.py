"""What a store's barriers mean for a campaign's framework: channels and diffusivities by ion."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from pydantic import Field

from dualion.analysis.diffusion import ATTEMPT_FREQUENCY, Diffusivity, diffusivity
from dualion.analysis.jumps import class_barriers, jump_network
from dualion.analysis.percolation import Channels, channels
from dualion.errors import InputError
from dualion.records import LevelOfTheory, Record
from dualion.workflows.pair import network_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dualion.records import Framework, HopNetwork, HopRecord
    from dualion.workflows.campaign import Campaign


class Crossing(Record):
    """How one ion crosses a framework, in one surrounding and at one level of theory."""

    ion: str
    arrangement: str
    theory: LevelOfTheory
    channels: Channels
    diffusivities: tuple[Diffusivity, ...] = Field(description="One for each temperature.")
    mismatch: float = Field(
        description="Largest change, in eV, that one energy scale asked of a barrier."
    )


def crossings(
    campaign: Campaign,
    framework: Framework,
    records: Iterable[HopRecord],
    *,
    temperatures: Sequence[float] = (300.0,),
    attempt_frequency: float = ATTEMPT_FREQUENCY,
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
        In 1/s.

    Returns
    -------
    tuple of Crossing
        By ion, arrangement and level of theory; never mixed.

    Raises
    ------
    InputError
        If no record fits.
    """
    network = network_of(campaign, framework.parent, framework.working_ion)
    kinds = records_by_kind(campaign, framework, network, records)
    order = {ion: k for k, ion in enumerate(campaign.pair)}
    found = []
    for (ion, arrangement, _), several in sorted(
        kinds.items(), key=lambda item: (order[item[0][0]], item[0])
    ):
        moved = network.model_copy(update={"ion": ion})
        barriers = class_barriers(several)
        jumps = jump_network(moved, barriers)
        found.append(
            Crossing(
                ion=ion,
                arrangement=arrangement,
                theory=several[0].theory,
                channels=channels(jumps),
                diffusivities=tuple(
                    diffusivity(moved, barriers, kelvin, attempt_frequency=attempt_frequency)
                    for kelvin in temperatures
                ),
                mismatch=jumps.mismatch,
            )
        )
    return tuple(found)


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
    for record in records:
        if _belongs(record, campaign, framework, network):
            key = (record.moving_ion, record.arrangement.label, record.theory.fingerprint)
            kinds[key].append(record)
    if not kinds:
        raise InputError(
            f"no records of {' or '.join(campaign.pair)} in '{framework.name}'",
            where=f"campaign '{campaign.name}'",
            remedy="run the campaign first, or name its store with --store",
        )
    return dict(kinds)


def _belongs(
    record: HopRecord, campaign: Campaign, framework: Framework, network: HopNetwork
) -> bool:
    return (
        record.framework == framework.name
        and record.provenance.framework_fingerprint == framework.fingerprint
        and record.hop.mechanism is campaign.mechanism
        and record.moving_ion in campaign.pair
        and record.hop.class_id in {each.class_id for each in network.classes}
    )
