"""What a user may set: physics settings of a campaign, and places on this machine.

Physics settings are frozen records that travel inside job documents and enter the
fingerprint of a result. :class:`Places` reads the environment (``DUALION_…``) and says where
runs and stores lie; it never enters a result.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ALGORITHM = "3"
"""Version of dualion's own algorithms; raised when the same input may give another barrier."""


_ADDRESS = re.compile(r"\s*(?:@|mongodb(?:\+srv)?:)", re.IGNORECASE)


class PhysicsSettings(BaseModel):
    """Base of the settings that enter a result's fingerprint."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CellSettings(PhysicsSettings):
    """How large the supercell of a hop must be."""

    min_image_distance: float = Field(
        10.0, gt=2.0, le=60.0, description="Shortest distance of an ion to its own image, in Å."
    )
    max_atoms: int = Field(300, ge=2, description="No supercell has more atoms than this.")


class RelaxSettings(PhysicsSettings):
    """When a relaxation has converged."""

    fmax: float = Field(0.01, gt=0.0, le=1.0, description="Largest force on an atom, in eV/Å.")
    steps: int = Field(300, ge=1, description="Force calls after which it is unconverged.")


class HostSettings(PhysicsSettings):
    """What is done to the framework before anything is removed from it."""

    relax_cell: bool = Field(default=True, description="Relax lattice and sites, keeping symmetry.")
    relax: RelaxSettings = RelaxSettings(fmax=0.01)
    rattle: float = Field(0.05, ge=0.0, le=0.3, description="Width of the rattle, in Å.")
    fall_per_atom: float = Field(
        0.002, gt=0.0, description="A fall in eV/atom beyond which the host is no minimum."
    )
    fall_per_cell: float = Field(
        0.05, gt=0.0, description="A fall in eV/supercell beyond which the host is no minimum."
    )


class HopSettings(PhysicsSettings):
    """Which hops are computed."""

    max_length: float | None = Field(
        None,
        gt=0.5,
        le=12.0,
        description="Longest hop in the framework as given, in Å; None: until they percolate.",
    )
    members: int = Field(
        1, ge=1, le=48, description="Hops computed per class (more than one: for broken symmetry)."
    )
    classes: tuple[str, ...] | None = Field(
        None, description="Only these hop classes (as printed, e.g. 'h1'); None: all."
    )


class PathSettings(PhysicsSettings):
    """How the first guess of a path is made."""

    images: int = Field(5, ge=1, le=31, description="Images between the two end points.")
    kick: float = Field(
        0.6, ge=0.0, le=1.5, description="Sideways push of the mover at mid-path, in Å."
    )
    rattle: float = Field(0.05, ge=0.0, le=0.3, description="Width of the image rattle, in Å.")
    min_distance: float = Field(
        0.8, gt=0.0, le=2.0, description="Two atoms of an image closer than this clash, in Å."
    )
    from_first_ion: bool = Field(
        default=True,
        description="The second ion's climb starts where the first ion's band of the same hop in "
        "the same surroundings has its saddle (with `method: adaptive`).",
    )


class BandSettings(PhysicsSettings):
    """How a band is converged."""

    method: Literal["full", "adaptive", "surrogate"] = Field(
        "full",
        description="'full': a nudged elastic band. 'adaptive': one climbing image and the proof "
        "of its saddle, the full band where that does not close. 'surrogate': a band on a "
        "surrogate made of the campaign's `prior`, the engine being asked near the saddle alone.",
    )
    fmax: float = Field(
        0.03, gt=0.0, le=1.0, description="Largest NEB force on the climbing image, in eV/Å."
    )
    fmax_flanks: float = Field(
        0.1, gt=0.0, le=2.0, description="Largest NEB force on the other images, in eV/Å."
    )
    climb_from: float = Field(
        0.5, gt=0.0, description="NEB force in eV/Å below which the highest image climbs."
    )
    spring: float = Field(5.0, gt=0.0, description="Spring constant, in eV/Å².")
    steps: int = Field(150, ge=1, description="Band steps after which it is unconverged.")


class Places(BaseSettings):
    """Where things lie on this machine.

    Read from the environment: ``DUALION_RUNS``, ``DUALION_STORE``, ``DUALION_LIBRARY``,
    ``DUALION_ENGINES``, ``DUALION_WORKERS``, ``DUALION_PIN``.
    """

    model_config = SettingsConfigDict(env_prefix="DUALION_", extra="ignore")

    runs: Path = Field(Path("runs"), description="Folder of run folders, job ledger, checkpoints.")
    store: Path | str | None = Field(
        None,
        repr=False,  # an address may hold a password
        description="Barrier store: a path, a mongodb:// address or @FILE; None: barriers.sqlite "
        "in runs.",
    )
    library: Path | None = Field(
        None, description="Framework library folder; None: ./structures, else the one shipped."
    )
    engines: Path | None = Field(None, description="YAML file with further engine entries.")
    workers: int | None = Field(None, ge=1, description="Worker processes; None: one per core.")
    pin: bool = Field(
        default=False,
        description="Keep each worker on one CPU, if there are as many as workers. Not where "
        "several runs share a machine: all would take the same CPUs.",
    )

    @field_validator("store", mode="before")
    @classmethod
    def _keep_addresses(cls, value: object) -> object:
        # A path makes one slash of two; an address is kept as it is.
        is_path = isinstance(value, str) and not _ADDRESS.match(value)
        return Path(value) if is_path and isinstance(value, str) else value
