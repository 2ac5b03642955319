"""The options that all verbs of a cluster share."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dualion.launch.cluster import Cluster

DEFAULT = "slurm"

ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        "-p",
        envvar="DUALION_CLUSTER",
        help="Cluster profile: a file, or the name of one in the launch folder.",
    ),
]
CampaignOption = Annotated[
    str | None, typer.Argument(help="Name of a submitted campaign; none: all of them.")
]


@contextmanager
def connected(profile: str, *, patience: float | None = 10.0) -> Iterator[tuple[Cluster, Path]]:
    """Open the database of a profile; gives the cluster and the profile's file.

    Raises
    ------
    InputError
        If there is no such profile, or it is wrong.
    StoreError
        If the database cannot be used.
    """
    from pymongo.errors import PyMongoError

    from dualion.errors import StoreError
    from dualion.launch.cluster import Cluster
    from dualion.launch.clusterprofile import find_profile, load_profile

    file = find_profile(profile).resolve()
    with Cluster(load_profile(file), patience=patience) as cluster:
        try:
            yield cluster, file
        except PyMongoError as problem:
            raise StoreError(
                f"the database failed ({type(problem).__name__}: {str(problem).split(',')[0]})",
                where=cluster.where,
                remedy="'dualion cluster check' tries it; then give the same command again",
            ) from problem
