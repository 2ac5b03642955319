from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from dualion.engines import registry
from dualion.engines.base import Engine
from dualion.engines.entry import BUILT_IN, EngineEntry
from dualion.engines.fingerprint import checked_model, level_of_theory, stamp_of
from dualion.engines.registry import (
    EngineChoice,
    all_entries,
    entry_of,
    find_entry,
    get_engine,
    list_engines,
    read_entries,
)
from dualion.errors import EngineNotInstalledError, InputError, ModelFileError
from dualion.records import Geometry, Images, Path
from dualion.settings import BandSettings, RelaxSettings

CUBE = ((4.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 4.0))
COPPER = Geometry(lattice=CUBE, species=("Cu",), positions=((0.0, 0.0, 0.0),))

WITH_WEIGHTS = """
- name: mine
  calculator: ase.calculators.emt:EMT
  package: ase
  model_argument: path
  model_file: {path}
"""


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    def write(text: str):
        path = tmp_path / "engines.yaml"
        path.write_text(text)
        monkeypatch.setenv("DUALION_ENGINES", str(path))
        return path

    return write


def test_an_engine_is_found_by_name_and_by_its_tier():
    for entry in BUILT_IN:
        assert find_entry(entry.name) == entry
    assert find_entry("fast").name == "chgnet"
    assert find_entry("standard").name == "7net-0"
    assert find_entry("accurate").name == "7net-l3i5"
    assert find_entry("fast").tier == "fast"


def test_names_and_aliases_are_unique():
    names = [e.name for e in BUILT_IN] + [e.alias for e in BUILT_IN if e.alias]
    assert len(names) == len(set(names))


def test_a_misspelt_engine_gives_the_likely_name_and_all_known_ones():
    with pytest.raises(InputError, match="did you mean 'chgnet'") as caught:
        get_engine("chgnett")
    assert "7net-0" in str(caught.value)
    with pytest.raises(InputError, match="no engine ''"):
        get_engine("")


def test_a_missing_package_names_the_command_that_installs_it(own_file):
    own_file("- {name: gone, calculator: 'no_such_code:Calc', package: no-such-code}")
    with pytest.raises(EngineNotInstalledError, match="pip install no-such-code"):
        get_engine("gone")
    # Where jobs are only submitted the package need not be there.
    assert get_engine("gone", check=False).category == "no-such-code"


def test_the_list_tells_what_is_installed_and_imports_no_engine():
    code = (
        "import sys; from dualion.engines import list_engines, get_engine\n"
        "found = {e.name: e for e in list_engines()}\n"
        "assert found['emt'].installed and found['emt'].version\n"
        "get_engine('emt').stamp()\n"
        "heavy = {'torch', 'chgnet', 'sevenn', 'mace'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    listed = {e.name: e for e in list_engines()}
    assert {e.name for e in BUILT_IN} <= set(listed)
    assert all((e.version is not None) == e.installed for e in listed.values())


def test_entries_of_a_user_file_come_last_and_win(own_file):
    own_file("- {name: emt, calculator: 'ase.calculators.lj:LennardJones', package: ase}")
    assert find_entry("emt").calculator.endswith("LennardJones")
    assert sum(entry.name == "emt" for entry in all_entries()) == 1


def test_a_job_of_a_built_in_engine_means_that_engine_on_every_worker(own_file):
    choice = get_engine("emt").choice
    own_file("- {name: emt, calculator: 'ase.calculators.lj:LennardJones', package: ase}")
    assert entry_of(choice).calculator.endswith("emt_calculator")
    assert entry_of(get_engine("emt").choice).calculator.endswith("LennardJones")


def test_an_engine_of_a_user_file_travels_inside_its_jobs(own_file, monkeypatch):
    own_file(
        "- {name: lj, calculator: 'ase.calculators.lj:LennardJones', package: ase, "
        "kwargs: {sigma: 2.5, epsilon: 0.1}}"
    )
    engine = get_engine("lj")
    monkeypatch.delenv("DUALION_ENGINES")
    job = engine.relax(COPPER, cell=False, settings=RelaxSettings())
    choice = job.function_kwargs["choice"]
    assert stamp_of(choice).parameters == (("epsilon", "0.1"), ("sigma", "2.5"))
    assert get_engine("emt").relax(COPPER, cell=False, settings=RelaxSettings()).function_kwargs[
        "choice"
    ] == EngineChoice(name="emt")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{name: x}", "holds a dict"),
        ("- {name: x}", "calculator"),
        ("- {name: x, calculator: nonsense, package: ase}", "nonsense"),
        ("- {name: x, calculator: 'a:B', package: ase, colour: red}", "colour"),
        ("- {name: x, calculator: 'a:B', package: ase, model_file: weights.pt}", "absolute"),
        ("- {name: x, calculator: 'a:B', package: ase, model_sha256: abc}", "abc"),
        ("- [", "cannot be read"),
        ("- !!python/object/apply:os.system ['true']", "cannot be read"),
    ],
)
def test_a_bad_file_of_engines_is_one_line_with_the_place(own_file, text, said):
    path = own_file(text)
    with pytest.raises(InputError, match=said) as caught:
        get_engine("emt")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_of_engines_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_entries(tmp_path / "none.yaml")


def test_an_empty_file_of_engines_adds_none(own_file):
    own_file("")
    assert all_entries() == BUILT_IN


def test_an_entry_point_of_another_package_is_listed(monkeypatch):
    entry = EngineEntry(name="other", calculator="ase.calculators.emt:EMT", package="ase")

    class Point:
        name, value = "other", "other.package:ENTRY"

        def __init__(self, item):
            self.item = item

        def load(self):
            if isinstance(self.item, Exception):
                raise self.item
            return self.item

    def offer(item):
        registry._entry_points.cache_clear()
        monkeypatch.setattr(registry.importlib.metadata, "entry_points", lambda **_: [Point(item)])

    try:
        offer(entry)
        assert find_entry("other") == entry
        offer(ImportError("broken"))
        with pytest.raises(InputError, match="broken"):
            find_entry("emt")
        offer("text")
        with pytest.raises(InputError, match="gives a str"):
            find_entry("emt")
    finally:
        registry._entry_points.cache_clear()


def test_weights_must_be_known_by_their_hash_unless_trusted(own_file, tmp_path):
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"numbers")
    seen = hashlib.sha256(b"numbers").hexdigest()
    text = WITH_WEIGHTS.format(path=weights)
    own_file(text)
    with pytest.raises(ModelFileError, match=seen) as caught:
        get_engine("mine")
    assert str(weights) in str(caught.value)
    assert "--trust-model" in str(caught.value)
    assert get_engine("mine", trust_model=True).stamp().model_sha256 == seen
    own_file(f"{text}  model_sha256: {seen}\n")
    assert get_engine("mine").stamp().model_sha256 == seen
    own_file(f"{text}  model_sha256: '{'0' * 64}'\n")
    with pytest.raises(ModelFileError, match="not known"):
        get_engine("mine")


def test_weights_that_changed_on_disk_are_hashed_again(own_file, tmp_path):
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"one")
    own_file(WITH_WEIGHTS.format(path=weights))
    engine = get_engine("mine", trust_model=True)
    before = engine.stamp().model_sha256
    weights.write_bytes(b"another")
    assert engine.stamp().model_sha256 != before


def test_missing_weights_are_told_with_the_path(own_file, tmp_path):
    own_file(WITH_WEIGHTS.format(path=tmp_path / "none.pt"))
    with pytest.raises(ModelFileError, match=r"none\.pt"):
        get_engine("mine", trust_model=True)


def test_an_engine_whose_package_has_no_weights_says_what_to_give():
    with pytest.raises(ModelFileError, match="model_file"):
        checked_model(find_entry("mace-mp"), trust=True)


def test_an_engine_without_weights_needs_none():
    assert checked_model(find_entry("emt"), trust=False) is None


@pytest.mark.mlip
@pytest.mark.parametrize("name", ["chgnet", "7net-0", "7net-l3i5"])
def test_the_weights_in_the_installed_package_are_the_known_ones(name):
    entry = find_entry(name)
    stamp = get_engine(name).stamp()
    assert stamp.model_sha256 in entry.known_models
    assert stamp.version == registry.installed_version(entry.package)


def test_engines_follow_the_protocol_and_label_their_jobs():
    engine = get_engine("emt")
    assert isinstance(engine, Engine)
    relax = engine.relax(COPPER, cell=True, settings=RelaxSettings())
    images = Images.from_array(CUBE, ("Cu",), [[[0.0, 0.0, i]] for i in range(3)])
    path = Path(images=images, mover=0, initial_energy=0.0, final_energy=0.0)
    band = engine.band(path, settings=BandSettings(), name="mine")
    assert relax.metadata == {"kind": "relax", "engine": "emt"}
    assert band.metadata == {"kind": "band", "engine": "emt"}
    assert (relax.name, band.name) == ("relax Cu1", "mine")
    assert relax.config.manager_config == {"_category": engine.category}


def test_a_charge_is_refused_by_an_engine_that_knows_none():
    engine = get_engine("emt")
    with pytest.raises(InputError, match="charge -1"):
        engine.relax(COPPER, cell=False, charge=-1, settings=RelaxSettings())


def test_levels_of_theory_differ_by_engine_charge_and_cell():
    stamp = get_engine("emt").stamp()
    one, two = ((1, 0, 0), (0, 1, 0), (0, 0, 1)), ((2, 0, 0), (0, 1, 0), (0, 0, 1))
    base = level_of_theory(stamp, charge=0, supercell_matrix=one)
    assert base == level_of_theory(stamp, charge=0, supercell_matrix=one)
    others = {
        level_of_theory(stamp, charge=-1, supercell_matrix=one).fingerprint,
        level_of_theory(stamp, charge=0, supercell_matrix=two).fingerprint,
        level_of_theory(
            stamp.model_copy(update={"version": "0"}), charge=0, supercell_matrix=one
        ).fingerprint,
    }
    assert len(others | {base.fingerprint}) == 4
