"""Other ways for the mover of a hop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualion.engines.ways import turned_ways
from dualion.records import Images, Path

CELL = ((30.0, 0.0, 0.0), (0.0, 30.0, 0.0), (0.0, 0.0, 30.0))


@given(seed=st.integers(0, 10_000), count=st.integers(3, 9))
def test_the_mover_goes_as_far_from_its_line_and_the_rest_stays(seed, count):
    random = np.random.default_rng(seed)
    xyz = random.normal(size=(count, 4, 3))
    share = np.linspace(0.0, 1.0, count)[:, None]
    line = xyz[0, 2] + share * random.normal(size=3) * 3.0
    axis = (line[-1] - line[0]) / np.linalg.norm(line[-1] - line[0])
    xyz[:, 2] = line + np.sin(np.pi * share) * random.normal(size=(count, 3))
    path = Path(
        images=Images.from_array(CELL, ("Li", "S", "Cu", "S"), xyz),
        mover=2,
        initial_energy=0.0,
        final_energy=0.1,
    )
    bow = xyz[:, 2] - line
    across = bow - (bow @ axis)[:, None] * axis
    ways = turned_ways(path)
    seen = [across]
    for way in ways:
        moved = way.images.xyz
        assert moved[[0, -1]] == pytest.approx(xyz[[0, -1]], abs=1e-9)
        assert moved[:, [0, 1, 3]] == pytest.approx(xyz[:, [0, 1, 3]])
        turned = moved[:, 2] - line
        assert turned @ axis == pytest.approx(bow @ axis, abs=1e-9)
        turned -= (turned @ axis)[:, None] * axis
        assert np.linalg.norm(turned, axis=1) == pytest.approx(np.linalg.norm(across, axis=1))
        seen.append(turned)
        assert (way.initial_energy, way.final_energy) == (0.0, 0.1)
    # A half turn, and a quarter to either side.
    assert seen[1] == pytest.approx(-across, abs=1e-9)
    assert seen[2] == pytest.approx(-seen[3], abs=1e-9)
    assert np.einsum("kx,kx->k", seen[2], across) == pytest.approx(0.0, abs=1e-9)
