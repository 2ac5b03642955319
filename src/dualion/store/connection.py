"""A connection to a MongoDB database: opened safely, with every failure told in one line.

Nothing that pymongo says of an address is passed on, since it may hold parts of a password.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from bson import CodecOptions
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    OperationFailure,
    PyMongoError,
)

from dualion.errors import StoreError
from dualion.store.address import redacted

SHORT = 10.0
"""Seconds to wait for a server that nobody has seen yet, and for reading."""
LONG = 600.0
"""Seconds to wait for a server that went away while there is something to write."""

_SOCKET_SECONDS = 120.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_UNAUTHORIZED, _NO_LOGIN, _ATLAS = 13, {18, 11}, 8000
_DISK_FULL = {14031, 12501, 12520}

_ESCAPE = "with @, :, / and % in the password escaped as %40, %3A, %2F and %25"

_Answer = TypeVar("_Answer")
Document = dict[str, Any]
log = logging.getLogger("dualion")


def explain(error: PyMongoError, where: str, *, patience: float = SHORT) -> StoreError:
    """Turn what pymongo raised into a one-line error with a remedy.

    Parameters
    ----------
    error
        From pymongo.
    where
        Address without password.
    patience
        Seconds that were waited.
    """
    if isinstance(error, ConnectionFailure):
        return StoreError(
            f"the database server does not answer (waited {patience:.0f} s)",
            where=where,
            remedy="check the address, the network and that the server runs",
        )
    if not isinstance(error, OperationFailure):
        return StoreError(
            f"the database cannot be used ({type(error).__name__})",
            where=where,
            remedy="check the address and the server's log",
        )
    details = _details(error)
    code, text = details.get("code", error.code), str(details.get("errmsg", "")).lower()
    if code in _NO_LOGIN or (code == _ATLAS and "auth" in text):
        return StoreError(
            "the database server refused user or password",
            where=where,
            remedy=f"check them, {_ESCAPE}, and authSource",
        )
    if code == _UNAUTHORIZED:
        return StoreError(
            "this user may not do that in this database",
            where=where,
            remedy="ask for the role readWrite, or read for queries; or give user and password",
        )
    if code in _DISK_FULL or any(
        word in text for word in ("quota", "no space", "disk space", "storage limit")
    ):
        return StoreError(
            "no space left on the database server, or its quota is used up",
            where=where,
            remedy="free some space there, then run the same command again",
        )
    name = details.get("codeName") or f"code {code}"
    return StoreError(
        f"the database server refused ({name})", where=where, remedy="look into the server's log"
    )


def _details(error: OperationFailure) -> Document:
    """Answer of the server; of a bulk write the first thing that went wrong."""
    details = dict(error.details or {})
    if isinstance(error, BulkWriteError):
        for key in ("writeErrors", "writeConcernErrors"):
            if details.get(key):
                return dict(details[key][0])
    return details


class Connection:
    """An open MongoDB database of one process; safe to use from several threads.

    Parameters
    ----------
    database
        A ``mongodb://`` address with the name of a database, or an open database, which is not
        closed here.
    patience
        Seconds that :meth:`ask` waits for a server that went away; None: as long as the client of
        an open database does. The first contact by an address is given up after :data:`SHORT`.

    Raises
    ------
    StoreError
        If the address is none, the server does not answer or does not let us in.
    """

    def __init__(
        self, database: Database[Document] | str, *, patience: float | None = None
    ) -> None:
        if patience is None:
            patience = SHORT
            if not isinstance(database, str):
                patience = float(database.client.options.server_selection_timeout)
        self.patience = patience
        self._process = os.getpid()
        self._client: MongoClient[Document] | None = None
        self._open: Database[Document] | None = None
        if isinstance(database, str):
            self.where = redacted(database)
            self._client, database = self._connect(database)
        else:
            hosts = ",".join(
                f"{host}:{port}" if port else str(host)
                for host, port in database.client.topology_description.server_descriptions()
            )
            self.where = redacted(f"mongodb://{hosts}/{database.name}")
        # Whatever the address asks for: a write that returned is on the disk of a majority, and
        # what was written is read back.
        self._open = database.with_options(
            codec_options=CodecOptions(),
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern(w="majority", j=True),
        )
        try:
            self._open.command("ping")
        except PyMongoError as error:
            self.close()
            raise explain(error, self.where, patience=min(SHORT, patience)) from error

    def _connect(self, address: str) -> tuple[MongoClient[Document], Database[Document]]:
        defaults: dict[str, Any] = {
            "serverSelectionTimeoutMS": round(1000 * min(SHORT, self.patience)),
            "connectTimeoutMS": round(1000 * SHORT),
            "socketTimeoutMS": round(1000 * _SOCKET_SECONDS),
        }
        options = address.partition("?")[2].lower()
        chosen = {name: value for name, value in defaults.items() if name.lower() not in options}
        client: MongoClient[Document] | None = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # an option that would be left out
                client = MongoClient(address, appname="dualion", **chosen)
            return client, client.get_default_database()
        # Not chained: what pymongo says of an address may hold parts of the password.
        except (ConfigurationError, ValueError, TypeError, UserWarning) as error:
            if client is not None:
                client.close()
                what = "the address names no database"
            else:
                what = f"not the address of a database ({type(error).__name__})"
        except OSError as error:
            what = f"a file that the address names cannot be read ({error.strerror})"
        raise StoreError(
            what,
            where=self.where,
            remedy=f"write it as mongodb://USER:PASSWORD@HOST:PORT/NAME, {_ESCAPE}",
        )

    @property
    def database(self) -> Database[Document]:
        """The database.

        Raises
        ------
        StoreError
            If it was closed, or opened by another process.
        """
        if self._open is None:
            raise StoreError("the barrier store is closed", where=self.where)
        if self._process != os.getpid():
            raise StoreError(
                "the barrier store was opened by another process",
                where=self.where,
                remedy="open it again in this one",
            )
        return self._open

    def ask(self, action: Callable[[Database[Document]], _Answer]) -> _Answer:
        """Do something with the database; wait for a server that is away for a while.

        Parameters
        ----------
        action
            Is done again if the connection breaks: doing it twice must not matter.

        Raises
        ------
        StoreError
            If the server stays away for longer than the patience, or refuses.
        """
        end = time.monotonic() + self.patience
        pause = _FIRST_PAUSE
        while True:
            try:
                return action(self.database)
            except ConnectionFailure as error:
                if time.monotonic() + pause > end:
                    raise explain(error, self.where, patience=self.patience) from error
                if pause == _FIRST_PAUSE:
                    log.warning("%s does not answer: waiting", self.where)
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except PyMongoError as error:
                raise explain(error, self.where) from error

    def close(self) -> None:
        """Let go of the server; closing twice is allowed."""
        if self._client is not None and self._process == os.getpid():
            self._client.close()
        self._open = self._client = None
