from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dualion.engines.descent import STEP_LIMIT, Fire, QuasiNewton, limited
from dualion.engines.evaluator import Evaluation, Evaluator
from dualion.engines.neb import neb_forces, run_band, tangents
from dualion.errors import EngineError, InputError
from dualion.records import Images, Path
from dualion.settings import BandSettings

CELL = ((20.0, 0.0, 0.0), (0.0, 20.0, 0.0), (0.0, 0.0, 20.0))


MINIMUM_A = (-0.55822363, 1.44172584, 0.0)
MINIMUM_B = (0.62349941, 0.02803776, 0.0)
ENERGY_A, ENERGY_B, SADDLE = -1.4669952, -1.0816672, -0.4066484
"""Published stationary points of the surface."""


def line(first, last, energies, images=7, bend=0.0):
    share = np.linspace(0.0, 1.0, images + 2)[:, None, None]
    xyz = np.array([[first]]) + share * (np.array([[last]]) - np.array([[first]]))
    xyz[1:-1, 0, 2] += bend
    return Path(
        images=Images.from_array(CELL, ("Li",), xyz),
        mover=0,
        initial_energy=energies[0],
        final_energy=energies[1],
    )


def mb_path(**options):
    return line(MINIMUM_A, MINIMUM_B, (ENERGY_A, ENERGY_B), **options)


def test_the_climbing_image_finds_the_published_saddle_of_mueller_and_brown(
    analytic, mueller_brown
):
    evaluate = Evaluator(analytic(mueller_brown))
    found = run_band(mb_path(bend=0.05), evaluate, BandSettings(fmax=0.005, fmax_flanks=0.05))
    assert found.converged
    assert found.climbing is not None
    assert found.energies[found.climbing] == pytest.approx(SADDLE, abs=1e-4)
    assert found.xyz[found.climbing, 0] == pytest.approx([-0.822002, 0.624313, 0.0], abs=5e-3)
    assert found.energies.max() == found.energies[found.climbing]
    assert found.climb_force < 0.005
    assert found.max_force < 0.05


def test_ends_keep_their_place_and_energy_and_cost_no_call(analytic, mueller_brown):
    source = analytic(mueller_brown)
    path = mb_path()
    found = run_band(path, Evaluator(source), BandSettings())
    assert np.array_equal(found.xyz[[0, -1]], path.images.xyz[[0, -1]])
    assert (found.energies[0], found.energies[-1]) == (ENERGY_A, ENERGY_B)
    assert found.force_calls == source.count
    assert found.force_calls <= 7 * (found.steps + 1)


def test_the_work_of_the_tangent_forces_is_the_change_of_energy(analytic, mueller_brown):
    evaluate = Evaluator(analytic(mueller_brown))
    settings_ = BandSettings(fmax=0.005, fmax_flanks=0.02, steps=400)
    found = run_band(mb_path(images=25), evaluate, settings_)
    assert found.converged
    force, place = found.tangent_forces, found.coordinates
    work = -np.cumsum(0.5 * (force[1:] + force[:-1]) * np.diff(place))
    # Exact at the minima, where the force vanishes, up to the trapezium rule.
    assert work == pytest.approx(found.energies[1:] - found.energies[0], abs=0.03)
    assert found.tangent_forces[0] == found.tangent_forces[-1] == 0.0


def test_coordinates_start_at_zero_and_sum_to_the_length_of_the_path(analytic, mueller_brown):
    found = run_band(mb_path(), Evaluator(analytic(mueller_brown)), BandSettings())
    steps = np.diff(found.coordinates)
    assert found.coordinates[0] == 0.0
    assert (steps > 0.0).all()
    lengths = [np.linalg.norm(b - a) for a, b in zip(found.xyz, found.xyz[1:], strict=False)]
    assert steps == pytest.approx(lengths)


def test_without_climbing_no_image_climbs_and_the_barrier_is_lower(analytic, mueller_brown):
    tight = BandSettings(fmax=0.01, fmax_flanks=0.02, steps=300)
    path = mb_path(images=4)
    climbed = run_band(path, Evaluator(analytic(mueller_brown)), tight)
    relaxed = run_band(path, Evaluator(analytic(mueller_brown)), tight, climb=False)
    assert climbed.converged
    assert relaxed.converged
    assert relaxed.climbing is None
    assert relaxed.energies.max() < climbed.energies.max() - 0.01


def test_a_path_downhill_converges_without_a_climbing_image(analytic):
    def slope(xyz):
        forces = -20.0 * xyz
        forces[0, 0] = 0.3
        return float(10.0 * (xyz[0, 1:] ** 2).sum() - 0.3 * xyz[0, 0]), forces

    path = line((0.0, 0.0, 0.0), (2.0, 0.0, 0.0), (0.0, -0.6), bend=0.2)
    found = run_band(path, Evaluator(analytic(slope)), BandSettings())
    assert found.converged
    assert found.climbing is None
    assert found.energies[1:-1].max() < 0.0
    assert (np.diff(found.energies) < 0.0).all()


def test_the_lower_of_two_saddles_is_found_when_the_path_starts_on_its_side(analytic):
    # A channel with a barrier of 1 eV at y = 0 (the ridge) and 0.6 eV at y = ±0.5.
    def fork(xyz):
        x, y, z = xyz[0]
        well = (1.0 - x * x) ** 2
        along = 1.0 - 3.2 * y**2 + 6.4 * y**4  # 1 at y = 0, 0.6 at y = ±0.5
        energy = well * along + 4.0 * z * z + (1.0 - well) * 0.5 * y * y
        dwell = -4.0 * x * (1.0 - x * x)
        dalong = -6.4 * y + 25.6 * y**3
        fx = -(dwell * along - dwell * 0.5 * y * y)
        fy = -(well * dalong + (1.0 - well) * y)
        return energy, np.array([[fx, fy, -8.0 * z]])

    straight = line((-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0))
    kicked = straight.images.xyz
    kicked[1:-1, 0, 1] += 0.3 * np.sin(np.pi * np.linspace(0, 1, 9))[1:-1]
    images = Images.from_array(CELL, ("Li",), kicked)
    ridge = run_band(straight, Evaluator(analytic(fork)), BandSettings())
    lower = run_band(
        straight.model_copy(update={"images": images}), Evaluator(analytic(fork)), BandSettings()
    )
    # The band is never symmetrised: the kick decides, and a path on the ridge stays there.
    assert ridge.energies.max() == pytest.approx(1.0, abs=1e-3)
    assert lower.energies.max() == pytest.approx(0.6, abs=1e-3)


def test_an_engine_error_becomes_a_failure_with_the_path_as_it_was(analytic, mueller_brown):
    source = analytic(mueller_brown)

    def fails(numbers, xyz, cell, *, stress):
        if source.count == 30:
            raise EngineError("the model gave up")
        return source(numbers, xyz, cell, stress=stress)

    path = mb_path()
    found = run_band(path, Evaluator(fails), BandSettings())
    assert "gave up" in found.failure
    assert not found.converged
    assert np.array_equal(found.xyz, path.images.xyz)
    assert np.isfinite(found.energies).all()
    assert np.isfinite([found.max_force, found.climb_force]).all()


def test_the_number_of_steps_is_kept(analytic, mueller_brown):
    found = run_band(
        mb_path(), Evaluator(analytic(mueller_brown)), BandSettings(fmax=1e-6, steps=5)
    )
    assert not found.converged
    assert found.steps == 5
    assert found.force_calls <= 6 * 7
    assert found.failure == ""


def test_noisy_forces_still_converge_by_the_robust_descent(mueller_brown):
    # Forces with a swirl have no energy surface, so the curvature that is learnt is wrong.
    def swirl(_numbers, xyz, _cell, **_options):
        energy, forces = mueller_brown(xyz)
        twist = 0.004 * np.sin(400.0 * xyz)
        return Evaluation(energy, forces + twist)

    found = run_band(mb_path(), Evaluator(swirl), BandSettings(fmax=0.03, steps=400))
    assert found.converged
    assert found.energies.max() == pytest.approx(SADDLE, abs=5e-3)


def test_a_path_without_an_image_between_its_ends_is_refused(analytic, mueller_brown):
    with pytest.raises(InputError, match="between its ends"):
        run_band(mb_path(images=0), Evaluator(analytic(mueller_brown)), BandSettings())


finite = st.floats(-2.0, 2.0, allow_nan=False)


@settings(max_examples=50, deadline=None)
@given(
    xyz=hnp.arrays(float, (5, 3, 3), elements=finite),
    energies=hnp.arrays(float, 5, elements=finite).map(lambda e: np.round(e, 6)),
)
def test_tangents_are_unit_vectors_that_turn_round_with_the_path(xyz, energies):
    xyz = xyz + np.arange(5)[:, None, None]  # images never coincide in a row of images
    forward = tangents(xyz, energies)
    assert np.linalg.norm(forward, axis=(1, 2)) == pytest.approx(1.0)
    backward = tangents(xyz[::-1], energies[::-1])[::-1]
    unequal = (energies[2:] != energies[:-2]) | (np.diff(energies)[1:] != 0)
    assert backward[unequal] == pytest.approx(-forward[unequal], abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(
    forces=hnp.arrays(float, (3, 2, 3), elements=finite),
    energies=hnp.arrays(float, 5, elements=finite).map(lambda e: np.round(e, 6)),
)
def test_the_nudged_force_has_only_springs_along_the_path_and_the_climber_is_mirrored(
    forces, energies
):
    rng = np.random.default_rng(1)
    xyz = np.arange(5)[:, None, None] + rng.normal(0.0, 0.1, (5, 2, 3))
    unit = tangents(xyz, energies)
    nudged, along = neb_forces(xyz, energies, forces, spring=2.0, climbing=2)
    lengths = np.linalg.norm(np.diff(xyz, axis=0), axis=(1, 2))
    kept = np.einsum("iaj,iaj->i", nudged, unit)
    assert kept[[0, 2]] == pytest.approx(2.0 * (lengths[1:] - lengths[:-1])[[0, 2]], abs=1e-9)
    assert kept[1] == pytest.approx(-along[1], abs=1e-9)
    across = nudged - kept[:, None, None] * unit
    true_across = forces - along[:, None, None] * unit
    assert across == pytest.approx(true_across, abs=1e-9)


@pytest.mark.parametrize("make", [QuasiNewton, Fire])
def test_a_descent_reaches_the_bottom_of_a_stiff_bowl(make):
    stiffness = np.array([[1.0, 5.0, 25.0]])
    xyz = np.array([[1.0, -0.7, 0.3]])
    descent = make()
    longest = 0.0
    for _ in range(400):
        move = descent.step(xyz, -stiffness * xyz)
        longest = max(longest, float(np.linalg.norm(move)))
        xyz = xyz + move
    assert np.abs(xyz).max() < 1e-4
    assert longest <= STEP_LIMIT + 1e-12


def test_a_step_is_shortened_but_not_turned():
    move = np.array([[[3.0, 0.0, 0.0], [0.0, 0.1, 0.0]]])
    short = limited(move, 0.15)
    assert np.linalg.norm(short, axis=-1).max() == pytest.approx(0.15)
    assert short / 0.15 == pytest.approx(move / 3.0)
    assert np.array_equal(limited(0.01 * move), 0.01 * move)
