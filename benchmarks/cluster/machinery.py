"""What a job costs beyond its computation: from submission to the stored record.

    python benchmarks/cluster/machinery.py [--jobs 100 500 2000] [--address mongodb://...]

For each size, a campaign with EMT is submitted to an empty database and computed by one worker
process without a queue. Told are the time and memory of the submission, of finding the hops (a job
by itself, which adds all others), the time per job less what its functions took, and how long
`dualion status` takes when all is there. Without --address the tests' stand-in for MongoDB
is started, whose own time is in every figure; a real server is faster. Larger campaigns share more
states between hops, so the time per hop compares better than the time per job.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

CAMPAIGN = """
name: machinery
framework: cu.cif
pair: [Cu, Ag]
engine: emt
doping: [{doping}]
hops: {{members: 48}}
cell: {{min_image_distance: 7.0}}
path: {{images: 1}}
relax: {{fmax: 0.2}}
band: {{fmax: 0.3}}
"""
JOBS_EACH = 17.5
"""Fireworks that one arrangement adds: its bands, and the states they do not share."""
FRACTIONS = (0.125, 0.25, 0.375, 0.5)
MOST = 50


def campaign_text(arrangements: int) -> str:
    """Write a campaign of about this many arrangements, in as many fractions as are needed."""
    left, parts = arrangements, []
    for fraction in FRACTIONS:
        count = min(left, MOST)
        if count > 0:
            parts.append(f"{{fraction: {fraction}, arrangements: {count}}}")
        left -= count
    return CAMPAIGN.format(doping=", ".join(parts))


def timed(words: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float, str]:
    """Run a command; return seconds, the largest memory of any so far in MB, and its output."""
    began = time.monotonic()
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "dualion.cli", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.monotonic() - began
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return seconds, memory, done.stdout


def measure(address: str, jobs: int, folder: Path) -> dict[str, float]:
    """Submit and compute a campaign of about this many jobs."""
    from ase.build import bulk  # noqa: PLC0415 - after the server has started
    from pymongo import MongoClient  # noqa: PLC0415

    arrangements = max(1, round(jobs / JOBS_EACH))
    folder.mkdir()
    bulk("Cu", cubic=True).write(folder / "cu.cif")
    (folder / "campaign.yaml").write_text(campaign_text(arrangements))
    (folder / "here.yaml").write_text(
        f'scheduler: none\ndatabase: "env:DUALION_DATABASE"\nwork: {folder}/work\n'
        "engines: {ase: {}}\n"
    )
    environment = os.environ | {
        "DUALION_DATABASE": address,
        "DUALION_CLUSTER": str(folder / "here.yaml"),
        "OMP_NUM_THREADS": "1",
    }
    submit, memory, _ = timed(["submit", "campaign.yaml"], folder, environment)
    for _ in range(2):
        timed(["rocket", "singleshot"], folder, environment)
    find, most, text = timed(["rocket", "singleshot"], folder, environment)
    added = re.search(r"(\d+) jobs in (\d+) workflows added", text)
    count = int(added[1]) if added else 0
    began = time.monotonic()
    timed(["rocket", "rapidfire"], folder, environment)
    wall = time.monotonic() - began
    status, _, answer = timed(["status", "--json"], folder, environment)
    (state,) = json.loads(answer)["campaigns"]
    if not state["finished"]:
        raise SystemExit(f"the campaign did not finish: {state}")
    with MongoClient(address) as client:
        outputs = client.get_default_database()["outputs"]
        kinds = {"$in": ["relax", "band", "path"]}
        compute = sum(
            each["metadata"]["seconds"]
            for each in outputs.find({"metadata.kind": kinds}, {"metadata.seconds": 1})
        )
    return {
        "jobs": count,
        "hops": state["hops"],
        "submit s": submit,
        "submit MB": memory,
        "find hops s": find,
        "find hops MB": most,
        "compute s": compute,
        "machinery s": wall - compute,
        "ms per job": 1000 * (wall - compute) / max(1, count),
        "ms per hop": 1000 * (wall - compute) / state["hops"],
        "status s": status,
    }


def main() -> None:
    """Measure each size and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, nargs="+", default=[100, 500, 2000])
    parser.add_argument("--address", default="", help="Of a MongoDB server, without a database.")
    given = parser.parse_args()
    from standin.server import running_mongod  # noqa: PLC0415 - found by the line above

    rows = []
    with tempfile.TemporaryDirectory() as place:
        for jobs in given.jobs:
            folder = Path(place) / str(jobs)
            if given.address:
                name = f"dualion_bench_{os.getpid()}_{jobs}"
                rows.append(measure(f"{given.address.rstrip('/')}/{name}", jobs, folder))
            else:
                with running_mongod() as server:
                    rows.append(measure(server.address("bench"), jobs, folder))
            print(json.dumps(rows[-1]), flush=True)
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(f"{value:.4g}" for value in row.values()) + " |")


if __name__ == "__main__":
    main()
