"""What is MongoDB's own: addresses, outages, writers side by side and killed, damaged documents."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter

import pymongo
import pytest
from pymongo.errors import BulkWriteError, OperationFailure

from dualion.errors import RecordError, StoreError, StoreVersionError
from dualion.records import Outcome
from dualion.store import documents
from dualion.store.base import BarrierFilter
from dualion.store.connection import explain
from dualion.store.mongo import MongoBarrierStore
from dualion.store.sqlite import SQLiteBarrierStore
from standin.server import running_mongod

SECRET = "hunter2-geheim"  # noqa: S105 - of nothing


@pytest.fixture
def mongo(mongo_address):
    with MongoBarrierStore(mongo_address) as store:
        yield store


@pytest.fixture
def raw(mongo_address):
    with pymongo.MongoClient(mongo_address) as client:
        yield client.get_default_database()


def refused(*arguments, **options):
    """Return the one line that opening gives, after looking for the password everywhere."""
    with pytest.raises(StoreError) as caught:
        MongoBarrierStore(*arguments, **options)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (f"mongodb://ana:{SECRET}@127.0.0.1:1/db", "does not answer"),
        (f"mongodb://ana:{SECRET}@127.0.0.1:1", "names no database"),
        (f"mongodb://ana:{SECRET}@127.0.0.1:1/?authSource=admin", "names no database"),
        (f"mongodb://ana:{SECRET}@x@127.0.0.1/db", "%40"),
        (f"mongodb://ana:{SECRET}/x@127.0.0.1/db", "%2F"),
        (f"mongodb://ana:{SECRET}", "HOST:PORT/NAME"),
        (f"mongodb://ana:a?{SECRET}=x@127.0.0.1/db", "HOST:PORT/NAME"),
        (f"mongodb://h/db?tlsCertificateKeyFile=/{SECRET}", "cannot be read"),
        (f"mongodb://h/db?{SECRET}=1", "not the address"),
    ],
)
def test_an_address_that_is_none_is_one_line_without_the_password(address, words):
    start = time.monotonic()
    assert words in refused(address, read_only=True, patience=0.3)
    assert time.monotonic() - start < 5


def test_a_wrong_password_and_none_at_all_are_told_apart():
    with running_mongod(user="ana", password="right") as server:  # noqa: S106 - a test's own
        address = server.address("db")
        assert "refused user or password" in refused(address.replace("right", SECRET))
        assert "may not do that" in refused(address.replace("ana:right@", ""))
        with MongoBarrierStore(address) as store:
            assert store.where == f"mongodb://127.0.0.1:{server.port}/db"
            assert store.count() == 0


@pytest.mark.parametrize(
    "error",
    [
        OperationFailure("no", 14031, {"code": 14031, "codeName": "OutOfDiskSpace"}),
        OperationFailure("no", 8000, {"code": 8000, "errmsg": "you are over your space quota"}),
        BulkWriteError({"writeErrors": [{"code": 14031, "errmsg": "disk", "index": 0}]}),
        BulkWriteError({"writeErrors": [{"code": 8, "errmsg": "28: No space left on device"}]}),
    ],
)
def test_a_full_disk_of_the_server_is_told(error):
    assert "no space left on the database server" in str(explain(error, "mongodb://h/db"))


def test_reading_makes_nothing_in_a_database_without_a_store(mongo_address, raw):
    assert "there is no barrier store" in refused(mongo_address, read_only=True)
    assert raw.list_collection_names() == []


def test_a_store_of_a_newer_dualion_is_refused(mongo_address, mongo, raw):
    assert mongo.count() == 0
    raw.barrier_meta.update_one({"_id": "schema"}, {"$set": {"version": 99}})
    with pytest.raises(StoreVersionError, match=r"99.*upgrade dualion"):
        MongoBarrierStore(mongo_address)
    raw.barrier_meta.update_one({"_id": "schema"}, {"$set": {"version": "x"}})
    assert "not a barrier store" in refused(mongo_address)


def test_an_open_database_is_used_and_left_open(raw, make_record):
    with MongoBarrierStore(raw) as store:
        store.add(make_record(record_id="one"))
        assert store.where.endswith(f"/{raw.name}")
    assert raw.barriers.count_documents({}) == 1


def test_a_process_does_not_use_the_connection_of_its_parent(mongo):
    mongo._connection._process += 1
    with pytest.raises(StoreError, match="opened by another process"):
        mongo.count()
    mongo._connection._process -= 1


def test_operators_in_a_filter_are_text(mongo, make_record):
    mongo.add(make_record())
    for text in ("$ne", '{"$gt": ""}', ".*"):
        assert mongo.count(BarrierFilter(framework=text)) == 0
        assert mongo.count(BarrierFilter(moving_ions=(text,))) == 0


def test_filters_use_an_index(raw, mongo):
    assert mongo.count() == 0
    keys = [list(each["key"]) for each in raw.barriers.list_indexes()]
    for first in ("framework", "moving_ion", "fingerprint", "campaign", "number"):
        assert any(key[0] == first for key in keys)


def test_what_does_not_fit_a_document_is_refused(mongo, raw, make_record):
    noise = os.urandom(documents.LARGEST + 2**20).hex()
    with pytest.raises(RecordError, match="MiB packed, limit of MongoDB 15 MiB"):
        mongo.add(make_record(note=noise))
    with pytest.raises(RecordError, match="too large"):
        mongo.add(make_record(member=2**63))
    assert raw.barrier_bodies.count_documents({}) == 0


@pytest.mark.parametrize("part", ["barrier_bodies", "barrier_images"])
@pytest.mark.parametrize("damage", [{"$set": {"blob": b"\0"}}, {"$set": {"blob": "text"}}, None])
def test_a_damaged_record_is_told_and_the_others_are_read(
    mongo, raw, make_record, tmp_path, part, damage
):
    mongo.add(make_record(record_id="bad"))
    mongo.add(make_record(record_id="good"))
    key = raw.barriers.find_one({"_id": "bad"})["body"]
    if damage is None:
        raw[part].delete_one({"_id": key})
    else:
        raw[part].update_one({"_id": key}, damage)

    with pytest.raises(RecordError, match="'bad'"):
        mongo.get("bad")
    assert mongo.get("good").record_id == "good"
    with pytest.raises(StoreError, match="1 records cannot be copied"):
        mongo.backup(tmp_path / "copy.sqlite")
    assert list(tmp_path.iterdir()) == []


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", ["_put_parts", "_take_numbers", "_keep_revision", "_show"])
@pytest.mark.parametrize("after", [False, True])
def test_superseding_that_is_cut_off_loses_nothing(
    mongo, mongo_address, make_record, monkeypatch, step, after
):
    failed = make_record(record_id="one", outcome=Outcome.UNCONVERGED)
    better = make_record(record_id="one", forward=0.5)
    mongo.add(failed)
    original = getattr(documents, step)

    def cut(*arguments):
        if after:
            original(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(documents, step, cut)
        with pytest.raises(Killed):
            mongo.add(better)
    shown = step == "_show" and after
    with MongoBarrierStore(mongo_address) as again:
        assert again.get("one") == (better if shown else failed)
        assert again.revisions("one") == ((failed,) if shown else ())
        assert again.add(better) is not shown
        assert again.get("one") == better
        assert again.revisions("one") == (failed,)


def test_a_block_that_is_cut_off_while_it_ends_leaves_whole_records_and_can_be_repeated(
    mongo, make_record, monkeypatch
):
    mongo.add(make_record(record_id="r2", outcome=Outcome.UNCONVERGED))
    many = [make_record(record_id=f"r{k}") for k in range(4)]

    def fill():
        with mongo.transaction():
            for record in many:
                assert mongo.add(record)

    with monkeypatch.context() as patch:
        patch.setattr(documents, "write", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            fill()
    assert set(mongo.ids()) == {"r0", "r1", "r2", "r3"}
    assert all(record.images for record in mongo.query(images=True))
    for record in many:
        mongo.add(record)
    assert [mongo.get(record.record_id) for record in many] == many


def test_a_block_keeps_the_order_and_the_history_of_what_was_added(mongo, make_record):
    first = make_record(record_id="b", outcome=Outcome.ENGINE_FAILED)
    mongo.add(make_record(record_id="z", outcome=Outcome.UNCONVERGED))
    with mongo.transaction():
        assert mongo.add(first)
        assert not mongo.add(first)
        assert mongo.add(make_record(record_id="z"))
        assert mongo.add(make_record(record_id="a"))
        assert mongo.add(make_record(record_id="b"))
        assert not mongo.add(make_record(record_id="b", outcome=Outcome.WRONG_MOVER))

    assert mongo.ids() == ("z", "a", "b")
    assert mongo.revisions("b") == (first,)
    assert len(mongo.revisions("z")) == 1


def test_what_another_writer_added_during_a_block_stands(mongo, mongo_address, make_record):
    mine, other = make_record(record_id="one", forward=0.3), make_record(record_id="one")
    with MongoBarrierStore(mongo_address) as rival, mongo.transaction():
        assert mongo.add(mine)
        assert mongo.add(make_record(record_id="two"))
        assert rival.add(other)

    assert mongo.get("one") == other
    assert set(mongo.ids()) == {"one", "two"}


def test_the_loser_of_a_race_leaves_no_parts(mongo, raw, mongo_address, make_record, monkeypatch):
    put = documents._put_parts
    rival = MongoBarrierStore(mongo_address)

    def late(database, several):
        monkeypatch.setattr(documents, "_put_parts", put)
        put(database, several)
        assert rival.add(make_record(record_id="one", forward=0.9))

    monkeypatch.setattr(documents, "_put_parts", late)
    assert not mongo.add(make_record(record_id="one"))
    assert mongo.get("one").forward == 0.9
    assert raw.barrier_bodies.count_documents({}) == raw.barrier_images.count_documents({}) == 1
    rival.close()


def test_a_write_waits_for_a_server_that_comes_back(tmp_path, make_record):
    with (
        running_mongod(tmp_path / "data") as server,
        MongoBarrierStore(server.address("db")) as store,
    ):
        assert store.add(make_record(record_id="before"))
        server.kill()
        back = threading.Timer(1.0, server.start)
        back.start()
        assert store.add(make_record(record_id="after"))
        back.join()
        assert store.ids() == ("before", "after")


def test_an_answer_that_was_lost_on_its_way_is_found_out(mongo, make_record, monkeypatch):
    show, lost = documents._show, [True]

    def answer_lost(*arguments):
        done = show(*arguments)
        if lost:
            lost.pop()
            raise pymongo.errors.AutoReconnect("connection closed")
        return done

    monkeypatch.setattr(documents, "_show", answer_lost)
    assert mongo.add(make_record(record_id="one"))
    assert mongo.count() == 1


def test_an_answer_that_was_lost_and_overtaken_costs_nobody_a_record(
    mongo, mongo_address, make_record, monkeypatch
):
    first = make_record(record_id="one", outcome=Outcome.ENGINE_FAILED)
    second = make_record(record_id="one", outcome=Outcome.UNCONVERGED)
    show, lost = documents._show, [True]

    def answer_lost(*arguments):
        done = show(*arguments)
        if lost:
            lost.pop()
            with MongoBarrierStore(mongo_address) as rival:
                assert rival.add(second)
            raise pymongo.errors.AutoReconnect("connection closed")
        return done

    monkeypatch.setattr(documents, "_show", answer_lost)
    assert mongo.add(first)
    assert mongo.get("one") == second
    assert mongo.revisions("one") == (first,)


def test_a_newer_store_is_not_touched(mongo_address, raw):
    raw.barrier_meta.insert_one({"_id": "schema", "version": 3})
    with pytest.raises(StoreVersionError):
        MongoBarrierStore(mongo_address)
    assert raw.list_collection_names() == ["barrier_meta"]
    assert raw.barrier_meta.count_documents({}) == 1


def test_threads_may_share_a_store(mongo, make_record):
    def work(name):
        for k in range(8):
            mongo.add(make_record(record_id=f"{name}{k}", with_images=False))
            with mongo.transaction():
                mongo.add(make_record(record_id=f"block {name}{k}", with_images=False))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mongo.count() == len(set(mongo.ids())) == 64


WRITER = """
import os, sys
from pathlib import Path
from dualion.records import HopRecord
from dualion.store.mongo import MongoBarrierStore
folder, address, name, count = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
good = HopRecord.model_validate_json((folder / "good.json").read_text())
failed = HopRecord.model_validate_json((folder / "failed.json").read_text())
note = os.open(folder / f"{name}.ack", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
with MongoBarrierStore(address) as store:
    for k in range(count):
        for key in (f"{name}-{k}", f"shared-{k}"):
            for base in (failed, good):
                if store.add(base.model_copy(update={"record_id": key})):
                    os.write(note, f"{base.outcome.value} {key}\\n".encode())
"""


@pytest.fixture
def start(tmp_path, mongo_address, make_record):
    """Start a writing process; gives it and the file of what it was promised."""
    (tmp_path / "good.json").write_text(make_record(atoms=30).model_dump_json())
    failed = make_record(atoms=30, outcome=Outcome.UNCONVERGED)
    (tmp_path / "failed.json").write_text(failed.model_dump_json())
    running = []

    def started(name, count):
        command = [sys.executable, "-c", WRITER, str(tmp_path), mongo_address, name, str(count)]
        running.append(subprocess.Popen(command))
        return running[-1], tmp_path / f"{name}.ack"

    yield started
    for process in running:
        process.kill()
        process.wait()


def promised(file):
    """Return the complete lines: a kill may cut the last one short."""
    return file.read_text().split("\n")[:-1] if file.exists() else []


def test_four_writers_that_also_make_the_store_lose_and_double_nothing(start, mongo_address):
    writers = [start(name, 10) for name in "abcd"]

    assert [process.wait(timeout=120) for process, _ in writers] == [0, 0, 0, 0]
    counts = Counter(line for _, file in writers for line in promised(file))
    keys = {f"{name}-{k}" for name in ("a", "b", "c", "d", "shared") for k in range(10)}
    # Of four writers of a shared key, exactly one was told that it was new, and one (perhaps
    # another) that its better result took the place.
    assert all(count == 1 for count in counts.values())
    assert {line.split()[1] for line in counts if line.startswith("converged ")} == keys
    with MongoBarrierStore(mongo_address, read_only=True) as store:
        assert set(store.ids()) == keys
        assert store.count(BarrierFilter(outcomes=(Outcome.CONVERGED,))) == len(keys)
        for key in keys:
            kept = [one.outcome for one in store.revisions(key)]
            assert kept == [Outcome.UNCONVERGED] * counts[f"unconverged {key}"]


def test_killed_writers_lose_no_acknowledged_write(start, mongo_address):
    chance = random.Random(21)  # noqa: S311 - moments of the kills, not a secret
    kept = set()
    for kill in range(6):
        process, file = start(f"k{kill}", 100_000)
        deadline = time.monotonic() + 60
        while not promised(file) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert promised(file)
        kept |= set(promised(file))
    with MongoBarrierStore(mongo_address) as store:
        there = set(store.ids())
        assert {line.split()[1] for line in kept} <= there
        # Reads every body and all images: none is missing.
        for record in store.query(images=True):
            assert record.images
            if f"converged {record.record_id}" in kept:
                assert record.outcome is Outcome.CONVERGED
                assert len(store.revisions(record.record_id)) == 1


def test_a_backup_keeps_revisions(mongo, make_record, tmp_path):
    failed = make_record(record_id="one", outcome=Outcome.ENGINE_FAILED, with_images=False)
    mongo.add(failed)
    mongo.add(make_record(record_id="one"))
    mongo.backup(tmp_path / "copy.sqlite")
    with SQLiteBarrierStore(tmp_path / "copy.sqlite", read_only=True) as copy:
        assert copy.get("one") == make_record(record_id="one")
        assert copy.revisions("one") == (failed,)
