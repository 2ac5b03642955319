"""Copying between stores of any kind."""

from __future__ import annotations

import math
import subprocess
import sys
import time

import pytest

from dualion.errors import RecordError, StoreError
from dualion.records import Finding, Outcome
from dualion.store import migrate as migrating
from dualion.store.migrate import migrate
from dualion.store.mongo import MongoBarrierStore
from dualion.store.packing import pack_record
from dualion.store.sqlite import SQLiteBarrierStore


@pytest.fixture(params=["sqlite to mongo", "mongo to sqlite"])
def stores(request, tmp_path, mongo_address):
    with (
        SQLiteBarrierStore(tmp_path / "b.sqlite") as sqlite,
        MongoBarrierStore(mongo_address) as mongo,
    ):
        yield (sqlite, mongo) if request.param == "sqlite to mongo" else (mongo, sqlite)


def histories(store):
    return {
        one: [pack_record(record) for record in (*store.revisions(one), store.get(one))]
        for one in store.ids()
    }


@pytest.fixture
def filled(stores, make_record):
    """The first store holds a few records, some with a past, one with NaN in it."""
    source, _ = stores
    nan = (Finding(check="x", value=math.nan),)
    source.add(make_record(record_id="plain"))
    source.add(make_record(record_id="bare", with_images=False))
    source.add(make_record(record_id="nan", outcome=Outcome.WRONG_MOVER, findings=nan))
    for outcome in (Outcome.ENGINE_FAILED, Outcome.UNCONVERGED, Outcome.CONVERGED):
        source.add(make_record(record_id="past", outcome=outcome))
    source.add(make_record(record_id="failed", outcome=Outcome.UNCONVERGED))
    for k in range(40):
        source.add(make_record(record_id=f"r{k:02d}", forward=0.2 + k / 100))
    return stores


def test_all_records_their_order_and_their_past_are_copied(filled):
    source, target = filled
    seen = []
    done = migrate(source, target, batch=7, tell=lambda *numbers: seen.append(numbers))

    assert (done.total, done.copied, done.present, done.complete) == (45, 45, 0, True)
    assert seen[-1] == (45, 45)
    assert target.ids() == source.ids()
    assert histories(target) == histories(source)
    assert len(target.revisions("past")) == 2
    for record_id in source.ids():
        assert target.images(record_id) == source.images(record_id)


def test_copying_again_copies_nothing(filled):
    source, target = filled
    migrate(source, target)
    before = histories(target)
    done = migrate(source, target)

    assert (done.total, done.copied, done.present) == (45, 0, 45)
    assert histories(target) == before


def test_a_copy_that_was_cut_off_goes_on(filled, monkeypatch):
    source, target = filled
    copy, rounds = migrating._copy, []

    def cut(*arguments):
        rounds.append(1)
        if len(rounds) == 3:
            raise KeyboardInterrupt
        return copy(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(migrating, "_copy", cut)
        with pytest.raises(KeyboardInterrupt):
            migrate(source, target, batch=10)
    assert target.count() == 20
    done = migrate(source, target, batch=10)
    assert (done.copied, done.present) == (25, 20)
    assert histories(target) == histories(source)


COPIER = """
import sys
from dualion.store.migrate import migrate
from dualion.store.opening import open_store
with open_store(sys.argv[1], read_only=True) as source, open_store(sys.argv[2]) as target:
    print("begun", flush=True)
    migrate(source, target, batch=2)
"""


def test_a_copy_killed_at_any_moment_is_completed(filled, tmp_path, mongo_address):
    source, target = filled
    places = [str(tmp_path / "b.sqlite"), mongo_address]
    if isinstance(source, MongoBarrierStore):
        places.reverse()
    for kill in range(5):
        process = subprocess.Popen([sys.executable, "-c", COPIER, *places], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.01 + 0.03 * kill)
        process.kill()
        process.wait()
        process.stdout.close()
        assert set(histories(target)) <= set(source.ids())
    assert migrate(source, target).complete
    assert histories(target) == histories(source)


def test_a_past_that_is_there_in_part_is_completed(filled, make_record):
    source, target = filled
    target.add(make_record(record_id="past", outcome=Outcome.ENGINE_FAILED))
    done = migrate(source, target)

    assert done.complete
    assert histories(target)["past"] == histories(source)["past"]


def test_nothing_is_overwritten_and_what_differs_is_named(filled, make_record):
    source, target = filled
    other = make_record(record_id="plain", forward=0.99)
    without = make_record(record_id="r01", forward=0.21, with_images=False)
    better = make_record(record_id="failed")
    target.add(other)
    target.add(without)
    target.add(make_record(record_id="failed", outcome=Outcome.UNCONVERGED))
    target.add(better)
    done = migrate(source, target)

    assert set(done.differs) == {"plain", "r01"}
    assert done.newer == ("failed",)
    assert not done.complete
    assert (done.copied, done.present) == (42, 0)
    assert [target.get(one) for one in ("plain", "r01", "failed")] == [other, without, better]


def test_a_record_that_cannot_be_read_or_kept_is_named_and_the_others_go(filled, monkeypatch):
    source, target = filled
    get, add = type(source).get, type(target).add

    def damaged(self, record_id, **options):
        if self is source and record_id == "r05":
            raise RecordError("record 'r05' cannot be read")
        return get(self, record_id, **options)

    def too_large(self, record):
        if record.record_id == "past" and record.outcome is Outcome.CONVERGED:
            raise RecordError("record 'past' is too large to store")
        return add(self, record)

    monkeypatch.setattr(type(source), "get", damaged)
    monkeypatch.setattr(type(target), "add", too_large)
    done = migrate(source, target)

    assert len(done.refused) == 2
    assert not done.complete
    assert done.copied == 43
    # No half of a history is left.
    assert set(source.ids()) - set(target.ids()) == {"r05", "past"}


def test_what_is_not_read_back_as_it_was_written_is_an_error(filled, monkeypatch):
    source, target = filled
    add = type(target).add

    def forgetful(self, record):
        return add(self, record.model_copy(update={"note": "lost"}))

    monkeypatch.setattr(type(target), "add", forgetful)
    with pytest.raises(StoreError, match="not read back as it was written"):
        migrate(source, target)
