"""A second tier through the local runner: seeded, resumable, and only for what is promoted.

The second engine is EMT on a crystal 1 % larger with energies 10 % higher: its lattice and all its
barriers are known from those of EMT, exactly.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from dualion.launch.run import prepare, run_campaign
from dualion.records import Outcome
from dualion.store.base import BarrierFilter
from dualion.store.opening import open_store
from standin.stretched import SCALE, STRETCH, TIERS, text, with_second_engine


@pytest.fixture
def two(bench, monkeypatch):
    """A bench with both engines, to be used from this process as well."""
    with_second_engine(bench)
    for name in ("DUALION_ENGINES", "PYTHONPATH", "COUNTING_LOG"):
        monkeypatch.setenv(name, bench.environment[name])
    monkeypatch.syspath_prepend(bench.folder)
    return bench


def run(bench, name="metal", **fields):
    file = bench.campaign(name, text(**fields))
    runs = bench.folder / "runs"
    return run_campaign(prepare(file), runs=runs, store=runs / "barriers.sqlite", workers=1)


def by_engine(records):
    found = {"counting-emt": [], "stretched-emt": []}
    for record in records:
        found[record.theory.stamp.engine].append(record)
    return found


def calls_of(bench, prefix):
    """Force calls of the jobs whose name begins so, without those of the hosts."""
    with closing(sqlite3.connect(bench.folder / "runs" / "jobs.sqlite")) as ledger:
        rows = ledger.execute("SELECT name, force_calls FROM outputs").fetchall()
    return {
        name.removeprefix(prefix): calls
        for name, calls in rows
        if name.startswith(prefix) and "host" not in name and "doped" not in name
    }


@pytest.mark.parametrize("method", [pytest.param("full", marks=pytest.mark.slow), "adaptive"])
def test_the_second_tier_has_its_own_lattice_and_starts_where_the_first_has_ended(two, method):
    state = run(two, method=method).state
    assert not state.failed
    tiers = by_engine(state.records)
    assert len(tiers["counting-emt"]) == 6
    first = {record.record_id: record for record in tiers["counting-emt"]}
    promoted = tiers["stretched-emt"]
    assert {(r.moving_ion, r.arrangement.label) for r in promoted} == {
        ("Cu", "pure"),
        ("Ag", "dilute"),
    }
    for record in promoted:
        below = first[record.provenance.started_from]
        assert record.outcome is Outcome.CONVERGED
        assert (record.hop.class_id, record.moving_ion) == (below.hop.class_id, below.moving_ion)
        assert record.hop.length == pytest.approx(STRETCH * below.hop.length, rel=1e-3)
        assert record.forward == pytest.approx(SCALE * below.forward, abs=0.004)
        assert record.reverse == pytest.approx(SCALE * below.reverse, abs=0.004)
        assert record.theory.fingerprint != below.theory.fingerprint
        assert "has its maximum" in "".join(finding.check for finding in record.findings)

    # The same level of theory from nothing: same numbers, many more calls.
    run(two, "scratch", method=method, engine="stretched-emt", tiers="")
    seeded, scratch = calls_of(two, "stretched-emt: "), calls_of(two, "")
    assert len(seeded) >= 4
    for name, calls in seeded.items():
        if ": path" not in name:
            assert calls <= scratch[name]
    same = [name for name in seeded if ": path" not in name]
    assert 2 * sum(seeded[name] for name in same) < sum(scratch[name] for name in same)
    with open_store(two.folder / "runs" / "barriers.sqlite") as store:
        every = list(store.query(BarrierFilter()))
    alone = [r for r in every if r.provenance.campaign == "scratch"]
    assert len(alone) == 6
    for record in promoted:
        (other,) = (
            r
            for r in alone
            if (r.moving_ion, r.arrangement.label) == (record.moving_ion, record.arrangement.label)
        )
        assert other.theory.fingerprint == record.theory.fingerprint
        assert other.record_id != record.record_id  # searched for from elsewhere
        assert other.forward == pytest.approx(record.forward, abs=0.004)


def test_what_is_not_promoted_is_told_and_not_computed(two):
    done = run(two)
    (promotion,) = done.state.promotions
    assert promotion.text == (
        "counting-emt → stretched-emt: 2 of 6 promoted (lowest 1 per ion); 4 not in the rule"
    )
    assert len(calls_of(two, "stretched-emt: Cu")) == 3  # one end for both, path, band
    log = (done.folder / "run.log").read_text()
    assert promotion.text in log
    wider = "tiers:\n  - {{engine: stretched-emt, promote: barrier < 5}}\n"
    more = run(two, tiers=wider).state
    assert len(by_engine(more.records)["stretched-emt"]) == 6
    # What was promoted before is there already: only the four new bands are computed.
    with closing(sqlite3.connect(two.folder / "runs" / "jobs.sqlite")) as ledger:
        names = [name for (name,) in ledger.execute("SELECT name FROM outputs")]
    assert len(set(names)) == len(names)
    assert len([name for name in names if name.endswith("band")]) == 12


def test_nothing_promoted_is_no_failure(two):
    state = run(two, tiers="tiers:\n  - {{engine: stretched-emt, promote: barrier < 0.01}}\n").state
    assert not state.failed
    assert not state.skipped
    assert len(state.records) == 6
    assert state.promotions[0].promoted == ()


def test_a_hop_whose_job_dies_is_told_and_the_rest_is_promoted(two, monkeypatch):
    monkeypatch.setenv("COUNTING_POISON", "Ag")  # no energies where there is silver
    state = run(two).state
    (promotion,) = state.promotions
    assert promotion.promoted == ("Cu h1 4a–4a 2.54 Å pure",)
    told = "\n".join(promotion.told)
    assert "Ag h1 4a–4a 2.54 Å dilute: engine failed" in told
    assert "its pair goes alone" in told


@pytest.mark.slow
def test_kills_in_both_tiers_cost_at_most_the_calls_in_flight(bench_in):
    short = text(tiers=TIERS.replace("lowest 1 per ion", "all"))
    short = short.replace(", {{fraction: 0.12, arrangements: 2}}", "")
    quiet = with_second_engine(bench_in("quiet", pause=0.02), pause=0.02)
    expected = quiet.table(str(quiet.campaign("metal", short)), "-w", "1")
    undisturbed = quiet.calls()
    total = sum(undisturbed.values())

    killed = with_second_engine(bench_in("killed", pause=0.02), pause=0.02)
    campaign = str(killed.campaign("metal", short))
    hits = 0
    # The last two of them in the second tier, which is a fifth of all.
    for share in (0.3, 0.6, 0.85, 0.94):
        hits += killed.kill_after(share * total, "run", campaign, "-w", "1", limit=600.0)
    assert hits >= 3, "the kills came too late to mean anything"
    assert killed.table(campaign, "-w", "1") == expected
    again = killed.calls()
    assert set(again) == set(undisturbed)
    assert sum((again - undisturbed).values()) <= hits
    for bench in (quiet, killed):
        with open_store(bench.folder / "runs" / "barriers.sqlite") as store:
            assert Counter(r.theory.stamp.engine for r in store.query(BarrierFilter())) == {
                "counting-emt": 2,
                "stretched-emt": 2,
            }
