"""The level of theory of a VASP engine, as it enters the fingerprint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualion.engines.registry import installed_version
from dualion.engines.vasp import presets
from dualion.records import EngineStamp
from dualion.settings import BandSettings, RelaxSettings

if TYPE_CHECKING:
    from dualion.engines.entry import EngineEntry

_BY_CAMPAIGN = frozenset({"NSW", "EDIFFG", "SPRING", "IMAGES", "LCLIMB", "IOPT"})
"""Tags that come from the campaign's settings, which have a fingerprint of their own."""


def stamp_of_entry(entry: EngineEntry, version: str) -> EngineStamp:
    """Return the stamp: functional, every tag of every step, and the rules for the rest.

    Nothing is imported and no POTCAR is read: the versions of VASP and of the potentials are among
    the findings of a result.

    Parameters
    ----------
    entry
        Of kind ``vasp``.
    version
        Of its package.
    """
    preset = presets.preset_from(dict(entry.kwargs))
    steps = {
        "": presets.electronic(preset),
        "cell: ": presets.relaxation(RelaxSettings(), cell=True, symmetric=True, steps=0),
        "ions: ": presets.relaxation(RelaxSettings(), cell=False, symmetric=False, steps=0),
        "band: ": presets.band(BandSettings(), images=0, climb=True, limit=0.0, steps=0),
        "static: ": presets.static(),
    }
    tags = [
        (f"{step}{tag.name}", str(tag.value))
        for step, found in steps.items()
        for tag in found
        if tag.name not in _BY_CAMPAIGN
    ]
    versions = [
        (name, installed_version(name) or "unknown") for name in ("custodian", "pymatgen-core")
    ]
    return EngineStamp(
        engine=entry.name,
        code=entry.package,
        version=version,
        parameters=tuple(
            sorted(
                [("functional", preset.functional), *tags, *versions, *presets.rules(preset)],
            )
        ),
    )
