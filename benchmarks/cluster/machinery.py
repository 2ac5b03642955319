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
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Timed:
    """What a command took: seconds, seconds of CPU, the most memory in MB; and its output."""

    seconds: float
    cpu: float
    memory: float
    output: str


def timed(words: list[str], folder: Path, environment: dict[str, str]) -> Timed:
    """Run a command of dualion to its end."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", "dualion.cli", *words], cwd=folder, env=environment, stdout=out
        )
        _, code, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(code)
        if process.returncode:
            raise SystemExit(f"dualion {' '.join(words)} ended with {process.returncode}")
        out.seek(0)
        return Timed(
            seconds=time.monotonic() - began,
            cpu=used.ru_utime + used.ru_stime,
            memory=used.ru_maxrss / 1024,
            output=out.read(),
        )


@dataclass(frozen=True)
class Submission:
    """A campaign in a database, all its hops found, none of them computed.

    Attributes
    ----------
    submit, find
        `dualion submit`, and the worker that found the hops and added their jobs.
    jobs, hops
        How many these are.
    """

    folder: Path
    environment: dict[str, str]
    submit: Timed
    find: Timed
    jobs: int
    hops: int

    def status(self) -> Timed:
        """Ask how it stands."""
        return timed(["status", "--json"], self.folder, self.environment)


def submitted(address: str, arrangements: int, folder: Path) -> Submission:
    """Submit a campaign to an empty database, and compute its host."""
    from ase.build import bulk  # noqa: PLC0415 - after the server has started

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
    submit = timed(["submit", "campaign.yaml"], folder, environment)
    for _ in range(2):
        timed(["rocket", "singleshot"], folder, environment)
    find = timed(["rocket", "singleshot"], folder, environment)
    added = re.search(r"(\d+) jobs in (\d+) workflows added", find.output)
    if added is None:
        raise SystemExit(f"no jobs were added: {find.output}")
    state = json.loads(timed(["status", "--json"], folder, environment).output)["campaigns"][0]
    return Submission(folder, environment, submit, find, int(added[1]), state["hops"])


@dataclass(frozen=True)
class Computation:
    """What computing a campaign took: seconds in its functions, in all else; questions asked."""

    compute: float
    machinery: float
    questions: int


def machinery(address: str, campaign: Submission) -> Computation:
    """Compute a submitted campaign."""
    from pymongo import MongoClient  # noqa: PLC0415 - after the server has started

    with MongoClient(address) as client:

        def asked() -> int:
            return int(client.admin.command("serverStatus")["opcounters"]["command"])

        before = asked()
        done = timed(["rocket", "rapidfire"], campaign.folder, campaign.environment)
        questions = asked() - before
        (state,) = json.loads(campaign.status().output)["campaigns"]
        if not state["finished"]:
            raise SystemExit(f"the campaign did not finish: {state}")
        outputs = client.get_default_database()["outputs"]
        kinds = {"$in": ["relax", "band", "path"]}
        compute = sum(
            each["metadata"]["seconds"]
            for each in outputs.find({"metadata.kind": kinds}, {"metadata.seconds": 1})
        )
    return Computation(compute, done.seconds - compute, questions)


def measure(address: str, jobs: int, folder: Path) -> dict[str, float]:
    """Submit and compute a campaign of about this many jobs."""
    campaign = submitted(address, max(1, round(jobs / JOBS_EACH)), folder)
    done = machinery(address, campaign)
    return {
        "jobs": campaign.jobs,
        "hops": campaign.hops,
        "submit s": campaign.submit.seconds,
        "submit MB": campaign.submit.memory,
        "find hops s": campaign.find.seconds,
        "find hops MB": campaign.find.memory,
        "compute s": done.compute,
        "machinery s": done.machinery,
        "ms per job": 1000 * done.machinery / campaign.jobs,
        "ms per hop": 1000 * done.machinery / campaign.hops,
        "questions per job": done.questions / campaign.jobs,
        "status s": campaign.status().seconds,
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
