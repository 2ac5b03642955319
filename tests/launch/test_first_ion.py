"""The first ion's band as the start of the second, through the local runner and its workers."""

from __future__ import annotations

import os

import pytest
from pymatgen.core import Lattice, Structure

from dualion.launch.run import prepare, run_campaign

CALCULATOR = """\
import os
from ase.calculators.emt import EMT

class FragileEMT(EMT):
    # Ends its process where copper passes between copper; relaxed states are not as tight.
    def calculate(self, atoms=None, properties=None, system_changes=None):
        apart = atoms.get_all_distances(mic=True)
        tight = apart[apart > 0.0].min(initial=9.0) < 2.3
        if len(atoms) == 26 and set(atoms.symbols) == {"Cu"} and tight:
            os.abort()
        super().calculate(atoms, properties, system_changes)
"""

CAMPAIGN = """
name: metal
framework: cu.cif
pair: [Cu, Ag]
engine: {engine}
doping: [pure, dilute]
cell: {{min_image_distance: 7.0}}
relax: {{fmax: 0.005}}
band: {{method: adaptive}}
path: {{from_first_ion: {flag}}}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "fragile_emt.py").write_text(CALCULATOR)
    (tmp_path / "engines.yaml").write_text(
        "- name: fragile-emt\n  calculator: fragile_emt:FragileEMT\n  package: ase\n"
    )
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("DUALION_ENGINES", str(tmp_path / "engines.yaml"))
    Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.6), ["Cu"], [[0, 0, 0]]).to(
        str(tmp_path / "cu.cif")
    )

    def start(*, flag, engine="emt"):
        file = tmp_path / "metal.yaml"
        file.write_text(CAMPAIGN.format(flag=str(flag).lower(), engine=engine))
        runs = tmp_path / f"runs-{flag}"
        done = run_campaign(prepare(file), runs=runs, store=runs / "store.sqlite", workers=1)
        return done.state, {record.moving_ion: record for record in done.state.records}

    return start


def starts(record):
    return [f.check for f in record.findings if "starts it" in f.check]


def test_with_and_without_the_first_ions_band_the_barriers_are_the_same(run):
    _, alone = run(flag=False)
    _, served = run(flag=True)
    assert set(alone) == set(served) == {"Cu", "Ag"}
    assert not starts(alone["Ag"])
    assert starts(served["Ag"]) == ["share of the hop at which the band of Cu (emt) starts it"]
    assert served["Cu"].record_id != alone["Cu"].record_id  # the switch is a setting
    assert served["Cu"].energies == alone["Cu"].energies
    for ion, record in served.items():
        assert record.forward == pytest.approx(alone[ion].forward, abs=0.005)
        assert record.reverse == pytest.approx(alone[ion].reverse, abs=0.005)
    assert served["Ag"].force_calls <= alone["Ag"].force_calls


def test_a_first_band_that_ends_its_workers_does_not_take_the_second_ion_along(run):
    state, records = run(flag=True, engine="fragile-emt")
    assert [name.split()[0] for name in state.failed] == ["Cu"]
    assert [name.split()[0] for name in state.skipped] == ["Cu"]
    assert set(records) == {"Ag"}
    assert records["Ag"].outcome.is_barrier
    assert not starts(records["Ag"])
