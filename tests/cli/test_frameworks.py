from __future__ import annotations

import json

import pytest
from pymatgen.core import Structure

HALF_K = (("Na", 0.5), ("K", 0.5))


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "lib"
    folder.mkdir()
    (folder / "catalogue.yaml").write_text("# mine\nframeworks: []\n")
    return folder


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ({"cations": (("Na", 0.5),)}, "partly occupied"),
        ({"twin": 0.3}, "0.30 Å"),
        ({"a": 0.564}, "nm"),
        ({"cations": (("K", 1.0),), "a": 6.3}, "no working ion Na"),
    ],
    ids=["half-occupied", "0.3 Å apart", "nm", "other ion"],
)
def test_check_names_what_is_wrong_and_exits_with_2(dualion, rocksalt, tree, spoilt, words):
    file = rocksalt("bad.cif", **spoilt)
    before = tree()
    answer = dualion("frameworks", "check", file, "--ion", "Na")
    assert answer.code == 2
    assert answer.out == ""
    lines = answer.err.splitlines()
    assert all(line.startswith(("error: ", "warning: ")) for line in lines)
    assert any(words in line for line in lines), lines
    assert tree() == before


def test_check_of_a_good_file_says_what_it_holds(dualion, rocksalt):
    answer = dualion("frameworks", "check", rocksalt(), "--ion", "Na")
    assert answer.code == 0
    assert "Na4 Cl4, 8 atoms" in answer.out
    assert json.loads(dualion("frameworks", "check", "nacl.cif", "--json").out) == []


def test_check_as_json_lists_the_problems_and_still_exits_with_2(dualion, rocksalt):
    rocksalt("bad.cif", cations=(("Na", 0.5),))
    answer = dualion("frameworks", "check", "bad.cif", "--json")
    assert answer.code == 2
    assert [problem["code"] for problem in json.loads(answer.out)] == ["disorder"]


@pytest.mark.parametrize(
    "content", [None, b"", b"\x00\xff\x00 no text", b"data_x\n", b"plain words\n"]
)
@pytest.mark.parametrize(
    "words", [("check",), ("order",), ("show", "--library", "lib"), ("add", "--library", "lib")]
)
@pytest.mark.usefixtures("library")
def test_a_file_that_is_no_structure_is_one_line(dualion, tmp_path, tree, words, content):
    if content is not None:
        (tmp_path / "x.cif").write_bytes(content)
    before = tree()
    answer = dualion("frameworks", words[0], "x.cif", *words[1:])
    assert answer.code == 2
    assert "x.cif" in answer.one_line_error()
    assert tree() == before


def test_add_then_list_then_show(dualion, rocksalt, library):
    rocksalt()
    added = dualion("frameworks", "add", "nacl.cif", "--source", "10.1000/x", "--library", library)
    assert added.code == 0, added.err
    listed = json.loads(dualion("frameworks", "list", "--json", "--library", library).out)
    assert [(e["name"], e["working_ion"], e["space_group"]) for e in listed] == [
        ("nacl", "Na", "Fm-3m")
    ]
    assert "10.1000/x" in dualion("frameworks", "list", "--library", library).out
    shown = json.loads(dualion("frameworks", "show", "nacl", "--json", "--library", library).out)
    # Rocksalt: one site in the primitive cell, twelve neighbours at a/√2, so six undirected hops.
    assert shown["working_sites"] == 1
    (hop,) = shown["hops"]
    assert hop["length"] == pytest.approx(5.64 / 2**0.5, abs=1e-3)
    assert hop["multiplicity"] == 6
    assert hop["self_mirror"] is True
    text = dualion("frameworks", "show", "nacl", "--library", library).out
    assert "Fm-3m" in text
    assert "h1" in text


def test_show_of_an_unknown_name_offers_the_nearest(dualion, rocksalt, library):
    rocksalt()
    dualion("frameworks", "add", "nacl.cif", "--library", library)
    answer = dualion("frameworks", "show", "nacll", "--library", library)
    assert answer.code == 2
    assert "nacl" in answer.one_line_error().split(":", 2)[2]


@pytest.mark.parametrize("name", ["../nacl", "a/b", "Upper", "", ".."])
def test_add_refuses_a_name_that_is_not_plain(dualion, rocksalt, library, tree, name):
    rocksalt()
    before = tree()
    answer = dualion("frameworks", "add", "nacl.cif", "--name", name, "--library", library)
    assert answer.code == 2
    assert "is no framework name" in answer.one_line_error()
    assert tree() == before


def test_add_refuses_a_disordered_file_and_names_the_remedy(dualion, rocksalt, library, tree):
    rocksalt("bad.cif", cations=(("Na", 0.5),))
    before = tree()
    answer = dualion("frameworks", "add", "bad.cif", "--library", library)
    assert answer.code == 2
    assert "dualion frameworks order FILE" in answer.one_line_error()
    assert tree() == before


def test_order_writes_ordered_cells_with_the_right_content(dualion, rocksalt, tmp_path):
    rocksalt("bad.cif", cations=HALF_K)
    answer = dualion("frameworks", "order", "bad.cif", "--out", "ordered", "--json")
    assert answer.code == 0, answer.err
    rows = json.loads(answer.out)
    for row in rows:
        cell = Structure.from_file(tmp_path / row["file"])
        assert cell.is_ordered
        assert cell.composition.reduced_formula == "KNaCl2"
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["energy"] for row in rows] == sorted(row["energy"] for row in rows)


def test_order_without_a_folder_writes_nothing(dualion, rocksalt, tree):
    rocksalt("bad.cif", cations=HALF_K)
    before = tree()
    answer = dualion("frameworks", "order", "bad.cif")
    assert answer.code == 0
    assert tree() == before


def test_order_never_overwrites(dualion, rocksalt, tree):
    rocksalt("bad.cif", cations=HALF_K)
    assert dualion("frameworks", "order", "bad.cif", "--out", "ordered").code == 0
    before = tree()
    answer = dualion("frameworks", "order", "bad.cif", "--out", "ordered")
    assert answer.code == 2
    assert "exists already" in answer.one_line_error()
    assert tree() == before


def test_order_of_an_ordered_file_says_that_there_is_nothing_to_do(dualion, rocksalt):
    rocksalt()
    answer = dualion("frameworks", "order", "nacl.cif")
    assert answer.code == 2
    assert "nothing to order" in answer.one_line_error()
    assert "nacl.cif" in answer.err


def test_a_folder_without_a_catalogue_is_one_line(dualion, tmp_path):
    answer = dualion("frameworks", "list", "--library", tmp_path)
    assert answer.code == 2
    assert "catalogue.yaml" in answer.one_line_error()
