"""The plane-wave engines: what can be told without GPAW, and (marker gpaw) GPAW's own numbers."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import kpts2sizeandoffsets

from dualion.engines import fingerprint, get_engine, job_scope, list_engines, registry
from dualion.engines.calculators import build_source
from dualion.engines.entry import EngineEntry
from dualion.engines.fingerprint import level_of_theory, stamp_of
from dualion.engines.jobs import relax_structure
from dualion.engines.plane_waves import k_point_mesh, plane_wave_calculator
from dualion.engines.registry import EngineChoice, find_entry
from dualion.errors import EngineError, EngineNotInstalledError, InputError
from dualion.records import EngineStamp, Geometry
from dualion.settings import RelaxSettings

UNIT = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def with_versions(monkeypatch, **versions: str) -> None:
    """Let only these packages be installed."""
    known = {name.replace("_", "-"): version for name, version in versions.items()}
    for module in (registry, fingerprint):
        monkeypatch.setattr(module, "installed_version", known.get)


@pytest.mark.parametrize("spacing", [0.2, 0.35, 0.55, 0.9])
def test_the_mesh_is_the_one_ase_makes_of_the_same_density(spacing):
    rng = np.random.default_rng(int(100 * spacing))
    for _ in range(20):
        cell = 6.0 * np.eye(3) + rng.normal(scale=1.5, size=(3, 3))
        size, _ = kpts2sizeandoffsets(
            density=1.0 / spacing, even=None, atoms=Atoms("H", cell=cell, pbc=True)
        )
        assert k_point_mesh(cell, spacing) == tuple(size)


def test_neighbouring_points_are_no_farther_apart_than_the_spacing_and_one_less_would_be():
    cell = np.array([[4.1, 0.0, 0.0], [1.0, 7.3, 0.0], [0.5, -2.0, 19.0]])
    mesh = np.array(k_point_mesh(cell, 0.3))
    lengths = 2 * np.pi * np.linalg.norm(np.linalg.inv(cell).T, axis=1)
    assert (lengths / mesh <= 0.3).all()
    assert (lengths[mesh > 1] / (mesh - 1)[mesh > 1] > 0.3).all()


def test_a_supercell_has_the_points_of_its_primitive_cell():
    cell = np.asarray(bulk("LiCl", "rocksalt", a=5.1295).cell)
    assert k_point_mesh(cell, 0.55) == (4, 4, 4)
    assert k_point_mesh(2 * cell, 0.55) == (2, 2, 2)


def test_rounding_makes_no_further_point():
    length = 2 * np.pi / 0.5
    for factor in (1 - 1e-9, 1.0, 1 + 1e-9):
        assert k_point_mesh(length / 2 * factor * np.eye(3), 0.5) == (2, 2, 2)
    assert k_point_mesh(100.0 * np.eye(3), 0.5) == (1, 1, 1)


def test_the_stamp_tells_functional_numerics_code_and_setups(monkeypatch):
    with_versions(monkeypatch, gpaw="26.7.0", gpaw_data="1.2.1")
    stamp = get_engine("gpaw").stamp()
    assert (stamp.engine, stamp.code, stamp.version) == ("gpaw", "gpaw", "26.7.0")
    told = dict(stamp.parameters)
    assert told.pop("gpaw-data") == "1.2.1"
    assert told == {k: str(v) for k, v in find_entry("gpaw").kwargs.items()}
    assert set(told) == {"functional", "cutoff", "spacing", "smearing", "tolerance"}


def test_whatever_changes_a_number_changes_the_level_of_theory(monkeypatch):
    entry = find_entry("gpaw")

    def theory_of(versions: dict[str, str], **kwargs: str | float) -> str:
        with_versions(monkeypatch, **versions)
        changed = entry.model_copy(update={"kwargs": entry.kwargs | kwargs})
        stamp = stamp_of(EngineChoice(name="gpaw", entry=changed))
        return level_of_theory(stamp, charge=-1, supercell_matrix=UNIT).fingerprint

    base = {"gpaw": "26.7.0", "gpaw_data": "1.2.1"}
    found = {
        theory_of(base),
        theory_of(base, cutoff=500),
        theory_of(base, spacing=0.3),
        theory_of(base, smearing=0.1),
        theory_of(base, functional="PBEsol"),
        theory_of(base | {"gpaw": "26.8.0"}),
        theory_of(base | {"gpaw_data": "1.3.0"}),
    }
    assert len(found) == 7
    assert theory_of(base) in found


@pytest.mark.parametrize("name", ["gpaw", "gpaw-light"])
def test_without_gpaw_the_error_tells_how_to_install_it(monkeypatch, name):
    with_versions(monkeypatch)
    with pytest.raises(EngineNotInstalledError, match="gpaw is not installed") as caught:
        get_engine(name)
    assert "make gpaw" in str(caught.value)
    assert "launch/install_gpaw.sh" in str(caught.value)
    with pytest.raises(EngineNotInstalledError):
        build_source(EngineChoice(name=name))
    assert get_engine(name, check=False).category == "gpaw"


def test_without_its_setups_gpaw_is_not_installed(monkeypatch):
    with_versions(monkeypatch, gpaw="26.7.0")
    with pytest.raises(EngineNotInstalledError, match="gpaw-data is not installed"):
        get_engine("gpaw")


def test_plane_wave_engines_are_dft_and_know_charges():
    listed = {engine.name: engine for engine in list_engines()}
    for name in ("gpaw", "gpaw-light"):
        assert listed[name].tier == "dft"
        assert get_engine(name, check=False).charged


@pytest.mark.parametrize("name", ["cutoff", "spacing", "smearing", "tolerance"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_senseless_number_is_refused(name, value):
    kwargs = dict(find_entry("gpaw").kwargs) | {name: value}
    with pytest.raises(InputError, match=name):
        plane_wave_calculator(**kwargs)


# With GPAW. A primitive cell and a coarse mesh: what is tested does not depend on either.

LIGHT = find_entry("gpaw-light")


def coarse(**kwargs: str | float) -> EngineEntry:
    return LIGHT.model_copy(update={"kwargs": LIGHT.kwargs | {"spacing": 1.5} | kwargs})


def choice_of(entry: EngineEntry) -> EngineChoice:
    return EngineChoice(name=entry.name, entry=entry)


def evaluate(atoms: Atoms, entry: EngineEntry | None = None, *, charge=0, stress=False):
    source = build_source(choice_of(entry or coarse()), charge=charge)
    return source(atoms.numbers, atoms.positions, atoms.cell.array, stress=stress)


@pytest.fixture(scope="module")
def rocksalt() -> Atoms:
    atoms = bulk("LiCl", "rocksalt", a=5.1295)
    atoms.rattle(0.1, seed=3)
    return atoms


@pytest.mark.gpaw
def test_forces_are_minus_the_slope_of_the_energy_and_sum_to_nothing(rocksalt):
    forces = evaluate(rocksalt).forces
    assert forces.sum(axis=0) == pytest.approx(0.0, abs=0.01)
    assert np.abs(forces).max() > 0.1
    rng = np.random.default_rng(1)
    for _ in range(2):
        direction = rng.normal(size=forces.shape)
        direction /= np.linalg.norm(direction)
        energies = []
        for step in (0.02, -0.02):
            moved = rocksalt.copy()
            moved.positions += step * direction
            energies.append(evaluate(moved).energy)
        slope = (energies[0] - energies[1]) / 0.04
        assert slope == pytest.approx(-(forces * direction).sum(), abs=0.01)


@pytest.mark.gpaw
def test_the_stress_is_the_slope_of_the_energy_over_the_volume():
    # Plane waves are cut off at one energy in every cell, so the energy goes over small steps
    # where one enters or leaves: the cutoff of the other engine, and a wide difference.
    atoms = bulk("LiCl", "rocksalt", a=4.9)
    entry = coarse(cutoff=500)
    stress = evaluate(atoms, entry, stress=True).stress
    energies = []
    for step in (0.02, -0.02):
        strained = atoms.copy()
        strained.set_cell((1.0 + step) * atoms.cell.array, scale_atoms=True)
        energies.append(evaluate(strained, entry).energy)
    slope = (energies[0] - energies[1]) / 0.04 / atoms.get_volume()
    assert slope < -0.02
    assert slope == pytest.approx(float(np.trace(stress)), rel=0.05)


@pytest.mark.gpaw
def test_an_evaluation_does_not_depend_on_what_was_computed_before(rocksalt):
    first = evaluate(rocksalt)
    other = bulk("NaCl", "rocksalt", a=5.6)
    evaluate(other)
    again = evaluate(rocksalt)
    assert again.energy == first.energy
    assert (again.forces == first.forces).all()


@pytest.mark.gpaw
def test_a_symmetric_configuration_is_computed_like_any_other():
    symmetric = bulk("LiCl", "rocksalt", a=5.1295)
    broken = symmetric.copy()
    broken.positions[0] += [3e-6, 1e-6, 2e-6]
    assert evaluate(broken).energy == pytest.approx(evaluate(symmetric).energy, abs=1e-5)


@pytest.mark.gpaw
@pytest.mark.parametrize("change", ["shifted", "reordered", "wrapped"])
def test_the_same_structure_told_otherwise_has_the_same_energy_and_forces(rocksalt, change):
    found = evaluate(rocksalt)
    other, order = rocksalt.copy(), np.arange(2)
    if change == "shifted":
        other.positions += [0.4, -1.1, 2.3]
    elif change == "wrapped":
        other.positions[0] += other.cell.array[1] - 2.0 * other.cell.array[2]
    else:
        order = np.array([1, 0])
        other = rocksalt[order]
    seen = evaluate(other)
    # The exchange and correlation of a shifted crystal are summed on other grid points.
    assert seen.energy == pytest.approx(found.energy, abs=2e-3)
    assert seen.forces == pytest.approx(found.forces[order], abs=0.02)


@pytest.mark.gpaw
def test_charge_minus_one_is_one_electron_more():
    # Chlorine binds an electron, and gives one away for a high price.
    chlorine = Atoms("Cl", cell=[6.0] * 3, pbc=True)
    minus, neutral, plus = (evaluate(chlorine, charge=q).energy for q in (-1, 0, 1))
    assert minus < neutral - 1.0
    assert plus > neutral + 5.0


@pytest.mark.gpaw
def test_a_relaxation_meets_its_threshold_and_goes_on_after_a_kill(rocksalt, tmp_path):
    class Killed(BaseException):
        pass

    def stop(calls: int) -> None:
        if calls >= 3:
            raise Killed

    start = Geometry.from_atoms(rocksalt)
    choice, settings = choice_of(coarse()), RelaxSettings(fmax=0.02)
    whole = relax_structure(start, choice, settings)
    assert whole.converged
    assert whole.stamp == EngineStamp.model_validate(stamp_of(choice))
    assert np.linalg.norm(evaluate(whole.geometry.atoms()).forces, axis=1).max() < 0.02
    with pytest.raises(Killed), job_scope(checkpoint=tmp_path, progress=stop):
        relax_structure(start, choice, settings)
    with job_scope(checkpoint=tmp_path):
        assert relax_structure(start, choice, settings) == whole


@pytest.mark.gpaw
def test_an_element_without_setup_and_atoms_in_one_place_are_told():
    with pytest.raises(EngineError, match="no PAW setup"):
        evaluate(Atoms("Pu", cell=[4.0] * 3, pbc=True))
    with pytest.raises(EngineError, match="engine 'gpaw-light' on ClLi"):
        evaluate(Atoms("LiCl", positions=[[0, 0, 0], [0.05, 0, 0]], cell=[4.0] * 3, pbc=True))
