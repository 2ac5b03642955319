"""atomate2's NEB maker with its own defaults, run as its own flow.

Traps of version 0.1.5: the force-field maker overrides ``make`` with another signature and cannot
be called with end points, so the ASE maker is used, with the calculator that it leaves to the
user. Its relax maker frees the cell, which the interpolation then refuses: the cell is fixed.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from atomate2.ase.jobs import AseRelaxMaker
from atomate2.ase.neb import AseNebFromEndpointsMaker
from jobflow import JobStore, run_locally
from maggma.stores import MemoryStore
from potential import Counter, calculators
from pymatgen.io.ase import AseAtomsAdaptor
from rivals import IMAGES

if TYPE_CHECKING:
    from hosts import Start
    from jobflow import Job

ENDS, BAND = Counter(), Counter()
"""Shared by all calculators of a run; atomate2 copies the calculator for every image."""


@dataclass
class EndMaker(AseRelaxMaker):
    """The relaxation of an end point: FIRE, fmax 0.1, by default."""

    name: str = "end point"
    relax_cell: bool = False

    def _get_calculator(self) -> Any:  # noqa: ANN401 - CHGNet is untyped
        return calculators(ENDS, complete=True)()


@dataclass
class BandMaker(AseNebFromEndpointsMaker):
    """The band: linear path, k 0.1, no climbing, FIRE, fmax 0.1, 500 steps, by default."""

    name: str = "band"

    def _get_calculator(self) -> Any:  # noqa: ANN401
        return calculators(BAND, complete=True)()


def carried_out(job: Job) -> tuple[Any, float]:
    """Run a band's flow in a folder of its own; return its ``NebResult`` and the seconds."""
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    clock = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        outputs = run_locally(job, store=store, ensure_success=True, log=False)
    seconds = time.perf_counter() - clock
    # The job replaces itself; the last one to have run is the band.
    bands = [
        response.output
        for by_index in outputs.values()
        for response in by_index.values()
        if hasattr(response.output, "image_indices")
    ]
    return bands[-1], seconds


def band(start: Start) -> dict[str, Any]:
    """Run the flow on one hop."""
    for counter in (ENDS, BAND):
        counter.taken()
    adaptor = AseAtomsAdaptor()
    ends = tuple(adaptor.get_structure(atoms) for atoms in start.states())
    job = BandMaker(endpoint_relax_maker=EndMaker()).make(ends, num_images=IMAGES)
    result, seconds = carried_out(job)
    energies = [float(energy) for energy in result.energies]
    return {
        "barrier": max(energies) - energies[0],
        "energies": [energy - energies[0] for energy in energies],
        "converged": result.state.value == "successful",
        "end_calls": [ENDS.taken()],
        "band_calls": BAND.taken(),
        "end_energies": [energies[0], energies[-1]],
        "seconds": seconds,
        "note": "",
    }
