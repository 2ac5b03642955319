"""Dimensionality of periodic graphs, against an independent count of connected copies."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualion.structures.network import PeriodicGraph, dimensionality


@pytest.mark.parametrize(
    ("sites", "edges", "expected"),
    [
        (1, [], 0),
        (1, [(0, 0, (1, 0, 0))], 1),
        (1, [(0, 0, (1, 0, 0)), (0, 0, (2, 0, 0))], 1),
        (1, [(0, 0, (1, 1, 0)), (0, 0, (1, -1, 0))], 2),
        # A plane given by three vectors, none along an axis.
        (1, [(0, 0, (1, 1, 0)), (0, 0, (0, 1, 1)), (0, 0, (1, 0, -1))], 2),
        (1, [(0, 0, (1, 0, 0)), (0, 0, (0, 1, 0)), (0, 0, (1, 1, 5))], 3),
        # A pair in one cell; two hops between the same sites make the cycle.
        (2, [(0, 1, (0, 0, 0))], 0),
        (2, [(0, 1, (0, 0, 0)), (0, 1, (0, 0, 1))], 1),
        # A hop to a far cell is no percolation unless it comes back.
        (3, [(0, 1, (3, 0, 0)), (1, 2, (0, 4, 0))], 0),
        # Two perpendicular chains that do not touch: each leads in one direction.
        (2, [(0, 0, (1, 0, 0)), (1, 1, (0, 1, 0))], 1),
        # Joined by one hop they lead in two.
        (2, [(0, 0, (1, 0, 0)), (1, 1, (0, 1, 0)), (0, 1, (0, 0, 0))], 2),
    ],
)
def test_known_graphs(sites, edges, expected):
    assert dimensionality(sites, edges) == expected


edge = st.tuples(st.integers(0, 3), st.integers(0, 3), st.tuples(*[st.integers(-1, 1)] * 3))


def spanning_tree_rank(sites, edges):
    """Rank of the cycle translations per component, by breadth-first search and SVD."""
    best = 0
    for root in range(sites):
        offset = {root: np.zeros(3)}
        queue = [root]
        while queue:
            here = queue.pop()
            for i, j, image in edges:
                for a, b, sign in ((i, j, 1), (j, i, -1)):
                    if a == here and b not in offset:
                        offset[b] = offset[here] + sign * np.array(image)
                        queue.append(b)
        cycles = [offset[i] + np.array(image) - offset[j] for i, j, image in edges if i in offset]
        if cycles:
            best = max(best, int(np.linalg.matrix_rank(np.array(cycles))))
    return best


@settings(max_examples=150, deadline=None)
@given(st.lists(edge, max_size=8), st.randoms(use_true_random=False))
def test_any_graph_in_any_order(edges, random):
    expected = spanning_tree_rank(4, edges)
    assert dimensionality(4, edges) == expected
    shuffled = [
        (j, i, (-x, -y, -z)) if random.random() < 0.5 else (i, j, (x, y, z))
        for i, j, (x, y, z) in edges
    ]
    random.shuffle(shuffled)
    assert dimensionality(4, shuffled) == expected


def test_the_rank_of_each_component_can_be_asked_for():
    graph = PeriodicGraph(3)
    for image in product((0, 1), repeat=3):
        if any(image):
            graph.add(0, 0, image)
    graph.add(1, 2, (0, 0, 0))
    graph.add(1, 2, (0, 1, 0))
    assert [graph.component_rank(site) for site in range(3)] == [3, 1, 1]
