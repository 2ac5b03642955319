"""A worker process from inside."""

from __future__ import annotations

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from dualion.engines import calculators
from dualion.launch.worker import run_task
from dualion.records import Geometry


@pytest.fixture
def built(monkeypatch):
    """Count the models that are loaded."""
    count = []

    def counting():
        count.append(1)
        return EMT()

    monkeypatch.setattr(calculators, "emt_calculator", counting)
    calculators._calculator.cache_clear()
    yield count
    calculators._calculator.cache_clear()


def test_a_worker_loads_its_model_once_for_all_tasks(tmp_path, built):
    answers = []
    for number, choice in enumerate(({"name": "emt"}, {"name": "emt", "device": "cpu"})):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.05, seed=number)
        task = {
            "id": str(number),
            "function": "dualion.engines.jobs:relax_structure",
            "arguments": {
                "structure": Geometry.from_atoms(atoms).model_dump(mode="json"),
                "choice": choice,
                "settings": {},
            },
            "checkpoint": str(tmp_path / str(number)),
        }
        run_task(task, answers.append)
    done = [answer for answer in answers if answer["event"] == "done"]
    assert [answer["output"]["converged"] for answer in done] == [True, True]
    assert len(built) == 1
