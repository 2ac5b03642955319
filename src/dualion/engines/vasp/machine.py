"""How VASP is run on this machine: never part of a result."""

from __future__ import annotations

import shlex
from os.path import expandvars
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from dualion.errors import InputError


class Machine(BaseSettings):
    """Read from the environment, ``DUALION_VASP_VTST`` and so on; the commands are atomate2's.

    A profile of a cluster sets these in the ``setup`` lines of the engine ``atomate2``.
    """

    model_config = SettingsConfigDict(env_prefix="DUALION_VASP_", extra="ignore")

    vtst: bool | None = Field(
        None, description="Whether this VASP has VTST; None: its output tells in the first run."
    )
    cores: int | None = Field(
        None, ge=1, description="MPI ranks of a run; None: as the command or the scheduler says."
    )
    ncore: int | None = Field(None, ge=1, description="NCORE: ranks that share an orbital.")
    kpar: int | None = Field(None, ge=1, description="KPAR: groups of ranks for k-points.")
    poll: float = Field(5.0, gt=0.0, description="Seconds between two looks at a running VASP.")
    corrections: int = Field(8, ge=0, description="Corrections of one run before it has failed.")
    keep: Path | None = Field(
        None, description="Folder of finished runs; None: 'vasp' beside the checkpoints."
    )

    @classmethod
    def here(cls) -> Self:
        """Read the environment.

        Raises
        ------
        InputError
            A variable has a value that cannot be.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = f"DUALION_VASP_{str(first['loc'][0]).upper()}"
            raise InputError(
                f"{first['msg']} (seen: {first['input']!r})",
                where=name,
                remedy="see the table of variables in docs/vasp.md, or unset it",
            ) from error

    @property
    def command(self) -> tuple[str, ...]:
        """Starts VASP: ``ATOMATE2_VASP_CMD``, or ``VASP_CMD`` in ``~/.atomate2.yaml``."""
        from atomate2.settings import Atomate2Settings

        return tuple(shlex.split(expandvars(Atomate2Settings().VASP_CMD)))

    @property
    def gamma_command(self) -> tuple[str, ...]:
        """Starts VASP for Γ alone: ``ATOMATE2_VASP_GAMMA_CMD``."""
        from atomate2.settings import Atomate2Settings

        return tuple(shlex.split(expandvars(Atomate2Settings().VASP_GAMMA_CMD)))
