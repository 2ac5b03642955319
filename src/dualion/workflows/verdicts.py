"""The verdicts that a store's records allow on a campaign's framework and pair."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from dualion.analysis.criteria import trust_in
from dualion.analysis.diffusion import ATTEMPT_FREQUENCY, Diffusivity, diffusivity
from dualion.analysis.jumps import class_barriers, dopant_network, jump_network
from dualion.analysis.passage import Passage, not_looked_at, passage
from dualion.analysis.study import Study
from dualion.analysis.verdict import PairVerdict, judge
from dualion.errors import InputError
from dualion.workflows.crossing import records_by_kind
from dualion.workflows.pair import network_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dualion.analysis.criteria import Criteria
    from dualion.analysis.jumps import JumpNetwork
    from dualion.analysis.solution import Solution
    from dualion.records import Framework, HopNetwork, HopRecord
    from dualion.workflows.campaign import Campaign


def whole_network(campaign: Campaign, framework: Framework) -> HopNetwork:
    """Find all hop classes of a framework, also those that a campaign leaves out.

    An ion is not blocked because the classes that carry it were not asked for.
    """
    everything = campaign.model_copy(
        update={"hops": campaign.hops.model_copy(update={"classes": None})}
    )
    return network_of(everything, framework)


def study(
    campaign: Campaign,
    framework: Framework,
    records: Iterable[HopRecord],
    *,
    criteria: Criteria,
    temperatures: Sequence[float] = (300.0,),
    attempt_frequency: float = ATTEMPT_FREQUENCY,
    speeds: bool = True,
    solutions: Iterable[Solution] = (),
) -> Study:
    """Judge a campaign's pair in every surrounding and at every level of theory there is.

    The first ion in the pure host is held against the second diluted in it and against the
    second in a host of its own; in a mixed arrangement both are of that arrangement.

    Parameters
    ----------
    campaign, framework
        Whose hops and pair.
    records
        Those of other frameworks, mechanisms or ions are left out.
    criteria
        Thresholds and errors.
    temperatures
        In K.
    attempt_frequency
        In 1/s, for the diffusivities.
    speeds
        Whether diffusivities are worked out; no verdict depends on them.
    solutions
        Shown beside the verdicts of their level of theory; no verdict depends on them.

    Returns
    -------
    Study
        Levels of theory are never mixed within a verdict.

    Raises
    ------
    InputError
        If no record fits.
    """
    network = whole_network(campaign, framework)
    # A mixed arrangement bears the same name whatever the second ion is.
    own = [
        record
        for record in records
        if all(one.species in campaign.pair for one in record.arrangement.substitutions)
    ]
    kinds = records_by_kind(campaign, framework, network, own)
    levels: dict[str, dict[tuple[str, str], list[HopRecord]]] = defaultdict(dict)
    for (ion, arrangement, fingerprint), several in kinds.items():
        levels[fingerprint][ion, arrangement] = several
    found: list[PairVerdict] = []
    for _, present in sorted(levels.items()):
        for labels in _surroundings(campaign, present):
            found += _verdicts(
                campaign, framework, network, present, labels,
                criteria=criteria, temperatures=temperatures,
                attempt=attempt_frequency if speeds else None,
            )  # fmt: skip
    if not found:
        raise InputError(
            f"no records of {campaign.pair[0]} in its own host, nor of {campaign.pair[1]} in it",
            where=f"campaign '{campaign.name}'",
            remedy="run it with 'doping: [pure, dilute]'",
        )
    used = [record for several in kinds.values() for record in several]
    return Study(
        campaign=campaign.name,
        framework=framework,
        network=network,
        records=tuple(used),
        verdicts=tuple(found),
        solutions=tuple(solutions),
    )


def _surroundings(
    campaign: Campaign, present: dict[tuple[str, str], list[HopRecord]]
) -> list[tuple[str, str]]:
    """Which arrangement of the first ion is held against which of the second."""
    first, second = campaign.pair
    of_first = [label for ion, label in present if ion == first]
    of_second = [label for ion, label in present if ion == second]
    seconds = [label for label in ("dilute", "full") if label in of_second]
    found = [("pure", label) for label in seconds]
    if not seconds and "pure" in of_first:
        found = [("pure", "dilute")]
    mixed = [x for x in dict.fromkeys([*of_first, *of_second]) if x not in ("pure", *seconds)]
    return [*found, *((label, label) for label in sorted(mixed))]


def _verdicts(
    campaign: Campaign,
    framework: Framework,
    network: HopNetwork,
    present: dict[tuple[str, str], list[HopRecord]],
    labels: tuple[str, str],
    *,
    criteria: Criteria,
    temperatures: Sequence[float],
    attempt: float | None,
) -> list[PairVerdict]:
    theory = next(iter(present.values()))[0].theory
    own = present.get((campaign.pair[0], "pure"))
    vacancies = jump_network(network, class_barriers(own)) if own else None
    passages: list[Passage] = []
    for ion, label in zip(campaign.pair, labels, strict=True):
        several = present.get((ion, label))
        passages.append(
            passage(network, several, ion, criteria=criteria, vacancies=vacancies)
            if several
            else not_looked_at(network, ion, label, trust=trust_in(theory, criteria))
        )
    found = []
    for kelvin in temperatures:
        speeds = [
            _speed(network, present.get((ion, label)), ion, kelvin, each, attempt, vacancies)
            for ion, label, each in zip(campaign.pair, labels, passages, strict=True)
        ]
        found.append(
            judge(
                (passages[0], passages[1]),
                framework=framework.name,
                framework_fingerprint=framework.fingerprint,
                formula=framework.parent.formula,
                mechanism=campaign.mechanism,
                theory=theory,
                temperature=kelvin,
                criteria=criteria,
                diffusivities=(speeds[0], speeds[1]),
            )
        )
    return found


def _speed(
    network: HopNetwork,
    records: list[HopRecord] | None,
    ion: str,
    kelvin: float,
    each: Passage,
    attempt: float | None,
    vacancies: JumpNetwork | None,
) -> Diffusivity | None:
    """Diffusivity by the classes that count, with the errors of the verdict."""
    if not records or not each.classes or attempt is None:
        return None
    counted = {k.record for k in each.classes}
    barriers = class_barriers(record for record in records if record.record_id in counted)
    errors = {k.class_id: k.below for k in each.classes}
    varied = {
        name: barrier.model_copy(update={"error": errors[name]})
        for name, barrier in barriers.items()
    }
    moved = network.model_copy(update={"ion": ion})
    make = partial(dopant_network, host=vacancies) if each.needs else jump_network
    return diffusivity(moved, varied, kelvin, attempt_frequency=attempt, make=make)
