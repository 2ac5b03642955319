"""A second tier through the launch pad: the same records as on one machine, promoted once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from dualion.launch import submission
from dualion.launch.cluster import Cluster
from dualion.launch.extension import extend
from dualion.launch.rocket import Rocket
from dualion.launch.run import prepare
from standin.stretched import text, with_second_engine


@pytest.fixture
def on_two(on_cluster):
    """A bench behind a launch pad, with both engines."""
    with_second_engine(on_cluster.bench)
    return on_cluster


def promotions(on_cluster):
    with on_cluster.cluster() as cluster:
        found = cluster.outputs.find({"metadata.kind": "promotion"})
        return [each["output"] for each in found]


def engines(rows):
    return Counter(row["engine"] for row in rows)


@pytest.mark.slow
def test_a_campaign_of_two_tiers_gives_what_the_local_run_gives(on_two):
    campaign = str(on_two.bench.campaign("metal", text()))
    on_two.ok("run", campaign, "--workers", "1", "--quiet")
    local = on_two.bench.calls()
    here = json.loads(on_two.ok("query", "--json"))
    assert engines(here) == {"counting-emt": 6, "stretched-emt": 2}
    Path(on_two.bench.environment["COUNTING_LOG"]).unlink()

    on_two.ok("submit", campaign)
    on_two.ok("launch")

    assert on_two.finished()
    assert on_two.bench.calls() == local
    there = json.loads(on_two.ok("query", "--json", "--store", on_two.address))
    for row in (*here, *there):
        row.pop("created")
    assert there == here
    (promotion,) = promotions(on_two)
    assert len(promotion["promoted"]) == 2
    assert promotion["missing"] == []
    assert json.loads(on_two.ok("submit", campaign, "--json"))["jobs_added"] == 0
    on_two.ok("launch")
    assert on_two.bench.calls() == local


@pytest.fixture
def inside(on_two, monkeypatch):
    """The same bench with its workers in this process."""
    for name in ("DUALION_ENGINES", "COUNTING_LOG", "DUALION_DATABASE"):
        monkeypatch.setenv(name, on_two.bench.environment[name])
    monkeypatch.syspath_prepend(on_two.folder)
    monkeypatch.chdir(on_two.folder)
    return on_two


def submit(cluster, bench, **fields):
    prepared = prepare(bench.campaign("metal", text(**fields)))
    return submission.submit(prepared, cluster)


def promoting(cluster):
    """States of the Fireworks that promote."""
    query = {"name": {"$regex": "^promote"}}
    return [each["state"] for each in cluster.launchpad.fireworks.find(query, {"state": 1})]


def test_of_many_workflows_the_last_one_promotes(inside, monkeypatch):
    monkeypatch.setattr(submission, "HOPS_PER_WORKFLOW", 2)
    with inside.cluster() as cluster:
        submit(cluster, inside.bench)
        rocket = Rocket(cluster)
        seen = []
        while rocket.single(None):
            seen.append((len(promotions(inside)), promoting(cluster).count("COMPLETED")))
        assert promoting(cluster) == ["COMPLETED"] * 3
        # The first two of them end without anything being promoted.
        assert (0, 2) in seen
        assert (1, 1) not in seen
    (promotion,) = promotions(inside)
    assert (len(promotion["promoted"]), promotion["missing"]) == (2, [])
    assert inside.finished()
    assert len(inside.raw_records()) == 8


def test_a_hop_whose_job_dies_is_told_and_promoted_when_it_is_there(inside, monkeypatch):
    from dualion.workflows import jobs

    whole = jobs.make_record

    def broken(question, *arguments, **fields):
        if question.arrangement.label == "dilute":
            raise MemoryError
        return whole(question, *arguments, **fields)

    monkeypatch.setattr(jobs, "make_record", broken)
    with inside.cluster() as cluster:
        submit(cluster, inside.bench)
        while Rocket(cluster).single(None):
            pass
    (promotion,) = promotions(inside)
    assert promotion["missing"] == ["Ag h1 4a–4a 2.54 Å dilute"]
    assert not inside.finished()
    assert not [t for t in promotion["promoted"] if t.endswith("Å dilute")]

    monkeypatch.setattr(jobs, "make_record", whole)
    inside.ok("recover", "--fizzled")
    with inside.cluster() as cluster:
        while Rocket(cluster).single(None):
            pass
    (promotion,) = promotions(inside)
    assert promotion["missing"] == []
    assert "Ag h1 4a–4a 2.54 Å dilute" in promotion["promoted"]
    assert inside.finished()


def test_a_band_that_goes_on_is_promoted_when_it_has_converged(inside):
    short = text().replace("band: {{method: full}}", "band: {{method: full, steps: 4}}")
    file = inside.bench.campaign("metal", short)
    with inside.cluster() as cluster:
        submission.submit(prepare(file), cluster)
        while Rocket(cluster).single(None):
            pass
        (promotion,) = promotions(inside)
        assert promotion["promoted"] == []
        assert {each["reason"].split(":")[0] for each in promotion["left"]} == {"unconverged"}
        assert extend(cluster, None, steps=100)
        while Rocket(cluster).single(None):
            pass
    assert sorted(len(each["promoted"]) for each in promotions(inside)) == [0, 2]
    assert isinstance(cluster, Cluster)
    outcomes = Counter(each["metadata"]["outcome"] for each in inside.raw_records())
    # Those that were cut short; the same when they went on, and two of the second tier, for which
    # the few steps are enough.
    assert outcomes == {"unconverged": 6, "converged": 6 + 2}
