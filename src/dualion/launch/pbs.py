"""PBS: OpenPBS, PBS Professional and Torque, by qstat."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from dualion.launch.scheduler import GONE, CommandScheduler, JobState, Phase, unknown

_PENDING = {"Q": "queued", "H": "held", "W": "waiting for its time", "T": "in transit"}
_RUNNING = {"R": "", "E": "exiting", "B": "begun", "S": "suspended", "U": "suspended: user active"}
_ENDED = {"F", "X", "C"}

_MEANING = {-29: "walltime exceeded", -24: "memory exceeded", -2: "could not be started"}

# What ended is shown by -x; Torque takes that for XML, and knows no other format.
_ASKED = (("-x", "-f", "-F", "json"), ("-x", "-f"), ("-f",))


class Pbs(CommandScheduler):
    """A PBS, by its commands."""

    name = "PBS"
    id_pattern = re.compile(r"\d+(\[\d*\])?(\.[A-Za-z0-9._-]+)?")
    cancel_words = ("qdel",)
    over = re.compile(r"Unknown Job|has finished|invalid state for job", re.IGNORECASE)

    def _states(self, ids: Sequence[str]) -> Mapping[str, JobState]:
        why = ""
        for options in _ASKED:
            answer = self._ask(["qstat", *options, *ids])
            found = parse_qstat(answer.out)
            missing = {_number(each) for each in _UNKNOWN.findall(answer.error)}
            unread = bool(answer.out.strip()) and not found  # XML, or JSON that is none
            if (found or missing) and not unread:
                return {
                    job: found[_number(job)]
                    if _number(job) in found
                    else JobState(Phase.ENDED, GONE)
                    if _number(job) in missing
                    else JobState(Phase.UNKNOWN, answer.complaint)
                    for job in ids
                }
            why = why or answer.complaint
            if answer.code is None:
                break
        return unknown(ids, why)

    def version(self) -> str:
        """Return the version of a PBS whose server answers."""
        self._needed(["qstat", "-B"])
        answer = self._ask(["qstat", "--version"])
        number = re.search(r"\d+(\.\d+)+", answer.out + answer.error)
        return f"PBS {number[0]}" if number else "PBS"


_UNKNOWN = re.compile(r"(?:Unknown Job Id(?: Error)?:?\s+)([0-9][^\s:]*)", re.IGNORECASE)


def parse_qstat(text: str) -> dict[str, JobState]:
    """Read ``qstat -f``, as JSON or as text; the keys are the ids without the server's name."""
    try:
        document: Any = json.loads(text)
    except ValueError:
        return _parse_text(text)
    jobs = document.get("Jobs", {}) if isinstance(document, dict) else {}
    return {
        _number(job): _state(str(fields.get("job_state", "")), fields.get("Exit_status"))
        for job, fields in jobs.items()
    }


def _parse_text(text: str) -> dict[str, JobState]:
    found = {}
    # Also JSON that is broken by a quote in a job's environment comes here, and has no such line.
    for block in re.split(r"^Job Id:\s*", text, flags=re.MULTILINE)[1:]:
        fields = dict(re.findall(r"^\s+(\w+) = (.*)$", block, flags=re.MULTILINE))
        status = fields.get("Exit_status", fields.get("exit_status"))
        found[_number(block.split()[0])] = _state(fields.get("job_state", ""), status)
    return found


def _state(letter: str, status: str | int | None) -> JobState:
    if letter in _PENDING:
        return JobState(Phase.PENDING, _PENDING[letter])
    if letter in _RUNNING:
        return JobState(Phase.RUNNING, _RUNNING[letter])
    if letter in _ENDED:
        return JobState(Phase.ENDED, _reason(status))
    return JobState(Phase.UNKNOWN, f"PBS says {letter!r}")


def _reason(status: str | int | None) -> str:
    try:
        code = int(str(status))
    except ValueError:
        return "ended before it started"
    if code in _MEANING:
        return _MEANING[code]
    # PBS adds 256 to the number of a signal, a shell 128.
    signal = code - 256 if code > 256 else code - 128 if 128 < code < 160 else 0
    return f"exit status {code}" + (f" (signal {signal})" if signal else "")


def _number(job: str) -> str:
    return job.partition(".")[0]
