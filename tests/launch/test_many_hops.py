"""Two thousand hops behind one launch pad: what it costs to submit, to ask, and to compute.

The campaigns are those of ``benchmarks/cluster/machinery.py``, which prints the table in
docs/performance.md. There is no queue: one adds the start of a process to every job, which is
its own and not the machinery's. Seconds of a shared machine prove little: the limits are those that
were promised, far above what is measured, and what is asked of the database is counted.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "cluster" / "machinery.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("machinery", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        patch.setitem(sys.modules, "machinery", module)  # its dataclasses ask for it
        spec.loader.exec_module(module)
        yield module


def test_two_thousand_hops_are_submitted_and_asked_after_in_seconds(
    bench, database_server, tmp_path
):
    campaign = bench.submitted(database_server.address("many"), 169, tmp_path / "many")
    assert campaign.hops >= 2000
    assert campaign.submit.seconds < 60
    assert campaign.find.cpu < 300  # a job of the queue, not what the user waits for
    assert max(campaign.submit.memory, campaign.find.memory) < 500
    status = campaign.status()
    (state,) = json.loads(status.output)["campaigns"]
    assert state["hops"] == campaign.hops
    # 1.5 s on a quiet machine
    assert min(status.cpu, *(campaign.status().cpu for _ in range(2))) < 6.0


def test_a_job_costs_no_more_among_two_thousand_than_among_a_hundred(
    bench, database_server, tmp_path
):
    share, questions = {}, {}
    for name, arrangements in (("few", 6), ("more", 84)):
        address = database_server.address(name)
        campaign = bench.submitted(address, arrangements, tmp_path / name)
        done = bench.machinery(address, campaign)
        share[name] = done.machinery / done.compute  # of the same load of this machine
        questions[name] = done.questions / campaign.jobs
    assert campaign.jobs >= 2000
    assert questions["more"] < 1.2 * questions["few"]
    assert share["more"] < 4.0 * share["few"]  # were it quadratic, fifteen times
