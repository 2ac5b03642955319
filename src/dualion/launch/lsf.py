"""LSF, by bjobs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dualion.launch.scheduler import GONE, CommandScheduler, JobState, Phase

_PENDING = {"PEND", "PSUSP", "WAIT", "FWD_PEND"}
_RUNNING = {"RUN", "USUSP", "SSUSP", "PROV"}
_ENDED = {"DONE", "EXIT"}
# ZOMBI and UNKWN: the job's host is out of reach, and its processes may still run there.

_FORMAT = "jobid stat exit_code exit_reason delimiter='|'"


class Lsf(CommandScheduler):
    """An LSF, by its commands."""

    name = "LSF"
    id_pattern = re.compile(r"\d+")
    cancel_words = ("bkill",)
    over = re.compile(r"already finished|not found|No matching job", re.IGNORECASE)

    def _states(self, ids: Sequence[str]) -> Mapping[str, JobState]:
        answer = self._ask(["bjobs", "-a", "-noheader", "-o", _FORMAT, *ids])
        found = dict(parse_bjobs(answer.out))
        missing = set(re.findall(r"Job <([^>]+)> is not found", answer.error + answer.out))
        for job in ids:
            if job not in found and job in missing:
                found[job] = JobState(Phase.ENDED, GONE)
            elif job not in found:
                found[job] = JobState(Phase.UNKNOWN, answer.complaint)
        return found

    def version(self) -> str:
        """Return the version of an LSF whose master answers."""
        lines = self._needed(["lsid"]).strip().splitlines()
        return lines[0].split(",")[0].strip() if lines else "LSF"


def parse_bjobs(text: str) -> dict[str, JobState]:
    """Read ``bjobs -noheader -o`` with the columns job, state, exit code and exit reason."""
    found = {}
    for line in text.splitlines():
        job, *rest = (field.strip() for field in line.split("|"))
        if len(rest) == 3 and job:
            found[job] = _state(*rest)
    return found


def _state(word: str, code: str, reason: str) -> JobState:
    if word in _PENDING:
        return JobState(Phase.PENDING, word)
    if word in _RUNNING:
        return JobState(Phase.RUNNING, "" if word == "RUN" else word)
    if word in _ENDED:
        more = [reason] if reason not in {"", "-"} else []
        more += [f"exit code {code}"] if code not in {"", "-"} else []
        return JobState(Phase.ENDED, f"{word} ({', '.join(more)})" if more else word)
    return JobState(Phase.UNKNOWN, f"LSF says {word!r}")
