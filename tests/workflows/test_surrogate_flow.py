"""A campaign whose engine is spared by a cheap one, from file to record."""

from __future__ import annotations

import pytest
from ase import Atoms
from ase.io import write
from jobflow.core.store import JobStore
from jobflow.managers.local import run_locally
from maggma.stores import MemoryStore

from dualion.launch.document import documents_of
from dualion.launch.run import prepare
from dualion.records import Check, HopRecord, Outcome
from dualion.workflows.pair import pair_flow

MORSE = """
- name: morse
  calculator: ase.calculators.morse:MorsePotential
  package: ase
  kwargs: {epsilon: 0.343, r0: 2.7, rho0: 3.9}
"""
CAMPAIGN = """
name: metal
framework: host.extxyz
working_ion: Cu
pair: [Cu, Ag]
engine: emt
doping: [pure, dilute]
cell: {min_image_distance: 7.0}
"""
LEARNT = "prior: learnt\nband: {method: surrogate}\n"
SURROGATE = "prior: morse\nband: {method: surrogate}\n"


def ready(folder, extra):
    folder.mkdir(exist_ok=True)
    places = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    write(
        folder / "host.extxyz",
        Atoms("AuCu3", scaled_positions=places, cell=[3.75] * 3, pbc=True),
    )
    file = folder / "campaign.yaml"
    file.write_text(CAMPAIGN + extra)
    return prepare(file)


@pytest.fixture
def morse(tmp_path, monkeypatch):
    file = tmp_path / "engines.yaml"
    file.write_text(MORSE)
    monkeypatch.setenv("DUALION_ENGINES", str(file))


def records_of(folder, extra=""):
    found = ready(folder, extra)
    flow = pair_flow(found.campaign, found.framework, found.engine)
    responses = run_locally(
        flow,
        store=JobStore(MemoryStore()),
        root_dir=folder,
        ensure_success=True,
        log=False,
        raise_immediately=True,
    )
    outputs = [last.output for found in responses.values() for last in found.values()]
    return {out.moving_ion: out for out in outputs if isinstance(out, HopRecord)}


@pytest.mark.usefixtures("morse")
@pytest.mark.parametrize("extra", [SURROGATE, LEARNT], ids=["morse", "learnt"])
def test_a_surrogate_s_records_are_those_of_the_engine_with_fewer_force_calls(tmp_path, extra):
    plain = records_of(tmp_path / "plain")
    found = records_of(tmp_path / "surrogate", extra)
    assert set(found) == set(plain) == {"Cu", "Ag"}
    for ion, record in found.items():
        assert record.outcome is plain[ion].outcome is Outcome.CONVERGED
        assert record.forward == pytest.approx(plain[ion].forward, abs=0.005)
        # The level of theory is the engine's; how its number was found is a setting.
        assert record.theory == plain[ion].theory
        assert record.record_id != plain[ion].record_id
        assert record.force_calls < 0.3 * plain[ion].force_calls
        assert Check.CONVERGED in record.error.verified
        assert Check.JOINS_ENDS in record.error.unverified  # seen on the surrogate alone
        assert any(finding.check.endswith("on the surrogate") for finding in record.findings)


@pytest.mark.usefixtures("morse")
def test_jobs_of_an_engine_with_a_prior_go_to_workers_that_have_both(tmp_path):
    found = ready(tmp_path / "campaign", "prior: chgnet\nband: {method: surrogate}\n")
    documents = documents_of(pair_flow(found.campaign, found.framework, found.engine)).jobs
    relaxed = [document for document in documents if document.kind == "relax"]
    assert relaxed
    assert {document.category for document in relaxed} == {"chgnet+ase"}
