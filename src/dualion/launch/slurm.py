"""Slurm: squeue, then scontrol and sacct for what squeue does not list any more."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dualion.launch.scheduler import GONE, CommandScheduler, JobState, Phase, unknown

_PENDING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"}
# Of a job that is completing, processes may still run.
_RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
_ENDED = {"COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL"}
_ENDED |= {"DEADLINE", "OUT_OF_MEMORY", "REVOKED"}

_NO_SUCH_JOB = "Invalid job id specified"


class Slurm(CommandScheduler):
    """Slurm, by its commands."""

    name = "Slurm"
    id_pattern = re.compile(r"\d+(_\d+)?")
    cancel_words = ("scancel",)
    over = re.compile(r"Invalid job id|already complet", re.IGNORECASE)

    def _states(self, ids: Sequence[str]) -> Mapping[str, JobState]:
        # All states: what ended in the last minutes is listed, too, with its reason.
        listed = self._ask(
            ["squeue", "--noheader", "--states=all", "--format=%i|%T|%r", f"--jobs={','.join(ids)}"]
        )
        if listed.code != 0 and _NO_SUCH_JOB not in listed.error:
            return unknown(ids, listed.complaint)
        found = dict(parse_squeue(listed.out))
        for job in ids:
            if job in found:
                continue
            shown = self._ask(["scontrol", "--oneliner", "show", "job", job])
            if shown.code == 0:
                found[job] = parse_scontrol(shown.out)
            elif _NO_SUCH_JOB not in shown.error + shown.out:
                found[job] = JobState(Phase.UNKNOWN, shown.complaint)
        return found | self._remembered([job for job in ids if job not in found])

    def _remembered(self, ids: Sequence[str]) -> dict[str, JobState]:
        """Look up in the accounting what the controller does not know: it is not in the queue."""
        if not ids:
            return {}
        words = ["sacct", "--parsable2", "--noheader", "--allocations", "--format=JobID,State"]
        answer = self._ask([*words, f"--jobs={','.join(ids)}"])
        kept = parse_sacct(answer.out) if answer.code == 0 else {}
        # An accounting that lags may call running what the controller has ended and forgotten.
        return {
            job: kept[job] if job in kept and kept[job].ended else JobState(Phase.ENDED, GONE)
            for job in ids
        }

    def version(self) -> str:
        """Return the version of a Slurm whose controller answers."""
        self._needed(["sinfo", "--noheader", "--format=%R"])
        text = self._needed(["squeue", "--version"]).strip()
        return f"Slurm {text.split()[-1]}" if text else "Slurm"


def state_of(word: str, detail: str = "") -> JobState:
    """Read a job's state as Slurm writes it.

    Parameters
    ----------
    word
        Such as ``RUNNING``, or ``CANCELLED by 1000``.
    detail
        Why a job is pending.
    """
    kind = word.split(maxsplit=1)[0].rstrip("+") if word.strip() else ""
    if kind in _PENDING:
        return JobState(Phase.PENDING, kind if detail in {"", "None"} else detail)
    if kind in _RUNNING:
        return JobState(Phase.RUNNING, "" if kind == "RUNNING" else kind)
    if kind in _ENDED:
        return JobState(Phase.ENDED, word.strip())
    return JobState(Phase.UNKNOWN, f"Slurm says {word!r}")


def parse_squeue(text: str) -> dict[str, JobState]:
    """Read ``squeue --noheader --format=%i|%T|%r``."""
    rows = (line.strip().split("|") for line in text.splitlines())
    return {row[0]: state_of(row[1], row[2]) for row in rows if len(row) == 3}


def parse_scontrol(text: str) -> JobState:
    """Read ``scontrol --oneliner show job``, asked for one job."""
    state = re.search(r"\bJobState=(\S+)", text)
    reason = re.search(r"\bReason=(\S+)", text)
    return state_of(state[1] if state else "", reason[1] if reason else "")


def parse_sacct(text: str) -> dict[str, JobState]:
    """Read ``sacct --parsable2 --noheader --format=JobID,State``; a job's last entry counts."""
    rows = (line.strip().split("|") for line in text.splitlines())
    return {row[0]: state_of(row[1]) for row in rows if len(row) == 2 and "." not in row[0]}
