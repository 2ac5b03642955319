"""The summaries in memory answer as the store itself does, and follow what is written."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from pydantic import ValidationError

from dualion.errors import InputError, StoreError
from dualion.records import Outcome
from dualion.store.base import BarrierFilter, Order
from dualion.store.sqlite import SQLiteBarrierStore
from dualion.store.summary import COLUMNS, moment, summary


@pytest.fixture
def several(make_record):
    """Records of two frameworks, three ions, two levels of theory, with and without barriers."""
    found = []
    for framework in ("li6ps5cl", "nacl"):
        for ion, barrier in (("Li", 0.2), ("Cu", 0.6), ("Na", 0.4)):
            for k, engine in enumerate(("fast", "standard", "fast")):
                for member in range(3):
                    found.append(  # noqa: PERF401 - four loops deep
                        make_record(
                            framework=framework,
                            moving_ion=ion,
                            engine=engine,
                            charge=-(k // 2),
                            member=member,
                            forward=barrier + 0.01 * member * (1 + k),
                            outcome=Outcome.UNCONVERGED if member == k else Outcome.CONVERGED,
                            with_images=False,
                        )
                    )
    return found


@pytest.fixture
def filled(store, several):
    with store.transaction():
        for record in several:
            assert store.add(record)
    return store


def test_rows_are_the_summaries(filled, several):
    columns = filled.columns()

    assert columns.rows(columns.select()) == [summary(record) for record in several]


@pytest.mark.parametrize("order", Order)
def test_a_selection_is_that_of_the_store_in_its_order(filled, order):
    columns = filled.columns()
    for fields in ({}, {"moving_ions": ("Cu", "Na")}, {"max_barrier": 0.42}, {"limit": 3}):
        query = BarrierFilter(order=order, **fields)
        assert tuple(columns.ids[columns.select(query)]) == filled.ids(query)
        assert columns.count(query) == filled.count(query)


@pytest.mark.parametrize("column", [column.name for column in COLUMNS])
@pytest.mark.parametrize("direction", ["", ":asc", ":desc"])
def test_any_column_sorts_with_what_is_no_number_last(filled, several, column, direction):
    query = BarrierFilter(sort=column + direction)
    columns = filled.columns()
    expected = sorted(
        (summary(record) for record in several if summary(record)[column] is not None),
        key=lambda row: row[column],
        reverse=direction == ":desc",
    )

    assert tuple(columns.ids[columns.select(query)]) == filled.ids(query)
    values = [row[column] for row in columns.rows(columns.select(query))]
    assert values[: len(expected)] == [row[column] for row in expected]
    assert set(values[len(expected) :]) <= {None}


@pytest.mark.parametrize("sort", ["nothing", "barrier:up", "barrier; DROP TABLE records", ""])
def test_one_sorts_by_columns_only(sort):
    with pytest.raises(ValidationError):
        BarrierFilter(sort=sort)


@pytest.mark.parametrize("by", [(), ("framework",), ("framework", "moving_ion"), ("member",)])
def test_groups_are_those_of_a_loop_and_never_mix_levels_of_theory(filled, several, by):
    query = BarrierFilter(moving_ions=("Li", "Cu"))
    expected = {}
    for record in several:
        if record.moving_ion != "Na":
            row = summary(record)
            key = (*(row[name] for name in by), record.theory.fingerprint, record.theory.charge)
            expected.setdefault(key, []).append(row["barrier"])

    groups = filled.columns().groups(by, query)
    assert [tuple(g.key[n] for n in (*by, "fingerprint", "charge")) for g in groups] == sorted(
        expected
    )
    for group in groups:
        barriers = expected[tuple(group.key[name] for name in (*by, "fingerprint", "charge"))]
        numbers = [barrier for barrier in barriers if barrier is not None]
        assert (group.records, group.with_barrier) == (len(barriers), len(numbers))
        if not numbers:
            assert group.lowest is group.median is group.highest is group.spread is None
            continue
        assert (group.lowest, group.highest) == (min(numbers), max(numbers))
        assert group.median == pytest.approx(statistics.median(numbers), abs=1e-15)
        assert group.spread == max(numbers) - min(numbers)


def test_levels_of_theory_are_mixed_only_when_asked(filled):
    groups = filled.columns().groups(("framework",), across_theories=True)

    assert [(g.key, g.records) for g in groups] == [
        ({"framework": "li6ps5cl"}, 27),
        ({"framework": "nacl"}, 27),
    ]


def test_a_group_without_a_barrier_says_so(store, make_record):
    store.add(make_record(outcome=Outcome.BARRIERLESS))

    (group,) = store.columns().groups(("framework",))
    assert (group.records, group.with_barrier) == (1, 0)
    assert group.lowest is group.median is group.highest is group.spread is None


def test_one_groups_by_columns_of_few_values_only(filled):
    with pytest.raises(InputError, match="cannot group by 'barrier'"):
        filled.columns().groups(("barrier",))


def test_facets_count_each_value(filled):
    facets = filled.columns().facets(BarrierFilter(framework="nacl"))

    assert facets["framework"] == {"nacl": 27}
    assert facets["moving_ion"] == {"Cu": 9, "Li": 9, "Na": 9}
    assert list(facets["outcome"].items()) == [("converged", 18), ("unconverged", 9)]


def test_a_frame_holds_the_summaries(filled, several):
    query = BarrierFilter(framework="nacl", order=Order.BARRIER)
    frame = filled.frame(query)

    assert list(frame.columns) == [column.name for column in COLUMNS]
    assert tuple(frame["record_id"]) == filled.ids(query)
    assert frame["moving_ion"].dtype == "category"
    assert frame["barrier"].isna().sum() == 9
    assert str(frame["created"].dt.tz) == "UTC"
    rows = {record.record_id: summary(record) for record in several}
    for row in frame.to_dict("records"):
        expected = rows[row["record_id"]]
        assert row["framework"] == expected["framework"]
        assert row["created"].isoformat() == expected["created"]
        assert row["member"] == expected["member"]


def test_an_empty_store_has_empty_columns(store):
    columns = store.columns()

    assert len(columns) == columns.count() == len(columns.select()) == 0
    assert columns.groups(("framework",)) == []
    assert len(columns.frame(BarrierFilter(order=Order.FRAMEWORK))) == 0
    assert set(map(len, columns.facets().values())) == {0}


def test_columns_follow_what_is_written_by_anybody(open_again, make_record):
    mine, other = open_again(), open_again()
    seen = [mine.columns()]
    for writer, fields in (
        (mine, {"record_id": "a"}),
        (other, {"record_id": "b", "framework": "new"}),
        (other, {"record_id": "c", "outcome": Outcome.ENGINE_FAILED}),
        (mine, {"record_id": "c"}),  # supersedes the last row
        (other, {"record_id": "d", "outcome": Outcome.UNCONVERGED}),
        (mine, {"record_id": "e"}),
        (other, {"record_id": "d"}),  # supersedes a row in the middle
    ):
        assert writer.add(make_record(**fields))
        for handle in (mine, other):
            columns = handle.columns()
            assert columns.rows(columns.select()) == [summary(r) for r in handle.query()]
        seen.append(mine.columns())

    assert [len(columns) for columns in seen] == [0, 1, 2, 3, 3, 4, 5, 5]
    assert mine.columns() is mine.columns()


def test_what_is_undone_is_never_kept(store, make_record):
    store.add(make_record(record_id="a"))
    assert len(store.columns()) == 1

    def look_and_fail():
        with store.transaction():
            store.add(make_record(record_id="b"))
            store.columns()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        look_and_fail()
    assert list(store.columns().ids) == ["a"]
    store.add(make_record(record_id="c"))
    assert list(store.columns().ids) == ["a", "c"]


def test_a_damaged_summary_is_told(tmp_path, make_record):
    with SQLiteBarrierStore(tmp_path / "b.sqlite") as store:
        store.add(make_record())
        store.database.execute("UPDATE records SET barrier = 'high'")
        with pytest.raises(StoreError, match="a summary is damaged"):
            store.columns()


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T03:04:05.250+02:00", "2026-01-02T01:04:05.250000+00:00"),
        ("2026-01-02", "2026-01-02T00:00:00+00:00"),
        ("0001-01-01T00:00:00+09:00", ""),
        ("yesterday", ""),
    ],
)
def test_times_are_kept_in_utc(text, utc):
    assert moment(text) == utc


def test_a_group_of_many_combinations_is_numbered_by_sorting(monkeypatch, filled):
    direct = filled.columns().groups(("framework", "moving_ion", "member"))
    monkeypatch.setattr("dualion.store.grouping._DIRECT", 1)
    store_columns = filled.columns()
    store_columns._made.clear()

    assert store_columns.groups(("framework", "moving_ion", "member")) == direct
    assert np.all([group.records == 1 for group in direct])
