"""Force evaluations as jobs of their own: the same numbers, each computed once."""

from __future__ import annotations

import contextlib
import json
import sqlite3

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
INSIDE = OUTER.replace("evaluations: jobs\n", "")
ADAPTIVE = "band: {{method: adaptive}}\n"
WORKERS = 2


def records(bench):
    rows = json.loads(bench.run("query", "--json").stdout)
    for row in rows:
        row.pop("created")
    return rows


def outputs(bench):
    """Kind, force calls and body of everything in the ledger but the points themselves."""
    with contextlib.closing(sqlite3.connect(bench.folder / "runs" / "jobs.sqlite")) as ledger:
        rows = ledger.execute("SELECT key, kind, force_calls, body FROM outputs")
        return {key: rest for key, *rest in rows if rest[0] != "point"}


def points(bench):
    with contextlib.closing(sqlite3.connect(bench.folder / "runs" / "jobs.sqlite")) as ledger:
        return ledger.execute("SELECT count(*) FROM outputs WHERE kind = 'point'").fetchone()[0]


@pytest.mark.parametrize("band", ["", pytest.param(ADAPTIVE, marks=pytest.mark.slow)])
def test_points_give_the_bits_and_the_calls_of_a_run_inside(bench_in, band):
    inside, outer = bench_in("inside", pause=0.0), bench_in("outer", pause=0.0)
    table = inside.table(str(inside.campaign(text=INSIDE + band)), "--workers", "2")
    assert len(table) == 1
    assert outer.table(str(outer.campaign(text=OUTER + band)), "--workers", "2") == table
    assert records(outer) == records(inside)
    assert outputs(outer) == outputs(inside)  # the very bytes, under the same keys
    assert outer.calls() == inside.calls()
    assert points(outer) == sum(outer.calls().values())
    assert not list((outer.folder / "runs" / "checkpoints").glob("*"))


def test_a_run_inside_takes_what_points_gave_and_the_other_way_round(bench):
    outer, inside = bench.campaign(text=OUTER), bench.campaign("again", text=INSIDE)
    table = bench.table(str(outer))
    calls = bench.calls()
    assert bench.table(str(inside)) == table
    assert bench.calls() == calls


@pytest.mark.slow
def test_kills_cost_the_points_in_flight_and_no_other(bench_in):
    inside = bench_in("inside", pause=0.02)
    inside.table(str(inside.campaign(text=INSIDE)))
    undisturbed = inside.calls()
    killed = bench_in("killed", pause=0.02)
    campaign = str(killed.campaign(text=OUTER))
    hits = 0
    for wanted in (3, 25, 60, 90):
        hits += killed.kill_after(wanted, "run", campaign, "--workers", str(WORKERS))
    assert hits >= 3
    killed.table(campaign)
    assert set(killed.calls()) == set(undisturbed)
    assert sum((killed.calls() - undisturbed).values()) <= hits * WORKERS
    assert records(killed) == records(inside)


def test_a_point_that_fails_is_named_and_the_hop_fails_as_it_does_inside(bench_in):
    told = {}
    for name, text in (("inside", INSIDE), ("outer", OUTER)):
        bench = bench_in(name, pause=0.0)
        bench.environment["COUNTING_POISON"] = "Ag"
        done = bench.run("run", str(bench.campaign(name, text=text)), "--json")
        (found,) = [row for row in records(bench) if row["moving_ion"] == "Ag"]
        assert found["outcome"] == "engine_failed"
        told[name] = (done.returncode, [{**row, "campaign": ""} for row in records(bench)])
        assert "nan" in (bench.folder / "runs" / name / "run.log").read_text()
    assert told["outer"] == told["inside"]
    log = (bench.folder / "runs" / "outer" / "run.log").read_text()
    assert "point" in log
    assert "energy of nan" in log


def test_a_point_whose_worker_dies_again_and_again_fails_its_driver_by_name(bench):
    bench.environment["COUNTING_CRASH"] = "1"
    done = bench.run("run", str(bench.campaign(text=OUTER)))
    assert done.returncode == 4
    assert "relax Cu host" in done.stderr
    assert "point" in done.stderr
    assert "its worker ended 2 times" in done.stderr
    assert sum(bench.calls().values()) == 2
    del bench.environment["COUNTING_CRASH"]
    assert bench.table(str(bench.campaign(text=OUTER)))


def test_a_tier_may_have_its_force_calls_as_jobs_and_the_one_before_it_not(bench):
    loose = """\
doping: [pure]
host: {{relax: {{fmax: 0.1}}}}
relax: {{fmax: 0.1}}
band: {{fmax: 0.2, fmax_flanks: 0.4}}
tiers: [{{engine: emt, promote: all, evaluations: jobs}}]
"""
    text = INSIDE.replace("doping: [pure, dilute]\n", loose)
    done = bench.run("run", str(bench.campaign(text=text)), "--json")
    assert done.returncode == 0, done.stderr
    database = bench.folder / "runs" / "jobs.sqlite"
    with contextlib.closing(sqlite3.connect(database)) as ledger:
        calls = ledger.execute(
            "SELECT kind, sum(force_calls) FROM outputs GROUP BY kind"
        ).fetchall()
    found = dict(calls)
    first = sum(bench.calls().values())  # the counting engine is the first tier's
    assert 0 < found["point"] == found["relax"] + found["band"] - first
