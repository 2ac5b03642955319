"""SQLite files that cannot be used are refused in one line, and nothing is left half made."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import pytest

from dualion.errors import StoreError, StoreVersionError
from dualion.store.ledger import Ledger
from dualion.store.mounts import file_system
from dualion.store.opening import open_store
from dualion.store.packing import MAX_BYTES
from dualion.store.sqlite import SQLiteBarrierStore

KINDS = pytest.mark.parametrize("opener", [SQLiteBarrierStore, Ledger])


def refused(opener, path, **keywords):
    """Return the message of a refusal, which is one line naming the file."""
    with pytest.raises(StoreError) as caught:
        opener(path, **keywords)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@KINDS
def test_a_new_file_is_made_with_its_folder_and_nothing_beside_it(opener, tmp_path):
    path = tmp_path / "runs" / "a b#?%.sqlite"
    opener(path).close()

    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@KINDS
def test_opening_for_reading_makes_nothing(opener, tmp_path):
    assert "there is no" in refused(opener, tmp_path / "runs" / "none.sqlite", read_only=True)
    assert list(tmp_path.iterdir()) == []


@KINDS
def test_a_folder_is_no_store(opener, tmp_path):
    assert "is a folder" in refused(opener, tmp_path)


@KINDS
def test_a_pipe_is_no_store(opener, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "is a device" in refused(opener, tmp_path / "pipe")


@KINDS
@pytest.mark.parametrize("content", [b"", b"Li\n1.0\n", b"SQLite format 3\0" + b"\0" * 100])
def test_a_file_of_another_kind_is_refused_and_left_alone(opener, tmp_path, content):
    path = tmp_path / "POSCAR"
    path.write_bytes(content)

    assert "not a " in refused(opener, path) or "damaged" in refused(opener, path)
    assert path.read_bytes() == content


def test_a_ledger_is_no_barrier_store(tmp_path):
    Ledger(tmp_path / "jobs.sqlite").close()
    assert "not a barrier store" in refused(SQLiteBarrierStore, tmp_path / "jobs.sqlite")


@KINDS
def test_a_file_of_a_newer_version_is_refused(opener, tmp_path):
    path = tmp_path / "new.sqlite"
    opener(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version=99")

    for read_only in (False, True):
        with pytest.raises(StoreVersionError, match=r"schema version 99.*upgrade dualion"):
            opener(path, read_only=read_only)


def test_a_record_with_an_unknown_field_is_refused_by_name(tmp_path, make_record):
    path = tmp_path / "barriers.sqlite"
    with SQLiteBarrierStore(path) as store:
        store.add(make_record(record_id="odd", with_images=False))
    with sqlite3.connect(path) as raw:
        (body,) = raw.execute("SELECT body FROM bodies").fetchone()
        text = zlib.decompress(body).replace(b'"note"', b'"spin":1,"note"')
        raw.execute("UPDATE bodies SET body = ?", (zlib.compress(text),))

    with open_store(path, read_only=True) as store, pytest.raises(StoreError) as caught:
        store.get("odd")
    assert "record 'odd' does not fit this dualion (spin:" in str(caught.value)


def bomb():
    """Some kB that unfold to more than any record may be."""
    machine = zlib.compressobj(9)
    zeros = b"0" * 2**20
    many = [machine.compress(zeros) for _ in range(MAX_BYTES // 2**20 + 1)]
    return b"".join([*many, machine.flush()])


@pytest.mark.parametrize(
    "blob",
    [b"", b"junk", zlib.compress(b"{"), zlib.compress(b"[]"), zlib.compress(b'{"a":1}')[:-3]],
)
def test_a_damaged_record_is_told_by_name(tmp_path, make_record, blob):
    path = tmp_path / "barriers.sqlite"
    with SQLiteBarrierStore(path) as store:
        store.add(make_record(record_id="odd"))
        for table, column in (("images", "blob"), ("bodies", "body")):
            store.database.execute(f"UPDATE {table} SET {column} = ?", (blob,))  # noqa: S608 - names above
            with pytest.raises(StoreError, match=r"record 'odd'"):
                store.get("odd")
            with pytest.raises(StoreError, match=r"record 'odd'"):
                store.images("odd")


def test_a_compression_bomb_is_not_unfolded(tmp_path, make_record):
    with SQLiteBarrierStore(tmp_path / "barriers.sqlite") as store:
        store.add(make_record(record_id="odd"))
        store.database.execute("UPDATE images SET blob = ?", (bomb(),))
        with pytest.raises(StoreError, match="larger than any record"):
            store.images("odd")


def test_damaged_pages_are_told_in_one_line(tmp_path, make_record):
    path = tmp_path / "barriers.sqlite"
    with SQLiteBarrierStore(path) as store, store.transaction():
        for k in range(200):
            store.add(make_record(record_id=str(k)))
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))

    with pytest.raises(StoreError, match="is damaged") as caught, SQLiteBarrierStore(path) as store:
        list(store.query())
    assert str(path) in str(caught.value)


NETWORK = [
    "server:/home /home nfs4 rw 0 0",
    "mgs@tcp:/work /home lustre rw 0 0",
    "gpfs0 /home gpfs rw 0 0",
    "//pc/share /home cifs rw 0 0",
    "me@host: /home fuse.sshfs rw 0 0",
    "glusterfs /home fuse.glusterfs rw 0 0",
]
ROOT = "/dev/sda1 / ext4 rw 0 0\n"


@pytest.mark.parametrize("mount", NETWORK)
def test_the_log_is_refused_on_a_network_file_system(tmp_path, mount):
    mounts = ROOT + mount.replace("/home", str(tmp_path))
    message = refused(SQLiteBarrierStore, tmp_path / "runs" / "b.sqlite", mounts=mounts)

    assert "network file system" in message
    assert "local disk" in message
    assert list(tmp_path.iterdir()) == []


def test_a_finished_store_may_be_read_from_a_network_file_system(tmp_path, make_record):
    path, mounts = tmp_path / "b.sqlite", ROOT + f"server:/x {tmp_path} nfs rw 0 0"
    with SQLiteBarrierStore(path) as store:
        store.add(make_record(record_id="one"))
        # While somebody writes there is a log beside it.
        assert "network" in refused(SQLiteBarrierStore, path, read_only=True, mounts=mounts)
    with SQLiteBarrierStore(path, read_only=True, mounts=mounts) as store:
        assert store.ids() == ("one",)
        assert [file.name for file in tmp_path.iterdir()] == ["b.sqlite"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/a/b.sqlite", "nfs4"),
        ("/homes/b.sqlite", "ext4"),
        ("/home/scratch/b.sqlite", "xfs"),
        ("/my disk/b.sqlite", "fuseblk"),
        ("/again/b.sqlite", "tmpfs"),
    ],
)
def test_the_innermost_and_latest_mount_counts(path, kind):
    mounts = ROOT + (
        "s:/h /home nfs4 rw 0 0\n/dev/sdb /home/scratch xfs rw 0 0\n"
        "/dev/sdc /my\\040disk fuseblk rw 0 0\nx /again nfs rw 0 0\nx /again tmpfs rw 0 0\nshort\n"
    )
    assert file_system(Path(path), mounts).kind == kind


def test_local_disks_are_not_taken_for_network_disks():
    for kind in ("ext4", "xfs", "btrfs", "overlay", "tmpfs", "zfs", "fuseblk", "apfs"):
        assert not file_system(Path("/a"), f"x / {kind} rw 0 0").is_network


AS_NOBODY = """
import os, sys
from pathlib import Path
from dualion.errors import StoreError
from dualion.store.opening import open_store
if os.geteuid() == 0:
    os.setgid(65534); os.setuid(65534)
try:
    with open_store(Path(sys.argv[1]), read_only=sys.argv[2] == "read") as store:
        print("records", store.count())
except StoreError as error:
    print("refused", error)
"""


@pytest.fixture
def open_place():
    """Return a folder that other users may enter (tmp_path is private to its owner)."""
    with tempfile.TemporaryDirectory(prefix="dualion-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
        Path(name).chmod(0o755)


def as_nobody(path, mode):
    run = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(path), mode],
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip
    if "PermissionError" in run.stderr or "No module named" in run.stderr:
        pytest.skip("another user cannot run this Python")
    assert run.stderr == ""
    return run.stdout.strip()


def test_without_permission_a_store_is_read_but_not_written(open_place, make_record):
    path = open_place / "b.sqlite"
    with SQLiteBarrierStore(path) as store:
        store.add(make_record())
    path.chmod(0o444)
    open_place.chmod(0o555)

    assert as_nobody(path, "read") == "records 1"
    assert "permission" in as_nobody(path, "write")
    assert "permission" in as_nobody(open_place / "new.sqlite", "write")
    path.chmod(0o000)
    assert "check that you may read" in as_nobody(path, "read")
    path.chmod(0o444)
    assert [file.name for file in open_place.iterdir()] == ["b.sqlite"]


def fill(store, make_record, atoms):
    """Add records until there is no room; return the ids of those that were stored."""
    stored = []
    record = make_record(atoms=atoms)
    try:
        for k in range(1000):
            store.add(record.model_copy(update={"record_id": str(k)}))
            stored.append(str(k))
    except StoreError as error:
        if "no space left on device: free some space" not in str(error):
            raise
    return stored


def test_a_full_disk_is_told_and_loses_nothing_that_was_stored(tmp_path, make_record):
    with SQLiteBarrierStore(tmp_path / "b.sqlite") as store:
        store.add(make_record(record_id="first"))
        (pages,) = store.database.row("PRAGMA page_count")
        store.database.row(f"PRAGMA max_page_count={pages + 20}")
        stored = ["first", *fill(store, make_record, atoms=200)]
        assert 1 < len(stored) < 100
        assert store.ids() == tuple(stored)
        assert store.database.check() == "ok"
        store.database.row("PRAGMA max_page_count=1000000")
        assert store.add(make_record(record_id="after"))


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a small disk here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S607 - as found in PATH


def test_a_really_full_disk_is_told_and_loses_nothing(small_disk, make_record):
    path = small_disk / "b.sqlite"
    store = SQLiteBarrierStore(path)
    stored = fill(store, make_record, atoms=100)
    with pytest.raises(StoreError, match="no space left"):
        store.backup(small_disk / "copy.sqlite")
    assert not (small_disk / "copy.sqlite").exists()
    assert stored
    assert store.ids() == tuple(stored)
    store.close()
    with open_store(path, read_only=True) as again:
        assert again.ids() == tuple(stored)


def test_a_store_that_cannot_be_completed_is_not_left_behind(small_disk):
    (small_disk / "ballast").write_bytes(b"0" * 240 * 1024)

    assert "no space left" in refused(SQLiteBarrierStore, small_disk / "b.sqlite")
    assert [file.name for file in small_disk.iterdir()] == ["ballast"]


def test_a_writer_that_finds_the_file_locked_says_so(tmp_path, make_record, monkeypatch):
    monkeypatch.setattr("dualion.store.database.BUSY_SECONDS", 0.05)
    path = tmp_path / "b.sqlite"
    with SQLiteBarrierStore(path) as store, SQLiteBarrierStore(path) as other:
        with store.transaction(), pytest.raises(StoreError, match="locked for more than"):
            other.add(make_record())
        assert other.add(make_record())


def test_a_process_does_not_use_the_handle_of_its_parent(tmp_path):
    with SQLiteBarrierStore(tmp_path / "b.sqlite") as store:
        store.database._process += 1
        with pytest.raises(StoreError, match="opened by another process"):
            store.count()
        store.database._process -= 1


@pytest.mark.parametrize(
    "question",
    [
        "SELECT count(*) FROM records WHERE framework = 'x' AND moving_ion = 'Cu' AND barrier < 1",
        "SELECT moving_ion, min(barrier) FROM records WHERE fingerprint = 'x' GROUP BY moving_ion",
        "SELECT count(*) FROM records WHERE fingerprint >= 'a' AND fingerprint < 'ag'",
        "SELECT framework, count(*) FROM records WHERE moving_ion = 'Cu' AND barrier < 0.4",
    ],
)
def test_counting_reads_an_index_only(tmp_path, question):
    with SQLiteBarrierStore(tmp_path / "x.sqlite") as store:
        plan = store.database.rows(f"EXPLAIN QUERY PLAN {question}")
    assert "USING COVERING INDEX" in str(plan[0][3])


def test_whoever_makes_the_file_second_uses_that_of_the_first(tmp_path, make_record, monkeypatch):
    path, link = tmp_path / "b.sqlite", os.link

    def link_late(source, target):
        monkeypatch.setattr(os, "link", link)
        with SQLiteBarrierStore(path) as first:
            first.add(make_record(record_id="first"))
        link(source, target)

    monkeypatch.setattr(os, "link", link_late)
    with SQLiteBarrierStore(path) as second:
        assert second.ids() == ("first",)
    assert [file.name for file in tmp_path.iterdir()] == ["b.sqlite"]


def test_a_disk_without_hard_links_will_do(tmp_path, make_record, monkeypatch):
    def no_links(source, target):
        raise PermissionError(1, "Operation not permitted", source, None, target)

    monkeypatch.setattr(os, "link", no_links)
    with SQLiteBarrierStore(tmp_path / "b.sqlite") as store:
        assert store.add(make_record())
        store.backup(tmp_path / "copy.sqlite")
    with open_store(tmp_path / "copy.sqlite", read_only=True) as copy:
        assert copy.count() == 1
