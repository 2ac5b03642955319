"""The spool: whole files, damage set aside, kills at any moment."""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import subprocess
import sys
import time
import zlib

import pytest

from dualion.errors import RecordError, StoreError
from dualion.records import Finding, Outcome
from dualion.store import ingest as ingesting
from dualion.store.ingest import ingest
from dualion.store.packing import pack_record
from dualion.store.spool import Spool
from dualion.store.sqlite import SQLiteBarrierStore


@pytest.fixture(params=[True, False], ids=["compressed", "plain"])
def spool(request, tmp_path):
    made = Spool(tmp_path / "spool", compress=request.param)
    made.prepare()
    return made


@pytest.fixture
def barriers(tmp_path):
    with SQLiteBarrierStore(tmp_path / "b.sqlite") as store:
        yield store


def names(folder):
    found = sorted(file.name for file in folder.iterdir()) if folder.exists() else []
    return [name for name in found if name != ".ingest.lock"]


def test_a_record_comes_back_equal_to_the_last_bit(spool, make_record):
    record = make_record(
        note="Größe μ\n“x”",
        findings=(Finding(check="a", value=math.nan), Finding(check="b", value=-0.0)),
        energies=(0.1 + 0.2, 5e-324, -math.inf),
    )
    assert spool.put(record)
    assert not spool.put(record)
    (again,) = spool.records()
    assert pack_record(again) == pack_record(record)
    assert again.images == record.images


def test_records_are_taken_into_a_store_and_put_away(spool, barriers, make_record):
    records = [make_record(record_id=f"r{k}") for k in range(3)]
    for record in records:
        spool.put(record)
    barriers.add(records[1])

    done = ingest(spool, barriers)
    assert (done.added, done.present, done.quarantined) == (2, 1, ())
    assert sorted(barriers.ids()) == ["r0", "r1", "r2"]
    assert spool.entries() == ()
    assert len(names(spool.folder / "done")) == 3
    assert ingest(spool, barriers).model_dump() == type(done)().model_dump()


def test_files_may_be_removed_instead(spool, barriers, make_record):
    spool.put(make_record())
    assert ingest(spool, barriers, remove=True).added == 1
    assert names(spool.folder) == []


def test_two_results_of_one_question_are_two_files_and_the_later_supersedes(
    spool, barriers, make_record
):
    failed = make_record(record_id="one", outcome=Outcome.UNCONVERGED)
    spool.put(failed)
    time.sleep(0.02)
    spool.put(make_record(record_id="one"))
    assert ingest(spool, barriers).added == 2
    assert barriers.get("one") == make_record(record_id="one")
    assert barriers.revisions("one") == (failed,)


@pytest.mark.parametrize("record_id", ["../../escape", ".hidden", "a/b", "x" * 300, "", "Å", "a\0"])
def test_an_id_that_is_no_file_name_stays_in_the_folder(spool, barriers, make_record, record_id):
    spool.put(make_record(record_id=record_id))
    assert len(names(spool.folder)) == 1
    assert ingest(spool, barriers).added == 1
    assert barriers.ids() == (record_id,)


def rewritten(change):
    """Damage that changes the record and gives the file the right name for its content."""

    def damage(file):
        import hashlib

        data = file.read_bytes()
        body = json.loads(zlib.decompress(data) if file.suffix == ".z" else data)
        change(body)
        text = json.dumps(body).encode()
        stem = file.name.rpartition("-")[0]
        name = f"{stem}-{hashlib.sha256(text).hexdigest()[:16]}.json"
        file.unlink()
        file.with_name(name).write_bytes(text)

    return damage


DAMAGE = {
    "empty": (lambda f: f.write_bytes(b""), ""),
    "cut": (lambda f: f.write_bytes(f.read_bytes()[:100]), ""),
    "bit": (lambda f: f.write_bytes(f.read_bytes()[:-9] + b"x" + f.read_bytes()[-8:]), ""),
    "name": (lambda f: f.rename(f.with_name("notes.txt")), "not named"),
    "other id": (lambda f: f.rename(f.with_name("other" + f.name)), "another record"),
    "missing": (rewritten(lambda b: b.pop("hop")), "hop: Field required"),
    "module": (rewritten(lambda b: b.update({"@module": "os"})), "@module"),
    "NaN": (rewritten(lambda b: b.update(forward=math.nan)), "not a number in eV"),
    "text": (rewritten(lambda b: b.update(forward="0.218")), "forward is of another type"),
    "true": (rewritten(lambda b: b.update(forward=True)), "forward is of another type"),
    "list": (rewritten(lambda b: b.update(energies={})), "energies"),
    "outcome": (rewritten(lambda b: b.update(outcome="wrong_mover")), "must not carry a barrier"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_set_aside_with_its_reason_and_stops_nothing(
    spool, barriers, make_record, kind
):
    damage, words = DAMAGE[kind]
    spool.put(make_record(record_id="bad"))
    damage(spool.entries()[0])
    spool.put(make_record(record_id="good"))

    done = ingest(spool, barriers)
    assert done.added == 1
    assert len(done.quarantined) == 1
    assert words in done.quarantined[0]
    assert barriers.ids() == ("good",)
    first, reason = names(spool.folder / "quarantine")
    assert reason == f"{first}.reason"
    assert (spool.folder / "quarantine" / reason).read_text().strip() in done.quarantined[0]
    assert spool.entries() == ()


def test_what_no_store_takes_is_not_spooled(spool, make_record):
    with pytest.raises(RecordError, match="not a number in eV"):
        spool.put(make_record().model_copy(update={"forward": math.nan}))
    with pytest.raises(RecordError, match="too large"):
        spool.put(make_record(note="x" * (64 * 2**20)))
    assert names(spool.folder) == []


def test_a_full_disk_leaves_nothing_half_written(spool, make_record, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="no space left on device: free some"):
        spool.put(make_record())
    assert names(spool.folder) == []


def test_a_store_that_fails_leaves_the_file_where_it_is(spool, barriers, make_record):
    spool.put(make_record())
    barriers.close()
    with pytest.raises(StoreError, match="closed"):
        ingest(spool, barriers)
    assert len(spool.entries()) == 1


def test_only_one_process_ingests(spool, barriers, make_record):
    spool.put(make_record())
    with (spool.folder / ".ingest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711 on node7")
        lock.flush()
        with pytest.raises(StoreError, match="process 4711 on node7"):
            ingest(spool, barriers)
    assert ingest(spool, barriers).added == 1


def test_a_file_system_without_locks_will_do(spool, barriers, make_record, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    spool.put(make_record())
    assert ingest(spool, barriers).added == 1


def test_a_file_that_another_process_took_is_passed_over(spool, barriers, make_record, monkeypatch):
    spool.put(make_record(record_id="a"))
    spool.put(make_record(record_id="b"))
    read = ingesting.read_entry

    def gone(file):
        record = read(file)
        if record.record_id == "a":
            file.unlink()
            raise FileNotFoundError(file)
        return record

    monkeypatch.setattr(ingesting, "read_entry", gone)
    done = ingest(spool, barriers)
    assert (done.added, done.present, done.quarantined) == (1, 0, ())


def test_old_partial_files_of_killed_writers_go_and_new_ones_stay(spool, barriers, make_record):
    spool.put(make_record())
    old, new = spool.folder / ".a.part", spool.folder / ".b.part"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    assert ingest(spool, barriers).added == 1
    assert names(spool.folder) == [".b.part", "done"]


def test_a_folder_that_is_not_there_is_told(tmp_path, barriers):
    with pytest.raises(StoreError, match="no such file"):
        ingest(Spool(tmp_path / "missing"), barriers)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be used"):
        Spool(tmp_path / "file").prepare()


INGESTER = """
import sys
from pathlib import Path
from dualion.store.ingest import ingest
from dualion.store.spool import Spool
from dualion.store.sqlite import SQLiteBarrierStore
with SQLiteBarrierStore(Path(sys.argv[2])) as store:
    print("begun", flush=True)
    ingest(Spool(Path(sys.argv[1])), store)
"""


def test_an_ingester_killed_at_any_moment_loses_and_doubles_nothing(spool, tmp_path, make_record):
    count = 120
    for k in range(count):
        spool.put(make_record(record_id=f"r{k}"))
    spool.put(make_record(record_id="bad"))
    bad = next(file for file in spool.entries() if file.name.startswith("bad"))
    bad.write_bytes(b"damaged")
    path = tmp_path / "killed.sqlite"
    kills = 0
    while len(spool.entries()) > 20 and kills < 30:
        process = subprocess.Popen(
            [sys.executable, "-c", INGESTER, str(spool.folder), str(path)],
            stdout=subprocess.PIPE,
        )
        process.stdout.readline()
        time.sleep(0.02 * (1 + kills % 4))
        process.kill()
        process.wait()
        process.stdout.close()
        kills += 1
    with SQLiteBarrierStore(path) as store:
        ingest(spool, store)
        assert set(store.ids()) == {f"r{k}" for k in range(count)}
        assert all(store.revisions(one) == () for one in store.ids())
    assert spool.entries() == ()
    assert len(names(spool.folder / "done")) == count
    assert len(names(spool.folder / "quarantine")) == 2
    assert kills >= 1
