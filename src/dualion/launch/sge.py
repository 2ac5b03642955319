"""SGE and its descendants: qstat for what is in the queue, qacct for what was."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dualion.launch.scheduler import GONE, CommandScheduler, JobState, Phase, unknown


class Sge(CommandScheduler):
    """An SGE, by its commands."""

    name = "SGE"
    id_pattern = re.compile(r"\d+")
    cancel_words = ("qdel",)
    over = re.compile(r"does not exist|already in deletion|registered the job", re.IGNORECASE)

    def _states(self, ids: Sequence[str]) -> Mapping[str, JobState]:
        # 'qstat -j' says much of a job, but not its state.
        listed = self._ask(["qstat", "-u", "*"])
        if listed.code != 0:
            return unknown(ids, listed.complaint)
        found = dict(parse_qstat(listed.out))
        for job in ids:
            if job not in found:
                past = self._ask(["qacct", "-j", job])
                found[job] = parse_qacct(past.out if past.code == 0 else "")
        return found

    def version(self) -> str:
        """Return the version of an SGE whose master answers."""
        self._needed(["qstat", "-u", "*"])
        lines = self._ask(["qstat", "-help"]).out.strip().splitlines()
        return lines[0].strip() if lines else "SGE"


# The name of a job may hold spaces; what comes before the date is the state.
_ROW = re.compile(r"^\s*(\d+)\s.*\s([A-Za-z]+)\s+\d\d/\d\d/\d{4}\s", re.MULTILINE)


def parse_qstat(text: str) -> dict[str, JobState]:
    """Read the table of ``qstat``; of an array, a task that runs counts."""
    found: dict[str, JobState] = {}
    for job, letters in _ROW.findall(text):
        waits = "q" in letters or "w" in letters
        if waits and job in found:
            continue
        if waits:
            held = "in error" if "E" in letters else "held" if "h" in letters else "queued"
            found[job] = JobState(Phase.PENDING, f"{held} ({letters})")
        else:
            found[job] = JobState(Phase.RUNNING, "" if letters == "r" else letters)
    return found


def parse_qacct(text: str) -> JobState:
    """Read ``qacct -j`` of a job that is not in the queue any more; its last run counts."""
    fields = dict(re.findall(r"^(\w+)\s+(.*?)\s*$", text, flags=re.MULTILINE))
    if "exit_status" not in fields:
        return JobState(Phase.ENDED, GONE)
    status = f"exit status {fields['exit_status'].split()[0]}"
    failed = fields.get("failed", "0")
    if failed.split()[0] == "0":
        return JobState(Phase.ENDED, status)
    return JobState(Phase.ENDED, f"{' '.join(failed.split())}; {status}")
