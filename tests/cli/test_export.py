from __future__ import annotations

import csv
import errno

import numpy as np
import pytest
from ase.io import read

from dualion.cli.selection import FIELDS
from dualion.store.opening import open_store


def test_csv_holds_one_row_for_each_record(dualion, store, tmp_path):
    answer = dualion("export", "csv", "out.csv", "--store", store, "--cation", "Li")
    assert answer.code == 0
    with (tmp_path / "out.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == list(FIELDS)
    assert [float(row["forward"]) for row in rows] == [0.218, 0.343]


def test_extxyz_gives_back_the_very_images_and_their_relative_energies(dualion, store, tmp_path):
    assert dualion("export", "extxyz", "out.xyz", "--store", store).code == 0
    frames = read(tmp_path / "out.xyz", ":")
    with open_store(store, read_only=True) as opened:
        records = {record.record_id: record for record in opened.query(images=True)}
    assert len(frames) == sum(len(record.images) for record in records.values())
    for atoms in frames:
        record = records[atoms.info["record_id"]]
        image = atoms.info["image"]
        assert atoms.positions == pytest.approx(record.images.xyz[image], abs=1e-7)
        assert np.array(atoms.cell) == pytest.approx(record.images.cell)
        assert atoms.get_chemical_symbols() == list(record.images.species)
        assert atoms.info["relative_energy"] == pytest.approx(record.energies[image])
        assert atoms.info["moving_ion"] == record.moving_ion
        assert atoms.symbols[atoms.info["mover"]] == record.moving_ion
        # Relative energies must not pass for total ones.
        assert atoms.calc is None


def test_a_hash_that_looks_like_a_number_stays_text(dualion, store, tmp_path, make_record):
    tricky = ("0123456789012345", "12e4567890123456")
    with open_store(store) as opened:
        for record_id in tricky:
            opened.add(make_record(framework="1e5", record_id=record_id))
    assert dualion("export", "extxyz", "o.xyz", "--store", store, "--framework", "1e5").code == 0
    frames = read(tmp_path / "o.xyz", ":")
    assert {atoms.info["record_id"] for atoms in frames} == set(tricky)
    assert {atoms.info["framework"] for atoms in frames} == {"1e5"}


def test_records_without_images_are_left_out_of_extxyz(dualion, store, tmp_path, make_record):
    with open_store(store) as opened:
        opened.add(make_record(framework="bare", with_images=False))
        opened.add(make_record(framework="bare", class_id="h2"))
    answer = dualion("export", "extxyz", "o.xyz", "--store", store, "--framework", "bare")
    assert answer.out == "7 images in o.xyz\n"
    assert len(read(tmp_path / "o.xyz", ":")) == 7


def test_an_existing_file_is_kept_unless_forced(dualion, store, tmp_path):
    file = tmp_path / "out.csv"
    file.write_text("mine")
    answer = dualion("export", "csv", "out.csv", "--store", store)
    assert answer.code == 2
    assert "exists already" in answer.one_line_error()
    assert file.read_text() == "mine"
    assert dualion("export", "csv", "out.csv", "--store", store, "--force").code == 0
    assert file.read_text().startswith("record_id,")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("csv", "out.csv", "--framework", "none"), "no record passes the filter"),
        (("csv", "no/such/folder/out.csv"), "no such file or directory"),
        (("extxyz", "out.xyz", "--cation", "H"), "no cation 'H'"),
    ],
)
def test_a_failed_export_writes_nothing(dualion, store, tree, words, told):
    before = tree()
    answer = dualion("export", *words, "--store", store)
    assert answer.code == 2
    assert told in answer.one_line_error()
    assert tree() == before


def test_an_export_that_breaks_off_leaves_the_old_file(dualion, store, tmp_path, tree, monkeypatch):
    (tmp_path / "out.csv").write_text("old")
    before = tree()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dualion.cli.export.write_csv", full)
    answer = dualion("export", "csv", "out.csv", "--store", store, "--force")
    assert answer.code == 2
    assert "no space left on device" in answer.one_line_error()
    assert tree() == before
