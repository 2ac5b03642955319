"""Percolation on grids whose answer is known by construction, and against another algorithm."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualion.analysis.gridchannels import passages, steps_of
from dualion.structures.network import PeriodicGraph

CUBIC = np.eye(3) * 6.0
WALL = 9.0


def walls(*shape: int) -> np.ndarray:
    return np.full(shape or (6, 6, 6), WALL)


def levels(field: np.ndarray, cell: np.ndarray = CUBIC, **options: float) -> list[float]:
    return [each.level for each in passages(field, cell, **options)]


@pytest.mark.parametrize(
    ("cell", "count"),
    [
        (np.eye(3), 13),
        (np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]), 9),
        (np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]), 7),
        (np.array([[1, 0, 0], [-0.5, 0.75**0.5, 0], [0, 0, 1]]), 10),
    ],
    ids=["sc", "fcc", "bcc", "hexagonal"],
)
def test_neighbours_are_those_whose_voronoi_cells_touch(cell, count):
    # A cube touches 6 others in faces, 12 in edges, 8 in corners; the rhombic dodecahedron 12 in
    # faces, 6 in corners; the truncated octahedron 14 in faces alone; the hexagonal prism 8 in
    # faces, 12 in edges. Each step stands for two of them.
    assert len(steps_of(np.asarray(cell, dtype=float))) == count


def test_tubes_along_the_axes_open_one_dimension_after_the_other():
    field = walls()
    field[:, 2, 2] = 3.0
    field[2, :, 2] = 2.0
    field[2, 2, :] = 1.0
    field[2, 2, 4] = -0.5
    one, two, three = passages(field, CUBIC)
    assert (one.level, two.level, three.level) == (1.0, 2.0, 3.0)
    assert one.lowest == two.lowest == three.lowest == -0.5
    assert field[two.bottleneck] == 2.0


def test_a_ring_that_crosses_a_face_of_the_box_and_comes_back_leads_nowhere():
    field = walls()
    for x, y in [(5, 2), (0, 2), (1, 2), (1, 3), (1, 4), (0, 4), (5, 4), (5, 3)]:
        field[x, y, 2] = 1.0
    assert levels(field) == [WALL, WALL, WALL]


def test_a_way_that_winds_twice_along_one_axis_and_once_along_another_is_one_dimensional():
    # It meets its own copy only two cells on: in a box of 2 × 2 × 2 cells it looks closed.
    field = walls(12, 12, 4)
    for t in range(24):
        field[t % 12, (t // 2) % 12, 1] = 1.0
        field[t % 12, (t + 1) // 2 % 12, 1] = 1.0
    one, two, *_ = passages(field, np.diag([12.0, 12.0, 4.0]))
    assert (one.level, two.level) == (1.0, WALL)


def test_two_tubes_that_do_not_meet_are_one_dimensional_each():
    field = walls()
    field[:, 1, 1] = 1.0
    field[4, :, 4] = 1.0
    assert levels(field) == [1.0, WALL, WALL]


def test_a_sheet_is_two_dimensional_and_a_hole_in_it_changes_nothing():
    field = walls()
    field[:, :, 3] = 1.0
    field[2, 2, 3] = WALL
    assert levels(field) == [1.0, 1.0, WALL]


def test_a_deep_pocket_off_the_way_is_not_where_the_barrier_counts_from():
    field = walls()
    field[2, 2, :] = 1.0
    field[5, 5, 5] = -4.0
    (way, *_) = passages(field, CUBIC)
    assert way.lowest == 1.0


def test_nothing_above_the_ceiling_counts():
    field = walls()
    field[2, 2, :] = 1.0
    assert levels(field, ceiling=5.0) == [1.0]
    assert levels(field, ceiling=0.5) == []


def one_by_one(field: np.ndarray, cell: np.ndarray) -> list[float]:
    """Open points by their value and join them with all neighbours that are open."""
    shape = field.shape
    size = np.array(shape)
    number = np.arange(field.size).reshape(shape)
    steps = [np.array(step) for step in steps_of(cell / size[:, None])]
    edges = []
    for place in product(*map(range, shape)):
        for step in steps:
            there = np.array(place) + step
            image = tuple(int(k) for k in there // size)
            other = tuple(int(k) for k in there % size)
            height = max(field[place], field[other])
            edges.append((height, int(number[place]), int(number[other]), image))
    graph = PeriodicGraph(field.size)
    found: list[float] = []
    for height, start, end, image in sorted(edges):
        graph.add(start, end, image)
        while len(found) < graph.dimensionality:
            found.append(height)
    return found


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 4)] * 3),
    seed=st.integers(0, 10_000),
    skewed=st.booleans(),
)
def test_bisection_and_growing_point_by_point_agree(shape, seed, skewed):
    cell = np.diag(np.array(shape, dtype=float))
    if skewed:
        cell[1, 0] = -0.5 * shape[0]
        cell[2, 1] = 0.25 * shape[1]
    field = np.random.default_rng(seed).integers(0, 12, shape).astype(float)
    assert levels(field, cell) == one_by_one(field, cell)
