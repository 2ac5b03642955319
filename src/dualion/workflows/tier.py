"""A further tier of a campaign: another engine, for the hops that a rule promotes."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from dualion.settings import PhysicsSettings
from dualion.workflows.promotion import Rule

if TYPE_CHECKING:
    from dualion.workflows.campaign import Campaign

OVERRIDABLE = (
    *("device", "trust_model", "evaluations", "charge"),
    *("host", "relax", "path", "band"),
)
"""Keys of a campaign that a tier may set for itself. Cell, hops and doping are those of the first:
all tiers answer the same questions.
"""


class Tier(PhysicsSettings):
    """A further tier. Beside these keys it takes some of the campaign's, for itself alone."""

    engine: str = Field(description="Another engine than that of the tier before.")
    promote: Rule = Field(description="Which hops of the tier before are computed again.")
    volumes: bool = Field(
        default=True,
        description="Relax doped cells with a free lattice in this tier too: what an ion costs "
        "in volume. Dear with a density functional.",
    )
    overrides: dict[str, Any] = Field(
        default_factory=dict,
        description="Keys of the campaign that this tier sets for itself; they are written beside "
        "`engine`, and what they leave out is the campaign's.",
    )

    @model_validator(mode="before")
    @classmethod
    def _collect(cls, value: Any) -> Any:  # noqa: ANN401 - pydantic hands over raw input
        if not isinstance(value, dict):
            return value
        own = {key: each for key, each in value.items() if key in cls.model_fields}
        further = {key: each for key, each in value.items() if key not in cls.model_fields}
        overrides = dict(own.get("overrides") or {}) | further
        for key in overrides:
            if key not in OVERRIDABLE:
                known = [name for name in cls.model_fields if name != "overrides"] + [*OVERRIDABLE]
                near = get_close_matches(str(key), known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
                msg = f"unknown key {key!r} of a tier: {hint}"
                raise ValueError(msg)
        return own | {"overrides": overrides}


def effective(campaign: Campaign, tier: Tier) -> Campaign:
    """Return the campaign that a tier stands for, as if it had been written alone.

    Parameters
    ----------
    campaign
        The whole campaign.
    tier
        One of its tiers.

    Returns
    -------
    Campaign
        With the tier's engine and its own settings, and no further tiers.

    Raises
    ------
    pydantic.ValidationError
        If a setting of the tier is out of its range or has no such name.
    """
    plain = _merged(campaign.model_dump(mode="json"), tier.overrides)
    plain |= {"engine": tier.engine, "tiers": []}
    return type(campaign).model_validate(plain)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lay one mapping over another, level by level."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merged(below, value) if both else value  # type: ignore[arg-type]
    return merged
