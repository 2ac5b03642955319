"""Ways between points: what is evaluated, and what is known from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualion.engines.budget import Budget
from dualion.engines.evaluator import Evaluator
from dualion.engines.pulled import as_many, fewer
from dualion.engines.stretch import NoProofError, rise, straight, way
from dualion.engines.surface import Point, Surface

SMALL = st.floats(-2.0, 2.0)


def on_a_line(energy, slope, x):
    """A point of a one-dimensional surface along x."""
    return Point(np.array([[x, 0.0, 0.0]]), energy, np.array([[-slope, 0.0, 0.0]]))


@given(SMALL, SMALL, SMALL, SMALL, st.floats(0.2, 1.5))
def test_the_highest_energy_of_a_cubic_surface_is_found_exactly(a, b, c, d, length):
    cubic = np.polynomial.Polynomial([a, b, c, d])
    ends = [on_a_line(cubic(x), cubic.deriv()(x), x) for x in (0.0, length)]
    line = np.linspace(0.0, length, 21)
    assert rise(*ends) == pytest.approx(cubic(line).max(), abs=1e-9)


def surface(analytic, potential):
    evaluate = Evaluator(analytic(potential))
    return Surface(np.array([3]), 40.0 * np.eye(3), evaluate), evaluate


def bump(height):
    """A slope of 0.1 eV/Å downhill with a bump of a given height, 0.3 Å wide, at x = 1."""

    def potential(xyz):
        x = xyz[0, 0]
        hill = height * np.exp(-(((x - 1.0) / 0.3) ** 2))
        slope = -0.1 - hill * 2.0 * (x - 1.0) / 0.09
        return hill - 0.1 * x, -np.array([[slope, 0.0, 0.0]])

    return potential


@pytest.mark.parametrize(("height", "closed"), [(0.0, True), (0.05, True), (0.6, False)])
def test_a_way_is_low_unless_something_on_it_is_high(analytic, height, closed):
    where, evaluate = surface(analytic, bump(height))
    first = where.point(np.zeros((1, 3)))
    last = where.point(np.array([[2.4, 0.0, 0.0]]))
    images, low = way(where, first, last, first.energy + 0.01, straight)
    assert low is closed
    assert evaluate.calls <= 2 + 7
    assert len(images) >= 1  # no gap is wider than the limit
    if closed:
        assert max(image.energy for image in images) < first.energy + 0.01


@given(st.integers(3, 9), st.integers(3, 12))
def test_images_spread_anew_keep_their_ends_and_their_line(count, wanted):
    rng = np.random.default_rng(count)
    images = np.cumsum(rng.uniform(0.1, 1.0, (count, 1, 1)), axis=0) * np.array([[1.0, 2.0, -1.0]])
    spread = as_many(images, wanted)
    assert len(spread) == wanted
    np.testing.assert_allclose(spread[[0, -1]], images[[0, -1]])
    gaps = np.linalg.norm(np.diff(spread, axis=0), axis=(1, 2))
    if wanted != count:
        np.testing.assert_allclose(gaps, gaps[0])
    assert len(fewer(images)) == min(5, count)


def test_a_budget_ends_an_attempt_and_grants_more_only_up_to_its_most(analytic):
    where, evaluate = surface(analytic, bump(0.0))
    budget = Budget(evaluate, 2)
    budget.check()
    where.point(np.zeros((1, 3)))
    assert budget.left == 1
    where.point(np.zeros((1, 3)))
    with pytest.raises(NoProofError, match="force calls"):
        budget.check()
    budget.grant()
    assert budget.left == 60
    for _ in range(200):
        where.point(np.zeros((1, 3)))
    budget.grant()
    assert budget.left < 0
