"""When a launcher leaves: not between the end of one job and the moment the next one is ready."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from dualion.launch import launcher
from dualion.launch.status import CampaignStatus

PROFILE = Path("here.yaml")


def state(**jobs):
    return CampaignStatus("metal", "0" * 24, "active", "emt", "2026-01-01", 1, {}, jobs)


@pytest.fixture
def queue(monkeypatch):
    """A database that shows one look after another, the last one for ever; time passes at once."""

    def show(looks):
        seen = SimpleNamespace(number=0, slept=0.0)

        def states(_cluster):
            now = looks[min(seen.number, len(looks) - 1)]
            seen.number += 1
            return (now,)

        def ready(_cluster, _engine):
            now = looks[min(seen.number, len(looks)) - 1]
            return bool(now.jobs.get("READY"))

        def sleep(seconds):
            seen.slept += seconds

        monkeypatch.setattr(launcher, "recover_lost", lambda _: [])
        monkeypatch.setattr(launcher, "send", lambda *_, **__: None)
        monkeypatch.setattr(launcher, "campaign_states", states)
        monkeypatch.setattr(launcher, "ready_here", ready)
        monkeypatch.setattr(launcher.time, "sleep", sleep)
        launcher.follow_campaigns(None, PROFILE, interval=1.0, tell=lambda _: None)
        return seen

    return show


def test_it_stays_when_what_comes_next_is_not_ready_yet(queue):
    between = state(COMPLETED=4, WAITING=2)
    looks = [state(RUNNING=1, WAITING=2), between, between, state(COMPLETED=4, READY=1, WAITING=1)]
    looks += [state(COMPLETED=5, RUNNING=1), state(COMPLETED=6)]
    assert queue(looks).number == len(looks)


def test_it_leaves_at_once_when_nothing_is_left(queue):
    seen = queue([state(RUNNING=1), state(COMPLETED=6)])
    assert seen.number == 2
    assert seen.slept == 1.0


def test_what_waits_for_a_failed_job_is_left_alone_after_a_while(queue):
    seen = queue([state(COMPLETED=3, FIZZLED=1, WAITING=2)])
    assert seen.slept == launcher.SETTLED
