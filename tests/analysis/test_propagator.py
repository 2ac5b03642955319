"""Lattice Green functions with known values, and integer bases of translations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualion.analysis.propagator import Propagator, in_basis, translation_basis

VECTORS = st.lists(st.tuples(*[st.integers(-4, 4)] * 3), min_size=1, max_size=5)


@given(VECTORS, st.lists(st.integers(-3, 3), min_size=5, max_size=5))
def test_every_combination_is_written_in_the_basis_without_rest(vectors, numbers):
    rows = np.array(vectors, dtype=np.int64)
    basis = translation_basis(rows)
    assert len(basis) == np.linalg.matrix_rank(rows)
    wanted = np.array(numbers[: len(rows)]) @ rows
    found, left = in_basis(wanted[None], basis)
    assert not left.any()
    assert (found @ basis == wanted).all()


def test_a_vector_beside_the_lattice_keeps_its_class():
    basis = translation_basis(np.array([[2, 0, 0], [0, 3, 0]]))
    _, left = in_basis(np.array([[1, 1, 5], [3, -2, 5], [2, 3, 0]]), basis)
    assert (left[0] == left[1]).all()
    assert not left[2].any()


def square_lattice(dimensions: int) -> Propagator:
    return Propagator(
        1,
        np.zeros(dimensions, dtype=np.int64),
        np.zeros(dimensions, dtype=np.int64),
        np.eye(dimensions, dtype=np.int64),
        np.ones(dimensions),
    )


def difference(propagator: Propagator, cell) -> float:
    zero = np.zeros(2, dtype=np.int64)
    home = np.zeros((2, len(cell)), dtype=np.int64)
    best = propagator.between((zero, home), (zero, np.array([[0] * len(cell), cell]))).best
    return float(best[0] - best[1])


# Resistance is twice that difference: 1/2 and 2/π on the square lattice, 1/3 on the cubic one.
@pytest.mark.parametrize(
    ("cell", "known"),
    [((1, 0), 0.25), ((1, 1), 1.0 / np.pi), ((2, 0), 1.0 - 2.0 / np.pi), ((1, 0, 0), 1.0 / 6.0)],
)
def test_differences_on_square_and_cubic_lattices(cell, known):
    assert difference(square_lattice(len(cell)), cell) == pytest.approx(known, abs=1e-9)


def test_far_away_is_watsons_integral_less_coulombs_law():
    # G(0) of the simple cubic lattice; at (3, 3, 3) G is that of the continuum within 3e-4.
    far = 1.0 / (4.0 * np.pi * np.sqrt(27.0))
    assert difference(square_lattice(3), (3, 3, 3)) == pytest.approx(
        0.2527310098586 - far, abs=3e-4
    )
