"""The hops of workflows/dft_smoke.yaml by plain ASE and GPAW: nothing of dualion is imported.

A Li vacancy in rocksalt LiCl (15 atoms, one electron more than the neutral atoms), into which a
neighbouring Li+ or an Na+ in its place hops. The hop is its own mirror: one end point is relaxed,
the other is its mirror image (checked by a force call), and a climbing-image band of one image ends
at the saddle. The straight path is a ridge 0.2 eV above the saddle: the ion starts beside it. The
middle of the path is the saddle of Na+; Li+ has a shallow rest there, between two saddles, and an
image that starts in the middle is held there by symmetry, 0.03 eV too low: it starts before.

    python benchmarks/dft/plain_gpaw.py --write benchmarks/dft/plain_gpaw.json     # minutes
    python benchmarks/dft/plain_gpaw.py --compare runs/dft_smoke/barriers.csv

The second holds a campaign's table against the stored numbers and fails beyond 5 meV.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.geometry import find_mic
from ase.mep import NEB
from ase.optimize import BFGS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

STORED = Path(__file__).with_suffix(".json")
AGREE = 0.005
"""Largest difference of two barriers, in eV."""
LATTICE = 5.1295
"""Cubic cell edge of LiCl, in Å (the one in structures/cif/licl.cif)."""
KICK = 0.6
START = {"Li": 0.3, "Na": 0.5}
"""Where on the straight line the image starts, in parts of it."""
FMAX_ENDS = 0.02
FMAX_BAND = 0.02
SAME = ("settings", "fmax", "versions")
"""Of a file of numbers: what must be the same to add further hops to it."""
SETTINGS: dict[str, Any] = {
    "mode": {"name": "pw", "ecut": 200},
    "xc": "PBE",
    "kpts": {"size": (2, 2, 2), "gamma": True},
    "occupations": {"name": "fermi-dirac", "width": 0.05},
    "charge": -1,
    "symmetry": {"point_group": False},
    "convergence": {"energy": 1e-4, "density": 1e-4, "eigenstates": 1e-4},
}


def calculator() -> Any:  # noqa: ANN401 - GPAW is untyped here
    """Return GPAW's own calculator, which goes on from its last density and wave functions."""
    from gpaw import GPAW  # noqa: PLC0415 - not needed to compare

    return GPAW(**SETTINGS, txt=None)


def ends(ion: str) -> tuple[Atoms, Atoms, int]:
    """Both unrelaxed end points, one order of atoms, and the index of the mover."""
    host = bulk("LiCl", "rocksalt", a=LATTICE) * (2, 2, 2)
    lithium = [i for i, symbol in enumerate(host.symbols) if symbol == "Li"]
    vacancy = lithium[0]
    distances = host.get_distances(vacancy, lithium, mic=True)
    distances[0] = np.inf
    mover = lithium[int(np.argmin(distances))]
    hop = host.get_distance(mover, vacancy, mic=True, vector=True)
    host.symbols[mover] = ion
    first = host.copy()
    last = host.copy()
    last.positions[mover] += hop
    del first[vacancy], last[vacancy]
    return first, last, mover - (mover > vacancy)


def relaxed(atoms: Atoms) -> int:
    """Relax in place; return the number of force calls."""
    atoms.calc = calculator()
    optimiser = BFGS(atoms, logfile="-")
    if not optimiser.run(fmax=FMAX_ENDS, steps=60):
        sys.exit("an end point did not relax")
    return int(optimiser.nsteps) + 1


def mirror_image(atoms: Atoms, like: Atoms, middle: Array, normal: Array) -> Atoms:
    """Mirror atoms in a plane, in the order and the periodic images of others near by."""
    image = atoms.positions - 2.0 * np.outer((atoms.positions - middle) @ normal, normal)
    twin = like.copy()
    for i, symbol in enumerate(like.symbols):
        same = [j for j, other in enumerate(atoms.symbols) if other == symbol]
        steps, lengths = find_mic(image[same] - like.positions[i], like.cell, like.pbc)
        twin.positions[i] = like.positions[i] + steps[int(np.argmin(lengths))]
    return twin


def barrier(ion: str) -> dict[str, Any]:
    """Compute one hop."""
    start, cpu = time.time(), time.process_time()
    first, last, mover = ends(ion)
    middle = 0.5 * (first.positions[mover] + last.positions[mover])
    hop = last.positions[mover] - first.positions[mover]
    calls = [relaxed(first), 1]
    last = mirror_image(first, last, middle, hop / np.linalg.norm(hop))
    last.calc = calculator()
    if np.linalg.norm(last.get_forces(), axis=1).max() > 1.5 * FMAX_ENDS:
        sys.exit("the mirror image of the relaxed end point is no end point")
    share = START[ion]
    top = first.copy()
    top.positions = (1.0 - share) * first.positions + share * last.positions
    # Out of the plane of the two ions and the chlorine between: the cubic axis across the hop.
    top.positions[mover] += np.sin(np.pi * share) * KICK * np.eye(3)[int(np.argmin(np.abs(hop)))]
    top.calc = calculator()
    images = [first, top, last]
    optimiser = BFGS(NEB(images, climb=True, method="improvedtangent"), maxstep=0.1, logfile="-")
    converged = optimiser.run(fmax=FMAX_BAND, steps=120)
    energies = [float(image.get_potential_energy()) for image in images]
    return {
        "barrier": energies[1] - energies[0],
        "reverse": energies[1] - energies[2],
        "converged": bool(converged),
        "force_calls": [*calls, int(optimiser.nsteps) + 1],
        "largest_force_at_the_saddle": float(np.linalg.norm(top.get_forces(), axis=1).max()),
        "cell": top.cell.array.round(6).tolist(),
        "symbols": list(top.symbols),
        "end": first.positions.round(4).tolist(),
        "saddle": top.positions.round(4).tolist(),
        "cpu_seconds": round(time.process_time() - cpu),
        "seconds": round(time.time() - start),
    }


def found(row: dict[str, str], ion: str) -> bool:
    """Whether a row of a campaign's table has a barrier of this ion."""
    return bool(row.get(f"{ion}_forward"))


def compared(table: Path) -> bool:
    """Print a campaign's barriers beside the stored ones; return whether all agree."""
    stored = json.loads(STORED.read_text(encoding="utf-8"))["hops"]
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    seen = {ion: float(row[f"{ion}_forward"]) for row in rows for ion in stored if found(row, ion)}
    agree = True
    for ion, plain in stored.items():
        if ion not in seen:
            print(f"{ion}: {table} has no barrier")
            agree = False
            continue
        off = seen[ion] - plain["barrier"]
        agree &= abs(off) <= AGREE
        print(
            f"{ion} in LiCl: {seen[ion]:.4f} eV, plain ASE and GPAW {plain['barrier']:.4f} eV, "
            f"difference {1000 * off:+.1f} meV{'' if abs(off) <= AGREE else ': TOO LARGE'}"
        )
    return agree


def main() -> None:
    """Compute, or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("ions", nargs="*", default=["Li", "Na"])
    parser.add_argument("--write", type=Path, help="store the numbers as JSON")
    parser.add_argument("--compare", type=Path, help="barriers.csv of a campaign")
    arguments = parser.parse_args()
    if arguments.compare:
        sys.exit(0 if compared(arguments.compare) else 1)
    hops = {}
    for ion in arguments.ions:
        hops[ion] = barrier(ion)
        print(ion, json.dumps({k: v for k, v in hops[ion].items() if k not in {"saddle", "end"}}))
    if arguments.write:
        found = {
            "settings": SETTINGS,
            "fmax": {"ends": FMAX_ENDS, "band": FMAX_BAND},
            "versions": {name: version(name) for name in ("gpaw", "gpaw-data", "ase")},
            "hops": hops,
        }
        if arguments.write.exists():  # hops of the same settings computed before are kept
            before = json.loads(arguments.write.read_text(encoding="utf-8"))
            if all(before[key] == json.loads(json.dumps(found[key])) for key in SAME):
                found["hops"] = before["hops"] | hops
        arguments.write.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
