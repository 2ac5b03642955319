from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from dualion.errors import StructureError
from dualion.structures.catalogue import is_name, slug
from dualion.structures.framework import read_structure
from dualion.structures.library import Library, find_library, resolve_framework

SHIPPED = Path(__file__).resolve().parents[2] / "structures"
FCC = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])


def salt(cation="Na", anion="Cl", a=5.64):
    sites = np.concatenate([FCC, (FCC + 0.5) % 1])
    return Structure(Lattice.cubic(a), [cation] * 4 + [anion] * 4, sites)


@pytest.fixture
def cif(tmp_path):
    file = tmp_path / "NaCl (rock salt).cif"
    salt().to(filename=str(file))
    return file


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "structures"
    folder.mkdir()
    (folder / "catalogue.yaml").write_text("# mine\nframeworks:\n")
    return Library(folder)


def everything(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_was_added_is_loaded_again(library, cif):
    entry = library.add(cif, name="salt", source="10.1/x", prototype="rocksalt", ordering="none")
    assert library.entries() == (entry,)
    framework = library.load("salt")
    assert (framework.name, framework.working_ion, framework.source) == ("salt", "Na", "10.1/x")
    assert (framework.space_group, entry.formula, entry.file) == (
        "Fm-3m",
        "NaCl",
        "cif/salt.cif",
    )
    assert StructureMatcher(scale=False).fit(framework.parent.structure(), salt())


def test_the_name_of_a_file_becomes_a_plain_name(library, cif):
    assert library.add(cif).name == "nacl-rock-salt"


def test_adding_leaves_comments_and_earlier_entries_alone(library, cif):
    library.catalogue.write_text("# mine\nframeworks:\n# the first\n")
    library.add(cif, name="a")
    before = library.catalogue.read_text()
    library.add(cif, name="b")
    after = library.catalogue.read_text()
    assert after.startswith(before.rstrip("\n"))
    assert "# the first" in after
    assert library.names() == ("a", "b")


@pytest.mark.parametrize("empty", ["frameworks: []\n", "{frameworks: }\n", "frameworks:"])
def test_adding_works_whatever_form_the_empty_catalogue_has(library, cif, empty):
    library.catalogue.write_text(empty)
    library.add(cif, name="a")
    library.add(cif, name="b")
    assert library.names() == ("a", "b")


def test_adding_to_an_empty_folder_starts_a_catalogue(tmp_path, cif):
    library = Library(tmp_path / "new")
    library.add(cif, name="a")
    assert library.names() == ("a",)


def test_the_added_cif_has_its_symmetry(library, cif):
    library.add(cif, name="a")
    assert "Fm-3m" in (library.folder / "cif/a.cif").read_text()
    assert read_structure(library.folder / "cif/a.cif").num_sites == 8


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\\b", "..", "a..b", ".x", "-x", "A", "", "a b", "a\n", "ä", "a\x00"]
)
def test_a_name_that_could_leave_the_folder_is_refused_and_nothing_is_written(library, cif, name):
    before = everything(library.folder)
    with pytest.raises(StructureError, match="is no framework name"):
        library.add(cif, name=name)
    assert everything(library.folder) == before


@given(st.text())
def test_every_file_name_gives_a_plain_name(text):
    assert is_name(slug(Path(text.replace("/", "").replace("\x00", "") or "x")))


def test_a_taken_name_is_refused(library, cif):
    library.add(cif, name="a")
    before = everything(library.folder)
    with pytest.raises(StructureError, match="there is a framework 'a' already"):
        library.add(cif, name="a")
    assert everything(library.folder) == before


def test_a_stray_file_is_not_overwritten(library, cif):
    (library.folder / "cif").mkdir()
    (library.folder / "cif/a.cif").write_text("mine")
    with pytest.raises(StructureError, match="not in the catalogue"):
        library.add(cif, name="a")
    assert (library.folder / "cif/a.cif").read_text() == "mine"


def test_a_disordered_file_is_refused_with_its_remedy(library, tmp_path):
    file = tmp_path / "half.cif"
    salt({"Li": 0.5}, "Cl", 5.1).to(filename=str(file))
    before = everything(library.folder)
    with pytest.raises(StructureError, match="order it first with 'dualion frameworks order"):
        library.add(file)
    assert everything(library.folder) == before


def test_a_crash_while_the_catalogue_is_replaced_leaves_no_trace(library, cif, monkeypatch):
    before = everything(library.folder)
    real = Path.replace

    def crash(self, target):
        if Path(target).name == "catalogue.yaml":
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        library.add(cif, name="a")
    assert everything(library.folder) == before


def test_two_who_add_at_once_both_succeed(library, cif):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda k: library.add(cif, name=f"f{k}"), range(6)))
    assert sorted(library.names()) == [f"f{k}" for k in range(6)]


def test_an_unknown_name_lists_the_closest(library, cif):
    for name in ("li6ps5cl", "li6ps5br", "nacl"):
        library.add(cif, name=name)
    with pytest.raises(StructureError, match=r"no framework 'Li6PS5CI'.*li6ps5cl"):
        library.load("Li6PS5CI")
    with pytest.raises(StructureError, match="name one of li6ps5cl, li6ps5br, nacl"):
        library.load("zzz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frameworks: [", "no valid YAML in line"),
        ("[]", "is not a list of frameworks"),
        ("frameworks: 3", "is no list"),
        ("frameworks: [3]", "framework 1"),
        ("frameworks: [{name: a, file: a.cif}]", "framework a: working_ion: Field required"),
        ("frameworks: [{name: a, file: b, working_ion: Li, colour: red}]", "colour"),
        ("frameworks: [{name: ../a, file: b, working_ion: Li}]", "is no framework name"),
        (
            "frameworks: [{name: a, file: b, working_ion: Li}, {name: a, file: b, working_ion: K}]",
            "two frameworks named 'a'",
        ),
        ("frameworks: !!python/object/apply:os.system ['true']", "no valid YAML"),
    ],
)
def test_a_broken_catalogue_is_one_error_line_that_names_the_file(library, text, message):
    library.catalogue.write_text(text)
    with pytest.raises(StructureError) as caught:
        library.entries()
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(library.catalogue))


@pytest.mark.parametrize("file", ["../secret.cif", "/etc/hostname", "cif/../../secret.cif"])
def test_an_entry_may_not_point_out_of_the_library(library, cif, file):
    shutil.copy(cif, library.folder.parent / "secret.cif")
    row = {"name": "a", "file": file, "working_ion": "Na"}
    library.catalogue.write_text(yaml.safe_dump({"frameworks": [row]}))
    with pytest.raises(StructureError, match="outside of the library"):
        library.load("a")


def test_a_link_out_of_the_library_is_refused_as_well(library, cif):
    (library.folder / "a.cif").symlink_to(cif)
    row = {"name": "a", "file": "a.cif", "working_ion": "Na"}
    library.catalogue.write_text(yaml.safe_dump({"frameworks": [row]}))
    with pytest.raises(StructureError, match="outside of the library"):
        library.load("a")


@pytest.mark.parametrize(
    ("field", "claim"), [("formula", "LiCl"), ("formula", "?"), ("space_group", "Pm-3m")]
)
def test_a_file_that_is_not_what_the_catalogue_says_is_an_error(library, cif, field, claim):
    library.add(cif, name="a")
    rows = yaml.safe_load(library.catalogue.read_text())
    rows["frameworks"][0][field] = claim
    library.catalogue.write_text(yaml.safe_dump(rows))
    with pytest.raises(StructureError, match=f"{field} is .*catalogue says {re.escape(claim)}"):
        library.load("a")


def test_a_formula_may_be_written_in_any_order(library, cif):
    library.add(cif, name="a")
    library.catalogue.write_text(library.catalogue.read_text().replace("NaCl", "Cl2Na2"))
    assert library.load("a").space_group == "Fm-3m"


def test_the_library_asked_for_wins_over_the_environment(tmp_path, monkeypatch, library):
    monkeypatch.setenv("DUALION_LIBRARY", str(library.folder))
    assert find_library().folder == library.folder
    assert find_library(SHIPPED).folder == SHIPPED
    with pytest.raises(StructureError, match=r"no catalogue\.yaml"):
        find_library(tmp_path)


def test_the_folder_here_comes_before_the_one_shipped(monkeypatch, library):
    monkeypatch.delenv("DUALION_LIBRARY", raising=False)
    monkeypatch.chdir(library.folder.parent)
    assert find_library().catalogue.resolve() == library.catalogue.resolve()


def test_without_a_folder_here_the_shipped_library_is_found(tmp_path, monkeypatch):
    monkeypatch.delenv("DUALION_LIBRARY", raising=False)
    monkeypatch.chdir(tmp_path)
    assert "li6ps5cl" in find_library().names()


def test_a_campaign_may_name_a_framework_or_a_file(library, cif):
    library.add(cif, name="salt")
    by_name = resolve_framework("salt", working_ion=None, base=Path("/"), library=library)
    by_file = resolve_framework(cif.name, working_ion="Na", base=cif.parent, library=library)
    assert by_name.fingerprint == by_file.fingerprint
    assert by_file.name == "nacl-rock-salt"


def test_a_name_is_looked_up_before_a_file_of_that_name(library, cif, tmp_path):
    library.add(cif, name="salt")
    (tmp_path / "salt").write_text("not a structure")
    assert resolve_framework("salt", working_ion=None, base=tmp_path, library=library).name


def test_the_working_ion_of_the_library_may_be_overruled(library, cif):
    library.add(cif, name="salt")
    with pytest.raises(StructureError, match="no working ion Li in framework 'salt'"):
        resolve_framework("salt", working_ion="Li", base=Path(), library=library)
    assert library.load("salt", working_ion="Cl").working_ion == "Cl"


@pytest.mark.parametrize("value", ["nacl2", "dir/x.cif", "NaCl", "../x.cif", ""])
def test_neither_a_name_nor_a_file_is_an_error(library, cif, value, tmp_path):
    library.add(cif, name="nacl")
    with pytest.raises(StructureError, match=r"neither a framework of the library nor a file"):
        resolve_framework(value, working_ion=None, base=tmp_path, library=library)
