"""What a band says of its own error, against saddles whose energy is known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from dualion.analysis.uncertainty import barrier_error
from dualion.engines.adaptive import run_adaptive
from dualion.engines.evaluator import Evaluator
from dualion.engines.jobs import _band
from dualion.engines.neb import run_band
from dualion.records import Check, EngineStamp, Images, Path
from dualion.settings import BandSettings

CELL = ((60.0, 0.0, 0.0), (0.0, 60.0, 0.0), (0.0, 0.0, 60.0))
STAMP = EngineStamp(engine="analytic", code="none", version="0")
LOOSE = (0.4, 0.2, 0.1, 0.05, 0.025)
"""Thresholds in eV/Å; a campaign has 0.03."""


def settings(fmax, **fields):
    return BandSettings(fmax=fmax, fmax_flanks=max(0.3, fmax), steps=400, **fields)


def straight(first, last, energies, *, images=5, noise=0.0, seed=0):
    share = np.linspace(0.0, 1.0, images + 2)[:, None, None]
    xyz = first + share * (last - first)
    xyz[1:-1] += np.random.default_rng(seed).normal(0.0, noise, xyz[1:-1].shape)
    species = ("Li",) * len(first)
    return Path(
        images=Images.from_array(CELL, species, xyz),
        mover=len(first) - 1,
        initial_energy=energies[0],
        final_energy=energies[1],
    )


def told(path, found):
    """What is said of a band that an engine made."""
    return barrier_error(_band(path, found, STAMP, 0))


def test_the_bound_holds_where_a_loose_band_stopped_and_shrinks_with_the_threshold(
    analytic, valley
):
    within, bounds = [], {fmax: [] for fmax in LOOSE}
    for seed in range(12):
        potential, first, last, height = valley(seed)
        path = straight(first, last, (0.0, 0.0), noise=0.15, seed=seed)
        for fmax in LOOSE:
            found = run_band(path, Evaluator(analytic(potential)), settings(fmax))
            assert found.converged
            error = told(path, found)
            within.append(abs(found.energies.max() - height) <= error.energy + 1e-9)
            bounds[fmax].append(error.energy)
            assert error.residual <= fmax
    assert np.mean(within) >= 0.95
    medians = [float(np.median(bounds[fmax])) for fmax in LOOSE]
    assert medians == sorted(medians, reverse=True)
    assert medians[-1] < 0.05 * medians[0]


def test_the_bound_holds_on_the_surface_of_mueller_and_brown(analytic, mueller_brown):
    # Published stationary points (doi 10.1007/BF00547608), energies in eV/100.
    first = np.array([[-0.55822363, 1.44172584, 0.0]])
    last = np.array([[0.62349941, 0.02803776, 0.0]])
    within = []
    for images in (5, 7, 9):
        path = straight(first, last, (-1.4669952, -1.0816672), images=images, noise=0.03)
        for fmax in LOOSE:
            found = run_band(path, Evaluator(analytic(mueller_brown)), settings(fmax))
            error = abs(found.energies.max() + 0.4066484)
            within.append(error <= told(path, found).energy + 1e-7)
    assert np.mean(within) >= 0.95


def test_a_band_without_a_climbing_image_is_bounded_by_its_forces_along_the_path(analytic, valley):
    within = []
    for seed in range(6):
        potential, first, last, height = valley(seed)
        for images in (4, 6):  # even: no image at the saddle, by symmetry
            path = straight(first, last, (0.0, 0.0), images=images, noise=0.1, seed=seed)
            found = run_band(path, Evaluator(analytic(potential)), settings(0.1), climb=False)
            error = told(path, found)
            assert error.fit_difference > 0.0
            within.append(abs(found.energies.max() - height) <= error.energy)
    assert np.mean(within) >= 0.9


@pytest.mark.parametrize("seed", [0, 2, 4])
def test_an_adaptive_band_verifies_all_there_is_to_verify(analytic, seed, valley):
    # The names of the findings, too: analysis knows them by their text.
    potential, first, last, height = valley(seed, atoms=3)
    path = straight(first, last, (0.0, 0.0), noise=0.05, seed=seed)
    found = run_adaptive(path, Evaluator(analytic(potential)), settings(0.03, method="adaptive"))
    error = told(path, found)
    assert found.proven
    assert set(error.verified) == set(Check)
    assert abs(found.energies.max() - height) <= error.energy + 1e-9
    assert error.energy < 0.02


def test_a_failed_engine_leaves_nothing_to_be_sure_of(analytic):
    def broken(xyz):
        return float("nan"), np.zeros_like(xyz)

    path = straight(np.zeros((1, 3)), np.full((1, 3), 2.0), (0.0, 0.0))
    found = run_band(path, Evaluator(analytic(broken)), settings(0.03))
    band = _band(path, found, STAMP, 0)
    assert band.failure
    assert band.residual_norm is None
    assert barrier_error(band) is None
