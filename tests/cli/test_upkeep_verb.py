"""``dualion store check``, ``backup``, ``restore``, ``compact``, ``delete`` and ``upgrade``."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from dualion.store.opening import open_store

OLD = Path(__file__).parents[1] / "store" / "files" / "version-1.sqlite"


def ids(path):
    with open_store(path, read_only=True) as store:
        return store.ids()


def test_a_sound_store_is_checked_with_exit_code_0(dualion, store):
    answer = dualion("store", "check", "--store", store)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "4 records, 0 revisions, 0 tombstones, 0 in quarantine: sound\n"


def test_damage_is_told_by_exit_code_and_repaired(dualion, store):
    gone = ids(store)[1]
    with sqlite3.connect(store) as raw:
        raw.execute(
            "UPDATE bodies SET body = x'00' "
            "WHERE id = (SELECT id FROM records WHERE record_id = ?)",
            (gone,),
        )
    raw.close()
    answer = dualion("store", "check", "--store", store)
    assert answer.code == 2
    assert f"record '{gone}'" in answer.err
    assert "1 wrong" in answer.out
    told = json.loads(dualion("store", "check", "--store", store, "--json").out)
    assert told["sound"] is False
    assert told["troubles"][0]["record_id"] == gone
    repaired = dualion("store", "check", "--store", store, "--repair")
    assert repaired.code == 0
    assert "moved to quarantine" in repaired.err
    assert "3 records" in dualion("store", "check", "--store", store).out
    assert (
        "1 quarantined part dropped" in dualion("store", "compact", "--store", store, "--prune").out
    )
    assert gone not in ids(store)


def test_a_backup_is_put_back(dualion, store, tmp_path):
    backup = tmp_path / "copy.sqlite"
    before = ids(store)
    assert "4 records" in dualion("store", "backup", backup, "--store", store).out
    with open_store(store) as opened:
        opened.add(opened.get(before[0]).model_copy(update={"record_id": "later"}))
    words = ("store", "restore", backup, "--store", store)
    assert "backup lacks (later)" in dualion(*words).one_line_error()
    forced = dualion(*words, "--force")
    assert forced.code == 0
    assert "is kept as" in forced.err
    assert ids(store) == before
    assert dualion("store", "restore", backup, "--store", tmp_path / "new.sqlite").code == 0
    assert ids(tmp_path / "new.sqlite") == before
    there = dualion("store", "restore", backup, "--store", "mongodb://127.0.0.1:1/x")
    assert "to a file only" in there.one_line_error()


def test_records_are_deleted_with_a_reason_and_revived(dualion, store):
    first, second = ids(store)[:2]
    words = ("store", "delete", first, second, "--store", store)
    assert "give a reason" in dualion(*words).one_line_error()
    assert "give a reason" in dualion(*words, "--reason", " ").one_line_error()
    assert "2 records deleted" in dualion(*words, "--reason", "wrong model").out
    assert len(ids(store)) == 2
    again = dualion(*words, "--reason", "wrong model")
    assert again.code == 2
    assert f"no record '{first}'" in again.err
    assert "1 record revived" in dualion("store", "delete", first, "--store", store, "--revive").out
    assert len(ids(store)) == 3


def test_a_store_of_an_older_version_is_upgraded(dualion, tmp_path):
    old = shutil.copy(OLD, tmp_path / "old.sqlite")
    assert "dualion store upgrade" in dualion("query", "--store", old).one_line_error()
    assert "schema version 2" in dualion("store", "upgrade", "--store", old).out
    assert len(json.loads(dualion("query", "--store", old, "--json").out)) == 8
    missing = dualion("store", "upgrade", "--store", tmp_path / "none.sqlite")
    assert "there is no barrier store" in missing.one_line_error()
    assert not (tmp_path / "none.sqlite").exists()


@pytest.mark.parametrize("verb", ["check", "backup", "compact", "upgrade"])
def test_what_is_no_store_is_told_in_one_line(dualion, tmp_path, verb):
    other = tmp_path / "POSCAR"
    other.write_text("Li\n1.0\n")
    words = [tmp_path / "x"] if verb == "backup" else []
    assert dualion("store", verb, *words, "--store", other).code == 2
    assert other.read_text() == "Li\n1.0\n"
