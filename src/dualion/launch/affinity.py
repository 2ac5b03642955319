"""Which CPU a worker stays on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

CPU = "DUALION_CPU"
"""Environment variable by which the pool tells a worker its CPU."""

TOPOLOGY = Path("/sys/devices/system/cpu")


def cpus_for(workers: int, *, topology: Path = TOPOLOGY) -> tuple[int, ...]:
    """Choose one CPU for each worker.

    Parameters
    ----------
    workers
        Number of workers.
    topology
        Where Linux describes its CPUs.

    Returns
    -------
    tuple of int
        Of different cores as far as there are enough; empty if this process may use fewer CPUs than
        there are workers, or the platform cannot tell.
    """
    try:
        allowed = sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on this platform
        return ()
    if len(allowed) < workers:
        return ()
    return tuple(_by_core(allowed, topology)[:workers])


def _by_core(allowed: Iterable[int], topology: Path) -> list[int]:
    """Sort CPUs so that the second hyperthread of a core comes after all first ones."""
    met: dict[str, int] = {}
    place = {}
    for cpu in allowed:
        core = str(cpu)
        with suppress(OSError, UnicodeDecodeError):
            file = topology / f"cpu{cpu}" / "topology" / "thread_siblings_list"
            core = file.read_text(encoding="ascii").strip()
        place[cpu] = met[core] = met.get(core, -1) + 1
    return sorted(place, key=lambda cpu: (place[cpu], cpu))


def stay() -> None:
    """Keep this process on the CPU that :data:`CPU` names; do nothing if that cannot be."""
    with suppress(KeyError, ValueError, AttributeError, OSError):
        os.sched_setaffinity(0, {int(os.environ[CPU])})
