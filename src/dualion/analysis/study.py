"""One framework and pair as far as they are known: verdicts, and what stands behind them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dualion.analysis.descriptors import (
    NO_SOLUTION,
    IonDescriptors,
    SaddleDescriptors,
    ion_descriptors,
    saddle_descriptors,
)
from dualion.analysis.windows import Openings, openings

if TYPE_CHECKING:
    from dualion.analysis.solution import Solution
    from dualion.analysis.verdict import PairVerdict
    from dualion.records import Framework, HopNetwork, HopRecord


@dataclass(frozen=True)
class Study:
    """All that a verdict page tells of one framework and pair.

    Attributes
    ----------
    campaign
        Name of the campaign that asked.
    framework, network
        The parent, and all its hop classes.
    records
        What the verdicts are made of.
    verdicts
        One for each surroundings, temperature and level of theory.
    solutions
        Of ions in the framework's host, at any level of theory.
    """

    campaign: str
    framework: Framework
    network: HopNetwork
    records: tuple[HopRecord, ...]
    verdicts: tuple[PairVerdict, ...]
    solutions: tuple[Solution, ...] = ()

    @cached_property
    def openings(self) -> Openings:
        """The room that the parent's anions leave."""
        return openings(self.network)

    @cached_property
    def ions(self) -> tuple[IonDescriptors, ...]:
        """Descriptors of the pair's ions in the parent, without energies."""
        pair = dict.fromkeys(ion for verdict in self.verdicts for ion in verdict.pair)
        return tuple(ion_descriptors(self.framework, ion, self.openings) for ion in pair)

    def solution(self, verdict: PairVerdict, ion: str) -> tuple[Solution | None, str]:
        """Return an ion's solution at a verdict's level of theory; else None, and why."""
        if self.framework.vacant:
            return None, "the framework is empty: the ion takes no other's place"
        of_ion = [
            each
            for each in self.solutions
            if each.ion == ion
            and each.host_ion == self.framework.working_ion
            and each.framework_fingerprint == self.framework.fingerprint
        ]
        fit = next((each for each in of_ion if each.is_level_of(verdict.theory)), None)
        if fit is not None or not of_ion:
            return fit, "" if fit else NO_SOLUTION
        levels = dict.fromkeys(each.theory.stamp.text for each in of_ion)
        return None, (
            "not computed at this level of theory and in this cell, "
            f"only with {', '.join(levels)}: run 'dualion solution' as these records were"
        )

    def ions_of(self, verdict: PairVerdict) -> tuple[IonDescriptors, ...]:
        """Describe the ions of a verdict, with the energies of its level of theory."""
        found = []
        for ion in verdict.pair:
            fit, why = self.solution(verdict, ion)
            found.append(
                ion_descriptors(self.framework, ion, self.openings, solution=fit, no_solution=why)
            )
        return tuple(found)

    def record(self, record_id: str) -> HopRecord:
        """Return a record by its id."""
        return next(each for each in self.records if each.record_id == record_id)

    def records_of(self, verdict: PairVerdict) -> tuple[HopRecord, ...]:
        """Return the records that a verdict took its barriers from, by ion and hop class."""
        return tuple(
            self.record(each.record) for ion in verdict.ions for each in ion.passage.classes
        )

    def saddles(self, verdict: PairVerdict) -> tuple[SaddleDescriptors, ...]:
        """Describe the saddles that a verdict is made of."""
        return tuple(saddle_descriptors(each) for each in self.records_of(verdict))
