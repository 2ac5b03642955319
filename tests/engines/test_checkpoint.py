from __future__ import annotations

import errno
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dualion.engines.checkpoint import LOG_NAME, EvaluationLog, current_scope, job_scope
from dualion.engines.evaluator import Evaluation, Evaluator, evaluation_key
from dualion.errors import CheckpointBusyError

CELL = np.eye(3) * 5.0


def sample(seed: int, n: int = 4, *, stress: bool = False) -> tuple[bytes, Evaluation]:
    rng = np.random.default_rng(seed)
    xyz = rng.normal(size=(n, 3))
    key = evaluation_key(np.full(n, 29), xyz, CELL, stress=stress)
    tensor = rng.normal(size=(3, 3)) if stress else None
    return key, Evaluation(float(rng.normal()), rng.normal(size=(n, 3)), tensor)


def assert_same(a: Evaluation | None, b: Evaluation) -> None:
    assert a is not None
    assert a.energy == b.energy
    assert np.array_equal(a.forces, b.forces)
    assert (a.stress is None) == (b.stress is None)
    assert a.stress is None or np.array_equal(a.stress, b.stress)


def write(folder, count: int) -> list[tuple[bytes, Evaluation]]:
    samples = [sample(i, n=1 + i % 5, stress=i % 2 == 1) for i in range(count)]
    with EvaluationLog(folder, "engine 1") as log:
        for key, evaluation in samples:
            log.append(key, evaluation)
    return samples


def test_what_was_logged_is_found_bit_for_bit_after_reopening(tmp_path):
    samples = write(tmp_path, 7)
    with EvaluationLog(tmp_path, "engine 1") as log:
        assert len(log) == 7
        for key, evaluation in samples:
            assert_same(log.find(key), evaluation)
        assert log.find(b"0" * 32) is None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_log_cut_at_any_byte_keeps_exactly_the_records_before_it(data, tmp_path):
    path = tmp_path / LOG_NAME
    path.unlink(missing_ok=True)
    samples = write(tmp_path, 5)
    whole = path.read_bytes()
    ends = []
    path.unlink()
    with EvaluationLog(tmp_path, "engine 1") as log:
        for key, evaluation in samples:
            log.append(key, evaluation)
            ends.append(path.stat().st_size)
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    kept = sum(end <= cut for end in ends)
    with EvaluationLog(tmp_path, "engine 1") as log:
        assert len(log) == kept
        for key, evaluation in samples[:kept]:
            assert_same(log.find(key), evaluation)
        for key, evaluation in samples[kept:]:
            assert log.find(key) is None
            log.append(key, evaluation)
    assert path.read_bytes() == whole


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_byte_never_gives_a_changed_number(data, tmp_path):
    path = tmp_path / LOG_NAME
    path.unlink(missing_ok=True)
    samples = write(tmp_path, 4)
    whole = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    with EvaluationLog(tmp_path, "engine 1") as log:
        assert len(log) < 4
        for key, evaluation in samples:
            found = log.find(key)
            if found is not None:
                assert_same(found, evaluation)


def test_a_log_of_another_engine_version_is_not_used(tmp_path):
    samples = write(tmp_path, 3)
    with EvaluationLog(tmp_path, "engine 2") as log:
        assert len(log) == 0
        assert log.find(samples[0][0]) is None


def test_a_full_disk_is_told_and_leaves_a_usable_log(tmp_path, monkeypatch):
    samples = write(tmp_path, 2)
    key, evaluation = sample(99)
    really_write = os.write
    calls = []

    def full(file, data):
        calls.append(len(data))
        if len(calls) == 1:  # half of the record fits
            return really_write(file, bytes(data[: len(data) // 2]))
        raise OSError(errno.ENOSPC, "No space left on device")

    with EvaluationLog(tmp_path, "engine 1") as log:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left") as caught:
            log.append(key, evaluation)
        assert caught.value.errno == errno.ENOSPC
        monkeypatch.setattr(os, "write", really_write)
        assert log.find(key) is None
        log.append(key, evaluation)
    with EvaluationLog(tmp_path, "engine 1") as log:
        assert len(log) == 3
        assert_same(log.find(key), evaluation)
        assert_same(log.find(samples[0][0]), samples[0][1])


def test_a_full_disk_stops_an_evaluation_unchanged(tmp_path, monkeypatch, analytic):
    def refuse(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with EvaluationLog(tmp_path) as log:
        evaluate = Evaluator(analytic(lambda xyz: (0.0, np.zeros_like(xyz))), log=log)
        monkeypatch.setattr(os, "write", refuse)
        with pytest.raises(OSError, match="No space left"):
            evaluate(np.array([29]), np.zeros((1, 3)), CELL)


@pytest.mark.parametrize("change", ["numbers", "xyz", "cell", "stress"])
def test_the_key_tells_configurations_apart(change):
    asked = {"numbers": np.array([3, 17]), "xyz": np.ones((2, 3)), "cell": CELL, "stress": False}
    other = dict(asked)
    if change == "stress":
        other["stress"] = True
    elif change == "numbers":
        other["numbers"] = np.array([11, 17])
    else:
        other[change] = np.nextafter(asked[change], 9.0)
    assert evaluation_key(**asked) != evaluation_key(**other)
    assert evaluation_key(**asked) == evaluation_key(**{k: np.copy(v) for k, v in asked.items()})


def test_the_scope_holds_inside_its_block_only(tmp_path):
    seen: list[int] = []
    assert current_scope().checkpoint is None
    with job_scope(checkpoint=tmp_path, progress=seen.append):
        assert current_scope().checkpoint == tmp_path
        with job_scope(checkpoint=tmp_path / "inner"):
            assert current_scope().checkpoint == tmp_path / "inner"
            assert current_scope().progress is None
        assert current_scope().checkpoint == tmp_path
    assert current_scope().checkpoint is None


def test_a_log_that_another_process_writes_is_refused(tmp_path):
    folder = tmp_path / "job"
    with EvaluationLog(folder), pytest.raises(CheckpointBusyError, match="another process"):
        EvaluationLog(folder)
    with EvaluationLog(folder):
        pass
