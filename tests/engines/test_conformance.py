"""What every engine must do, run on each one that is installed.

A new engine joins by one line in ``ENGINES`` with a small host that it can treat.
"""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from scipy.spatial.transform import Rotation

from dualion.engines import calculators, get_engine, job_scope, list_engines
from dualion.engines.calculators import build_source
from dualion.engines.checkpoint import LOG_NAME
from dualion.engines.jobs import converge_band, relax_structure
from dualion.errors import EngineError
from dualion.records import Band, Geometry, Outcome, Path, Relaxed
from dualion.settings import BandSettings, RelaxSettings


def copper() -> Atoms:
    return make_supercell(bulk("Cu", a=3.59), 3 * np.eye(3, dtype=int))


def rocksalt() -> Atoms:
    return make_supercell(bulk("NaCl", "rocksalt", a=5.69), 2 * np.eye(3, dtype=int))


ENGINES = [
    pytest.param(("emt", copper), id="emt"),
    pytest.param(("chgnet", rocksalt), id="chgnet", marks=pytest.mark.mlip),
    pytest.param(("7net-0", rocksalt), id="7net-0", marks=pytest.mark.mlip),
]
RELAX = RelaxSettings(fmax=0.02)
BAND = BandSettings(fmax=0.05, fmax_flanks=0.15)
SHORT_RELAX = RelaxSettings(fmax=0.001, steps=5)
SHORT_BAND = BandSettings(steps=3)
"""A few steps are enough to interrupt."""


class Subject:
    """An engine, a host it can treat, and what was already computed for them."""

    def __init__(self, name: str, host: Atoms, ends, straight) -> None:
        self.choice = get_engine(name, device="cpu").choice
        self.engine = get_engine(name, device="cpu")
        self.source = build_source(self.choice)
        self.host = host
        first, last = ends(host)
        self.first, self.last = Geometry.from_atoms(first), Geometry.from_atoms(last)
        self.rattled = host.copy()
        self.rattled.rattle(0.08, seed=4)
        self._straight = straight
        self._relaxed: tuple[Relaxed, Relaxed] | None = None

    def evaluate(self, atoms: Atoms, *, stress: bool = False):
        return self.source(atoms.numbers, atoms.positions, atoms.cell.array, stress=stress)

    def relaxed(self) -> tuple[Relaxed, Relaxed]:
        if self._relaxed is None:
            self._relaxed = (
                relax_structure(self.first, self.choice, RELAX),
                relax_structure(self.last, self.choice, RELAX),
            )
        return self._relaxed

    def path(self) -> Path:
        a, b = self.relaxed()
        return self._straight(a.geometry, b.geometry, (a.energy, b.energy), images=3)


@pytest.fixture(scope="module", params=ENGINES)
def subject(request, hop_ends, straight):
    name, host = request.param
    listed = {e.name: e.installed for e in list_engines()}
    if not listed[name]:
        pytest.skip(f"{name} is not installed")
    return Subject(name, host(), hop_ends, straight)


def test_forces_are_minus_the_slope_of_the_energy(subject):
    atoms = subject.rattled
    forces = subject.evaluate(atoms).forces
    rng = np.random.default_rng(11)
    for _ in range(2):
        direction = rng.normal(size=forces.shape)
        direction /= np.linalg.norm(direction)
        energies = []
        for step in (0.02, -0.02):
            moved = atoms.copy()
            moved.positions += step * direction
            energies.append(subject.evaluate(moved).energy)
        slope = (energies[0] - energies[1]) / 0.04
        assert slope == pytest.approx(-(forces * direction).sum(), abs=5e-3)


def test_the_stress_is_the_slope_of_the_energy_over_the_volume(subject):
    atoms = subject.rattled
    stress = subject.evaluate(atoms, stress=True).stress
    for strain in (np.diag([1.0, 0.0, 0.0]), np.array([[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]])):
        energies = []
        for step in (0.004, -0.004):
            strained = atoms.copy()
            cell = atoms.cell.array @ (np.eye(3) + step * strain)
            strained.set_cell(cell, scale_atoms=True)
            energies.append(subject.evaluate(strained).energy)
        slope = (energies[0] - energies[1]) / 0.008 / atoms.get_volume()
        assert slope == pytest.approx((stress * strain).sum(), abs=3e-4)


def test_forces_sum_to_nothing(subject):
    assert subject.evaluate(subject.rattled).forces.sum(axis=0) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("change", ["shifted", "turned", "reordered", "wrapped"])
def test_the_same_structure_told_otherwise_has_the_same_energy_and_forces(subject, change):
    atoms = subject.rattled
    found = subject.evaluate(atoms)
    other, order, turn = atoms.copy(), np.arange(len(atoms)), np.eye(3)
    if change == "shifted":
        other.positions += [0.4, -1.1, 2.3]
    elif change == "wrapped":
        other.positions[0] += other.cell.array[1] - 2.0 * other.cell.array[2]
    elif change == "turned":
        turn = Rotation.from_rotvec([0.3, -0.5, 0.9]).as_matrix()
        other.set_cell(atoms.cell.array @ turn.T)
        other.set_positions(atoms.positions @ turn.T)
    else:
        order = np.random.default_rng(2).permutation(len(atoms))
        other = atoms[order]
    seen = subject.evaluate(other)
    assert seen.energy == pytest.approx(found.energy, abs=2e-4)
    assert seen.forces == pytest.approx(found.forces[order] @ turn.T, abs=2e-3)


def test_a_relaxation_lowers_the_energy_and_meets_its_threshold(subject):
    start = Geometry.from_atoms(subject.rattled)
    found = relax_structure(start, subject.choice, RELAX)
    forces = subject.evaluate(found.geometry.atoms()).forces
    assert found.converged
    assert found.failure == ""
    assert found.start_energy is not None
    assert found.energy < found.start_energy
    assert np.linalg.norm(forces, axis=1).max() < RELAX.fmax
    assert found.geometry.lattice == start.lattice
    assert found.stamp == subject.engine.stamp()


def test_the_same_input_gives_the_same_output_to_the_last_bit(subject):
    again = relax_structure(subject.first, subject.choice, RELAX)
    assert again == subject.relaxed()[0]


def test_a_mirror_symmetric_hop_has_a_mirror_symmetric_barrier(subject):
    band = converge_band(subject.path(), subject.choice, BAND)
    assert band.converged
    assert band.climbing == 2
    top = max(band.energies)
    assert top - band.energies[0] > 0.1
    assert band.energies[0] == pytest.approx(band.energies[-1], abs=2e-3)
    assert band.energies[1] == pytest.approx(band.energies[3], abs=5e-3)
    assert band.tangent_forces[1] == pytest.approx(-band.tangent_forces[3], abs=0.05)
    assert band.tangent_forces[1] < 0.0 < band.tangent_forces[3]
    assert band.climb_force < BAND.fmax


class Killed(BaseException):
    """Stands for the end of the process."""


def interrupted(run, folder, at: int) -> bool:
    """Run with a checkpoint until force call ``at``; tell whether it was cut short."""

    def stop(calls: int) -> None:
        if calls >= at:
            raise Killed

    try:
        with job_scope(checkpoint=folder, progress=stop):
            run()
    except Killed:
        return True
    return False


@pytest.mark.parametrize("kind", ["relax", "band"])
def test_an_interrupted_job_goes_on_where_it_was_with_the_same_result(
    subject, kind, tmp_path, monkeypatch
):
    path = subject.path()

    def run() -> Relaxed | Band:
        if kind == "relax":
            return relax_structure(subject.first, subject.choice, SHORT_RELAX)
        return converge_band(path, subject.choice, SHORT_BAND)

    computed = []
    build = calculators.build_source

    def counting(choice, **options):
        source = build(choice, **options)

        def call(*configuration, **options):
            computed.append(1)
            return source(*configuration, **options)

        return call

    monkeypatch.setattr(calculators, "build_source", counting)
    told: list[int] = []
    with job_scope(checkpoint=tmp_path / "whole", progress=told.append):
        whole = run()
    log = (tmp_path / "whole" / LOG_NAME).read_bytes()
    assert told == list(range(1, whole.force_calls + 1))
    assert len(computed) == whole.force_calls

    # Cut short in the middle, and its log torn at a random byte besides.
    folder = tmp_path / "torn"
    cut_at = max(2, whole.force_calls // 2)
    assert interrupted(run, folder, cut_at)
    torn = (folder / LOG_NAME).read_bytes()
    record = (len(torn) - 40) // cut_at
    lost = int(np.random.default_rng(len(torn)).integers(1, record))
    (folder / LOG_NAME).write_bytes(torn[:-lost])
    computed.clear()
    with job_scope(checkpoint=folder):
        resumed = run()
    assert resumed == whole
    assert (folder / LOG_NAME).read_bytes() == log
    assert len(computed) == whole.force_calls - cut_at + 1

    computed.clear()
    with job_scope(checkpoint=folder):
        assert run() == whole
    assert computed == []


def test_a_failing_engine_gives_a_result_that_says_so(subject, monkeypatch):
    path = subject.path()

    def failing(_choice, **_options):
        def call(*_configuration, **_options):
            raise EngineError("the model gave up", where="engine")

        return call

    monkeypatch.setattr(calculators, "build_source", failing)
    relaxed = relax_structure(subject.first, subject.choice, RELAX)
    band = converge_band(path, subject.choice, BandSettings())
    assert "gave up" in relaxed.failure
    assert "gave up" in band.failure
    assert not relaxed.converged
    assert not band.converged
    assert relaxed.geometry == subject.first
    assert band.images == path.images
    # Both can be stored: no number in them is infinite or missing.
    assert Relaxed.model_validate_json(relaxed.model_dump_json()) == relaxed
    assert Band.model_validate_json(band.model_dump_json()) == band


def test_a_path_that_is_already_decided_costs_no_force_call(subject, monkeypatch):
    path = subject.path()
    decided = path.model_copy(update={"outcome": Outcome.ENDPOINT_COLLAPSED})
    monkeypatch.setattr(calculators, "build_source", None)
    band = converge_band(decided, subject.choice, BandSettings())
    assert (band.converged, band.steps, band.force_calls) == (False, 0, 0)
    assert band.energies[0] == path.initial_energy
    assert band.energies[-1] == path.final_energy
    assert len(band.energies) == len(band.coordinates) == len(path.images)
