"""What every barrier store must do, whatever it is made of."""

from __future__ import annotations

import itertools
import math
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dualion.errors import StoreError
from dualion.records import Arrangement, Finding, Images, Outcome
from dualion.store.base import BarrierFilter, Order
from dualion.store.sqlite import SQLiteBarrierStore


def bits(values):
    return [struct.pack("<d", value) for value in values]


def test_a_record_is_stored_once(store, make_record):
    record = make_record()

    assert store.add(record)
    assert not store.add(record)
    assert store.count() == 1


def test_a_second_answer_to_the_same_question_does_not_replace_the_first(store, make_record):
    store.add(make_record(record_id="same", forward=0.2))

    assert not store.add(make_record(record_id="same", forward=0.3))
    assert store.get("same").forward == 0.2
    assert store.revisions("same") == ()


def test_what_was_added_comes_back_equal(store, open_again, make_record):
    record = make_record(
        note="Größe μ – “quoted” \\ \n 'single' ; DROP TABLE records; --",
        arrangement=Arrangement(label="x=0.25 #1", fraction=0.25, score=-1.5, seed=7),
    )
    store.add(record)

    for handle in (store, open_again(), open_again(read_only=True)):
        assert handle.get(record.record_id) == record
        assert next(handle.query(images=True)) == record
        assert handle.images(record.record_id) == record.images


def test_a_query_leaves_the_geometries_out_unless_asked(store, make_record):
    record = make_record()
    store.add(record)

    assert next(store.query()) == record.model_copy(update={"images": None})
    assert store.get(record.record_id, images=False).images is None


def test_what_is_not_there_is_none(store, make_record):
    store.add(make_record(record_id="bare", with_images=False))

    assert store.get("nothing") is None
    assert store.images("nothing") is None
    assert store.images("bare") is None
    assert store.revisions("nothing") == ()


finite = st.floats(allow_nan=False, allow_infinity=False, width=64)
ids = itertools.count()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    forward=finite,
    reverse=finite,
    energies=st.lists(st.floats(width=64), max_size=9),
    value=st.floats(width=64),
)
def test_every_bit_of_a_number_survives(store, make_record, forward, reverse, energies, value):
    record = make_record().model_copy(
        update={
            "record_id": f"bits {next(ids)}",
            "forward": forward,
            "reverse": reverse,
            "energies": tuple(energies),
            "findings": (Finding(check="any", value=value),),
        }
    )
    store.add(record)
    again = store.get(record.record_id)

    assert bits([again.forward, again.reverse]) == bits([forward, reverse])
    assert all(
        a == b or (math.isnan(a) and math.isnan(b))
        for a, b in zip([*again.energies, again.findings[0].value], [*energies, value], strict=True)
    )
    assert [math.copysign(1, a) for a in again.energies if a == 0] == [
        math.copysign(1, a) for a in energies if a == 0
    ]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    xyz=st.tuples(st.integers(1, 4), st.integers(1, 6), st.just(3)).flatmap(
        lambda shape: arrays(np.float64, shape, elements=st.floats(width=64))
    ),
    lattice=arrays(np.float64, (3, 3), elements=finite),
)
def test_every_bit_of_a_coordinate_survives(store, make_record, xyz, lattice):
    a, b, c = (tuple(float(x) for x in row) for row in lattice)
    images = Images.from_array((a, b, c), ("Li",) * xyz.shape[1], xyz)
    record = make_record(record_id=f"coordinates {next(ids)}", images=images)
    store.add(record)
    again = store.images(record.record_id)

    assert again.xyz.tobytes() == xyz.tobytes()
    assert again.cell.tobytes() == lattice.tobytes()
    assert again.species == images.species


@pytest.fixture
def filled(store, make_record):
    """Twelve records that differ in everything a filter can name."""
    many = [
        make_record(),
        make_record(moving_ion="Cu", forward=0.63, reverse=0.51),
        make_record(class_id="h2", forward=0.343),
        make_record(class_id="h2", moving_ion="Cu", outcome=Outcome.BARRIERLESS),
        make_record(label="x=0.25 #1", forward=0.4),
        make_record(moving_ion="Na", forward=0.105, campaign="sodium"),
        make_record(engine="standard", forward=0.273),
        make_record(engine="standard", moving_ion="Cu", outcome=Outcome.UNCONVERGED),
        make_record(framework="nacl", host_ion="Na", moving_ion="Na", forward=0.515),
        make_record(framework="nacl", host_ion="Na", moving_ion="Li", forward=0.3, reverse=0.45),
        make_record(charge=-1, forward=0.25),
        make_record(moving_ion="Ag", outcome=Outcome.INTERMEDIATE_MINIMUM, forward=0.2),
    ]
    for k, record in enumerate(many):
        created = f"2026-01-{k + 1:02d}T00:00:00+00:00"
        stamped = record.provenance.model_copy(update={"created": created})
        many[k] = record.model_copy(update={"provenance": stamped})
        assert store.add(many[k])
    return many


def barrier(record):
    return None if record.forward is None else max(record.forward, record.reverse)


FILTERS = {
    "everything": (BarrierFilter(), lambda _: True),
    "framework": (BarrierFilter(framework="nacl"), lambda r: r.framework == "nacl"),
    "pair": (BarrierFilter(moving_ions=("Li", "Cu")), lambda r: r.moving_ion in {"Li", "Cu"}),
    "host": (BarrierFilter(host_ion="Na"), lambda r: r.host_ion == "Na"),
    "mechanism": (BarrierFilter(mechanism="interstitial"), lambda _: False),
    "outcomes": (
        BarrierFilter(outcomes=(Outcome.BARRIERLESS, Outcome.UNCONVERGED)),
        lambda r: r.outcome in {Outcome.BARRIERLESS, Outcome.UNCONVERGED},
    ),
    "low": (BarrierFilter(max_barrier=0.343), lambda r: barrier(r) and barrier(r) <= 0.343),
    "high": (BarrierFilter(min_barrier=0.4), lambda r: barrier(r) and barrier(r) >= 0.4),
    "campaign": (BarrierFilter(campaign="sodium"), lambda r: r.provenance.campaign == "sodium"),
    "arrangement": (
        BarrierFilter(arrangement="dilute"),
        lambda r: r.arrangement.label == "dilute",
    ),
    "class": (BarrierFilter(hop_class="h2"), lambda r: r.hop.class_id == "h2"),
    "several": (
        BarrierFilter(framework="li6ps5cl", moving_ions=("Cu",), max_barrier=1.0),
        lambda r: r.framework == "li6ps5cl" and r.moving_ion == "Cu" and barrier(r),
    ),
    "injection": (BarrierFilter(framework="' OR 1=1 --"), lambda _: False),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_gives_what_a_loop_over_all_records_gives(store, filled, name):
    query, wanted = FILTERS[name]
    expected = [record.record_id for record in filled if wanted(record)]

    assert [record.record_id for record in store.query(query)] == expected
    assert store.ids(query) == tuple(expected)
    assert store.count(query) == len(expected)


def test_a_level_of_theory_is_found_by_its_first_digits(store, filled):
    for record in filled:
        whole = record.theory.fingerprint
        same = [r.record_id for r in filled if r.theory.fingerprint == whole]
        short = [r.record_id for r in filled if r.theory.fingerprint.startswith(whole[:1])]

        assert store.ids(BarrierFilter(fingerprint=whole)) == tuple(same)
        assert store.ids(BarrierFilter(fingerprints=(whole, "0" * 16))) == tuple(same)
        assert store.ids(BarrierFilter(fingerprint=whole[:1])) == tuple(short)


def test_the_answer_is_sorted_as_asked(store, filled):
    by_barrier = [r.record_id for r in store.query(BarrierFilter(order=Order.BARRIER))]
    values = [barrier(store.get(one)) for one in by_barrier]
    numbers = [value for value in values if value is not None]

    assert values == sorted(numbers) + [None] * (len(values) - len(numbers))
    assert store.ids(BarrierFilter(order=Order.NEWEST)) == tuple(
        r.record_id for r in reversed(filled)
    )
    frameworks = [r.framework for r in store.query(BarrierFilter(order=Order.FRAMEWORK))]
    assert frameworks == sorted(frameworks)


def test_pages_of_a_query_make_up_the_whole(store, filled):
    pages = [store.ids(BarrierFilter(limit=5, offset=start)) for start in (0, 5, 10)]

    assert [len(page) for page in pages] == [5, 5, 2]
    assert sum(pages, ()) == tuple(record.record_id for record in filled)
    assert store.count(BarrierFilter(limit=5)) == 5
    assert store.ids(BarrierFilter(limit=0)) == ()


@pytest.mark.parametrize("first", [Outcome.ENGINE_FAILED, Outcome.UNCONVERGED])
def test_a_failure_gives_way_and_is_kept_as_a_revision(store, make_record, first):
    failed = make_record(record_id="one", outcome=first, note="step limit")
    better = make_record(record_id="one")
    store.add(failed)

    assert store.add(better)
    assert store.get("one") == better
    assert store.count() == 1
    assert store.revisions("one") == (failed,)
    assert not store.add(failed)
    assert store.get("one") == better


def test_revisions_are_kept_oldest_first(store, make_record):
    outcomes = (Outcome.ENGINE_FAILED, Outcome.UNCONVERGED, Outcome.BARRIERLESS)
    tries = [make_record(record_id="one", outcome=outcome) for outcome in outcomes]

    assert [store.add(one) for one in tries] == [True, True, True]
    assert store.revisions("one") == tuple(tries[:2])
    assert store.get("one") == tries[2]


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {"engine_failed", "unconverged"}))
def test_a_result_never_gives_way(store, make_record, outcome):
    kept = make_record(record_id="one", outcome=outcome)
    store.add(kept)

    for other in Outcome:
        assert not store.add(make_record(record_id="one", outcome=other))
    assert store.get("one") == kept


def test_failing_again_in_the_same_way_changes_nothing(store, make_record):
    store.add(make_record(record_id="one", outcome=Outcome.UNCONVERGED, note="first"))

    assert not store.add(make_record(record_id="one", outcome=Outcome.UNCONVERGED, note="second"))
    assert store.get("one").note == "first"


def test_a_superseded_record_without_images_gets_those_of_the_new_one(store, make_record):
    bare = make_record(record_id="one", outcome=Outcome.ENGINE_FAILED, with_images=False)
    full = make_record(record_id="one")
    store.add(bare)
    store.add(full)

    assert store.images("one") == full.images
    assert store.revisions("one") == (bare,)


def add_and_fail(store, *records):
    """Write inside a transaction that then fails."""
    with store.transaction():
        for record in records:
            assert store.add(record)
        raise ZeroDivisionError


def test_a_transaction_that_fails_leaves_nothing(store, open_again, make_record):
    store.add(make_record(record_id="before"))
    with pytest.raises(ZeroDivisionError):
        add_and_fail(store, make_record(record_id="a"), make_record(record_id="b"))

    assert store.ids() == open_again().ids() == ("before",)
    assert store.add(make_record(record_id="a"))


def test_a_transaction_is_seen_by_others_only_when_it_is_whole(store, open_again, make_record):
    other = open_again()
    with store.transaction():
        store.add(make_record(record_id="a"))
        assert other.count() == 0
        store.add(make_record(record_id="b"))

    assert other.count() == 2


def test_an_inner_transaction_that_fails_undoes_only_itself(store, make_record):
    with store.transaction():
        store.add(make_record(record_id="outer"))
        with pytest.raises(ZeroDivisionError):
            add_and_fail(store, make_record(record_id="inner"))
        store.add(make_record(record_id="after"))

    assert store.ids() == ("outer", "after")


def test_superseding_inside_a_failed_transaction_is_undone(store, make_record):
    failed = make_record(record_id="one", outcome=Outcome.ENGINE_FAILED)
    store.add(failed)
    with pytest.raises(ZeroDivisionError):
        add_and_fail(store, make_record(record_id="one"))

    assert store.get("one") == failed
    assert store.revisions("one") == ()


def test_writing_during_a_query_neither_disturbs_nor_enters_it(store, make_record):
    with store.transaction():
        for k in range(600):
            store.add(make_record(record_id=f"r{k:03d}", with_images=False))
    seen = []
    for k, record in enumerate(store.query()):
        seen.append(record.record_id)
        if k % 100 == 0:
            store.add(make_record(record_id=f"new{k}", with_images=False))

    assert seen == [f"r{k:03d}" for k in range(600)]
    assert store.count() == 606


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_barrier_that_is_no_number_is_refused(store, make_record, value):
    record = make_record().model_copy(update={"forward": value})

    with pytest.raises(StoreError, match="not a number in eV"):
        store.add(record)
    assert store.count() == 0


def test_a_record_beyond_the_limit_is_refused(store, make_record):
    with pytest.raises(StoreError, match="too large to store"):
        store.add(make_record(note="x" * (64 * 2**20)))
    assert store.count() == 0


def test_a_backup_holds_everything_and_is_not_overwritten(store, filled, tmp_path):
    copy = tmp_path / "copies" / "backup.sqlite"
    store.backup(copy)
    store.add(filled[0].model_copy(update={"record_id": "later"}))

    with SQLiteBarrierStore(copy, read_only=True) as again:
        assert list(again.query(images=True)) == filled
    with pytest.raises(StoreError, match="exists already"):
        store.backup(copy)
    assert [file.name for file in copy.parent.iterdir()] == ["backup.sqlite"]


def test_a_closed_store_says_so(store):
    store.close()
    store.close()

    with pytest.raises(StoreError, match="is closed"):
        store.count()


def test_a_store_opened_for_reading_is_not_written(store, open_again, make_record):
    reader = open_again(read_only=True)

    with pytest.raises(StoreError, match="for reading only"):
        reader.add(make_record())
    assert store.count() == 0
