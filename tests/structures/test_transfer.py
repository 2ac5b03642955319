"""A band's saddle on other ends: against what translation, identity and hand calculation give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualion.records import (
    Band,
    EndPoints,
    EngineStamp,
    Geometry,
    Images,
    Outcome,
    Relaxed,
    as_vectors,
)
from dualion.settings import PathSettings
from dualion.structures.path import build_path
from dualion.structures.transfer import transferred_start

STAMP = EngineStamp(engine="cheap", code="none", version="0")
CELL = np.array([[9.0, 0.0, 0.0], [1.0, 8.5, 0.0], [0.0, -0.5, 10.0]])
SYMBOLS = ("S", "Cl", "P")
SPECTATORS = np.array([[6.5, 2.0, 2.0], [3.0, 6.0, 7.0], [6.0, 6.0, 5.0]])
FROM, TO = np.array([1.0, 1.5, 2.0]), np.array([3.6, 2.3, 2.8])


def way(seed=0, *, bow=0.7, images=5):
    """Images of a made-up band: the mover on a bow, the others giving way a little."""
    rng = np.random.default_rng(seed)
    share = np.linspace(0.0, 1.0, images)[:, None, None]
    first, last = np.vstack([SPECTATORS, FROM]), np.vstack([SPECTATORS, TO])
    last[:-1] += rng.normal(0.0, 0.1, (3, 3))
    xyz = first + share * (last - first)
    aside = rng.normal(0.0, 0.1, first.shape)
    aside[-1] = [0.0, 0.0, bow]
    return xyz + np.sin(np.pi * share) * aside


def band_of(xyz, *, ion="Li", top=2, **fields):
    count = len(xyz)
    values = {
        "images": Images.from_array(as_vectors(CELL), (*SYMBOLS, ion), xyz),
        "mover": len(SYMBOLS),
        "energies": tuple(float(k == top) for k in range(count)),
        "tangent_forces": (0.0,) * count,
        "coordinates": tuple(float(k) for k in range(count)),
        "climbing": top,
        "climb_force": 0.01,
        "max_force": 0.01,
        "converged": True,
        "steps": 3,
        "force_calls": 30,
        "stamp": STAMP,
    }
    return Band(**(values | fields))


def carried(band, first, last, *, species=(*SYMBOLS, "Cu"), cell=CELL, min_distance=0.8):
    return transferred_start(
        band, first, last, species=species, cell=cell, min_distance=min_distance
    )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), top=st.integers(1, 3), engine=st.sampled_from(["cheap", "dear"]))
def test_between_the_same_ends_the_start_is_the_saddle_to_the_last_bit(seed, top, engine):
    xyz = way(seed)
    band = band_of(xyz, top=top, stamp=EngineStamp(engine=engine, code="none", version="1"))
    start, finding = carried(band, xyz[0], xyz[-1])
    assert np.array_equal(start, xyz[top])
    assert finding.passed
    assert 0.1 <= finding.value <= 0.9


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shift=st.tuples(*[st.floats(-0.5, 0.5)] * 3),
    cells=st.lists(st.tuples(*[st.integers(-2, 2)] * 3), min_size=4, max_size=4),
)
def test_a_rigid_shift_of_the_ends_shifts_the_saddle_whatever_the_lattice_vectors(
    seed, shift, cells
):
    xyz = way(seed)
    moved = np.array(shift) + np.array(cells) @ CELL
    start, _ = carried(band_of(xyz), xyz[0] + moved, xyz[-1] + moved)
    np.testing.assert_allclose(start, xyz[2] + moved, atol=1e-9)


def test_the_start_is_the_formula_with_another_hop():
    xyz = way(3)
    rng = np.random.default_rng(1)
    y0, y1 = (xyz[k] + rng.uniform(-0.3, 0.3, xyz[0].shape) for k in (0, -1))
    start, finding = carried(band_of(xyz), y0, y1)
    along = xyz[-1] - xyz[0]
    share = np.vdot(xyz[2] - xyz[0], along) / np.vdot(along, along)
    assert finding.value == pytest.approx(share)
    straight = (1 - share) * y0 + share * y1
    aside = xyz[2] - (1 - share) * xyz[0] - share * xyz[-1]
    np.testing.assert_allclose(start, straight + aside, atol=1e-12)


@pytest.mark.parametrize(("top", "share"), [(1, 0.1), (3, 0.9)])
def test_a_saddle_beside_an_end_keeps_a_tenth_of_the_hop_away_from_the_other_end(top, share):
    xyz = way(0)
    xyz[top] = xyz[0 if top == 1 else -1] + 0.02
    y0, y1 = xyz[0], xyz[-1] + 0.2
    start, finding = carried(band_of(xyz, top=top), y0, y1)
    assert finding.value == share
    np.testing.assert_allclose(start, xyz[top] + share * 0.2, atol=1e-12)


def test_a_cell_a_little_larger_stretches_the_band_with_it():
    # The band of a cheap engine on the lattice that a dearer one has relaxed for itself.
    xyz = way(5)
    start, _ = carried(band_of(xyz), 1.01 * xyz[0], 1.01 * xyz[-1], cell=1.01 * CELL)
    np.testing.assert_allclose(start, 1.01 * xyz[2], atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"converged": False}, "not converged"),
        ({"failure": "SCF did not converge"}, "not converged"),
        ({"climbing": None}, "no maximum"),
        ({"climbing": 0}, "no maximum"),
        ({"mover": 1}, "not the same"),
    ],
)
def test_a_band_that_is_no_barrier_gives_no_start(changes, reason):
    xyz = way()
    start, finding = carried(band_of(xyz, **changes), xyz[0], xyz[-1])
    assert start is None
    assert reason in finding.check
    assert finding.passed  # the hop is none the worse for it


def test_bands_of_other_atoms_or_cells_give_no_start():
    xyz = way()
    band = band_of(xyz)
    refused = [
        carried(band, xyz[0][1:], xyz[-1][1:], species=("Cl", "P", "Cu")),
        carried(band, xyz[0], xyz[-1], species=("S", "Br", "P", "Cu")),
        carried(band, xyz[0], xyz[-1], species=("Cl", "S", "P", "Cu")),
        carried(band, xyz[0], xyz[-1], cell=CELL * [1.2, 1.0, 1.0]),
    ]
    assert [start for start, _ in refused] == [None] * 4
    assert "4 atoms, not 3" in refused[0][1].check


@pytest.mark.parametrize("atom", [0, 3])
@pytest.mark.parametrize("end", [0, 1])
def test_an_end_that_relaxed_elsewhere_gives_no_start(atom, end):
    xyz = way()
    ends = [xyz[0].copy(), xyz[-1].copy()]
    ends[end][atom] += [0.0, 0.8, 0.8]
    start, finding = carried(band_of(xyz), *ends)
    assert start is None
    assert finding.value == pytest.approx(0.8 * np.sqrt(2.0))


def test_a_mover_that_goes_the_other_way_round_the_cell_makes_another_hop():
    xyz = way()
    there = xyz[-1].copy()
    there[-1] -= CELL[0]
    assert carried(band_of(xyz), xyz[0], there)[0] is None


def test_a_start_in_which_atoms_clash_is_not_taken():
    xyz = way()
    xyz[2, -1] = xyz[2, 0] + [0.3, 0.0, 0.0]
    start, finding = carried(band_of(xyz), xyz[0], xyz[-1])
    assert start is None
    assert finding.value == pytest.approx(0.3)


def relaxed(geometry):
    return Relaxed(
        geometry=geometry,
        energy=0.0,
        max_force=0.0,
        converged=True,
        force_calls=1,
        stamp=STAMP,
    )


def path_like(band, *, to=TO):
    """The path of copper between the unrelaxed ends, the mover first in the initial state."""
    species = (*SYMBOLS, "Cu")
    first = Geometry(
        lattice=as_vectors(CELL),
        species=("Cu", *SYMBOLS),
        positions=as_vectors(np.vstack([FROM, SPECTATORS])),
    )
    last = Geometry(
        lattice=as_vectors(CELL),
        species=species,
        positions=as_vectors(np.vstack([SPECTATORS, to])),
    )
    ends = EndPoints(
        initial=first,
        final=last,
        initial_order=(1, 2, 3, 0),
        final_order=(0, 1, 2, 3),
        species=species,
        mover_from=as_vectors([FROM])[0],
        mover_to=as_vectors([TO])[0],
    )
    return build_path(relaxed(first), relaxed(last), ends, PathSettings(), seed=1, like=band)


def test_a_path_keeps_its_own_images_and_carries_the_start_beside_them():
    xyz = way(2)
    alone, served = path_like(None), path_like(band_of(xyz))
    assert alone.start is None
    assert served.images == alone.images
    assert any("the band of Li (cheap) starts it" in f.check for f in served.findings)
    first, last = served.images.xyz[[0, -1]]
    expected, _ = carried(band_of(xyz), first, last)
    np.testing.assert_allclose(np.array(served.start), expected, atol=1e-12)


def test_a_band_that_does_not_fit_leaves_the_path_as_it_is_and_says_so():
    alone, other = path_like(None), path_like(band_of(way(2), converged=False))
    assert other.start is None
    assert other.images == alone.images
    assert other.findings[:-1] == alone.findings
    assert "does not start the hop" in other.findings[-1].check


def test_a_path_that_is_decided_needs_no_start():
    decided = path_like(band_of(way(2)), to=FROM + 0.05)
    assert decided.outcome is Outcome.ENDPOINT_COLLAPSED
    assert decided.start is None
