"""FireWorks on the database stand-in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from standin.server import running_mongod

fireworks = pytest.importorskip("fireworks", reason="FireWorks is not installed")


@pytest.fixture(scope="module")
def server():
    with running_mongod(user="fw", password="pw") as running:  # noqa: S106 - a test's own server
        yield running


@pytest.fixture
def pad(server):
    """Return an empty launchpad."""
    made = fireworks.LaunchPad(host=server.address("fw"), uri_mode=True, name="fw")
    made.reset("", require_password=False)
    yield made
    made.connection.close()


def chain(script="true", length=2):
    """Return a workflow of jobs that follow one another; their ids count from 1 in that order."""
    jobs = [
        fireworks.Firework(fireworks.ScriptTask.from_str(script), fw_id=n)
        for n in range(1, length + 1)
    ]
    return fireworks.Workflow(jobs, dict(zip(jobs, ([job] for job in jobs[1:]), strict=False)))


def states(pad):
    return [job["state"] for job in pad.fireworks.find({}, {"state": 1}, sort=[("fw_id", 1)])]


@pytest.fixture
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("inside")
def test_workflows_run_to_the_end(pad):
    from fireworks.core.rocket_launcher import launch_rocket

    pad.add_wf(chain(length=3))
    pad.bulk_add_wfs([chain() for _ in range(4)])
    assert pad.get_wf_ids(count_only=True) == 5
    while launch_rocket(pad, fireworks.FWorker()):
        pass
    assert states(pad) == ["COMPLETED"] * 11
    assert pad.workflows.count_documents({"state": "COMPLETED"}) == 5


@pytest.mark.usefixtures("inside")
def test_a_failed_job_is_run_again(pad):
    from fireworks.core.rocket_launcher import launch_rocket

    pad.add_wf(chain("test -e ready"))
    while launch_rocket(pad, fireworks.FWorker()):
        pass
    failed, waiting = pad.fireworks.find({}, sort=[("state", 1)])
    assert (failed["state"], waiting["state"]) == ("FIZZLED", "WAITING")
    Path("ready").touch()
    assert pad.rerun_fw(failed["fw_id"]) == [failed["fw_id"]]
    while launch_rocket(pad, fireworks.FWorker()):
        pass
    assert states(pad) == ["COMPLETED", "COMPLETED"]


def test_a_lost_run_is_detected_and_made_ready_again(pad):
    pad.add_wf(chain(length=1))
    fw, launch_id = pad.checkout_fw(fireworks.FWorker(), "/tmp")  # noqa: S108 - nothing is written there
    pad.ping_launch(launch_id)
    assert pad.detect_lostruns(expiration_secs=3600)[0] == []
    assert pad.detect_lostruns(expiration_secs=-1, rerun=True)[1] == [fw.fw_id]
    assert states(pad) == ["READY"]


def test_a_reservation_that_never_ran_is_detected(pad):
    pad.add_wf(chain(length=1))
    _, launch_id = pad.reserve_fw(fireworks.FWorker(), "/tmp")  # noqa: S108 - nothing is written there
    pad.set_reservation_id(launch_id, "4711")
    assert pad.get_fw_ids_from_reservation_id("4711") == pad.get_fw_ids()
    assert pad.detect_unreserved(expiration_secs=-1, rerun=True) == [launch_id]
    assert states(pad) == ["READY"]


def test_defuse_reignite_pause_archive_and_delete(pad):
    pad.add_wf(chain())
    first = min(pad.get_fw_ids())
    pad.defuse_wf(first)
    assert states(pad) == ["DEFUSED", "DEFUSED"]
    pad.reignite_wf(first)
    pad.pause_wf(first)
    assert set(states(pad)) == {"PAUSED"}
    pad.archive_wf(first)
    assert set(states(pad)) == {"ARCHIVED"}
    pad.delete_wf(first)
    assert pad.fireworks.count_documents({}) == pad.workflows.count_documents({}) == 0


def test_lpad_commands_run(pad, server, tmp_path):
    pad.add_wf(chain())
    file = tmp_path / "lp.yaml"
    file.write_text(f"host: {server.address('fw')}\nuri_mode: true\nname: fw\n")

    def lpad(*words):
        lpad_script = Path(sys.executable).with_name("lpad")
        return subprocess.run(
            [lpad_script, "-l", file, *words],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env=os.environ | {"FW_CONFIG_FILE": ""},
            timeout=60,
        ).stdout

    assert '"state": "READY"' in lpad("get_fws", "-s", "READY", "-d", "more")
    assert lpad("get_wflows", "-d", "count").strip() == "1"
    lpad("report")  # its aggregations must be understood
    lpad("archive_wflows", "-i", "1")
    assert states(pad) == ["ARCHIVED", "ARCHIVED"]
