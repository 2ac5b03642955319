"""Vacancy hops in fcc metals (EMT) against a band of plain ASE."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.mep import NEB
from ase.optimize import BFGS, FIRE

from dualion.engines import get_engine
from dualion.engines.jobs import converge_band, relax_structure
from dualion.records import Geometry
from dualion.settings import BandSettings, RelaxSettings


def ase_host(symbol):
    atoms = bulk(symbol, cubic=True)
    atoms.calc = EMT()
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-4)
    atoms.calc = None
    return atoms * (2, 2, 2)


def ase_barrier(first, last) -> float:
    """Relax both ends and converge a climbing-image band with nothing but ASE."""
    ends = [first.copy(), last.copy()]
    for atoms in ends:
        atoms.calc = EMT()
        assert BFGS(atoms, logfile=None).run(fmax=0.002, steps=200)
    images = [ends[0].copy() for _ in range(4)] + [ends[1].copy()]
    for atoms in images:
        atoms.calc = EMT()
    neb = NEB(images, k=1.0, climb=False, method="improvedtangent")
    neb.interpolate()
    for atoms in images[1:-1]:
        atoms.rattle(0.05, seed=8)
    FIRE(neb, logfile=None).run(fmax=0.1, steps=300)
    neb.climb = True
    assert FIRE(neb, logfile=None).run(fmax=0.01, steps=600)
    energies = [atoms.get_potential_energy() for atoms in images]
    return float(max(energies) - energies[0])


@pytest.mark.parametrize("symbol", ["Cu", "Ag", "Au"])
def test_the_vacancy_barrier_agrees_with_plain_ase_to_2_mev(symbol, hop_ends, straight):
    first, last = hop_ends(ase_host(symbol))
    engine = get_engine("emt")
    a, b = (
        relax_structure(Geometry.from_atoms(x), engine.choice, RelaxSettings())
        for x in (first, last)
    )
    path = straight(a.geometry, b.geometry, (a.energy, b.energy))
    xyz = path.images.xyz
    xyz[1:-1] += np.random.default_rng(1).normal(0.0, 0.05, xyz[0].shape)
    images = type(path.images).from_array(path.images.lattice, path.images.species, xyz)
    path = path.model_copy(update={"images": images})
    band = converge_band(path, engine.choice, BandSettings())
    assert a.converged
    assert b.converged
    assert band.converged
    assert max(band.energies) - band.energies[0] == pytest.approx(
        ase_barrier(first, last), abs=0.002
    )


@pytest.mark.parametrize("symbol", ["Cu", "Ag", "Au"])
def test_the_relaxed_lattice_agrees_with_plain_ase(symbol):
    start = Geometry.from_atoms(bulk(symbol, a=4.0, cubic=True))
    settings = RelaxSettings(fmax=0.005)
    choice = get_engine("emt").choice
    found = relax_structure(start, choice, settings, cell=True, keep_symmetry=True)
    host = ase_host(symbol)
    assert found.converged
    assert 8.0 * found.geometry.volume == pytest.approx(host.get_volume(), rel=2e-3)
