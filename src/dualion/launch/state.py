"""Where a run stands, for whoever shows it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from dualion.analysis.promotion import Promotion
from dualion.analysis.solution import Solution
from dualion.records import HopRecord, HostState


@dataclass
class RunState:
    """Where a run stands; what a display shows."""

    total: int = 0
    done: int = 0
    reused: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    records: list[HopRecord] = field(default_factory=list)
    hosts: list[HostState] = field(default_factory=list)
    promotions: list[Promotion] = field(default_factory=list)
    solutions: list[Solution] = field(default_factory=list)
    force_calls: int = 0
    reused_calls: int = 0
    running: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    workers: int = 1
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the mean of each kind of job so far; None before the first."""
        known = {kind: sum(times) / len(times) for kind, times in self.seconds.items() if times}
        if not known:
            return None
        mean = max(known.values())
        work = sum(count * known.get(kind, mean) for kind, count in self.waiting.items())
        return work / max(1, self.workers)


class Observer(Protocol):
    """Whoever watches a run."""

    def changed(self, state: RunState) -> None:
        """Look at the state; called at every event and about five times a second."""
