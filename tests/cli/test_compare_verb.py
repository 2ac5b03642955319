from __future__ import annotations

import csv
import io
import json

import pytest

from dualion.store.opening import open_store

WORDS = ("compare", "--framework", "li6ps5cl", "--pair", "Li,Cu")


def test_both_ions_stand_in_one_row_with_their_difference(dualion, store):
    answer = dualion(*WORDS, "--store", store, "--json")
    assert answer.code == 0
    rows = json.loads(answer.out)
    assert [row["class"] for row in rows] == ["h1", "h2"]
    assert rows[0]["Li_forward"] == pytest.approx(0.218)
    assert rows[0]["Cu_forward"] == pytest.approx(0.63)
    assert rows[0]["difference"] == pytest.approx(0.412)
    assert rows[0]["Li_barrier_error"] == pytest.approx(0.0061)
    assert rows[0]["difference_error"] is None  # that of Cu is not known
    assert rows[1]["Cu_forward"] is None
    assert rows[1]["Cu_outcome"] == "wrong_mover"
    assert rows[1]["difference"] is None


def test_csv_holds_the_same_rows(dualion, store):
    rows = json.loads(dualion(*WORDS, "--store", store, "--json").out)
    read = list(csv.DictReader(io.StringIO(dualion(*WORDS, "--store", store, "--csv").out)))
    assert [list(row) for row in read] == [list(row) for row in rows]
    assert float(read[0]["difference"]) == rows[0]["difference"]


def test_the_table_names_the_level_of_theory_and_both_ions(dualion, store):
    out = dualion(*WORDS, "--store", store).out
    assert "chgnet 0.4.2" in out
    assert "+0.412 eV" in out
    assert "± 0.007 eV" in out
    assert "wrong mover" in out
    assert "0.31 Å" in out


def test_levels_of_theory_stand_in_separate_tables(dualion, store, make_record):
    with open_store(store) as opened:
        opened.add(make_record(engine="standard", forward=0.3))
        opened.add(make_record(engine="standard", moving_ion="Cu", forward=0.72))
    rows = json.loads(dualion(*WORDS, "--store", store, "--json").out)
    assert len({row["fingerprint"] for row in rows}) == 2
    for row in rows:
        if row["Li_forward"] is not None and row["Cu_forward"] is not None:
            expected = {"fast": 0.63 - 0.218, "standard": 0.72 - 0.3}[row["engine"]]
            assert row["difference"] == pytest.approx(expected)
    one = rows[0]["fingerprint"]
    chosen = json.loads(dualion(*WORDS, "--store", store, "--json", "--fingerprint", one[:8]).out)
    assert {row["fingerprint"] for row in chosen} == {one}


def test_a_plot_is_a_png_and_only_of_what_was_asked(dualion, store, tmp_path):
    assert dualion(*WORDS, "--store", store, "--plot", "pair.png").code == 0
    assert (tmp_path / "pair.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("compare", "--framework", "nothing", "--pair", "Li,Cu"), "no records of Li or Cu"),
        (("compare", "--framework", "li6ps5cl", "--pair", "Li,Fe"), "no cation 'Fe'"),
        ((*WORDS, "--fingerprint", "zz"), "fits 0 levels of theory"),
    ],
)
def test_nothing_to_compare_is_one_line(dualion, store, tree, words, told):
    before = tree()
    answer = dualion(*words, "--store", store, "--plot", "pair.png")
    assert answer.code == 2
    assert told in answer.one_line_error()
    assert tree() == before
