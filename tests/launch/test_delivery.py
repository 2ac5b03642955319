"""Outputs on their way into the database: on disk first, whole, and once."""

from __future__ import annotations

import json

import pytest

from dualion.launch.delivery import OutputStore, uuid_of

KEY = "00112233445566778899aabbccddeeff"
OUTPUT = {"energy": -1.5, "images": {"xyz": [0.1, 0.2]}, "converged": True}


@pytest.fixture
def store(on_cluster):
    with on_cluster.cluster() as cluster:
        made = OutputStore(cluster)
        yield made
        made.close()


def put(store, **metadata):
    store.put(KEY, name="a band", output=OUTPUT, metadata={"job_id": "j", **metadata})


def test_what_was_put_is_found_whole_as_jobflow_keeps_it(store):
    assert store.find(KEY) is None
    put(store)
    assert store.find(KEY)["output"] == OUTPUT
    assert store.job_store.get_output(uuid_of(KEY), load=True) == OUTPUT
    raw = store.cluster.outputs.find_one({"uuid": uuid_of(KEY)})
    assert "blob_uuid" in raw["output"]["images"]
    assert not list(store.waiting())


def test_the_same_output_put_twice_is_there_once(store):
    put(store)
    put(store)
    assert store.cluster.outputs.count_documents({}) == 1


def test_an_output_whose_blob_has_not_arrived_is_not_there(store):
    put(store)
    store.cluster.database["outputs_blobs.files"].delete_many({})
    assert store.find(KEY) is None
    put(store)
    assert store.find(KEY)["output"] == OUTPUT


def test_one_that_says_why_it_failed_counts_only_when_asked(store):
    put(store, failed=True, reason="nan")
    assert store.find(KEY) is not None
    assert store.find(KEY, failed=False) is None
    assert not store.has(KEY)


def test_what_lies_in_the_spool_is_delivered_and_what_is_damaged_set_aside(store, monkeypatch):
    def away(_document):
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(store, "_deliver", away)
        with pytest.raises(ConnectionError):
            put(store)
    (file,) = store.waiting()
    (store.spool / "bad.json").write_text('{"uuid": ')
    (store.spool / "other.json").write_text(json.dumps({"uuid": "x", "metadata": {"key": KEY}}))
    assert store.flush(older=60.0) == ()  # as far as one can tell, its worker is delivering it
    assert store.flush() == ("a band",)
    assert store.find(KEY)["output"] == OUTPUT
    assert not file.exists()
    assert sorted(each.name for each in store.spool.iterdir()) == ["bad.damaged", "other.damaged"]
    assert store.flush() == ()


def test_a_full_disk_does_not_keep_an_output_from_the_database(store, monkeypatch):
    def full(_key, _document):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "_write", full)
    put(store)
    assert store.find(KEY)["output"] == OUTPUT


def test_numbers_that_are_none_survive(store):
    store.put(KEY, name="r", output={"value": float("nan")}, metadata={})
    value = store.find(KEY)["output"]["value"]
    assert value != value  # noqa: PLR0124 - that is what not-a-number is
