"""Hop records from raw outputs into the barrier store of the same database."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Self

from dualion.launch.delivery import OutputStore, uuid_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from dualion.launch.cluster import Cluster
    from dualion.store.builder import BuildReport
    from dualion.store.mongo import MongoBarrierStore


class Curator:
    """Builds records from the outputs of a cluster, over connections that stay open.

    Parameters
    ----------
    cluster
        Its outputs are read, its barrier store is written.
    outputs
        Open already; None: opened when needed, and closed at the end.
    """

    def __init__(self, cluster: Cluster, outputs: OutputStore | None = None) -> None:
        self.cluster = cluster
        self.outputs = outputs or OutputStore(cluster)
        self._owned = outputs is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._owned:
            self.outputs.close()

    @cached_property
    def store(self) -> MongoBarrierStore:
        """The barrier store, over the cluster's own connection."""
        from dualion.store.mongo import MongoBarrierStore

        return MongoBarrierStore(self.cluster.database)

    def curate(self, keys: Iterable[str] | None = None, *, retry: bool = False) -> BuildReport:
        """Build the records of some outputs, or of all that are new.

        Parameters
        ----------
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

        return build(
            self.cluster.outputs,
            self.store,
            only=None if keys is None else [uuid_of(key) for key in keys],
            retry=retry,
            resolve=lambda uuid: self.outputs.whole({"uuid": uuid}),
        )


def curate(cluster: Cluster, *, retry: bool = False) -> BuildReport:
    """Build the records of all outputs that are new; see :meth:`Curator.curate`."""
    with Curator(cluster) as curator:
        return curator.curate(retry=retry)
