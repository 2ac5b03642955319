"""Vacancy barriers of NaCl and LiCl with CHGNet, by plain ASE alone.

An independent truth for the band code: nothing of dualion is imported. Rocksalt is a trap for
interpolated paths (the symmetric path converges onto a ridge), so several seven-image
climbing-image bands are started from differently kicked paths, and the lowest counts.

Run ``python benchmarks/truth/rocksalt_reference.py [--write FILE]``: prints a table and, with
``--write``, stores it as JSON (about 40 minutes on one core).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.filters import FrechetCellFilter
from ase.mep import NEB
from ase.optimize import BFGS, FIRE

HOSTS = {"NaCl": 5.64, "LiCl": 5.13}
IMAGES = 7
KICK = 0.6
FMAX = 0.01
STARTS: dict[str, tuple[float, float, float]] = {
    # Along the hop's two inequivalent sideways axes (out of the (001) plane, in it), and between.
    "001": (1.0, 0.0, 0.0),
    "diagonal": (1.0, 1.0, 0.0),
    "in-plane": (0.0, 1.0, 0.0),
    "001 + rattle": (1.0, 0.0, 0.05),
    "straight": (0.0, 0.0, 0.0),
}


def calculators() -> Callable[[], Any]:
    """Return a maker of CHGNet's own ASE calculators that share one model."""
    import torch  # noqa: PLC0415 - only when really run
    from chgnet.model import CHGNet, CHGNetCalculator  # noqa: PLC0415

    torch.set_num_threads(1)
    model = CHGNet.load(use_device="cpu", verbose=False)

    def make() -> Any:  # noqa: ANN401 - CHGNet is untyped
        with contextlib.redirect_stdout(io.StringIO()):
            return CHGNetCalculator(model, use_device="cpu", on_isolated_atoms="ignore")

    return make


def supercell(name: str, make: Callable[[], Any]) -> Atoms:
    """Relax the primitive cell and repeat it three times along each vector (54 atoms)."""
    atoms = bulk(name, "rocksalt", a=HOSTS[name])
    atoms.calc = make()
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=0.001, steps=300)
    return make_supercell(atoms, 3 * np.eye(3, dtype=int))


def ends(host: Atoms, make: Callable[[], Any], rng: np.random.Generator) -> tuple[Atoms, Atoms]:
    """Relax the two states of a nearest-neighbour cation hop; the mover is the last atom."""
    cations = [i for i, z in enumerate(host.numbers) if z == host.numbers[0]]
    vacancy = cations[0]
    distances = host.get_distances(vacancy, cations, mic=True)
    mover = cations[int(np.argsort(distances, kind="stable")[1])]
    vector = host.get_distance(mover, vacancy, mic=True, vector=True)
    keep = [i for i in range(len(host)) if i not in (vacancy, mover)]
    first = host[[*keep, mover]]
    last = first.copy()
    last.positions[-1] += vector
    for atoms in (first, last):
        atoms.positions += rng.normal(0.0, 0.02, (len(atoms), 3))
        atoms.calc = make()
        if not BFGS(atoms, logfile=None).run(fmax=0.005, steps=500):
            message = "an end point did not converge"
            raise RuntimeError(message)
    return first, last


def band(
    first: Atoms, last: Atoms, start: tuple[float, float, float], make: Callable[[], Any], seed: int
) -> dict[str, float | int | bool]:
    """Converge one climbing-image band from a path kicked sideways at its middle."""
    images = [first.copy() for _ in range(IMAGES + 1)] + [last.copy()]
    NEB(images).interpolate("idpp", mic=True)
    along = images[-1].positions[-1] - images[0].positions[-1]
    along /= np.linalg.norm(along)
    # The cubic axis normal to the hop, and the third direction of the right-handed frame.
    normal = np.eye(3)[int(np.argmin(np.abs(along)))]
    aside = np.cross(normal, along)
    direction = start[0] * normal + start[1] * aside
    if np.linalg.norm(direction) > 0:
        direction /= np.linalg.norm(direction)
    rng = np.random.default_rng(seed)
    for i, atoms in enumerate(images[1:-1], start=1):
        hump = np.sin(np.pi * i / (IMAGES + 1))
        atoms.positions[-1] += KICK * hump * direction
        atoms.positions += rng.normal(0.0, start[2], (len(atoms), 3)) if start[2] else 0.0
    for atoms in images:
        atoms.calc = make()
    neb = NEB(images, k=5.0, climb=False, method="improvedtangent")
    FIRE(neb, logfile=None).run(fmax=0.2, steps=300)
    neb.climb = True
    optimizer = FIRE(neb, logfile=None)
    converged = bool(optimizer.run(fmax=FMAX, steps=600))
    force = float(np.linalg.norm(neb.get_forces(), axis=1).max())
    energies = [float(atoms.get_potential_energy()) for atoms in images]
    return {
        "barrier": round(max(energies) - energies[0], 5),
        "reverse": round(max(energies) - energies[-1], 5),
        "force": round(force, 4),
        "converged": converged,
        "steps": int(optimizer.nsteps),
    }


def reference(name: str, starts: tuple[str, ...] = tuple(STARTS)) -> dict[str, Any]:
    """Compute all bands of one host; the lowest converged one is the reference."""
    warnings.filterwarnings("ignore")
    make = calculators()
    host = supercell(name, make)
    rng = np.random.default_rng(7)
    first, last = ends(host, make, rng)
    bands: dict[str, dict[str, float | int | bool]] = {}
    for seed, start in enumerate(starts):
        clock = time.perf_counter()
        bands[start] = band(first, last, STARTS[start], make, seed)
        print(f"{name} {start:14s} {bands[start]} {time.perf_counter() - clock:.0f} s", flush=True)
    lowest = min(float(b["barrier"]) for b in bands.values() if b["converged"])
    return {
        "lattice": [[round(float(x), 6) for x in row] for row in host.cell.array],
        "barrier": lowest,
        "bands": bands,
    }


def main() -> None:
    """Print the table; store it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, help="JSON file to write")
    parser.add_argument("hosts", nargs="*", default=list(HOSTS))
    arguments = parser.parse_args()
    table: dict[str, Any] = {
        "model": "CHGNet 0.3.0",
        "versions": {p: version(p) for p in ("ase", "chgnet", "torch", "numpy")}
        | {"python": platform.python_version()},
        "settings": {"images": IMAGES, "kick": KICK, "fmax": FMAX, "atoms": 53},
        "hosts": {name: reference(name) for name in arguments.hosts},
    }
    for name, host in table["hosts"].items():
        print(f"{name}: lowest barrier {host['barrier']:.4f} eV")
    if arguments.write is not None:
        arguments.write.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
