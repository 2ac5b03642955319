"""The local runner: what is computed, and that each force call is counted once."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter


def test_states_made_equal_by_symmetry_cost_one_relaxation_and_every_force_call_is_counted_once(
    bench,
):
    campaign = bench.campaign()
    campaign.write_text(campaign.read_text() + "hops: {members: 6}\n")
    done = bench.run("run", str(campaign))
    assert done.returncode == 0, done.stderr
    assert f" {sum(bench.calls().values())} force calls" in done.stdout + done.stderr
    with contextlib.closing(sqlite3.connect(bench.folder / "runs" / "jobs.sqlite")) as ledger:
        kinds = Counter(kind for (kind,) in ledger.execute("SELECT kind FROM outputs"))
    # Hosts: the primitive cell, and the rattled one. Then the vacancy, the dopant beside the
    # vacancy, and the doped host at free lattice.
    assert kinds["relax"] == 5
    assert kinds["band"] == 12
    calls = bench.calls()
    again = bench.run("run", str(campaign))
    assert again.returncode == 0, again.stderr
    assert bench.calls() == calls
