"""The whole chain of a validation, on metals and then on the lattices of sulphur."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from dualion.launch.state import RunState
from dualion.launch.validation import predictions, prepare_validation, validate
from dualion.records import Outcome
from dualion.settings import CellSettings
from dualion.store.opening import open_store
from dualion.structures.library import Library, shipped_library
from dualion.workflows.reference import ReferenceHop, RigidLattice, chosen, reference_set

CU3AU = """data_Cu3Au
_cell_length_a 3.75
_cell_length_b 3.75
_cell_length_c 3.75
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Au1 Au 0 0 0
Cu1 Cu 0 0.5 0.5
Cu2 Cu 0.5 0 0.5
Cu3 Cu 0.5 0.5 0
"""
SMALL = CellSettings(min_image_distance=7.0)


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "cu3au.cif").write_text(CU3AU)
    (folder / "catalogue.yaml").write_text(
        "frameworks:\n- {name: cu3au, file: cu3au.cif, working_ion: Cu}\n"
    )
    return Library(folder)


def hop(**fields):
    return ReferenceHop(
        **{
            "family": "alloy",
            "framework": "cu3au",
            "ion": "Cu",
            "host": "filled",
            "path": "nearest",
            "length": 2.652,
            "barrier": 0.5,
            "doi": "10.1000/xyz",
        }
        | fields
    )


def test_hops_are_computed_stored_and_held_against_the_literature(tmp_path, library):
    gold = RigidLattice(packing="fcc", species="Au", volume=22.0)
    hops = (
        hop(),
        hop(framework="gold", host="rigid", lattice=gold, length=1.926, path="T-O-T"),
    )
    prepared = prepare_validation(hops, engine="emt", library=library, cell=SMALL)
    runs, store = tmp_path / "runs", tmp_path / "some.sqlite"
    done = validate(prepared, runs=runs, store=store, workers=2)
    assert not done.state.failed
    vacancy, rigid = done.validation.predictions
    assert vacancy.outcome is Outcome.CONVERGED
    assert vacancy.error == pytest.approx(vacancy.predicted - 0.5)
    assert done.validation.total.barriers == 2
    with open_store(store, read_only=True) as opened:
        assert opened.get(vacancy.record_id).arrangement.label == "pure"
        kept = opened.get(rigid.record_id)
    assert kept.arrangement.label == "empty"
    assert kept.formula.startswith("Au")

    # The barrier in the rigid lattice is that of the straight line, found without dualion.
    edge = (4 * 22.0) ** (1 / 3)
    atoms = bulk("Au", "fcc", a=edge) * (3, 3, 3)
    atoms.append("Cu")
    atoms.calc = EMT()
    energies = []
    for share in np.linspace(0.0, 1.0, 101):
        atoms.positions[-1] = (0.25 + 0.25 * share) * edge * np.ones(3)
        energies.append(atoms.get_potential_energy())
    wanted = max(energies) - min(energies[0], energies[-1])
    assert wanted > 0.1
    assert rigid.predicted == pytest.approx(wanted, abs=0.005)

    again = validate(prepared, runs=runs, store=store, workers=2)
    assert again.state.force_calls == 0
    assert [each.predicted for each in again.validation.predictions] == [
        each.predicted for each in done.validation.predictions
    ]


def test_a_hop_without_a_record_says_which_job_has_failed(library):
    prepared = prepare_validation((hop(), hop(path="other")), engine="emt", library=library)
    name = "cu3au other Cu: judge the Cu host"
    state = RunState(failed={name: "the host did not relax"}, skipped=["cu3au nearest Cu: path"])
    one, two = predictions(prepared.cases, state)
    assert (one.predicted, one.outcome, one.error) == (None, None, None)
    assert "has failed" in one.reason
    assert two.reason == "the host did not relax"


def test_a_record_of_other_settings_is_not_taken(make_record, library):
    ((asked, framework, campaign),) = prepare_validation(
        (hop(),), engine="emt", library=library
    ).cases
    record = make_record(framework="cu3au", moving_ion="Cu", host_ion="Cu", label="pure")
    same = record.model_copy(
        update={
            "provenance": record.provenance.model_copy(
                update={"settings_fingerprint": campaign.settings_fingerprint}
            )
        }
    )
    cases = ((asked, framework, campaign),)
    assert predictions(cases, RunState(records=[record]))[0].record_id == ""
    assert predictions(cases, RunState(records=[record, same]))[0].predicted == same.forward


@pytest.mark.slow
@pytest.mark.mlip
@pytest.mark.parametrize("engine", ["fast", "standard"])
def test_one_lithium_in_rigid_sulphur_moves_as_in_the_literature(tmp_path, engine):
    # doi 10.1038/nmat4369: bcc 0.15, hcp 0.20, fcc 0.39 eV at 40 Å3 for each S.
    prepared = prepare_validation(
        chosen(reference_set(), ["rigid lattice"]), engine=engine, library=shipped_library()
    )
    done = validate(prepared, runs=tmp_path / "runs", store=tmp_path / "x.sqlite", workers=2)
    found = {each.framework: each for each in done.validation.predictions}
    assert all(each.outcome is not None and each.outcome.is_barrier for each in found.values())
    bcc, hcp, fcc = (found[f"rigid-s-{name}"] for name in ("bcc", "hcp", "fcc"))
    assert bcc.predicted + 0.02 < hcp.predicted < fcc.predicted - 0.02
    for each in (bcc, hcp, fcc):
        assert each.charge == 0  # a potential knows none
        assert abs(each.error) < 0.2
