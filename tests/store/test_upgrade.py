"""Stores of released versions are brought up to date in place: wholly, or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from dualion.errors import StoreVersionError
from dualion.store import schema
from dualion.store.documents import NULLABLE
from dualion.store.mongo import MongoBarrierStore
from dualion.store.sqlite import SQLiteBarrierStore
from dualion.store.summary import COLUMNS, summary, summary_of_body

OLD = Path(__file__).parent / "files" / "version-1.sqlite"
IDS = 8


@pytest.fixture
def old(tmp_path):
    """A copy of a store that dualion 0.1.0 made with schema version 1."""
    return Path(shutil.copy(OLD, tmp_path / "b.sqlite"))


def version(path):
    raw = sqlite3.connect(path)
    found = raw.execute("PRAGMA user_version").fetchone()[0]
    names = {name for (name,) in raw.execute("SELECT name FROM sqlite_master")}
    raw.close()
    assert ("tombstones" in names) == (found == 2)
    return found


def bodies(path):
    raw = sqlite3.connect(path)
    found = raw.execute("SELECT id, body FROM bodies ORDER BY id").fetchall()
    found += raw.execute("SELECT * FROM revisions ORDER BY record_id, number").fetchall()
    raw.close()
    return found


def test_a_store_of_version_1_keeps_all_and_gets_the_new_columns(old):
    assert version(old) == 1
    before = bodies(old)
    with SQLiteBarrierStore(old) as store:
        assert store.database.check() == "ok"
        records = list(store.query(images=True))
        assert [record.record_id for record in records][-2:] == ["ingested", "again"]
        assert len(records) == IDS
        columns = store.columns()
        assert columns.rows(columns.select()) == [summary(record) for record in records]
        assert len(store.revisions("again")) == 2
        assert {row["source"] for row in columns.rows(columns.select())} == {
            "computed",
            "ingested",
        }
    assert version(old) == 2
    assert bodies(old) == before
    with SQLiteBarrierStore(old, read_only=True) as store:
        assert list(store.query(images=True)) == records


def test_an_upgraded_store_has_the_tables_of_a_new_one(old, tmp_path):
    def tables(path):
        SQLiteBarrierStore(path).close()
        raw = sqlite3.connect(path)
        found = raw.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        raw.close()
        return {
            (kind, name): " ".join((sql or "").replace('"', "").split())
            for kind, name, sql in found
        }

    upgraded, new = tables(old), tables(tmp_path / "new.sqlite")
    upgraded["table", "records"] = upgraded["table", "records"].replace("summaries", "records")
    assert upgraded == new


def test_a_store_of_version_1_is_not_read_in_part_but_told(old):
    before = old.read_bytes()
    with pytest.raises(StoreVersionError, match=r"older schema version 1.*dualion store upgrade"):
        SQLiteBarrierStore(old, read_only=True)
    assert old.read_bytes() == before


def test_an_upgrade_that_fails_leaves_version_1(old, monkeypatch):
    before, calls = bodies(old), []

    def fails(*kept, record_id):
        calls.append(record_id)
        if len(calls) == IDS - 1:
            raise KeyboardInterrupt
        return summary_of_body(*kept, record_id=record_id)

    with monkeypatch.context() as patch:
        patch.setattr(schema, "summary_of_body", fails)
        with pytest.raises(KeyboardInterrupt):
            SQLiteBarrierStore(old)
    assert version(old) == 1
    assert bodies(old) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from dualion.store import schema
from dualion.store.sqlite import SQLiteBarrierStore
many, whole = [], schema.summary_of_body
def dies(*kept, record_id):
    many.append(record_id)
    if len(many) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*kept, record_id=record_id)
schema.summary_of_body = dies
SQLiteBarrierStore(Path(sys.argv[1]))
"""


def test_an_upgrade_that_is_killed_leaves_version_1_and_is_done_by_the_next(old):
    run = subprocess.run([sys.executable, "-c", KILLED, str(old), "5"], check=False, env=os.environ)
    assert run.returncode == -signal.SIGKILL
    assert version(old) == 1
    with SQLiteBarrierStore(old) as store:
        assert store.count() == IDS
    assert version(old) == 2


def test_what_cannot_be_read_is_set_aside_and_does_not_stop_the_upgrade(old, caplog):
    with sqlite3.connect(old) as raw:
        raw.execute("UPDATE bodies SET body = x'00' WHERE id = 1")
        raw.execute("DELETE FROM bodies WHERE id = 2")
    with SQLiteBarrierStore(old) as store:
        assert store.count() == IDS - 2
        rows = store.database.rows("SELECT record_id, body, images FROM quarantine ORDER BY number")
    assert [row[1] for row in rows] == [b"\0", None]
    assert all(row[2] for row in rows)
    assert "goes to quarantine" in caplog.text


def test_a_mongo_store_of_version_1_is_summarised_anew(mongo_address, make_record):
    import pymongo

    new = [column.name for column in COLUMNS if column.name not in OLD_COLUMNS]
    records = [make_record(), make_record(class_id="h2"), make_record(moving_ion="Cu")]
    with MongoBarrierStore(mongo_address) as store:
        for record in records:
            store.add(record)
    with pymongo.MongoClient(mongo_address) as client:
        raw = client.get_default_database()
        gone = [*new, *(f"no_{name}" for name in NULLABLE if name != "barrier")]
        raw.barriers.update_many({}, {"$unset": dict.fromkeys(gone, "")})
        raw.barrier_meta.update_one({"_id": "schema"}, {"$set": {"version": 1}})
        raw.barrier_bodies.update_one(
            {"_id": raw.barriers.find_one({"_id": records[1].record_id})["body"]},
            {"$set": {"blob": b"junk"}},
        )

        with pytest.raises(StoreVersionError, match="dualion store upgrade"):
            MongoBarrierStore(mongo_address, read_only=True)
        with MongoBarrierStore(mongo_address) as store:
            columns = store.columns()
            assert columns.rows(columns.select()) == [summary(records[0]), summary(records[2])]
        assert raw.barrier_meta.find_one({"_id": "schema"})["version"] == 2
        (aside,) = raw.barrier_quarantine.find()
        assert aside["record_id"] == records[1].record_id


OLD_COLUMNS = frozenset(
    (
        *("record_id", "framework", "prototype", "formula", "host_ion", "moving_ion"),
        *("arrangement", "fraction", "hop_class", "member", "mechanism", "outcome", "barrier"),
        *("forward", "reverse", "fingerprint", "engine", "campaign", "created"),
    )
)
