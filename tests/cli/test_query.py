from __future__ import annotations

import csv
import io
import json
import sqlite3

import pytest


def rows_of(answer):
    assert answer.code == 0, answer.err
    assert answer.err == ""
    return json.loads(answer.out)


def test_json_is_all_that_is_printed_and_holds_every_record(dualion, store):
    rows = rows_of(dualion("query", "--store", store, "--json"))
    assert len(rows) == 4
    assert {(r["moving_ion"], r["hop_class"]): r["forward"] for r in rows} == {
        ("Li", "h1"): 0.218,
        ("Li", "h2"): 0.343,
        ("Cu", "h1"): 0.63,
        ("Cu", "h2"): None,
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--cation", "Cu"], {("Cu", "h1"), ("Cu", "h2")}),
        (["--pair", "Li,Na"], {("Li", "h1"), ("Li", "h2")}),
        (["--max-barrier", "0.3"], {("Li", "h1")}),
        # The harder direction counts: Cu on h1 has 0.63 forward and 0.70 back.
        (["--min-barrier", "0.65"], {("Cu", "h1")}),
        (["--outcome", "wrong_mover"], {("Cu", "h2")}),
        (["--framework", "other"], set()),
        (["--mechanism", "interstitial"], set()),
        (["--fingerprint", "zz"], set()),
    ],
)
def test_each_option_filters(dualion, store, options, expected):
    rows = rows_of(dualion("query", "--store", store, "--json", *options))
    assert {(row["moving_ion"], row["hop_class"]) for row in rows} == expected


def test_limit_counts_records(dualion, store):
    assert len(rows_of(dualion("query", "--store", store, "--json", "--limit", 3))) == 3


def test_csv_and_json_have_the_same_fields_and_numbers(dualion, store):
    rows = rows_of(dualion("query", "--store", store, "--json"))
    text = dualion("query", "--store", store, "--csv").out
    read = list(csv.DictReader(io.StringIO(text)))
    assert list(read[0]) == list(rows[0])
    assert [float(r["forward"]) if r["forward"] else None for r in read] == [
        r["forward"] for r in rows
    ]


def test_the_error_of_a_barrier_and_what_was_checked_are_fields(dualion, store):
    (row,) = [r for r in rows_of(dualion("query", "--store", store, "--json")) if r["verified"]]
    assert (row["moving_ion"], row["hop_class"]) == ("Li", "h1")
    assert row["barrier_error"] == pytest.approx(0.0061)
    assert row["fit_difference"] == pytest.approx(0.001)
    assert row["residual_force"] == pytest.approx(0.02)
    assert row["verified"] == "forces converged; no higher point between the images"
    assert row["unverified"] == "saddle joins the ends"
    assert "0.006" in dualion("query", "--store", store).out


@pytest.mark.parametrize(("limit", "title"), [(0, "0 records"), (1, "1 record"), (2, "2 records")])
def test_the_table_counts_its_records(dualion, store, limit, title):
    first = dualion("query", "--store", store, "--limit", limit).out.splitlines()[0]
    assert first.strip() == title


def test_an_empty_answer_still_has_the_heading_in_csv(dualion, store):
    full = dualion("query", "--store", store, "--csv").out.splitlines()
    empty = dualion("query", "--store", store, "--csv", "--framework", "x").out.splitlines()
    assert empty == full[:1]


def test_the_table_shows_barriers_and_the_outcome_of_what_is_none(dualion, store):
    answer = dualion("query", "--store", store)
    assert answer.code == 0
    assert "0.218" in answer.out
    assert "wrong_mover" in answer.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cation", "Xx"], "no cation 'Xx'"),
        (["--pair", "Li"], "'Li' is not a pair of ions"),
        (["--pair", "Li,Li"], "names one cation twice"),
        (["--mechanism", "magic"], "choose from vacancy, interstitial"),
        (["--outcome", "fine"], "unknown value 'fine'"),
        (["--min-barrier", "1", "--max-barrier", "0.5"], "is above"),
    ],
)
def test_an_impossible_option_is_one_line(dualion, store, tree, options, words):
    before = tree()
    answer = dualion("query", "--store", store, *options)
    assert answer.code == 2
    assert words in answer.one_line_error()
    assert tree() == before


def test_json_and_csv_together_are_refused(dualion, store):
    assert dualion("query", "--store", store, "--json", "--csv").code == 2


def test_a_store_that_is_not_there_is_not_made(dualion, tree):
    answer = dualion("query")
    assert answer.code == 2
    assert "runs/barriers.sqlite" in answer.one_line_error()
    assert tree() == {}


def test_the_store_is_found_through_the_environment(dualion, store, monkeypatch):
    monkeypatch.setenv("DUALION_STORE", str(store))
    assert len(rows_of(dualion("query", "--json"))) == 4


@pytest.mark.parametrize("verb", [["query"], ["compare", "--framework", "x", "--pair", "Li,Cu"]])
def test_a_file_that_is_no_store_is_one_line_and_untouched(dualion, tmp_path, tree, verb):
    (tmp_path / "notes.txt").write_text("not a store, but long enough to be read as one\n" * 40)
    before = tree()
    answer = dualion(*verb, "--store", "notes.txt")
    assert answer.code == 2
    assert "notes.txt" in answer.one_line_error()
    assert tree() == before


def test_a_store_of_a_newer_dualion_is_refused_with_the_remedy(dualion, store):
    connection = sqlite3.connect(store)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    answer = dualion("query", "--store", store)
    assert answer.code == 2
    assert "99" in answer.one_line_error()
    assert "upgrade dualion" in answer.err
