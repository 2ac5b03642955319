# ruff: noqa: S607 - Slurm's commands are found as users find them
"""What clusters do to jobs, done to a campaign in a real Slurm.

Each ends with every hop done exactly once, and nothing computed again that was in a checkpoint.
The table in docs/cluster.md says what a user sees and types in each case.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from standin.server import running_mongod

pytestmark = pytest.mark.cluster

SCRIPT = Path(__file__).parents[2] / "launch" / "slurm_one_node.sh"

ONE = """
name: {name}
framework: cu.cif
pair: [Cu, Ag]
engine: counting-emt
doping: [pure]
cell: {{min_image_distance: 7.0}}
path: {{images: 3}}
"""

IN_FLIGHT = 1
"""Force calls that one stop may cost: the one that was being made."""


@pytest.fixture(scope="module")
def slurm():
    if os.geteuid() != 0:
        pytest.skip("a Slurm of one's own needs root")
    folder = Path("/tmp") / f"dualion-slurm-{os.getpid()}"  # noqa: S108 - sockets need short paths
    words = ["bash", str(SCRIPT)]
    made = subprocess.run(
        [*words, "up", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"ONE_NODE_PORT": str(20000 + os.getpid() % 10000)},
    )
    assert made.returncode == 0, made.stderr
    yield str(folder / "slurm.conf")
    subprocess.run([*words, "down", str(folder), "--purge"], check=True, capture_output=True)


@pytest.fixture
def campaign_in(cluster_in, slurm):
    """Make a bench whose jobs go through Slurm, with a campaign that was submitted."""

    def make(name, *, pause=0.1, text=ONE, **profile):
        made = cluster_in(name, pause=pause, scheduler="slurm", **profile)
        made.bench.environment["SLURM_CONF"] = slurm
        made.ok("submit", str(made.bench.campaign(text=text)))
        return made

    yield make
    environment = os.environ | {"SLURM_CONF": slurm}
    subprocess.run(["scancel", "--user=root"], env=environment, check=False)
    deadline = time.monotonic() + 60
    while queue(environment) and time.monotonic() < deadline:
        time.sleep(0.5)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, new_bench):
    """Force calls of the campaign when nothing happens to it."""
    bench = new_bench(tmp_path_factory.mktemp("quiet"))
    done = bench.run("run", str(bench.campaign(text=ONE)), "--workers", "1", "--quiet")
    assert done.returncode == 0, done.stderr
    return bench.calls()


def queue(environment, *words):
    done = subprocess.run(
        ["squeue", "--noheader", "--format=%A %t", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split() for line in done.stdout.splitlines())


def scancel(made, *ids):
    subprocess.run(["scancel", *ids], env=made.bench.environment, check=True)


def follow(made):
    return made.bench.start("launch", "--follow", "--interval", "1")


def wait(made, condition, what, *, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about: {made.status()}"
        time.sleep(0.1)


def calls(made):
    return sum(made.bench.calls().values())


def in_band(made):
    """Wait until the band is under way."""
    wait(made, lambda: calls(made) >= 25, "the band", seconds=600)


def recovered(made, *words):
    return json.loads(made.ok("recover", "--json", *words))


def check(made, undisturbed, *, stops):
    """Every hop once, and no more computed twice than what was in flight at each stop."""
    assert made.finished(), made.status()
    records = made.raw_records()
    assert len(records) == len({each["uuid"] for each in records}) == 1
    assert records[0]["metadata"]["outcome"] == "converged"
    again = made.bench.calls()
    assert set(again) == set(undisturbed)
    lost = sum((again - undisturbed).values())
    assert lost <= stops * IN_FLIGHT, f"{lost} force calls computed twice after {stops} stops"


def test_a_running_job_is_cancelled(campaign_in, undisturbed):
    made = campaign_in("running")
    launcher = follow(made)
    in_band(made)
    scancel(made, *queue(made.bench.environment, "--states=R"))
    launcher.communicate(timeout=120)
    (job,) = [each for each in made.status()["jobs"] if each["state"] == "FIZZLED"]
    assert job["reason"] == "the queue sent SIGTERM"
    (found,) = recovered(made)
    assert (found["what"], found["why"]) == ("fizzled", "the queue sent SIGTERM")
    made.ok("launch", "--follow", "--interval", "1")
    check(made, undisturbed, stops=1)


def test_a_running_job_is_killed_without_a_word(campaign_in, undisturbed):
    made = campaign_in("killed")
    launcher = follow(made)
    in_band(made)
    launcher.kill()
    launcher.communicate()
    (number,) = queue(made.bench.environment, "--states=R")
    with made.cluster() as cluster:
        os.kill(cluster.claims.find_one({})["holder"]["pid"], signal.SIGKILL)
    wait(made, lambda: not queue(made.bench.environment), "the end of the queue job")
    (job,) = made.status()["jobs"]
    assert job["state"] == "RUNNING"
    (found,) = recovered(made)
    assert found["what"] == "lost"
    assert f"queue job {number}" in found["why"]
    made.ok("launch", "--follow", "--interval", "1")
    check(made, undisturbed, stops=1)


def test_a_pending_job_is_cancelled(campaign_in, undisturbed):
    made = campaign_in("pending")
    blocker = subprocess.run(
        ["sbatch", "--parsable", "--exclusive", "--output=/dev/null", "--wrap", "sleep 300"],
        env=made.bench.environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    wait(made, lambda: queue(made.bench.environment).get(blocker) == "R", "the blocker")
    made.ok("launch")
    (number,) = set(queue(made.bench.environment)) - {blocker}
    (job,) = made.status()["jobs"]
    assert (job["state"], job["queue_id"]) == ("RESERVED", number)
    scancel(made, number)
    (found,) = recovered(made)
    assert found["what"] == "reserved"
    assert "CANCELLED" in found["why"]
    scancel(made, blocker)
    made.ok("launch", "--follow", "--interval", "1")
    check(made, undisturbed, stops=0)


def test_the_launcher_is_killed(campaign_in, undisturbed):
    made = campaign_in("launcher")
    for moment in (2, 25):
        launcher = follow(made)
        wait(made, lambda moment=moment: calls(made) >= moment, "a force call")
        launcher.kill()
        launcher.communicate()
    made.ok("launch", "--follow", "--interval", "1")
    check(made, undisturbed, stops=0)


def test_the_launcher_is_killed_between_reservation_and_queue(campaign_in, undisturbed):
    made = campaign_in("between")
    commands = made.folder / "commands"
    commands.mkdir()
    (commands / "sbatch").write_text("#!/bin/sh\nexec sleep 600\n")
    (commands / "sbatch").chmod(0o755)
    path = made.bench.environment["PATH"]
    made.bench.environment["PATH"] = f"{commands}:{path}"
    launcher = follow(made)
    wait(made, lambda: any(j["state"] == "RESERVED" for j in made.status()["jobs"]), "reservation")
    launcher.kill()
    launcher.communicate()
    made.bench.environment["PATH"] = path
    assert not recovered(made)  # it may still be on its way
    with made.cluster() as cluster:  # an hour later
        launch = cluster.launchpad.launches.find_one({})
        history = launch["state_history"]
        for entry in history:
            entry["created_on"] = entry["updated_on"] = "2020-01-01T00:00:00+00:00"
        cluster.launchpad.launches.update_one(
            {"launch_id": launch["launch_id"]}, {"$set": {"state_history": history}}
        )
    (found,) = recovered(made)
    assert found["what"] == "reserved"
    assert "never sent" in found["why"]
    made.ok("launch", "--follow", "--interval", "1")
    check(made, undisturbed, stops=0)


def test_the_wall_time_is_reached(campaign_in, undisturbed):
    # One minute is the least that Slurm grants; the worker stops after 15 s, in the band.
    made = campaign_in("walltime", pause=0.6, walltime="00:01:00", margin=45.0)
    made.ok("launch", "--follow", "--interval", "1")  # nothing else to type: it goes on by itself
    told = [file.read_text() for file in made.work.rglob("*.out")]
    stops = sum(text.count("goes on in another queue job") for text in told)
    assert stops >= 1
    check(made, undisturbed, stops=stops)


def test_the_wall_time_is_too_short_for_one_force_call(campaign_in):
    made = campaign_in("short", pause=100.0, walltime="00:01:00", margin=50.0)
    made.bench.run("launch", "--follow", "--interval", "1")  # ends: it does not go on for ever
    (job,) = [each for each in recovered(made, "--dry-run") if each["what"] == "fizzled"]
    assert "without one new force call" in job["why"]
    assert "resources.relax" in job["why"]
    assert calls(made) <= 1


def test_the_node_goes_down_and_comes_back(campaign_in, undisturbed):
    made = campaign_in("node")
    launcher = follow(made)
    in_band(made)
    node = queue_node(made)
    scontrol(made, f"NodeName={node}", "State=DOWN", "Reason=test")
    time.sleep(5)
    # It may have come back by itself: slurmd is alive, and registers again.
    scontrol(made, f"NodeName={node}", "State=RESUME", check=False)
    launcher.communicate(timeout=180)
    if not made.finished():
        assert recovered(made)
        made.ok("launch", "--follow", "--interval", "1")
    check(made, undisturbed, stops=1)


def queue_node(made):
    done = subprocess.run(
        ["sinfo", "--noheader", "--format=%N"],
        env=made.bench.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()[0]


def scontrol(made, *words, check=True):
    subprocess.run(["scontrol", "update", *words], env=made.bench.environment, check=check)


def test_the_database_is_away_for_90_seconds_when_a_job_ends(campaign_in, undisturbed, tmp_path):
    with running_mongod(tmp_path / "db") as server:
        made = campaign_in("away", address=server.address("away"), patience=600.0)
        launcher = follow(made)
        in_band(made)
        before = calls(made)
        server.kill()
        time.sleep(90)
        assert calls(made) > before  # it went on, and waits with its result
        server.start()
        launcher.communicate(timeout=240)
        check(made, undisturbed, stops=0)
        assert not recovered(made)


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_the_scratch_disk_fills_up(campaign_in, undisturbed, small_disk):
    made = campaign_in("disk")
    made.work.symlink_to(small_disk)
    launcher = follow(made)
    in_band(made)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as sink, contextlib.suppress(OSError):
        while True:
            sink.write(b"\0" * 4096)
    launcher.communicate(timeout=120)
    (job,) = [each for each in made.status()["jobs"] if each["state"] == "FIZZLED"]
    assert re.search("no space left", job["reason"], re.IGNORECASE)
    filler.unlink()
    (found,) = recovered(made)
    assert found["what"] == "fizzled"
    made.ok("launch", "--follow", "--interval", "1")
    check(made, undisturbed, stops=1)


def test_a_band_never_converges(campaign_in, undisturbed):
    made = campaign_in("never", pause=0.0, text=ONE + "band: {{steps: 2}}\n")
    made.ok("launch", "--follow", "--interval", "1")
    assert made.finished()
    (record,) = made.raw_records()
    assert record["metadata"]["outcome"] == "unconverged"
    (found,) = recovered(made)
    assert found["what"] == "unconverged"
    made.ok("recover", "--more-steps", "148")
    made.ok("launch", "--follow", "--interval", "1")
    assert made.status()["campaigns"][0]["outcomes"] == {"converged": 1}
    assert made.bench.calls() == undisturbed


def test_an_end_point_is_poisoned(campaign_in):
    made = campaign_in("poison", pause=0.0, text=ONE.replace("[pure]", "[pure, dilute]"))
    made.bench.environment["COUNTING_POISON"] = "Ag"
    made.ok("launch", "--follow", "--interval", "1")
    assert made.finished()
    found = {each["name"]: each["metadata"]["outcome"] for each in made.raw_records()}
    assert sorted(found.values()) == ["converged", "engine_failed"]
    del made.bench.environment["COUNTING_POISON"]
    assert any(each["what"] == "failed" for each in recovered(made, "--failed"))
    made.ok("launch", "--follow", "--interval", "1")
    assert {each["metadata"]["outcome"] for each in made.raw_records()} == {"converged"}


def test_force_calls_that_are_jobs_of_their_own(campaign_in, undisturbed):
    """Images in parallel; the queue takes some of them away in mid-band."""
    made = campaign_in("outer", text=ONE + "evaluations: jobs\n")
    launcher = follow(made)
    in_band(made)
    running = [*queue(made.bench.environment, "--states=R")]
    scancel(made, *running)
    launcher.communicate(timeout=900)
    recovered(made)
    launcher = follow(made)
    _, errors = launcher.communicate(timeout=900)
    assert launcher.returncode == 0, errors
    check(made, undisturbed, stops=len(running))
    with made.cluster() as cluster:
        fireworks = list(cluster.launchpad.fireworks.find({"spec.dualion.kind": "point"}))
        drivers = cluster.launchpad.fireworks.count_documents({"spec.dualion.outer": True})
    assert len(fireworks) == sum(undisturbed.values())
    assert {each["state"] for each in fireworks} == {"COMPLETED"}
    assert drivers >= 4  # two for the host, an end point, the band
