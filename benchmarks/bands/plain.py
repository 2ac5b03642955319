"""Plain ASE, as its users run it: relax the ends, interpolate, converge a climbing band."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.mep import NEB
from ase.mep.neb import NEBOptimizer
from ase.optimize import BFGS, FIRE, LBFGS
from potential import Counter, calculators
from truth import straight

if TYPE_CHECKING:
    from ase import Atoms
    from hosts import Start

IMAGES = 5
FMAX = 0.05
FINE = 0.02
"""eV/Å: to what dualion relaxes the ends; what it costs FIRE is noted, and charged to nobody."""
STEPS = 200
CALM = 0.2
"""eV/Å: below this the highest image begins to climb."""


@dataclass(frozen=True)
class Protocol:
    """One way to converge a band in ASE.

    Attributes
    ----------
    optimizer
        Takes a band, has ``run(fmax, steps)``.
    spring
        In eV/Å²; 0.1 is what ASE takes unless told.
    method
        ASE's name of the band's forces.
    two_stage
        Climb only once the forces are below `CALM`; otherwise from the first step.
    preconditioner
        ASE's name of one, for the forces that have one.
    """

    optimizer: Callable[[Any], Any]
    spring: float = 0.1
    method: str = "improvedtangent"
    two_stage: bool = True
    preconditioner: str | None = None


QUIET: dict[str, Any] = {"logfile": None}
PROTOCOLS: dict[str, Protocol] = {
    "ase-fire": Protocol(lambda neb: FIRE(neb, **QUIET)),
    "ase-lbfgs": Protocol(lambda neb: LBFGS(neb, alpha=20.0, **QUIET), spring=5.0),
    "ase-bfgs": Protocol(lambda neb: BFGS(neb, **QUIET), spring=5.0),
    "ase-ode": Protocol(lambda neb: NEBOptimizer(neb, method="ODE", **QUIET)),
    "ase-string": Protocol(
        lambda neb: NEBOptimizer(neb, method="ODE", **QUIET),
        method="string",
        preconditioner="Exp",
    ),
}


def relaxed_ends(
    start: Start, make: Callable[[], Any], counter: Counter
) -> tuple[Atoms, Atoms, dict[str, Any]]:
    """Relax both ends with FIRE; return them with what it cost."""
    clock, calls, fine = 0.0, [], []
    states = start.states()
    for atoms in states:
        atoms.calc = make()
        optimizer = FIRE(atoms, logfile=None)
        before = time.perf_counter()
        optimizer.run(fmax=FMAX, steps=STEPS)
        clock += time.perf_counter() - before
        calls.append(counter.taken())
        there = atoms.positions.copy()
        optimizer.run(fmax=FINE, steps=STEPS)
        fine.append(calls[-1] + counter.taken())
        atoms.positions = there
        atoms.calc = make()
        atoms.get_potential_energy()  # known already at the end of the relaxation above
        counter.taken()
    energies = [float(atoms.get_potential_energy()) for atoms in states]
    return (
        *states,
        {
            "end_calls": calls,
            "end_calls_fine": fine,
            "end_seconds": clock,
            "end_energies": energies,
        },
    )


def band(start: Start, protocol: Protocol) -> dict[str, Any]:
    """Run one protocol on one hop."""
    counter = Counter()
    make = calculators(counter)
    first, last, ends = relaxed_ends(start, make, counter)
    clock = time.perf_counter()
    images = straight(first, last, IMAGES)
    images[0].calc, images[-1].calc = first.calc, last.calc
    for image in images[1:-1]:
        image.calc = make()
    neb = NEB(
        images,
        k=protocol.spring,
        climb=not protocol.two_stage,
        method=protocol.method,
        precon=protocol.preconditioner,
    )
    note, converged, steps = "", False, 0
    try:
        if protocol.two_stage:
            calm = protocol.optimizer(neb)
            calm.run(fmax=CALM, steps=STEPS)
            steps = int(calm.nsteps)
            neb.climb = True
        if steps < STEPS:
            converged = bool(protocol.optimizer(neb).run(fmax=FMAX, steps=STEPS - steps))
    except Exception as error:  # noqa: BLE001 - whatever an optimiser dies of is its result
        note = f"{type(error).__name__}: {error}"[:200]
    seconds, calls = time.perf_counter() - clock, counter.taken()
    energies = [float(image.get_potential_energy()) for image in images]
    return {
        **ends,
        "barrier": max(energies) - energies[0],
        "energies": [energy - energies[0] for energy in energies],
        "converged": converged,
        "band_calls": calls,
        "band_seconds": seconds,
        "note": note,
    }


def sella(start: Start) -> dict[str, Any]:
    """Search a saddle point with Sella from the middle of the IDPP path."""
    from sella import Sella  # noqa: PLC0415 - JAX is slow to import

    counter = Counter()
    make = calculators(counter)
    first, last, ends = relaxed_ends(start, make, counter)
    clock = time.perf_counter()
    atoms = straight(first, last, IMAGES)[(IMAGES + 1) // 2]
    atoms.calc = make()
    note, converged = "", False
    try:
        search = Sella(atoms, order=1, internal=False, logfile=None)
        converged = bool(search.run(fmax=FMAX, steps=STEPS))
    except Exception as error:  # noqa: BLE001 - as above
        note = f"{type(error).__name__}: {error}"[:200]
    seconds, calls = time.perf_counter() - clock, counter.taken()
    rise = float(atoms.get_potential_energy()) - ends["end_energies"][0]
    to_final = ends["end_energies"][1] - ends["end_energies"][0]
    off = float(
        np.linalg.norm(atoms.positions[-1] - (first.positions[-1] + last.positions[-1]) / 2)
    )
    return {
        **ends,
        "barrier": rise,
        "energies": [0.0, rise, to_final],
        "converged": converged,
        "band_calls": calls,
        "band_seconds": seconds,
        "note": note or f"mover {off:.2f} Å from the middle of the hop",
    }
