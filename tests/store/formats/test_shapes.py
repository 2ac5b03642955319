"""What other programs are promised to find in each file."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
import yaml
from ase.io import read

from dualion.errors import InputError
from dualion.records import Images, Outcome
from dualion.store.foreign.document import read_document
from dualion.store.formats.bundle import MANIFEST, write_bundle
from dualion.store.formats.croissant import About
from dualion.store.formats.litraj import write_litraj
from dualion.store.formats.matterviz import write_matterviz
from dualion.store.formats.nebresult import neb_result, write_neb_results

ABOUT = About(
    name="Two ions",
    licence="CC-BY-4.0",
    creators=("Ada Lovelace", "A group"),
    url="https://doi.org/10.1000/xyz",
)


@pytest.fixture
def bundle(tmp_path, new_store, some):
    store = new_store("a", some)
    write_bundle(tmp_path / "bundle", store, store.ids(), about=ABOUT)
    return tmp_path / "bundle"


def test_mlcroissant_finds_nothing_wrong_and_reads_the_rows(bundle, some):
    mlc = pytest.importorskip("mlcroissant")
    dataset = mlc.Dataset(bundle / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    rows = list(dataset.records("barriers"))
    found = {row["barriers/record_id"].decode(): row["barriers/forward"] for row in rows}
    assert set(found) == {record.record_id for record in some}
    assert found[some[0].record_id] == some[0].forward


def test_croissant_has_the_required_properties_and_true_checksums(bundle):
    import hashlib

    document = json.loads((bundle / "croissant.json").read_text())
    assert document["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert document["@type"] == "sc:Dataset"
    assert document["license"] == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert {"name", "description", "url", "creator", "datePublished"} <= set(document)
    for each in document["distribution"]:
        data = (bundle / each["contentUrl"]).read_bytes()
        assert each["sha256"] == hashlib.sha256(data).hexdigest()
        assert each["contentSize"] == f"{len(data)} B"
    manifest = json.loads((bundle / MANIFEST).read_text())
    assert set(manifest["files"]) | {MANIFEST} == {path.name for path in bundle.iterdir()}
    for name, facts in manifest["files"].items():
        assert facts["sha256"] == hashlib.sha256((bundle / name).read_bytes()).hexdigest()


def test_levels_of_theory_are_listed(tmp_path, new_store, make_record):
    records = [make_record(), make_record(engine="standard"), make_record(class_id="h2")]
    store = new_store("a", records)
    write_bundle(tmp_path / "b", store, store.ids())
    levels = json.loads((tmp_path / "b" / MANIFEST).read_text())["levels_of_theory"]
    assert {each["fingerprint"]: each["records"] for each in levels} == {
        records[0].theory.fingerprint: 2,
        records[1].theory.fingerprint: 1,
    }
    text = (tmp_path / "b" / "README.md").read_text()
    assert all(record.theory.fingerprint in text for record in records)


def test_the_citation_names_creators_and_licence(bundle):
    found = yaml.safe_load((bundle / "CITATION.cff").read_text())
    assert found["cff-version"] == "1.2.0"
    assert found["type"] == "dataset"
    assert found["license"] == "CC-BY-4.0"
    assert [each["name"] for each in found["authors"]] == ["Ada Lovelace", "A group"]
    assert found["date-released"] == "2026-01-02"


def test_markup_in_a_name_is_shown_as_text(tmp_path, new_store, make_record):
    name = "<script>alert(1)</script>|`x`\n# heading"
    store = new_store("a", [make_record(framework=name)])
    write_bundle(tmp_path / "b", store, store.ids(), about=About(name=name))
    text = (tmp_path / "b" / "README.md").read_text()
    assert "<script>" not in text
    assert "\n# heading" not in text
    document = json.loads((tmp_path / "b" / "croissant.json").read_text())
    assert document["name"] == name


def neb(records):
    stream = io.StringIO()
    count = write_neb_results(stream, records)
    return count, json.loads(stream.getvalue()) if count else None


def test_emmet_reads_back_a_neb_result(make_record):
    from emmet.core.neb import NebResult

    record = make_record(forward=0.4, reverse=0.3)
    count, document = neb([record])
    found = NebResult.model_validate(document)
    assert count == 1
    assert (found.forward_barrier, found.reverse_barrier) == (0.4, 0.3)
    assert tuple(found.energies) == record.energies
    assert found.num_images == 7
    assert found.state.value == "successful"
    assert found.identifier == record.record_id
    assert f"level of theory: {record.theory.fingerprint}" in found.tags
    for image, xyz in zip(found.images, record.images.xyz, strict=True):
        assert image.cart_coords == pytest.approx(xyz, abs=1e-12)
        assert [site.specie.symbol for site in image] == list(record.images.species)


def test_several_make_a_pathway_result(make_record):
    from emmet.core.neb import NebPathwayResult

    records = [make_record(), make_record(class_id="h2", forward=0.3)]
    count, document = neb([*records, make_record(with_images=False, framework="bare")])
    found = NebPathwayResult.model_validate(document)
    assert count == 2
    assert {key: hop.forward_barrier for key, hop in found.hops.items()} == {
        record.record_id: record.forward for record in records
    }


def test_what_is_no_barrier_gets_none_from_emmet(make_record):
    found = neb_result(make_record(outcome=Outcome.WRONG_MOVER))
    assert found.forward_barrier is None
    assert found.barrier_analysis is None
    assert found.state.value == "failed"
    assert "outcome: wrong_mover" in found.tags


def test_ingest_reads_a_neb_result_that_was_exported(tmp_path, make_record):
    record = make_record(forward=0.4, reverse=0.3)
    (tmp_path / "neb.json").write_text(json.dumps(neb([record])[1]))
    band = read_document(tmp_path / "neb.json")
    assert band.energies == record.energies
    assert band.images.xyz == pytest.approx(record.images.xyz, abs=1e-12)


def matterviz(records):
    stream = io.StringIO()
    return write_matterviz(stream, records), json.loads(stream.getvalue())


def test_matterviz_finds_what_its_reader_asks_for(make_record):
    records = [make_record(), make_record(moving_ion="Cu", forward=0.6)]
    count, document = matterviz(records)
    assert count == 2
    assert document["format"] == "matterviz-reaction-path"
    assert document["version"] == 1
    assert document["energy_unit"] == "eV"
    assert len(document["paths"]) == 2
    for record, (key, path) in zip(records, document["paths"].items(), strict=True):
        assert key.endswith(record.record_id)
        assert [image["energy"] for image in path["images"]] == list(record.energies)
        for image, xyz in zip(path["images"], record.images.xyz, strict=True):
            matrix = np.array(image["structure"]["lattice"]["matrix"])
            assert matrix.tolist() == record.images.cell.tolist()
            sites = image["structure"]["sites"]
            assert [site["species"] for site in sites] == [
                [{"element": symbol, "occu": 1}] for symbol in record.images.species
            ]
            assert [site["xyz"] for site in sites] == xyz.tolist()
            assert np.array([site["abc"] for site in sites]) @ matrix == pytest.approx(xyz)


def test_matterviz_gets_no_path_that_would_spoil_the_file(make_record):
    flat_cell = Images.from_array(((1.0, 0.0, 0.0),) * 3, ("Li",), np.zeros((7, 1, 3)))
    spoilt = [
        make_record(with_images=False),
        make_record().model_copy(update={"energies": (float("nan"),) * 7}),
        make_record().model_copy(update={"energies": (0.0, 1.0)}),
        make_record(images=flat_cell),
    ]
    count, document = matterviz(spoilt)
    assert count == 0
    assert document["paths"] == {}


@pytest.fixture
def litraj(tmp_path):
    folder = tmp_path / "nebDFT2k"
    folder.mkdir()
    return folder


def test_a_folder_is_laid_out_as_litraj_reads_it(litraj, make_record):
    """The steps of ``litraj.data.load_data('nebDFT2k', folder)``."""
    records = [make_record(), make_record(class_id="h2", forward=0.3, reverse=0.5)]
    skipped = [make_record(with_images=False), make_record(outcome=Outcome.WRONG_MOVER)]
    assert write_litraj(litraj, [*records, *skipped]) == 2
    with (litraj / "nebDFT2k_index.csv").open(newline="") as stream:
        index = list(csv.DictReader(stream))
    centroids = read(litraj / "nebDFT2k_centroids.xyz", ":")
    assert len(index) == len(centroids) == 2
    for record, row, centroid in zip(records, index, centroids, strict=True):
        relaxed = read(litraj / f"{row['edge_id']}_relaxed.xyz", ":")
        start = read(litraj / f"{row['edge_id']}_init.xyz", ":")
        xyz = record.images.xyz
        assert [atoms.info["relative_energy"] for atoms in relaxed] == list(record.energies)
        assert all((a.positions == b).all() for a, b in zip(relaxed, xyz, strict=True))
        assert (start[0].positions == xyz[0]).all()
        assert start[-1].positions == pytest.approx(xyz[-1])
        assert start[3].positions == pytest.approx((xyz[0] + xyz[-1]) / 2)
        assert float(row["em"]) == max(record.energies) - min(record.energies)
        assert centroid.info["edge_id"] == row["edge_id"]
        assert centroid.info["em"] == float(row["em"])
        assert centroid.symbols[-1] == "X"
        assert centroid.positions[-1] == pytest.approx((xyz[0, -1] + xyz[-1, -1]) / 2)


def test_ingest_knows_such_a_folder_for_an_export(litraj, make_record):
    from dualion.store.foreign.reading import read_path

    write_litraj(litraj, [make_record()])
    with pytest.raises(InputError, match="is an export of a barrier store"):
        # Relative energies are not taken for total ones.
        list(read_path(litraj, images=None, ends=None))


def test_litraj_holds_one_level_of_theory(litraj, make_record):
    with pytest.raises(InputError, match="levels of theory") as error:
        write_litraj(litraj, [make_record(), make_record(engine="standard")])
    assert "--fingerprint" in str(error.value)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/abs", "a/b", "..", "", "x\0y", "é" * 90])
def test_a_name_never_leads_out_of_the_folder(litraj, make_record, name):
    record = make_record(framework=name, record_id=f"{name}!")
    assert write_litraj(litraj, [record]) == 1
    assert len(list(litraj.iterdir())) == 4
    assert not set(litraj.parent.iterdir()) - {litraj}
