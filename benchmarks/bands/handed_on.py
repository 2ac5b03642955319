"""Adaptive bands of the second ion with and without the first ion's saddle as their start.

Takes the paths of finished campaigns from a job ledger, those that carry a start, so that ends and
images are the same to the last bit.

    dualion run my_campaign.yaml        # with band: {method: adaptive}
    python benchmarks/bands/handed_on.py runs/jobs.sqlite --engine fast

Prints a table.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from methods import paths_of

from dualion.engines import get_engine
from dualion.engines.ase_engine import AseEngine
from dualion.engines.jobs import converge_band
from dualion.records import Band
from dualion.settings import BandSettings

ADAPTIVE = BandSettings(method="adaptive")


def told(band: Band) -> str:
    """Write down barrier, force calls, and whether it took a longer search."""
    height = max(band.energies) - band.energies[0]
    mark = ("" if band.proven else " not proven") + (
        " by a longer search" if any("shorter search" in f.check for f in band.findings) else ""
    )
    return f"{height:7.4f} {band.force_calls:4d}{mark}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ledger", type=Path, nargs="+", help="job ledger of finished campaigns")
    parser.add_argument("--engine", default="fast", help="the engine of those campaigns")
    arguments = parser.parse_args()
    engine = get_engine(arguments.engine, device="cpu")
    if not isinstance(engine, AseEngine):
        parser.error(f"--engine: {engine.name} makes no force calls of its own here")
    calls = {"alone": 0, "served": 0}
    for file in arguments.ledger:
        for name, path in paths_of(file):
            if path.start is None:
                continue
            alone = converge_band(path.model_copy(update={"start": None}), engine.choice, ADAPTIVE)
            served = converge_band(path, engine.choice, ADAPTIVE)
            calls["alone"] += alone.force_calls
            calls["served"] += served.force_calls
            print(f"{name[:44]:44s} alone {told(alone)} | served {told(served)}", flush=True)
    print(f"force calls: {calls['alone']} alone, {calls['served']} with the first ion's saddle")


if __name__ == "__main__":
    main()
