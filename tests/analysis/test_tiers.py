"""Shifts between two levels of theory: what is set side by side, and what never is."""

from __future__ import annotations

import statistics

import pytest

from dualion.analysis.promotion import Left, Promotion
from dualion.analysis.tiers import shifts
from dualion.errors import InputError
from dualion.records import Outcome

LOWER = {("h1", "Li"): 0.20, ("h1", "Cu"): 0.50, ("h2", "Li"): 0.30, ("h2", "Cu"): 0.28}
UPPER = {("h1", "Li"): 0.31, ("h1", "Cu"): 0.73, ("h2", "Li"): 0.44, ("h2", "Cu"): 0.47}


def started_from(record, below):
    return record.model_copy(
        update={
            "provenance": record.provenance.model_copy(update={"started_from": below.record_id})
        }
    )


@pytest.fixture
def tiers(make_record):
    low = {
        place: make_record(class_id=place[0], moving_ion=place[1], forward=barrier, engine="fast")
        for place, barrier in LOWER.items()
    }
    high = {
        place: started_from(
            make_record(
                class_id=place[0], moving_ion=place[1], forward=barrier, engine="dft", charge=-1
            ),
            low[place],
        )
        for place, barrier in UPPER.items()
    }
    return low, high


def test_each_record_is_held_against_the_one_it_started_from(tiers, make_record):
    low, high = tiers
    stranger = make_record(class_id="h3", engine="dft", charge=-1)
    (table,) = shifts([*high.values(), stranger, *low.values()])
    assert [(row.class_id, row.ion) for row in table.rows] == [
        ("h1", "Li"), ("h1", "Cu"), ("h2", "Li"), ("h2", "Cu"),
    ]  # fmt: skip
    for row in table.rows:
        place = (row.class_id, row.ion)
        assert row.lower.forward == pytest.approx(LOWER[place])
        assert row.upper.forward == pytest.approx(UPPER[place])
        assert row.shift == pytest.approx(UPPER[place] - LOWER[place])
    assert table.lower == low["h1", "Li"].theory
    assert table.upper == high["h1", "Li"].theory


def test_means_and_spreads_are_those_of_the_shifts_of_one_ion(tiers):
    low, high = tiers
    (table,) = shifts([*low.values(), *high.values()])
    for ion, found in zip(("Li", "Cu"), table.per_ion, strict=True):
        values = [UPPER[place] - LOWER[place] for place in LOWER if place[1] == ion]
        assert (found.ion, found.count) == (ion, 2)
        assert found.mean == pytest.approx(statistics.fmean(values))
        assert found.spread == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert "Li: mean shift +0.125 eV, spread 0.021 eV (2 hops" in table.per_ion[0].text


def test_the_pair_is_compared_within_each_level_only(tiers):
    low, high = tiers
    (table,) = shifts([*low.values(), *high.values()])
    first, second = table.pairs
    assert (first.lower, first.upper) == (pytest.approx(0.30), pytest.approx(0.42))
    assert not first.turned
    assert (second.lower, second.upper) == (pytest.approx(-0.02), pytest.approx(0.03))
    assert second.turned
    assert first.arrangement == "pure/dilute"


def test_the_header_tells_both_engines_and_both_charges(tiers):
    low, high = tiers
    (table,) = shifts([*low.values(), *high.values()])
    assert "fast (chgnet 0.4.2, neutral cell)" in table.label
    assert "dft (chgnet 0.4.2, cell of charge −1 on a uniform background)" in table.label
    assert table.heads == ("fast, neutral", "dft, charge −1")
    for row in table.as_rows():
        assert (row["lower_charge"], row["upper_charge"]) == (0, -1)
        assert row["shift"] == pytest.approx(row["upper_forward"] - row["lower_forward"])


def test_a_hop_without_a_barrier_at_the_upper_level_is_shown_and_enters_no_mean(tiers, make_record):
    low, high = tiers
    lost = make_record(class_id="h2", engine="dft", charge=-1, outcome=Outcome.UNCONVERGED)
    high["h2", "Li"] = started_from(lost, low["h2", "Li"])
    (table,) = shifts([*low.values(), *high.values()])
    row = table.rows[2]
    assert (row.shift, row.upper.text) == (None, "unconverged")
    assert table.per_ion[0].count == 1
    assert table.per_ion[0].text == "Li: mean shift +0.110 eV (1 hop)"
    assert len(table.pairs) == 1


def test_without_links_only_two_levels_asked_for_by_name_are_compared(tiers, make_record):
    low, high = tiers
    loose = [
        make_record(class_id=c, moving_ion=ion, forward=barrier, engine="other")
        for (c, ion), barrier in UPPER.items()
    ]
    everything = [*low.values(), *loose]
    assert shifts(everything) == ()
    one, two = low["h1", "Li"].theory.fingerprint, loose[0].theory.fingerprint
    (table,) = shifts(everything, lower=one[:8], upper=two[:8])
    assert len(table.rows) == 4
    with pytest.raises(InputError, match="name both"):
        shifts(everything, lower=one)
    with pytest.raises(InputError, match="one level of theory"):
        shifts(everything, lower=one, upper=one[:6])
    with pytest.raises(InputError, match=f"fits 0 levels.*{one}"):
        shifts(everything, lower=one, upper="zz")
    longer = [
        record.model_copy(update={"hop": record.hop.model_copy(update={"length": 9.9})})
        for record in loose
    ]
    with pytest.raises(InputError, match="no hop in common"):
        shifts([*low.values(), *longer], lower=one, upper=two)
    del high


def test_three_tiers_give_two_tables(tiers, make_record):
    low, high = tiers
    top = started_from(make_record(class_id="h1", forward=0.35, engine="hybrid"), high["h1", "Li"])
    tables = shifts([*low.values(), *high.values(), top])
    assert sorted((t.lower.stamp.engine, t.upper.stamp.engine) for t in tables) == [
        ("dft", "hybrid"),
        ("fast", "dft"),
    ]


def test_a_promotion_tells_what_it_left_and_why():
    promotion = Promotion(
        source="fast",
        target="dft",
        rule="lowest 1",
        promoted=("Li h1",),
        left=(
            Left(title="Li h2", reason="0.400 eV, not in 'lowest 1'", barrier=True),
            Left(title="Li h3", reason="barrierless: no barrier to promote"),
        ),
        missing=("Li h4",),
    )
    assert promotion.text == (
        "fast → dft: 1 of 4 promoted (lowest 1); 1 not in the rule; 2 without a barrier"
    )
    assert promotion.told == (
        "Li h3: barrierless: no barrier to promote",
        "Li h4: its job failed, there is no record",
    )
