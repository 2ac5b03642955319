"""The shipped DFT campaign, run with GPAW, against plain ASE and GPAW."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dualion.launch.run import prepare, run_campaign

ROOT = Path(__file__).parents[2]
PLAIN = ROOT / "benchmarks" / "dft" / "plain_gpaw.json"
"""Made by benchmarks/dft/plain_gpaw.py, which imports nothing of dualion."""


@pytest.mark.gpaw
def test_the_smoke_campaign_agrees_with_plain_ase_and_gpaw(tmp_path):
    stored = json.loads(PLAIN.read_text())
    ready = prepare(ROOT / "workflows" / "dft_smoke.yaml")
    run = run_campaign(ready, runs=tmp_path, store=tmp_path / "barriers.sqlite", workers=2)
    assert not run.state.failed
    records = {record.moving_ion: record for record in run.state.records}
    assert set(records) == set(stored["hops"]) == {"Li", "Na"}
    for ion, plain in stored["hops"].items():
        record = records[ion]
        assert plain["converged"]
        assert record.outcome.is_barrier
        assert record.theory.charge == stored["settings"]["charge"] == -1
        assert record.forward == pytest.approx(plain["barrier"], abs=0.005)
        assert record.reverse == pytest.approx(plain["reverse"], abs=0.005)
        # The settings of both are the same.
        told = dict(record.theory.stamp.parameters)
        assert float(told["cutoff"]) == stored["settings"]["mode"]["ecut"]
        assert float(told["smearing"]) == stored["settings"]["occupations"]["width"]
        assert told["functional"] == stored["settings"]["xc"]
    # Not the ridge that a straight path converges onto.
    assert records["Li"].forward < 0.4
