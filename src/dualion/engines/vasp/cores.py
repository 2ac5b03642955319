"""Images and cores: VASP gives every image the same number of MPI ranks, and stops if it cannot."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from dualion.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LAUNCHERS = ("srun", "mpirun", "mpiexec", "mpiexec.hydra", "orterun", "ibrun", "aprun")
_OPTION = re.compile(r"^(?:-n|-np|--np|-c|--ntasks|--n)(?:=(\d+))?$")
_SCHEDULERS = ("SLURM_NTASKS", "PBS_NP", "NSLOTS", "LSB_DJOB_NUMPROC")


def cores_of(
    command: Sequence[str], environment: Mapping[str, str] | None = None, *, told: int | None = None
) -> int | None:
    """Tell how many MPI ranks a command starts.

    Parameters
    ----------
    command
        As it is run, such as ``srun -n 48 vasp_std``.
    environment
        Of the worker; None: of this process.
    told
        Where the user says it.

    Returns
    -------
    int or None
        As told, as an option of the launcher says, or as the scheduler's variable says where there
        is a launcher; 1 for VASP itself; None: nothing tells (a script of one's own).
    """
    if told is not None:
        return told
    environment = os.environ if environment is None else environment
    launcher = os.path.basename(command[0]) if command else ""  # noqa: PTH119 - a word
    if launcher not in _LAUNCHERS:
        return 1 if launcher.startswith("vasp") else None
    for k, word in enumerate(command):
        found = _OPTION.match(word)
        if found and (launcher != "srun" or not word.startswith("-c")):
            number = found[1] or (command[k + 1] if k + 1 < len(command) else "")
            if number.isdigit():
                return int(number)
    for name in _SCHEDULERS:
        if environment.get(name, "").isdigit():
            return int(environment[name])
    return None


def check_images(images: int, cores: int | None, *, where: str = "") -> None:
    """Refuse a band that VASP would refuse.

    Parameters
    ----------
    images
        Between the two ends.
    cores
        MPI ranks; None: not known, nothing is checked.
    where
        Named in the message.

    Raises
    ------
    InputError
        The ranks cannot be shared out evenly.
    """
    if cores is None or cores % images == 0:
        return
    fits = [n for n in range(1, cores + 1) if cores % n == 0]
    near = min(fits, key=lambda n: (abs(n - images), -n))
    up = -(-cores // images) * images
    raise InputError(
        f"{cores} MPI ranks cannot be shared by {images} images",
        where=where or "the VASP command",
        remedy=f"use {up} ranks, or path: {{images: {near}}}",
    )
