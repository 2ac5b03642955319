from __future__ import annotations

import os

import pytest

from dualion.cli.profile import apply_profile


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DUALION_")]:
        del os.environ[name]


def test_a_profile_sets_places_but_the_environment_wins(tmp_path):
    (tmp_path / "p.yaml").write_text("runs: /data/runs\nworkers: 3\nstore:\n")
    os.environ["DUALION_WORKERS"] = "7"
    apply_profile(tmp_path / "p.yaml")
    assert os.environ["DUALION_RUNS"] == "/data/runs"
    assert os.environ["DUALION_WORKERS"] == "7"
    assert "DUALION_STORE" not in os.environ


def test_the_profile_of_the_folder_is_read_and_need_not_be_there(tmp_path):
    apply_profile(None)
    assert "DUALION_RUNS" not in os.environ
    (tmp_path / "launch").mkdir()
    (tmp_path / "launch" / "local.yaml").write_text("runs: elsewhere\n")
    apply_profile(None)
    assert os.environ["DUALION_RUNS"] == "elsewhere"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("run: x\n", "did you mean 'runs'"),
        ("workers: 0\n", "workers"),
        ("workers: many\n", "'many'"),
        ("- runs\n", "mapping"),
        ("runs: !!python/name:os.system\n", "tag"),
        (None, "cannot be read"),
    ],
    ids=str,
)
def test_a_bad_profile_is_one_line(dualion, tmp_path, tree, text, words):
    if text is not None:
        (tmp_path / "p.yaml").write_text(text)
    before = tree()
    answer = dualion("--profile", "p.yaml", "engines")
    assert answer.code == 2
    assert words in answer.one_line_error()
    assert "p.yaml" in answer.err
    assert tree() == before
