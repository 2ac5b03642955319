"""Fluxes on networks: large ones, and ones whose rates differ by any number of orders."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from dualion.analysis import fluxes
from dualion.analysis.fluxes import corrected, net_translations


def cube(size: int, generator: np.random.Generator, decades: float = 0.0):
    """Sites on a simple cubic lattice, one cell of size³ sites, with random fluxes."""
    index = np.arange(size**3).reshape(size, size, size)
    tail, head, image = [], [], []
    for axis in range(3):
        tail.append(index.ravel())
        head.append(np.roll(index, -1, axis=axis).ravel())
        cells = np.zeros((size, size, size, 3), dtype=np.int64)
        last = [slice(None)] * 3
        last[axis] = -1
        cells[(*last, axis)] = 1
        image.append(cells.reshape(-1, 3))
    flux = 10.0 ** (decades * generator.random(3 * size**3))
    return size**3, np.concatenate(tail), np.concatenate(head), np.concatenate(image), flux


def tensor(sites, tail, head, image, flux):
    step = net_translations(sites, tail, head, image, flux).astype(float)
    left = corrected(sites, tail, head, flux, step)[1]
    return (flux[:, None] * left).T @ left


@pytest.mark.parametrize("size", [3, 8])
def test_a_uniform_lattice_in_a_large_cell_is_that_of_its_small_cell(size):
    network = cube(size, np.random.default_rng(1))
    # D = w (per site) in units of the site distance: size² in cells for size³ sites.
    assert tensor(*network) == pytest.approx(np.eye(3) * size**3 / size**2, rel=1e-10, abs=1e-10)


def test_every_way_of_elimination_gives_the_same(monkeypatch):
    network = cube(8, np.random.default_rng(2), decades=4.0)  # 512 sites
    factored = tensor(*network)
    monkeypatch.setattr(fluxes, "_RANGE", 1.0)
    one_by_one = tensor(*network)
    monkeypatch.setattr(fluxes, "DENSE", 600)
    dense = tensor(*network)
    assert factored == pytest.approx(dense, rel=1e-10, abs=1e-10 * dense.max())
    assert one_by_one == pytest.approx(dense, rel=1e-10, abs=1e-10 * dense.max())


@pytest.mark.parametrize("orders", [5, 40, 150])
def test_cages_of_any_speed_between_slow_hops_cost_no_digits(orders):
    # A ring of cages along x: four sites each, joined within by fast hops, and by one slow one.
    cages, fast, slow = 3, 1.0, 10.0**-orders
    tail, head, image, flux = [], [], [], []
    for cage in range(cages):
        for a, b in ((0, 1), (1, 2), (2, 3), (3, 0), (0, 2)):
            tail.append(4 * cage + a)
            head.append(4 * cage + b)
            image.append((0, 0, 0))
            flux.append(fast * (1.0 + 0.3 * a))
        tail.append(4 * cage + 2)
        head.append(4 * ((cage + 1) % cages))
        image.append((int(cage == cages - 1), 0, 0))
        flux.append(slow * (1 + cage))
    found = tensor(4 * cages, np.array(tail), np.array(head), np.array(image), np.array(flux))[0, 0]
    inside = 1.0 / resistance_of_a_cage(fast)
    exact = 1.0 / (sum(1.0 / (slow * (1 + k)) for k in range(cages)) + cages / inside)
    assert found == pytest.approx(exact, rel=1e-10, abs=0.0)


def resistance_of_a_cage(fast: float) -> float:
    """Between sites 0 and 2 of a cage, by hand: 0-1-2, 0-3-2 and 0-2 in parallel."""
    one = 1.0 / (1.0 / (1.0 * fast) + 1.0 / (1.3 * fast))
    other = 1.0 / (1.0 / (1.6 * fast) + 1.0 / (1.9 * fast))
    return 1.0 / (one + other + 1.0 * fast)


def test_memory_grows_as_the_network_does():
    def peak(size):
        network = cube(size, np.random.default_rng(3), decades=2.0)
        tracemalloc.start()
        try:
            tensor(*network)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small, large = peak(9), peak(13)  # 729 and 2197 sites, three hops each
    assert large < 1.3 * small * 13**3 / 9**3
    assert large < 0.5 * 8 * (13**3) ** 2  # half of what one full matrix takes
