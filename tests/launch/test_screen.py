"""Screens as a user runs them: two frameworks in seconds, kills, files that cannot be used."""

from __future__ import annotations

import csv
import json

import pytest
from pymatgen.core import Lattice, Structure

WORKERS = 2

# Cuprite, the one ionic structure whose elements EMT knows. The bands are nonsense; that they are
# run, killed, resumed and told is what is looked at.
FAST = """
cell: {min_image_distance: 6.5}
hops: {classes: [h1]}
path: {images: 1}
relax: {steps: 4}
band: {steps: 4}
host: {relax_cell: false, rattle: 0.0}
"""


def cuprite(cation: str, a: float) -> Structure:
    return Structure.from_spacegroup(
        "Pn-3m", Lattice.cubic(a), [cation, "O"], [[0, 0, 0], [0.25, 0.25, 0.25]]
    )


def write_folder(bench):
    folder = bench.folder / "crystals"
    folder.mkdir()
    cuprite("Cu", 4.27).to(str(folder / "cu2o.cif"))
    cuprite("Ag", 4.72).to(str(folder / "ag2o.cif"))
    (bench.folder / "fast.yaml").write_text(FAST)
    return folder


@pytest.fixture
def folder(bench):
    return write_folder(bench)


def answer(bench, *words):
    done = bench.run("screen", *map(str, words), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_two_frameworks_are_ranked_and_asked_about_once(bench, folder):
    words = (folder, "--spacing", "0.3", "-w", "2", "--name", "oxides")
    first, told = answer(bench, *words)
    assert "from the ledger" not in told
    assert {(row["framework"], row["ion"]) for row in first["ions"]} == {
        (name, ion) for name in ("cu2o", "ag2o") for ion in ("Li", "Na", "K", "Cu", "Ag")
    }
    known = [row["barrier_1d"] for row in first["ions"] if row["barrier_1d"] is not None]
    assert known
    assert known == sorted(known)
    assert {row["level"] for row in first["ions"]} == {"bond valence"}
    assert "no barriers of elastic bands" in first["caveat"]

    made = bench.folder / "runs" / "oxides"
    page = (made / "report.html").read_text()
    assert "no barriers of elastic bands" in page
    assert page.count("data:image/png;base64,") == 4  # all ions and each alone, light and dark
    with (made / "ions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["ion"] for row in rows] == [row["ion"] for row in first["ions"]]
    assert [float(row["barrier_1d"]) for row in rows if row["barrier_1d"]] == known

    again, told = answer(bench, *words)
    assert "(2 from the ledger)" in told
    assert again == first


def test_files_that_cannot_be_used_are_told_and_the_rest_goes_on(bench, folder):
    mixed = cuprite("Cu", 4.27)
    mixed.replace_species({"Cu": {"Cu": 0.5, "Ag": 0.5}})
    mixed.to(str(folder / "disordered.cif"))
    Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.21), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    ).to(str(folder / "mgo.cif"))
    (folder / "broken.cif").write_text("data_x\n_cell_length_a nonsense\n")
    found, told = answer(bench, folder, "--spacing", "0.3", "--cations", "Cu,Ag")
    assert {row["framework"] for row in found["ions"]} == {"cu2o", "ag2o"}
    reasons = {row["file"].rsplit("/", 1)[-1]: row["reason"] for row in found["skipped"]}
    assert set(reasons) == {"disordered.cif", "mgo.cif", "broken.cif"}
    assert "order" in reasons["disordered.cif"]
    assert "no working ion" in reasons["mgo.cif"]
    for name in reasons:
        assert name in told
    assert "Traceback" not in told

    for name in ("cu2o.cif", "ag2o.cif"):
        (folder / name).unlink()
    done = bench.run("screen", str(folder), "--quiet")
    assert done.returncode == 2
    assert done.stderr.count("left out:") == 3


def banded(folder):
    return (
        *("screen", str(folder), "--cations", "Cu,Ag", "--spacing", "0.3", "-w", str(WORKERS)),
        *("--engine", "counting-emt", "--settings", "fast.yaml", "--top", "2"),
    )


@pytest.mark.slow
def test_a_killed_screen_computes_nothing_twice(bench_in):
    quiet = bench_in("quiet", pause=0.02)
    first = quiet.run(*banded(write_folder(quiet)), "--json")
    assert first.returncode == 0, first.stderr
    undisturbed = quiet.calls()
    assert sum(undisturbed.values()) > 10

    killed = bench_in("killed", pause=0.02)
    words = banded(write_folder(killed))
    assert killed.kill_after(0.4 * sum(undisturbed.values()), *words, limit=240.0)
    last = killed.run(*words, "--json")
    assert last.returncode == 0, last.stderr
    assert "(2 from the ledger)" in last.stderr
    assert json.loads(last.stdout)["bands"] == json.loads(first.stdout)["bands"]
    again = killed.calls()
    assert set(again) == set(undisturbed)
    assert sum((again - undisturbed).values()) <= WORKERS


def test_one_framework_that_fails_is_told_and_the_rest_goes_on(bench, folder):
    bench.environment["COUNTING_POISON"] = "Ag"
    with (bench.folder / "fast.yaml").open("a") as stream:
        stream.write("doping: [pure]\n")
    done = bench.run(*banded(folder), "--json")
    assert done.returncode == 4
    assert "failed" in done.stderr
    assert "Traceback" not in done.stderr
    campaigns = sorted(path.name for path in (bench.folder / "runs/screen/campaigns").iterdir())
    assert campaigns == ["screen_ag2o_Ag_Cu.yaml", "screen_cu2o_Cu_Ag.yaml"]
    # The campaign of the framework without silver has its records, whichever came first.
    report = bench.folder / "runs" / "screen_cu2o_Cu_Ag" / "run.log"
    assert "1 records" in report.read_text()


def test_a_dry_run_says_which_pairs_would_go_on(bench, folder):
    done = bench.run(*banded(folder), "--dry-run", "--top", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("would go on:") == 1
    assert not bench.calls()
