"""How many force calls two cores give: threads, pinning, batches.

Measures, with CHGNet and one cell of the library, in one run of about a minute and a half:

* two one-thread workers against one two-thread worker, each free and pinned to its CPUs;
* five images in one batch against one by one (one thread).

    python benchmarks/throughput/workers.py [--framework li6ps5cl] [--seconds 5] [--rounds 3]

The variants take turns, to and fro, so that whatever else the machine does falls on all alike;
printed is the median over the rounds, and the lowest and highest.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from dualion.engines import calculators
from dualion.engines.calculators import build_source
from dualion.engines.registry import EngineChoice
from dualion.launch.affinity import cpus_for
from dualion.records import Geometry
from dualion.settings import CellSettings
from dualion.structures.library import find_library
from dualion.structures.supercell import build_supercell

IMAGES = 5
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "DUALION_THREADS")


def geometry(name: str, distance: float) -> Geometry:
    """Return a supercell of a library framework."""
    settings = CellSettings(min_image_distance=distance, max_atoms=2000)
    return build_supercell(find_library().load(name).parent, settings).geometry


# ---------------------------------------------------------------------- in a worker


def serve(name: str, distance: float) -> None:
    """Answer commands, one JSON line each: how many calls were made in how many seconds."""
    cell = geometry(name, distance)
    numbers = cell.atoms().numbers
    source = build_source(EngineChoice(name="chgnet", device="cpu"))
    rng = np.random.default_rng(1)

    def call() -> None:
        xyz = cell.xyz + rng.normal(0.0, 0.03, (len(cell), 3))
        source(numbers, xyz, cell.cell, stress=False)

    call()
    batches = Batches(source, cell)
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        stay_on(order["cpus"])
        if order["what"] == "calls":
            answer: dict[str, Any] = {"calls": repeated(call, order["seconds"])}
        else:
            answer = batches.measured()
        print(json.dumps(answer), flush=True)


def stay_on(cpus: list[int]) -> None:
    """Pin all threads of this process; workers of dualion are pinned before they have others."""
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            os.sched_setaffinity(int(thread.name), cpus)


def repeated(call: Callable[[], None], seconds: float) -> float:
    """Return the calls a second."""
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        call()
        count += 1
    return count / (time.perf_counter() - began)


class Batches:
    """The same five images one by one, as dualion does it, and as one batch."""

    def __init__(self, source: Any, cell: Geometry) -> None:  # noqa: ANN401 - a source
        rng = np.random.default_rng(2)
        self.source = source
        self.model = source._calculator.model  # noqa: SLF001 - CHGNet itself
        self.images = [
            cell.moved(cell.xyz + rng.normal(0.0, 0.03, (len(cell), 3))) for _ in range(IMAGES)
        ]
        self.numbers = cell.atoms().numbers

    def one_by_one(self) -> list[float]:
        """Return the energies per atom."""
        return [
            self.source(self.numbers, image.xyz, image.cell, stress=False).energy / len(image)
            for image in self.images
        ]

    def together(self) -> list[float]:
        """Return the energies per atom."""
        with calculators._quiet():  # noqa: SLF001
            graphs = [self.model.graph_converter(image.structure()) for image in self.images]
            found = self.model.predict_graph(graphs, task="ef", batch_size=IMAGES)
        return [float(one["e"]) for one in found]

    def measured(self) -> dict[str, float]:
        """Seconds for five images either way, and how far the energies are apart."""
        seconds = {}
        energies = {}
        for name, way in (("one by one", self.one_by_one), ("batch", self.together)):
            began = time.perf_counter()
            energies[name] = way()
            seconds[name] = time.perf_counter() - began
        apart = np.abs(np.subtract(energies["one by one"], energies["batch"])).max()
        return {**seconds, "apart": float(apart)}


# ---------------------------------------------------------------------- in the benchmark


class Server:
    """A worker process with a number of threads."""

    def __init__(self, threads: int, name: str, distance: float) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - this very file
            [sys.executable, __file__, "--serve", "--framework", name, "--distance", str(distance)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | dict.fromkeys(THREADS, str(threads)),
        )

    def line(self) -> str:
        """Wait for the next line."""
        assert self.process.stdout is not None  # noqa: S101 - a pipe
        text = self.process.stdout.readline()
        if not text:
            message = "a worker ended"
            raise RuntimeError(message)
        return text

    def order(self, **words: object) -> None:
        """Send a command."""
        assert self.process.stdin is not None  # noqa: S101 - a pipe
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()


def measured(name: str, distance: float, seconds: float, rounds: int) -> dict[str, list[float]]:
    """Return calls a second of each variant in each round, and seconds for five images."""
    free = sorted(os.sched_getaffinity(0))
    pinned = list(cpus_for(2))
    if not pinned:
        message = "two CPUs are needed"
        raise SystemExit(message)
    singles = [Server(1, name, distance) for _ in range(2)]
    double = Server(2, name, distance)
    found: dict[str, list[float]] = {}
    try:
        for server in (*singles, double):
            server.line()
        for number in range(rounds):
            variants: list[tuple[str, list[Server], list[list[int]]]] = [
                ("two workers, one thread each, free", singles, [free, free]),
                ("two workers, one thread each, pinned", singles, [[cpu] for cpu in pinned]),
                ("one worker, two threads, free", [double], [free]),
                ("one worker, two threads, pinned", [double], [pinned]),
                ("one worker, one thread, free", singles[:1], [free]),
            ]
            # To and fro, so that none always comes first.
            for title, servers, cpus in variants[:: 1 if number % 2 else -1]:
                for server, where in zip(servers, cpus, strict=True):
                    server.order(what="calls", seconds=seconds, cpus=where)
                rate = sum(json.loads(server.line())["calls"] for server in servers)
                found.setdefault(title, []).append(rate)
            singles[0].order(what="batch", cpus=free)
            for key, value in json.loads(singles[0].line()).items():
                found.setdefault(f"batch: {key}", []).append(value)
    finally:
        for server in (*singles, double):
            server.process.kill()
            server.process.wait()
    return found


def facts(cell: Geometry) -> dict[str, object]:
    """Return what the numbers depend on."""
    model = ""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cell": f"{cell.formula}, {len(cell)} atoms",
        "cpu": model or platform.machine(),
        "cpus allowed": len(os.sched_getaffinity(0)),
        "load before (1, 5, 15 min)": [round(x, 1) for x in os.getloadavg()],
        "python": platform.python_version(),
        **{package: version(package) for package in ("dualion", "chgnet", "torch", "numpy")},
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--framework", default="li6ps5cl", help="name in the library")
    parser.add_argument("--distance", type=float, default=9.0, help="image distance, in Å")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, help="JSON file to write")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.framework, arguments.distance)
        return
    told = facts(geometry(arguments.framework, arguments.distance))
    for key, value in told.items():
        print(f"{key}: {value}")
    found = measured(arguments.framework, arguments.distance, arguments.seconds, arguments.rounds)
    for title, values in found.items():
        unit = "eV/atom" if title.endswith("apart") else "s" if "batch" in title else "calls/s"
        digits = ".1e" if unit == "eV/atom" else ".2f"
        print(
            f"{title:38s} {median(values):8{digits}} {unit:8s}"
            f"({min(values):{digits}} to {max(values):{digits}})"
        )
    if arguments.write is not None:
        text = json.dumps({"facts": told, "measured": found}, indent=2)
        arguments.write.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
