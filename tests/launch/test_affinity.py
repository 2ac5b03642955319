"""Workers that stay on a CPU, and what happens where that cannot be."""

from __future__ import annotations

import os

import pytest

from dualion.launch import affinity
from dualion.launch.affinity import CPU, cpus_for, stay
from dualion.launch.pool import Pool

NO_TASK = {"id": "x", "function": "os:getcwd", "arguments": {}, "checkpoint": "c"}


@pytest.fixture
def four_threads(tmp_path, monkeypatch):
    """Two cores of two threads each: 0 and 2, 1 and 3."""
    for cpu in range(4):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{cpu % 2},{cpu % 2 + 2}\n")
    monkeypatch.setattr(affinity.os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    return tmp_path


def test_workers_get_different_cores_before_they_share_one(four_threads):
    assert cpus_for(2, topology=four_threads) == (0, 1)
    assert sorted(cpus_for(4, topology=four_threads)) == [0, 1, 2, 3]


def test_only_cpus_that_this_process_may_use_are_given(four_threads, monkeypatch):
    monkeypatch.setattr(affinity.os, "sched_getaffinity", lambda _: {0, 2, 3})
    assert cpus_for(2, topology=four_threads) == (0, 3)  # 0 and 2 are one core


def test_nobody_is_pinned_where_there_are_fewer_cpus_than_workers(four_threads):
    assert cpus_for(5, topology=four_threads) == ()


def test_without_a_topology_every_cpu_counts_as_a_core(four_threads):
    assert cpus_for(3, topology=four_threads / "nothing") == (0, 1, 2)


def test_a_platform_without_affinity_pins_nobody(monkeypatch):
    monkeypatch.delattr(affinity.os, "sched_getaffinity", raising=False)
    assert cpus_for(1) == ()


@pytest.mark.parametrize("value", ["none", "", "-1", "99999", None])
def test_a_cpu_that_cannot_be_had_changes_nothing(monkeypatch, value):
    before = os.sched_getaffinity(0)
    monkeypatch.delenv(CPU, raising=False)
    if value is not None:
        monkeypatch.setenv(CPU, value)
    stay()
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize("pinned", [True, False])
def test_a_worker_stays_where_the_pool_says(tmp_path, monkeypatch, pinned):
    monkeypatch.setenv(CPU, "99999")  # left over from whoever started us: not for the workers
    allowed = os.sched_getaffinity(0)
    last = max(allowed)
    with Pool(1, tmp_path / "log", (last,) if pinned else ()) as pool:
        worker = pool.idle()
        pool.send(worker, NO_TASK)
        _, message = pool.messages.get(timeout=60)
        assert message["event"] == "failed"  # it has begun to serve
        assert os.sched_getaffinity(worker.process.pid) == ({last} if pinned else allowed)


def test_a_worker_that_takes_the_place_of_a_dead_one_takes_its_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(Pool, "_listen", lambda *_: None)
    with Pool(2, tmp_path / "log", (3, 5)) as pool:
        first, second = pool._start(), pool._start()
        assert (first.cpu, second.cpu) == (3, 5)
        first.process.kill()
        pool.forget(first)
        assert pool._start().cpu == 3
