"""Relaxations and bands on a surrogate: the costly engine's answers, with few of its calls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk, make_supercell

from dualion.engines import get_engine, surrogate_band
from dualion.engines.adaptive import run_adaptive
from dualion.engines.calculators import build_source
from dualion.engines.evaluator import Evaluation, Evaluator
from dualion.engines.forcefield import ForceField
from dualion.engines.neb import run_band
from dualion.engines.relaxation import relax
from dualion.engines.surface import Point
from dualion.engines.surrogate import PROCESS, STRAYING, Surrogate
from dualion.engines.surrogate_band import run_surrogate
from dualion.engines.surrogate_relaxation import relax_by_surrogate
from dualion.engines.surrogate_report import ON_SURROGATE
from dualion.errors import EngineError
from dualion.records import Geometry, Images, Path
from dualion.settings import BandSettings, RelaxSettings

SETTINGS = BandSettings(method="surrogate", fmax=0.03)
RELAX = RelaxSettings(fmax=0.01)


class Softened:
    """EMT made too soft, and bent: energies of another zero, waves through the cell."""

    def __init__(self, factor=0.7, wave=0.05):
        self.emt = build_source(get_engine("emt").choice)
        self.factor, self.wave = factor, wave
        self.count = 0

    def __call__(self, numbers, xyz, cell, *, stress):
        self.count += 1
        found = self.emt(numbers, xyz, cell, stress=stress)
        waves = 2.0 * np.pi * np.linalg.inv(cell).T  # the cell's own, so periodic
        phase = xyz @ waves.T
        energy = self.factor * found.energy + 11.0 + self.wave * float(np.cos(phase).sum())
        forces = self.factor * found.forces + self.wave * np.sin(phase) @ waves
        return Evaluation(energy, forces, found.stress)


class Failing:
    """An engine that cannot compute anything."""

    def __call__(self, *_configuration, **_options):
        raise EngineError("no atoms of mine")


@pytest.fixture(scope="module")
def emt():
    return build_source(get_engine("emt").choice)


@pytest.fixture(scope="module")
def copper(hop_ends):
    """A vacancy in copper, with silver on one site near it, so that the two ends differ."""
    host = make_supercell(bulk("Cu", a=3.59), 3 * np.eye(3, dtype=int))
    first, last = hop_ends(host)
    near = int(np.argsort(first.get_distances(len(first) - 1, range(len(first)), mic=True))[3])
    for state in (first, last):
        state.symbols[near] = "Ag"
    return Geometry.from_atoms(first), Geometry.from_atoms(last)


@pytest.fixture(scope="module")
def hop(copper, emt, straight):
    """The path between ends relaxed by EMT."""
    states = [relax(state, Evaluator(emt), RELAX) for state in copper]
    assert all(state.converged for state in states)
    first, last = states
    return straight(first.geometry, last.geometry, (first.energy, last.energy))


def test_the_prior_does_err(hop, emt):
    numbers = np.array([29] * len(hop.images.species))
    xyz = hop.images.xyz[3]
    truth = emt(numbers, xyz, hop.images.cell, stress=False)
    prior = Softened()(numbers, xyz, hop.images.cell, stress=False)
    assert np.abs(truth.forces - prior.forces).max() > 0.1
    step = np.zeros_like(xyz)
    step[-1, 0] = 1e-4
    energies = [
        Softened()(numbers, xyz + s, hop.images.cell, stress=False).energy for s in (step, -step)
    ]
    assert prior.forces[-1, 0] == pytest.approx((energies[1] - energies[0]) / 2e-4, abs=1e-4)


@pytest.mark.parametrize("which", [0, 1])
def test_a_relaxation_ends_where_the_costly_engine_says(copper, emt, which):
    plain = relax(copper[which], Evaluator(emt), RELAX)
    costly = Evaluator(emt)
    found = relax_by_surrogate(copper[which], costly, Softened(), RELAX)
    assert found.converged
    assert found.energy == pytest.approx(plain.energy, abs=0.002)
    truth = emt(
        found.geometry.atoms().numbers, found.geometry.xyz, found.geometry.cell, stress=False
    )
    assert found.energy == truth.energy
    assert np.linalg.norm(truth.forces, axis=1).max() == pytest.approx(found.max_force)
    assert found.max_force < RELAX.fmax
    assert found.force_calls == costly.calls
    assert found.force_calls < plain.force_calls


@pytest.mark.parametrize("keep_symmetry", [True, False])
def test_a_lattice_ends_where_the_costly_engine_has_no_stress(emt, keep_symmetry):
    crystal = bulk("Cu", a=3.75, cubic=True)
    crystal.symbols[0] = "Ag"
    start = Geometry.from_atoms(crystal)
    if not keep_symmetry:
        crystal.rattle(0.1, seed=4)
        start = Geometry.from_atoms(crystal)
    options = {"cell": True, "keep_symmetry": keep_symmetry}
    plain = relax(start, Evaluator(emt), RELAX, **options)
    found = relax_by_surrogate(start, Evaluator(emt), Softened(wave=0.0), RELAX, **options)
    assert found.converged
    assert found.force_calls <= 8
    assert found.energy == pytest.approx(plain.energy, abs=0.001)
    assert found.geometry.volume == pytest.approx(plain.geometry.volume, rel=0.003)
    there = found.geometry
    said = emt(there.numbers, there.xyz, there.cell, stress=True)
    assert found.energy == said.energy  # its own word, at the very geometry
    assert np.linalg.norm(said.forces, axis=1).max() < RELAX.fmax * 1.02
    pull = there.volume * said.stress / len(there) ** 0.5
    assert np.linalg.norm(pull, axis=1).max() < RELAX.fmax * 1.02


class Pulay:
    """An engine whose stress is not the derivative of its energy, as with few plane waves."""

    def __init__(self, emt, pressure):
        self.emt, self.pressure = emt, pressure

    def __call__(self, numbers, xyz, cell, *, stress):
        found = self.emt(numbers, xyz, cell, stress=stress)
        return replace(found, energy=found.energy - self.pressure * abs(np.linalg.det(cell)))


def test_a_lattice_of_few_plane_waves_is_relaxed_by_its_stress(emt):
    start = Geometry.from_atoms(bulk("Cu", a=3.72))
    pulay = Pulay(emt, pressure=0.02)  # 3 GPa
    found = relax_by_surrogate(start, Evaluator(pulay), Softened(wave=0.0), RELAX, cell=True)
    plain = relax(start, Evaluator(emt), RELAX, cell=True)
    assert found.converged
    assert found.force_calls <= 8
    assert found.geometry.volume == pytest.approx(plain.geometry.volume, rel=0.003)


def test_a_lattice_without_the_prior_is_relaxed_without_it(emt):
    start = Geometry.from_atoms(bulk("Cu", a=3.72))
    found = relax_by_surrogate(start, Evaluator(emt), Failing(), RELAX, cell=True)
    assert found == relax(start, Evaluator(emt), RELAX, cell=True)


def test_a_band_finds_the_costly_saddle_with_a_handful_of_calls(hop, emt):
    tight = BandSettings(fmax=0.01, fmax_flanks=0.05)
    plain = run_band(hop, Evaluator(emt), tight)
    assert plain.converged
    costly = Evaluator(emt)
    found = run_surrogate(hop, costly, Softened(), SETTINGS)
    assert found.converged
    assert found.energies.max() == pytest.approx(plain.energies.max(), abs=0.003)
    assert found.climbing == int(np.argmax(found.energies))
    assert found.force_calls == costly.calls
    assert found.force_calls <= 10
    adaptive = run_adaptive(hop, Evaluator(emt), SETTINGS)
    assert found.force_calls < 0.5 * adaptive.force_calls


def test_the_saddle_told_is_the_costly_engine_s_own(hop, emt):
    found = run_surrogate(hop, Evaluator(emt), Softened(), SETTINGS)
    numbers = (
        Geometry(
            lattice=hop.images.lattice,
            species=hop.images.species,
            positions=hop.images.positions[0],
        )
        .atoms()
        .numbers
    )
    truth = emt(numbers, found.xyz[found.climbing], hop.images.cell, stress=False)
    assert found.energies[found.climbing] == truth.energy
    assert found.climb_force == pytest.approx(np.linalg.norm(truth.forces, axis=1).max())
    assert found.climb_force < SETTINGS.fmax
    assert found.proven is None  # the proof is the surrogate's
    names = [finding.check for finding in found.findings]
    assert any(name.endswith(ON_SURROGATE) for name in names)
    calls = [f.value for f in found.findings if f.check.startswith("force calls of the engine")]
    assert calls == [found.force_calls]


def test_predictions_between_the_ends_are_within_their_uncertainty(hop, emt):
    found = run_surrogate(hop, Evaluator(emt), Softened(), SETTINGS)
    atoms = hop.images.geometry(0).atoms()
    spread = next(f.value for f in found.findings if f.check.startswith("largest standard"))
    for xyz, energy in zip(found.xyz[1:-1], found.energies[1:-1], strict=True):
        truth = emt(atoms.numbers, xyz, hop.images.cell, stress=False).energy
        assert abs(truth - energy) < 3.0 * spread + 0.002


def test_a_band_without_the_prior_goes_on_as_the_full_band(hop, emt):
    costly = Evaluator(emt)
    found = run_surrogate(hop, costly, Failing(), SETTINGS)
    full = run_band(hop, Evaluator(emt), SETTINGS)
    assert found.converged
    assert found.energies == pytest.approx(full.energies)
    assert any("did not do: no atoms of mine" in finding.check for finding in found.findings)


def test_a_band_whose_costly_engine_fails_says_so(hop):
    found = run_surrogate(hop, Evaluator(Failing()), Softened(), SETTINGS)
    assert not found.converged
    assert "no atoms of mine" in found.failure


def test_a_relaxation_without_the_prior_goes_on_without_it(copper, emt):
    found = relax_by_surrogate(copper[0], Evaluator(emt), Failing(), RELAX)
    plain = relax(copper[0], Evaluator(emt), RELAX)
    assert found.converged
    assert found.energy == pytest.approx(plain.energy, abs=1e-6)


def test_a_relaxation_whose_costly_engine_fails_says_so(copper):
    found = relax_by_surrogate(copper[0], Evaluator(Failing()), Softened(), RELAX)
    assert not found.converged
    assert "no atoms of mine" in found.failure
    assert found.geometry == copper[0]


def test_a_useless_prior_costs_calls_and_not_the_answer(hop, emt):
    plain = run_band(hop, Evaluator(emt), BandSettings(fmax=0.01, fmax_flanks=0.05))
    found = run_surrogate(hop, Evaluator(emt), Softened(factor=0.15, wave=0.3), SETTINGS)
    assert found.converged
    assert found.energies.max() == pytest.approx(plain.energies.max(), abs=0.006)


CELL = ((40.0, 0.0, 0.0), (0.0, 40.0, 0.0), (0.0, 0.0, 40.0))


@pytest.mark.parametrize("seed", range(6))
def test_the_barrier_of_a_valley_that_drags_other_atoms_along(analytic, valley, seed):
    potential, first, last, height = valley(seed)
    soft, *_ = valley(seed)

    def prior(xyz):  # too low, and leaning to one side
        energy, forces = soft(xyz)
        lean = np.zeros_like(xyz)
        lean[-1, 1] = 0.2
        return 0.75 * energy + 0.2 * xyz[-1, 1] - 5.0, 0.75 * forces - lean

    share = np.linspace(0.0, 1.0, 7)[:, None, None]
    path = Path(
        images=Images.from_array(CELL, ("Li",) * len(first), first + share * (last - first)),
        mover=len(first) - 1,
        initial_energy=0.0,
        final_energy=0.0,
    )
    costly = Evaluator(analytic(potential))
    found = run_surrogate(path, costly, analytic(prior), SETTINGS)
    assert found.converged
    assert found.energies.max() == pytest.approx(height, abs=0.006)
    assert costly.calls <= 15


def line(length, final_energy=0.0, bow=0.0):
    """Seven images of one atom along x."""
    xyz = np.linspace(0.0, 1.0, 7)[:, None, None] * np.array([[[length, 0.0, 0.0]]])
    xyz[1:-1, 0, 1] = bow
    return Path(
        images=Images.from_array(CELL, ("Li",), xyz),
        mover=0,
        initial_energy=0.0,
        final_energy=final_energy,
    )


def test_a_way_without_a_barrier_is_told_as_one(analytic):
    def slide(xyz):
        x, y, z = xyz[0]
        energy = 0.1 * x + 3.0 * (y * y + z * z)
        return energy, -np.array([[0.1, 6.0 * y, 6.0 * z]])

    path = line(3.0, final_energy=0.3)
    costly = Evaluator(analytic(slide))
    found = run_surrogate(path, costly, analytic(lambda x: (0.0, np.zeros_like(x))), SETTINGS)
    assert found.energies.max() < 0.32  # no barrier: less than 20 meV above the higher end
    assert costly.calls <= 6


def test_what_was_computed_beside_a_way_without_a_barrier_is_no_barrier(analytic):
    def slide(bow):
        def potential(xyz):
            x, y, z = xyz[0]
            off = y - bow * np.sin(np.pi * x / 3.0)
            lean = 6.0 * off * bow * np.pi / 3.0 * np.cos(np.pi * x / 3.0)
            energy = 0.1 * x + 3.0 * (off * off + z * z)
            return energy, -np.array([[0.1 - lean, 6.0 * off, 6.0 * z]])

        return potential

    path = line(3.0, final_energy=0.3)
    # The prior goes round: the first point that is computed lies beside the way, 0.2 eV too high.
    found = run_surrogate(path, Evaluator(analytic(slide(0.0))), analytic(slide(0.5)), SETTINGS)
    assert found.converged
    assert found.energies.max() < 0.32


def humps(*heights):
    """Minima 2 Å apart on a line, a saddle of each height between two of them."""

    def potential(xyz):
        x, y, z = xyz[0]
        k = int(np.clip(x // 2.0, 0, len(heights) - 1))
        energy = heights[k] * np.sin(np.pi * x / 2.0) ** 2 + 3.0 * (y * y + z * z)
        slope = heights[k] * np.pi / 2.0 * np.sin(np.pi * x)
        return energy, -np.array([[slope, 6.0 * y, 6.0 * z]])

    return potential


@pytest.mark.parametrize(
    "heights", [(0.6, 0.9), (0.9, 0.6), (0.66, 0.68), (0.68, 0.66), (0.5, 0.7, 0.6)]
)
def test_the_highest_saddle_in_a_row_is_found_where_the_prior_has_hardly_any(analytic, heights):
    end = 2.0 * len(heights)
    path = line(end, bow=0.2)

    def prior(xyz):  # one low hump over all of the way
        x, y, z = xyz[0]
        energy = 0.1 * np.sin(np.pi * x / end) ** 2 + 2.0 * (y * y + z * z)
        slope = 0.1 * np.pi / end * np.sin(2.0 * np.pi * x / end)
        return energy, -np.array([[slope, 4.0 * y, 4.0 * z]])

    costly = Evaluator(analytic(humps(*heights)))
    found = run_surrogate(path, costly, analytic(prior), SETTINGS)
    assert found.converged
    assert found.energies.max() == pytest.approx(max(heights), abs=0.006)
    assert costly.calls <= 30


def test_a_surrogate_refuses_another_cell_and_a_stress(emt, copper):
    atoms = copper[0].atoms()
    cell = atoms.cell.array
    surrogate = Surrogate(atoms.numbers, cell, Evaluator(emt), Softened())
    with pytest.raises(EngineError, match="one cell"):
        surrogate(atoms.numbers, atoms.positions, 1.1 * cell, stress=False)
    with pytest.raises(EngineError, match="one cell"):
        surrogate(atoms.numbers, atoms.positions, cell, stress=True)


def test_before_anything_is_learnt_the_surrogate_is_the_prior(emt, copper):
    atoms = copper[0].atoms()
    prior = Softened()
    surrogate = Surrogate(atoms.numbers, atoms.cell.array, Evaluator(emt), prior)
    expected = prior(atoms.numbers, atoms.positions, atoms.cell.array, stress=False)
    found = surrogate.predict(atoms.positions)
    assert found.energy == expected.energy
    assert np.isinf(found.spread)
    surrogate.learn(Point(atoms.positions, -1.0, np.zeros_like(atoms.positions)))
    assert surrogate.predict(atoms.positions).energy == pytest.approx(-1.0, abs=0.002)
    assert surrogate.distance(atoms.positions + 0.3) == pytest.approx(np.sqrt(0.27))


def test_beside_a_field_the_process_keeps_the_ends_and_the_latest(emt):
    atoms = make_supercell(bulk("Cu", a=3.6), 2 * np.eye(3, dtype=int))
    del atoms[0]
    cell = atoms.cell.array
    surrogate = Surrogate(atoms.numbers, cell, Evaluator(emt), ForceField({29}))
    random = np.random.default_rng(0)
    known = []
    for _ in range(PROCESS + 8):
        point = surrogate.compute(atoms.positions + random.normal(0.0, 0.1, (len(atoms), 3)))
        known.append(point)
    kept = [*known[:2], *known[-5:]]
    off = [abs(surrogate.predict(point.xyz).energy - point.energy) for point in kept]
    assert max(off) < 0.003
    dropped = surrogate.predict(known[4].xyz)  # of the others the field alone knows
    assert dropped.energy == pytest.approx(known[4].energy, abs=0.05)
    assert surrogate.distance(known[4].xyz) == 0.0


def test_away_from_what_a_field_was_told_it_is_not_believed(emt):
    atoms = make_supercell(bulk("Cu", a=3.6), 2 * np.eye(3, dtype=int))
    cell = atoms.cell.array
    surrogate = Surrogate(atoms.numbers, cell, Evaluator(emt), ForceField({29}))
    for share in (0.0, 0.1, -0.1):
        surrogate.compute(atoms.positions + share * np.eye(len(atoms), 3))
    far = atoms.positions.copy()
    far[3] += [0.0, 0.6, 0.0]
    found = surrogate.predict(far)
    assert found.spread >= STRAYING * surrogate.distance(far)
    assert surrogate.distance(far) == pytest.approx(0.6, abs=1e-6)


def ring(xyz):
    """A round valley between two minima: 0.7 eV on the one side, 0.4 eV on the other."""
    x, y, z = xyz[0]
    radius = np.hypot(x, y)
    sine, cosine = y / radius, x / radius
    off = radius - 1.5
    energy = (0.55 + 0.15 * sine) * sine**2 + 2.0 * off**2 + 2.0 * z**2
    turn = (1.1 * sine + 0.45 * sine**2) * cosine / radius  # dE/dθ over r
    slope = np.array([4.0 * off * cosine - turn * sine, 4.0 * off * sine + turn * cosine, 4.0 * z])
    return energy, -slope[None]


@pytest.fixture
def upper_way():
    """A path on the side of the higher pass."""
    angle = np.linspace(np.pi, 0.0, 7)
    bowed = np.stack([1.5 * np.cos(angle), 1.3 * np.sin(angle), 0.0 * angle], axis=1)
    return Path(
        images=Images.from_array(CELL, ("Li",), bowed[:, None]),
        mover=0,
        initial_energy=0.0,
        final_energy=0.0,
    )


def test_the_lower_pass_on_the_other_side_of_a_hop_is_found(upper_way, analytic):
    there = run_band(upper_way, Evaluator(analytic(ring)), BandSettings(fmax=0.01))
    assert there.energies.max() == pytest.approx(0.7, abs=0.003)  # the way it starts on
    costly = Evaluator(analytic(ring))
    found = run_surrogate(upper_way, costly, ForceField({3}), SETTINGS)
    assert found.converged
    assert found.energies.max() == pytest.approx(0.4, abs=0.006)
    assert found.xyz[found.climbing, 0, 1] == pytest.approx(-1.5, abs=0.1)
    assert costly.calls <= 60


def test_a_lower_way_that_is_promised_and_not_found_costs_a_band_of_the_engine(
    upper_way, analytic, monkeypatch
):
    monkeypatch.setattr(surrogate_band, "WAY_CALLS", 0)
    costly = Evaluator(analytic(ring))
    found = run_surrogate(upper_way, costly, ForceField({3}), SETTINGS)
    assert found.force_calls == costly.calls
    assert found.converged
    assert found.energies.max() == pytest.approx(0.7, abs=0.006)  # a pass, and no wrong number
    names = [finding.check for finding in found.findings]
    told = any("promises a lower way" in name for name in names)
    assert told or any(name.endswith(ON_SURROGATE) for name in names)
