"""Supercells: minimal, compact, and consistent with their parent."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from ase.geometry.minkowski_reduction import minkowski_reduce
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from dualion.errors import InputError
from dualion.records import Geometry, as_vectors
from dualion.settings import CellSettings
from dualion.structures.supercell import AtomFinder, build_supercell, supercell_from_matrix

FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])


def crystal(cell, fractional=((0.0, 0.0, 0.0),), species=None) -> Geometry:
    a, b, c = as_vectors(np.array(cell))
    return Geometry(
        lattice=(a, b, c),
        species=tuple(species or ["Li"] * len(fractional)),
        positions=as_vectors(np.array(fractional) @ np.array(cell)),
    )


def shortest_vector(cell) -> float:
    """By brute force in the basis ASE reduces to, three cells each way."""
    reduced, _ = minkowski_reduce(np.array(cell))
    steps = np.array([v for v in product(range(-3, 4), repeat=3) if any(v)])
    return float(np.linalg.norm(steps @ reduced, axis=1).min())


def sublattices(index: int):
    """All of them, by lower-triangular Hermite normal form (the search uses the upper one)."""
    for a, b in product(range(1, index + 1), repeat=2):
        if index % (a * b) == 0:
            c = index // (a * b)
            for p, q, r in product(range(a), range(a), range(b)):
                yield np.array([[a, 0, 0], [p, b, 0], [q, r, c]])


cells = arrays(float, (3, 3), elements=st.floats(-1.5, 1.5).map(lambda value: round(value, 3))).map(
    lambda noise: np.eye(3) * 3.5 + noise
)


@settings(max_examples=25, deadline=None)
@given(cells, st.floats(3.0, 6.5))
def test_no_smaller_sublattice_reaches_the_distance(cell, distance):
    found = build_supercell(crystal(cell), CellSettings(min_image_distance=distance))
    index = round(np.linalg.det(np.array(found.matrix)))
    assert shortest_vector(np.array(found.matrix) @ cell) >= distance - 1e-3
    for smaller in range(1, min(index, 9)):
        for rows in sublattices(smaller):
            assert shortest_vector(rows @ cell) < distance + 1e-3


@pytest.mark.parametrize("multiple", [2, 3, 4])
def test_fcc_is_repeated_exactly_n_cubed_times(multiple):
    # The shortest vector of any lattice of volume V is at most (√2 V)^(1/3), and only the fcc
    # lattice reaches it: n times the neighbour distance needs exactly n³ primitive cells.
    cell = FCC * 5.0
    neighbour = 5.0 / np.sqrt(2)
    found = build_supercell(crystal(cell), CellSettings(min_image_distance=multiple * neighbour))
    assert len(found.geometry) == multiple**3
    assert found.min_image_distance == pytest.approx(multiple * neighbour)


def test_a_cell_that_is_long_enough_is_kept_as_it_is():
    found = build_supercell(crystal(np.diag([11.0, 12.0, 10.0])), CellSettings())
    assert found.matrix == ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def test_a_distance_missed_by_rounding_noise_counts_as_reached():
    found = build_supercell(crystal(np.diag([9.99996] * 3)), CellSettings())
    assert len(found.geometry) == 1


def test_of_equally_small_cells_the_most_cubic_is_taken():
    # 5×5×10 Å needs 2×2×1 parents for 10 Å, which makes a perfect cube of 10 Å; a sheared
    # cell of the same volume would do for the distance too.
    found = build_supercell(crystal(np.diag([5.0, 5.0, 10.0])), CellSettings())
    assert found.matrix == ((2, 0, 0), (0, 2, 0), (0, 0, 1))


@pytest.mark.parametrize(
    ("cell", "distance"),
    [
        (np.eye(3) * 3.0, 5.5),  # 25 sublattices of 8 cells, one of them the cube
        (np.diag([3.0, 3.0, 4.0]), 4.5),
        (np.diag([4.0, 4.0, 3.0]), 9.25),  # equally cubic ones that keep 2 and 4 operations
        (FCC * 5.0, 9.5),  # equally cubic ones that keep 12 and 48
    ],
)
def test_ties_go_to_the_most_cubic_cell_and_then_to_the_most_symmetric(cell, distance):
    # All sublattices of the index that was chosen are compared; operations are those signed
    # permutations of the axes that map the parent's lattice onto itself.
    turns = [
        cell @ np.diag(signs) @ np.eye(3)[list(order)] @ np.linalg.inv(cell)
        for order in permutations(range(3))
        for signs in product((1, -1), repeat=3)
    ]
    turns = [turn for turn in turns if np.allclose(turn, np.rint(turn))]

    def rank(rows):
        reduced, _ = minkowski_reduce(rows @ cell)
        turned = [rows @ turn @ np.linalg.inv(rows) for turn in turns]
        kept = sum(np.allclose(t, np.rint(t), atol=1e-6) for t in turned)
        return round(float((reduced**2).sum()), 4), -kept

    found = build_supercell(crystal(cell), CellSettings(min_image_distance=distance))
    matrix = np.array(found.matrix)
    rivals = [
        rows
        for rows in sublattices(round(np.linalg.det(matrix)))
        if shortest_vector(rows @ cell) >= distance - 1e-4
    ]
    assert rank(matrix) == min(rank(rows) for rows in rivals)


def test_too_large_a_cell_says_how_many_atoms_would_do_and_they_do():
    parent = crystal(FCC * 5.0, [[0, 0, 0], [0.5, 0.5, 0.5]], ["Na", "Cl"])
    wanted = CellSettings(min_image_distance=3 * 5.0 / np.sqrt(2), max_atoms=50)
    with pytest.raises(InputError, match=r"needs 54 atoms, more than max_atoms = 50") as error:
        build_supercell(parent, wanted)
    assert "raise max_atoms to 54" in str(error.value)
    enough = wanted.model_copy(update={"max_atoms": 54})
    assert len(build_supercell(parent, enough).geometry) == 54


def test_a_hopelessly_large_cell_is_refused_at_once_with_a_lower_bound():
    with pytest.raises(InputError, match=r"at least \d+ atoms"):
        build_supercell(crystal(np.eye(3) * 2.5), CellSettings(min_image_distance=60.0))


@settings(max_examples=15, deadline=None)
@given(cells, st.integers(0, 2**31))
def test_turning_the_crystal_turns_the_supercell_and_changes_nothing_else(cell, seed):
    turn = Rotation.random(random_state=seed).as_matrix()
    wanted = CellSettings(min_image_distance=8.0)
    places = [[0.1, 0.2, 0.3], [0.6, 0.6, 0.9]]
    first = build_supercell(crystal(cell, places, ["Li", "S"]), wanted)
    second = build_supercell(crystal(cell @ turn, places, ["Li", "S"]), wanted)
    assert second.matrix == first.matrix
    np.testing.assert_allclose(second.geometry.xyz, first.geometry.xyz @ turn, atol=1e-8)


@settings(max_examples=15, deadline=None)
@given(cells, st.lists(st.integers(-2, 2), min_size=3, max_size=3))
def test_another_choice_of_parent_axes_gives_a_cell_of_the_same_size_and_shape(cell, shear):
    change = np.eye(3, dtype=int)
    change[0, 1], change[0, 2], change[1, 2] = shear
    wanted = CellSettings(min_image_distance=8.0)
    first = build_supercell(crystal(cell), wanted)
    second = build_supercell(crystal(change @ cell), wanted)
    assert len(second.geometry) == len(first.geometry)

    def edges(cell_):
        return float((minkowski_reduce(cell_.geometry.cell)[0] ** 2).sum())

    assert edges(second) == pytest.approx(edges(first), rel=1e-4)


matrices = arrays(int, (3, 3), elements=st.integers(-2, 3)).filter(
    lambda rows: 0 < round(np.linalg.det(rows)) <= 20
)


@settings(max_examples=40, deadline=None)
@given(cells, matrices, arrays(float, (3, 3), elements=st.floats(-1.0, 2.0)))
def test_every_atom_is_its_parent_atom_moved_by_its_image(cell, rows, fractional):
    parent = crystal(cell, fractional, ["Li", "S", "Li"])
    made = supercell_from_matrix(parent, rows.tolist())
    determinant = round(np.linalg.det(rows))
    assert made.geometry.volume == pytest.approx(determinant * parent.volume)
    assert made.parent_index == tuple(np.repeat([0, 1, 2], determinant))
    expected = (fractional[list(made.parent_index)] + np.array(made.parent_image)) @ cell
    np.testing.assert_allclose(made.geometry.xyz, expected, atol=1e-9)
    assert made.geometry.species == tuple(parent.species[k] for k in made.parent_index)
    # No two images of one parent atom are the same modulo the supercell.
    shares = np.array(made.parent_image)[:determinant] @ np.linalg.inv(rows)
    shares -= np.floor(shares + 1e-9)
    assert len({tuple(row) for row in np.round(shares, 6).tolist()}) == determinant
    assert made.min_image_distance == pytest.approx(shortest_vector(rows @ cell))


@settings(max_examples=30, deadline=None)
@given(matrices, st.tuples(*[st.integers(-9, 9)] * 3), st.integers(0, 1))
def test_an_atom_is_found_in_any_parent_cell(rows, image, atom):
    parent = crystal(np.diag([3.0, 4.0, 5.0]), [[0, 0, 0], [0.5, 0.5, 0.5]])
    made = supercell_from_matrix(parent, rows.tolist())
    found = AtomFinder(made).atom(atom, image)
    target = (parent.fractional[atom] + np.array(image)) @ parent.cell
    offset = (made.geometry.xyz[found] - target) @ np.linalg.inv(made.geometry.cell)
    np.testing.assert_allclose(offset, np.rint(offset), atol=1e-9)


@pytest.mark.parametrize(
    "matrix",
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, -1]],
        [[1, 0, 0], [2, 0, 0], [0, 0, 1]],
        [[1.5, 0, 0], [0, 2, 0], [0, 0, 1]],
        [[1, 0], [0, 1]],
    ],
)
def test_a_matrix_that_makes_no_right_handed_cell_is_refused(matrix):
    with pytest.raises(InputError, match="3×3 integer matrix"):
        supercell_from_matrix(crystal(np.eye(3) * 4), matrix)


@settings(max_examples=25, deadline=None)
@given(cells, st.floats(4.0, 9.0))
def test_the_matrix_is_right_handed_and_its_rows_are_the_shortest_possible(cell, distance):
    found = build_supercell(crystal(cell), CellSettings(min_image_distance=distance))
    rows = np.array(found.matrix)
    assert round(np.linalg.det(rows)) > 0
    reduced, _ = minkowski_reduce(rows @ cell)
    np.testing.assert_allclose(
        np.sort(np.linalg.norm(rows @ cell, axis=1)),
        np.sort(np.linalg.norm(reduced, axis=1)),
        atol=1e-3,
    )
