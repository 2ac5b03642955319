"""Force evaluations as jobs behind a launch pad: drivers park, and the last point wakes them."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import pytest

OUTER = """
name: {name}
framework: cu.cif
pair: [Cu, Ag]
engine: counting-emt
evaluations: jobs
doping: [pure, dilute]
cell: {{min_image_distance: 7.0}}
path: {{images: 3}}
"""
PURE = (
    OUTER.replace("[pure, dilute]", "[pure]")
    + """\
host: {{relax: {{fmax: 0.1}}}}
relax: {{fmax: 0.1}}
band: {{fmax: 0.2, fmax_flanks: 0.4}}
"""
)
WAKES = re.compile(r"firework (\d+) goes on: its points are there")


def inside(text):
    return text.replace("evaluations: jobs\n", "")


def rocket(on_cluster, *words):
    done = on_cluster.bench.run("rocket", "singleshot", "--profile", "here", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def firework(on_cluster, **query):
    with on_cluster.cluster() as cluster:
        return list(cluster.launchpad.fireworks.find(query))


def paused(on_cluster):
    return firework(on_cluster, state="PAUSED")


def went_on(on_cluster, driver):
    """Whether a driver has done with the one point it needed."""
    (found,) = firework(on_cluster, fw_id=driver["fw_id"])
    return found["state"] == "COMPLETED"


@pytest.fixture
def undisturbed(bench_in):
    """Force calls and records of the two hops, computed inside."""
    bench = bench_in("quiet", pause=0.0)
    bench.table(str(bench.campaign(text=inside(OUTER))), "--workers", "1")
    rows = json.loads(bench.run("query", "--json").stdout)
    return bench.calls(), {row["record_id"]: (row["forward"], row["reverse"]) for row in rows}


@pytest.mark.slow
def test_two_workers_compute_each_point_once_and_wake_each_driver_once(cluster_in, undisturbed):
    calls, records = undisturbed
    on_cluster = cluster_in("bench")
    on_cluster.ok("submit", str(on_cluster.bench.campaign(text=OUTER)))
    done = on_cluster.bench.run("launch", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert on_cluster.finished()
    assert on_cluster.bench.calls() == calls
    found = {
        each["record_id"]: (each["forward"], each["reverse"])
        for each in on_cluster.outcomes().values()
    }
    assert found == records
    points = firework(on_cluster, **{"spec.dualion.kind": "point"})
    assert len(points) == sum(calls.values())
    assert {each["state"] for each in points} == {"COMPLETED"}
    parks = re.findall(r"\d+ force calls, then \d+ points? more", done.stdout + done.stderr)
    wakes = WAKES.findall(done.stdout + done.stderr)
    assert len(wakes) == len(parks) > 40
    assert not json.loads(on_cluster.ok("recover", "--json"))
    assert not list((on_cluster.work / "checkpoints").glob("*"))


def test_status_tells_what_a_driver_waits_for(on_cluster):
    on_cluster.ok("submit", str(on_cluster.bench.campaign(text=PURE)))
    rocket(on_cluster)
    (driver,) = [each for each in on_cluster.status()["jobs"] if each["state"] == "PAUSED"]
    assert driver["name"] == "relax Cu host"
    assert driver["kind"] == "analysis"
    assert driver["reason"] == "waits for 1 of 1 points"
    assert "waits for 1 of 1 points" in on_cluster.ok("status")
    assert not driver["queue_id"]
    rocket(on_cluster)  # the point
    assert sum(on_cluster.bench.calls().values()) == 1
    assert not paused(on_cluster)
    states = {each["name"]: each["state"] for each in firework(on_cluster)}
    assert states["relax Cu host"] == "READY"


def test_a_driver_whose_points_were_there_all_along_is_not_left_parked(on_cluster):
    """The last point ends between the driver's look and its parking."""
    on_cluster.ok("submit", str(on_cluster.bench.campaign(text=PURE)))
    rocket(on_cluster)
    (driver,) = paused(on_cluster)
    waits = driver["spec"]["dualion"]["waits_for"]
    rocket(on_cluster)
    with on_cluster.cluster() as cluster:
        from dualion.launch import points

        # As it was, had the driver parked a moment later than it did.
        cluster.launchpad.fireworks.update_one(
            {"fw_id": driver["fw_id"]},
            {"$set": {"state": "PAUSED", "spec.dualion.waits_for": waits}},
        )
        assert points.wake(cluster, waits["jobs"]) == [driver["fw_id"]]
        assert points.wake(cluster, waits["jobs"]) == []
        assert not points.wake_one(cluster, driver["fw_id"])
    rocket(on_cluster)
    assert went_on(on_cluster, driver)


def test_recover_wakes_a_driver_that_nobody_woke(on_cluster):
    on_cluster.ok("submit", str(on_cluster.bench.campaign(text=PURE)))
    rocket(on_cluster)
    (driver,) = paused(on_cluster)
    waits = driver["spec"]["dualion"]["waits_for"]
    rocket(on_cluster)
    with on_cluster.cluster() as cluster:  # the point's worker was killed before it woke it
        cluster.launchpad.fireworks.update_one(
            {"fw_id": driver["fw_id"]},
            {"$set": {"state": "PAUSED", "spec.dualion.waits_for": waits}},
        )
    (seen,) = json.loads(on_cluster.ok("recover", "--dry-run", "--json"))
    assert (seen["what"], seen["name"]) == ("not woken", "relax Cu host")
    assert paused(on_cluster)
    (told,) = json.loads(on_cluster.ok("recover", "--json"))
    assert told["why"] == "its points are there"
    assert not paused(on_cluster)
    rocket(on_cluster)
    assert went_on(on_cluster, driver)


def test_recover_gives_a_driver_its_points_back(on_cluster):
    """Its points are in no queue any more: it asks for them again."""
    on_cluster.ok("submit", str(on_cluster.bench.campaign(text=PURE)))
    rocket(on_cluster)
    with on_cluster.cluster() as cluster:
        cluster.launchpad.fireworks.delete_many({"spec.dualion.kind": "point"})
    (told,) = json.loads(on_cluster.ok("recover", "--json"))
    assert told["what"] == "not woken"
    assert "1 of its points is in no queue" in told["why"]
    rocket(on_cluster)
    assert len(paused(on_cluster)) == 1
    rocket(on_cluster)
    assert not paused(on_cluster)
    assert sum(on_cluster.bench.calls().values()) == 1


def test_a_point_that_fizzles_is_told_and_run_again(on_cluster):
    on_cluster.ok("submit", str(on_cluster.bench.campaign(text=PURE)))
    rocket(on_cluster)
    on_cluster.bench.environment["COUNTING_CRASH"] = "1"
    process = on_cluster.bench.start("rocket", "singleshot", "--profile", "here")
    process.communicate(timeout=60)
    del on_cluster.bench.environment["COUNTING_CRASH"]
    assert process.returncode != 0
    assert sum(on_cluster.bench.calls().values()) == 1
    with on_cluster.cluster() as cluster:
        (point,) = firework(on_cluster, **{"spec.dualion.kind": "point"})
        cluster.launchpad.mark_fizzled(point["launches"][-1])
    states = {each["state"]: each for each in on_cluster.status()["jobs"]}
    assert states["PAUSED"]["reason"] == "waits for 1 of 1 points (1 failed)"
    told = json.loads(on_cluster.ok("recover", "--json"))
    assert [each["what"] for each in told] == ["fizzled"]
    rocket(on_cluster)
    assert not paused(on_cluster)


@pytest.mark.slow
def test_killed_workers_are_recovered_and_no_point_is_computed_twice(cluster_in, undisturbed):
    calls, records = undisturbed
    on_cluster = cluster_in("bench", pause=0.0)
    on_cluster.ok("submit", str(on_cluster.bench.campaign(text=OUTER)))
    kills = 0
    for wanted in (4, 20, 45, 70):
        process = on_cluster.bench.start("rocket", "rapidfire", "--profile", "here")
        deadline = time.monotonic() + 120
        while sum(on_cluster.bench.calls().values()) < wanted and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        on_cluster.ok("recover")
    assert kills == 4
    on_cluster.ok("launch")
    assert on_cluster.finished()
    again = on_cluster.bench.calls()
    assert set(again) == set(calls)
    assert sum((again - calls).values()) <= kills
    assert set(records) == {each["record_id"] for each in on_cluster.outcomes().values()}


@pytest.mark.slow
def test_a_failing_point_fails_its_hop_alone_and_is_computed_again_when_asked(on_cluster):
    on_cluster.ok("submit", str(on_cluster.bench.campaign(text=OUTER)))
    on_cluster.bench.environment["COUNTING_POISON"] = "Ag"
    on_cluster.ok("launch")
    found = {name: each["outcome"] for name, each in on_cluster.outcomes().items()}
    assert sorted(found.values()) == ["converged", "engine_failed"]
    del on_cluster.bench.environment["COUNTING_POISON"]
    told = json.loads(on_cluster.ok("recover", "--failed", "--json"))
    assert any("point" in each["name"] and "nan" in each["why"] for each in told)
    on_cluster.ok("launch")
    assert {each["outcome"] for each in on_cluster.outcomes().values()} == {"converged"}
    assert on_cluster.finished()


@pytest.mark.slow
def test_two_campaigns_wait_for_one_point_and_both_go_on(on_cluster):
    for name in ("first", "second"):
        on_cluster.ok("submit", str(on_cluster.bench.campaign(name, text=PURE)))
    rocket(on_cluster)
    rocket(on_cluster)
    assert len(paused(on_cluster)) == 2
    assert len(firework(on_cluster, **{"spec.dualion.kind": "point"})) == 1
    rocket(on_cluster)
    assert not paused(on_cluster)
    on_cluster.ok("launch", "--workers", "2")
    assert on_cluster.finished()
    assert max((on_cluster.bench.calls()).values()) <= 2  # with and without the stress


def test_a_cancelled_campaign_takes_its_points_along_and_is_taken_up_again(on_cluster):
    campaign = str(on_cluster.bench.campaign(text=PURE))
    on_cluster.ok("submit", campaign)
    rocket(on_cluster)
    on_cluster.ok("cancel", "metal")
    on_cluster.ok("launch")
    assert not on_cluster.bench.calls()
    on_cluster.ok("submit", campaign)
    rocket(on_cluster)  # the driver finds its point ready again, or the point is run first
    rocket(on_cluster)
    assert sum(on_cluster.bench.calls().values()) == 1


def test_points_have_resources_of_their_own(on_cluster):
    profile = on_cluster.folder / "launch" / "here.yaml"
    profile.write_text(
        profile.read_text().replace("  relax:", '  point: {walltime: "00:07:00"}\n  relax:')
    )
    on_cluster.ok("submit", str(on_cluster.bench.campaign(text=PURE)))
    rocket(on_cluster)
    (point,) = firework(on_cluster, **{"spec.dualion.kind": "point"})
    assert point["spec"]["_queueadapter"]["walltime"] == "00:07:00"
    assert point["spec"]["_category"] == "ase"
    assert Path(on_cluster.work).exists()
