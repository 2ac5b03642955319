"""Campaigns through a launch pad, without a scheduler: computed once, whatever happens."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from standin.server import running_mongod

TWO = """
name: {name}
framework: cu.cif
pair: [Cu, Ag]
engine: counting-emt
doping: [pure, dilute, {{fraction: 0.25, arrangements: 3}}]
cell: {{min_image_distance: 7.0}}
path: {{images: 3}}
"""


def barriers(rows):
    return [(row["hop"], row["forward"], row["reverse"]) for row in rows]


def test_a_campaign_gives_what_the_local_run_gives(on_cluster):
    campaign = str(on_cluster.bench.campaign())
    on_cluster.ok("run", campaign, "--workers", "1", "--quiet")
    local = on_cluster.bench.calls()
    by_title = json.loads(on_cluster.ok("query", "--json"))
    Path(on_cluster.bench.environment["COUNTING_LOG"]).unlink()

    on_cluster.ok("submit", campaign)
    on_cluster.ok("launch")

    assert on_cluster.finished()
    assert on_cluster.bench.calls() == local
    there = {
        (each["metadata"]["record_id"], each["metadata"]["forward"], each["metadata"]["reverse"])
        for each in on_cluster.raw_records()
    }
    assert there == {(row["record_id"], row["forward"], row["reverse"]) for row in by_title}
    stored = json.loads(on_cluster.ok("query", "--json", "--store", on_cluster.address))
    for row in (*stored, *by_title):
        row.pop("created")
    assert stored == by_title
    assert not list((on_cluster.work / "checkpoints").glob("*"))
    assert not list((on_cluster.work / "spool").glob("*"))


def test_the_same_campaign_submitted_twice_adds_nothing(on_cluster):
    campaign = str(on_cluster.bench.campaign())
    first = json.loads(on_cluster.ok("submit", campaign, "--json"))
    assert first["new"]
    assert first["jobs_added"] == 3
    again = json.loads(on_cluster.ok("submit", campaign, "--json"))
    assert (again["new"], again["jobs_added"]) == (False, 0)
    assert again["id"] == first["id"]
    on_cluster.ok("launch")
    assert json.loads(on_cluster.ok("submit", campaign, "--json"))["jobs_added"] == 0
    calls = on_cluster.bench.calls()
    on_cluster.ok("launch")
    assert on_cluster.bench.calls() == calls


def test_status_lists_hops_with_their_outcome_or_the_state_of_their_job(on_cluster):
    on_cluster.ok("submit", str(on_cluster.bench.campaign()))
    assert json.loads(on_cluster.ok("status", "metal", "--hops", "--json"))["hops"] == []
    for _ in range(3):
        on_cluster.ok("rocket", "singleshot", "--profile", "here")
    before = json.loads(on_cluster.ok("status", "metal", "--hops", "--json"))["hops"]
    assert [each["state"] for each in before] == ["waiting", "waiting"]
    on_cluster.ok("launch")
    after = json.loads(on_cluster.ok("status", "metal", "--hops", "--json"))["hops"]
    assert [each["title"] for each in after] == [each["title"] for each in before]
    assert [each["state"] for each in after] == ["converged", "converged"]
    assert all(each["forward"] > 0.1 for each in after)
    assert "converged" in on_cluster.ok("status", "--hops")


def test_another_campaign_of_the_same_name_is_refused_with_what_differs(on_cluster):
    on_cluster.ok("submit", str(on_cluster.bench.campaign()))
    other = on_cluster.bench.campaign(text=TWO)
    done = on_cluster.bench.run("submit", str(other))
    assert done.returncode == 2
    assert "doping" in done.stderr
    assert "another name" in done.stderr


@pytest.mark.slow
def test_two_workers_compute_nothing_twice(cluster_in):
    alone = cluster_in("alone")
    alone.ok("run", str(alone.bench.campaign(text=TWO)), "--workers", "1", "--quiet")
    both = cluster_in("both", pause=0.02)
    both.ok("submit", str(both.bench.campaign(text=TWO)))
    both.ok("launch", "--workers", "2")
    assert both.finished()
    assert both.bench.calls() == alone.bench.calls()


def test_a_second_campaign_computes_only_what_is_new(cluster_in):
    on_cluster = cluster_in("bench")
    on_cluster.ok("submit", str(on_cluster.bench.campaign("first")))
    on_cluster.ok("launch")
    first = on_cluster.bench.calls()
    on_cluster.ok("submit", str(on_cluster.bench.campaign("second")))
    on_cluster.ok("launch")
    assert on_cluster.bench.calls() == first
    states = {each["name"]: each for each in on_cluster.status()["campaigns"]}
    assert states["second"]["outcomes"] == states["first"]["outcomes"] == {"converged": 2}


def rocket(on_cluster):
    return on_cluster.bench.start(
        "rocket", "rapidfire", "--profile", str(on_cluster.folder / "launch" / "here.yaml")
    )


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_killed_worker_is_recovered_and_goes_on_from_its_checkpoint(cluster_in, number):
    quiet = cluster_in("quiet")
    quiet.ok("run", str(quiet.bench.campaign()), "--workers", "1", "--quiet")
    undisturbed = quiet.bench.calls()
    on_cluster = cluster_in("bench", pause=0.05)
    on_cluster.ok("submit", str(on_cluster.bench.campaign()))
    for wanted in (5, 40):  # in the host, in a band
        process = rocket(on_cluster)
        on_cluster.bench.wait_for_calls(wanted, process)
        process.send_signal(number)
        process.communicate()
        (job,) = [
            each for each in on_cluster.status()["jobs"] if each["state"] in {"RUNNING", "FIZZLED"}
        ]
        assert job["state"] == ("RUNNING" if number == signal.SIGKILL else "FIZZLED")
        (found,) = json.loads(on_cluster.ok("recover", "--json"))
        assert found["what"] == ("lost" if number == signal.SIGKILL else "fizzled")
        assert ("has ended" if number == signal.SIGKILL else "SIGTERM") in found["why"]
    on_cluster.ok("launch")
    assert on_cluster.finished()
    again = on_cluster.bench.calls()
    assert set(again) == set(undisturbed)
    assert sum((again - undisturbed).values()) <= 2  # the force calls in flight


def test_a_result_outlives_a_database_that_stays_away(cluster_in, tmp_path):
    with running_mongod(tmp_path / "db") as server:
        on_cluster = cluster_in("bench", pause=0.05, address=server.address("away"), patience=3.0)
        on_cluster.ok("submit", str(on_cluster.bench.campaign()))
        process = rocket(on_cluster)
        on_cluster.bench.wait_for_calls(1, process)
        server.kill()
        process.communicate(timeout=120)
        assert process.returncode != 0
        spooled = list((on_cluster.work / "spool").glob("*.json"))
        assert len(spooled) == 1
        calls = on_cluster.bench.calls()
        server.start()
        found = json.loads(on_cluster.ok("recover", "--json"))
        assert {each["what"] for each in found} >= {"not delivered", "lost"}
        assert not list((on_cluster.work / "spool").glob("*.json"))
        on_cluster.ok("launch")
        assert on_cluster.finished()
        assert all(count == 1 for count in (on_cluster.bench.calls() & calls).values())


@pytest.mark.slow
def test_a_living_job_that_is_wrongly_run_again_gives_one_record(cluster_in):
    quiet = cluster_in("quiet")
    quiet.ok("run", str(quiet.bench.campaign()), "--workers", "1", "--quiet")
    on_cluster = cluster_in("bench", pause=0.1)
    on_cluster.ok("submit", str(on_cluster.bench.campaign()))
    first = rocket(on_cluster)
    on_cluster.bench.wait_for_calls(30, first)  # in a band
    with on_cluster.cluster() as cluster:
        (fw_id,) = cluster.launchpad.get_fw_ids({"state": "RUNNING"})
        cluster.launchpad.rerun_fw(fw_id)
    second = rocket(on_cluster)
    for process in (first, second):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert "is being computed by" in out
    on_cluster.ok("launch")
    assert on_cluster.finished()
    assert on_cluster.bench.calls() == quiet.bench.calls()
    assert len(on_cluster.raw_records()) == 2


@pytest.mark.slow
def test_a_short_outage_is_ridden_out(cluster_in, tmp_path):
    with running_mongod(tmp_path / "db") as server:
        on_cluster = cluster_in("bench", pause=0.05, address=server.address("back"), patience=90.0)
        on_cluster.ok("submit", str(on_cluster.bench.campaign()))
        process = rocket(on_cluster)
        on_cluster.bench.wait_for_calls(1, process)
        server.kill()
        time.sleep(6.0)
        server.start()
        process.communicate(timeout=180)
        assert process.returncode == 0
        assert on_cluster.finished()
        assert not json.loads(on_cluster.ok("recover", "--json"))


def test_jobs_go_only_where_their_engine_is(on_cluster):
    on_cluster.ok("submit", str(on_cluster.bench.campaign()))
    profile = on_cluster.folder / "launch" / "other.yaml"
    text = (on_cluster.folder / "launch" / "here.yaml").read_text()
    profile.write_text(text.replace("{ase: {}}", "{chgnet: {}}"))
    assert "1 job more: ready for workers with ase" in on_cluster.ok("launch", "-p", "other")
    assert not on_cluster.bench.calls()
    assert on_cluster.status()["campaigns"][0]["jobs"] == {"READY": 1, "WAITING": 2}
    on_cluster.ok("launch")
    assert on_cluster.finished()


@pytest.mark.slow
def test_a_cancelled_campaign_does_not_run_and_is_taken_up_again(on_cluster):
    campaign = str(on_cluster.bench.campaign())
    on_cluster.ok("submit", campaign)
    assert "3 jobs will not run" in on_cluster.ok("cancel", "metal")
    on_cluster.ok("launch")
    assert not on_cluster.bench.calls()
    assert on_cluster.status()["campaigns"][0]["state"] == "cancelled"
    on_cluster.ok("submit", campaign)
    on_cluster.ok("launch")
    assert on_cluster.finished()


def test_a_submission_that_was_cut_off_is_completed(on_cluster):
    campaign = str(on_cluster.bench.campaign())
    on_cluster.ok("submit", campaign)
    with on_cluster.cluster() as cluster:
        cluster.launchpad.fireworks.delete_many({"fw_id": {"$gt": 1}})
    assert json.loads(on_cluster.ok("submit", campaign, "--json"))["jobs_added"] == 3
    on_cluster.ok("launch")
    assert on_cluster.finished()


def test_a_poisoned_end_point_fails_alone_and_says_why(on_cluster):
    campaign = str(on_cluster.bench.campaign())
    on_cluster.ok("submit", campaign)
    on_cluster.bench.environment["COUNTING_POISON"] = "Ag"
    on_cluster.ok("launch")
    found = on_cluster.outcomes()
    (pure,) = [each for name, each in found.items() if "pure" in name]
    (dilute,) = [each for name, each in found.items() if "dilute" in name]
    assert pure["outcome"] == "converged"
    assert dilute["outcome"] == "engine_failed"
    del on_cluster.bench.environment["COUNTING_POISON"]
    told = json.loads(on_cluster.ok("recover", "--failed", "--json"))
    assert any(each["what"] == "failed" and "nan" in each["why"] for each in told)
    on_cluster.ok("launch")
    assert {each["outcome"] for each in on_cluster.outcomes().values()} == {"converged"}
    assert on_cluster.finished()


@pytest.mark.slow
def test_an_unconverged_band_goes_on_from_its_last_step_when_asked(cluster_in):
    text = TWO.replace(
        "doping: [pure, dilute, {{fraction: 0.25, arrangements: 3}}]", "doping: [pure]"
    )
    whole = cluster_in("whole")
    whole.ok("run", str(whole.bench.campaign(text=text)), "--workers", "1", "--quiet")
    on_cluster = cluster_in("bench")
    short = on_cluster.bench.campaign(text=text + "band: {{steps: 2}}\n")
    on_cluster.ok("submit", str(short))
    on_cluster.ok("launch")
    assert {each["outcome"] for each in on_cluster.outcomes().values()} == {"unconverged"}
    (told,) = json.loads(on_cluster.ok("recover", "--json"))
    assert told["what"] == "unconverged"
    on_cluster.ok("recover", "--more-steps", "148")
    on_cluster.ok("launch")
    assert on_cluster.status()["campaigns"][0]["outcomes"] == {"converged": 1}
    assert on_cluster.bench.calls() == whole.bench.calls()
    assert not json.loads(on_cluster.ok("recover", "--more-steps", "10", "--json"))


def test_the_password_is_nowhere_to_be_seen(cluster_in):
    secret = "n0t-to-be-seen"  # noqa: S105 - a test's
    with running_mongod(user="dual", password=secret) as server:
        on_cluster = cluster_in("bench", address=server.address("safe"), pause=0.02)
        on_cluster.ok("submit", str(on_cluster.bench.campaign()))
        process = rocket(on_cluster)
        on_cluster.bench.wait_for_calls(3, process)
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        text = on_cluster.ok("status", "--jobs", "--json")
        out, err = process.communicate(timeout=120)
        wrong = dict(on_cluster.bench.environment)
        on_cluster.bench.environment["DUALION_DATABASE"] = server.address("safe").replace(
            secret, f"{secret}-wrong"
        )
        refused = on_cluster.bench.run("status")
        on_cluster.bench.environment.update(wrong)
        check = on_cluster.ok("cluster", "check", "--json")
        seen = [words.decode(), text, out, err, refused.stdout, refused.stderr, check]
        assert refused.returncode == 2
        assert "lets nobody in" in refused.stderr
        assert on_cluster.finished()
        files = [file for file in on_cluster.folder.rglob("*") if file.is_file()]
        seen += [file.read_bytes().decode(errors="replace") for file in files]
        with on_cluster.cluster() as cluster:
            for name in cluster.database.list_collection_names():
                seen += [str(each) for each in cluster.database[name].find()]
        assert not [each for each in seen if secret in each]


def test_a_file_with_the_address_must_be_private(on_cluster):
    file = on_cluster.folder / "address"
    file.write_text(on_cluster.address + "\n")
    on_cluster.bench.environment["DUALION_DATABASE"] = f"@{file}"
    file.chmod(0o640)
    done = on_cluster.bench.run("status")
    assert done.returncode == 2
    assert "0640" in done.stderr
    assert "chmod 600" in done.stderr
    file.chmod(0o600)
    on_cluster.ok("status")


def test_a_check_tries_every_part_and_says_what_fails(on_cluster):
    profile = on_cluster.folder / "launch" / "here.yaml"
    profile.write_text(
        profile.read_text()
        .replace("scheduler: none", "scheduler: lsf")
        .replace(str(on_cluster.work), "/proc/nowhere")
        .replace("{ase: {}}", "{ase: {}, mace-torch: {}, chgnet: {command: /nowhere/dualion}}")
    )
    done = on_cluster.bench.run("cluster", "check", "--json")
    assert done.returncode == 4
    found = {each["part"]: each for each in json.loads(done.stdout)}
    assert {part for part, each in found.items() if each["ok"]} == {
        "database",
        "queue script",
        "engine ase",
    }
    assert "LSF does not answer" in found["scheduler"]["found"]
    assert "/proc/nowhere" in found["working folder"]["found"]
    assert "not installed" in found["engine mace-torch"]["found"]
    assert "does not start" in found["engine chgnet"]["found"]
    on_cluster.bench.environment["DUALION_DATABASE"] = "mongodb://127.0.0.1:9/nothing"
    done = on_cluster.bench.run("cluster", "check", "--json")
    database = json.loads(done.stdout)[0]
    assert not database["ok"]
    assert "does not answer" in database["found"]


def test_a_campaign_is_submitted_where_its_engine_is_not(on_cluster):
    assert "no campaign" in on_cluster.ok("status")
    text = TWO.replace("counting-emt", "mace-mp").replace("cu.cif", "licl.cif")
    text = text.replace("[Cu, Ag]", "[Li, Na]")
    Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    ).to(str(on_cluster.folder / "licl.cif"))
    on_cluster.ok("submit", str(on_cluster.bench.campaign(text=text)))
    assert "ready for workers with mace-torch" in on_cluster.ok("launch")
