from __future__ import annotations

import numpy as np
import pytest

from dualion.structures.interpolation import closest_pair, images_between

CELL = 12.0 * np.eye(3)


def test_a_free_way_is_straight():
    first = np.array([[1.0, 1.0, 1.0], [6.0, 6.0, 6.0], [6.0, 3.0, 6.0]])
    last = first.copy()
    last[-1] = [8.0, 3.0, 6.0]
    images = images_between(first, last, cell=CELL, species=("Cl", "Cl", "Li"))
    assert images.shape == (9, 3, 3)
    assert np.allclose(images[4, -1], [7.0, 3.0, 6.0])
    assert np.allclose(images[[0, -1]], [first, last])


def test_a_way_too_close_to_another_atom_gives_way_to_it():
    first = np.array([[6.0, 6.0, 6.0], [6.0, 3.9, 6.3]])
    last = np.array([[6.0, 6.0, 6.0], [6.0, 8.1, 6.3]])
    straight = np.linspace(first, last, 9)
    species = ("Cl", "Li")
    images = images_between(first, last, cell=CELL, species=species)
    assert closest_pair(straight, CELL, species, 3.0) < 0.4
    assert closest_pair(images, CELL, species, 3.0) > 1.2
    assert np.allclose(images[[0, -1]], [first, last])


def test_the_closest_pair_is_found_across_the_boundary_and_infinite_beyond_the_limit():
    image = np.array([[0.2, 0.0, 0.0], [11.7, 0.0, 0.0]])
    images = np.stack([image] * 3)
    assert closest_pair(images, CELL, ("Li", "Li"), 1.0) == pytest.approx(0.5)
    assert closest_pair(images, CELL, ("Li", "Li"), 0.4) == np.inf
