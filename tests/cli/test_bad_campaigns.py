"""What a person may get wrong in a campaign: one line, exit code 2, nothing written."""

from __future__ import annotations

import shutil
import sqlite3
from types import SimpleNamespace

import pytest
import yaml

from dualion.store.opening import open_store

GOOD = {
    "name": "try",
    "framework": "nacl.cif",
    "pair": ["Na", "Li"],
    "engine": "fast",
    "cell": {"min_image_distance": 5.0},
}


@pytest.fixture
def place(tmp_path, rocksalt):
    """A campaign that would run, its structure, and an empty library."""
    rocksalt()
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "catalogue.yaml").write_text("frameworks: []\n")
    return tmp_path


@pytest.fixture
def refused(dualion, place, tree):
    """Run the campaign and return its one-line error, after looking that nothing was written."""

    def run(*words: object, text: str | None = None, **changed: object) -> str:
        data = {key: value for key, value in {**GOOD, **changed}.items() if value is not None}
        (place / "try.yaml").write_text(yaml.safe_dump(data) if text is None else text)
        before = tree()
        answer = dualion("run", "try.yaml", "--quiet", "--library", place / "lib", *words)
        line = answer.one_line_error()
        assert answer.code == 2, line
        assert tree() == before
        return line

    return run


def test_the_campaign_these_tests_spoil_is_good(dualion, place, tree):
    (place / "try.yaml").write_text(yaml.safe_dump(GOOD))
    before = tree()
    answer = dualion("run", "try.yaml", "--dry-run", "--library", place / "lib")
    assert answer.code == 0, answer.err
    assert tree() == before


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ({"cations": (("Na", 0.5),)}, "dualion frameworks order FILE"),
        ({"cations": (("Rb", 1.0),), "a": 6.58}, "no working ion"),
        ({"twin": 0.3}, "0.30 Å"),
        ({"a": 0.564}, "nm"),
    ],
    ids=["half-occupied", "no working ion", "0.3 Å apart", "nm"],
)
def test_a_bad_structure(refused, rocksalt, spoilt, words):
    rocksalt(**spoilt)
    line = refused()
    assert words in line
    assert "nacl" in line


def test_a_working_ion_that_the_structure_does_not_have(refused):
    assert "no working ion K" in refused(working_ion="K", pair=["K", "Na"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"pair": ["Na", "Xx"]}, "no cation 'Xx'"),
        ({"pair": ["Na", "Fe"]}, "no cation 'Fe'"),
        ({"pair": ["Na", "Na"]}, "names one cation twice"),
        ({"pair": ["Na"]}, "pair"),
        ({"pair": "Na"}, "pair"),
        ({"pair": ["Li", "Cu"]}, "Na"),
        ({"doping": [{"fraction": 1.5}]}, "less than 1"),
        ({"doping": [{"fraction": -0.1}]}, "greater than 0"),
        ({"doping": [{"fraction": float("nan")}]}, "fraction"),
        ({"doping": ["some"]}, "'some'"),
        ({"doping": []}, "doping"),
        ({"engine": "quantum"}, "engine: no engine 'quantum'"),
        ({"enigne": "fast"}, "did you mean 'engine'"),
        ({"band": {"fmaxx": 0.1}}, "did you mean 'fmax'"),
        ({"band": {"fmax": -1}}, "band.fmax"),
        ({"band": {"fmax": "fast"}}, "band.fmax"),
        ({"cell": {"max_atoms": 4}}, "max_atoms"),
        ({"hops": {"classes": ["h9"]}}, "h9"),
        ({"name": "../escape"}, "not a plain name"),
        ({"name": "a/b"}, "not a plain name"),
        ({"name": ""}, "not a plain name"),
        ({"name": None}, "is missing"),
        ({"framework": "nacl2.cif"}, "nacl2.cif"),
        ({"framework": "../../etc/passwd"}, "passwd"),
        ({"seed": 1e99}, "seed"),
    ],
    ids=str,
)
def test_a_bad_value_is_named(refused, changed, words):
    line = refused(**changed)
    assert words in line
    assert "try.yaml" in line or "lib" in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: !!python/object/apply:os.system ['touch pwned']\n", "tag"),
        ("name: !!python/name:os.system\n", "tag"),
        ("name: try\npair:\n\t- Na\n", "line 3"),
        ("name: try\nname: other\n", "given twice"),
        ("", "mapping"),
        ("- a\n- b\n", "mapping"),
        ("name: [try\n", "line"),
        ("name: &a [*a]\n", "recursive"),
        ("? [1, 2]\n: 3\n", "try.yaml"),
        ("name: \x07\n", "try.yaml"),
        ("2024-01-01: x\n", "try.yaml"),
        ("a: " + "[" * 5000, "try.yaml"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_bad_yaml_is_one_line_and_runs_nothing(refused, place, text, words):
    assert words in refused(text=text)
    assert not (place / "pwned").exists()


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00bin", b"x" * 2_000_000], ids=str)
def test_a_file_that_is_no_campaign(dualion, place, tree, content):
    if content is not None:
        (place / "try.yaml").write_bytes(content[:2_000_000])
    before = tree()
    answer = dualion("run", "try.yaml")
    assert answer.code == 2
    assert "try.yaml" in answer.one_line_error()
    assert tree() == before


@pytest.mark.usefixtures("place")
def test_a_folder_is_no_campaign(dualion, tree):
    before = tree()
    answer = dualion("run", "lib")
    assert answer.code == 2
    assert "lib" in answer.one_line_error()
    assert tree() == before


def test_weights_that_are_not_there(refused, place, monkeypatch):
    entry = {
        "name": "ghost",
        "calculator": "ase.calculators.emt:EMT",
        "package": "ase",
        "model_argument": "path",
        "model_file": str(place / "gone.pth"),
        "model_sha256": "0" * 64,
    }
    (place / "engines.yaml").write_text(yaml.safe_dump([entry]))
    monkeypatch.setenv("DUALION_ENGINES", str(place / "engines.yaml"))
    assert "gone.pth" in refused(engine="ghost")


def test_weights_that_are_not_the_known_ones(refused, place, monkeypatch):
    (place / "other.pth").write_bytes(b"something else")
    entry = {
        "name": "ghost",
        "calculator": "ase.calculators.emt:EMT",
        "package": "ase",
        "model_argument": "path",
        "model_file": str(place / "other.pth"),
        "model_sha256": "0" * 64,
    }
    (place / "engines.yaml").write_text(yaml.safe_dump([entry]))
    monkeypatch.setenv("DUALION_ENGINES", str(place / "engines.yaml"))
    assert "not known" in refused(engine="ghost")


def test_an_engine_that_is_not_installed(refused, place, monkeypatch):
    entry = {"name": "ghost", "calculator": "ghostly:Thing", "package": "ghostly-thing"}
    (place / "engines.yaml").write_text(yaml.safe_dump([entry]))
    monkeypatch.setenv("DUALION_ENGINES", str(place / "engines.yaml"))
    assert "ghostly-thing is not installed" in refused(engine="ghost")


def test_a_store_that_is_no_store(refused, place):
    (place / "notes.txt").write_text("not a store, but long enough to be read as one\n" * 40)
    assert "notes.txt" in refused("--store", "notes.txt")


def test_a_store_that_is_a_folder(refused):
    assert "is a folder" in refused("--store", "lib")


def test_a_store_of_a_newer_dualion(refused, place):
    with open_store(place / "new.sqlite"):
        pass
    connection = sqlite3.connect(place / "new.sqlite")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    assert "upgrade dualion" in refused("--store", "new.sqlite")


def test_a_full_disk(refused, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    assert "no space left on device" in refused()
