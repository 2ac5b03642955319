from __future__ import annotations

import json
import subprocess
import sys
import traceback

import pytest

from dualion.errors import StoreError
from dualion.store.opening import open_store
from dualion.store.spool import Spool

SECRET = "hunter2-geheim"  # noqa: S105 - of nothing


def rows_of(answer):
    assert answer.code == 0, answer.err
    assert answer.err == ""
    return json.loads(answer.out)


@pytest.fixture
def in_mongo(dualion, store, mongo_address):
    """Address of a MongoDB store with the records of ``store``."""
    assert dualion("store", "migrate", store, mongo_address).code == 0
    return mongo_address


def test_every_reading_verb_takes_an_address(dualion, store, in_mongo):
    for verb in (
        ["query", "--json"],
        ["query", "--max-barrier", "0.3", "--csv"],
        ["compare", "--framework", "li6ps5cl", "--pair", "Li,Cu", "--json"],
    ):
        from_file = dualion(*verb, "--store", store)
        from_mongo = dualion(*verb, "--store", in_mongo)
        assert from_mongo == from_file
        assert from_file.code == 0


def test_exports_from_both_stores_are_equal(dualion, store, in_mongo, tmp_path):
    for name, place in (("a", store), ("b", in_mongo)):
        for kind in ("csv", "extxyz"):
            assert dualion("export", kind, f"{name}.{kind}", "--store", place).code == 0
    for kind in ("csv", "extxyz"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_the_address_comes_from_the_environment_or_a_private_file(
    dualion, in_mongo, monkeypatch, tmp_path
):
    file = tmp_path / "address"
    file.write_text(in_mongo)
    file.chmod(0o600)
    assert len(rows_of(dualion("query", "--json", "--store", f"@{file}"))) == 4
    for value in (in_mongo, f"@{file}"):
        monkeypatch.setenv("DUALION_STORE", value)
        assert len(rows_of(dualion("query", "--json"))) == 4
    file.chmod(0o644)
    assert "chmod 600" in dualion("query", "--store", f"@{file}").one_line_error()


def test_a_password_on_the_command_line_is_warned_of_and_not_repeated(dualion, monkeypatch):
    monkeypatch.setattr("dualion.store.connection.SHORT", 0.2)
    answer = dualion("query", "--store", f"mongodb://ana:{SECRET}@127.0.0.1:1/db")
    warning, error = answer.err.splitlines()
    assert answer.code == 2
    assert warning.startswith("warning: a password on the command line")
    assert "DUALION_STORE" in warning
    assert error.startswith("error: mongodb://127.0.0.1:1/db: the database server does not answer")
    assert SECRET not in answer.err + answer.out


def test_a_password_from_the_environment_is_neither_warned_of_nor_shown(dualion, monkeypatch):
    monkeypatch.setattr("dualion.store.connection.SHORT", 0.2)
    monkeypatch.setenv("DUALION_STORE", f"mongodb://ana:{SECRET}@127.0.0.1:1/db")
    answer = dualion("query")
    assert "does not answer" in answer.one_line_error()
    assert SECRET not in answer.err


def test_the_traceback_of_debug_does_not_hold_the_password(monkeypatch):
    monkeypatch.setattr("dualion.store.connection.SHORT", 0.2)
    for address in (f"mongodb://a:{SECRET}@127.0.0.1:1/db", f"mongodb://a:@{SECRET}@h/db"):
        with pytest.raises(StoreError) as caught:
            open_store(address, read_only=True)
        assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("kind", ["file", "mongo"])
def test_info_says_what_is_there(dualion, store, in_mongo, kind):
    place = store if kind == "file" else in_mongo
    facts = rows_of(dualion("store", "info", "--store", place, "--json"))
    assert facts["backend"] == {"file": "SQLite", "mongo": "MongoDB"}[kind]
    assert facts["address"] == str(place)
    assert facts["records"] == 4
    assert facts["schema_version"] == 2
    assert {k: v for k, v in facts["outcomes"].items() if v} == {"converged": 3, "wrong_mover": 1}
    table = dualion("store", "info", "--store", place).out
    assert "wrong_mover" in table
    assert "barrierless" not in table


def test_info_makes_no_store(dualion, tree):
    before = tree()
    assert "there is no barrier store" in dualion("store", "info").one_line_error()
    assert tree() == before


def test_migrate_says_what_it_did(dualion, store, mongo_address, make_record):
    first = dualion("store", "migrate", store, mongo_address)
    assert (first.code, first.out) == (0, "4 records: 4 copied, 0 there already\n")
    again = rows_of(dualion("store", "migrate", store, mongo_address, "--json"))
    assert (again["copied"], again["present"], again["complete"]) == (0, 4, True)

    with open_store(mongo_address) as opened:
        opened.add(make_record(record_id="one", forward=0.3))
    with open_store(store) as opened:
        opened.add(make_record(record_id="one", forward=0.4))
    differs = dualion("store", "migrate", store, mongo_address)
    assert differs.code == 2
    assert differs.out == "5 records: 0 copied, 4 there already\n"
    assert differs.err == "differs there, left as it is: one\n"


def test_a_copy_from_a_store_that_is_not_there_makes_none(dualion, tree):
    before = tree()
    assert "no barrier store" in dualion("store", "migrate", "x.sqlite", "y.sqlite").err
    assert tree() == before


def test_a_spool_is_ingested(dualion, make_record, tmp_path):
    spool = Spool(tmp_path / "spool")
    spool.prepare()
    for k in range(3):
        spool.put(make_record(record_id=f"r{k}"))
    (spool.folder / "notes.txt").write_text("no record")

    answer = dualion("store", "ingest", spool.folder, "--store", "b.sqlite")
    assert answer.code == 2
    assert answer.out == "3 records added, 0 there already\n"
    assert answer.err.startswith("set aside in quarantine/: notes.txt: is not named")
    assert len(rows_of(dualion("query", "--store", "b.sqlite", "--json"))) == 3
    spool.put(make_record(record_id="r3"))
    done = rows_of(
        dualion("store", "ingest", spool.folder, "--store", "b.sqlite", "--remove", "--json")
    )
    assert done == {"added": 1, "present": 0, "quarantined": []}


def test_ingesting_a_folder_that_is_not_there_makes_no_store(dualion, tree):
    before = tree()
    assert "no such file" in dualion("store", "ingest", "missing").one_line_error()
    assert tree() == before


def test_store_and_spool_together_are_refused(dualion, tree):
    before = tree()
    answer = dualion("run", "x.yaml", "--store", "b.sqlite", "--spool", "spool")
    assert "not both" in answer.one_line_error()
    assert tree() == before


def test_a_file_store_needs_no_pymongo(store):
    code = (
        "import sys; from dualion.cli.app import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert 'pymongo' not in sys.modules and 'bson' not in sys.modules"
    )
    words = ["query", "--json", "--store", str(store)]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
