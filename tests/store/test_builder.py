"""Raw outputs to records: incremental, repeatable, and stopped by no bad document."""

from __future__ import annotations

import datetime as dt
import math
import sys

import pymongo
import pytest
from bson import ObjectId
from jobflow.core.store import JobStore
from maggma.stores import GridFSStore, MongoStore

from dualion.errors import StoreError
from dualion.records import Outcome
from dualion.store import builder
from dualion.store.builder import BuildReport, build
from dualion.store.mongo import MongoBarrierStore
from dualion.store.packing import pack_record
from dualion.store.sqlite import SQLiteBarrierStore


@pytest.fixture
def raw(mongo_address):
    with pymongo.MongoClient(mongo_address) as client:
        yield client.get_default_database()["outputs"]


@pytest.fixture(params=["sqlite", "mongo"])
def barriers(request, tmp_path, raw):
    if request.param == "mongo":
        opened = MongoBarrierStore(raw.database)
    else:
        opened = SQLiteBarrierStore(tmp_path / "b.sqlite")
    with opened as store:
        yield store


@pytest.fixture
def put(raw):
    """Write an output as the workers do."""

    def write(uuid, output, /, *, kind="record", completed="2026-01-01T00:00:00+00:00", **fields):
        document = {
            "uuid": uuid,
            "index": 1,
            "name": "hop",
            "output": output,
            "completed_at": completed,
            "metadata": {"key": uuid, "kind": kind, "campaign": "c"},
            "hosts": [],
        }
        document.update(fields)
        raw.replace_one({"uuid": uuid}, document, upsert=True)

    return write


def plain(record):
    return record.model_dump(mode="json")


def test_records_are_built_once_and_equal_to_the_last_bit(raw, barriers, put, make_record):
    record = make_record(record_id="one", energies=(0.1 + 0.2, math.nan, -0.0))
    put("u1", plain(record))
    put("u2", plain(make_record(record_id="two")))
    put("u3", {"energy": 1.0}, kind="relax")

    assert build(raw, barriers) == BuildReport(added=2)
    assert pack_record(barriers.get("one")) == pack_record(record)
    assert barriers.images("one") == record.images
    assert build(raw, barriers) == BuildReport(known=2)


def test_an_output_that_arrives_late_with_an_early_time_is_built(raw, barriers, put, make_record):
    put("u1", plain(make_record(record_id="one")), completed="2026-06-01")
    assert build(raw, barriers).added == 1
    put("u2", plain(make_record(record_id="two")), completed="2025-01-01")
    assert build(raw, barriers) == BuildReport(added=1, known=1)


def test_only_the_jobs_named_are_looked_at(raw, barriers, put, make_record):
    for k in range(3):
        put(f"u{k}", plain(make_record(record_id=f"r{k}")))
    assert build(raw, barriers, only=[]) == BuildReport()
    assert build(raw, barriers, only=iter(["u1", "u1", "unknown"])) == BuildReport(added=1)
    assert barriers.ids() == ("r1",)
    assert build(raw, barriers) == BuildReport(added=2, known=1)


def test_more_outputs_than_a_batch(raw, barriers, put, make_record, monkeypatch):
    monkeypatch.setattr(builder, "_BATCH", 4)
    uuids = [f"u{k}" for k in range(10)]
    for uuid in uuids:
        put(uuid, plain(make_record(record_id=uuid)))
    assert build(raw, barriers, only=uuids[:6]).added == 6
    assert build(raw, barriers) == BuildReport(added=4, known=6)


def test_a_better_result_supersedes_and_the_old_one_is_a_revision(raw, barriers, put, make_record):
    failed = make_record(record_id="one", outcome=Outcome.UNCONVERGED)
    put("later", plain(make_record(record_id="one")), completed="2026-01-02")
    put("first", plain(failed), completed="2026-01-01")
    assert build(raw, barriers).added == 2
    assert barriers.get("one").outcome is Outcome.CONVERGED
    assert barriers.revisions("one") == (failed,)


def test_an_output_that_was_computed_again_is_built_again(raw, barriers, put, make_record):
    put("u1", plain(make_record(record_id="one", outcome=Outcome.ENGINE_FAILED)))
    build(raw, barriers)
    put("u1", plain(make_record(record_id="one")), completed="2026-02-02")
    assert build(raw, barriers) == BuildReport(added=1)
    assert barriers.get("one").outcome is Outcome.CONVERGED


def without(output, *names):
    return {name: value for name, value in output.items() if name not in names}


BAD = {
    "no output": lambda _: None,
    "text": lambda _: "rm -rf",
    "list": lambda o: [o],
    "empty": lambda _: {},
    "missing fields": lambda o: without(o, "hop", "theory"),
    "unknown field": lambda o: o | {"extra": 1},
    "NaN barrier": lambda o: o | {"forward": math.nan},
    "infinite barrier": lambda o: o | {"reverse": math.inf},
    "text barrier": lambda o: o | {"forward": "0.218"},
    "true barrier": lambda o: o | {"forward": True},
    "bytes": lambda o: o | {"framework": b"li6ps5cl"},
    "object id": lambda o: o | {"framework": ObjectId()},
    "date": lambda o: o | {"note": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)},
    "outcome": lambda o: o | {"outcome": "fine"},
    "barrier without": lambda o: o | {"outcome": "wrong_mover"},
    "module": lambda o: {"@module": "os", "@class": "system", "@callable": "system"} | o,
    "module inside": lambda o: o | {"theory": o["theory"] | {"@module": "os"}},
    "callable": lambda _: {"@module": "os", "@callable": "system", "@bound": None},
    "pickle": lambda o: o | {"images": {"@module": "pickle", "@class": "loads", "data": "x"}},
    "positions": lambda o: o | {"images": o["images"] | {"positions": [[["a", 0.0, 0.0]]]}},
    "deep": lambda o: o | {"note": nested(60)},
    "number": lambda o: o | {"force_calls": 1.5},
}


def nested(depth):
    return {"x": nested(depth - 1)} if depth else 1


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_document_is_set_aside_with_its_reason_and_stops_nothing(
    raw, barriers, put, make_record, kind
):
    put("bad", BAD[kind](plain(make_record(record_id="bad"))), completed="2026-01-01")
    put("good", plain(make_record(record_id="good")), completed="2026-01-02")
    before = set(sys.modules)

    report = build(raw, barriers)
    assert report.added == 1
    assert len(report.quarantined) == 1
    assert report.quarantined[0].startswith("bad:1: ")
    assert barriers.ids() == ("good",)
    (note,) = raw.database["quarantine"].find()
    assert note["uuid"] == "bad"
    assert len(note["reason"]) > 5
    assert "this_module_is_not_there" not in set(sys.modules) - before
    # It is looked at again only when asked for.
    assert build(raw, barriers) == BuildReport(known=2)
    assert len(build(raw, barriers, retry=True).quarantined) == 1


def test_a_module_that_a_document_names_is_not_imported(raw, barriers, put, make_record, tmp_path):
    (tmp_path / "trap_of_a_document.py").write_text("raise SystemExit('imported')")
    sys.path.insert(0, str(tmp_path))
    try:
        trap = {"@module": "trap_of_a_document", "@class": "Trap", "@version": "1"}
        put("u1", trap | plain(make_record()))
        put("u2", {"images": trap})
        assert len(build(raw, barriers).quarantined) == 2
    finally:
        sys.path.remove(str(tmp_path))
    assert "trap_of_a_document" not in sys.modules


@pytest.mark.parametrize(
    "fields", [{"uuid": 5}, {"uuid": None}, {"index": "1"}, {"index": None}, {"uuid": {"$ne": 1}}]
)
def test_a_document_without_the_identity_of_a_job_is_set_aside(
    raw, barriers, put, make_record, fields
):
    put("u1", plain(make_record()), **fields)
    put("u2", plain(make_record(record_id="good")))
    report = build(raw, barriers)
    assert report.added == 1
    assert "has no uuid and index" in report.quarantined[0]
    assert build(raw, barriers) == BuildReport(known=2)


def test_a_huge_document_is_set_aside(raw, barriers, put, make_record):
    put("u1", {"blob_uuid": "b", "store": "data"})
    huge = plain(make_record(note="x" * (64 * 2**20)))
    report = build(raw, barriers, resolve=lambda _: {"index": 1, "output": huge})
    assert "too large to store" in report.quarantined[0]
    put("u2", plain(make_record(note="y" * (14 * 2**20))))
    assert build(raw, barriers) == BuildReport(added=1, known=1)


def test_a_set_aside_document_is_looked_at_again_by_a_newer_builder(
    raw, barriers, put, make_record, monkeypatch
):
    put("bad", {"x": 1})
    put("good", plain(make_record()))
    assert build(raw, barriers).added == 1
    monkeypatch.setattr(builder, "BUILDER_VERSION", builder.BUILDER_VERSION + 1)
    again = build(raw, barriers)
    assert (again.added, again.present, again.known) == (0, 1, 0)
    assert len(again.quarantined) == 1


def test_a_repaired_document_leaves_the_quarantine(raw, barriers, put, make_record):
    put("u1", {"x": 1})
    build(raw, barriers)
    put("u1", plain(make_record()))
    assert build(raw, barriers) == BuildReport(known=1)  # by the time it is the same output
    assert build(raw, barriers, retry=True) == BuildReport(added=1)
    assert raw.database["quarantine"].count_documents({}) == 0


def test_an_output_with_a_part_on_its_way_is_not_ready(raw, barriers, put, make_record):
    record = make_record(record_id="one")
    reference = {"@module": "x", "@class": "Blob", "blob_uuid": "b1", "store": "data"}
    put("u1", plain(record) | {"images": reference})
    whole = {"index": 1, "output": plain(record)}

    for resolve in (
        None,
        lambda _: None,
        lambda _: {"index": 1, "output": plain(record) | {"images": reference}},
        lambda _: {"index": 2, "output": plain(record)},
    ):
        assert build(raw, barriers, resolve=resolve) == BuildReport(not_ready=1)
    asked = []
    report = build(raw, barriers, resolve=lambda uuid: asked.append(uuid) or whole)
    assert report == BuildReport(added=1)
    assert asked == ["u1"]
    assert barriers.get("one") == record
    assert raw.database["quarantine"].count_documents({}) == 0


def test_outputs_of_a_real_job_store_are_built(mongo_address, raw, barriers, make_record):
    name = raw.database.name
    jobs = JobStore(
        MongoStore(name, "outputs", uri=mongo_address),
        additional_stores={"data": GridFSStore(name, "outputs_blobs", uri=mongo_address)},
    )
    jobs.connect()
    record = make_record(record_id="one", atoms=40)
    document = {
        "uuid": "u1",
        "index": 1,
        "output": plain(record),
        "completed_at": "2026-01-01",
        "metadata": {"key": "u1", "kind": "record"},
        "hosts": [],
    }
    jobs.update(document, save={"data": ["images"]})
    assert "blob_uuid" in raw.find_one({"uuid": "u1"})["output"]["images"]

    def resolve(uuid):
        return jobs.query_one({"uuid": uuid}, load=True)

    assert build(raw, barriers) == BuildReport(not_ready=1)
    assert build(raw, barriers, resolve=resolve) == BuildReport(added=1)
    assert barriers.get("one") == record
    jobs.close()


def test_a_build_that_was_killed_before_it_was_noted_gives_the_same(
    raw, barriers, put, make_record, monkeypatch
):
    put("u1", plain(make_record()))
    with monkeypatch.context() as patch:
        patch.setattr(builder._Builder, "_note", lambda *_, **__: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            build(raw, barriers)
    assert build(raw, barriers) == BuildReport(present=1)
    assert barriers.count() == 1


def test_a_store_that_fails_stops_the_build_and_sets_nothing_aside(raw, barriers, put, make_record):
    put("u1", plain(make_record()))
    barriers.close()
    with pytest.raises(StoreError, match="closed"):
        build(raw, barriers)
    assert raw.database["quarantine"].count_documents({}) == 0
