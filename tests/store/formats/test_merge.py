"""Two stores brought together are the same store, whichever comes first."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dualion.records import Outcome, Provenance
from dualion.store.base import BarrierFilter
from dualion.store.formats.bundle import write_bundle
from dualion.store.formats.unbundle import import_bundle, import_records
from dualion.store.history import Merged, canonical, digest, history_of, merge_history
from dualion.store.mongo import MongoBarrierStore

ids = itertools.count()


def made(make_record, outcome, minute, forward):
    record = make_record(record_id="same", outcome=outcome, forward=forward)
    provenance = Provenance(
        **record.provenance.model_dump() | {"created": f"2026-01-02T03:{minute:02d}:05+00:00"}
    )
    return record.model_copy(update={"provenance": provenance})


answers = st.lists(
    st.tuples(
        st.sampled_from(
            [Outcome.CONVERGED, Outcome.WRONG_MOVER, Outcome.UNCONVERGED, Outcome.ENGINE_FAILED]
        ),
        st.integers(0, 3),
        st.sampled_from([0.2, 0.3]),
    ),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ours=answers, theirs=answers, third=answers)
def test_merging_is_the_same_in_any_order_and_grouping(new_store, make_record, ours, theirs, third):
    parts = [[made(make_record, *each) for each in part] for part in (ours, theirs, third)]
    found = []
    for order in itertools.permutations(parts):
        store = new_store(f"s{next(ids)}")
        for part in order:
            merge_history(store, part)
        found.append([digest(each) for each in history_of(store, "same")])
        assert merge_history(store, [each for part in parts for each in part]) is Merged.PRESENT
    assert all(each == found[0] for each in found)


def test_an_answer_goes_before_a_failure_and_the_first_answer_before_later_ones(make_record):
    failed = made(make_record, Outcome.ENGINE_FAILED, 9, None)
    late = made(make_record, Outcome.CONVERGED, 5, 0.3)
    early = made(make_record, Outcome.CONVERGED, 1, 0.2)
    assert canonical([early, failed, late, early]) == (failed, late, early)


def test_two_machines_merge_into_one_store_whichever_is_first(
    tmp_path, new_store, make_record, some
):
    ours = [*some, made(make_record, Outcome.UNCONVERGED, 1, None), make_record(campaign="a")]
    theirs = [some[0], made(make_record, Outcome.CONVERGED, 2, 0.2), make_record(campaign="b")]
    for name, records in (("ours", ours), ("theirs", theirs)):
        store = new_store(name, records)
        write_bundle(tmp_path / f"{name}.zip", store, store.ids())
    both = []
    for k, order in enumerate((("ours", "theirs"), ("theirs", "ours"))):
        store = new_store(f"merged{k}")
        done = [import_bundle(tmp_path / f"{name}.zip", store) for name in order]
        assert done[0].added == len(order and {r.record_id for r in (ours if k == 0 else theirs)})
        assert store.count() == 7
        write_bundle(tmp_path / f"merged{k}.zip", store, store.ids())
        both.append((tmp_path / f"merged{k}.zip").read_bytes())
    assert both[0] == both[1]


def test_importing_again_changes_nothing(tmp_path, new_store, some):
    store = new_store("a", some)
    write_bundle(tmp_path / "b.zip", store, store.ids())
    before = [digest(each) for each in store.query(images=True)]
    done = import_bundle(tmp_path / "b.zip", store)
    assert (done.added, done.extended, done.present) == (0, 0, 4)
    assert [digest(each) for each in store.query(images=True)] == before


def test_a_bundle_of_a_selection_holds_that_alone(tmp_path, new_store, some):
    store, other = new_store("a", some), new_store("b")
    write_bundle(tmp_path / "cu", store, store.ids(BarrierFilter(moving_ions=("Cu",))))
    assert import_bundle(tmp_path / "cu", other).added == 2
    assert {each.moving_ion for each in other.query()} == {"Cu"}


@pytest.fixture
def mongo(mongo_address):
    with MongoBarrierStore(mongo_address) as store:
        yield store


def test_mongodb_merges_to_the_same_histories(mongo, new_store, make_record, some, tmp_path):
    ours = [
        made(make_record, Outcome.UNCONVERGED, 1, None),
        made(make_record, Outcome.CONVERGED, 4, 0.3),
    ]
    theirs = [made(make_record, Outcome.CONVERGED, 2, 0.2)]
    sqlite = new_store("a", some)
    for store in (mongo, sqlite):
        import_records(some, store)
        for part in (theirs, ours):
            merge_history(store, part)
    assert mongo.revisions("same") == sqlite.revisions("same")
    assert mongo.get("same") == sqlite.get("same") == theirs[0]
    for name, store in (("1.zip", mongo), ("2.zip", sqlite)):
        write_bundle(tmp_path / name, store, store.ids())
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    assert merge_history(mongo, ours) is Merged.PRESENT


def test_mongodb_keeps_no_body_that_nothing_names(mongo, make_record):
    history = [made(make_record, Outcome.UNCONVERGED, k, None) for k in range(3)]
    mongo.put_history(history)
    mongo.put_history(history[:1])
    database = mongo._connection.ask(lambda db: db)
    assert mongo.revisions("same") == ()
    assert database["barrier_bodies"].count_documents({}) == 1
    assert database["barrier_images"].count_documents({}) == 1


@pytest.mark.parametrize("kind", ["sqlite", "mongo"])
def test_summaries_in_memory_follow_a_merge(request, kind, new_store, make_record, some):
    store = new_store("a") if kind == "sqlite" else request.getfixturevalue("mongo")
    import_records([*some, made(make_record, Outcome.CONVERGED, 4, 0.3)], store)
    assert len(store.columns()) == 5
    merge_history(store, [made(make_record, Outcome.CONVERGED, 2, 0.2)])
    rows = store.columns()
    assert len(rows) == 5
    assert store.count(BarrierFilter(min_barrier=0.19, max_barrier=0.21)) == 1


def test_what_was_deleted_here_does_not_come_back_with_a_bundle(tmp_path, new_store, some):
    there = new_store("there", some)
    write_bundle(tmp_path / "b.zip", there, there.ids())
    here = new_store("here", some[:2])
    gone = some[0].record_id
    here.delete(gone, reason="wrong cell")
    done = import_bundle(tmp_path / "b.zip", here)
    assert (done.added, done.present) == (2, 2)
    assert here.get(gone) is None
    assert here.is_deleted(gone)
    here.revive(gone)
    assert digest(here.get(gone)) == digest(some[0])
