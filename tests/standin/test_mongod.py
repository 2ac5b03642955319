"""The database stand-in, by pymongo over TCP."""

from __future__ import annotations

import datetime as dt
import threading

import gridfs
import pymongo
import pytest
from bson import ObjectId
from pymongo import DeleteOne, InsertOne, ReplaceOne, ReturnDocument, UpdateOne
from pymongo.errors import (
    BulkWriteError,
    CursorNotFound,
    DuplicateKeyError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteError,
)

from standin.server import running_mongod


@pytest.fixture(scope="module")
def server():
    with running_mongod() as running:
        yield running


@pytest.fixture
def db(server):
    with pymongo.MongoClient(server.address()) as client:
        client.drop_database("test")
        yield client["test"]


def test_documents_come_back_as_they_were_stored(db):
    document = {
        "_id": ObjectId(),
        "date": dt.datetime(2026, 1, 2, 3, 4, 5, 678000),  # noqa: DTZ001 - as pymongo returns it
        "nested": {"b": [1, 2.5, None, True], "a": "Å"},
        "big": 2**40,
        "bytes": b"\0\1",
    }
    db.things.insert_one(document)
    found = db.things.find_one({"nested.a": "Å"})
    assert found == document
    assert list(found["nested"]) == ["b", "a"]


def test_a_bulk_write_reports_what_it_did(db):
    done = db.things.bulk_write(
        [
            InsertOne({"_id": 1, "n": 1}),
            UpdateOne({"_id": 1}, {"$inc": {"n": 1}, "$setOnInsert": {"new": True}}),
            UpdateOne({"key": "k"}, {"$set": {"n": 5}, "$setOnInsert": {"new": True}}, upsert=True),
            ReplaceOne({"key": "r"}, {"key": "r", "n": 7}, upsert=True),
            DeleteOne({"_id": 1}),
        ]
    )
    assert (done.inserted_count, done.matched_count, done.deleted_count) == (1, 1, 1)
    assert done.upserted_count == 2
    assert list(db.things.find({}, {"_id": 0}, sort=[("n", 1)])) == [
        {"key": "k", "n": 5, "new": True},
        {"key": "r", "n": 7},
    ]


def test_an_unordered_bulk_goes_on_after_an_error_and_an_ordered_one_stops(db):
    db.things.create_index("k", unique=True)
    for ordered, left in ((True, [1]), (False, [1, 2])):
        db.things.delete_many({})
        with pytest.raises(BulkWriteError) as caught:
            db.things.insert_many([{"k": 1}, {"k": 1}, {"k": 2}], ordered=ordered)
        assert [error["code"] for error in caught.value.details["writeErrors"]] == [11000]
        assert sorted(db.things.distinct("k")) == left


def test_a_unique_index_holds_for_updates_and_falls_with_the_index(db):
    name = db.things.create_index("k", unique=True)
    db.things.insert_many([{"k": 1}, {"k": 2}])
    with pytest.raises(DuplicateKeyError):
        db.things.update_one({"k": 1}, {"$set": {"k": 2}})
    assert sorted(db.things.distinct("k")) == [1, 2]
    assert db.things.index_information()[name]["unique"]
    db.things.drop_index(name)
    db.things.update_one({"k": 1}, {"$set": {"k": 2}})
    assert db.things.count_documents({"k": 2}) == 2


def test_an_update_that_fails_changes_nothing(db):
    db.things.insert_one({"_id": 1, "n": 0, "text": "x"})
    with pytest.raises(WriteError):
        db.things.update_one({"_id": 1}, {"$set": {"n": 9}, "$inc": {"text": 1}})
    assert db.things.find_one({"n": 0}) == {"_id": 1, "n": 0, "text": "x"}


def test_find_and_modify_takes_the_first_in_order(db):
    db.things.insert_many([{"state": "READY", "p": p, "c": c} for p, c in [(1, 2), (5, 9), (5, 3)]])
    for expected in ((5, 3), (5, 9), (1, 2)):
        got = db.things.find_one_and_update(
            {"state": "READY"}, {"$set": {"state": "RUNNING"}}, sort=[("p", -1), ("c", 1)]
        )
        assert (got["p"], got["c"]) == expected
    assert db.things.find_one_and_update({"state": "READY"}, {"$set": {"p": 0}}) is None
    after = db.things.find_one_and_update(
        {"p": 1}, {"$inc": {"c": 1}}, {"c": 1, "_id": 0}, return_document=ReturnDocument.AFTER
    )
    assert after == {"c": 3}
    assert db.things.find_one_and_delete({"p": 1})["c"] == 3


def test_no_two_of_many_clients_check_out_the_same_document(server, db):
    db.things.insert_many([{"n": n, "state": "READY"} for n in range(60)])
    taken: list[int] = []

    def work():
        with pymongo.MongoClient(server.address()) as client:
            while got := client["test"].things.find_one_and_update(
                {"state": "READY"}, {"$set": {"state": "TAKEN"}}
            ):
                taken.append(got["n"])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(60))


def test_a_cursor_gives_every_document_once_and_ends_when_closed(db):
    db.things.insert_many([{"_id": n} for n in range(500)])
    assert [d["_id"] for d in db.things.find(batch_size=7)] == list(range(500))
    assert len(list(db.things.find(skip=490, limit=20))) == 10
    cursor = db.things.find(batch_size=2)
    next(cursor)
    db.command("killCursors", "things", cursors=[cursor.cursor_id])
    with pytest.raises(CursorNotFound):
        list(cursor)


def test_documents_larger_than_one_reply_arrive_in_several(db):
    db.things.insert_many([{"_id": n, "text": "x" * 5_000_000} for n in range(6)])
    assert [len(d["text"]) for d in db.things.find()] == [5_000_000] * 6


def test_aggregate_count_distinct_and_listing(db):
    db.things.insert_many([{"k": n % 3, "v": n} for n in range(9)])
    total = db.things.aggregate(
        [
            {"$match": {"k": {"$in": [0, 1]}}},
            {"$group": {"_id": "$k", "sum": {"$sum": "$v"}}},
            {"$sort": {"_id": 1}},
        ]
    )
    assert list(total) == [{"_id": 0, "sum": 9}, {"_id": 1, "sum": 12}]
    assert db.things.count_documents({"k": 2}) == 3
    assert db.things.count_documents({"k": 7}) == 0
    assert db.things.count_documents({}, skip=2, limit=5) == 5
    assert db.things.estimated_document_count() == 9
    assert sorted(db.things.distinct("k", {"v": {"$gt": 6}})) == [1, 2]
    assert db.list_collection_names() == ["things"]
    db.drop_collection("things")
    assert db.list_collection_names() == []


def test_indexes_are_made_listed_and_dropped(db):
    db.things.create_indexes([pymongo.IndexModel("a"), pymongo.IndexModel([("b", -1), ("c", 1)])])
    assert set(db.things.index_information()) == {"_id_", "a_1", "b_-1_c_1"}
    db.things.drop_index([("b", -1), ("c", 1)])
    with pytest.raises(OperationFailure) as caught:
        db.things.drop_index("b_-1_c_1")
    assert caught.value.code == 27
    db.things.drop_indexes()
    assert set(db.things.index_information()) == {"_id_"}


def test_an_unknown_command_is_an_error_and_the_connection_lives(db):
    with pytest.raises(OperationFailure) as caught:
        db.command("compact", "things")
    assert caught.value.code == 59
    assert db.command("ping")["ok"] == 1


def test_gridfs_keeps_files_of_several_chunks(db):
    data = bytes(n * n % 251 for n in range(700_000))
    bucket = gridfs.GridFS(db)
    identifier = bucket.put(data, filename="band", metadata={"key": "u1"})
    assert bucket.get(identifier).read() == data
    assert bucket.find_one({"metadata.key": "u1"}).filename == "band"
    bucket.delete(identifier)
    assert db["fs.chunks"].count_documents({}) == 0


def test_maggma_stores_write_and_query(server):
    from maggma.stores import GridFSStore, MongoStore

    with MongoStore.from_uri(server.address("maggma"), "docs", key="uuid") as store:
        store.update(
            [{"uuid": f"u{n}", "index": 1, "v": n} for n in range(20)], key=["uuid", "index"]
        )
        store.update([{"uuid": "u3", "index": 1, "v": -3}], key=["uuid", "index"])
        assert store.count() == 20
        assert store.query_one({"uuid": "u3"})["v"] == -3
        assert len(list(store.groupby("index"))) == 1
        store.remove_docs({"uuid": "u3"})
        assert store.count({"uuid": "u3"}) == 0
    host, port = "127.0.0.1", server.port
    with GridFSStore("maggma", "blobs", host=host, port=port, key="uuid") as blobs:
        blobs.update([{"uuid": "b1", "data": list(range(1000))}])
        assert blobs.query_one({"uuid": "b1"})["data"][-1] == 999


# What is on disk.


def test_a_kill_loses_no_acknowledged_write(tmp_path):
    with running_mongod(tmp_path / "snapshot", journal_limit=20_000) as server:
        acknowledged: list[int] = []
        with pymongo.MongoClient(server.address(), serverSelectionTimeoutMS=200) as client:
            killer = threading.Timer(1.0, server.kill)
            killer.start()
            with pytest.raises((ServerSelectionTimeoutError, pymongo.errors.AutoReconnect)):  # noqa: PT012
                for n in range(10**6):
                    client.a.things.insert_one({"_id": n, "text": "x" * 100})
                    acknowledged.append(n)
            killer.join()
        server.start()
        with pymongo.MongoClient(server.address()) as client:
            stored = {d["_id"] for d in client.a.things.find()}
    assert len(acknowledged) > 100
    assert set(acknowledged) <= stored
    assert len(stored) <= len(acknowledged) + 1  # the one that was under way


@pytest.mark.parametrize("ending", ["kill", "stop"])
def test_after_a_restart_everything_is_as_it_was(tmp_path, ending):
    with running_mongod(tmp_path / "snapshot") as server:
        port = server.port
        with pymongo.MongoClient(server.address()) as client:
            db = client.a
            db.things.create_index("k", unique=True)
            db.things.insert_many([{"k": n} for n in range(5)])
            db.things.update_one({"k": 77}, {"$set": {"v": 1}}, upsert=True)
            db.things.replace_one({"k": 78}, {"k": 78}, upsert=True)
            db.things.find_one_and_update({"k": 79}, {"$set": {"v": 2}}, upsert=True)
            db.things.update_one({"k": 1}, {"$currentDate": {"at": True}})
            db.things.delete_one({"k": 0})
            db.create_collection("empty")
            before = list(db.things.find())
        getattr(server, ending)()
        server.start()
        assert server.port == port
        with pymongo.MongoClient(server.address()) as client:
            assert list(client.a.things.find()) == before
            assert set(client.a.list_collection_names()) == {"things", "empty"}
            with pytest.raises(DuplicateKeyError):
                client.a.things.insert_one({"k": 1})


def test_half_a_record_at_the_end_of_the_journal_is_left_out(tmp_path):
    with running_mongod(tmp_path / "snapshot") as server:
        with pymongo.MongoClient(server.address()) as client:
            client.a.things.insert_many([{"_id": 1}, {"_id": 2}])
            client.a.things.insert_one({"_id": 3})
        server.kill()
        journal = tmp_path / "snapshot.journal"
        journal.write_bytes(journal.read_bytes()[:-5])
        server.start()
        with pymongo.MongoClient(server.address()) as client:
            assert [d["_id"] for d in client.a.things.find()] == [1, 2]


# Who may come in.


USER, PASSWORD = "dual,ion=x", "s€cret p@ss/word"


@pytest.fixture(scope="module")
def locked():
    with running_mongod(user=USER, password=PASSWORD) as running:
        yield running


def test_the_right_password_opens(locked):
    with pymongo.MongoClient(locked.address("data")) as client:
        client.data.things.insert_one({"a": 1})
        assert client.data.things.count_documents({"a": 1}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"password": "wrong"},
        {"username": "nobody"},
        {"authSource": "data"},
        {"authMechanism": "SCRAM-SHA-1"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_wrong_credentials_do_not(locked, change):
    right = {"username": USER, "password": PASSWORD, "authSource": "admin"}
    with (
        pymongo.MongoClient("127.0.0.1", locked.port, **right | change) as client,
        pytest.raises(OperationFailure) as caught,
    ):
        client.data.things.find_one()
    assert caught.value.code == 18


def test_without_credentials_nothing_is_read_or_written(locked):
    with pymongo.MongoClient("127.0.0.1", locked.port) as client:
        for attempt in (
            client.data.things.find_one,
            client.list_database_names,
            lambda: client.data.things.insert_one({}),
            lambda: client.data.command("serverStatus"),
        ):
            with pytest.raises(OperationFailure) as caught:
                attempt()
            assert caught.value.code == 13
