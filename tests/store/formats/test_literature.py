"""Barriers from the literature as a level of theory of their own."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest

from dualion.errors import InputError
from dualion.records import LITERATURE, HopRecord
from dualion.store.base import BarrierFilter
from dualion.store.formats.literature import read_literature, read_shipped
from dualion.store.formats.unbundle import import_records

HEAD = "framework,ion,forward_eV,doi,path\n"
ROW = "nacl,Na,0.65,10.1000/xyz,nearest\n"


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_the_shipped_table_is_read_number_for_number():
    shipped = files("dualion.store.formats") / "data" / "literature_barriers.csv"
    rows = list(csv.DictReader(shipped.read_text().splitlines()))
    records = read_shipped()
    assert len(records) == len(rows) == 70
    for record, row in zip(records, rows, strict=True):
        assert record.forward == float(row["forward_eV"])
        assert record.reverse is None
        assert record.images is None
        assert record.moving_ion == row["ion"]
        assert dict(record.theory.stamp.parameters)["doi"] == "10.48550/arXiv.2508.06459"
    one = next(r for r in records if r.formula == "KSc2S4" and "DFT" in str(r.theory.stamp))
    assert (one.framework, one.forward) == ("lisc2s4", 0.42)


def test_the_level_of_theory_is_of_its_own(make_record):
    records = read_shipped()
    levels = {record.theory.fingerprint for record in records}
    assert len(levels) == 2  # DFT and MACE-MP, both from the compilation
    assert all(record.theory.stamp.engine == LITERATURE for record in records)
    assert make_record().theory.fingerprint not in levels


def test_rows_of_two_sources_never_share_a_level_of_theory(table):
    path = table(HEAD + ROW + ROW.replace("xyz", "abc"))
    one, two = read_literature(path)
    assert one.theory.fingerprint != two.theory.fingerprint


def test_reading_again_adds_nothing(new_store):
    store = new_store()
    assert import_records(read_shipped(), store).added == 70
    assert import_records(read_shipped(), store).present == 70
    assert store.count(BarrierFilter(min_barrier=1.2, framework="maricite-mnpo4")) == 2


def test_a_record_of_one_number_comes_back_and_no_other_engine_may_have_it(new_store, make_record):
    record = read_shipped()[0]
    store = new_store("a", [record])
    assert store.get(record.record_id) == record
    with pytest.raises(ValueError, match="needs a forward and a reverse"):
        HopRecord.model_validate(make_record().model_dump() | {"reverse": None})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no column framework"),
        ("framework,ion,forward_eV\nx,Li,1\n", "no column doi"),
        (HEAD.replace("path", "surprise") + ROW, "unknown column 'surprise'"),
        (HEAD.replace("path", "doi") + ROW, "a column twice"),
        (HEAD + "nacl,Na,0.65,10.1000/xyz\n", "line 2 has 4 cells"),
        (HEAD + ROW + ROW, "line 3 is of the same hop and source as line 2"),
        (HEAD + ROW.replace("0.65", "nan"), "line 2: forward_eV is 'nan', no number"),
        (HEAD + ROW.replace("0.65", "inf"), "no number"),
        (HEAD + ROW.replace("0.65", "1e999"), "no number"),
        (HEAD + ROW.replace("0.65", "-0.1"), "forward_eV is -0.1"),
        (HEAD + ROW.replace("0.65", "650"), "give eV"),
        (HEAD + ROW.replace("0.65", ""), "no forward_eV"),
        (HEAD + ROW.replace("0.65", "about 0.7"), "no number"),
        (HEAD + ROW.replace("10.1000/xyz", "a book"), "is no DOI"),
        (HEAD + ROW.replace("Na,", "Xx,"), "no cation 'Xx'"),
        (HEAD + ROW.replace("nacl", "../x"), "line 2"),
        (HEAD + ROW.replace("nearest", "x" * 501), "longer than 500"),
        ((HEAD + ROW).encode() + b"\xff", "no UTF-8"),
        (HEAD + '"unclosed', "no CSV"),
        (HEAD + ROW.replace("nearest", "a\0b"), "cannot be printed"),
    ],
)
def test_a_table_that_makes_no_sense_is_told_in_one_line(table, text, told):
    with pytest.raises(InputError) as error:
        read_literature(table(text))
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2
