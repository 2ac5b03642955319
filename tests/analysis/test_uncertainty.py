"""Errors of barriers against saddles that are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualion.analysis.uncertainty import ACROSS, barrier_error, curvature_along
from dualion.records import Band, Check, EngineStamp, Finding, Images, as_vectors

CELL = 40.0 * np.eye(3)
STAMP = EngineStamp(engine="none", code="none", version="0")


def band_of(energies, forces, coordinates, *, atoms=1, climbing=None, norm=None, **fields):
    xyz = np.zeros((len(energies), atoms, 3))
    xyz[:, 0, 0] = coordinates
    values = {
        "images": Images.from_array(as_vectors(CELL), ("Li",) * atoms, xyz),
        "mover": atoms - 1,
        "energies": tuple(map(float, energies)),
        "tangent_forces": tuple(map(float, forces)),
        "coordinates": tuple(map(float, coordinates)),
        "climbing": climbing,
        "climb_force": 0.0 if norm is None else norm,
        "max_force": 0.1,
        "converged": True,
        "steps": 10,
        "force_calls": 50,
        "stamp": STAMP,
        "residual_norm": norm,
    }
    return Band(**(values | fields))


def quadratic(along, across, off, aside, *, spacing=0.6, known=True):
    """A band over E = −½ a s² + ½ Σ bᵢ yᵢ², its top image at s = off, y = aside.

    The saddle has energy 0, so the error of the top is its energy.
    """
    s = off + spacing * np.arange(-2, 3)
    energies = -0.5 * along * s**2
    energies[2] += 0.5 * float(across @ aside**2)
    forces = along * s
    norm = float(np.linalg.norm([along * off, *(across * aside)]))
    # The ends stand for minima, far below.
    energies = np.concatenate([[energies.min() - 1.0], energies, [energies.min() - 1.0]])
    s = np.concatenate([[s[0] - 2.0], s, [s[-1] + 2.0]])
    forces = np.concatenate([[0.0], forces, [0.0]])
    band = band_of(
        energies,
        forces,
        s - s[0],
        climbing=3,
        climb_force=norm,
        residual_norm=norm if known else None,
    )
    return band, float(energies[3])


QUADRATIC = {
    "along": st.floats(0.2, 10.0),
    "across": st.lists(st.floats(ACROSS, 10.0), min_size=1, max_size=6).map(np.array),
    "off": st.floats(-0.05, 0.05),
    "size": st.floats(0.0, 0.02),
    "seed": st.integers(0, 2**16),
}


@settings(max_examples=150, deadline=None)
@given(known=st.booleans(), **QUADRATIC)
def test_the_error_of_a_quadratic_saddle_lies_within_the_bound(
    along, across, off, size, seed, known
):
    aside = size * np.random.default_rng(seed).normal(size=len(across))
    band, error = quadratic(along, across, off, aside, known=known)
    found = barrier_error(band)
    assert abs(error) <= found.energy + 1e-12
    assert curvature_along(band, 3) <= along * (1.0 + 1e-9) + np.sum(across * aside**2) / 0.36


@settings(max_examples=100, deadline=None)
@given(**QUADRATIC)
def test_the_bound_falls_with_the_square_of_the_force_that_is_left(along, across, off, size, seed):
    aside = size * np.random.default_rng(seed).normal(size=len(across))
    far = barrier_error(quadratic(along, across, off, aside)[0])
    near = barrier_error(quadratic(along, across, off / 2.0, aside / 2.0)[0])
    assert near.residual == pytest.approx(far.residual / 2.0)
    # The energies of the neighbours enter the curvature along, which changes a little.
    assert near.energy <= 0.3 * far.energy + 1e-9


def test_along_an_exact_parabola_the_bound_is_the_error():
    band, error = quadratic(2.0, np.array([1.0]), 0.1, np.array([0.0]))
    found = barrier_error(band)
    assert error == pytest.approx(-0.01)
    assert found.energy == pytest.approx(0.01)
    assert found.fit_difference == pytest.approx(0.01)
    assert found.residual == pytest.approx(0.2)
    assert curvature_along(band, 3) == pytest.approx(2.0)


def test_without_its_norm_the_force_is_taken_to_be_on_every_atom():
    energies, forces, s = (0.0, 0.2, 0.3, 0.2, 0.0), (0.0, -0.3, 0.0, 0.3, 0.0), np.arange(5.0)
    fields = {"climbing": 2, "climb_force": 0.02}
    alone = barrier_error(band_of(energies, forces, s, **fields))
    many = barrier_error(band_of(energies, forces, s, atoms=25, **fields))
    known = barrier_error(band_of(energies, forces, s, atoms=25, norm=0.04, **fields))
    assert alone.energy == pytest.approx(0.02**2 / (2.0 * ACROSS))
    assert many.energy == pytest.approx(25.0 * alone.energy)
    assert known.energy == pytest.approx(4.0 * alone.energy)
    assert alone.residual == many.residual == known.residual == 0.02


def test_no_image_is_further_above_the_saddle_than_above_the_higher_end():
    fields = {"climbing": 2, "climb_force": 5.0}
    band = band_of((0.0, 0.2, 0.3, 0.2, 0.1), (0.0, -0.3, 0.0, 0.3, 0.0), np.arange(5.0), **fields)
    assert barrier_error(band).energy == pytest.approx(0.2)


def test_an_image_that_does_not_climb_has_its_force_along_the_path_as_well():
    energies, forces = (0.0, 0.2, 0.3, 0.2, 0.0), (0.0, -0.3, 0.04, 0.3, 0.0)
    found = barrier_error(band_of(energies, forces, np.arange(5.0), climb_force=0.03))
    assert found.residual == pytest.approx(0.05)


def test_a_force_that_is_no_number_is_still_a_plain_number():
    band = band_of((0.0, 0.3, 0.0), (0.0, 0.0, 0.0), np.arange(3.0), climb_force=float("inf"))
    found = barrier_error(band)
    assert found.residual == 1e6
    assert found.energy == pytest.approx(0.3)


@pytest.mark.parametrize(
    "fields",
    [{"force_calls": 0}, {"failure": "no"}, {"energies": (0.0, float("nan"), 0.0)}],
)
def test_a_band_that_did_not_run_has_no_error(fields):
    energies = fields.pop("energies", (0.0, 0.3, 0.0))
    assert barrier_error(band_of(energies, (0.0,) * 3, np.arange(3.0), **fields)) is None


def test_a_way_that_only_goes_up_has_no_saddle_to_be_wrong_about():
    band = band_of((0.0, 0.1, 0.2, 0.3), (0.0, -0.1, -0.1, 0.0), np.arange(4.0))
    found = barrier_error(band)
    assert found.energy is None
    assert Check.CURVES_DOWN in found.unverified


HILL = ((0.0, 0.2, 0.3, 0.2, 0.0), (0.0, -0.2, 0.0, 0.2, 0.0), np.arange(5.0))


def finding(check, value, *, passed=True):
    return Finding(check=check, value=value, passed=passed)


SADDLE = (
    finding("curvature along the path at a saddle", -1.2),
    finding("second lowest curvature found at a saddle", 0.4),
    finding("error of a saddle's energy, as far as its curvatures tell", 0.008),
)


def test_a_plain_band_shows_a_maximum_along_the_path_and_no_more():
    found = barrier_error(band_of(*HILL, norm=0.01, climbing=2))
    assert found.verified == (Check.CONVERGED, Check.RESOLVED, Check.CURVES_DOWN)
    assert found.unverified == (Check.ONE_NEGATIVE, Check.JOINS_ENDS)


def test_a_proven_band_brings_its_curvatures_and_its_own_error():
    found = barrier_error(band_of(*HILL, norm=0.01, climbing=2, proven=True, findings=SADDLE))
    assert set(found.verified) == set(Check)
    assert found.unverified == ()
    assert found.energy == pytest.approx(0.008)  # larger than 0.01² / (2 · ACROSS)


def test_findings_of_a_band_that_is_not_proven_may_be_of_other_saddles():
    found = barrier_error(band_of(*HILL, norm=0.01, climbing=2, proven=False, findings=SADDLE))
    assert found == barrier_error(band_of(*HILL, norm=0.01, climbing=2))


def test_one_saddle_with_a_second_negative_curvature_spoils_the_check():
    second = (*SADDLE, finding(SADDLE[1].check, -0.4, passed=False))
    found = barrier_error(band_of(*HILL, norm=0.01, climbing=2, proven=True, findings=second))
    assert Check.ONE_NEGATIVE in found.unverified


def test_every_check_is_named_once():
    for band in (band_of(*HILL), band_of(*HILL, converged=False, proven=False)):
        found = barrier_error(band)
        assert sorted(found.verified + found.unverified) == sorted(Check)
