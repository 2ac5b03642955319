"""Bundles made to do harm: each does none, and is told in one line."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import struct
import zipfile

import pytest

from dualion.errors import InputError
from dualion.store.formats import archive
from dualion.store.formats.bundle import IMAGES, MANIFEST, RECORDS, write_bundle
from dualion.store.formats.unbundle import import_bundle


@pytest.fixture
def bundle(tmp_path, new_store, some):
    """A good bundle as a folder, to be spoilt."""
    store = new_store("a", some)
    write_bundle(tmp_path / "good", store, store.ids())
    return tmp_path / "good"


@pytest.fixture
def refused(tmp_path, new_store):
    """Import, and look that nothing happened but one line; returns the line."""

    def look(path):
        store = new_store("target")
        before = {each for each in tmp_path.rglob("*") if "target" not in each.name}
        with pytest.raises(InputError) as error:
            import_bundle(path, store)
        assert store.count() == 0
        assert {each for each in tmp_path.rglob("*") if "target" not in each.name} == before
        assert error.value.exit_code == 2
        text = str(error.value)
        assert "\n" not in text
        assert len(text) < 500
        return text

    return look


def seal(folder):
    """Write the checksums of what is there now, as a careful attacker would."""
    manifest = json.loads((folder / MANIFEST).read_text())
    for name, facts in manifest["files"].items():
        data = (folder / name).read_bytes()
        facts.update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    (folder / MANIFEST).write_text(json.dumps(manifest))


def change(folder, name, old, new, count=1):
    data = (folder / name).read_bytes()
    assert re.search(old, data) is not None
    (folder / name).write_bytes(re.sub(old, lambda _: new, data, count=count))
    seal(folder)


def zipped(folder, path, *extra, **infos):
    """Pack a folder, with further members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for each in sorted(folder.iterdir()):
            made.write(each, each.name)
        for info, data in extra:
            made.writestr(info, data, **infos)
    return path


def test_the_good_one_is_taken(bundle, new_store, tmp_path):
    assert import_bundle(bundle, new_store("x")).added == 4
    assert import_bundle(zipped(bundle, tmp_path / "good.zip"), new_store("y")).added == 4


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:evil", "C:\\evil", "./evil", "a//b",
     "-rf", "ev\nil", "x" * 300, "../", "evil\0.txt", "<b>evil</b>", "é"],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(bundle, refused, tmp_path, name):
    if "\0" in name:  # zipfile would cut it while writing
        path = zipped(bundle, tmp_path / "b.zip", ("evilX.txt", b"x"))
        path.write_bytes(path.read_bytes().replace(b"evilX.txt", b"evil\0.txt"))
    else:
        path = zipped(bundle, tmp_path / "b.zip", (zipfile.ZipInfo(name), b"x"))
    assert "is no name of a file inside a bundle" in refused(path)


def test_a_link_in_a_zip_is_refused(bundle, refused, tmp_path):
    info = zipfile.ZipInfo("README2.md")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = zipped(bundle, tmp_path / "b.zip", (info, b"/etc/passwd"))
    assert "is a link" in refused(path)


def test_a_link_in_a_folder_is_refused(bundle, refused):
    (bundle / "README.md").unlink()
    (bundle / "README.md").symlink_to("/etc/hostname")
    assert "is a link" in refused(bundle)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(bundle, refused, tmp_path):
    path = zipped(bundle, tmp_path / "b.zip", (zipfile.ZipInfo(RECORDS), b"{}\n"))
    assert "is there twice" in refused(path)


def test_a_bomb_is_refused_by_its_ratio(bundle, refused, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "SMALL", 2**20)
    (bundle / RECORDS).write_bytes(b"0" * 30_000_000)
    seal(bundle)
    assert "zip bomb" in refused(zipped(bundle, tmp_path / "b.zip"))


def test_a_bomb_is_refused_by_its_total(bundle, refused, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_TOTAL", 1_000)
    path = zipped(bundle, tmp_path / "b.zip")
    assert "unfolds to" in refused(path)


def test_a_claim_of_terabytes_is_refused(bundle, refused, tmp_path):
    path = zipped(bundle, tmp_path / "b.zip")
    data = bytearray(path.read_bytes())
    for found in re.finditer(b"PK\x01\x02", data):
        data[found.start() + 24 : found.start() + 28] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(data)
    assert "zip bomb" in refused(path) or "unfolds to" in refused(path)


def test_a_member_that_is_longer_than_it_says_is_refused(bundle, refused, tmp_path):
    path = zipped(bundle, tmp_path / "b.zip")
    data = bytearray(path.read_bytes())
    for found in re.finditer(b"PK\x01\x02", data):
        data[found.start() + 24 : found.start() + 28] = struct.pack("<I", 10)
    path.write_bytes(data)
    refused(path)


def test_too_many_members_are_refused(bundle, refused, tmp_path):
    extra = [(zipfile.ZipInfo(f"f{k}"), b"") for k in range(archive.MAX_FILES)]
    assert "holds 1007 files" in refused(zipped(bundle, tmp_path / "b.zip", *extra))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_zip_cut_short_is_refused(bundle, refused, tmp_path, share):
    path = zipped(bundle, tmp_path / "b.zip")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert "is no whole zip file" in refused(path)


def test_a_zip_with_damaged_content_is_refused(bundle, refused, tmp_path):
    path = zipped(bundle, tmp_path / "b.zip")
    data = bytearray(path.read_bytes())
    for k in range(1_000, 1_100):
        data[k] ^= 0xFF
    path.write_bytes(data)
    refused(path)


def test_a_secret_is_refused(bundle, refused, tmp_path):
    path = zipped(bundle, tmp_path / "b.zip")
    data = bytearray(path.read_bytes())
    for found in re.finditer(b"PK\x01\x02", data):
        data[found.start() + 8] |= 1
    path.write_bytes(data)
    assert "is encrypted" in refused(path)


@pytest.mark.parametrize("name", [RECORDS, IMAGES, "barriers.csv", "README.md"])
def test_a_file_with_another_checksum_is_refused(bundle, refused, name):
    with (bundle / name).open("ab") as stream:
        stream.write(b" ")
    assert f"{name}: has SHA-256" in refused(bundle)


def test_a_file_that_is_not_listed_is_refused(bundle, refused):
    (bundle / "extra.py").write_text("import os")
    assert "extra.py: is not listed" in refused(bundle)


def test_a_file_that_is_missing_is_told(bundle, refused):
    (bundle / IMAGES).unlink()
    assert "is missing" in refused(bundle)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no JSON"),
        ("[]", "is no manifest"),
        ('{"format": "other"}', "is no manifest"),
        ('{"format": "dualion-bundle", "version": 99}', "upgrade dualion"),
        ('{"format": "dualion-bundle", "version": 1}', "does not list"),
        ('{"format": "dualion-bundle", "version": 1, "files": {"records.jsonl": 1, "x": 2}}',
         "does not list"),
        ('{"@module": "os", "@callable": "system"}', "asks for code"),
        ('{"a": 1, "a": 2}', "the key 'a' twice"),
        ("[" * 200_000, "nested too deeply"),
        ("9" * 5_000, "5000 digits"),
    ],
)  # fmt: skip
def test_a_manifest_that_makes_no_sense_is_refused(bundle, refused, text, told):
    (bundle / MANIFEST).write_text(text)
    assert told in refused(bundle)


def test_a_path_in_the_manifest_leads_nowhere(bundle, refused):
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["files"]["../../etc/passwd"] = {"sha256": "0" * 64, "bytes": 1}
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    assert "is missing" in refused(bundle)


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (b'"forward":NaN', "NaN, which is no number"),
        (b'"forward":Infinity', "Infinity, which is no number"),
        (b'"forward":1e999', "no finite number"),
        (b'"forward":"NaN"', "forward is of another type"),
        (b'"forward":"0.2"', "forward is of another type"),
        (b'"forward":' + b"9" * 5_000, "5000 digits"),
        (b'"forward":' + b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'"forward":0.1,"forward":0.2', "the key 'forward' twice"),
        (b'"@module":"os","@callable":"system","forward":0.1', "asks for code"),
        (b'"__reduce__":"os.system","forward":0.1', "Extra inputs"),
        (b'"forward":null', "needs a forward and a reverse"),
        (b'"forward":', "holds no JSON"),
        (b'"forward":0.1\xff\xfe', "no UTF-8"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(bundle, refused, new, told):
    change(bundle, RECORDS, rb'"forward":0\.[0-9]+', new)
    assert told in refused(bundle)


def test_a_nan_where_a_query_would_print_it_is_refused(bundle, refused):
    change(bundle, RECORDS, rb'"path_length":[0-9.]+', b'"path_length":"NaN"')
    assert "path_length is of another type" in refused(bundle)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (rb"^4\n", b"1000000000\n", "claims 1000000000 atoms"),
        (rb"^4\n", b"9" * 900 + b"\n", "no number of atoms"),
        (rb"^4\n", b"-4\n", "no number of atoms"),
        (rb"^4\n", b"3\n", "no number of atoms"),
        (rb"^4\n", b"5\n", "no atom but"),
        (rb"10\.2 0\.0", b"wide 0.0", "'wide' is no number"),
        (rb"Lattice=", b"Lattic=", "no lattice"),
        (rb"\nP ", b"\n<script> ", "no atom but"),
        (rb"\nP [^ ]+", b"\nP nan", "a position that is no number"),
        (rb"\nP [^ ]+", b"\nP 1e999", "a position that is no number"),
        (rb"\nP [^ ]+", b"\nP 0x10", "'0x10' is no number"),
        (rb"\nP ", b"\nP" + b" " * 5_000_000, "no atom but"),
    ],
)
def test_images_that_make_no_sense_are_refused(bundle, refused, old, new, told):
    change(bundle, IMAGES, old, new)
    assert told in refused(bundle)


def test_images_of_other_atoms_in_one_band_are_refused(bundle, refused):
    data = (bundle / IMAGES).read_bytes()
    second = data.index(b"\nP ", data.index(b"\nP ") + 1)
    (bundle / IMAGES).write_bytes(data[:second] + b"\nS " + data[second + 3 :])
    seal(bundle)
    assert "other atoms than the first image" in refused(bundle)


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (b'"images":1000000000', "a band of 1000000000 images"),
        (b'"images":-7', "a band of -7 images"),
        (b'"images":true', "is no number"),
        (b'"images":6', ""),
        (b'"images":8', ""),
        (b'"images":null', ""),
    ],
)
def test_a_count_of_images_that_is_not_theirs_is_refused(bundle, refused, new, told):
    change(bundle, RECORDS, rb'"images":7', new)
    assert told in refused(bundle)


def test_a_record_twice_is_refused(bundle, refused):
    lines = (bundle / RECORDS).read_bytes().splitlines(keepends=True)
    bare = next(line for line in lines if b'"images":null' in line)
    (bundle / RECORDS).write_bytes(b"".join([*lines, bare]))
    seal(bundle)
    assert "is there twice" in refused(bundle)


def test_a_record_without_an_end_is_refused(bundle, refused):
    change(bundle, RECORDS, rb'"stands":true', b'"stands":false', count=9)
    assert "has no end" in refused(bundle)


def test_records_cut_short_are_refused(bundle, refused):
    data = (bundle / RECORDS).read_bytes()
    (bundle / RECORDS).write_bytes(data[:-30])
    seal(bundle)
    assert "cut short" in refused(bundle)


def test_names_in_sql_and_html_are_plain_text(bundle, new_store):
    name = "'; DROP TABLE records; --<script>alert(1)</script>"
    change(
        bundle,
        RECORDS,
        rb'"framework":"li6ps5cl"',
        b'"framework":' + json.dumps(name).encode(),
        count=9,
    )
    store = new_store("x")
    assert import_bundle(bundle, store).added == 4
    assert {record.framework for record in store.query()} == {name}
    assert store.database.check() == "ok"


def test_nothing_of_a_bundle_that_breaks_off_is_kept(bundle, refused):
    """The last record is the bad one: those before it are not kept either."""
    data = (bundle / RECORDS).read_bytes()
    head, _, tail = data.rpartition(b'"min_image_distance":10.2')
    (bundle / RECORDS).write_bytes(head + b'"min_image_distance":"x"' + tail)
    seal(bundle)
    assert "line 4" in refused(bundle)
