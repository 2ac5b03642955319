"""atomate2's band maker with its own defaults."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from atomate2.ase.jobs import AseRelaxMaker
from atomate2.ase.neb import AseNebFromEndpointsMaker
from jobflow import JobStore, run_locally
from maggma.stores import MemoryStore
from pymatgen.io.ase import AseAtomsAdaptor
from remote import Remote, calculator

from dualion.engines.fingerprint import checked_model
from dualion.engines.registry import EngineChoice, entry_of

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator
    from hop import Start

IMAGES = 5
"""Of its bands; the maker has no default."""


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


def by_atomate2(start: Start) -> dict[str, Any]:
    """Run its flow: ends by FIRE at fixed cell, linear path, band by FIRE, all to 0.1 eV/Å."""
    ends = tuple(AseAtomsAdaptor.get_structure(atoms) for atoms in start.states)
    maker = BandMaker(endpoint_relax_maker=EndMaker(relax_cell=False))
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    Remote.calls = 0
    clock = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        job = maker.make(ends, num_images=IMAGES)
        with contextlib.redirect_stdout(io.StringIO()):
            outputs = run_locally(job, store=store, log=False)
    seconds = time.perf_counter() - clock
    bands = [
        response.output
        for by_index in outputs.values()
        for response in by_index.values()
        if hasattr(response.output, "image_indices")
    ]
    piece: dict[str, Any] = {"seconds": round(seconds), "calls": Remote.calls}
    if bands:  # the job replaces itself; the last to have run is the band
        energies = [float(energy) for energy in bands[-1].energies]
        piece |= {
            "energies": [energy - energies[0] for energy in energies],
            "barrier": max(energies) - energies[0],
            "converged": bands[-1].state.value == "successful",
        }
    return piece
