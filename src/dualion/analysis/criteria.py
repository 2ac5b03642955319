"""What a verdict is measured by: thresholds of a barrier, and the errors taken for each method."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dualion.analysis.diffusion import ATTEMPT_FREQUENCY, BOLTZMANN
from dualion.records import LITERATURE, LevelOfTheory, Record

REFERENCE = 300.0
"""Temperature in K that the thresholds are given for."""

Kind = Literal["density functional", "machine-learned potential", "literature", "other"]

BENCHMARK = (
    "mean absolute error of MACE-MP against DFT bands: 0.10 eV over 30 hops below 1 eV (a "
    "selection of doi 10.48550/arXiv.2508.06459), median 0.17 eV over all 584 of them; potentials "
    "tell good from bad conductors at 0.5 eV in some 82 % of cases (doi 10.1039/D5DD00534E) and "
    "underestimate high barriers (softening, doi 10.1038/s41524-024-01500-6)"
)
CONVENTION = (
    "a convention: what cutoff, k-points and cell have been seen to shift; functionals differ as "
    "well (doi 10.1038/s41524-022-00837-0)"
)
NO_BENCHMARK = "no benchmark is known: taken as for a potential"


class Criteria(BaseModel):
    """When an ion moves, when it is blocked, and how far a barrier is trusted.

    Thresholds are barriers at 300 K; at another temperature they are scaled by T/300 K, which is
    the same rate of jumps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    moves_below: float = Field(
        0.5, gt=0.0, le=5.0, description="An ion with a lower percolating barrier moves, in eV."
    )
    blocked_above: float = Field(
        0.8, gt=0.0, le=5.0, description="An ion with a higher one is blocked, in eV."
    )
    dimensions: int = Field(
        1, ge=1, le=3, description="Directions in which an ion must get through to move."
    )
    potential_error: float = Field(
        0.15, ge=0.0, le=2.0, description="Of a machine-learned potential's barrier, in eV."
    )
    functional_error: float = Field(
        0.05, ge=0.0, le=2.0, description="Of a density functional's barrier, in eV."
    )
    other_error: float = Field(
        0.15, ge=0.0, le=2.0, description="Of any other method's barrier, in eV."
    )
    small_cell_error: float = Field(
        0.15,
        ge=0.0,
        le=2.0,
        description="Added where images are less than 10 Å apart, in eV: what 8.6 Å were off.",
    )
    require_proof: bool = Field(
        default=False, description="Count only barriers whose saddle is proven to join its ends."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.moves_below > self.blocked_above:
            msg = (
                f"moves_below ({self.moves_below:g} eV) is above blocked_above "
                f"({self.blocked_above:g} eV): no ion both moves and is blocked"
            )
            raise ValueError(msg)
        return self

    def at(self, temperature: float) -> tuple[float, float]:
        """Return both thresholds at a temperature in K: moves below, blocked above, in eV."""
        scale = temperature / REFERENCE
        return self.moves_below * scale, self.blocked_above * scale


class Trust(Record):
    """How far a level of theory is trusted."""

    kind: Kind
    error: float = Field(description="Taken for each barrier, in eV.")
    source: str = Field(description="Where that number comes from.")


def trust_in(theory: LevelOfTheory, criteria: Criteria) -> Trust:
    """Tell the error that is taken for barriers of a level of theory.

    Parameters
    ----------
    theory
        Engines with weights are potentials; those with a functional are density functionals.
    criteria
        Holds the numbers.
    """
    stamp = theory.stamp
    if stamp.code == LITERATURE:
        return Trust(kind="literature", error=criteria.functional_error, source=CONVENTION)
    if stamp.model_sha256 is not None:
        return Trust(
            kind="machine-learned potential", error=criteria.potential_error, source=BENCHMARK
        )
    if any(name in {"functional", "xc"} for name, _ in stamp.parameters):
        return Trust(kind="density functional", error=criteria.functional_error, source=CONVENTION)
    return Trust(kind="other", error=criteria.other_error, source=NO_BENCHMARK)


def jump_rate(barrier: float, temperature: float, attempt: float = ATTEMPT_FREQUENCY) -> float:
    """Jumps over a barrier in eV per second, by harmonic transition-state theory.

    Vineyard, doi 10.1016/0022-3697(57)90059-8.
    """
    return attempt * math.exp(-barrier / (BOLTZMANN * temperature))


def spread(barrier: float, temperature: float, seconds: float, *, step: float = 3.0) -> float:
    """How far a lone carrier gets along one axis in a time, root mean square, in Å.

    Parameters
    ----------
    barrier
        Of every hop, in eV.
    temperature
        In K.
    seconds
        Time.
    step
        Length of a hop, in Å; one hop each way along the axis.
    """
    return step * math.sqrt(2.0 * jump_rate(barrier, temperature) * seconds)
