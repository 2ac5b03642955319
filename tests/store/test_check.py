"""A store is looked over, repaired, put back and compacted, and nothing is lost by it."""

from __future__ import annotations

import shutil
import sqlite3
import zlib

import pytest

from dualion.errors import StoreError, StoreVersionError
from dualion.records import Outcome
from dualion.store.check import check
from dualion.store.restore import restore
from dualion.store.sqlite import SQLiteBarrierStore


@pytest.fixture
def filled(tmp_path, make_record):
    """A store of six records, one superseded and one deleted."""
    with SQLiteBarrierStore(tmp_path / "b.sqlite") as store:
        for k in range(5):
            store.add(make_record(record_id=f"r{k}"))
        store.add(make_record(record_id="past", outcome=Outcome.ENGINE_FAILED))
        store.add(make_record(record_id="past"))
        store.add(make_record(record_id="gone"))
        store.delete("gone", reason="a test")
        yield store


def key_of(store, record_id):
    return store.database.row("SELECT id FROM records WHERE record_id = ?", (record_id,))[0]


def test_a_sound_store_is_sound(store, make_record):
    store.add(make_record(record_id="a", outcome=Outcome.UNCONVERGED))
    store.add(make_record(record_id="a"))
    store.add(make_record(record_id="b", with_images=False))
    store.add(make_record(record_id="c"))
    store.delete("c", reason="a test")
    health = check(store)

    assert health.sound
    assert health.troubles == ()
    assert (health.records, health.tombstones) == (2, 1)


DAMAGE = {
    "body": ("UPDATE bodies SET body = x'00' WHERE id = ?", "cannot be read"),
    "no body": ("DELETE FROM bodies WHERE id = ?", "missing"),
    "images": ("UPDATE images SET blob = x'00' WHERE id = ?", "cannot be read"),
    "swapped": (
        "UPDATE bodies SET body = (SELECT body FROM bodies b WHERE b.id <> bodies.id) WHERE id = ?",
        "its body is that of",
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_record_is_found_and_set_aside_with_all_its_parts(filled, what):
    statement, told = DAMAGE[what]
    key = key_of(filled, "r2")
    filled.database.execute(statement, (key,))
    parts = filled.database.row(
        "SELECT body, blob FROM records LEFT JOIN bodies USING (id) LEFT JOIN images USING (id) "
        "WHERE id = ?",
        (key,),
    )

    (trouble,) = check(filled).troubles
    assert trouble.record_id == "r2"
    assert told in trouble.what
    assert not check(filled).sound
    repaired = check(filled, repair=True)
    assert repaired.sound
    assert repaired.quarantined == 1
    assert check(filled).troubles == ()
    assert filled.ids() == tuple(filled.columns().ids) == ("r0", "r1", "r3", "r4", "past")
    assert filled.database.rows("SELECT record_id, body, images FROM quarantine") == [
        ("r2", *parts)
    ]


def test_a_summary_that_disagrees_is_named_and_computed_anew(filled):
    before = filled.columns().rows(filled.columns().select())
    filled.database.execute("UPDATE records SET barrier = 0.01, pair = 'x' WHERE record_id = 'r1'")

    (trouble,) = check(filled).troubles
    assert (trouble.record_id, trouble.what) == (
        "r1",
        "its summary differs from it in pair, barrier",
    )
    assert filled.columns().rows(filled.columns().select()) != before
    assert check(filled, repair=True).sound
    assert filled.columns().rows(filled.columns().select()) == before


def test_parts_of_no_record_and_damaged_revisions_are_set_aside(filled):
    filled.database.execute("DELETE FROM records WHERE record_id = 'r3'")
    filled.database.execute("UPDATE revisions SET body = x'00' WHERE record_id = 'past'")

    assert len(check(filled).troubles) == 3
    assert check(filled, repair=True).quarantined == 3
    assert check(filled).troubles == ()
    assert filled.revisions("past") == ()


def test_a_repair_that_fails_changes_nothing(filled, monkeypatch):
    filled.database.execute("UPDATE bodies SET body = x'00'")
    monkeypatch.setattr("dualion.store.check._check_revisions", lambda *_, **__: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        check(filled, repair=True)
    assert filled.count() == 6


def test_damaged_pages_are_told(filled):
    filled.add(filled.get("r1").model_copy(update={"record_id": "r9", "note": "x" * 200_000}))
    filled.database.row("PRAGMA wal_checkpoint(TRUNCATE)")
    filled.close()
    whole = bytearray(filled.path.read_bytes())
    index = whole.index(b"by_campaign")
    assert index
    whole[-4096:] = b"\xff" * 4096
    filled.path.write_bytes(bytes(whole))

    try:
        with SQLiteBarrierStore(filled.path, read_only=True) as store:
            assert not check(store).sound
    except StoreError as error:
        assert "damaged" in error.what  # noqa: PT017 - either is told


def test_a_backup_put_back_is_the_store_and_others_see_it(filled, tmp_path, make_record):
    backup = tmp_path / "copy.sqlite"
    filled.backup(backup)
    with SQLiteBarrierStore(filled.path) as other:
        assert len(other.columns()) == 6
        # Lost in the store, kept in the backup.
        with sqlite3.connect(filled.path) as raw:
            for table in ("images", "bodies"):
                raw.execute(f"DELETE FROM {table} WHERE id <= 2")  # noqa: S608 - names above
            raw.execute("DELETE FROM records WHERE id <= 2")
        raw.close()
        assert len(other.columns()) == 4
        done = restore(backup, filled.path)
        assert (done.records, done.aside) == (6, "")
        assert len(other.columns()) == other.count() == 6
        assert check(other).sound
        assert other.add(make_record(record_id="new"))
    assert [each.record_id for each in filled.tombstones()] == ["gone"]


def test_what_the_backup_lacks_is_not_overwritten_unless_forced_and_then_kept(
    filled, tmp_path, make_record
):
    backup = tmp_path / "copy.sqlite"
    filled.backup(backup)
    filled.add(make_record(record_id="later"))
    with pytest.raises(StoreError, match=r"1 records or revisions .* \(later\).*--force"):
        restore(backup, filled.path)
    assert filled.get("later") is not None

    done = restore(backup, filled.path, force=True)
    assert filled.get("later") is None
    assert len(filled.columns()) == 6
    with SQLiteBarrierStore(done.aside, read_only=True) as aside:
        assert aside.get("later") is not None


def test_a_superseded_record_counts_as_what_the_backup_lacks(tmp_path, make_record):
    with SQLiteBarrierStore(tmp_path / "b.sqlite") as store:
        store.add(make_record(record_id="one", outcome=Outcome.UNCONVERGED))
        store.backup(tmp_path / "copy.sqlite")
        store.add(make_record(record_id="one"))
        with pytest.raises(StoreError, match="backup lacks"):
            restore(tmp_path / "copy.sqlite", store.path)


def test_a_damaged_store_is_replaced_only_when_forced_and_kept(filled, tmp_path):
    backup = tmp_path / "copy.sqlite"
    filled.backup(backup)
    filled.close()
    junk = filled.path.read_bytes()[:3000]
    filled.path.write_bytes(junk)
    with pytest.raises(StoreError, match=r"cannot be read.*--force"):
        restore(backup, filled.path)

    done = restore(backup, filled.path, force=True)
    with SQLiteBarrierStore(filled.path) as store:
        assert store.count() == 6
    with open(done.aside, "rb") as aside:  # noqa: PTH123 - a text
        assert aside.read() == junk


def test_a_damaged_backup_is_refused(filled, tmp_path):
    backup = tmp_path / "copy.sqlite"
    filled.backup(backup)
    with sqlite3.connect(backup) as raw:
        raw.execute("UPDATE bodies SET body = ? WHERE id = 1", (zlib.compress(b"{}"),))
    raw.close()

    for place in (filled.path, tmp_path / "new.sqlite"):
        with pytest.raises(StoreError, match="the backup is damaged"):
            restore(backup, place)
    assert not (tmp_path / "new.sqlite").exists()
    assert filled.count() == 6
    with pytest.raises(StoreError, match="is the store itself"):
        restore(filled.path, filled.path)
    with pytest.raises(StoreError, match="there is no backup"):
        restore(tmp_path / "none", filled.path)


def test_a_backup_of_an_older_version_is_brought_up_to_date_and_not_changed(tmp_path):
    from pathlib import Path

    old = Path(shutil.copy(Path(__file__).parent / "files" / "version-1.sqlite", tmp_path / "old"))
    before = old.read_bytes()
    assert restore(old, tmp_path / "b.sqlite").records == 8
    assert old.read_bytes() == before
    with pytest.raises(StoreVersionError):
        SQLiteBarrierStore(old, read_only=True)


def test_compacting_gives_space_back_and_keeps_all(filled, make_record):
    with filled.transaction():
        for k in range(100):
            filled.add(make_record(record_id=f"x{k}", atoms=60))
    records = list(filled.query(images=True))
    filled.database.execute("DELETE FROM images WHERE id > 20")
    filled.database.row("PRAGMA wal_checkpoint(TRUNCATE)")
    size = filled.path.stat().st_size
    filled.database.compact()

    assert filled.path.stat().st_size < 0.7 * size
    assert [r.record_id for r in filled.query()] == [r.record_id for r in records]
    assert check(filled).sound
