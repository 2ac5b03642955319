"""The profile of a cluster: its scheduler, its database, and what each kind of job is given."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dualion.errors import InputError
from dualion.launch.patience import PATIENCE
from dualion.workflows.campaign import explain, read_yaml

FOLDER = Path("launch")
"""Where a profile given by its bare name is looked for."""

SchedulerName = Literal["slurm", "pbs", "sge", "lsf", "none"]
JobKind = Literal["relax", "band", "point", "dft", "analysis"]

_WALLTIME = re.compile(r"(?:(\d+)-)?(\d{1,3}):([0-5]\d)(?::([0-5]\d))?")
_PLAIN = r"^[\w.,:/@%+=-]*$"
"""What may stand in a line of a queue script: nothing that a shell or a new line could use."""

_Plain = Annotated[str, Field(pattern=_PLAIN)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Resources(_Part):
    """What one queue job of a kind is given."""

    partition: _Plain | None = Field(None, description="Partition or queue.")
    walltime: str = Field("01:00:00", description="As HH:MM:SS, or D-HH:MM:SS.")
    cores: int = Field(1, ge=1, le=4096, description="Cores on one node.")
    memory: _Plain | None = Field(None, description="As the scheduler writes it, such as 4G.")
    gpus: int = Field(0, ge=0, le=64)
    options: dict[str, _Plain | int] = Field(
        default_factory=dict, description="Further keys of the queue template (account, qos, ...)."
    )

    @field_validator("walltime")
    @classmethod
    def _known_form(cls, text: str) -> str:
        if not _WALLTIME.fullmatch(text):
            msg = "must be HH:MM:SS or D-HH:MM:SS, in quotes"
            raise ValueError(msg)
        return text

    @property
    def seconds(self) -> int:
        """Wall time, in s."""
        found = _WALLTIME.fullmatch(self.walltime)
        assert found is not None  # noqa: S101 - validated above
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


class Environment(_Part):
    """How a worker that has an engine is started."""

    setup: tuple[str, ...] = Field((), description="Shell lines before the worker is started.")
    command: str | None = Field(
        None, description="Starts dualion there; None: the Python that writes the queue script."
    )


class ClusterProfile(_Part):
    """How campaigns are run on a cluster."""

    scheduler: SchedulerName
    database: str = Field(
        "env:DUALION_DATABASE",
        description="Where the address of the database is: 'env:NAME', or '@FILE' (mode 0600).",
    )
    work: Path = Field(
        description="Folder of checkpoints, spooled results, launches and logs; all nodes see it."
    )
    engines: dict[str, Environment] = Field(
        description="Packages of the engines that these workers have, such as chgnet or sevenn."
    )
    resources: dict[JobKind, Resources] = Field(default_factory=dict)
    queue_limit: int = Field(100, ge=1, description="No more queue jobs than this at one time.")
    margin: float = Field(
        120.0, ge=0.0, description="Seconds before the wall time at which a worker stops."
    )
    patience: float = Field(
        PATIENCE, gt=0.0, description="Seconds a worker waits for a database that is away."
    )
    template: Path | None = Field(
        None, description="Queue template; None: the one of FireWorks for the scheduler."
    )

    @field_validator("work", "template")
    @classmethod
    def _expanded(cls, path: Path | None) -> Path | None:
        return None if path is None else Path(os.path.expandvars(path)).expanduser().absolute()

    @field_validator("database")
    @classmethod
    def _no_secret(cls, text: str) -> str:
        if not text.startswith(("env:", "@")):
            msg = (
                "holds the address itself; name where it is instead: env:NAME for an environment "
                "variable, @FILE for a file that only you can read"
            )
            raise ValueError(msg)
        return text

    @model_validator(mode="after")
    def _margin_fits(self) -> Self:
        for kind, resources in self.resources.items():
            if resources.seconds <= self.margin:
                msg = (
                    f"the wall time of {kind!r} ({resources.walltime}) is not longer than the "
                    f"margin of {self.margin:.0f} s"
                )
                raise ValueError(msg)
        return self

    def given(self, kind: JobKind) -> Resources:
        """Resources of a kind of job; the defaults where the profile says nothing."""
        return self.resources.get(kind, Resources())

    def packages(self, engine: str | None = None) -> list[str]:
        """Engine packages that are meant: one, or all that the workers have."""
        return list(self.engines) if engine is None else [engine]

    def command(self, engine: str) -> str:
        """Command that starts dualion in the environment of an engine."""
        own = self.engines[engine].command if engine in self.engines else None
        return own or f"{sys.executable} -m dualion.cli"


def find_profile(name: str | Path, *, folder: Path = FOLDER) -> Path:
    """Find a profile by its bare name (``slurm``) or its path.

    Raises
    ------
    InputError
        If there is no such file.
    """
    given = Path(name)
    bare = not given.suffix and given.parent == Path()
    file = folder / f"{given}.yaml" if bare else given
    if file.is_file():
        return file
    others = sorted(path.stem for path in file.parent.glob("*.yaml"))
    near = get_close_matches(file.stem, others, n=1)
    remedy = (
        f"did you mean {near[0]!r}?"
        if near
        else "write one with 'dualion cluster init', or give its path"
    )
    raise InputError("there is no such profile", where=str(file), remedy=remedy)


def load_profile(file: Path) -> ClusterProfile:
    """Read a cluster profile.

    Parameters
    ----------
    file
        YAML, as ``dualion cluster init`` writes it.

    Returns
    -------
    ClusterProfile
        Relative paths in it start at the folder one is in.

    Raises
    ------
    InputError
        Naming file, field, the value seen and the remedy.
    """
    data = read_yaml(file, error=InputError)
    if "scheduler" not in data:
        raise InputError(
            "is no profile of a cluster (it has no 'scheduler')",
            where=str(file),
            remedy="write one with 'dualion cluster init', or add 'scheduler: slurm'",
        )
    engines = data.get("engines")
    if isinstance(engines, Mapping):  # 'chgnet:' with nothing behind it is an empty environment
        data["engines"] = {name: each or {} for name, each in engines.items()}
    try:
        return ClusterProfile.model_validate(data)
    except ValidationError as problem:
        field, what, remedy = _explained(problem)
        raise InputError(what, where=f"{file}: {field}", remedy=remedy) from problem


def _explained(problem: ValidationError) -> tuple[str, str, str]:
    """Explain what is wrong; a value that may be a password is not shown."""
    first = problem.errors()[0]
    places = first["loc"]
    if not places:  # of the whole: the values would be all of the profile
        return "resources", first["msg"].removeprefix("Value error, "), "raise the wall time"
    if places[0] == "database":
        return "database", first["msg"].removeprefix("Value error, "), ""
    if places[0] in {"resources", "engines"} and len(places) == 3:  # a mapping of parts
        part: type[BaseModel] = Resources if places[0] == "resources" else Environment
        try:
            part.model_validate({places[2]: first.get("input")})
        except ValidationError as inner:
            field, what, remedy = explain(inner, part)
            return f"{places[0]}.{places[1]}.{field}", what, remedy
    return explain(problem, ClusterProfile)
