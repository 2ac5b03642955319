"""Channels, diffusivity and its spread on networks that grow, with time and memory.

Each size is measured in a process of its own, since a process does not give its peak back.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

from dualion.analysis.diffusion import diffusivity
from dualion.analysis.dopant import dopant_tensor
from dualion.analysis.jumps import ClassBarrier, dopant_network, jump_network
from dualion.analysis.percolation import channels
from dualion.records import Geometry, HopClass, HopMember, HopNetwork, Mechanism, Site

KELVIN = 300.0
SPACING = 3.0


def disordered_cube(size: int) -> HopNetwork:
    """One P1 cell of size³ sites on a simple cubic lattice: every hop is a class of its own."""
    index = np.arange(size**3).reshape(size, size, size)
    classes = []
    for axis in range(3):
        cells = np.zeros((size, size, size), dtype=int)
        last = [slice(None)] * 3
        last[axis] = -1
        cells[tuple(last)] = 1
        heads = np.roll(index, -1, axis=axis)
        for start, end, cell in zip(index.ravel(), heads.ravel(), cells.ravel(), strict=True):
            image = [0, 0, 0]
            image[axis] = int(cell)
            member = HopMember(
                initial=int(start), final=int(end), image=tuple(image), operation=0, reversed=False
            )
            classes.append(
                HopClass(
                    class_id=f"h{len(classes) + 1}",
                    orbits=(f"1a{start}", f"1a{end}"),
                    length=SPACING,
                    multiplicity=1,
                    per_site=(1, 1),
                    self_mirror=False,
                    members=(member,),
                )
            )
    places = np.argwhere(np.ones((size, size, size))) / size
    edge = size * SPACING
    lattice = ((edge, 0.0, 0.0), (0.0, edge, 0.0), (0.0, 0.0, edge))
    return HopNetwork(
        parent=Geometry(
            lattice=lattice,
            species=("Li",) * size**3,
            positions=tuple(map(tuple, (places * edge).tolist())),
        ),
        mechanism=Mechanism.VACANCY,
        ion="Li",
        sites=tuple(
            Site(index=k, fractional=tuple(place), orbit=f"1a{k}", atom=k)
            for k, place in enumerate(places.tolist())
        ),
        operations=(),
        classes=tuple(classes),
        max_length=1.1 * SPACING,
        dimensionality=3,
    )


def random_barriers(network: HopNetwork, width: float) -> dict[str, ClassBarrier]:
    """Barriers of 0.3 eV up to so much more, on sites that differ by up to 0.1 eV."""
    generator = np.random.default_rng(0)
    level = {site.orbit: float(generator.uniform(0.0, 0.1)) for site in network.sites}
    found = {}
    for each in network.classes:
        saddle = 0.3 + width * float(generator.random())
        first, last = (saddle - level[orbit] for orbit in each.orbits)
        found[each.class_id] = ClassBarrier(
            class_id=each.class_id, forward=first, reverse=last, error=0.03
        )
    return found


def measure(size: int, width: float) -> None:
    """Print one row."""
    network = disordered_cube(size)
    barriers = random_barriers(network, width)
    before = peak()
    marks = [(time.perf_counter(), time.process_time())]

    def mark() -> None:
        marks.append((time.perf_counter(), time.process_time()))

    jumps = jump_network(network, barriers)
    mark()
    found = channels(jumps)
    mark()
    spread = diffusivity(network, barriers, KELVIN)
    mark()
    wall, cpu = np.diff(np.array(marks), axis=0).T
    three = found.get("3D")
    print(
        f"| {len(network.classes):6d} | {width:.1f} "
        + " ".join(f"| {a:.2f} / {b:.2f}" for a, b in zip(cpu, wall, strict=True))
        + f" | {peak() - before:.0f} | {three.barrier if three else float('nan'):.3f} "
        f"| {spread.mean:.1e} ({spread.lowest:.1e} to {spread.highest:.1e}) |",
        flush=True,
    )


def measure_dopant(size: int) -> None:
    """Print one row for a dopant in a cell of size³ sites."""
    network = disordered_cube(size)
    barriers = random_barriers(network, 0.1)
    host = jump_network(network, barriers)
    dopant = dopant_network(network, random_barriers(network, 0.2), host)
    start = time.perf_counter(), time.process_time()
    found = dopant_tensor(host, dopant, KELVIN)
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    factor = np.trace(found.tensor) / np.trace(found.memoryless)
    print(
        f"| {size**3} | {cpu:.1f} / {wall:.1f} | {peak():.0f} | {factor:.4f} "
        f"| {found.precision:.0e} |",
        flush=True,
    )


def peak() -> float:
    """Largest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000.0


def main() -> None:
    """Measure all sizes, or one where it is called by itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int)
    parser.add_argument("--width", type=float, default=0.3)
    parser.add_argument("--dopant", action="store_true")
    given = parser.parse_args()
    if given.size is not None:
        if given.dopant:
            measure_dopant(given.size)
        else:
            measure(given.size, given.width)
        return
    print("| hops | width / eV | network | channels | D and spread | MB | 3D / eV | D / cm²/s |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for size, width in ((8, 0.3), (11, 0.3), (15, 0.3), (19, 0.3), (15, 1.5)):
        again("--size", str(size), "--width", str(width))
    print("\n| sites | CPU / wall s | MB | f | precision |")
    print("|---|---|---|---|---|", flush=True)
    for size in (1, 2, 3, 4):
        again("--dopant", "--size", str(size))


def again(*words: str) -> None:
    """Call this script in a process of its own."""
    subprocess.run([sys.executable, __file__, *words], check=True)  # noqa: S603 - itself


if __name__ == "__main__":
    main()
