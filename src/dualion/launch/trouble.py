"""What is found wrong with the jobs of a cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trouble:
    """One thing that was found, and what was done about it."""

    what: str
    name: str
    why: str
    done: str
    campaign: str = ""
    fw_id: int | None = None
    queue_id: str = ""
