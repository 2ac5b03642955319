"""Barriers and force calls of band methods on one fixed set of hops.

    python benchmarks/bands/bands.py [setup] [truth] [rivals] [dualion] [unverified] [table]

Without a stage it does all of them. Every finished piece is kept in the cache folder, so the same
command goes on where it was stopped; ``--method`` names dualion's band method.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable
from pathlib import Path

# Before numpy and torch come in: one thread, and no kernel chosen for an older OpenBLAS.
os.environ["OMP_NUM_THREADS"] = "1"
for _variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(_variable, None)

from hopset import CASES, interleaved  # noqa: E402 - after the environment is set
from stash import Stash  # noqa: E402

HERE = Path(__file__).parent
STAGES = ("setup", "truth", "rivals", "dualion", "unverified", "table")


def main() -> None:
    """Run the stages asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stages", nargs="*", help=f"of {', '.join(STAGES)}; none: all")
    parser.add_argument("--cache", type=Path, default=HERE / "cache", help="finished pieces")
    parser.add_argument("--hop", action="append", help="only this hop (may be repeated)")
    parser.add_argument("--method", action="append", help="dualion's band method (repeatable)")
    parser.add_argument("--rival", action="append", help="only this rival (repeatable)")
    arguments = parser.parse_args()
    unknown = set(arguments.stages) - set(STAGES)
    if unknown:
        parser.error(f"no stage {', '.join(sorted(unknown))}: choose from {', '.join(STAGES)}")
    warnings.filterwarnings("ignore")
    stages = arguments.stages or STAGES
    stash = Stash(arguments.cache)
    cases = interleaved([c for c in CASES if not arguments.hop or c.name in arguments.hop])

    import hosts  # noqa: PLC0415 - heavy: not for --help
    import runs  # noqa: PLC0415
    import summary  # noqa: PLC0415
    import table  # noqa: PLC0415
    import truth  # noqa: PLC0415

    if "setup" in stages:
        hosts.set_up(stash)
    starts = [start for case in cases if (start := hosts.start_of(case, stash)) is not None]
    work: dict[str, Callable[[hosts.Start], None]] = {
        "truth": lambda start: truth.compute(start, stash),
        "rivals": lambda start: runs.rivals(start, stash, arguments.rival),
        "dualion": lambda start: runs.dualion(start, stash, arguments.method),
        "unverified": lambda start: runs.unverified(start, stash),
    }
    # Hop by hop, so that a run that is stopped leaves whole rows.
    for start in starts:
        for stage in (each for each in work if each in stages):
            work[stage](start)
    best = summary.best_candidate(starts, stash)
    if "rivals" in stages and best and not arguments.rival:
        for start in starts:
            runs.rivals(start, stash, [best])
    if "table" in stages:
        table.write(starts, stash, HERE)


if __name__ == "__main__":
    main()
