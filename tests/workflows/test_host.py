from __future__ import annotations

import numpy as np
import pytest

from dualion.errors import RunError
from dualion.records import EngineStamp, Framework, Geometry, Relaxed, Supercell
from dualion.settings import HostSettings
from dualion.workflows.host import judge_host, rattled

CUBE = Geometry(
    lattice=((5.0, 0, 0), (0, 5.0, 0), (0, 0, 5.0)),
    species=("Li", "Cl"),
    positions=((0, 0, 0), (2.5, 2.5, 2.5)),
)
STAMP = EngineStamp(engine="test", code="test", version="1")


def relaxed(geometry, energy, **more):
    return Relaxed(
        geometry=geometry,
        energy=energy,
        max_force=more.pop("max_force", 0.005),
        converged=more.pop("converged", True),
        force_calls=1,
        stamp=STAMP,
        **more,
    )


def judged(fall, shift=0.0, **host):
    framework = Framework(name="cube", working_ion="Li", parent=CUBE)
    double = Geometry(
        lattice=((10.0, 0, 0), (0, 5.0, 0), (0, 0, 5.0)),
        species=("Li", "Li", "Cl", "Cl"),
        positions=((0, 0, 0), (5, 0, 0), (2.5, 2.5, 2.5), (7.5, 2.5, 2.5)),
    )
    cell = Supercell(
        matrix=((2, 0, 0), (0, 1, 0), (0, 0, 1)),
        geometry=double,
        parent_index=(0, 0, 1, 1),
        parent_image=((0, 0, 0), (1, 0, 0), (0, 0, 0), (1, 0, 0)),
        min_image_distance=5.0,
    )
    offsets = np.zeros((4, 3))
    offsets[0, 0] = shift
    moved = double.moved(double.xyz + offsets)
    shaken = relaxed(moved, -20.0 - fall)
    return judge_host(framework, relaxed(CUBE, -10.0, **host), cell, shaken, HostSettings())


def test_a_host_that_comes_back_keeps_its_symmetry():
    state = judged(0.001, shift=0.01)
    assert not state.broken_symmetry
    assert state.supercell.geometry.xyz[0, 0] == 0.0
    assert state.energy == pytest.approx(-20.0)


@pytest.mark.parametrize("fall", [0.009, 0.06])  # 2.25 meV/atom; 60 meV/cell
def test_a_host_that_falls_is_used_in_its_lower_form(fall):
    state = judged(fall, shift=0.4)
    assert state.broken_symmetry
    assert state.supercell.geometry.xyz[0, 0] == pytest.approx(0.4)
    assert state.energy == pytest.approx(-20.0 - fall)
    assert state.symmetric_energy == pytest.approx(-20.0)
    displacement = next(f for f in state.findings if "displacement" in f.check)
    assert displacement.value == pytest.approx(0.3)  # less the mean of four atoms


def test_a_host_that_does_not_relax_ends_the_campaign_with_a_reason():
    with pytest.raises(RunError, match=r"framework 'cube'.*0\.200 eV/Å"):
        judged(0.0, converged=False, max_force=0.2)
    with pytest.raises(RunError, match="no such element"):
        judged(0.0, failure="no such element")


def test_rattling_is_seeded_and_leaves_the_centre_where_it_was():
    one, two = (rattled(CUBE, width=0.05, seed=3) for _ in range(2))
    assert one == two
    assert one != rattled(CUBE, width=0.05, seed=4)
    assert np.allclose((one.xyz - CUBE.xyz).mean(axis=0), 0.0)
    assert 0.0 < np.abs(one.xyz - CUBE.xyz).max() < 0.3
