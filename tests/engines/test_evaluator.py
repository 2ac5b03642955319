from __future__ import annotations

import numpy as np
import pytest

from dualion.engines.checkpoint import EvaluationLog
from dualion.engines.evaluator import Evaluation, Evaluator
from dualion.errors import EngineError

NUMBERS = np.array([29, 47])
XYZ = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
CELL = np.eye(3) * 6.0


def giving(evaluation: Evaluation):
    return lambda *_configuration, **_options: evaluation


@pytest.mark.parametrize("energy", [np.nan, np.inf, -np.inf])
def test_an_energy_that_is_no_number_is_an_engine_error_with_the_value(energy):
    evaluate = Evaluator(giving(Evaluation(energy, np.zeros((2, 3)))))
    with pytest.raises(EngineError, match=str(energy)):
        evaluate(NUMBERS, XYZ, CELL)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_force_that_is_no_number_is_an_engine_error_that_names_the_atom(value):
    forces = np.zeros((2, 3))
    forces[1, 2] = value
    with pytest.raises(EngineError, match=rf"atom 1 .*{value}"):
        Evaluator(giving(Evaluation(0.0, forces)))(NUMBERS, XYZ, CELL)


def test_forces_of_a_wrong_shape_are_an_engine_error():
    with pytest.raises(EngineError, match=r"\(3, 3\)"):
        Evaluator(giving(Evaluation(0.0, np.zeros((3, 3)))))(NUMBERS, XYZ, CELL)


def test_a_missing_or_bad_stress_is_an_engine_error_only_when_asked_for():
    evaluate = Evaluator(giving(Evaluation(0.0, np.zeros((2, 3)))))
    evaluate(NUMBERS, XYZ, CELL)
    with pytest.raises(EngineError, match="stress"):
        evaluate(NUMBERS, XYZ, CELL, stress=True)


def test_bad_numbers_are_never_logged(tmp_path):
    with EvaluationLog(tmp_path) as log:
        with pytest.raises(EngineError):
            Evaluator(giving(Evaluation(np.nan, np.zeros((2, 3)))), log=log)(NUMBERS, XYZ, CELL)
        assert len(log) == 0


def test_replayed_calls_count_as_calls_but_not_as_computed(tmp_path, analytic):
    source = analytic(lambda xyz: (float((xyz**2).sum()), -2.0 * xyz))
    points = [XYZ + 0.1 * i for i in range(4)]
    told: list[int] = []
    new: list[int] = []
    with EvaluationLog(tmp_path) as log:
        first = Evaluator(source, log=log)
        for xyz in points[:3]:
            first(NUMBERS, xyz, CELL)
    with EvaluationLog(tmp_path) as log:
        second = Evaluator(
            source, log=log, progress=told.append, computed=lambda: new.append(second.calls)
        )
        for xyz in points:
            second(NUMBERS, xyz, CELL)
    assert (first.calls, first.computed) == (3, 3)
    assert (second.calls, second.computed) == (4, 1)
    assert source.count == 4
    assert told == [1, 2, 3, 4]
    assert new == [4]
