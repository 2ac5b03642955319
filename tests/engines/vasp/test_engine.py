"""VASP's relaxations and bands against dualion's own in the same potential."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from ase.build import bulk

from dualion.analysis.band import fitted_maximum
from dualion.engines import Engine
from dualion.engines import jobs as own
from dualion.engines.registry import get_engine
from dualion.engines.vasp.band import converge_band
from dualion.engines.vasp.engine import VaspEngine
from dualion.engines.vasp.relaxation import relax_structure
from dualion.errors import EngineError, InputError
from dualion.records import Geometry, Outcome
from dualion.settings import BandSettings, RelaxSettings
from standin.vasp.bench import BAND, RELAX, SHIFT

TIGHT = RelaxSettings(fmax=0.005)


@pytest.fixture(scope="module")
def emt():
    return get_engine("emt").choice


def test_a_relaxation_ends_where_dualions_own_ends(vasp, shaken, emt):
    start = shaken
    found = vasp.scoped("end", relax_structure, start, vasp.choice, TIGHT, charge=-1)
    mine = own.relax_structure(start, emt, TIGHT)
    assert found.converged
    assert not found.failure
    assert found.max_force < TIGHT.fmax
    assert found.energy == pytest.approx(mine.energy + SHIFT * len(start), abs=1e-4)
    assert found.geometry.species == start.species
    drift = (found.geometry.xyz - mine.geometry.xyz).mean(axis=0)
    assert np.abs(found.geometry.xyz - mine.geometry.xyz - drift).max() < 0.01
    assert found.start_energy == pytest.approx(
        own.relax_structure(start, emt, RelaxSettings(steps=1)).energy + SHIFT * len(start),
        abs=1e-6,
    )
    assert (found.charge, found.stamp.engine) == (-1, "vasp-pbe")
    assert vasp.seen[-1] == found.force_calls


def test_a_host_relaxes_with_its_lattice_until_the_basis_fits(vasp, emt):
    strained = Geometry.from_atoms(bulk("Cu", a=3.75))
    found = vasp.scoped(
        "host", relax_structure, strained, vasp.choice, TIGHT, cell=True, keep_symmetry=True
    )
    mine = own.relax_structure(strained, emt, TIGHT, cell=True)
    assert found.converged
    assert found.geometry.volume == pytest.approx(mine.geometry.volume, rel=2e-3)
    # 12 % of volume: the basis of the first run was that of another cell.
    assert len(vasp.runs("host")) == 2
    assert (vasp.tags("host")["ISIF"], vasp.tags("host")["ISYM"]) == (3, 2)


def test_a_band_has_the_barrier_of_dualions_own(finished, copper_path, emt):
    vasp, found = finished
    shift = SHIFT * len(copper_path.images.species)
    ends = {
        "initial_energy": copper_path.initial_energy - shift,
        "final_energy": copper_path.final_energy - shift,
    }
    mine = own.converge_band(copper_path.model_copy(update=ends), emt, BAND)
    assert found.converged
    assert found.climbing == 2
    assert max(found.energies) - shift == pytest.approx(max(mine.energies), abs=0.005)
    assert fitted_maximum(found) - shift == pytest.approx(fitted_maximum(mine), abs=0.01)
    # The hop is its own mirror: so are its profile and the forces along it.
    assert found.energies[1] == pytest.approx(found.energies[3], abs=0.003)
    assert found.tangent_forces[1] == pytest.approx(-found.tangent_forces[3], abs=0.05)
    assert found.tangent_forces[1] < 0.0 < found.tangent_forces[3]
    assert found.max_force < BAND.fmax_flanks
    assert found.climb_force < BAND.fmax
    assert found.residual_norm >= found.climb_force
    assert found.force_calls == 3 * found.steps == vasp.seen[-1]
    assert np.allclose(found.images.xyz[[0, -1]], copper_path.images.xyz[[0, -1]])
    checks = [finding.check for finding in found.findings]
    assert any("POTCAR PAW_PBE Cu" in check for check in checks)
    assert any("VASP 6.4.2, VTST 4.2" in check for check in checks)


def test_a_band_settles_before_it_climbs(finished):
    vasp, _ = finished
    first, second = (vasp.tags("band", run) for run in (0, 1))
    assert not first["LCLIMB"]
    assert second["LCLIMB"]
    assert (first["EDIFFG"], second["EDIFFG"]) == (-BAND.climb_from, -BAND.fmax)


def test_true_forces_on_a_band_are_those_of_the_potential(vasp, copper_path, emt):
    """The norm that the record's error bound uses, from VASP's projected forces."""
    settings = BandSettings(fmax=0.05, fmax_flanks=0.15, steps=4)
    found = vasp.scoped("band", converge_band, copper_path, vasp.choice, settings)
    top = int(np.argmax(found.energies))
    true = own.relax_structure(found.images.geometry(top), emt, RelaxSettings(fmax=1e-6, steps=1))
    forces = found.images.geometry(top).atoms()
    from ase.calculators.emt import EMT

    forces.calc = EMT()
    assert found.residual_norm == pytest.approx(np.linalg.norm(forces.get_forces()), abs=2e-3)
    assert found.energies[top] == pytest.approx(true.start_energy + SHIFT * len(forces), abs=1e-4)


def test_what_is_finished_is_read_not_computed_again(finished, vasp, copper_path):
    there, first = finished
    vasp.patch.setenv("ATOMATE2_VASP_CMD", "no_such_vasp")  # nothing may be started
    vasp.folder = there.folder
    runs = len(there.runs("band"))
    again = vasp.scoped("band", converge_band, copper_path, vasp.choice, BAND, charge=-1)
    energies = again.energies, again.images, again.steps, again.findings
    assert energies == (first.energies, first.images, first.steps, first.findings)
    assert len(there.runs("band")) == runs


def test_files_are_kept_beside_the_checkpoints_without_a_potcar(vasp, copper_ends):
    vasp.scoped("end", relax_structure, copper_ends[0], vasp.choice, RELAX)
    kept = vasp.folder / "vasp" / "end" / "run-1"
    names = {file.name for file in kept.iterdir()}
    assert {"OUTCAR.gz", "INCAR.gz", "custodian.json.gz"} <= names
    assert not [name for name in names if "POTCAR" in name]
    assert b"TITEL" in gzip.decompress((kept / "OUTCAR.gz").read_bytes())
    json.loads(gzip.decompress((kept / "custodian.json.gz").read_bytes()))


def test_out_of_steps_is_unconverged_and_no_failure(vasp, copper_path, shaken):
    few = RelaxSettings(fmax=0.001, steps=2)
    relaxed = vasp.scoped("end", relax_structure, shaken, vasp.choice, few)
    assert (relaxed.converged, relaxed.failure, relaxed.force_calls) == (False, "", 2)
    band = vasp.scoped("band", converge_band, copper_path, vasp.choice, BandSettings(steps=2))
    assert (band.converged, band.failure, band.steps) == (False, "", 2)


def test_a_path_that_is_decided_costs_nothing(vasp, copper_path):
    decided = copper_path.model_copy(update={"outcome": Outcome.ENDPOINT_COLLAPSED})
    band = vasp.scoped("band", converge_band, decided, vasp.choice, BAND)
    assert (band.steps, band.force_calls) == (0, 0)
    assert not vasp.runs("band")


def test_plain_vasp_is_found_out_and_the_message_says_what_to_do(vasp, copper_path, monkeypatch):
    monkeypatch.setenv("VASP_STANDIN_VTST", "0")
    with pytest.raises(EngineError, match=r"no VTST.*method: adaptive"):
        vasp.scoped("band", converge_band, copper_path, vasp.choice, BAND)
    monkeypatch.setenv("DUALION_VASP_VTST", "false")
    with pytest.raises(EngineError, match=r"no VTST.*method: adaptive"):
        vasp.scoped("other", converge_band, copper_path, vasp.choice, BAND)
    assert not vasp.runs("other")


@pytest.mark.slow  # one start of an executable for every force call
def test_plain_vasp_gives_forces_to_a_band_that_dualion_moves(
    vasp, finished, copper_path, monkeypatch
):
    monkeypatch.setenv("VASP_STANDIN_VTST", "0")
    adaptive = BandSettings(method="adaptive", fmax=0.05)
    found = vasp.scoped("band", own.converge_band, copper_path, vasp.choice, adaptive, charge=-1)
    assert found.converged
    assert found.proven
    assert max(found.energies) == pytest.approx(max(finished[1].energies), abs=0.005)


def test_images_that_cannot_share_the_cores_are_refused_before_anything_runs(vasp, copper_path):
    vasp.patch.setenv("DUALION_VASP_CORES", "8")
    with pytest.raises(InputError, match="8 MPI ranks cannot be shared by 3 images"):
        vasp.scoped("band", converge_band, copper_path, vasp.choice, BAND)
    assert not vasp.runs("band")


def test_a_command_that_is_not_there_is_named(vasp, copper_ends):
    vasp.patch.setenv("ATOMATE2_VASP_CMD", "no_such_vasp")
    with pytest.raises(EngineError, match=r"no 'no_such_vasp'.*ATOMATE2_VASP_CMD"):
        vasp.scoped("end", relax_structure, copper_ends[0], vasp.choice, RELAX)


@pytest.mark.usefixtures("vasp")
def test_the_engine_keeps_the_contract_of_engines(copper_ends, copper_path):
    engine = get_engine("vasp")
    assert isinstance(engine, VaspEngine)
    assert isinstance(engine, Engine)
    assert engine.charged
    assert engine.category == "atomate2"
    relax = engine.relax(copper_ends[0], cell=False, charge=-1, settings=RELAX)
    band = engine.band(copper_path, settings=BAND)
    adaptive = engine.band(copper_path, settings=BandSettings(method="adaptive"))
    kinds = [(job.metadata["kind"], job.metadata["engine"]) for job in (relax, band, adaptive)]
    assert kinds == [("relax", "vasp-pbe"), ("band", "vasp-pbe"), ("band", "vasp-pbe")]
    assert all(
        job.config.manager_config == {"_category": "atomate2"} for job in (relax, band, adaptive)
    )
