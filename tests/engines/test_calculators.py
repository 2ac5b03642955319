from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from dualion.engines import calculators
from dualion.engines.calculators import build_source
from dualion.engines.entry import EngineEntry
from dualion.engines.registry import EngineChoice
from dualion.errors import EngineError, InputError

EMT_CHOICE = EngineChoice(name="emt")


def arrays(atoms):
    return atoms.numbers, atoms.positions, atoms.cell.array


def test_numbers_are_those_of_the_calculator_itself():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    found = build_source(EMT_CHOICE)(*arrays(atoms), stress=True)
    atoms.calc = EMT()
    assert found.energy == atoms.get_potential_energy()
    assert np.array_equal(found.forces, atoms.get_forces())
    assert found.stress == pytest.approx(atoms.get_stress(voigt=False))


def test_no_stress_is_given_when_none_was_asked_for():
    assert build_source(EMT_CHOICE)(*arrays(bulk("Cu")), stress=False).stress is None


def test_an_element_the_engine_does_not_know_is_an_engine_error_with_the_formula():
    with pytest.raises(EngineError, match=r"ClNa.*No EMT"):
        build_source(EMT_CHOICE)(*arrays(bulk("NaCl", "rocksalt", a=5.6)), stress=False)


def test_a_calculator_that_cannot_be_built_names_the_engine():
    entry = EngineEntry(name="odd", calculator="ase.calculators.emt:NoSuchThing", package="ase")
    with pytest.raises(EngineError, match=r"engine 'odd'.*NoSuchThing"):
        build_source(EngineChoice(name="odd", entry=entry))


def test_one_model_is_loaded_once_whatever_the_choice_calls_it(monkeypatch):
    built = []

    def counting():
        built.append(1)
        return EMT()

    monkeypatch.setattr(calculators, "emt_calculator", counting)
    calculators._calculator.cache_clear()
    same = EngineEntry(
        name="mine", calculator="dualion.engines.calculators:emt_calculator", package="ase"
    )
    for choice in (
        EMT_CHOICE,
        EngineChoice(name="emt", device="cpu"),
        EngineChoice(name="emt", trust_model=True),
        EngineChoice(name="mine", entry=same),
        EMT_CHOICE,
    ):
        assert build_source(choice)(*arrays(bulk("Cu")), stress=False).forces.shape == (1, 3)
    assert len(built) == 1
    calculators._calculator.cache_clear()


def test_memory_that_runs_out_is_no_property_of_the_structure():
    class Hungry(EMT):
        def calculate(self, *_arguments, **_options):
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    with pytest.raises(RuntimeError, match="out of memory"):
        calculators._Source("x", Hungry())(*arrays(bulk("Cu")), stress=False)


@pytest.mark.mlip
def test_a_gpu_that_is_not_there_is_refused():
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match="no GPU"):
        build_source(EngineChoice(name="chgnet", device="cuda"))


@pytest.mark.mlip
@pytest.mark.parametrize("value", ["none", "0", "-2"])
def test_a_senseless_number_of_threads_is_refused(value, monkeypatch):
    monkeypatch.setenv("DUALION_THREADS", value)
    calculators._calculator.cache_clear()
    with pytest.raises(InputError, match="DUALION_THREADS"):
        build_source(EngineChoice(name="chgnet", device="cpu"))


@pytest.mark.mlip
def test_the_lean_chgnet_gives_the_numbers_of_chgnets_own_calculator(capsys):
    from chgnet.model import CHGNetCalculator

    calculators._calculator.cache_clear()
    source = build_source(EngineChoice(name="chgnet", device="cpu"))
    assert capsys.readouterr().out == ""
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    atoms.rattle(0.05, seed=2)
    lean = source(*arrays(atoms), stress=False)
    full = source(*arrays(atoms), stress=True)
    atoms.calc = CHGNetCalculator(use_device="cpu")
    assert lean.stress is None
    assert full.stress == pytest.approx(atoms.get_stress(voigt=False), abs=1e-5)
    for found in (lean, full):
        assert found.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-4)
        assert found.forces == pytest.approx(atoms.get_forces(), abs=1e-4)


def test_emt_forgets_what_it_computed_before():
    numbers, cell = np.full(32, 29), 7.2 * np.eye(3)
    near = bulk("Cu", a=3.6, cubic=True).repeat(2).positions
    rng = np.random.default_rng(2)
    far = near + rng.normal(0.0, 0.3, near.shape)
    source = build_source(EMT_CHOICE)
    first = source(numbers, near, cell, stress=False)
    for xyz in (far, far + 0.7, far[::-1]):
        source(numbers, xyz, cell, stress=False)
    again = source(numbers, near, cell, stress=False)
    assert again.energy == first.energy
    assert np.array_equal(again.forces, first.forces)
