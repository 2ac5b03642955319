"""A lattice that is held still: what it computes, and what it feels."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from dualion.engines.calculators import build_source
from dualion.engines.registry import EngineChoice, find_entry
from dualion.engines.rigid import at_sites, rigid_entry
from dualion.errors import InputError
from dualion.records import Geometry

GOLD = Geometry.from_atoms(bulk("Au", "fcc", a=4.4))


def source(parent=GOLD, mobile="Cu"):
    entry = rigid_entry(find_entry("emt"), parent, mobile=mobile)
    return build_source(EngineChoice(name=entry.name, entry=entry))


def doped(shift=0.0):
    atoms = bulk("Au", "fcc", a=4.4) * (3, 3, 3)
    place = np.array([0.25, 0.25, 0.25]) * 4.4 + [0.1, -0.2, 0.05]
    rng = np.random.default_rng(3)
    atoms.positions += shift * rng.uniform(-1.0, 1.0, atoms.positions.shape)
    atoms.append("Cu")
    atoms.positions[-1] = place
    return atoms


def test_the_lattice_feels_nothing_and_the_ion_what_it_feels_in_the_plain_engine():
    atoms = doped()
    found = source()(atoms.numbers, atoms.positions, atoms.cell.array, stress=False)
    plain = build_source(EngineChoice(name="emt"))(
        atoms.numbers, atoms.positions, atoms.cell.array, stress=False
    )
    assert found.energy == pytest.approx(plain.energy, abs=1e-9)
    assert np.allclose(found.forces[-1], plain.forces[-1])
    assert not found.forces[:-1].any()
    assert abs(plain.forces[:-1]).max() > 0.01


def test_a_displaced_lattice_is_computed_at_its_sites():
    straight, shaken = doped(), doped(shift=0.4)
    shaken.positions[5] += 3 * shaken.cell.array[0]  # in another cell
    one, two = (
        source()(x.numbers, x.positions, x.cell.array, stress=False) for x in (straight, shaken)
    )
    assert two.energy == pytest.approx(one.energy, abs=1e-8)
    assert np.allclose(two.forces, one.forces, atol=1e-8)


def test_the_force_is_the_slope_of_the_energy():
    evaluate, atoms = source(), doped()
    step, slopes = 1e-4, []
    for axis in range(3):
        ends = []
        for sign in (1.0, -1.0):
            moved = atoms.positions.copy()
            moved[-1, axis] += sign * step
            ends.append(evaluate(atoms.numbers, moved, atoms.cell.array, stress=False).energy)
        slopes.append(-(ends[0] - ends[1]) / (2 * step))
    found = evaluate(atoms.numbers, atoms.positions, atoms.cell.array, stress=False)
    assert np.allclose(found.forces[-1], slopes, atol=1e-5)


def test_atoms_go_to_the_nearest_site_also_in_a_skewed_cell():
    hexagonal = Geometry.from_atoms(bulk("Ti", "hcp", a=3.0, c=4.9))
    cell = hexagonal.cell @ np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    cell[1] += 3 * cell[0]  # the same lattice, badly written
    sites = hexagonal.xyz @ np.linalg.inv(cell)
    rng = np.random.default_rng(1)
    exact = np.vstack([hexagonal.xyz + n @ cell for n in rng.integers(-4, 5, (40, 3))])
    # Half the distance of two neighbours is the limit.
    noise = rng.normal(size=exact.shape)
    noise *= 1.4 / np.linalg.norm(noise, axis=1)[:, None]
    assert np.allclose(at_sites(exact + noise, cell, sites), exact)


def test_the_lattice_is_part_of_the_level_of_theory():
    from dualion.engines.fingerprint import stamp_of

    wider = Geometry.from_atoms(bulk("Au", "fcc", a=4.5))
    stamps = {
        stamp_of(EngineChoice(name="emt-rigid", entry=rigid_entry(find_entry("emt"), p, mobile=m)))
        for p, m in ((GOLD, "Cu"), (wider, "Cu"), (GOLD, "Ag"))
    }
    assert len(stamps) == 3


def test_an_engine_that_moves_the_atoms_itself_is_refused():
    with pytest.raises(InputError, match="cannot hold a lattice still"):
        rigid_entry(find_entry("vasp"), GOLD, mobile="Li")
