"""DFT calls per barrier: GPAW, counted and logged, so that a run that was killed goes on.

::

    python benchmarks/dft/calls.py run LiCl-Li surrogate    # one piece, kept in --work
    python benchmarks/dft/calls.py table                    # results.json and the table
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import ways
from systems import HOPS

from dualion.engines.checkpoint import EvaluationLog
from dualion.engines.evaluator import Evaluation, Evaluator

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from systems import System

    Array = NDArray[np.float64]

HERE = Path(__file__).parent
CHARGE = -1
FMAX = 0.1
"""Of end points and bands alike, in eV/Å."""
KEPT = 6
"""Calculators kept with their wave functions; each configuration goes to the nearest one."""


class Gpaw:
    """GPAW as a :class:`~dualion.engines.evaluator.Source`: PBE, plane waves, 2×2×2 k-points."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.seconds = 0.0
        self._calculators: list[tuple[Array, Any]] = []

    def __call__(
        self, numbers: NDArray[np.int64], xyz: Array, cell: Array, *, stress: bool
    ) -> Evaluation:
        """Compute one configuration."""
        from ase import Atoms  # noqa: PLC0415 - only when really run

        del stress
        start = time.process_time()
        atoms = Atoms(numbers=numbers, positions=xyz, cell=cell, pbc=True)
        atoms.wrap()  # images of one band may be continuous across the cell
        atoms.calc = self._nearest(atoms.positions)
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        self.seconds += time.process_time() - start
        return Evaluation(float(energy), np.array(forces, dtype=float))

    def _nearest(self, xyz: Array) -> Any:  # noqa: ANN401 - GPAW is untyped
        from gpaw import GPAW, PW, FermiDirac  # noqa: PLC0415

        gaps = [float(np.abs(xyz - known).max()) for known, _ in self._calculators]
        if gaps and (min(gaps) < 0.25 or len(gaps) >= KEPT):
            _, calculator = self._calculators.pop(int(np.argmin(gaps)))
        else:
            calculator = GPAW(
                mode=PW(self.system.cutoff),
                xc="PBE",
                kpts=(2, 2, 2),
                charge=CHARGE,
                symmetry={"point_group": False},  # time reversal halves the points
                occupations=FermiDirac(0.05),
                convergence={"energy": 1e-4, "density": 1e-4, "eigenstates": 1e-4},
                txt=None,
            )
        self._calculators.append((xyz, calculator))
        return calculator


def run(hop: str, way: str, work: Path) -> None:
    """Run one way of finding one barrier, unless it is there already."""
    file = work / f"{hop}.{way}.json"
    if file.exists():
        return
    source = Gpaw(HOPS[hop][0])
    with EvaluationLog(work / f"{hop}.{way}", "gpaw") as log:
        found = ways.WAYS[way](hop, Evaluator(source, log=log), FMAX)
    piece = {"hop": hop, "way": way, **found, "cpu_seconds": round(source.seconds, 1)}
    part = file.with_suffix(".part")
    part.write_text(json.dumps(piece, indent=1) + "\n")
    os.replace(part, file)  # noqa: PTH105 - the one call that is named for being atomic
    print(json.dumps(piece))


def table(work: Path) -> None:
    """Collect the pieces into results.json and print the table."""
    pieces = [json.loads(file.read_text()) for file in sorted(work.glob("*.json"))]
    (HERE / "results.json").write_text(json.dumps(pieces, indent=1) + "\n")
    found = {(p["hop"], p["way"]): p for p in pieces}
    print("| hop | " + " | ".join(ways.WAYS) + " | plain over surrogate | over surrogate-7net |")
    print("|---" * (len(ways.WAYS) + 3) + "|")
    for hop in HOPS:
        cells = []
        for way in ways.WAYS:
            piece = found.get((hop, way))
            star = "" if piece is None or piece["converged"] else "*"
            cells.append(
                "–" if piece is None else f"{piece['calls']}{star} ({piece['barrier']:.3f})"
            )
        for way in ("surrogate", "surrogate-7net"):
            ends = [found.get((hop, each)) for each in ("plain", way)]
            cells.append(f"{ends[0]['calls'] / ends[1]['calls']:.1f}" if all(ends) else "–")
        print(f"| {hop} | " + " | ".join(cells) + " |")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=HERE / "work", help="folder of the pieces")
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("run", help="one hop in one way")
    one.add_argument("hop", choices=HOPS)
    one.add_argument("way", choices=ways.WAYS)
    verbs.add_parser("table", help="collect what was run")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.verb == "run":
        run(arguments.hop, arguments.way, arguments.work)
    else:
        table(arguments.work)


if __name__ == "__main__":
    main()
