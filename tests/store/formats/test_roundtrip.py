"""What goes out comes back, float for float."""

from __future__ import annotations

import csv
import io
import itertools
import math
import struct

import numpy as np
import pytest
from ase.io.extxyz import read_xyz
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dualion.records import Finding, Images, Outcome
from dualion.store.formats.bundle import write_bundle
from dualion.store.formats.csvtable import safe_text, write_csv
from dualion.store.formats.extxyz import read_images, write_extxyz
from dualion.store.formats.parquet import write_parquet
from dualion.store.formats.table import COLUMNS, flat
from dualion.store.formats.unbundle import import_bundle
from dualion.store.history import digest, history_of

finite = st.floats(allow_nan=False, allow_infinity=False, width=64)
extreme = st.sampled_from([5e-324, -5e-324, -0.0, 1e308, -1e308, 2.2250738585072014e-308])
numbers = st.one_of(finite, extreme)
ids = itertools.count()
quick = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def bits(value):
    return None if value is None else struct.pack("<d", value)


def same(a, b):
    return bits(a) == bits(b) or (math.isnan(a) and math.isnan(b))


@st.composite
def bands(draw):
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 6), st.just(3)))
    xyz = draw(arrays(np.float64, shape, elements=numbers))
    a, b, c = draw(arrays(np.float64, (3, 3), elements=numbers)).tolist()
    species = draw(
        st.lists(st.sampled_from(["Li", "S", "P", "Cu"]), min_size=shape[1], max_size=shape[1])
    )
    return Images.from_array((tuple(a), tuple(b), tuple(c)), tuple(species), xyz)


@quick
@given(
    forward=numbers,
    reverse=numbers,
    energies=st.lists(st.floats(width=64), max_size=9),
    value=st.floats(width=64),
    images=bands(),
    text=st.text(max_size=20),
)
@example(forward=5e-324, reverse=-0.0, energies=[math.nan, -math.inf], value=math.inf,
         images=Images(lattice=((1.0, -0.0, 0.0),) * 3, species=("Li",),
                       positions=(((1e308, 5e-324, -0.0),),)),
         text="=cmd|' /C calc'!A0")  # fmt: skip
def test_every_bit_of_a_record_survives_a_bundle(
    tmp_path, new_store, make_record, forward, reverse, energies, value, images, text
):
    n = next(ids)
    record = make_record(images=images, note=text, framework=text or "x").model_copy(
        update={
            "record_id": f"bits {n}",
            "forward": forward,
            "reverse": reverse,
            "energies": tuple(energies),
            "findings": (Finding(check="any", value=value, unit=text),),
        }
    )
    store, other = new_store(f"a{n}", [record]), new_store(f"b{n}")
    write_bundle(tmp_path / f"{n}.zip", store, store.ids())
    assert import_bundle(tmp_path / f"{n}.zip", other).added == 1
    again = other.get(record.record_id)

    assert digest(again) == digest(record)
    assert bits(again.forward) == bits(forward)
    assert bits(again.reverse) == bits(reverse)
    assert all(same(a, b) for a, b in zip(again.energies, energies, strict=True))
    assert same(again.findings[0].value, value)
    assert again.images.xyz.tobytes() == images.xyz.tobytes()
    assert again.images.cell.tobytes() == images.cell.tobytes()
    assert again.note == text


@quick
@given(images=bands())
def test_extended_xyz_keeps_every_bit(make_record, images):
    stream = io.StringIO()
    write_extxyz(stream, [make_record(images=images)])
    stream.seek(0)
    again = read_images(stream, len(images), where="memory")
    assert stream.read() == ""
    assert again.xyz.tobytes() == images.xyz.tobytes()
    assert again.cell.tobytes() == images.cell.tobytes()
    assert again.species == images.species


@quick
@given(text=st.text(max_size=30))
@example(text="0123456789012345")
@example(text="12e4567890123456")
@example(text="a\"b\\c\nd\re'f{g}[h] i=j,k")
@example(text="T")
@example(text="nan")
@example(text="\u2028 <script>")
def test_ase_reads_any_text_of_a_frame_as_it_was(make_record, text):
    stream = io.StringIO()
    write_extxyz(stream, [make_record(framework=text, record_id="x")])
    stream.seek(0)
    frames = list(read_xyz(stream, slice(None)))
    assert len(frames) == 7
    assert {atoms.info["framework"] for atoms in frames} == {text}


@quick
@given(forward=numbers, reverse=numbers, length=finite)
def test_csv_gives_back_the_same_doubles(make_record, forward, reverse, length):
    record = make_record().model_copy(
        update={"forward": forward, "reverse": reverse, "path_length": length}
    )
    stream = io.StringIO(newline="")
    write_csv(stream, [record])
    stream.seek(0)
    (row,) = csv.DictReader(stream)
    assert [bits(float(row[k])) for k in ("forward", "reverse", "path_length")] == [
        bits(forward),
        bits(reverse),
        bits(length),
    ]


@quick
@given(forward=numbers, reverse=numbers, text=st.text(max_size=20))
def test_parquet_gives_back_the_same_doubles_and_text(make_record, forward, reverse, text):
    pytest.importorskip("pyarrow")
    from pyarrow.parquet import read_table

    record = make_record(note=text).model_copy(update={"forward": forward, "reverse": reverse})
    none = make_record(outcome=Outcome.WRONG_MOVER)
    stream = io.BytesIO()
    assert write_parquet(stream, [record, none]) == 2
    rows = read_table(io.BytesIO(stream.getvalue())).to_pylist()
    assert list(rows[0]) == list(COLUMNS)
    assert rows == [flat(record), flat(none)]
    assert [bits(rows[0][k]) for k in ("forward", "reverse")] == [bits(forward), bits(reverse)]


def test_a_table_with_no_number_in_a_column_keeps_its_types(make_record):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import read_schema

    stream = io.BytesIO()
    write_parquet(stream, [make_record(outcome=Outcome.WRONG_MOVER)])
    schema = read_schema(io.BytesIO(stream.getvalue()))
    assert schema.field("forward").type == arrow.float64()
    assert schema.field("charge").type == arrow.int64()
    assert schema.field("broken_symmetry_host").type == arrow.bool_()
    assert b"eV" in schema.field("forward").metadata[b"description"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_would_run_is_made_text(make_record, text):
    stream = io.StringIO(newline="")
    write_csv(stream, [make_record(note=text, framework=text, forward=-0.25)])
    stream.seek(0)
    (row,) = csv.DictReader(stream)
    assert row["note"] == row["framework"] == f"'{text}".replace("\r", "\n")
    assert row["forward"] == "-0.25"
    assert safe_text(-0.25) == -0.25
    assert safe_text("a=b") == "a=b"


@pytest.mark.parametrize("name", ["bundle.zip", "bundle"])
def test_a_bundle_holds_the_revisions_too(tmp_path, new_store, make_record, name):
    bad = make_record(record_id="x", outcome=Outcome.UNCONVERGED)
    good = make_record(record_id="x")
    store, other = new_store("a", [bad, good]), new_store("b")
    write_bundle(tmp_path / name, store, store.ids())
    import_bundle(tmp_path / name, other)
    assert history_of(other, "x") == (bad, good)


def test_the_same_records_give_the_same_bytes(tmp_path, new_store, some, make_record):
    bad = make_record(record_id="x", outcome=Outcome.UNCONVERGED)
    good = make_record(record_id="x")
    one = new_store("a", [*some, bad, good])
    two = new_store("b", [bad, *reversed(some), good])
    for name, store in (("1.zip", one), ("2.zip", two)):
        write_bundle(tmp_path / name, store, store.ids())
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
