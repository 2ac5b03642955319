"""The one-node Slurm: up, jobs and what can befall them, down; and when it refuses."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from dualion.errors import RunError
from dualion.launch.scheduler import GONE, Phase, scheduler_named

SCRIPT = Path(__file__).parents[2] / "launch" / "slurm_one_node.sh"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="Slurm's daemons need root")

# Says what it is sent, and ends only when it is killed.
STUBBORN = """\
#!/bin/bash
trap 'echo TERM at $SECONDS' TERM
echo started
while :; do sleep 0.2; done
"""


def free_ports():
    """Return a port that is free, as is the next."""
    for _ in range(50):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port
    raise AssertionError("no two free ports in a row")


def alive(pid):
    """Say whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def script(*words, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    return subprocess.run(
        ["/bin/bash", str(SCRIPT), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env=clean | {name: str(value) for name, value in environment.items()},
    )


@dataclass
class OneNode:
    """A running one-node Slurm, and a folder for its jobs."""

    state: Path
    jobs: Path
    port: int
    seconds: float

    def ask(self, *words):
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env=os.environ | {"SLURM_CONF": str(self.state / "slurm.conf")},
        )
        return done.stdout.strip()

    def submit(self, text, *options):
        """Submit a script; return its job id and the file it writes."""
        file = self.jobs / f"{time.monotonic_ns()}.sh"
        file.write_text(text)
        output = file.with_suffix(".out")
        job = self.ask("sbatch", "--parsable", f"--output={output}", *options, str(file))
        return job, output

    def wait(self, job, phase, *, seconds=30.0):
        """Wait until a job is in a phase; return its state."""
        deadline = time.monotonic() + seconds
        while (state := scheduler_named("slurm").states([job])[job]).phase is not phase:
            assert time.monotonic() < deadline, f"job {job} is still {state}"
            time.sleep(0.2)
        return state


@pytest.fixture(scope="module")
def node():
    # Not in pytest's folders: sockets need a short path.
    folder = Path(tempfile.mkdtemp(prefix="one-", dir="/tmp"))
    state, jobs = folder / "s", folder / "jobs"
    jobs.mkdir()
    port = free_ports()
    before = time.monotonic()
    done = script("up", state, ONE_NODE_PORT=port, ONE_NODE_CPUS=4)
    seconds = time.monotonic() - before
    try:
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"export SLURM_CONF={state}/slurm.conf\n"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", str(state / "slurm.conf"))
            yield OneNode(state, jobs, port, seconds)
    finally:
        script("down", state, "--purge")
        shutil.rmtree(folder)


@pytest.fixture
def running(node):
    """Return a function that submits a job that ends only when killed, and waits until it runs."""
    submitted = []

    def submit(*options):
        job, output = node.submit(STUBBORN, *options)
        submitted.append(job)
        node.wait(job, Phase.RUNNING)
        deadline = time.monotonic() + 10
        while not (output.exists() and "started" in output.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return job, output

    yield submit
    for job in submitted:
        scheduler_named("slurm").cancel([job])
        node.wait(job, Phase.ENDED)


@pytest.mark.cluster
@as_root
class TestUp:
    def test_it_is_up_within_seconds_and_a_second_up_changes_nothing(self, node):
        assert node.seconds < 15 or (node.state / "install.log").exists()
        pids = [(node.state / f"{name}.pid").read_text() for name in ("slurmctld", "slurmd")]
        again = script("up", node.state, ONE_NODE_PORT=node.port)
        assert (again.returncode, again.stderr) == (0, "")
        assert again.stdout == f"export SLURM_CONF={node.state}/slurm.conf\n"
        assert pids == [
            (node.state / f"{name}.pid").read_text() for name in ("slurmctld", "slurmd")
        ]
        status = script("status", node.state)
        assert status.returncode == 0
        assert "debug* idle" in status.stdout
        assert "long idle" in status.stdout

    def test_only_loopback_is_listened_on(self, node):
        table = Path("/proc/net/tcp").read_text().splitlines()[1:]
        listening = [row.split()[1] for row in table if row.split()[3] == "0A"]
        ours = {f"{port:04X}" for port in (node.port, node.port + 1)}
        assert {row for row in listening if row.partition(":")[2] in ours} == {
            f"0100007F:{port}" for port in ours
        }

    def test_another_configuration_or_a_port_in_use_is_refused(self, node, tmp_path):
        taken = script("up", f"{node.state}2", ONE_NODE_PORT=node.port)
        assert taken.returncode == 2
        assert f"port {node.port} is taken" in taken.stderr
        shutil.rmtree(f"{node.state}2")
        foreign = script("up", f"{node.state}2", SLURM_CONF=tmp_path / "slurm.conf")
        assert foreign.returncode == 2
        assert "somebody else" in foreign.stderr
        assert not Path(f"{node.state}2").exists()


@pytest.mark.cluster
@as_root
class TestJobs:
    def test_a_job_runs_in_either_partition(self, node):
        for options in ((), ("--partition=long",)):
            job, output = node.submit("#!/bin/bash\necho hello\n", *options)
            assert node.wait(job, Phase.ENDED).reason == "COMPLETED"
            assert output.read_text() == "hello\n"

    def test_a_cancelled_job_sees_sigterm_before_sigkill(self, node, running):
        job, output = running()
        scheduler_named("slurm").cancel([job])
        assert node.wait(job, Phase.ENDED).reason == "CANCELLED"
        assert "TERM at" in output.read_text()

    def test_a_job_past_its_time_gets_sigterm_then_sigkill(self, node, running):
        job, output = running("--time=1")
        state = node.wait(job, Phase.ENDED, seconds=120)
        assert state.reason == "TIMEOUT"
        lines = [line for line in output.read_text().splitlines() if line.startswith("TERM at")]
        assert lines
        assert 55 <= int(lines[0].split()[-1]) <= 100

    def test_a_signal_before_the_end_reaches_the_script(self, running):
        job, output = running("--time=2", "--signal=B:TERM@110")
        deadline = time.monotonic() + 60
        while "TERM at" not in output.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert scheduler_named("slurm").states([job])[job].phase is Phase.RUNNING

    def test_a_node_that_goes_down_takes_its_job_which_is_not_started_again(self, node, running):
        job, _ = running()
        node.ask("scontrol", "update", "NodeName=one", "State=DOWN", "Reason=test")
        assert node.wait(job, Phase.ENDED).reason == "NODE_FAIL"
        waiting, _ = node.submit("#!/bin/bash\ntrue\n")
        time.sleep(4)
        assert node.ask("sinfo", "-h", "-p", "debug", "-o", "%T") == "down"
        assert scheduler_named("slurm").states([waiting])[waiting].phase is Phase.PENDING
        node.ask("scontrol", "update", "NodeName=one", "State=RESUME")
        assert node.wait(waiting, Phase.ENDED).reason == "COMPLETED"
        assert scheduler_named("slurm").states([job])[job].reason == "NODE_FAIL"

    def test_held_unknown_and_cancelled_before_the_start(self, node):
        slurm = scheduler_named("slurm")
        assert slurm.version().startswith("Slurm ")
        job, _ = node.submit("#!/bin/bash\ntrue\n", "--hold")
        found = slurm.states([job, "99999"])
        assert (found[job].phase, found[job].reason) == (Phase.PENDING, "JobHeldUser")
        assert (found["99999"].phase, found["99999"].reason) == (Phase.ENDED, GONE)
        slurm.cancel([job, "99999"])
        slurm.cancel([job])
        assert slurm.states([job])[job].reason == "CANCELLED"


@pytest.mark.cluster
@as_root
def test_while_the_controller_is_away_no_job_has_ended(node, running):
    job, _ = running()
    pid = int((node.state / "slurmctld.pid").read_text())
    os.kill(pid, signal.SIGTERM)
    while alive(pid):
        time.sleep(0.1)
    try:
        slurm = scheduler_named("slurm")
        assert {state.phase for state in slurm.states([job, "99999"]).values()} == {Phase.UNKNOWN}
        with pytest.raises(RunError, match="does not answer"):
            slurm.version()
    finally:
        again = script("up", node.state, ONE_NODE_PORT=node.port)
    assert again.returncode == 0, again.stderr
    node.wait(job, Phase.RUNNING)


@pytest.mark.cluster
@as_root
def test_down_ends_jobs_and_daemons_but_no_process_with_a_recycled_number():
    folder = Path(tempfile.mkdtemp(prefix="one-", dir="/tmp"))
    state = folder / "s"
    with subprocess.Popen(["/bin/sleep", "600"]) as bystander:
        try:
            up = script("up", state, ONE_NODE_PORT=free_ports())
            assert up.returncode == 0, up.stderr
            node = OneNode(state, folder, 0, 0.0)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SLURM_CONF", str(state / "slurm.conf"))
                job, output = node.submit(STUBBORN)
                node.wait(job, Phase.RUNNING)
            pids = [
                int((state / name).read_text())
                for name in ("slurmctld.pid", "slurmd.pid", "munge/pid")
            ]
            assert script("down", state).returncode == 0
            assert not [pid for pid in pids if alive(pid)]
            assert "TERM at" in output.read_text()
            assert script("status", state).returncode == 1
            (state / "slurmctld.pid").write_text(str(bystander.pid))
            assert script("down", state, "--purge").returncode == 0
            assert bystander.poll() is None
            assert not state.exists()
        finally:
            bystander.kill()
            script("down", state, "--purge")
            shutil.rmtree(folder)


# When it refuses: nothing is installed, started or removed.


def test_without_root_it_says_so(tmp_path):
    if os.geteuid() != 0:
        done = script("up", tmp_path / "s")
    else:
        shutil.copy(SCRIPT, tmp_path / "up.sh")
        done = subprocess.run(
            ["/usr/bin/setpriv", "--reuid=65534", "--clear-groups", "/bin/bash", "-s", "up"],
            input=SCRIPT.read_text(),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "need root" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@as_root
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("/proc/nowhere", "cannot be written"),
        ("/run/" + "long" * 20, "name a shorter folder"),
        ("/run/two words", "cannot hold"),
    ],
)
def test_an_unusable_folder_is_refused(place, said):
    done = script("up", place, "--no-install")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@as_root
def test_a_folder_of_something_else_is_neither_filled_nor_removed():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        precious = Path(folder) / "precious"
        precious.write_text("data")
        for words in (["up", folder], ["down", folder, "--purge"]):
            done = script(*words)
            assert done.returncode == 2
            assert len(done.stderr.splitlines()) == 1
        assert [*Path(folder).iterdir()] == [precious]


@as_root
def test_a_missing_slurm_is_not_installed_against_ones_will(tmp_path):
    for name in ("bash", "uname", "id", "ls", "mkdir", "touch", "flock", "cat", "tr", "realpath"):
        (tmp_path / name).symlink_to(shutil.which(name))
    for name in ("nproc", "dirname", "grep"):
        (tmp_path / name).symlink_to(shutil.which(name))
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        bare = script("up", f"{folder}/s", PATH=tmp_path)
        assert bare.returncode == 2
        assert "no apt-get" in bare.stderr
        (tmp_path / "apt-get").symlink_to("/bin/false")
        unwilling = script("up", f"{folder}/s", "--no-install", PATH=tmp_path)
        assert unwilling.returncode == 2
        assert "--no-install" in unwilling.stderr
        failing = script("up", f"{folder}/s", PATH=tmp_path)
        assert failing.returncode == 2
        assert "could not install" in failing.stderr


@pytest.mark.parametrize("words", [[], ["sideways"], ["up", "--purge"], ["down", "--no-install"]])
def test_a_wrong_command_line_shows_the_usage(words):
    done = script(*words)
    assert done.returncode == 2
    assert "slurm_one_node.sh up" in done.stderr
