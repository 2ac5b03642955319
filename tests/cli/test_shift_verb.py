"""``dualion shift``, and the charge flags of ``compare`` and ``query``."""

from __future__ import annotations

import csv
import io
import json

import pytest

from dualion.store.opening import open_store

COMPARE = ("compare", "--framework", "li6ps5cl", "--pair", "Li,Cu")


@pytest.fixture
def tiered(tmp_path, make_record):
    """A store with two hops of both ions at two levels, the upper one charged."""
    file = tmp_path / "tiers.sqlite"
    with open_store(file) as opened:
        for place, ion, low, high in (
            ("h1", "Li", 0.20, 0.31),
            ("h1", "Cu", 0.50, 0.73),
            ("h2", "Li", 0.30, 0.45),
        ):
            below = make_record(class_id=place, moving_ion=ion, forward=low, campaign="other")
            above = make_record(
                class_id=place, moving_ion=ion, forward=high, engine="dft", charge=-1
            )
            link = above.provenance.model_copy(update={"started_from": below.record_id})
            opened.add(below)
            opened.add(above.model_copy(update={"provenance": link}))
    return str(file)


def test_the_shift_of_each_hop_and_ion_is_told_with_both_levels(dualion, tiered):
    answer = dualion("shift", "--store", tiered)
    assert answer.code == 0
    assert "neutral cell" in answer.out
    assert "cell of charge −1 on a uniform background" in answer.out
    assert "+0.230 eV" in answer.out
    assert "Li: mean shift +0.130 eV, spread 0.028 eV (2 hops, +0.110 to +0.150 eV)" in answer.out
    assert "Cu − Li, h1 24g–24g 3.26 Å pure/dilute: +0.300 eV → +0.420 eV" in answer.out


def test_json_and_csv_hold_the_same_rows(dualion, tiered):
    rows = json.loads(dualion("shift", "--store", tiered, "--json").out)
    assert [row["shift"] for row in rows] == pytest.approx([0.11, 0.23, 0.15])
    read = list(csv.DictReader(io.StringIO(dualion("shift", "--store", tiered, "--csv").out)))
    assert [float(row["shift"]) for row in read] == [row["shift"] for row in rows]
    assert list(read[0]) == list(rows[0])


def test_a_campaign_is_told_with_what_it_started_from_whoever_made_that(dualion, tiered):
    rows = json.loads(dualion("shift", "argyrodite", "--store", tiered, "--json").out)
    assert len(rows) == 3
    error = dualion("shift", "nothing", "--store", tiered).one_line_error()
    assert "no record of a campaign 'nothing'" in error
    assert "argyrodite" in error
    error = dualion("shift", "other", "--store", tiered).one_line_error()
    assert "--from and --to" in error


def test_two_levels_of_other_charge_need_the_flag(dualion, tiered):
    rows = json.loads(dualion("shift", "--store", tiered, "--json").out)
    low, high = rows[0]["lower_fingerprint"], rows[0]["upper_fingerprint"]
    words = ("shift", "--store", tiered, "--from", low[:8], "--to", high)
    error = dualion(*words).one_line_error()
    assert "2 charge conventions" in error
    assert "--across-charges" in error
    assert json.loads(dualion(*words, "--across-charges", "--json").out) == rows


def test_comparing_cells_of_two_charges_is_refused_unless_asked_for(dualion, tiered):
    answer = dualion(*COMPARE, "--store", tiered)
    assert answer.code == 2
    error = answer.one_line_error()
    assert "neutral cell (3 records: fast)" in error
    assert "cell of charge −1 on a uniform background (3 records: dft)" in error
    one = json.loads(dualion(*COMPARE, "--store", tiered, "--charge", "-1", "--json").out)
    assert {row["charge"] for row in one} == {-1}
    both = json.loads(dualion(*COMPARE, "--store", tiered, "--across-charges", "--json").out)
    assert {row["charge"] for row in both} == {0, -1}
    # Even then no row holds both.
    for row in both:
        assert row["engine"] == {0: "fast", -1: "dft"}[row["charge"]]


def test_across_charges_shows_what_the_charge_alone_does(dualion, tiered, make_record):
    with open_store(tiered) as opened:
        opened.add(make_record(forward=0.7, engine="dft", charge=0))
    out = dualion(*COMPARE, "--store", tiered, "--across-charges").out
    assert "dft, neutral" in out
    assert "dft, charge −1" in out
    assert "−0.390 eV" in out  # 0.31 against 0.70


def test_a_fingerprint_settles_the_charge(dualion, tiered):
    rows = json.loads(dualion("shift", "--store", tiered, "--json").out)
    chosen = rows[0]["upper_fingerprint"]
    answer = dualion(*COMPARE, "--store", tiered, "--fingerprint", chosen, "--json")
    assert {row["charge"] for row in json.loads(answer.out)} == {-1}


def test_query_lists_the_charge_and_chooses_by_it(dualion, tiered):
    assert "charge / e" in dualion("query", "--store", tiered).out
    rows = json.loads(dualion("query", "--store", tiered, "--charge", "-1", "--json").out)
    assert [row["charge"] for row in rows] == [-1] * 3
    words = ("query", "--store", tiered, "--charge", "-1", "--limit", "2", "--json")
    assert len(json.loads(dualion(*words).out)) == 2
    assert (
        "no record of charge 3"
        in dualion("query", "--store", tiered, "--charge", "3").one_line_error()
    )
