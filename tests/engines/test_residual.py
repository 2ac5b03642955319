"""The learnt residual against what a Gaussian process must do, and against a dense one."""

from __future__ import annotations

import numpy as np
import pytest

from dualion.engines.evaluator import Evaluation
from dualion.engines.residual import ENERGY_NOISE, FORCE_NOISE, Datum, Residual


def costly(xyz):
    """A bowl and a wave over all atoms; energy and forces."""
    flat = xyz.ravel()
    weights = np.linspace(0.3, 1.1, len(flat))
    energy = 3.0 + 0.4 * np.sin(weights @ flat) + 0.8 * float(weights @ flat**2)
    gradient = 0.4 * np.cos(weights @ flat) * weights + 1.6 * weights * flat
    return Evaluation(float(energy), -gradient.reshape(xyz.shape))


def cheap(xyz):
    """The bowl alone, too soft, from another zero."""
    flat = xyz.ravel()
    weights = np.linspace(0.3, 1.1, len(flat))
    return Evaluation(
        -70.0 + 0.6 * float(weights @ flat**2), -(1.2 * weights * flat).reshape(xyz.shape)
    )


def data(count, atoms=4, width=0.3, seed=0):
    rng = np.random.default_rng(seed)
    places = rng.normal(0.0, width, (count, atoms, 3))
    return [Datum(x, costly(x), cheap(x)) for x in places]


@pytest.mark.parametrize("count", [1, 2, 7, 15])
def test_what_was_told_is_what_is_predicted(count):
    points = data(count)
    model = Residual(points)
    for point in points:
        found = model.predict(point.xyz, point.cheap)
        assert found.energy == pytest.approx(point.costly.energy, abs=3 * ENERGY_NOISE)
        assert found.forces == pytest.approx(point.costly.forces, abs=6 * FORCE_NOISE)
        assert found.spread < 2 * ENERGY_NOISE


@pytest.mark.parametrize("count", [1, 3, 8])
def test_forces_are_minus_the_gradient_of_the_energy(count):
    model = Residual(data(count))
    at = np.random.default_rng(5).normal(0.0, 0.3, (4, 3))
    forces = model.predict(at, cheap(at)).forces
    for index in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[index] = 1e-4
        ahead, back = (model.predict(x, cheap(x)).energy for x in (at + step, at - step))
        assert forces[index] == pytest.approx((back - ahead) / 2e-4, abs=1e-5)


def test_the_block_form_is_the_dense_gaussian_process():
    points = data(5, atoms=3)
    model = Residual(points)
    length, amplitude = model.length, model.amplitude
    places = np.array([p.xyz.ravel() for p in points])
    size = places.shape[1]

    def covariance(a, b):
        d = a - b
        k = amplitude**2 * np.exp(-0.5 * d @ d / length**2)
        block = np.empty((1 + size, 1 + size))
        block[0, 0] = k
        block[0, 1:] = k * d / length**2
        block[1:, 0] = -k * d / length**2
        block[1:, 1:] = k * (np.eye(size) - np.outer(d, d) / length**2) / length**2
        return block

    dense = np.block([[covariance(a, b) for b in places] for a in places])
    noise = np.concatenate([[ENERGY_NOISE**2], np.full(size, FORCE_NOISE**2)])
    dense += np.diag(np.tile(noise, len(points)))
    zero, cheap_zero = points[0].costly.energy, points[0].cheap.energy

    def column(energy, gradients):
        return np.concatenate([np.r_[e, g] for e, g in zip(energy, gradients, strict=True)])

    one = column([1.0] * 5, np.zeros((5, size)))
    prior = column(
        [p.cheap.energy - cheap_zero for p in points], [-p.cheap.forces.ravel() for p in points]
    )
    target = column(
        [p.costly.energy - zero for p in points], [-p.costly.forces.ravel() for p in points]
    )
    at = np.random.default_rng(2).normal(0.0, 0.3, (3, 3))
    cross = np.concatenate([covariance(at.ravel(), b)[0] for b in places])
    base = np.linalg.solve(dense, target - one * model._fit.mean[0] - prior * model.factor)
    energy = zero + model._fit.mean @ [1.0, cheap(at).energy - cheap_zero] + cross @ base
    found = model.predict(at, cheap(at))
    assert found.energy == pytest.approx(energy, abs=1e-7)
    columns = np.stack([one, prior], axis=1)
    precision = columns.T @ np.linalg.solve(dense, columns) + np.diag([0.0, 1 / 0.25**2])
    missing = np.r_[1.0, cheap(at).energy - cheap_zero] - columns.T @ np.linalg.solve(dense, cross)
    variance = amplitude**2 - cross @ np.linalg.solve(dense, cross)
    variance += missing @ np.linalg.solve(precision, missing)
    assert found.spread == pytest.approx(np.sqrt(variance), rel=1e-5)


def test_a_scaled_prior_is_recognised_by_its_factor():
    rng = np.random.default_rng(1)
    points = []
    for x in rng.normal(0.0, 0.4, (6, 4, 3)):
        low = cheap(x)
        points.append(Datum(x, Evaluation(1.4 * low.energy + 7.0, 1.4 * low.forces), low))
    model = Residual(points)
    assert model.factor == pytest.approx(1.4, abs=0.02)
    far = rng.normal(0.0, 0.4, (4, 3)) + 0.3
    found = model.predict(far, cheap(far))
    assert found.energy == pytest.approx(1.4 * cheap(far).energy + 7.0, abs=0.02)


def test_forces_known_to_be_doubtful_weigh_less():
    rng = np.random.default_rng(3)
    at = rng.normal(0.0, 0.3, (4, 3))
    sure = Residual([Datum(at, costly(at), cheap(at))])
    wrong = Evaluation(costly(at).energy, costly(at).forces + 0.1)
    unsure = Residual([Datum(at, wrong, cheap(at), force_noise=0.5)])
    difference = unsure.predict(at, cheap(at)).forces - costly(at).forces
    assert np.abs(sure.predict(at, cheap(at)).forces - costly(at).forces).max() < 0.02
    assert np.abs(difference).max() > 0.1  # not followed: the prior's forces are kept


def test_uncertainty_grows_with_the_distance_from_what_is_known():
    points = data(4, width=0.05)
    model = Residual(points)
    spreads = []
    for share in (0.0, 0.5, 1.0, 2.0, 4.0):
        at = points[0].xyz + share * np.eye(4, 3)
        spreads.append(model.predict(at, cheap(at)).spread)
    assert spreads == sorted(spreads)
    assert spreads[0] < 0.001
    assert spreads[-1] > 0.5 * model.amplitude


def test_the_cost_does_not_grow_with_the_cell():
    points = data(12, atoms=400, width=0.05)
    model = Residual(points)
    found = model.predict(points[3].xyz, points[3].cheap)
    assert found.energy == pytest.approx(points[3].costly.energy, abs=0.01)
    assert model._fit._whole[0].shape == (12 * 12, 12 * 12)
