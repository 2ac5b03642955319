"""A new profile of a cluster, with every choice explained."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import get_args

from dualion.errors import InputError
from dualion.launch.clusterprofile import SchedulerName, load_profile

_TEMPLATE = """\
# How campaigns run on this cluster: dualion submit CAMPAIGN --profile {name}
# 'dualion cluster check --profile {name}' tries every part of it.

scheduler: {scheduler}   # slurm, pbs, sge, lsf; none: worker processes on this machine

# Where the address of the MongoDB database is, never the address itself: an environment
# variable (env:NAME), or a file that only you can read (@FILE, chmod 600) whose first line is
# mongodb://USER:PASSWORD@HOST:PORT/NAME
database: "{database}"

# Checkpoints, results on their way, queue scripts and logs. All nodes must see it.
work: {work}

# Packages of the engines that your workers have, and how a worker is started where they are.
# Jobs go only to workers that have their engine.
engines:
{engines}
# What a queue job of each kind is given. 'options' are further keys of the queue template.
# 'point': one force evaluation, in campaigns with 'evaluations: jobs'.
resources:
  relax:    {{walltime: "02:00:00", cores: 1{partition}}}
  band:     {{walltime: "08:00:00", cores: 1{partition}}}
  point:    {{walltime: "04:00:00", cores: 1{partition}}}
  analysis: {{walltime: "00:30:00", cores: 1{partition}}}

queue_limit: 100   # no more queue jobs than this at one time
margin: 120        # seconds before its wall time at which a worker stops; another goes on
patience: 600      # seconds that a worker waits for a database that is away
"""


def write_profile(
    file: Path,
    *,
    scheduler: str,
    work: Path | None = None,
    database: str = "env:DUALION_DATABASE",
    partition: str | None = None,
) -> Path:
    """Write a profile that works as it stands, if the address of the database is there.

    Parameters
    ----------
    file
        Where to; its folder is made.
    scheduler
        ``slurm``, ``pbs``, ``sge``, ``lsf`` or ``none``.
    work
        Working folder; None: ``dualion-work`` in ``$SCRATCH``, else in the home folder.
    database
        ``env:NAME`` or ``@FILE``.
    partition
        Partition or queue for all kinds of jobs.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        If the file exists, the scheduler is unknown, or what was given makes no valid profile.
    """
    known = get_args(SchedulerName)
    if scheduler not in known:
        raise InputError(
            f"unknown scheduler {scheduler!r}",
            where="--scheduler",
            remedy=f"choose from {', '.join(known)}",
        )
    engines = "".join(f"  {name}: {{}}   # {note}\n" for name, note in _engines_here().items())
    text = _TEMPLATE.format(
        name=file.stem,
        scheduler=scheduler,
        database=database,
        work=work or _scratch() / "dualion-work",
        engines=engines,
        partition=f", partition: {partition}" if partition else "",
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as problem:
        raise InputError(
            "exists already", where=str(file), remedy="edit it, or give another --name"
        ) from problem
    try:
        load_profile(file)
    except InputError:
        with suppress(OSError):
            file.unlink()
        raise
    return file


def _engines_here() -> dict[str, str]:
    """List the packages of engines that are installed here, and what each of them offers."""
    from dualion.engines.entry import BUILT_IN
    from dualion.engines.registry import installed_version

    names: dict[str, list[str]] = {}
    for entry in BUILT_IN:
        if installed_version(entry.package):
            told = f"{entry.name} ({entry.alias})" if entry.alias else entry.name
            names.setdefault(entry.package, []).append(told)
    return {package: ", ".join(several) for package, several in names.items()}


def _scratch() -> Path:
    for name in ("SCRATCH", "WORK"):
        if os.environ.get(name):
            return Path(os.environ[name])
    return Path.home()
