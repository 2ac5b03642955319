"""A counting engine: EMT that writes one line for every configuration it computes.

And the same bench behind a launch pad: a profile, a database, and the words to type.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Lattice, Structure

from dualion.launch.cluster import Cluster
from dualion.launch.clusterprofile import load_profile
from standin.server import running_mongod

CALCULATOR = """\
import hashlib, os, time
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

class CountingEMT(Calculator):
    # A fresh EMT each time: its neighbour list remembers earlier calls in the last bits.
    implemented_properties = EMT.implemented_properties

    def __init__(self, pause=0.0):
        super().__init__()
        self.pause = pause

    def calculate(self, atoms=None, properties=None, system_changes=None):
        key = hashlib.sha256(atoms.positions.tobytes() + atoms.cell.array.tobytes()).hexdigest()
        log = os.open(os.environ["COUNTING_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(log, (key + "\\n").encode())
        os.close(log)
        time.sleep(self.pause)
        if os.environ.get("COUNTING_CRASH"):
            os.abort()
        super().calculate(atoms, properties, system_changes)
        if os.environ.get("COUNTING_POISON", "none") in atoms.get_chemical_symbols():
            self.results = {"energy": float("nan"), "free_energy": float("nan"),
                            "forces": atoms.positions * float("nan")}
            return
        fresh = EMT()
        fresh.calculate(atoms.copy(), properties, all_changes)
        self.results = fresh.results
"""

CAMPAIGN = """
name: {name}
framework: cu.cif
pair: [Cu, Ag]
engine: counting-emt
doping: [pure, dilute]
cell: {{min_image_distance: 7.0}}
path: {{images: 3}}
"""


@dataclass
class Bench:
    """A folder with a campaign, a counting engine, and a way to start `dualion run`."""

    folder: Path
    environment: dict[str, str]

    def campaign(self, name: str = "metal", text: str = CAMPAIGN) -> Path:
        file = self.folder / f"{name}.yaml"
        file.write_text(text.format(name=name))
        return file

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "dualion.cli", *words]

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell starts what it puts in the background with Ctrl-C ignored; that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads
        )

    def wait_for_calls(
        self, count: float, process: subprocess.Popen[str], *, limit: float = 120.0
    ) -> None:
        """Wait until so many force calls were made in all, or the process has ended."""
        deadline = time.monotonic() + limit
        while sum(self.calls().values()) < count and process.poll() is None:
            assert time.monotonic() < deadline, "nothing is computed"
            time.sleep(0.002)

    def kill_after(
        self, count: float, *words: str, limit: float = 120.0, pause: float = 0.0
    ) -> bool:
        """Start a command and kill it after so many force calls; False: it had ended."""
        process = self.start(*words)
        self.wait_for_calls(count, process, limit=limit)
        time.sleep(pause)
        alive = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return alive

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def table(self, *words: str) -> list[dict[str, object]]:
        done = self.run("run", *words, "--json")
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)
        assert isinstance(rows, list)
        return rows

    def calls(self) -> Counter[str]:
        log = Path(self.environment["COUNTING_LOG"])
        return Counter(log.read_text().split()) if log.exists() else Counter()


def make_bench(folder: Path, *, pause: float = 0.0) -> Bench:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "counting_emt.py").write_text(CALCULATOR)
    (folder / "engines.yaml").write_text(
        "- name: counting-emt\n"
        "  calculator: counting_emt:CountingEMT\n"
        "  package: ase\n"
        f"  kwargs: {{pause: {pause}}}\n"
    )
    Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.6), ["Cu"], [[0, 0, 0]]).to(
        str(folder / "cu.cif")
    )
    clean = {key: value for key, value in os.environ.items() if not key.startswith("DUALION_")}
    return Bench(
        folder,
        clean
        | {
            "DUALION_ENGINES": str(folder / "engines.yaml"),
            # After what the tests themselves are run with: the same dualion.
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(folder), os.environ.get("PYTHONPATH")])
            ),
            "COUNTING_LOG": str(folder / "calls.txt"),
        },
    )


def pytest_collection_modifyitems(items):
    """Begin with what takes longest, so that other workers have the rest meanwhile."""
    items.sort(key=lambda item: item.path.name != "test_many_hops.py")


@pytest.fixture(scope="session")
def new_bench():
    return make_bench


@pytest.fixture
def bench(tmp_path):
    return make_bench(tmp_path / "bench")


@pytest.fixture
def bench_in(tmp_path):
    def make(name: str, *, pause: float) -> Bench:
        return make_bench(tmp_path / name, pause=pause)

    return make


PROFILE = """
scheduler: {scheduler}
database: "env:DUALION_DATABASE"
work: {work}
engines: {{ase: {{}}}}
resources:
  relax: {{walltime: "{walltime}"}}
  band: {{walltime: "{walltime}"}}
  analysis: {{walltime: "{walltime}"}}
margin: {margin}
patience: {patience}
"""


@dataclass
class ClusterBench:
    """A bench (see conftest) with a profile named 'here'."""

    bench: Any
    address: str

    @property
    def folder(self) -> Path:
        return self.bench.folder

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def write_profile(
        self,
        *,
        scheduler: str = "none",
        walltime: str = "00:30:00",
        margin: float = 10.0,
        patience: float = 60.0,
    ) -> None:
        (self.folder / "launch").mkdir(exist_ok=True)
        (self.folder / "launch" / "here.yaml").write_text(
            PROFILE.format(
                scheduler=scheduler,
                work=self.work,
                walltime=walltime,
                margin=margin,
                patience=patience,
            )
        )

    def ok(self, *words: str) -> str:
        done = self.bench.run(*words)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def status(self) -> dict[str, Any]:
        answer = json.loads(self.ok("status", "--json"))
        assert isinstance(answer, dict)
        return answer

    def finished(self) -> bool:
        return all(each["finished"] for each in self.status()["campaigns"])

    def raw_records(self) -> list[dict[str, Any]]:
        with self.cluster() as cluster:
            return list(cluster.outputs.find({"metadata.kind": "record"}))

    def outcomes(self) -> dict[str, dict[str, Any]]:
        """What each hop of the one campaign came to, by its title."""
        with self.cluster() as cluster:
            return {
                each["name"]: each["metadata"]
                for each in cluster.outputs.find({"metadata.kind": "record"})
            }

    @contextmanager
    def cluster(self) -> Iterator[Cluster]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DUALION_DATABASE", self.address)
            with Cluster(load_profile(self.folder / "launch" / "here.yaml")) as cluster:
                yield cluster


def make_cluster_bench(bench: Any, address: str, **profile: Any) -> ClusterBench:
    bench.environment["DUALION_DATABASE"] = address
    bench.environment["DUALION_CLUSTER"] = "here"
    made = ClusterBench(bench, address)
    made.write_profile(**profile)
    return made


@pytest.fixture(scope="session")
def database_server():
    with running_mongod() as server:
        yield server


@pytest.fixture
def cluster_in(tmp_path, database_server):
    """Make benches behind the launch pad of one database server, each in a database of its own."""
    made = 0

    def make(name: str, *, pause: float = 0.0, address: str = "", **profile: Any) -> ClusterBench:
        nonlocal made
        made += 1
        database = f"{tmp_path.name.replace('.', '_')[-40:]}_{made}"
        bench = make_bench(tmp_path / name, pause=pause)
        return make_cluster_bench(bench, address or database_server.address(database), **profile)

    return make


@pytest.fixture
def on_cluster(cluster_in):
    return cluster_in("bench")
