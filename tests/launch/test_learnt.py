"""A campaign whose engine learns from its own calls, killed and run again."""

from __future__ import annotations

import pytest

LEARNT = """
name: {name}
framework: cu.cif
pair: [Cu, Ag]
engine: counting-emt
doping: [pure, dilute]
cell: {{min_image_distance: 7.0}}
prior: learnt
band: {{method: surrogate}}
"""


@pytest.mark.slow
def test_a_campaign_that_learns_is_killed_and_comes_to_the_same_numbers(bench_in):
    left_alone = bench_in("left-alone", pause=0.05)
    whole = left_alone.table(str(left_alone.campaign(text=LEARNT)))
    calls = sum(left_alone.calls().values())
    assert [row[f"{ion}_outcome"] for row in whole for ion in ("Cu", "Ag")] == ["converged"] * 2
    other = bench_in("other", pause=0.05)
    file = other.campaign(text=LEARNT)
    assert other.kill_after(calls // 3, "run", str(file))
    assert other.kill_after(2 * calls // 3, "run", str(file))
    again = other.table(str(file))
    assert again == whole
    # Of what a killed worker had under way one call at most is made twice.
    assert sum(other.calls().values()) <= calls + 4
    made = sum(other.calls().values())
    assert other.table(str(file)) == whole
    assert sum(other.calls().values()) == made


def test_it_needs_fewer_calls_than_the_adaptive_band_for_the_same_barriers(bench, bench_in):
    learnt = bench.table(str(bench.campaign(text=LEARNT)))
    plain = LEARNT.replace("prior: learnt\n", "").replace("surrogate", "adaptive")
    other = bench_in("plain", pause=0.0)
    adaptive = other.table(str(other.campaign(text=plain)))
    for ion in ("Cu", "Ag"):
        (mine,), (theirs,) = (
            [row[f"{ion}_forward"] for row in each] for each in (learnt, adaptive)
        )
        assert mine == pytest.approx(theirs, abs=0.005)
    assert sum(bench.calls().values()) < sum(other.calls().values())
