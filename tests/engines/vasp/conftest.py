"""A VASP engine on the stand-in, and a hop for it."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from ase.build import bulk, make_supercell

from dualion.engines.registry import get_engine
from dualion.engines.vasp.band import converge_band
from dualion.records import Geometry
from dualion.settings import RelaxSettings
from standin.vasp.bench import BAND, SHIFT, make_vasp
from standin.vasp.potcars import make_potcars

collect_ignore_glob = [] if importlib.util.find_spec("atomate2") else ["*.py"]


@pytest.fixture(scope="session")
def potcars(tmp_path_factory):
    return make_potcars(tmp_path_factory.mktemp("potcars"))


@pytest.fixture
def vasp(tmp_path, monkeypatch, potcars):
    return make_vasp(tmp_path, monkeypatch, potcars)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, potcars, copper_path):
    """A converged band: where it was run, and the band itself."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        vasp = make_vasp(folder, patch, potcars)
        band = vasp.scoped("band", converge_band, copper_path, vasp.choice, BAND, charge=-1)
    return vasp, band


@pytest.fixture(scope="session")
def copper_ends(hop_ends):
    """A vacancy in 2×2×2 copper, before and after its hop."""
    host = make_supercell(bulk("Cu", a=3.59), 2 * np.eye(3, dtype=int))
    first, last = hop_ends(host)
    return Geometry.from_atoms(first), Geometry.from_atoms(last)


@pytest.fixture(scope="session")
def shaken(copper_ends):
    """An end point off its minimum."""
    first = copper_ends[0]
    noise = np.random.default_rng(3).normal(0.0, 0.08, (len(first), 3))
    return first.moved(first.xyz + noise - noise.mean(axis=0))


@pytest.fixture(scope="session")
def copper_path(copper_ends, straight):
    """A path between ends that dualion itself relaxed in the same potential."""
    from dualion.engines.jobs import relax_structure

    emt = get_engine("emt").choice
    a, b = (relax_structure(end, emt, RelaxSettings(fmax=0.01)) for end in copper_ends)
    energies = (shifted(a), shifted(b))
    return straight(a.geometry, b.geometry, energies, images=3)


def shifted(relaxed):
    """Energy of a relaxation by dualion's EMT as the stand-in would write it."""
    return relaxed.energy + SHIFT * len(relaxed.geometry)
