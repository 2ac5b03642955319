"""What is read from the answers of schedulers.

Slurm's are recorded from Slurm 22.05; those of the others are as their manuals show them: OpenPBS
20 and Torque 6 (qstat), Son of Grid Engine 8.1 (qstat, qacct), LSF 10.1 (bjobs).
"""

from __future__ import annotations

import json
import sys

import pytest

from dualion.errors import InputError, RunError
from dualion.launch import lsf, pbs, sge, slurm
from dualion.launch.scheduler import (
    AT_A_TIME,
    GONE,
    Answer,
    JobState,
    Phase,
    run,
    scheduler_named,
)

NAMES = ("slurm", "pbs", "sge", "lsf")


class Recording:
    """Answers commands by what they begin with, and remembers them."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def __call__(self, words):
        self.asked.append(list(words))
        answer = self.answers.get(words[0].replace("-", "_"), Answer(None, error="not there"))
        return answer(words) if callable(answer) else answer


def phases(states):
    return {job: state.phase.value for job, state in states.items()}


# Slurm.

SQUEUE = """\
4|PENDING|JobHeldUser
6|RUNNING|None
7|COMPLETING|None
1|COMPLETED|None
2|CANCELLED|None
3|NODE_FAIL|NodeDown
8|TIMEOUT|TimeLimit
9|FAILED|NonZeroExitCode
"""
SCONTROL = (
    "JobId=2 JobName=trap.sh UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901758 "
    "Nice=0 Account=(null) QOS=(null) JobState=CANCELLED Reason=None Dependency=(null) Requeue=0\n"
)
NO_JOB = Answer(1, error="slurm_load_jobs error: Invalid job id specified\n")
NO_ACCOUNTING = Answer(1, error="Slurm accounting storage is disabled\n")
SACCT = "21|CANCELLED by 0\n22|TIMEOUT\n22.batch|CANCELLED\n23|RUNNING\n"
NO_CONTROLLER = Answer(
    1, error="slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"
)


def test_squeue_tells_all_states():
    found = slurm.parse_squeue(SQUEUE)
    assert phases(found) == {
        "4": "pending",
        "6": "running",
        "7": "running",
        **dict.fromkeys(["1", "2", "3", "8", "9"], "ended"),
    }
    assert found["4"].reason == "JobHeldUser"
    assert found["8"].reason == "TIMEOUT"
    assert found["3"].reason == "NODE_FAIL"


def test_a_state_of_a_newer_slurm_is_not_an_end():
    assert slurm.state_of("EVAPORATED").phase is Phase.UNKNOWN
    assert slurm.parse_scontrol("something else").phase is Phase.UNKNOWN


def test_what_squeue_does_not_list_is_looked_up():
    def scontrol(words):
        return Answer(0, SCONTROL) if words[-1] == "2" else NO_JOB

    ask = Recording(squeue=Answer(0, ""), scontrol=scontrol, sacct=Answer(0, SACCT))
    found = scheduler_named("slurm", ask).states(["2", "21", "22", "23", "99"])
    assert {job: state.reason for job, state in found.items()} == {
        "2": "CANCELLED",
        "21": "CANCELLED by 0",
        "22": "TIMEOUT",
        "23": GONE,
        "99": GONE,
    }
    assert all(state.ended for state in found.values())


def test_without_accounting_what_the_controller_does_not_know_has_ended():
    ask = Recording(squeue=NO_JOB, scontrol=NO_JOB, sacct=NO_ACCOUNTING)
    assert scheduler_named("slurm", ask).states(["99"]) == {"99": JobState(Phase.ENDED, GONE)}


def test_a_controller_that_fails_between_two_questions_ends_nothing():
    ask = Recording(squeue=Answer(0, SQUEUE), scontrol=NO_CONTROLLER, sacct=NO_ACCOUNTING)
    found = scheduler_named("slurm", ask).states(["6", "99"])
    assert phases(found) == {"6": "running", "99": "unknown"}
    assert "Unable to contact" in found["99"].reason


# PBS.

PBS_JSON = json.dumps(
    {
        "timestamp": 1700000000,
        "pbs_version": "20.0.1",
        "pbs_server": "pbs",
        "Jobs": {
            "101.pbs": {"Job_Name": "a", "job_state": "Q", "comment": "Not Running"},
            "102.pbs": {"Job_Name": "b", "job_state": "R"},
            "103.pbs": {"Job_Name": "c", "job_state": "F", "Exit_status": 0},
            "104.pbs": {"Job_Name": "d", "job_state": "F", "Exit_status": 271},
            "105.pbs": {"Job_Name": "e", "job_state": "F", "Exit_status": -29},
            "106.pbs": {"Job_Name": "f", "job_state": "F"},
            "107.pbs": {"Job_Name": "g", "job_state": "M"},
        },
    }
)
TORQUE = """\
Job Id: 201.head.cluster
    Job_Name = a
    Job_Owner = u@head.cluster
    job_state = C
    queue = batch
    Variable_List = PBS_O_HOME=/home/u,PBS_O_PATH=/usr/bin:/bin,
\tPBS_O_STATE = R,PBS_O_WORKDIR=/home/u
    exit_status = 143

Job Id: 202.head.cluster
    Job_Name = b
    job_state = H
"""


def test_qstat_of_pbs_tells_all_states():
    found = pbs.parse_qstat(PBS_JSON)
    assert list(phases(found).values()) == [
        *("pending", "running", "ended", "ended", "ended", "ended", "unknown")
    ]
    assert found["103"].reason == "exit status 0"
    assert found["104"].reason == "exit status 271 (signal 15)"
    assert found["105"].reason == "walltime exceeded"


def test_torque_has_no_json_and_takes_x_for_xml():
    def qstat(words):
        if "-F" in words:
            return Answer(2, error="qstat: invalid option -- 'F'\nusage: qstat [-f [-1]] ...\n")
        if "-x" in words:
            return Answer(
                153, "<Data><Job/></Data>", "qstat: Unknown Job Id Error 203.head.cluster\n"
            )
        return Answer(153, TORQUE, "qstat: Unknown Job Id Error 203.head.cluster\n")

    found = scheduler_named("pbs", Recording(qstat=qstat)).states(["201", "202.head", "203"])
    assert phases(found) == {"201": "ended", "202.head": "pending", "203": "ended"}
    assert found["201"].reason == "exit status 143 (signal 15)"
    assert found["203"].reason == GONE


def test_json_broken_by_a_jobs_environment_is_read_as_text():
    def qstat(words):
        text = "Job Id: 101.pbs\n    job_state = R\n" if "-F" not in words else '{"Jobs": {"a"b'
        return Answer(0, text)

    found = scheduler_named("pbs", Recording(qstat=qstat)).states(["101"])
    assert phases(found) == {"101": "running"}


# SGE.

QSTAT = """\
job-ID  prior   name       user         state submit/start at     queue          slots ja-task-ID
-------------------------------------------------------------------------------------------------
    301 0.55500 my job     u            r     11/24/2026 15:51:15 all.q@n1           1
    302 0.00000 b          u            qw    11/24/2026 15:51:15                    1
    303 0.00000 c          u            hqw   11/24/2026 15:51:15                    1
    304 0.00000 d          u            Eqw   11/24/2026 15:51:15                    1
    305 0.55500 e          u            dr    11/24/2026 15:51:15 all.q@n1           1
    306 0.55500 f          u            r     11/24/2026 15:51:15 all.q@n1           1 1
    306 0.00000 f          u            qw    11/24/2026 15:51:15                    1 2-9:1
"""
QACCT = """\
==============================================================
qname        all.q
hostname     n1
jobname      e
jobnumber    310
qsub_time    Tue Nov 24 15:51:15 2026
failed       37  : qmaster enforced h_rt, h_cpu, or h_vmem limit
exit_status  137                  (Killed)
ru_wallclock 60s
"""


def test_qstat_of_sge_tells_all_states():
    found = sge.parse_qstat(QSTAT)
    assert phases(found) == {
        "301": "running",
        "302": "pending",
        "303": "pending",
        "304": "pending",
        "305": "running",
        "306": "running",
    }
    assert found["304"].reason == "in error (Eqw)"


def test_qacct_tells_why_a_job_ended():
    def qacct(words):
        if words[-1] == "310":
            return Answer(0, QACCT)
        return Answer(1, error=f"error: job id {words[-1]} not found\n")

    found = scheduler_named("sge", Recording(qstat=Answer(0, QSTAT), qacct=qacct)).states(
        ["301", "310", "399"]
    )
    assert found["301"].phase is Phase.RUNNING
    assert found["310"].ended
    assert found["310"].reason == (
        "37 : qmaster enforced h_rt, h_cpu, or h_vmem limit; exit status 137"
    )
    assert found["399"] == JobState(Phase.ENDED, GONE)
    assert sge.parse_qacct("failed       0\nexit_status  0\n").reason == "exit status 0"


# LSF.

BJOBS = """\
401|PEND|-|-
402|RUN|-|-
403|DONE|-|-
404|EXIT|140|TERM_RUNLIMIT: job killed after reaching LSF run time limit
405|UNKWN|-|-
406|ZOMBI|-|-
"""


def test_bjobs_tells_all_states():
    found = lsf.parse_bjobs(BJOBS)
    assert list(phases(found).values()) == [
        *("pending", "running", "ended", "ended", "unknown", "unknown")
    ]
    assert found["404"].reason == (
        "EXIT (TERM_RUNLIMIT: job killed after reaching LSF run time limit, exit code 140)"
    )


def test_bjobs_names_what_it_does_not_know():
    answer = Answer(255, BJOBS, "Job <499> is not found\n")
    found = scheduler_named("lsf", Recording(bjobs=answer)).states(["402", "499", "500"])
    assert phases(found) == {"402": "running", "499": "ended", "500": "unknown"}


# All of them.


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "answer",
    [
        Answer(None, error="did not answer within 60 s"),
        Answer(1, error="cannot connect to server"),
        Answer(255, error="LSF is down. Please wait ..."),
        Answer(1),
    ],
    ids=["timeout", "refused", "down", "silent"],
)
def test_a_scheduler_that_cannot_be_asked_has_ended_no_job(name, answer):
    class Unreachable(Recording):
        def __call__(self, words):  # noqa: ARG002 - says the same to all
            return answer

    found = scheduler_named(name, Unreachable()).states(["1", "2"])
    assert phases(found) == {"1": "unknown", "2": "unknown"}
    with pytest.raises(RunError):
        scheduler_named(name, Unreachable()).version()
    with pytest.raises(RunError):
        scheduler_named(name, Unreachable()).cancel(["1"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("job", ["", "1 2", "-u", "$(id)", "1;rm", "all", "1\n2"])
def test_what_is_no_id_never_becomes_an_argument(name, job):
    ask = Recording()
    for method in ("states", "cancel"):
        with pytest.raises(InputError):
            getattr(scheduler_named(name, ask), method)(["1", job])
    assert not [words for words in ask.asked if job in words]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_asked_about_no_jobs(name):
    ask = Recording()
    scheduler_named(name, ask).cancel([])
    assert scheduler_named(name, ask).states([]) == {}
    assert ask.asked == []


def test_many_jobs_are_asked_for_in_several_commands():
    ids = [str(n) for n in range(1, 2 * AT_A_TIME + 2)]

    def squeue(words):
        asked = words[-1].removeprefix("--jobs=").split(",")
        assert len(asked) <= AT_A_TIME
        return Answer(0, "".join(f"{job}|RUNNING|None\n" for job in asked))

    ask = Recording(squeue=squeue)
    assert set(phases(scheduler_named("slurm", ask).states(ids)).values()) == {"running"}
    assert len(ask.asked) == 3


@pytest.mark.parametrize(
    ("name", "word", "text"),
    [
        (
            "slurm",
            "scancel",
            "scancel: error: Kill job error on job id 9: Invalid job id specified",
        ),
        ("pbs", "qdel", "qdel: Job has finished 9.pbs"),
        ("sge", "qdel", 'denied: job "9" does not exist'),
        ("lsf", "bkill", "Job <9>: Job has already finished"),
    ],
)
def test_cancelling_what_has_ended_is_no_error(name, word, text):
    scheduler_named(name, Recording(**{word: Answer(1, error=text + "\n")})).cancel(["9"])
    denied = Answer(1, error=f"{text}\npermission denied\n")
    with pytest.raises(RunError, match="did not cancel jobs 9"):
        scheduler_named(name, Recording(**{word: denied})).cancel(["9"])


def test_an_unknown_scheduler_is_refused():
    with pytest.raises(InputError, match="moab"):
        scheduler_named("moab")


def test_a_command_that_is_missing_or_hangs_gives_no_answer(monkeypatch):
    assert run(["no-such-command-here"]).code is None
    monkeypatch.setattr("dualion.launch.scheduler.SECONDS", 0.2)
    answer = run([sys.executable, "-c", "import time; time.sleep(20)"])
    assert answer.code is None
    assert "did not answer" in answer.error
