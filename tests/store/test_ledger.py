"""The ledger of finished jobs."""

from __future__ import annotations

import sqlite3
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dualion.errors import StoreError
from dualion.store.ledger import Ledger


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "jobs.sqlite") as opened:
        yield opened


def put(ledger, key, *, output_json="{}", force_calls=10):
    return ledger.put(
        key, name="relax 3", kind="relax", output_json=output_json, force_calls=force_calls,
        seconds=1.25,
    )  # fmt: skip


def test_an_output_is_stored_once_and_comes_back(ledger):
    assert put(ledger, "a", output_json='{"energy": -1.5, "µ": "Å"}')
    assert not put(ledger, "a", output_json='{"energy": 0}')

    entry = ledger.get("a")
    assert entry.output_json == '{"energy": -1.5, "µ": "Å"}'
    assert (entry.key, entry.name, entry.kind) == ("a", "relax 3", "relax")
    assert (entry.force_calls, entry.seconds) == (10, 1.25)
    assert ledger.count() == 1


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_unchanged(ledger, text):
    ledger.delete("any")
    put(ledger, "any", output_json=text)

    assert ledger.get("any").output_json == text


def test_keys_of_a_kind_come_in_the_order_they_were_stored(ledger):
    for key in ("b", "a", "c"):
        put(ledger, key)
    assert ledger.keys("relax") == ("b", "a", "c")
    assert ledger.keys("band") == ()


def test_what_is_not_there_is_none(ledger):
    assert ledger.get("a") is None
    assert not ledger.has("a")
    assert not ledger.delete("a")


def test_a_deleted_output_may_be_stored_anew(ledger):
    put(ledger, "a", output_json="1")

    assert ledger.delete("a")
    assert not ledger.has("a")
    assert put(ledger, "a", output_json="2")
    assert ledger.get("a").output_json == "2"


def test_force_calls_are_summed_over_distinct_known_keys(ledger):
    with ledger.database.transaction():
        for k in range(1200):
            put(ledger, str(k), force_calls=k)

    assert ledger.total_force_calls([]) == 0
    assert ledger.total_force_calls(["3", "4", "4", "unknown"]) == 7
    assert ledger.total_force_calls(str(k) for k in range(1200)) == 1199 * 1200 // 2


def test_an_output_beyond_the_limit_is_refused(ledger):
    with pytest.raises(StoreError, match="output of job 'relax 3' is too large"):
        put(ledger, "a", output_json="0" * (64 * 2**20 + 1))
    assert ledger.count() == 0


def test_every_write_is_synced_to_disk(ledger):
    assert ledger.database.row("PRAGMA synchronous") == (2,)
    assert ledger.database.row("PRAGMA journal_mode") == ("wal",)


def test_a_damaged_output_is_told_and_can_be_deleted(tmp_path, ledger):
    put(ledger, "a")
    with sqlite3.connect(tmp_path / "jobs.sqlite") as raw:
        raw.execute("UPDATE outputs SET body = x'00'")

    with pytest.raises(StoreError, match="output 'a' cannot be read"):
        ledger.get("a")
    assert ledger.delete("a")


def test_a_ledger_opened_for_reading_is_not_written(tmp_path, ledger):
    put(ledger, "a")
    with Ledger(tmp_path / "jobs.sqlite", read_only=True) as reader:
        assert reader.has("a")
        with pytest.raises(StoreError, match="for reading only"):
            put(reader, "b")


def test_threads_may_share_a_ledger(ledger):
    def work(name):
        for k in range(10):
            put(ledger, f"{name} {k}")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ledger.count() == 40
