"""Raw outputs on their way into the database: first to disk, then delivered.

An output is written to the spool folder, synchronised, and only then sent. Whatever happens to the
database or to this process, it is not computed again: the next worker, or ``dualion recover``,
delivers what is left in the spool.
"""

from __future__ import annotations

import json
import logging
import socket
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dualion.errors import StoreError
from dualion.launch.patience import patiently
from dualion.store.builder import has_blob
from dualion.store.spool import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jobflow.core.store import JobStore

    from dualion.launch.cluster import Cluster

APART = ("images",)
"""Parts of outputs that go to the blob store (GridFS)."""

SPOOL = "spool"

ON_ITS_WAY = 5.0
"""Seconds for which a file in the spool is taken for one that its worker is just delivering."""

log = logging.getLogger("dualion")


def uuid_of(key: str) -> str:
    """Write a key as jobflow writes the identity of a job."""
    return str(uuid.UUID(hex=key))


class OutputStore:
    """Raw outputs in a jobflow ``JobStore``, by the key of what was computed.

    Parameters
    ----------
    cluster
        Its database and its profile's working folder are used.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.spool = cluster.profile.work / SPOOL

    @cached_property
    def job_store(self) -> JobStore:
        """The store that jobflow's and atomate2's own tools read."""
        from jobflow.core.store import JobStore
        from maggma.stores import GridFSStore, MongoStore

        cluster = self.cluster
        options: dict[str, Any] = {"serverSelectionTimeoutMS": round(1000 * cluster.patience)}
        name = cluster.database.name
        store = JobStore(
            MongoStore(name, "outputs", uri=cluster.address, mongoclient_kwargs=options),
            additional_stores={
                "data": GridFSStore(
                    name, "outputs_blobs", uri=cluster.address, mongoclient_kwargs=options
                )
            },
        )
        patiently(store.connect, patience=cluster.patience)
        return store

    def close(self) -> None:
        """Let go of the store's own connections."""
        if "job_store" in self.__dict__:
            self.job_store.close()

    def has(self, key: str) -> bool:
        """Whether an output is there; one that says why it failed does not count."""
        query = {"uuid": uuid_of(key), "metadata.failed": {"$ne": True}}
        return (
            self.cluster.ask(lambda: self.cluster.outputs.find_one(query, {"_id": 1})) is not None
        )

    def find(self, key: str, *, failed: bool = True) -> dict[str, Any] | None:
        """Return a raw output whole, as plain data.

        Parameters
        ----------
        key
            Of what was computed.
        failed
            Whether one that says why it failed counts.

        Returns
        -------
        dict or None
            With ``output`` and ``metadata``. None also when a part of it has not arrived in the
            blob store: it was cut off on its way, and is delivered again.
        """
        query: dict[str, Any] = {"uuid": uuid_of(key)}
        if not failed:
            query["metadata.failed"] = {"$ne": True}
        head = self.cluster.ask(
            lambda: self.cluster.outputs.find_one(query, {"_id": 0, "output": 1, "metadata": 1})
        )
        if head is None:
            return None
        if not has_blob(head["output"]):
            return head
        whole = self.whole(query)
        if whole is None:
            log.warning("output %s is not whole: computed or delivered again", key)
        return whole

    def small(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return those of some outputs that are there, by key; of a kind that has no blobs."""
        by_uuid = {uuid_of(key): key for key in keys}
        query = {"uuid": {"$in": list(by_uuid)}}
        found = self.cluster.ask(
            lambda: list(self.cluster.outputs.find(query, {"_id": 0, "uuid": 1, "output": 1}))
        )
        return {by_uuid[each["uuid"]]: each["output"] for each in found}

    def whole(self, query: dict[str, Any]) -> dict[str, Any] | None:
        """Return a raw output with what lies in the blob store; None if a part has not arrived."""
        from gridfs.errors import GridFSError

        try:
            found = self.cluster.ask(lambda: self.job_store.query_one(query, load=True))
        except (KeyError, GridFSError):  # jobflow looks a blob up that may not be there
            return None
        return None if found is None or has_blob(found["output"]) else found

    def put(
        self,
        key: str,
        *,
        name: str,
        output: dict[str, Any],
        metadata: dict[str, Any],
    ) -> None:
        """Keep an output: on disk when this begins to wait, in the database when it returns.

        Raises
        ------
        pymongo.errors.ConnectionFailure
            The database stayed away; the output is in the spool, unless that could not be written.
        """
        document = {
            "uuid": uuid_of(key),
            "index": 1,
            "name": name,
            "output": output,
            "completed_at": datetime.now(UTC).isoformat(),
            "metadata": {"key": key, **metadata},
            "hosts": [],
            "host": socket.gethostname(),
        }
        try:
            file = self._write(key, document)
        except OSError as problem:  # the disk may be full, and the database there
            log.warning("the spool cannot be written (%s): sent at once", problem)
            self._deliver(document)
            return
        self._deliver(document)
        with suppress(OSError):
            file.unlink(missing_ok=True)

    def _write(self, key: str, document: dict[str, Any]) -> Path:
        self.spool.mkdir(parents=True, exist_ok=True)
        file = self.spool / f"{key}.json"
        write_whole(file, json.dumps(document).encode())
        return file

    def _deliver(self, document: dict[str, Any]) -> None:
        save: Any = {"data": list(APART)}
        self.cluster.ask(lambda: self.job_store.update(dict(document), save=save))

    def waiting(self, *, older: float = 0.0) -> Iterator[Path]:
        """Files of the spool, oldest first; only those that have lain there for some seconds."""
        times: dict[Path, float] = {}
        with suppress(FileNotFoundError):
            for file in self.spool.glob("*.json"):
                with suppress(FileNotFoundError):  # delivered meanwhile
                    times[file] = file.stat().st_mtime
        now = time.time()
        yield from (
            file for file in sorted(times, key=times.__getitem__) if now - times[file] >= older
        )

    def flush(self, *, older: float = 0.0) -> tuple[str, ...]:
        """Deliver what is left in the spool; return the names of the jobs.

        A file younger than `older` seconds is left to the worker that is delivering it.
        A file that cannot be read is set aside as ``*.damaged`` and told in the log.
        """
        delivered = []
        for file in self.waiting(older=older):
            try:
                document, key = _spooled(file)
            except FileNotFoundError:  # another worker delivered it
                continue
            except (ValueError, KeyError, TypeError, StoreError) as problem:
                log.warning("%s cannot be delivered (%s): set aside", file, problem)
                with suppress(OSError):
                    file.replace(file.with_suffix(".damaged"))
                continue
            if self.find(key, failed=False) is None:
                self._deliver(document)
                delivered.append(str(document["name"]))
            with suppress(OSError):
                file.unlink(missing_ok=True)
        return tuple(delivered)


def _spooled(file: Path) -> tuple[dict[str, Any], str]:
    """Read a file of the spool: the document and its key."""
    document = json.loads(file.read_text(encoding="utf-8"))
    key = str(document["metadata"]["key"])
    if document["uuid"] != uuid_of(key):
        raise StoreError("names another output", where=str(file))
    return document, key
