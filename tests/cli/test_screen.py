"""What the command line says to wrong words; nothing is written then."""

from __future__ import annotations

import pytest


@pytest.fixture
def crystal(rocksalt):
    return rocksalt()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cations", "Rb"), "no cation 'Rb'"),
        (("--cations", ","), "names no cation"),
        (("--name", "../up"), "not a plain name"),
        (("--settings", "fast.yaml"), "--engine"),
    ],
)
def test_wrong_words_are_one_line(dualion, tmp_path, crystal, tree, words, said):
    (tmp_path / "fast.yaml").write_text("hops: {max_length: 4.0}\n")
    before = tree()
    answer = dualion("screen", crystal, *words)
    assert answer.code == 2
    assert said in answer.one_line_error()
    assert tree() == before


def test_a_place_that_is_not_there_and_one_without_structures(dualion, tmp_path):
    assert "no such file or folder" in dualion("screen", "nowhere").one_line_error()
    (tmp_path / "empty").mkdir()
    assert "no structure files" in dualion("screen", "empty").one_line_error()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pair: [Li, Na]\n", "'pair' is set by the screen"),
        ("engine: emt\n", "names the engine 'emt'"),
        ("hops: [\n", "fast.yaml"),
        ("hopps: {max_length: 4.0}\n", "unknown key 'hopps'"),
        ("tiers: [{engine: gpaw}]\n", "fast.yaml: tiers.0.promote"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(dualion, tmp_path, crystal, text, said):
    (tmp_path / "fast.yaml").write_text(text)
    answer = dualion("screen", crystal, "--engine", "emt-again", "--settings", "fast.yaml")
    assert answer.code == 2
    assert said in answer.one_line_error()
    assert not (tmp_path / "runs").exists()


def test_an_engine_that_is_not_there_is_told_before_any_work(dualion, tmp_path, crystal):
    answer = dualion("screen", crystal, "--engine", "no-such-engine")
    assert answer.code == 2
    assert "no-such-engine" in answer.one_line_error()
    assert not (tmp_path / "runs").exists()


def test_json_and_csv_exclude_each_other_before_any_work(dualion, tmp_path, crystal):
    answer = dualion("screen", crystal, "--json", "--csv")
    assert answer.code == 2
    assert not (tmp_path / "runs").exists()
