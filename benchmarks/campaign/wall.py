"""Wall time of a whole campaign whose force calls take half a minute: dualion and atomate2's flow.

The campaign is every distinct hop of Li+ and of Cu+ within 4 Å in the argyrodite, from the
crystal's file to the table: argyrodite.yaml, or what --campaign names. The engine is SevenNet-0
that waits (engines.yaml), as if each force call were a job of a density functional elsewhere;
CHGNet is the prior, and computes here. Waiting takes no core, so there are more workers than
cores, as on a cluster.

atomate2's band maker gets the same unrelaxed end points, cut from the host that dualion relaxed,
and does the hops one after the other with its defaults. It makes its force calls one after the
other, so it is run without the waiting, and each call is charged with it. Host, doping and the
search for hops cost it nothing.

    python benchmarks/campaign/wall.py dualion        # less than an hour
    python benchmarks/campaign/wall.py atomate2       # minutes
    python benchmarks/campaign/wall.py table

The first starts from nothing: it removes the runs of an earlier one. The second keeps every hop
that is finished. Let nothing else run meanwhile. It needs CHGNet, SevenNet and atomate2.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["DUALION_ENGINES"] = str(Path(__file__).with_name("engines.yaml"))

import yaml
from ase import Atoms
from jobflow.core.job import Job

from dualion.launch.task import bound_arguments, original
from dualion.records import Relaxed
from dualion.store.ledger import Ledger
from dualion.structures.library import find_library
from dualion.structures.supercell import build_supercell
from dualion.workflows.campaign import load_campaign
from dualion.workflows.host import judge_host
from dualion.workflows.pair import hops_flow

HERE = Path(__file__).parent
ENGINES = HERE / "engines.yaml"
RESULTS = HERE / "results.json"
PACKAGES = ("dualion", "atomate2", "ase", "chgnet", "sevenn", "torch")


def noted(work: Path, name: str) -> dict[str, Any] | None:
    """Return a finished piece."""
    file = work / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def note(work: Path, name: str, piece: dict[str, Any]) -> None:
    """Keep a finished piece."""
    work.mkdir(parents=True, exist_ok=True)
    piece |= {"load": round(os.getloadavg()[2], 2)}
    (work / f"{name}.json").write_text(json.dumps(piece, indent=1) + "\n", encoding="utf-8")
    print(name, json.dumps(piece), flush=True)


# ------------------------------------------------------------------------------ dualion


def run_dualion(campaign: Path, work: Path, workers: int) -> None:
    """Run the campaign from nothing as a user does, and note how long that took."""
    runs = work / "runs"
    if runs.exists():
        shutil.rmtree(runs)
    command = ["dualion", "run", str(campaign), "--runs", str(runs), "--workers", str(workers)]
    search = [str(HERE), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    # Workers look for the engine's module.
    places = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, search))}
    clock = time.perf_counter()
    subprocess.run(command, check=True, env=places)  # noqa: S603 - our own words
    seconds = time.perf_counter() - clock
    table = next(runs.glob("*/barriers.csv"))
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with Ledger(runs / "jobs.sqlite", read_only=True) as ledger:
        keys = [key for kind in ("relax", "band") for key in ledger.keys(kind)]
        entries = [entry for key in keys if (entry := ledger.get(key))]
    jobs = {entry.name: [entry.force_calls, round(entry.seconds)] for entry in entries}
    piece = {"seconds": round(seconds), "workers": workers, "jobs": jobs, "rows": rows}
    piece["calls"] = sum(calls for calls, _ in jobs.values())
    note(work, "dualion", piece)


def starts(file: Path, work: Path) -> dict[str, tuple[Atoms, Atoms]]:
    """Read both unrelaxed states of each hop off the jobs that the campaign's own flow runs.

    They have one order of atoms, the mover last and continuous.
    """
    campaign = load_campaign(file)
    framework = find_library().load(campaign.framework)
    with Ledger(work / "runs" / "jobs.sqlite", read_only=True) as ledger:
        entries = [entry for key in ledger.keys("relax") if (entry := ledger.get(key))]
    found = {entry.name: Relaxed.model_validate_json(entry.output_json) for entry in entries}
    relaxed = found["relax Li host"]
    cell = build_supercell(relaxed.geometry, campaign.cell)
    host = judge_host(framework, relaxed, cell, found["relax rattled Li host"], campaign.host)
    flow = hops_flow(campaign, framework, host=host)
    jobs = [job for job in flow.jobs if isinstance(job, Job)]
    paths = [job for job in jobs if job.metadata.get("kind") == "path"]
    return {job.name.removesuffix(": path"): _states(_arguments(job)["endpoints"]) for job in paths}


def _arguments(job: Job) -> dict[str, Any]:
    return dict(bound_arguments(original(job), job.function_args, job.function_kwargs))


def _states(ends: Any) -> tuple[Atoms, Atoms]:  # noqa: ANN401 - EndPoints
    first = ends.initial.xyz[list(ends.initial_order)]
    last = ends.final.xyz[list(ends.final_order)]
    last[-1] = first[-1] + ends.mover_to - ends.mover_from
    states = [Atoms(list(ends.species), xyz, cell=ends.initial.cell, pbc=True)
              for xyz in (first, last)]  # fmt: skip
    return states[0], states[1]


# ----------------------------------------------------------------------------- atomate2


def run_atomate2(campaign: Path, work: Path, names: list[str]) -> None:
    """Do the hops one after the other."""
    from flow import by_atomate2  # noqa: PLC0415 - needs atomate2

    for hop, states in starts(campaign, work).items():
        wanted = not names or any(hop.startswith(name) for name in names)
        name = "atomate2-" + hop.replace(" ", "-").replace("–", "-")
        if wanted and noted(work, name) is None:
            note(work, name, {"hop": hop, **by_atomate2(states)})


# -------------------------------------------------------------------------------- table


def table(campaign: Path, work: Path) -> None:
    """Write results.json, and print what it says."""
    ours = noted(work, "dualion")
    theirs = [piece for start in sorted(work.glob("atomate2-*.json"))
              if (piece := noted(work, start.stem))]  # fmt: skip
    if ours is None or not theirs:
        sys.exit(f"nothing was run yet in {work}")
    facts = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results[campaign.stem] = {"machine": facts, "dualion": ours, "atomate2": theirs}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    wait = yaml.safe_load(ENGINES.read_text(encoding="utf-8"))[0]["kwargs"]["seconds"]
    calls = sum(piece["calls"] for piece in theirs)
    total = sum(piece["seconds"] for piece in theirs) + wait * calls
    for piece in theirs:
        end = "" if piece.get("converged") else ", not converged"
        print(f"{piece['hop']}: {piece['seconds']} s, {piece['calls']} calls, "
              f"{piece.get('barrier', float('nan')):.3f} eV{end}")  # fmt: skip
    print(f"atomate2: {len(theirs)} hops, {calls} calls, {total / 60:.0f} min, {wait} s a call")
    print(f"dualion:  all, {ours['calls']} calls, {ours['seconds'] / 60:.0f} min")
    print(f"ratio of wall times: {total / ours['seconds']:.1f}")


def main() -> None:
    """Run one side, or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("what", choices=("dualion", "atomate2", "table"))
    parser.add_argument("hops", nargs="*", help="atomate2: only hops whose names begin so")
    parser.add_argument("--campaign", type=Path, default=HERE / "argyrodite.yaml")
    parser.add_argument("--work", type=Path, help="default: a folder of the campaign's name, here")
    parser.add_argument("--workers", type=int, default=8)
    arguments = parser.parse_args()
    campaign = arguments.campaign
    work = arguments.work or HERE / "work" / campaign.stem
    if arguments.what == "dualion":
        run_dualion(campaign, work, arguments.workers)
    elif arguments.what == "atomate2":
        run_atomate2(campaign, work, arguments.hops)
    else:
        table(campaign, work)


if __name__ == "__main__":
    main()
