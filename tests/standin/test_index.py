"""The hash indexes: the same results as without, for fewer documents looked at."""

from __future__ import annotations

import datetime as dt
import random

import mongomock_ng
import pymongo
import pytest
from bson import Int64, ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo.errors import PyMongoError

from standin.collection import Data
from standin.server import running_mongod

IDS = [ObjectId(f"{n:024x}") for n in range(3)]
SCALARS = [0, 1, 1.0, True, False, 2.5, float("nan"), Int64(2), "a", "b", None]
SCALARS += [dt.datetime(2026, 1, 1), *IDS[:2], str(IDS[0])]  # noqa: DTZ001 - as stored
scalars = st.sampled_from(SCALARS)
values = scalars | st.lists(scalars | st.just({"c": 1}) | st.lists(scalars, max_size=2), max_size=3)
nested = st.fixed_dictionaries({}, optional={"c": values})
documents = st.fixed_dictionaries(
    {}, optional={"f": values, "g": values, "d": nested | st.lists(nested)}
)
conditions = (
    values
    | st.builds(lambda value: {"$eq": value}, scalars)
    | st.builds(lambda some: {"$in": some}, st.lists(scalars, max_size=3))
    | st.builds(lambda some, v: {"$in": some, "$ne": v}, st.lists(scalars, max_size=3), scalars)
    | st.builds(lambda value: {"$ne": value}, scalars)
    | st.builds(lambda value: {"$not": {"$eq": value}}, scalars)
    | st.sampled_from([{"$exists": True}, {"$exists": False}, {"$gt": 0}, {"$size": 1}])
)
simple = st.dictionaries(st.sampled_from(["f", "g", "d.c", "_id"]), conditions, max_size=2)
filters = (
    simple
    | st.builds(lambda parts: {"$and": parts}, st.lists(simple, min_size=1, max_size=2))
    | st.builds(lambda parts, one: {"$or": parts} | one, st.lists(simple, min_size=1), simple)
)
updates = st.builds(
    lambda field, value: {"$set": {field: value}}, st.sampled_from(["f", "g", "d"]), values
)
actions = st.one_of(
    st.tuples(st.just("find"), filters),
    st.tuples(st.just("count_documents"), filters),
    st.tuples(st.just("update_one"), filters, updates),
    st.tuples(st.just("update_many"), filters, updates),
    st.tuples(st.just("find_one_and_update"), filters, updates),
    st.tuples(st.just("delete_one"), filters),
    st.tuples(st.just("create_index"), st.sampled_from(["f", "g", "d.c"])),
    st.tuples(st.just("drop_indexes")),
)


def outcome(collection, action):
    name, *arguments = action
    try:
        result = getattr(collection, name)(*arguments)
    except (PyMongoError, TypeError) as error:
        return type(error)
    if name == "find":
        return repr(list(result))
    if name.startswith("find_one"):
        return repr(result)
    return getattr(result, "matched_count", getattr(result, "deleted_count", result))


@settings(max_examples=300, deadline=None)
@given(st.lists(documents, max_size=8), st.lists(actions, max_size=8), filters)
def test_with_indexes_every_result_is_that_of_a_full_scan(stored, steps, last):
    plain = mongomock_ng.MongoClient().a.things
    narrowed = Data()["a", "things"]
    narrowed.create_index("f")
    for number, document in enumerate(stored):
        for collection in (plain, narrowed):
            collection.insert_one({"_id": number, **document})
    for step in [*steps, ("find", last), ("find", {})]:
        if step[0] in {"create_index", "drop_indexes"}:
            outcome(narrowed, step)  # the other one does without
        else:
            assert outcome(plain, step) == outcome(narrowed, step), step


def test_a_unique_index_refuses_what_a_full_scan_refuses():
    rng = random.Random(5)  # noqa: S311 - not a secret
    plain = mongomock_ng.MongoClient().a.things
    narrowed = Data()["a", "things"]
    for collection in (plain, narrowed):
        collection.create_index([("f", 1), ("g", 1)], unique=True)
    for number in range(600):
        f = rng.choice([1, 1.0, "a", None, IDS[0], [1, 2], [2, "a"], {"x": 1}, []])
        step = ("insert_one", {"_id": number, "f": f, "g": rng.randrange(8)})
        if number % 3 == 2:
            step = ("update_one", {"_id": rng.randrange(number)}, {"$set": {"f": f}})
        results = [type(outcome(collection, step)) for collection in (plain, narrowed)]
        assert results[0] is results[1], step
    assert list(plain.find()) == list(narrowed.find())
    assert 20 < narrowed.count_documents({}) < 200


@settings(max_examples=200, deadline=None)
@given(
    st.lists(documents, max_size=10),
    st.lists(
        st.tuples(st.sampled_from(["f", "g", "d.c"]), st.sampled_from([1, -1])),
        min_size=1,
        max_size=2,
        unique_by=lambda key: key[0],
    ),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_sorted_results_are_those_of_mongomock(stored, order, skip, limit):
    plain = mongomock_ng.MongoClient().a.things
    narrowed = Data()["a", "things"]
    for number, document in enumerate(stored):
        for collection in (plain, narrowed):
            collection.insert_one({"_id": number, **document})
    expected = plain.find({}, sort=order, skip=skip, limit=limit)
    assert repr(list(narrowed.select({}, None, order, skip, limit))) == repr(list(expected))


def test_documents_keep_their_order_of_insertion():
    collection = Data()["a", "things"]
    collection.create_index("k")
    collection.insert_many([{"_id": n, "k": n % 2} for n in (5, 3, 9, 1, 7)])
    collection.delete_one({"_id": 9})
    collection.insert_one({"_id": 9, "k": 1})
    assert [d["_id"] for d in collection.find({"k": 1})] == [5, 3, 1, 7, 9]


BY_ID = [("fw_id", -1)]


@pytest.fixture(scope="module")
def big():
    """5,000 fireworks in a database over TCP, and a function that counts documents looked at."""
    with running_mongod() as server, pymongo.MongoClient(server.address("lp")) as client:
        things = client.lp.things
        for field in ("fw_id", "nodes", "state"):
            things.create_index(field, unique=field == "fw_id")
        things.insert_many(
            [
                {"fw_id": n, "nodes": [n, n + 1], "state": "READY" if n < 10 else "WAITING"}
                for n in range(5000)
            ]
        )

        def scanned():
            status = client.admin.command("serverStatus")
            return status["metrics"]["queryExecutor"]["scannedObjects"]

        def examined(operation):
            before = scanned()
            operation(things)
            return scanned() - before

        yield examined


@pytest.mark.parametrize(
    ("operation", "most"),
    [
        (lambda c: c.find_one({"fw_id": 4321}), 1),
        (lambda c: c.find_one({"nodes": 77}), 2),
        (lambda c: c.find_one({"_id": c.find_one({"fw_id": 3})["_id"]}), 2),
        (lambda c: list(c.find({"fw_id": {"$in": [1, 2, 3]}, "state": "READY"})), 3),
        (lambda c: c.find_one_and_update({"fw_id": 99}, {"$set": {"x": 1}}), 4),
        (lambda c: c.find_one_and_update({"state": "READY"}, {"$set": {"x": 1}}, sort=BY_ID), 32),
        (lambda c: c.update_many({"state": "READY"}, {"$set": {"x": 2}}), 10),
        (lambda c: c.update_one({"fw_id": 9_000}, {"$set": {"nodes": []}}, upsert=True), 1),
        (lambda c: c.count_documents({"state": "READY"}), 10),
        (lambda c: c.delete_one({"fw_id": 4_999}), 1),
        (lambda c: c.insert_one({"fw_id": 10_000, "nodes": []}), 1),
    ],
)  # fmt: skip
def test_an_indexed_lookup_looks_at_few_of_many_documents(big, operation, most):
    assert big(operation) <= most


def test_a_lookup_without_an_index_looks_at_all(big):
    assert big(lambda c: c.find_one({"nothing": 1})) > 4_900
