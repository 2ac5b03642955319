"""What is stored, on disk: a snapshot, and a journal of the writes since."""

from __future__ import annotations

import logging
import os
import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson

from standin import wire
from standin.commands import Commands

LOG = logging.getLogger(__name__)
Document = dict[str, Any]
# What belongs to a connection and not to the write.
TRANSIENT = ("lsid", "txnNumber", "$clusterTime", "$readPreference")


class Journal:
    """Writes go to a file before they are done, and from there to the kernel.

    A kill -9 of the server loses no write that was acknowledged; a power cut may. The file is
    folded into the snapshot, by an atomic rename, at the start, at the end, and when it has grown
    past a limit.
    """

    def __init__(self, snapshot: Path, commands: Commands, *, limit: int) -> None:
        self._snapshot = snapshot
        self._path = snapshot.with_name(snapshot.name + ".journal")
        self._commands = commands
        self._limit = limit
        self._number = 0
        self._load()
        self._file = self._path.open("ab", buffering=0)
        self.fold()

    def append(self, command: Document, fresh: list[Any]) -> None:
        """Write down a command that is about to be done.

        Raises
        ------
        OSError
            If it cannot be written whole; the file is then as it was.
        """
        kept = {key: value for key, value in command.items() if key not in TRANSIENT}
        record = bson.encode({"number": self._number + 1, "fresh": fresh, "command": kept})
        size = self._file.tell()
        try:
            left = memoryview(record)
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(size)  # half a record would hide all that come after it
            self._file.seek(size)
            raise
        self._number += 1

    def fold_if_grown(self) -> None:
        """Fold the journal into the snapshot if it is past its limit."""
        if self._file.tell() <= self._limit:
            return
        try:
            self.fold()
        except OSError as error:  # a full disk; the journal has everything still
            LOG.warning("no snapshot written: %s", error)
            self._limit *= 2

    def fold(self) -> None:
        """Write a snapshot of everything, then empty the journal."""
        temporary = self._snapshot.with_name(self._snapshot.name + ".tmp")
        with temporary.open("wb") as file:
            for document in self._everything():
                file.write(bson.encode(document))
            file.flush()
            os.fsync(file.fileno())
        # After a kill between the two, the journal's numbers are not above the snapshot's: skipped.
        temporary.replace(self._snapshot)
        self._file.truncate(0)
        self._file.seek(0)

    def _everything(self) -> Iterator[Document]:
        data = self._commands.data
        yield {"number": self._number}
        for database in data.client.list_database_names():
            for name in data.database(database).list_collection_names():
                collection = data[database, name]
                indexes = [
                    {"name": index_name, **index}
                    for index_name, index in collection.index_information().items()
                    if index_name != "_id_"
                ]
                yield {"database": database, "collection": name, "indexes": indexes}
                for document in collection.select({}):
                    yield {"document": document}

    def _load(self) -> None:
        data = self._commands.data
        collection: Any = None
        for record in _records(self._snapshot):
            if "number" in record:
                self._number = record["number"]
            elif "collection" in record:
                place = record["database"], record["collection"]
                data.database(place[0]).create_collection(place[1])
                collection = data[place]
                for index in record["indexes"]:
                    keys = [tuple(key) for key in index.pop("key")]
                    index.pop("v")
                    collection.create_index(keys, **index)
            else:
                collection.insert_one(record["document"])
        for record in _records(self._path):
            if record["number"] > self._number:
                self._number = record["number"]
                data.fresh = deque(record["fresh"])
                self._commands.run(record["command"])


def _records(path: Path) -> Iterator[Document]:
    """Read the documents of a file; one that a kill cut off at the end is left out."""
    if not path.exists():
        return
    with path.open("rb") as file:
        while len(head := file.read(4)) == 4:
            (size,) = struct.unpack("<i", head)
            rest = file.read(size - 4)
            if len(rest) < size - 4:
                return
            yield bson.decode(head + rest, wire.OPTIONS)
