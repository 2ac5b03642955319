from __future__ import annotations

import json

import ase


def test_engines_say_tier_and_whether_they_are_installed(dualion):
    rows = {row["name"]: row for row in json.loads(dualion("engines", "--json").out)}
    assert rows["emt"]["tier"] == "test"
    assert rows["emt"]["installed"] is True
    assert rows["emt"]["version"] == ase.__version__
    assert {row["alias"] for row in rows.values()} >= {"fast", "standard", "accurate"}


def test_an_entry_of_the_users_file_is_listed(dualion, tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text(
        "- {name: mine, calculator: 'no.such:Thing', package: no-such-thing, note: my own}\n"
    )
    monkeypatch.setenv("DUALION_ENGINES", "mine.yaml")
    rows = {row["name"]: row for row in json.loads(dualion("engines", "--json").out)}
    assert rows["mine"]["installed"] is False
    assert rows["mine"]["version"] is None
    assert "my own" in dualion("engines").out


def test_a_broken_entry_is_one_line(dualion, tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text("- {name: mine}\n")
    monkeypatch.setenv("DUALION_ENGINES", "mine.yaml")
    answer = dualion("engines")
    assert answer.code == 2
    assert "mine.yaml, entry 1" in answer.one_line_error()
