"""``dualion solution`` at the keyboard, and what ``dualion verdict`` makes of it."""

from __future__ import annotations

import json

import pytest

from dualion import __version__
from dualion.analysis.solution import SiteEnergy, Solution
from dualion.launch.run import prepare
from dualion.launch.solution import FILE
from dualion.store.opening import open_store

CAMPAIGN = """
name: salt
framework: nacl.cif
pair: [Na, K]
engine: {engine}
cell: {{min_image_distance: 7.0}}
"""


@pytest.fixture
def salt(tmp_path, rocksalt):
    rocksalt()
    file = tmp_path / "salt.yaml"
    file.write_text(CAMPAIGN.format(engine="emt"))
    return file


@pytest.mark.usefixtures("salt")
def test_bad_references_are_one_line_and_nothing_is_computed(dualion, rocksalt, tree, tmp_path):
    rocksalt("mixed.cif", cations=(("Na", 0.5), ("K", 0.5)))
    (tmp_path / "broken.cif").write_text("data_\n")
    (tmp_path / "empty").mkdir()
    before = tree()
    for place, told in (
        ("nowhere.cif", "no such file"),
        ("empty", "no structure files"),
        ("mixed.cif", "order"),
        ("broken.cif", "cannot be read"),
    ):
        error = dualion("solution", "salt.yaml", "-q", "--references", place).one_line_error()
        assert place in error
        assert told in error
    assert "nope.yaml" in dualion("solution", "nope.yaml").one_line_error()
    assert tree() == before


@pytest.mark.usefixtures("salt")
def test_an_engine_that_cannot_do_it_is_told_and_json_stays_json(dualion):
    answer = dualion("solution", "salt.yaml", "-q", "--workers", "1", "--json")
    assert answer.code == 4
    assert json.loads(answer.out) == []
    assert "failed: judge the Na host" in answer.err
    assert "Traceback" not in answer.err


@pytest.fixture
def judged(salt, tmp_path, make_record):
    """Records of both ions, and a solution energy at the level of theory that is given."""
    salt.write_text(CAMPAIGN.format(engine="fast"))
    framework = prepare(salt, here=False).framework
    where = make_record().provenance.model_copy(
        update={"framework_fingerprint": framework.fingerprint}
    )
    records = [
        make_record(framework="nacl", host_ion="Na", moving_ion=ion, provenance=where, charge=-1)
        for ion in ("Na", "K")
    ]
    with open_store(tmp_path / "salt.sqlite") as opened:
        for record in records:
            opened.add(record)
    theory = records[0].theory

    def keep(**changes):
        stamp = theory.stamp.model_copy(update=changes)
        found = Solution(
            solution_energy=0.3125,
            route="exchange",
            reaction="Na27Cl27 + KI → KNa26Cl27 + NaI",
            absent=(("mixing_energy", "the host of K alone was not computed"),),
            framework=framework.name,
            framework_fingerprint=framework.fingerprint,
            campaign="salt",
            settings_fingerprint="0" * 16,
            host_ion="Na",
            ion="K",
            theory=theory.model_copy(update={"charge": 0, "stamp": stamp}),
            host="Na27Cl27",
            fraction=1 / 27,
            sites=(SiteEnergy(site="4a (atom 0)", energy=0.0),),
            min_image_distance=10.2,
            dualion=__version__,
        )
        file = tmp_path / "runs" / "salt" / FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"[{found.model_dump_json()}]")
        return file

    return keep


WORDS = ("verdict", "salt.yaml", "--store", "salt.sqlite")


def ions(dualion):
    (found,) = json.loads(dualion(*WORDS, "--json").out)
    return found["descriptors"]["ions"]


def test_the_verdict_shows_it_beside_records_of_its_level(dualion, judged, tmp_path):
    judged()
    sodium, potassium = ions(dualion)
    assert potassium["solution_energy"] == 0.3125
    assert potassium["reaction"] == "Na27Cl27 + KI → KNa26Cl27 + NaI"
    assert dict(potassium["absent"])["mixing_energy"] == "the host of K alone was not computed"
    assert sodium["solution_energy"] is None
    assert "own ion" in dict(sodium["absent"])["solution_energy"]
    answer = dualion(*WORDS, "--page", "page.html")
    assert "+0.312 eV: Na27Cl27 + KI → KNa26Cl27 + NaI" in answer.out
    page = (tmp_path / "page.html").read_text()
    assert "energy of solution of K" in page
    assert "KNa26Cl27" in page
    elsewhere = json.loads(dualion(*WORDS, "--runs", "elsewhere", "--json").out)
    assert elsewhere[0]["descriptors"]["ions"][1]["solution_energy"] is None


def test_the_verdict_never_shows_another_level_of_theory(dualion, judged):
    judged(version="0.5.0")
    potassium = ions(dualion)[1]
    assert potassium["solution_energy"] is None
    assert "only with fast (chgnet 0.5.0)" in dict(potassium["absent"])["solution_energy"]
    assert "KNa26Cl27" not in dualion(*WORDS).out


def test_without_a_result_the_verdict_says_how_to_get_one(dualion, judged):
    judged().unlink()
    assert "run 'dualion solution'" in dict(ions(dualion)[1]["absent"])["solution_energy"]


def test_a_damaged_result_is_one_line(dualion, judged):
    judged().write_text("[{}]")
    assert FILE in dualion(*WORDS).one_line_error()
