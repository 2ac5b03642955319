from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.spacegroup.symmetrize import check_symmetry

from dualion.engines.calculators import build_source
from dualion.engines.evaluator import Evaluation, Evaluator
from dualion.engines.registry import EngineChoice
from dualion.engines.relaxation import relax
from dualion.errors import EngineError
from dualion.records import Geometry
from dualion.settings import RelaxSettings

EMT_CHOICE = EngineChoice(name="emt")


def emt() -> Evaluator:
    return Evaluator(build_source(EMT_CHOICE))


def rattled(symbol: str = "Cu", width: float = 0.1, repeat: int = 2) -> Geometry:
    atoms = bulk(symbol, cubic=True) * (repeat, repeat, repeat)
    atoms.rattle(width, seed=3)
    return Geometry.from_atoms(atoms)


def test_a_quadratic_bowl_relaxes_to_its_known_minimum(analytic):
    rng = np.random.default_rng(0)
    centre = rng.uniform(2.0, 8.0, size=(3, 3))
    stiffness = np.array([1.0, 8.0, 40.0])[:, None]
    source = analytic(
        lambda xyz: (
            float((0.5 * stiffness * (xyz - centre) ** 2).sum()),
            -stiffness * (xyz - centre),
        )
    )
    cell = ((10.0, 0.0, 0.0), (0.0, 10.0, 0.0), (0.0, 0.0, 10.0))
    start = Geometry(lattice=cell, species=("Li", "Na", "K"), positions=((0, 0, 0),) * 3).moved(
        centre + rng.normal(0.0, 0.5, size=(3, 3))
    )
    found = relax(start, Evaluator(source), RelaxSettings(fmax=1e-4))
    assert found.converged
    assert found.geometry.xyz == pytest.approx(centre, abs=1e-4)
    assert found.energy == pytest.approx(0.0, abs=1e-8)
    assert found.force_calls == source.count


def test_the_forces_of_a_relaxed_metal_are_small_by_a_calculator_of_its_own():
    start = rattled()
    found = relax(start, emt(), RelaxSettings(fmax=0.01))
    atoms = found.geometry.atoms()
    atoms.calc = EMT()
    forces = np.linalg.norm(atoms.get_forces(), axis=1)
    assert found.converged
    assert forces.max() < 0.01
    assert found.max_force == pytest.approx(forces.max(), abs=1e-9)
    assert found.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    assert found.start_energy is not None
    assert found.energy < found.start_energy - 0.1
    assert found.geometry.lattice == start.lattice


@pytest.mark.parametrize("symbol", ["Cu", "Au"])
def test_a_cell_relaxation_finds_the_minimum_of_the_energy_over_the_lattice_constant(symbol):
    def energy(a: float) -> float:
        atoms = bulk(symbol, a=a)
        atoms.calc = EMT()
        return float(atoms.get_potential_energy())

    from scipy.optimize import minimize_scalar

    best = minimize_scalar(energy, bounds=(3.4, 4.4), method="bounded", options={"xatol": 1e-6})
    start = Geometry.from_atoms(bulk(symbol, a=best.x * 1.03))
    found = relax(start, emt(), RelaxSettings(fmax=1e-3), cell=True)
    assert found.converged
    assert (4.0 * found.geometry.volume) ** (1 / 3) == pytest.approx(best.x, abs=1e-3)


def test_a_symmetric_start_keeps_its_space_group_when_asked():
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell.array * [1.0, 1.0, 1.06], scale_atoms=True)
    start = Geometry.from_atoms(atoms)
    found = relax(start, emt(), RelaxSettings(fmax=0.005), cell=True, keep_symmetry=True)
    before = check_symmetry(start.atoms(), symprec=1e-3).number
    after = check_symmetry(found.geometry.atoms(), symprec=1e-3).number
    assert found.converged
    # 139 (tetragonal) may only gain symmetry on its way to the cubic minimum.
    assert (before, after) in {(139, 139), (139, 225)}


def test_the_input_is_not_changed():
    start = rattled()
    before = start.model_copy(deep=True)
    relax(start, emt(), RelaxSettings(), cell=True)
    assert start == before


def test_a_cell_relaxation_of_a_low_symmetry_cell_warns_of_nothing(recwarn):
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(
        atoms.cell.array @ (np.eye(3) + 0.02 * np.arange(9).reshape(3, 3) / 9.0), scale_atoms=True
    )
    found = relax(Geometry.from_atoms(atoms), emt(), RelaxSettings(fmax=0.002), cell=True)
    assert found.converged
    assert [str(w.message) for w in recwarn] == []


def test_too_few_steps_give_an_unconverged_result_within_the_budget():
    found = relax(rattled(), emt(), RelaxSettings(fmax=1e-4, steps=4))
    assert not found.converged
    assert found.failure == ""
    assert found.force_calls <= 4
    assert found.start_energy is not None
    assert found.energy <= found.start_energy


def test_a_rugged_surface_still_ends_below_its_start(analytic):
    # Steep ripples on a bowl defeat a quasi-Newton model of the curvature.
    def ripples(xyz):
        energy = 0.5 * (xyz**2).sum() + 0.3 * np.cos(9.0 * xyz).sum()
        return float(energy), -xyz + 2.7 * np.sin(9.0 * xyz)

    cell = ((9.0, 0.0, 0.0), (0.0, 9.0, 0.0), (0.0, 0.0, 9.0))
    xyz = np.random.default_rng(5).normal(0.0, 2.0, size=(6, 3))
    start = Geometry(lattice=cell, species=("Li",) * 6, positions=((0, 0, 0),) * 6).moved(xyz)
    found = relax(start, Evaluator(analytic(ripples)), RelaxSettings(fmax=0.01, steps=600))
    assert found.converged or found.failure
    assert found.start_energy is not None
    assert found.energy < found.start_energy


def test_an_engine_error_becomes_a_failure_with_the_input_geometry():
    calls = []

    def fails_later(_numbers, xyz, _cell, **_options):
        calls.append(1)
        if len(calls) == 3:
            raise EngineError("the model gave up", where="engine 'x'")
        return Evaluation(-1.0, np.full(xyz.shape, 0.1))

    start = rattled(repeat=1)
    found = relax(start, Evaluator(fails_later), RelaxSettings())
    assert "the model gave up" in found.failure
    assert not found.converged
    assert found.geometry == start
    assert found.energy == -1.0


def test_a_failure_of_the_first_call_still_gives_finite_numbers():
    def refuses(*_configuration, **_options):
        raise EngineError("no")

    found = relax(rattled(repeat=1), Evaluator(refuses), RelaxSettings())
    assert found.failure
    assert found.start_energy is None
    assert np.isfinite([found.energy, found.max_force]).all()


def test_other_errors_of_an_engine_are_raised():
    def broken(*_configuration, **_options):
        raise AttributeError("a mistake in the program")

    with pytest.raises(AttributeError, match="a mistake"):
        relax(rattled(repeat=1), Evaluator(broken), RelaxSettings())


def test_atoms_that_fall_into_each_other_are_a_failure_that_names_them(analytic):
    def collapse(xyz):  # every atom is pulled to one point
        away = xyz - 2.0
        return float((away**2).sum()), -2.0 * away

    found = relax(rattled(repeat=1), Evaluator(analytic(collapse)), RelaxSettings())
    assert "Å of each other" in found.failure
    assert "atoms" in found.failure
    assert not found.converged


def test_a_cell_that_explodes_is_a_failure():
    def pull(_numbers, xyz, cell, **_options):
        return Evaluation(-float(np.linalg.det(cell)), np.zeros_like(xyz), -np.eye(3))

    found = relax(rattled(repeat=1), Evaluator(pull), RelaxSettings(), cell=True)
    assert "volume" in found.failure
    assert not found.converged
