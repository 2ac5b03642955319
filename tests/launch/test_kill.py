"""Kills of a real runner: nothing finished is computed twice, nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import time

import numpy as np
import pytest

from dualion.engines.checkpoint import LOG_NAME
from dualion.store.base import BarrierFilter
from dualion.store.opening import open_store

KILLS = 10
WORKERS = 2


def stored(bench):
    with open_store(bench.folder / "runs" / "barriers.sqlite") as store:
        return [record.record_id for record in store.query(BarrierFilter())]


@pytest.mark.slow
def test_ten_kills_at_random_moments_cost_at_most_the_force_calls_in_flight(bench_in):
    quiet = bench_in("quiet", pause=0.02)
    expected = quiet.table(str(quiet.campaign()), "--workers", str(WORKERS))
    undisturbed = quiet.calls()
    assert sum(undisturbed.values()) > 80

    # Moments are counted in force calls, not in seconds: a busy machine changes nothing then.
    # The pause makes the kills hit computations, not the time it takes to start Python.
    killed = bench_in("killed", pause=0.02)
    campaign = str(killed.campaign())
    longest = sum(undisturbed.values()) // (KILLS + 4)
    moments = np.random.default_rng(7)
    hits = 0
    for _ in range(KILLS):
        wanted = sum(killed.calls().values()) + moments.integers(1, longest, endpoint=True)
        words = ("run", campaign, "--workers", str(WORKERS))
        hits += killed.kill_after(wanted, *words, pause=moments.uniform(0.0, 0.02))
    table = killed.table(campaign, "--workers", str(WORKERS))

    assert hits >= KILLS // 2, "the kills came too late to mean anything"
    assert table == expected
    again = killed.calls()
    assert set(again) == set(undisturbed)
    lost = sum((again - undisturbed).values())
    assert lost <= hits * WORKERS, f"{lost} force calls computed twice after {hits} kills"
    assert sorted(stored(killed)) == sorted(stored(quiet))
    assert len(set(stored(killed))) == len(stored(killed)) == 2
    assert not list((killed.folder / "runs" / "checkpoints").glob("*"))


def test_a_finished_campaign_computes_nothing_when_run_again(bench):
    campaign = str(bench.campaign())
    first = bench.table(campaign)
    calls = sum(bench.calls().values())
    assert bench.table(campaign) == first
    assert sum(bench.calls().values()) == calls


def test_a_kill_between_result_and_clean_up_leaves_no_checkpoint_behind(bench):
    campaign = str(bench.campaign())
    first = bench.table(campaign)
    with contextlib.closing(sqlite3.connect(bench.folder / "runs" / "jobs.sqlite")) as ledger:
        (key,) = ledger.execute("SELECT key FROM outputs WHERE kind = 'band'").fetchone()
    left = bench.folder / "runs" / "checkpoints" / key
    left.mkdir(parents=True)
    (left / LOG_NAME).write_bytes(b"of a job that is done")
    assert bench.table(campaign) == first
    assert not left.exists()


def test_ctrl_c_ends_with_130_and_the_next_run_goes_on(bench_in):
    bench = bench_in("interrupted", pause=0.2)  # so that half a second is far from the end
    campaign = str(bench.campaign())
    process = bench.start("run", campaign)
    deadline = time.monotonic() + 60
    while not bench.calls():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.strip().endswith("interrupted; the same command goes on from here")
    assert "Traceback" not in errors
    bench.table(campaign)
    plain = bench_in("plain", pause=0.0)
    plain.table(str(plain.campaign()))
    assert sum((bench.calls() - plain.calls()).values()) <= WORKERS


def test_workers_end_when_their_runner_is_killed(bench_in):
    bench = bench_in("orphans", pause=0.2)
    process = bench.start("run", str(bench.campaign()))
    deadline = time.monotonic() + 60
    while not bench.calls():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.communicate()
    time.sleep(1.0)
    quiet = sum(bench.calls().values())
    time.sleep(1.0)
    assert sum(bench.calls().values()) == quiet


def test_a_worker_that_dies_fails_its_jobs_and_says_so(bench):
    bench.environment["COUNTING_CRASH"] = "1"
    done = bench.run("run", str(bench.campaign()))
    assert done.returncode == 4
    assert "its worker ended 2 times" in done.stderr
    assert "Traceback" not in done.stderr
    del bench.environment["COUNTING_CRASH"]
    assert bench.table(str(bench.campaign()))


def test_one_campaign_is_run_by_one_process_at_a_time(bench_in):
    bench = bench_in("twice", pause=0.1)
    campaign = str(bench.campaign())
    first = bench.start("run", campaign)
    deadline = time.monotonic() + 60
    while not bench.calls():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    second = bench.run("run", campaign)
    first.kill()
    first.communicate()
    assert second.returncode == 4
    assert "is being run by process" in second.stderr


def test_two_campaigns_at_once_share_the_ledger_and_store_one_set_of_records(bench):
    names = ["left", "right"]
    running = [bench.start("run", str(bench.campaign(name)), "-w", "1") for name in names]
    for process in running:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    assert len(stored(bench)) == 2
