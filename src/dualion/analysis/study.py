"""One framework and pair as far as they are known: verdicts, and what stands behind them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dualion.analysis.descriptors import (
    IonDescriptors,
    SaddleDescriptors,
    ion_descriptors,
    saddle_descriptors,
)
from dualion.analysis.windows import Openings, openings

if TYPE_CHECKING:
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
    """

    campaign: str
    framework: Framework
    network: HopNetwork
    records: tuple[HopRecord, ...]
    verdicts: tuple[PairVerdict, ...]

    @cached_property
    def openings(self) -> Openings:
        """The room that the parent's anions leave."""
        return openings(self.network)

    @cached_property
    def ions(self) -> tuple[IonDescriptors, ...]:
        """Descriptors of the pair's ions in the parent."""
        pair = dict.fromkeys(ion for verdict in self.verdicts for ion in verdict.pair)
        return tuple(ion_descriptors(self.framework, ion, self.openings) for ion in pair)

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
