"""What a job that is lost takes with it, and what goes on without it."""

from __future__ import annotations

import pytest
from jobflow.core.flow import Flow
from jobflow.core.job import job
from jobflow.core.reference import OnMissing

from dualion.errors import EngineError
from dualion.launch.local import LocalRunner
from dualion.store.ledger import Ledger

seen: list[tuple[str, object, object]] = []


@job
def gives():
    return "given"


@job
def breaks(needed=None):
    raise EngineError(f"out of memory ({needed})")


@job
def takes(name, needed, like=None):
    seen.append((name, needed, like))
    return name


def spared(*arguments):
    one = takes(*arguments)
    one.config.on_missing_references = OnMissing.NONE
    return one


@pytest.fixture
def run(tmp_path):
    def start(*jobs):
        seen.clear()
        with Ledger(tmp_path / "jobs.sqlite") as ledger:
            runner = LocalRunner(
                ledger=ledger,
                checkpoints=tmp_path,
                logfile=tmp_path / "run.log",
                workers=1,
                on_record=lambda _: None,
            )
            state = runner.run(Flow([*jobs]))
        return state, {name: (needed, like) for name, needed, like in seen}

    return start


@pytest.mark.parametrize("first", ["broken", "given"])
def test_a_job_goes_on_without_what_it_can_do_without_in_whatever_order_it_came(run, first):
    broken, given = breaks(), gives()
    jobs = (broken, given) if first == "broken" else (given, broken)
    state, got = run(*jobs, spared("second", given.output, broken.output))
    assert got == {"second": ("given", None)}
    assert len(state.failed) == 1
    assert not state.skipped


def test_so_it_does_where_the_loss_is_further_back(run):
    broken, given = breaks(), gives()
    between = takes("between", broken.output)
    state, got = run(broken, between, given, spared("second", given.output, between.output))
    assert got == {"second": ("given", None)}
    assert len(state.skipped) == 1


def test_what_it_needs_it_is_lost_with(run):
    broken, given = breaks(), gives()
    state, got = run(
        broken,
        given,
        spared("second", broken.output, given.output),
        spared("both", broken.output, broken.output),
    )
    assert not got
    assert len(state.skipped) == 2


def test_a_job_that_does_not_say_so_is_lost_with_any_input(run):
    broken, given = breaks(), gives()
    state, got = run(broken, given, takes("second", given.output, broken.output))
    assert not got
    assert len(state.skipped) == 1


def test_a_job_that_gets_everything_gets_everything(run):
    given, other = gives(), takes("other", "nothing")
    _, got = run(given, other, spared("second", given.output, other.output))
    assert got["second"] == ("given", "other")
