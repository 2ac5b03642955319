"""Writers side by side, and writers killed at any moment, lose nothing that was acknowledged."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from dualion.store.check import check
from dualion.store.ledger import Ledger
from dualion.store.sqlite import SQLiteBarrierStore

# Writes its own keys and keys that all writers share, to a store and a ledger, and notes each
# write only after it was acknowledged.
WRITER = """
import os, sys
from pathlib import Path
from dualion.records import HopRecord
from dualion.store.ledger import Ledger
from dualion.store.sqlite import SQLiteBarrierStore
folder, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
text = (folder / "record.json").read_text()
base = HopRecord.model_validate_json(text)
note = os.open(folder / f"{name}.ack", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
with SQLiteBarrierStore(folder / "barriers") as store, Ledger(folder / "jobs") as ledger:
    for k in range(count):
        for key in (f"{name}-{k}", f"shared-{k}"):
            if store.add(base.model_copy(update={"record_id": key})):
                os.write(note, f"store {key}\\n".encode())
            if ledger.put(key, name=key, kind="relax", output_json=text, force_calls=1, seconds=1):
                os.write(note, f"ledger {key}\\n".encode())
"""


@pytest.fixture
def start(tmp_path, make_record):
    """Start a writing process; gives it and the file of what it was promised."""
    (tmp_path / "record.json").write_text(make_record(atoms=30).model_dump_json())
    running = []

    def started(name, count):
        command = [sys.executable, "-c", WRITER, str(tmp_path), name, str(count)]
        running.append(subprocess.Popen(command))
        return running[-1], tmp_path / f"{name}.ack"

    yield started
    for process in running:
        process.kill()
        process.wait()


def promised(file):
    """Return the complete lines: a kill may cut the last one short."""
    return file.read_text().split("\n")[:-1] if file.exists() else []


def stored(folder):
    """Return what is there, in the writer's words, after looking both files over."""
    with SQLiteBarrierStore(folder / "barriers") as store, Ledger(folder / "jobs") as ledger:
        assert store.database.check() == "ok"
        assert ledger.database.check() == "ok"
        keys = ledger.database.rows("SELECT key FROM outputs")
        return {f"store {key}" for key in store.ids()} | {f"ledger {key}" for (key,) in keys}


def test_four_writers_that_also_make_the_files_lose_and_double_nothing(start, tmp_path):
    writers = [start(name, 20) for name in "abcd"]

    assert [process.wait(timeout=120) for process, _ in writers] == [0, 0, 0, 0]
    counts = Counter(line for _, file in writers for line in promised(file))
    expected = {
        f"{kind} {name}-{k}"
        for kind in ("store", "ledger")
        for name in ("a", "b", "c", "d", "shared")
        for k in range(20)
    }
    assert set(counts) == expected
    assert stored(tmp_path) == expected
    # Of four writers of a shared key, exactly one was told that it was new.
    assert set(counts.values()) == {1}


def test_ten_killed_writers_lose_no_acknowledged_write(start, tmp_path):
    chance = random.Random(20)  # noqa: S311 - moments of the kills, not a secret
    kept = set()
    for kill in range(10):
        process, file = start(f"k{kill}", 100_000)
        deadline = time.monotonic() + 60
        while not promised(file) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert promised(file)
        kept |= set(promised(file))
        there = stored(tmp_path)
        assert kept <= there
        # Only a write whose acknowledgement was cut off may come on top, one per kill.
        assert len(there - kept) <= kill + 1
    with SQLiteBarrierStore(tmp_path / "barriers") as store:
        assert all(record.images for record in store.query(images=True))


def test_four_writers_at_once_and_ten_kills_lose_and_double_nothing(start, tmp_path):
    chance = random.Random(21)  # noqa: S311 - moments and victims of the kills, not a secret
    names = (f"w{k}" for k in range(20))
    living = [start(next(names), 100_000) for _ in range(4)]
    files = [file for _, file in living]
    for _ in range(10):
        deadline = time.monotonic() + 120
        while not all(promised(file) for _, file in living) and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 0.05))
        process, _ = living.pop(chance.randrange(4))
        process.send_signal(signal.SIGKILL)
        process.wait()
        living.append(start(next(names), 100_000))
        files.append(living[-1][1])
    for process, _ in living:
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = Counter(line for file in files for line in promised(file))
    there = stored(tmp_path)

    assert set(kept) <= there
    assert set(kept.values()) == {1}
    assert len(there - set(kept)) <= 14
    with SQLiteBarrierStore(tmp_path / "barriers") as store:
        assert store.count() == len(set(store.ids())) == len(store.columns())
        health = check(store)
        assert (health.sound, health.records) == (True, store.count())
