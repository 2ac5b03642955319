"""A campaign in VASP, end to end: the production settings, and a stand-in for the executable."""

from __future__ import annotations

import importlib.util
import json
import signal
import time
from contextlib import suppress

import numpy as np
import pytest
from pymatgen.io.vasp.inputs import Poscar

from dualion.engines.vasp.outputs import electronic_steps, image_folders
from dualion.errors import InputError
from dualion.launch.clusterprofile import ClusterProfile, Resources
from dualion.launch.ranks import check_ranks
from dualion.store.opening import open_store
from dualion.workflows.campaign import load_campaign
from dualion.workflows.tier import Tier
from standin.vasp.bench import standin_environment
from standin.vasp.potcars import make_potcars

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("atomate2") is None, reason="atomate2 is not installed"
)

CAMPAIGN = """
name: {name}
framework: cu.cif
pair: [Cu, Ag]
engine: %s
doping: [pure, dilute]
cell: {{min_image_distance: 5.0}}
path: {{images: 3}}
"""
VASP, EMT = CAMPAIGN % "vasp", CAMPAIGN % "emt"

PROFILE = """
scheduler: none
database: "env:DUALION_DATABASE"
work: {work}
engines: {{atomate2: {{}}}}
resources:
  relax: {{walltime: "{walltime}"}}
  band: {{walltime: "{walltime}", cores: 3}}
  analysis: {{walltime: "00:30:00"}}
margin: 5
patience: 60
"""


@pytest.fixture(scope="module")
def potcars(tmp_path_factory):
    return make_potcars(tmp_path_factory.mktemp("potcars"))


def with_vasp(bench, potcars):
    """Put the stand-in where a user's environment has VASP."""
    wanted = standin_environment(potcars)
    names = (
        "PMG_VASP_PSP_DIR",
        "ATOMATE2_VASP_CMD",
        "ATOMATE2_VASP_GAMMA_CMD",
        "DUALION_VASP_POLL",
    )
    bench.environment.update({name: wanted[name] for name in names})
    bench.environment.update(DUALION_VASP_CORES="3", VASP_STANDIN_LOG=str(bench.folder / "log"))
    return bench


@pytest.fixture(scope="module")
def local(tmp_path_factory, new_bench, potcars):
    """The campaign by the local runner, and by EMT itself: rows by moving ion."""
    bench = with_vasp(new_bench(tmp_path_factory.mktemp("local")), potcars)
    bench.table(str(bench.campaign("metal", VASP)), "--workers", "2")
    bench.table(str(bench.campaign("plain", EMT)), "--workers", "1")
    rows = json.loads(bench.run("query", "--json").stdout)
    found = {each["engine"]: {} for each in rows}
    for each in rows:
        found[each["engine"]][each["moving_ion"]] = each
    return bench, found["vasp-pbe"], found["emt"]


def test_the_local_runner_has_the_barriers_of_the_potential_inside(local):
    _, rows, plain = local
    assert set(rows) == set(plain) == {"Cu", "Ag"}
    assert rows["Cu"]["outcome"] == "converged"
    assert rows["Cu"]["forward"] == pytest.approx(plain["Cu"]["forward"], abs=0.005)
    assert rows["Cu"]["reverse"] == pytest.approx(plain["Cu"]["reverse"], abs=0.005)
    # In so small a cell silver, too large for copper's sites, falls between the two.
    assert rows["Ag"]["outcome"] == plain["Ag"]["outcome"] == "barrierless"
    assert rows["Ag"]["path_length"] == pytest.approx(plain["Ag"]["path_length"], abs=0.02)


def test_a_record_tells_the_charge_the_potentials_and_every_tag(local):
    bench, rows, _ = local
    with open_store(bench.folder / "runs" / "barriers.sqlite") as store:
        record = store.get(rows["Cu"]["record_id"])
    assert record.theory.charge == -1
    assert record.theory.charge_text == "cell of charge −1 on a uniform background"
    parameters = dict(record.theory.stamp.parameters)
    assert parameters["ENCUT"] == "520"
    assert parameters["functional"] == "PBE"
    assert parameters["POTCAR"].startswith("PBE_54")
    checks = [finding.check for finding in record.findings]
    assert any("POTCAR PAW_PBE Cu" in check for check in checks)
    assert any("NELECT" in check for check in checks)
    assert any("VTST" in check for check in checks)


def test_a_second_run_starts_no_vasp(local):
    bench, _, _ = local
    before = (bench.folder / "log").read_text()
    bench.table(str(bench.folder / "metal.yaml"))
    assert (bench.folder / "log").read_text() == before
    assert list((bench.folder / "runs" / "vasp").glob("*/run-1/INCAR.gz"))
    assert not list((bench.folder / "runs").rglob("POTCAR*"))


def expected(rows, within):
    return {
        row["record_id"]: row["forward"] and pytest.approx(row["forward"], abs=within)
        for row in rows.values()
    }


def on_pad(cluster_in, potcars, name: str, *, walltime: str = "00:30:00"):
    made = cluster_in(name)
    with_vasp(made.bench, potcars)
    (made.folder / "launch" / "here.yaml").write_text(
        PROFILE.format(work=made.work, walltime=walltime)
    )
    return made


@pytest.mark.slow
def test_fireworks_gives_what_the_local_run_gives(local, cluster_in, potcars):
    _, rows, _ = local
    on_cluster = on_pad(cluster_in, potcars, "pad")
    on_cluster.ok("submit", str(on_cluster.bench.campaign("metal", VASP)))
    on_cluster.ok("launch")
    assert on_cluster.finished()
    found = {
        each["metadata"]["record_id"]: each["metadata"]["forward"]
        for each in on_cluster.raw_records()
    }
    assert found == expected(rows, 1e-6)
    assert not list((on_cluster.work / "checkpoints").glob("*"))
    assert list((on_cluster.work / "vasp").glob("*/run-1/INCAR.gz"))


def bands_under_way(on_cluster):
    """Runs of bands in the checkpoints of jobs that have not ended."""
    runs = (on_cluster.work / "checkpoints").glob("*/vasp/run-*")
    return [run for run in sorted(runs) if image_folders(run)]


def at_rest(on_cluster):
    """Newest run of a band, once nothing in it moves any more, and where its images are."""
    deadline = time.monotonic() + 60
    before = None
    while time.monotonic() < deadline:
        run = bands_under_way(on_cluster)[-1]
        with suppress(OSError, ValueError):  # the last file is being written
            now = run, fractional(image_folders(run), "CONTCAR").tolist()
            if now == before:
                return run, np.array(now[1])
            before = now
        time.sleep(2.0)
    raise AssertionError("VASP goes on without its worker")


def fractional(places, name):
    return np.array([Poscar.from_file(str(place / name)).structure.frac_coords for place in places])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_stopped_in_a_band_goes_on_from_its_images(local, cluster_in, potcars, number):
    """As a queue stops it at its wall time, or a node goes down, behind FireWorks."""
    _, rows, _ = local
    on_cluster = on_pad(cluster_in, potcars, "pad")
    on_cluster.ok("submit", str(on_cluster.bench.campaign("metal", VASP)))
    on_cluster.bench.environment["VASP_STANDIN_PAUSE"] = "0.5"
    worker = on_cluster.bench.start(
        "rocket", "rapidfire", "--profile", str(on_cluster.folder / "launch" / "here.yaml")
    )
    deadline = time.monotonic() + 300
    while not (
        (bands := bands_under_way(on_cluster))
        and all(len(electronic_steps(p / "OSZICAR")) >= 3 for p in image_folders(bands[-1]))
    ):
        assert time.monotonic() < deadline
        assert worker.poll() is None, worker.communicate()
        time.sleep(0.1)
    worker.send_signal(number)
    worker.communicate(timeout=120)
    del on_cluster.bench.environment["VASP_STANDIN_PAUSE"]
    run, left = at_rest(on_cluster)  # the next stage may have begun before the signal
    (found,) = json.loads(on_cluster.ok("recover", "--json"))
    assert found["what"] == ("lost" if number == signal.SIGKILL else "fizzled")

    on_cluster.ok("launch")
    assert on_cluster.finished()
    following = f"run-{int(run.name.removeprefix('run-')) + 1}"
    kept = on_cluster.work / "vasp" / run.parent.parent.name / following
    apart = fractional(image_folders(kept), "POSCAR.gz") - left
    assert np.abs(apart - np.rint(apart)).max() < 1e-8
    barriers = {
        each["metadata"]["record_id"]: each["metadata"]["forward"]
        for each in on_cluster.raw_records()
    }
    assert barriers == expected(rows, 0.005)


def test_images_and_ranks_are_checked_before_anything_is_submitted(bench, tmp_path):
    campaign = load_campaign(bench.campaign("metal", VASP))
    common = {"scheduler": "none", "work": tmp_path, "engines": {"atomate2": {}}}

    def profile(**given):
        return ClusterProfile.model_validate({**common, "resources": {"band": Resources(**given)}})

    check_ranks(campaign, profile(cores=6))
    check_ranks(campaign, profile(cores=1, options={"ntasks": 48}))
    with pytest.raises(InputError, match="8 MPI ranks cannot be shared by 3 images"):
        check_ranks(campaign, profile(cores=8))
    check_ranks(campaign.model_copy(update={"evaluations": "jobs"}), profile(cores=8))
    plain = load_campaign(bench.campaign("plain", EMT))
    check_ranks(plain, profile(cores=8))
    second = Tier.model_validate({"engine": campaign.engine, "promote": "all"})
    tiered = plain.model_copy(update={"tiers": (second,)})
    with pytest.raises(InputError, match="8 MPI ranks"):
        check_ranks(tiered, profile(cores=8))
