"""atomate2's band maker with its own defaults."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).parents[1] / "bands"))

from atomate import carried_out
from atomate2.ase.jobs import AseRelaxMaker
from atomate2.ase.neb import AseNebFromEndpointsMaker
from pymatgen.io.ase import AseAtomsAdaptor
from remote import Remote, calculator
from rivals import IMAGES

from dualion.engines.fingerprint import checked_model
from dualion.engines.registry import EngineChoice, entry_of

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator


@cache
def _quick() -> Calculator:
    """Return the engine without its waiting."""
    entry = entry_of(EngineChoice(name="remote", device="cpu"))
    model = checked_model(entry, trust=False)
    assert model is not None  # noqa: S101 - it has weights
    return calculator(str(model[0]), "cpu", seconds=0.0)


class EndMaker(AseRelaxMaker):
    """The relaxation of an end point."""

    def _get_calculator(self) -> Calculator:
        return _quick()


class BandMaker(AseNebFromEndpointsMaker):
    """The band."""

    def _get_calculator(self) -> Calculator:
        return _quick()


def by_atomate2(states: tuple[Atoms, Atoms]) -> dict[str, Any]:
    """Run its flow: ends by FIRE at fixed cell, linear path, band by FIRE, all to 0.1 eV/Å."""
    ends = tuple(AseAtomsAdaptor.get_structure(atoms) for atoms in states)
    maker = BandMaker(endpoint_relax_maker=EndMaker(relax_cell=False))
    Remote.calls = 0
    band, seconds = carried_out(maker.make(ends, num_images=IMAGES))
    energies = [float(energy) for energy in band.energies]
    return {
        "seconds": round(seconds),
        "calls": Remote.calls,
        "energies": [energy - energies[0] for energy in energies],
        "barrier": max(energies) - energies[0],
        "converged": band.state.value == "successful",
    }
