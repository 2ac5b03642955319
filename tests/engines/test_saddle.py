"""What the highest image of a band is taken for, on quadratic surfaces whose modes are known."""

from __future__ import annotations

import numpy as np
import pytest

from dualion.engines.evaluator import Evaluator
from dualion.engines.saddle import NoProofError, SaddleSearch
from dualion.engines.stretch import Notes
from dualion.engines.surface import Point, Surface

ATOMS = 9
STIFF = (0.9, 1.6, 2.8, 5.0, 9.0, 16.0)


def search(analytic, curvatures, seed):
    """Search at the origin of ½ xᵀHx, and H's eigenvectors, shape (k, n, 3)."""
    rng = np.random.default_rng(seed)
    size = 3 * ATOMS
    basis, _ = np.linalg.qr(rng.normal(size=(size, size)))
    spread = np.interp(np.linspace(0, 1, size - len(curvatures)), np.linspace(0, 1, 6), STIFF)
    hessian = basis @ np.diag([*curvatures, *spread]) @ basis.T

    def potential(xyz):
        x = xyz.ravel()
        return 0.5 * x @ hessian @ x, -(hessian @ x).reshape(-1, 3)

    numbers = np.full(ATOMS, 3)
    surface = Surface(numbers, np.diag([40.0] * 3), Evaluator(analytic(potential)))
    seek = SaddleSearch(
        surface, 0, fmax=0.01, loosest=0.03, notes=Notes(), check_budget=lambda: None
    )
    return seek, basis.T.reshape(size, ATOMS, 3)


def between(vectors, share):
    """Unit vector that holds a share of the first mode, the rest in the next five alike."""
    rest = vectors[1:6].sum(axis=0) / np.sqrt(5.0)
    return share * vectors[0] + np.sqrt(1.0 - share**2) * rest


AT_REST = Point(np.zeros((ATOMS, 3)), 0.0, np.zeros((ATOMS, 3)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.7, 0.4])
def test_a_path_that_crosses_a_saddle_askew_hides_nothing(analytic, seed, share):
    # Along the path itself the surface curves up: 0.7² · (−0.3) + 0.51 · 0.9 and more.
    seek, vectors = search(analytic, (-0.3,), seed)
    along = between(vectors, share)
    saddle = seek.judged(AT_REST, along)
    assert -0.301 < saddle.modes.values[0] < 0.0
    mode = saddle.modes.vectors[0]
    assert abs(float((mode * vectors[0]).sum())) > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_a_minimum_and_a_ridge_are_no_saddles(analytic, seed):
    minimum, vectors = search(analytic, (0.15,), seed)
    with pytest.raises(NoProofError, match="does not curve down along the path alone"):
        minimum.judged(AT_REST, between(vectors, 0.7))
    ridge, vectors = search(analytic, (-0.8, -0.5), seed)
    askew = vectors[0] + vectors[1] + 0.5 * vectors[2]
    with pytest.raises(NoProofError, match="does not curve down along the path alone"):
        ridge.judged(AT_REST, askew / np.linalg.norm(askew))
