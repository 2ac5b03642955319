"""Finer filters, sorting, paging and groups of ``query`` and ``compare``; saved comparisons."""

from __future__ import annotations

import builtins
import json

import pytest

from dualion.records import Outcome
from dualion.store.opening import open_store


@pytest.fixture
def many(tmp_path, make_record):
    """Two frameworks, two ions, two levels of theory, one charged cell."""
    path = tmp_path / "many.sqlite"
    salt = {"framework": "nacl", "formula": "Na32Cl32", "prototype": "rocksalt", "host_ion": "Na"}
    with open_store(path) as store:
        for engine in ("fast", "standard"):
            for member, ion in enumerate(("Li", "Li", "Cu")):
                store.add(
                    make_record(
                        moving_ion=ion, member=member, engine=engine, forward=0.2 + member / 10
                    )
                )
        store.add(make_record(**salt, moving_ion="Na", forward=0.5))
        store.add(make_record(**salt, moving_ion="Na", member=1, outcome=Outcome.BARRIERLESS))
        store.add(make_record(class_id="h2", charge=-1, forward=0.7, campaign="charged"))
    return path


def rows_of(answer):
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--prototype", "rocksalt"], 2),
        (["--formula", "Na32Cl32"], 2),
        (["--element", "S", "--element", "Cl"], 7),
        (["--anion", "Cl"], 2),
        (["--min-length", "3.5"], 1),
        (["--max-length", "3.5"], 8),
        (["--engine", "standard"], 3),
        (["--code", "chgnet"], 9),
        (["--charge", "-1"], 1),
        (["--source", "computed"], 9),
        (["--source", "literature"], 0),
        (["--campaign", "charged"], 1),
        (["--since", "2026-01-02"], 9),
        (["--until", "2026-01-01"], 0),
        (["--pair", "Li,Cu"], 7),
        (["--pair", "Na,Cu"], 2),
        (["--offset", "7"], 2),
    ],
)
def test_each_finer_option_filters(dualion, many, options, count):
    assert len(rows_of(dualion("query", "--store", many, "--json", *options))) == count


def test_records_are_sorted_and_paged(dualion, many):
    words = ("query", "--store", many, "--json", "--sort", "barrier:desc", "--limit", 2)
    pages = [rows_of(dualion(*words, "--offset", start)) for start in (0, 2)]
    assert [row["forward"] for page in pages for row in page] == [0.7, 0.5, 0.4, 0.4]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--sort", "nothing"], "no column 'nothing'"),
        (["--since", "yesterday"], "no time"),
        (["--element", "$where"], "--element"),
        (["--source", "rumour"], "choose from computed, ingested, literature"),
        (["--min-length", "4", "--max-length", "3"], "is above"),
        (["--min-barrier", "nan"], "--min-barrier"),
        (["--group-by", "barrier"], "cannot group by 'barrier'"),
        (["--charge", "3"], "there are:"),
    ],
)
def test_what_is_impossible_is_told_in_one_line(dualion, many, options, told):
    answer = dualion("query", "--store", many, *options)
    assert answer.code == 2
    assert told in answer.one_line_error()


def test_groups_never_mix_levels_of_theory_unless_asked(dualion, many):
    words = ("query", "--store", many, "--group-by", "framework,pair", "--json")
    rows = rows_of(dualion(*words))
    figures = [
        (r["framework"], r["pair"], r["charge"], r["engine"], r["records"], r["with_barrier"],
         r["lowest"], r["median"])
        for r in rows
    ]  # fmt: skip
    assert sorted(figures) == [
        ("li6ps5cl", "Li", -1, "fast", 1, 1, 0.7, 0.7),
        ("li6ps5cl", "Li", 0, "fast", 2, 2, 0.2, 0.25),
        ("li6ps5cl", "Li", 0, "standard", 2, 2, 0.2, 0.25),
        ("li6ps5cl", "Li-Cu", 0, "fast", 1, 1, 0.4, 0.4),
        ("li6ps5cl", "Li-Cu", 0, "standard", 1, 1, 0.4, 0.4),
        ("nacl", "Na", 0, "fast", 2, 1, 0.5, 0.5),
    ]
    mixed = rows_of(dualion(*words, "--across-theories"))
    assert [(r["framework"], r["pair"], r["records"]) for r in mixed] == [
        ("li6ps5cl", "Li", 5),
        ("li6ps5cl", "Li-Cu", 2),
        ("nacl", "Na", 2),
    ]
    assert "fingerprint" not in mixed[0]


def test_a_table_of_groups_is_for_people(dualion, many):
    out = dualion("query", "--store", many, "--group-by", "framework").out
    assert out.splitlines()[0].strip() == "4 groups"
    assert "lowest / eV" in out


def test_a_comparison_is_saved_and_made_again(dualion, many, tmp_path):
    words = ("compare", "--store", many)
    first = dualion(*words, "--group-by", "framework,pair,engine", "--anion", "S", "--json",
                    "--save", "sulfides")  # fmt: skip
    file = tmp_path / "comparisons" / "sulfides.yaml"
    assert str(file) in first.err
    assert file.read_text() == (
        "filter:\n  anion: S\n  order: framework\ngroup_by:\n- framework\n- pair\n- engine\n"
    )
    assert rows_of(dualion(*words, "--saved", "sulfides", "--json")) == json.loads(first.out)
    assert len(json.loads(first.out)) == 5
    assert [each.name for each in file.parent.iterdir()] == ["sulfides.yaml"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("group_by: [barrier]\n", "cannot group by 'barrier'"),
        ("group_by: []\n", "group_by"),
        ("filter: {framework: [1]}\ngroup_by: [pair]\n", "filter.framework"),
        ("filter: {frame: x}\ngroup_by: [pair]\n", "filter.frame"),
        ("!!python/object/apply:os.system ['true']\n", "no YAML"),
        ("group_by: [pair\n", "no YAML"),
        ("[]\n", "no comparison"),
        ("a" * 70_000, "larger than"),
    ],
)
def test_a_saved_comparison_is_looked_over(dualion, many, tmp_path, content, told):
    (tmp_path / "comparisons").mkdir()
    (tmp_path / "comparisons" / "odd.yaml").write_text(content)
    assert told in dualion("compare", "--store", many, "--saved", "odd").one_line_error()


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "x" * 65, "a\n"])
def test_a_name_is_no_path(dualion, many, name, tmp_path):
    for option in ("--save", "--saved"):
        extra = ["--group-by", "pair"] if option == "--save" else []
        answer = dualion("compare", "--store", many, *extra, option, name)
        assert answer.code == 2
    assert not (tmp_path / "comparisons").exists()


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--framework", "nacl"],
        ["--framework", "li6ps5cl", "--pair", "Li,Cu", "--anion", "S"],
        ["--saved", "none"],
        ["--saved", "x", "--group-by", "pair"],
        ["--group-by", "pair", "--across-charges"],
        ["--group-by", ","],
    ],
)
def test_what_does_not_go_together_is_told(dualion, many, options):
    answer = dualion("compare", "--store", many, *options)
    assert answer.code == 2
    answer.one_line_error()


def test_parquet_holds_the_records(dualion, many, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    file = tmp_path / "some.parquet"
    words = ("query", "--store", many, "--engine", "standard", "--parquet", file)
    assert "3 records" in dualion(*words).out
    frame = pandas.read_parquet(file)
    assert list(frame["forward"]) == pytest.approx([0.2, 0.3, 0.4])
    assert "exists already" in dualion(*words).one_line_error()
    for other in ("--json", "--csv"):
        assert dualion(*words[:-1], tmp_path / "x", other).code == 2


def test_without_pyarrow_one_line_says_so(dualion, many, tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name.split(".")[0] == "pyarrow":
            raise ImportError
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    answer = dualion("query", "--store", many, "--parquet", tmp_path / "x.parquet")
    assert "pip install 'dualion[parquet]'" in answer.one_line_error()
    assert not (tmp_path / "x.parquet").exists()
