"""Full and adaptive bands on the very same hops: force calls, barriers, proofs.

Takes the paths of finished campaigns from a job ledger, so all that both methods share (host,
doped cell, relaxed ends, first guess) is the same to the last bit.

    dualion run workflows/li_cu_argyrodite.yaml
    python benchmarks/bands/methods.py runs/jobs.sqlite --engine fast

Prints a table, and with ``--write FILE`` stores it as JSON with the facts of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from dualion.engines.jobs import converge_band
from dualion.engines.registry import EngineChoice, find_entry
from dualion.records import Band
from dualion.records import Path as HopPath
from dualion.settings import BandSettings
from dualion.store.ledger import Ledger

METHODS = ("full", "adaptive")
CLOSE = 0.010
"""Barriers this close, in eV, count as equal."""


@dataclass(frozen=True)
class Row:
    """One hop by both methods; energies in eV above the initial state."""

    hop: str
    atoms: int
    full: float
    full_calls: int
    full_converged: bool
    adaptive: float
    adaptive_calls: int
    adaptive_converged: bool
    proven: bool
    fell_back: bool

    @property
    def line(self) -> str:
        """The row as it is printed."""
        mark = "proven" if self.proven else "not proven"
        way = "by the full band" if self.fell_back else ""
        return (
            f"{self.hop[:40]:40s} {self.full:7.3f} {self.full_calls:5d}   "
            f"{self.adaptive:7.3f} {self.adaptive_calls:5d}  "
            f"{1000 * (self.adaptive - self.full):+5.0f} meV  {mark} {way}"
        )


def paths_of(file: Path) -> list[tuple[str, HopPath]]:
    """Read the paths that led to a band."""
    found = []
    with Ledger(file, read_only=True) as ledger:
        for key in ledger.keys("path"):
            entry = ledger.get(key)
            if entry is not None:
                path = HopPath.model_validate_json(entry.output_json)
                if path.outcome is None:
                    found.append((entry.name.removesuffix(": path"), path))
    return found


def top(band: Band) -> float:
    """Return the height of a band above its first image."""
    return max(band.energies) - band.energies[0]


def compared(name: str, path: HopPath, engine: str) -> Row:
    """Run both methods on one path."""
    choice = EngineChoice(name=find_entry(engine).name, device="cpu")
    full = converge_band(path, choice, BandSettings())
    adaptive = converge_band(path, choice, BandSettings(method="adaptive"))
    return Row(
        hop=name,
        atoms=len(path.images.species),
        full=top(full),
        full_calls=full.force_calls,
        full_converged=full.converged,
        adaptive=top(adaptive),
        adaptive_calls=adaptive.force_calls,
        adaptive_converged=adaptive.converged,
        proven=bool(adaptive.proven),
        fell_back=any("shorter search" in f.check for f in adaptive.findings),
    )


def summary(rows: list[Row]) -> list[str]:
    """Sum the rows up."""
    ratio = np.exp(np.mean([np.log(row.full_calls / row.adaptive_calls) for row in rows]))
    shift = [row.adaptive - row.full for row in rows]
    closed = [row for row in rows if not row.fell_back]
    lines = []
    for name, chosen in (("hops", rows), ("closed by a first search", closed)):
        full, adaptive = (sum(getattr(r, f"{m}_calls") for r in chosen) for m in METHODS)
        lines.append(f"{name}: {len(chosen)}; force calls {full} full, {adaptive} adaptive")
    converged = [sum(getattr(r, f"{m}_converged") for r in rows) for m in METHODS]
    close, lower = sum(abs(s) <= CLOSE for s in shift), sum(s < -CLOSE for s in shift)
    proven, higher = sum(r.proven for r in rows), len(rows) - close - lower
    return [
        *lines,
        f"geometric mean of the ratios of force calls: {ratio:.2f}",
        f"converged: {converged[0]} full, {converged[1]} adaptive; proven: {proven}",
        f"adaptive barrier within 10 meV: {close}, lower: {lower}, higher: {higher}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ledger", type=Path, nargs="+", help="job ledger of finished campaigns")
    parser.add_argument("--engine", default="fast", help="the engine of those campaigns")
    parser.add_argument("--write", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    rows = []
    print(f"{'hop':40s} {'full':>7s} {'calls':>5s}   {'adaptive':>7s} {'calls':>4s}")
    for file in arguments.ledger:
        for name, stored in paths_of(file):
            path = stored.model_copy(update={"start": None})  # the full band has no use for it
            rows.append(compared(name, path, arguments.engine))
            print(rows[-1].line, flush=True)
    for line in summary(rows):
        print(line)
    if arguments.write is not None:
        facts = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "versions": {p: version(p) for p in ("dualion", "ase", "chgnet", "torch", "numpy")},
        }
        content = {"facts": facts, "summary": summary(rows), "hops": [asdict(r) for r in rows]}
        arguments.write.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
