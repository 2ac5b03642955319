"""The adaptive band on surfaces whose minima and saddles are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dualion.engines import adaptive, budget, get_engine
from dualion.engines.adaptive import run_adaptive
from dualion.engines.evaluator import Evaluator
from dualion.engines.jobs import converge_band, relax_structure
from dualion.errors import EngineError, InputError
from dualion.records import Geometry, Images, Mirror, Path
from dualion.settings import BandSettings, RelaxSettings

CELL = ((40.0, 0.0, 0.0), (0.0, 40.0, 0.0), (0.0, 0.0, 40.0))
SETTINGS = BandSettings(method="adaptive")


def path(first, last, energies, images=5, bend=(0.0, 0.0, 0.0)):
    share = np.linspace(0.0, 1.0, images + 2)[:, None, None]
    xyz = np.array([[first]]) + share * (np.array([[last]]) - np.array([[first]]))
    xyz[1:-1, 0] += np.sin(np.pi * share[1:-1, :, 0]) * np.array(bend)
    return Path(
        images=Images.from_array(CELL, ("Li",), xyz),
        mover=0,
        initial_energy=energies[0],
        final_energy=energies[1],
    )


def corrugated(height, tilt, bow, stiffness):
    """Minima at x = 0 and 4 (without tilt), saddle at x = 2, on the curved valley y = bow(x).

    E = h sin²(πx/4) + tilt·x + k/2 (y − b sin(πx/4))² + k/2 z²: along the valley the energy is
    the first two terms alone, so barrier and saddle are known by hand.
    """

    def potential(xyz):
        x, y, z = xyz[0]
        off = y - bow * np.sin(np.pi * x / 4.0)
        energy = height * np.sin(np.pi * x / 4.0) ** 2 + tilt * x
        energy += 0.5 * stiffness * (off * off + z * z)
        slope = height * np.pi / 4.0 * np.sin(np.pi * x / 2.0) + tilt
        slope -= stiffness * off * bow * np.pi / 4.0 * np.cos(np.pi * x / 4.0)
        return energy, -np.array([[slope, stiffness * off, stiffness * z]])

    # d/dx of the valley's energy vanishes where sin(πx/2) = −4 tilt / (π h).
    shift = 2.0 / np.pi * np.arcsin(4.0 * tilt / (np.pi * height))
    places = [-shift, 2.0 + shift, 4.0 - shift]
    points = [(x, bow * np.sin(np.pi * x / 4.0), 0.0) for x in places]
    energies = [height * np.sin(np.pi * x / 4.0) ** 2 + tilt * x for x in places]
    return potential, points, energies


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.08, 1.2),
    st.floats(-0.2, 0.2),
    st.floats(-1.2, 1.2),
    st.floats(1.0, 15.0),
)
@example(0.08203125, 0.0859375, 0.0, 1.0)  # flat: its flanks are close to the saddle in energy
def test_the_saddle_of_a_curved_valley_is_found_and_proven(analytic, height, lean, bow, stiffness):
    potential, (first, _, last), (low, top, high) = corrugated(
        height, lean * height, bow, stiffness
    )
    found = run_adaptive(path(first, last, (low, high)), Evaluator(analytic(potential)), SETTINGS)
    rise = top - max(low, high)
    if rise > 0.03:
        assert found.converged
        assert found.proven
        assert found.energies.max() == pytest.approx(top, abs=0.004)
        assert found.climbing is not None
    else:
        assert found.energies.max() < top + 0.02


@pytest.mark.parametrize("bend", [(0.0, 0.0, 0.05), (0.3, 0.2, 0.0), (-0.2, -0.2, 0.0)])
def test_two_saddles_in_a_row_give_the_published_higher_one(analytic, mueller_brown, bend):
    ends = ((-0.55822363, 1.44172584, 0.0), (0.62349941, 0.02803776, 0.0))
    found = run_adaptive(
        path(*ends, (-1.4669952, -1.0816672), bend=bend),
        Evaluator(analytic(mueller_brown)),
        SETTINGS,
    )
    assert found.proven
    assert found.energies.max() == pytest.approx(-0.4066484, abs=0.002)
    assert found.xyz[found.climbing, 0] == pytest.approx([-0.822002, 0.624313, 0.0], abs=0.05)


def ridge(xyz):
    """Ends at x = ±2; the straight way has a maximum across, the saddles lie at y = ±1."""
    x, y, z = xyz[0]
    # Along x a double well of height 0.4; across, near x = 0, a ridge 0.2 above two passes.
    well = 0.4 * (x * x / 4.0 - 1.0) ** 2
    pass_ = 0.2 * (y * y - 1.0) ** 2 * np.exp(-x * x) + 0.1 * y * y * (1.0 - np.exp(-x * x))
    energy = well + pass_ + 2.0 * z * z
    fx = -0.4 * (x * x / 4.0 - 1.0) * x
    fx -= (-2.0 * x * 0.2 * (y * y - 1.0) ** 2 + 0.1 * y * y * 2.0 * x) * np.exp(-x * x)
    fy = -(0.8 * y * (y * y - 1.0) * np.exp(-x * x) + 0.2 * y * (1.0 - np.exp(-x * x)))
    return energy, np.array([[fx, fy, -4.0 * z]])


def relaxed(potential, start):
    """Minimum of a potential of one atom, by scipy."""
    from scipy.optimize import minimize

    found = minimize(
        lambda x: potential(x[None])[0],
        np.array(start),
        jac=lambda x: -potential(x[None])[1][0],
        options={"gtol": 1e-8},
    )
    return tuple(found.x), float(found.fun)


def test_the_ridge_of_a_symmetric_path_is_left_for_the_pass_beside_it(analytic):
    (first, low), (last, high) = (relaxed(ridge, (x, 0.0, 0.0)) for x in (-2.0, 2.0))
    start = path(first, last, (low, high))  # straight over the ridge, which is stationary
    found = run_adaptive(start, Evaluator(analytic(ridge)), SETTINGS)
    assert found.proven
    assert found.energies.max() == pytest.approx(0.4, abs=0.004)
    assert abs(found.xyz[found.climbing, 0, 1]) == pytest.approx(1.0, abs=0.1)
    assert any("ridge" in finding.check for finding in found.findings)


def test_a_climb_from_the_saddle_of_another_band_is_at_home_at_once(analytic):
    potential, (first, top, last), (low, height, high) = corrugated(0.4, 0.02, 1.2, 6.0)
    own = path(first, last, (low, high))
    served = own.model_copy(update={"start": (top,)})
    alone, found = (
        run_adaptive(each, Evaluator(analytic(potential)), SETTINGS) for each in (own, served)
    )
    assert found.proven
    assert found.energies.max() == pytest.approx(height, abs=1e-6)
    assert alone.energies.max() == pytest.approx(height, abs=0.004)
    assert found.force_calls < alone.force_calls


def test_a_start_that_is_the_ridge_of_this_ion_is_left_for_the_pass_beside_it(analytic):
    (first, low), (last, high) = (relaxed(ridge, (x, 0.0, 0.0)) for x in (-2.0, 2.0))
    start = path(first, last, (low, high), bend=(0.0, 0.5, 0.0))
    start = start.model_copy(update={"start": ((0.0, 0.0, 0.0),)})
    found = run_adaptive(start, Evaluator(analytic(ridge)), SETTINGS)
    assert found.proven
    assert found.energies.max() == pytest.approx(0.4, abs=0.004)


def test_a_start_from_which_the_climb_falls_leaves_the_path_to_show_the_way(analytic):
    potential, (first, _, last), (low, height, high) = corrugated(0.4, 0.02, 0.5, 6.0)
    start = path(first, last, (low, high)).model_copy(update={"start": ((0.3, 0.1, 0.0),)})
    found = run_adaptive(start, Evaluator(analytic(potential)), SETTINGS)
    assert found.proven
    assert found.energies.max() == pytest.approx(height, abs=0.004)


def test_an_intermediate_minimum_splits_the_hop(analytic):
    def potential(xyz):
        x, y, z = xyz[0]
        # Minima at 0, 2 and 4, saddles of equal height at 1 and 3; the middle one is 0.1 higher.
        energy = 0.3 * np.sin(np.pi * x / 2.0) ** 2 + 0.1 * np.sin(np.pi * x / 4.0) ** 2
        slope = 0.15 * np.pi * np.sin(np.pi * x) + 0.025 * np.pi * np.sin(np.pi * x / 2.0)
        return energy + 3.0 * (y * y + z * z), -np.array([[slope, 6.0 * y, 6.0 * z]])

    found = run_adaptive(
        path((0.0, 0.0, 0.0), (4.0, 0.0, 0.0), (0.0, 0.0)), Evaluator(analytic(potential)), SETTINGS
    )
    x = np.linspace(0.0, 2.0, 20001)
    top = (0.3 * np.sin(np.pi * x / 2.0) ** 2 + 0.1 * np.sin(np.pi * x / 4.0) ** 2).max()
    assert found.proven
    assert found.energies.max() == pytest.approx(top, abs=0.003)
    middle = found.energies[np.abs(found.xyz[:, 0, 0] - 2.0) < 0.3]
    assert middle.min() == pytest.approx(0.1, abs=0.01)
    assert any("a minimum" in finding.check for finding in found.findings)


def test_a_plateau_is_no_barrier_or_says_that_it_is_not_proven(analytic):
    def potential(xyz):
        x, y, z = xyz[0]
        # Flat at 0.3 between 1 and 3, with steep sides.
        left, right = 1.0 / (1.0 + np.exp(-8.0 * (x - 0.8))), 1.0 / (1.0 + np.exp(8.0 * (x - 3.2)))
        energy = 0.3 * left * right + 0.02 * (min(x, 0.0) ** 2 + max(x - 4.0, 0.0) ** 2)
        slope = 0.3 * 8.0 * left * right * ((1.0 - left) - (1.0 - right))
        slope += 0.04 * (min(x, 0.0) + max(x - 4.0, 0.0))
        return energy + 2.0 * (y * y + z * z), -np.array([[slope, 4.0 * y, 4.0 * z]])

    low = potential(np.zeros((1, 3)))[0]
    found = run_adaptive(
        path((0.0, 0.0, 0.0), (4.0, 0.0, 0.0), (low, low)),
        Evaluator(analytic(potential)),
        SETTINGS,
    )
    assert found.energies.max() == pytest.approx(0.3, abs=0.005)
    assert found.proven or (not found.proven and found.findings)


def test_a_way_downhill_has_no_barrier(analytic):
    def potential(xyz):
        x, y, z = xyz[0]
        slope = -0.1 + 0.2 * max(x - 3.0, 0.0)
        energy = -0.1 * x + 0.1 * max(x - 3.0, 0.0) ** 2 + 2.0 * (y * y + z * z)
        return energy, -np.array([[slope, 4.0 * y, 4.0 * z]])

    last, high = (3.5, 0.0, 0.0), potential(np.array([[3.5, 0.0, 0.0]]))[0]
    found = run_adaptive(
        path((0.0, 0.0, 0.0), last, (0.0, high)), Evaluator(analytic(potential)), SETTINGS
    )
    assert found.energies.max() < 0.02
    assert found.climbing is None


def test_a_vacancy_hop_in_copper_is_that_of_the_full_band_and_proven(hop_ends, straight):
    from ase.build import bulk

    first, last = hop_ends(bulk("Cu", a=3.59, cubic=True) * (2, 2, 2))
    choice = get_engine("emt").choice
    ends = [
        relax_structure(Geometry.from_atoms(x), choice, RelaxSettings(fmax=0.005))
        for x in (first, last)
    ]
    start = straight(ends[0].geometry, ends[1].geometry, (ends[0].energy, ends[1].energy))
    full = converge_band(start, choice, BandSettings(fmax=0.005, fmax_flanks=0.03))
    found = converge_band(start, choice, SETTINGS)
    assert found.proven
    assert found.converged
    assert full.proven is None
    assert max(found.energies) == pytest.approx(max(full.energies), abs=0.002)
    assert found.force_calls < full.force_calls
    assert np.allclose(found.images.xyz[0], ends[0].geometry.xyz)
    assert np.allclose(found.images.xyz[-1], start.images.xyz[-1])


def test_every_image_has_the_energy_that_the_engine_gives_it(analytic):
    potential, (first, _, last), (low, _, high) = corrugated(0.4, 0.02, 0.5, 6.0)
    found = run_adaptive(path(first, last, (low, high)), Evaluator(analytic(potential)), SETTINGS)
    for xyz, energy in zip(found.xyz, found.energies, strict=True):
        assert energy == pytest.approx(potential(xyz)[0], abs=1e-9)
    assert np.all(np.diff(found.coordinates) > 0.0)
    assert len(found.tangent_forces) == len(found.energies)


def test_an_engine_that_fails_gives_the_path_back_with_the_reason(analytic):
    def broken(_):
        raise EngineError("no such element")

    start = path((0.0, 0.0, 0.0), (4.0, 0.0, 0.0), (0.0, 0.0))
    found = run_adaptive(start, Evaluator(analytic(broken)), SETTINGS)
    assert "no such element" in found.failure
    assert not found.converged
    assert found.proven is None
    assert np.array_equal(found.xyz, start.images.xyz)


def test_patience_lets_the_first_search_go_on(analytic, monkeypatch):
    monkeypatch.setattr(adaptive, "SHORT_CALLS", 4)
    monkeypatch.setattr(budget, "GRANT", 1)
    potential, top = two_humps(0.3, 0.1)
    start = path((0.0, 0.0, 0.0), (4.0, 0.0, 0.0), (0.0, 0.0), bend=(0.1, 0.2, 0.05))
    given_up = run_adaptive(start, Evaluator(analytic(potential)), SETTINGS, fallback=False)
    assert not given_up.proven
    assert not given_up.converged
    assert given_up.force_calls < 15
    found = run_adaptive(
        start, Evaluator(analytic(potential)), SETTINGS, patience=30, fallback=False
    )
    assert found.proven
    assert found.energies.max() == pytest.approx(top, abs=0.004)
    by_bands = run_adaptive(start, Evaluator(analytic(potential)), SETTINGS)
    assert by_bands.converged
    assert by_bands.force_calls > found.force_calls


def test_a_path_without_images_is_refused(analytic, mueller_brown):
    start = path((0.0, 0.0, 0.0), (4.0, 0.0, 0.0), (0.0, 0.0), images=0)
    with pytest.raises(InputError, match="needs an image"):
        run_adaptive(start, Evaluator(analytic(mueller_brown)), SETTINGS)


def test_force_calls_are_bounded_on_a_surface_without_rest(analytic):
    rng = np.random.default_rng(3)
    waves = rng.normal(size=(30, 3)) * 6.0

    def rough(xyz):
        phases = waves @ xyz[0]
        return 0.1 * float(np.sin(phases).sum()), -0.1 * (np.cos(phases) @ waves)[None]

    source = analytic(rough)
    tight = BandSettings(method="adaptive", steps=20)
    found = run_adaptive(
        path((0.0, 0.0, 0.0), (4.0, 0.0, 0.0), (0.0, 0.0)), Evaluator(source), tight
    )
    assert source.count <= 300 + 150 + 20 * 5 + 150
    assert found.force_calls == source.count
    assert not found.proven or found.converged


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([3, 8, 17]))
def test_soft_modes_of_other_atoms_hide_no_saddle_and_feign_no_minimum(
    analytic, valley, seed, atoms
):
    potential, _, last, height = valley(seed, atoms)
    xyz = np.linspace(0.0, 1.0, 7)[:, None, None] * last
    xyz[1:-1] += np.random.default_rng(seed).normal(0.0, 0.15, xyz[1:-1].shape)
    way = Path(
        images=Images.from_array(CELL, ("Li",) * atoms, xyz),
        mover=atoms - 1,
        initial_energy=0.0,
        final_energy=0.0,
    )
    found = run_adaptive(way, Evaluator(analytic(potential)), SETTINGS)
    assert found.converged
    assert found.proven
    assert found.energies.max() == pytest.approx(height, abs=0.01)
    assert not any("minimum" in finding.check for finding in found.findings)
    assert found.force_calls < 80


def half_turn(travel):
    """Swap of the ends of a hop along x, by a half turn about an axis along y through its middle.

    It keeps the bow of a way to the side of y.
    """
    return Mirror(
        rotation=((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
        order=(0,),
        offsets=((travel, 0.0, 0.0),),
    )


@pytest.mark.parametrize("bow", [0.0, 0.7, -0.7])
def test_a_hop_that_is_its_own_mirror_needs_one_side_only(analytic, bow):
    potential, (first, _, last), (low, top, high) = corrugated(0.4, 0.0, bow, 6.0)
    way = path(first, last, (low, high), bend=(0.05, 0.9 * bow, 0.03))
    whole = run_adaptive(way, Evaluator(analytic(potential)), SETTINGS)
    mirrored = way.model_copy(update={"mirror": half_turn(4.0)})
    half = run_adaptive(mirrored, Evaluator(analytic(potential)), SETTINGS)
    assert half.proven
    assert half.energies.max() == pytest.approx(top, abs=0.004)
    assert half.force_calls < whole.force_calls
    for xyz, energy in zip(half.xyz[1:-1], half.energies[1:-1], strict=True):
        assert potential(xyz)[0] == pytest.approx(energy, abs=1e-9)


def two_humps(height, lean):
    """E = (h + lean (x − 2)) sin²(πx/2) + 3 (y² + z²): minima at 0, 2, 4, a saddle on each side."""

    def potential(xyz):
        x, y, z = xyz[0]
        hump = height + lean * (x - 2.0)
        energy = hump * np.sin(np.pi * x / 2.0) ** 2 + 3.0 * (y * y + z * z)
        slope = lean * np.sin(np.pi * x / 2.0) ** 2 + hump * np.pi / 2.0 * np.sin(np.pi * x)
        return energy, -np.array([[slope, 6.0 * y, 6.0 * z]])

    line = np.linspace(0.0, 4.0, 40_001)
    top = float(((height + lean * (line - 2.0)) * np.sin(np.pi * line / 2.0) ** 2).max())
    return potential, top


@settings(max_examples=30, deadline=None)
@given(st.floats(0.15, 0.6), st.floats(-0.3, 0.3), st.floats(-0.4, 0.4))
@example(0.5625, -0.01171875, 0.25)  # the higher hump lay between two images of the way down
def test_of_two_saddles_in_a_row_the_higher_one_is_the_barrier(analytic, height, lean, bend):
    potential, top = two_humps(height, lean * height)
    way = path((0.0, 0.0, 0.0), (4.0, 0.0, 0.0), (0.0, 0.0), bend=(bend, 0.2, 0.05))
    found = run_adaptive(way, Evaluator(analytic(potential)), SETTINGS)
    assert found.converged
    assert found.proven
    assert found.energies.max() == pytest.approx(top, abs=0.004)


def test_of_two_mirrored_saddles_and_the_minimum_between_them_one_half_is_computed(analytic):
    potential, top = two_humps(0.3, 0.0)
    way = path((0.0, 0.0, 0.0), (4.0, 0.0, 0.0), (0.0, 0.0), bend=(0.1, 0.2, 0.05))
    found = run_adaptive(
        way.model_copy(update={"mirror": half_turn(4.0)}), Evaluator(analytic(potential)), SETTINGS
    )
    assert found.converged
    assert found.proven
    assert found.energies.max() == pytest.approx(top, abs=0.004)
    tops = np.flatnonzero(found.energies > 0.29)
    assert len(tops) >= 2
    assert found.energies[tops[0] : tops[-1]].min() < 0.05
