"""What dualion asks a scheduler: what became of queue jobs, and to cancel them."""

from __future__ import annotations

import os
import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from dualion.errors import InputError, RunError

SECONDS = 60.0
"""A scheduler that has not answered after this long is taken for unreachable."""

AT_A_TIME = 200
"""Ids in one command: a command line has an end."""

GONE = "unknown to the scheduler"
"""Why a job has ended that its scheduler has never heard of, or has forgotten."""


class Phase(StrEnum):
    """Where a queue job is."""

    PENDING = "pending"
    RUNNING = "running"
    ENDED = "ended"
    UNKNOWN = "unknown"
    """The scheduler could not be asked, or gave no clear answer. Never to be taken for ended."""


@dataclass(frozen=True)
class JobState:
    """Where a queue job is, and why, in the scheduler's words."""

    phase: Phase
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether the scheduler says that it is over, with its processes."""
        return self.phase is Phase.ENDED


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code; None if it did not run or did not end."""

    code: int | None
    out: str = ""
    error: str = ""

    @property
    def complaint(self) -> str:
        """The first line of what went wrong."""
        lines = [line.strip() for line in (self.error or self.out).splitlines() if line.strip()]
        return lines[0] if lines else f"exit code {self.code}"


Run = Callable[[Sequence[str]], Answer]


def run(words: Sequence[str]) -> Answer:
    """Run a command without a shell, for at most :data:`SECONDS`, and wait for it."""
    try:
        done = subprocess.run(  # noqa: S603 - our own words, and ids that were checked
            list(words),
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
            env=os.environ | {"LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        return Answer(None, error=f"{words[0]} did not answer within {SECONDS:.0f} s")
    except OSError as problem:
        return Answer(None, error=f"{words[0]}: {problem.strerror or problem}")
    return Answer(done.returncode, done.stdout, done.stderr)


class Scheduler(Protocol):
    """What each scheduler does for dualion."""

    def states(self, ids: Sequence[str]) -> dict[str, JobState]:
        """Say where each job is.

        Every id that is asked for is answered; if the scheduler cannot be asked, with
        :attr:`Phase.UNKNOWN`.
        """

    def cancel(self, ids: Sequence[str]) -> None:
        """Cancel jobs; that one has ended already is no error.

        Raises
        ------
        RunError
            If the scheduler does not take it.
        """

    def version(self) -> str:
        """Return name and version of a scheduler that answers.

        Raises
        ------
        RunError
            If it is not there or does not answer.
        """


class CommandScheduler(ABC):
    """A scheduler that is asked by commands.

    Parameters
    ----------
    ask
        Runs a command; tests give one that answers from a recording.
    """

    name: ClassVar[str]
    id_pattern: ClassVar[re.Pattern[str]]
    cancel_words: ClassVar[tuple[str, ...]]
    over: ClassVar[re.Pattern[str]]
    """What is printed of a job that cannot be cancelled because it is over."""

    def __init__(self, ask: Run = run) -> None:
        self._ask = ask

    @abstractmethod
    def _states(self, ids: Sequence[str]) -> Mapping[str, JobState]:
        """Say where the jobs of one command line are; ids left out are unknown."""

    @abstractmethod
    def version(self) -> str:
        """Return name and version of a scheduler that answers."""

    def states(self, ids: Sequence[str]) -> dict[str, JobState]:
        """Say where each job is; see :class:`Scheduler`."""
        found: dict[str, JobState] = {}
        for part in self._parts(ids):
            answered = self._states(part)
            for job in part:
                found[job] = answered.get(job, JobState(Phase.UNKNOWN, "no answer"))
        return found

    def cancel(self, ids: Sequence[str]) -> None:
        """Cancel jobs; see :class:`Scheduler`."""
        for part in self._parts(ids):
            answer = self._ask([*self.cancel_words, *part])
            if answer.code == 0:
                continue
            lines = [line for line in (answer.error + answer.out).splitlines() if line.strip()]
            if answer.code is None or not lines or not all(map(self.over.search, lines)):
                raise RunError(
                    f"{self.name} did not cancel {_some(part)} ({answer.complaint})",
                    where=self.cancel_words[0],
                    remedy="cancel them by hand",
                )

    def _parts(self, ids: Iterable[str]) -> Iterator[list[str]]:
        unique = list(dict.fromkeys(ids))
        for job in unique:
            if not self.id_pattern.fullmatch(job):
                raise InputError(
                    f"{job!r} is no job id of {self.name}",
                    where="queue",
                    remedy="name the scheduler that the jobs were sent to in the profile",
                )
        for start in range(0, len(unique), AT_A_TIME):
            yield unique[start : start + AT_A_TIME]

    def _needed(self, words: Sequence[str]) -> str:
        """Return what a command prints that must work.

        Raises
        ------
        RunError
            If it does not.
        """
        answer = self._ask(words)
        if answer.code != 0:
            raise RunError(
                f"{self.name} does not answer ({answer.complaint})",
                where=words[0],
                remedy="run this on a node from which jobs can be submitted",
            )
        return answer.out


def unknown(ids: Iterable[str], why: str) -> dict[str, JobState]:
    """Return the state of jobs of which nothing can be said."""
    return {job: JobState(Phase.UNKNOWN, why) for job in ids}


def scheduler_named(name: str, ask: Run = run) -> Scheduler:
    """Return the scheduler of a profile.

    Parameters
    ----------
    name
        ``slurm``, ``pbs`` (also for Torque), ``sge`` or ``lsf``.
    ask
        Runs its commands.

    Raises
    ------
    InputError
        If dualion does not know it.
    """
    from dualion.launch.lsf import Lsf
    from dualion.launch.pbs import Pbs
    from dualion.launch.sge import Sge
    from dualion.launch.slurm import Slurm

    known: dict[str, type[CommandScheduler]] = {
        "slurm": Slurm,
        "pbs": Pbs,
        "sge": Sge,
        "lsf": Lsf,
    }
    if name not in known:
        raise InputError(
            f"no scheduler {name!r}", where="scheduler", remedy=f"take one of {', '.join(known)}"
        )
    return known[name](ask)


def _some(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:5])
    return f"jobs {shown} and {len(ids) - 5} more" if len(ids) > 5 else f"jobs {shown}"
