from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
import yaml

from dualion.cli.content import FOLDERS, content_files, content_root

CLONE = Path(__file__).resolve().parents[2]


def test_all_three_folders_are_written_as_shipped(dualion, tmp_path):
    answer = dualion("init", "study")
    assert answer.code == 0
    files = content_files()
    assert {file.parts[0] for file in files} == set(FOLDERS)
    for file in files:
        assert (tmp_path / "study" / file).read_bytes() == (content_root() / file).read_bytes()
    assert f"{len(files)} files in study" in answer.out


def test_nothing_hidden_or_compiled_is_written(dualion, tmp_path):
    dualion("init", "study")
    names = [path.name for path in (tmp_path / "study").rglob("*")]
    assert not [name for name in names if name.startswith((".", "__pycache__"))]


def test_the_wheel_takes_the_folders_that_init_writes():
    build = (CLONE / "pyproject.toml").read_text()
    for folder in FOLDERS:
        assert f'"{folder}" = "dualion/content/{folder}"' in build


def test_an_existing_file_is_named_and_nothing_is_written(dualion, tmp_path, tree):
    mine = tmp_path / "study" / content_files()[0]
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    before = tree()
    answer = dualion("init", "study")
    assert answer.code == 2
    assert str(content_files()[0]) in answer.one_line_error()
    assert tree() == before


def test_other_files_in_the_folder_stay(dualion, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert dualion("init", ".").code == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "workflows").is_dir()


def test_a_file_as_target_is_one_line(dualion, tmp_path, tree):
    (tmp_path / "taken").write_text("")
    before = tree()
    answer = dualion("init", "taken")
    assert answer.code == 2
    assert "is not a folder" in answer.one_line_error()
    assert tree() == before


def test_a_disk_that_fills_up_leaves_nothing_behind(dualion, tree, monkeypatch):
    before = tree()
    copies = iter(range(100))
    real = shutil.copyfile

    def copy(source, target):
        if next(copies) == 1:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return real(source, target)

    monkeypatch.setattr(shutil, "copyfile", copy)
    answer = dualion("init", "deep/study")
    assert answer.code == 2
    assert "no space left on device" in answer.one_line_error()
    assert tree() == before


@pytest.mark.parametrize("file", sorted((CLONE / "workflows").glob("*.yaml")), ids=lambda f: f.name)
def test_every_shipped_campaign_is_valid_and_named_like_its_file(file):
    from dualion.workflows.campaign import load_campaign

    campaign = load_campaign(file)
    assert campaign.name == file.stem


def test_shipped_yaml_is_plain():
    for file in content_files():
        if file.suffix == ".yaml":
            assert yaml.safe_load((content_root() / file).read_text()), file
