"""Hop records from raw outputs into the barrier store of the same database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualion.launch.delivery import OutputStore, uuid_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dualion.launch.cluster import Cluster
    from dualion.store.builder import BuildReport


def curate(
    cluster: Cluster, keys: Iterable[str] | None = None, *, retry: bool = False
) -> BuildReport:
    """Build the records of some outputs, or of all that are new.

    Parameters
    ----------
    cluster
        Its outputs are read, its barrier store is written.
    keys
        Of outputs; None: all that were not built yet.
    retry
        Look again at outputs that were set aside.

    Returns
    -------
    BuildReport
        What was added, was there, is not ready or was set aside.
    """
    from dualion.store.builder import build
    from dualion.store.mongo import MongoBarrierStore

    only = None if keys is None else [uuid_of(key) for key in keys]
    outputs = OutputStore(cluster)
    with MongoBarrierStore(cluster.database) as store:
        return build(
            cluster.outputs,
            store,
            only=only,
            retry=retry,
            resolve=lambda uuid: outputs.whole({"uuid": uuid}),
        )
