"""What a queue job does after its first Firework, by the clock and without a database."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dualion.launch import rocket
from dualion.launch.clusterprofile import ClusterProfile


@pytest.fixture
def shot(monkeypatch, tmp_path):
    """Run a queue job whose Fireworks leave behind what they are told to; return what it ran."""

    def play(kind, left, fireworks, *, scheduler="slurm", longest=1.0):
        profile = ClusterProfile(scheduler=scheduler, work=tmp_path, engines={"ase": {}})
        made = rocket.Rocket(SimpleNamespace(profile=profile))
        script, times, ran = iter(fireworks), iter(left), []

        def single(fw_id, *, engine=None):
            assert engine is None
            ran.append(fw_id)
            made._kind, made._longest = kind, longest
            woken, asked = next(script)
            made.woken += woken
            made.asked += asked
            return True

        ready = {"a": 11, "b": 12}
        monkeypatch.setattr(made, "single", single)
        monkeypatch.setattr(made, "_left", lambda: next(times))
        monkeypatch.setattr(
            rocket,
            "ready_of",
            lambda jobs, _: next((ready[each] for each in jobs if each in ready), None),
        )
        assert made.shot(5)
        return ran

    return play


HOURS = [7200.0] * 20


def test_a_point_runs_the_driver_it_has_woken_and_one_of_its_next_points(shot):
    told = [([7], []), ([], ["a", "b"]), ([7], []), ([], [])]
    assert shot("point", HOURS, told) == [5, 7, 11, 7]


def test_a_driver_leaves_its_points_to_queue_jobs_of_their_own(shot):
    assert shot("analysis", HOURS, [([], ["a"])]) == [5]


def test_a_point_in_the_queue_already_is_left_there(shot):
    assert shot("point", HOURS, [([7], []), ([], ["elsewhere"])]) == [5, 7]


def test_no_driver_is_begun_when_the_wall_time_is_near(shot):
    assert shot("point", [20.0], [([7], [])]) == [5]


def test_no_point_is_begun_that_may_not_be_finished(shot):
    told = [([7], []), ([], ["a"])]
    left = [7200.0, 7100.0, 7000.0]
    assert shot("point", left, told, longest=3600.0) == [5, 7]


def test_without_a_queue_nothing_is_gone_on_with(shot):
    assert shot("point", HOURS, [([7], ["a"])], scheduler="none") == [5]
