"""What larger cells cost: building them, and force calls of a band in them.

    python benchmarks/scaling/cells.py                        # building, up to 2,000 atoms
    python benchmarks/scaling/cells.py --cells 50 100 200     # one adaptive hop with CHGNet in each

Building takes no engine: enumeration of the hops, supercell, place of the hops, dopants, end
points, path and judgement, in seconds for one hop. A hop in a cell of about so many atoms: force
calls and seconds of relaxation and band, against the seconds of one call.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from dualion.analysis.band import judge_band
from dualion.analysis.uncertainty import barrier_error
from dualion.engines.jobs import converge_band, relax_structure
from dualion.engines.registry import EngineChoice
from dualion.records import (
    Arrangement,
    Band,
    EndPoints,
    EngineStamp,
    Framework,
    Geometry,
    HopNetwork,
    Mechanism,
    Relaxed,
    Supercell,
)
from dualion.records import Path as HopPath
from dualion.settings import BandSettings, CellSettings, PathSettings, RelaxSettings
from dualion.structures.doping import arrangements
from dualion.structures.endpoints import build_endpoints
from dualion.structures.hops import find_hops, place_hops, working_sites
from dualion.structures.library import find_library
from dualion.structures.path import build_path
from dualion.structures.supercell import build_supercell

SIZES = (50, 200, 500, 1000, 2000)
STAMP = EngineStamp(engine="none", code="none", version="0")
LARGEST = 4000
DILUTE = Arrangement(label="dilute", fraction=0.0)
DOPANT = {"Li": "Na", "Na": "Li", "Cu": "Ag", "Ag": "Cu", "K": "Na"}

Found = TypeVar("Found")


class Clock:
    """Collects how long each step took, in s."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, function: Callable[..., Found], *args: Any, **kw: Any) -> Found:  # noqa: ANN401
        """Call a function under the clock."""
        began = time.perf_counter()
        found = function(*args, **kw)
        self.seconds[name] = time.perf_counter() - began
        return found


def hops_of(framework: Framework, parent: Geometry) -> HopNetwork:
    """Enumerate the vacancy hops."""
    ion = framework.working_ion
    sites = working_sites(parent, ion)
    return find_hops(parent, sites, mechanism=Mechanism.VACANCY, ion=ion, max_length=None)


def distance_for(parent: Geometry, atoms: int) -> float:
    """Image distance whose smallest cell comes nearest to so many atoms."""
    edge = (parent.volume * atoms / len(parent)) ** (1 / 3)
    found: dict[float, float] = {}
    for distance in np.linspace(0.75, 1.15, 17) * edge:
        settings = CellSettings(min_image_distance=max(2.1, distance), max_atoms=LARGEST)
        count = len(build_supercell(parent, settings).geometry)
        found[float(distance)] = abs(np.log(count / atoms))
    return min(found, key=found.__getitem__)


def unrelaxed(state: Geometry) -> Relaxed:
    """Pass a state off as relaxed."""
    return Relaxed(
        geometry=state, energy=0.0, max_force=0.0, converged=True, force_calls=0, stamp=STAMP
    )


def as_band(path: HopPath) -> Band:
    """Pass a path off as a band over a smooth barrier."""
    count = len(path.images)
    steps = [float(np.linalg.norm(b - a)) for a, b in pairwise(path.images.xyz)]
    return Band(
        images=path.images,
        mover=path.mover,
        energies=tuple(float(e) for e in 0.3 * np.sin(np.linspace(0.0, np.pi, count)) ** 2),
        tangent_forces=(0.0,) * count,
        coordinates=tuple(float(x) for x in np.cumsum([0.0, *steps])),
        climb_force=0.02,
        max_force=0.05,
        converged=True,
        steps=1,
        force_calls=1,
        stamp=STAMP,
    )


def built(framework: Framework, atoms: int) -> tuple[int, dict[str, float]]:
    """Build one hop in a cell of about so many atoms; return the atoms and the seconds."""
    parent, ion = framework.parent, framework.working_ion
    mover = DOPANT[ion]
    settings = CellSettings(min_image_distance=distance_for(parent, atoms), max_atoms=LARGEST)
    clock = Clock()
    network = clock("find hops", hops_of, framework, parent)
    cell: Supercell = clock("supercell", build_supercell, parent, settings)
    hop = clock("place", place_hops, network, cell, members=4)[0]
    ends_atoms = tuple(atom for atom in (hop.initial, hop.final) if atom is not None)
    clock(
        "dopants", arrangements, cell, working_ion=ion, dopant=mover, kind=0.25, count=2,
        exclude=ends_atoms, mover=mover, seed=0,
    )  # fmt: skip
    ends: EndPoints = clock("ends", build_endpoints, cell.geometry, hop, mover, DILUTE)
    path: HopPath = clock(
        "path", build_path, unrelaxed(ends.initial), unrelaxed(ends.final), ends, PathSettings(),
        seed=0, host=cell.geometry,
    )  # fmt: skip
    band = as_band(path)
    clock("judge", judge_band, band, path, ends, host=cell.geometry)
    clock("error", barrier_error, band)
    return len(cell.geometry), clock.seconds


def run_hop(framework: Framework, atoms: int, seconds: float) -> dict[str, float]:
    """Run the shortest hop in a cell of about so many atoms with CHGNet.

    Relaxation and band stop at their usual thresholds; `seconds` only decides whether a cell
    is begun at all, by the time of one call.
    """
    choice = EngineChoice(name="chgnet", device="cpu")
    relaxed = relax_structure(
        framework.parent, choice, RelaxSettings(fmax=0.01), cell=True, keep_symmetry=True
    )
    parent = relaxed.geometry
    settings = CellSettings(min_image_distance=distance_for(parent, atoms), max_atoms=LARGEST)
    cell = build_supercell(parent, settings)
    hop = place_hops(hops_of(framework, parent), cell)[0]
    ends = build_endpoints(cell.geometry, hop, framework.working_ion, DILUTE)
    call = _seconds_per_call(ends.initial, choice)
    row: dict[str, float] = {"atoms": len(ends.species), "s per call": call}
    if call * 120 > seconds:
        return row
    began = time.perf_counter()
    first, last = (relax_structure(x, choice, RelaxSettings()) for x in (ends.initial, ends.final))
    row |= {
        "relax calls": first.force_calls + last.force_calls,
        "relax s": time.perf_counter() - began,
    }
    path = build_path(first, last, ends, PathSettings(), seed=0, host=cell.geometry)
    began = time.perf_counter()
    band = converge_band(path, choice, BandSettings(method="adaptive"))
    taken = time.perf_counter() - began
    error = barrier_error(band)
    return row | {
        "band calls": band.force_calls,
        "band s": taken,
        "s per band call": taken / max(band.force_calls, 1),
        "barrier eV": max(band.energies) - band.energies[0],
        "± eV": np.nan if error is None or error.energy is None else error.energy,
        "proven": float(bool(band.proven)),
    }


def _seconds_per_call(state: Geometry, choice: EngineChoice) -> float:
    from dualion.engines.calculators import build_source  # noqa: PLC0415

    source, numbers = build_source(choice), state.atoms().numbers
    times = []
    for seed in range(4):
        xyz = state.xyz + np.random.default_rng(seed).normal(0.0, 0.02, (len(state), 3))
        began = time.perf_counter()
        source(numbers, xyz, state.cell, stress=False)
        times.append(time.perf_counter() - began)
    return float(np.median(times[1:]))


def show(rows: list[dict[str, Any]]) -> None:
    """Print rows with the same keys as a table."""
    keys = list(max(rows, key=len))
    print("  ".join(f"{key:>10s}" for key in keys))
    for row in rows:
        values = (row.get(key, "–") for key in keys)
        print(
            "  ".join(f"{v:10.3f}" if isinstance(v, float) else f"{v!s:>10s}" for v in values),
            flush=True,
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frameworks", nargs="+", help="names in the library")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="atoms to build")
    parser.add_argument("--cells", nargs="+", type=int, help="atoms of cells to run a hop in")
    parser.add_argument("--seconds", type=float, default=600.0, help="no cell likely to take more")
    parser.add_argument("--write", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name in arguments.frameworks or (["nacl"] if arguments.cells else ["li6ps5cl", "nacl"]):
        framework = find_library().load(name)
        for atoms in arguments.cells or arguments.sizes:
            if arguments.cells:
                found = run_hop(framework, atoms, arguments.seconds)
                row: dict[str, Any] = {"framework": name, **found}
            else:
                count, seconds = built(framework, atoms)
                row = {"framework": name, "atoms": count, **seconds, "sum": sum(seconds.values())}
            rows.append(row)
            print(name, atoms, flush=True)
    show(rows)
    facts = {
        "machine": platform.machine(),
        "cpus allowed": len(os.sched_getaffinity(0)),
        "load (1, 5, 15 min)": [round(x, 1) for x in os.getloadavg()],
        "python": platform.python_version(),
        **{package: version(package) for package in ("dualion", "ase", "chgnet", "torch", "numpy")},
    }
    print(", ".join(f"{key}: {value}" for key, value in facts.items()))
    if arguments.write is not None:
        text = json.dumps({"facts": facts, "rows": rows}, indent=2, ensure_ascii=False)
        arguments.write.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
