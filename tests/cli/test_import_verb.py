"""``dualion import`` and the formats of ``dualion export``, as a person types them."""

from __future__ import annotations

import json
import socket
import zipfile

import pytest

from dualion.store.opening import open_store

KINDS = ("csv", "parquet", "extxyz", "litraj", "nebresult", "matterviz", "bundle")


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_is_written_and_told(dualion, store, tmp_path, kind):
    answer = dualion("export", kind, f"out.{kind}", "--store", store)
    assert answer.code == 0, answer.err
    assert f"in out.{kind}\n" in answer.out
    assert (tmp_path / f"out.{kind}").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_what_exists_is_kept(dualion, store, tmp_path, kind):
    (tmp_path / "out").write_text("mine")
    answer = dualion("export", kind, "out", "--store", store)
    assert answer.code == 2
    assert "exists already" in answer.one_line_error()
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("kind", ["litraj", "nebresult", "matterviz"])
def test_a_format_without_a_single_band_writes_nothing(dualion, tmp_path, tree, make_record, kind):
    with open_store(tmp_path / "bare.sqlite") as opened:
        opened.add(make_record(with_images=False))
    before = tree()
    answer = dualion("export", kind, "out", "--store", "bare.sqlite")
    assert answer.code == 2
    assert "no record has a band" in answer.one_line_error()
    assert tree() == before


def test_without_pyarrow_the_remedy_is_told(dualion, store, tree, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    before = tree()
    answer = dualion("export", "parquet", "out.parquet", "--store", store)
    assert answer.code == 2
    assert "pip install 'dualion[parquet]'" in answer.one_line_error()
    assert tree() == before


def test_a_bundle_goes_from_one_store_into_another(dualion, store):
    answer = dualion(
        *("export", "bundle", "b.zip", "--store", store, "--license", "CC-BY-4.0"),
        *("--name", "Mine", "--creator", "Ada", "--creator", "Bob", "--date", "2026-05-06"),
    )
    assert answer.out == "4 records of 1 level of theory in b.zip\n"
    with zipfile.ZipFile("b.zip") as made:
        about = json.loads(made.read("croissant.json"))
    assert about["name"] == "Mine"
    assert [each["name"] for each in about["creator"]] == ["Ada", "Bob"]
    assert about["datePublished"] == "2026-05-06"

    answer = dualion("import", "b.zip", "--store", "new.sqlite")
    assert answer.code == 0, answer.err
    assert answer.out == "4 records added, 0 there already\n"
    again = dualion("import", "b.zip", "b.zip", "--store", "new.sqlite", "--json")
    assert json.loads(again.out) == {"added": 0, "extended": 0, "present": 8}
    with open_store(store, read_only=True) as one, open_store("new.sqlite") as two:
        assert {r.record_id: r for r in one.query(images=True)} == {
            r.record_id: r for r in two.query(images=True)
        }


def test_a_bundle_with_a_parquet_table(dualion, store):
    pytest.importorskip("pyarrow")
    assert dualion("export", "bundle", "b", "--store", store, "--table", "parquet").code == 0
    assert dualion("import", "b", "--store", "new.sqlite").code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--table", "excel"), "choose from csv, parquet"),
        (("--date", "yesterday"), "is no date"),
    ],
)
def test_an_impossible_option_of_a_bundle_is_one_line(dualion, store, tree, words, told):
    before = tree()
    answer = dualion("export", "bundle", "b.zip", "--store", store, *words)
    assert answer.code == 2
    assert told in answer.one_line_error()
    assert tree() == before


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "no whole zip"), (b"PK\x03\x04 but no more", "no whole zip"), (b"text", "no whole zip")],
)
def test_what_is_no_bundle_is_one_line(dualion, tmp_path, content, told):
    (tmp_path / "b.zip").write_bytes(content)
    answer = dualion("import", "b.zip", "--store", "new.sqlite")
    assert answer.code == 2
    assert told in answer.one_line_error()


def test_a_bundle_that_is_not_there_makes_no_store(dualion, tree):
    answer = dualion("import", "none.zip", "--store", "new.sqlite")
    assert answer.code == 2
    assert "none.zip" in answer.one_line_error()
    assert tree() == {}


def test_literature_stands_beside_computed_barriers_and_never_among_them(dualion, make_record):
    with open_store("s.sqlite") as opened:
        for ion, charge in (("Li", -1), ("Na", -1)):
            opened.add(
                make_record(
                    framework="alpha-v2o5", moving_ion=ion, host_ion=ion, charge=charge, forward=0.2
                )
            )
    answer = dualion("import", "literature", "--store", "s.sqlite")
    assert answer.out == "70 records added, 0 there already\n"

    rows = json.loads(
        dualion("query", "--store", "s.sqlite", "--framework", "alpha-v2o5", "--json").out
    )
    found = [row for row in rows if row["engine"] == "literature"]
    assert len(rows) == 8
    assert {row["doi"] for row in found} == {"10.48550/arXiv.2508.06459"}
    assert {row["doi"] for row in rows if row["engine"] != "literature"} == {None}

    answer = dualion(
        "compare", "--store", "s.sqlite", "--framework", "alpha-v2o5", "--pair", "Li,Na"
    )
    assert answer.code == 0, answer.err
    assert answer.out.count("literature (doi 10.48550/arXiv.2508.06459") == 2
    assert "3 levels of theory" in answer.out
    assert "0.102 eV" in answer.out
    rows = json.loads(
        dualion(
            *("compare", "--store", "s.sqlite", "--framework", "alpha-v2o5"),
            *("--pair", "Li,Na", "--json"),
        ).out
    )
    assert len(rows) == 3


def test_a_table_of_ones_own(dualion, tmp_path):
    (tmp_path / "mine.csv").write_text(
        "framework,ion,forward_eV,reverse_eV,doi,path\nnacl,Na,0.65,0.65,10.1000/xyz,nearest\n"
    )
    answer = dualion("import", "literature", "mine.csv", "--store", "s.sqlite")
    assert answer.out == "1 record added, 0 there already\n"
    (row,) = json.loads(dualion("query", "--store", "s.sqlite", "--json").out)
    assert (row["forward"], row["reverse"], row["hop"]) == (0.65, 0.65, "nearest")


def test_a_bad_table_takes_nothing(dualion, tmp_path):
    (tmp_path / "mine.csv").write_text(
        "framework,ion,forward_eV,doi\nnacl,Na,0.65,10.1000/xyz\nnacl,Na,nan,10.1000/abc\n"
    )
    answer = dualion("import", "literature", "mine.csv", "--store", "s.sqlite")
    assert answer.code == 2
    assert "line 3" in answer.one_line_error()
    with open_store("s.sqlite", read_only=True) as opened:
        assert opened.count() == 0


def test_text_of_a_query_cannot_run_in_a_spreadsheet(dualion, make_record):
    with open_store("s.sqlite") as opened:
        opened.add(make_record(note="=HYPERLINK(1)"))
    assert ",'=HYPERLINK(1)" in dualion("query", "--store", "s.sqlite", "--csv").out


def test_serving_asks_what_to_serve_and_makes_no_store(dualion, tree):
    answer = dualion("serve")
    assert answer.code == 2
    assert "--optimade" in answer.one_line_error()
    answer = dualion("serve", "--optimade")
    assert answer.code == 2
    assert "runs/barriers.sqlite" in answer.one_line_error()
    assert tree() == {}


def test_a_port_that_is_taken_is_one_line(dualion, store):
    pytest.importorskip("optimade")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = dualion("serve", "--optimade", "--store", store, "--port", port)
    assert answer.code == 4
    assert "name another --port" in answer.one_line_error()
