"""The database of a cluster: launch pad, job documents, raw outputs and claims."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Self, TypeVar

from dualion.errors import EngineNotInstalledError, RunError, StoreError
from dualion.launch.clusterprofile import ClusterProfile
from dualion.launch.document import Documents, JobDocument
from dualion.launch.patience import patiently
from dualion.launch.secret import database_address
from dualion.store.address import redacted
from dualion.store.packing import deflate, inflate

if TYPE_CHECKING:
    from types import TracebackType

    from fireworks import LaunchPad
    from pymongo import MongoClient
    from pymongo.collection import Collection
    from pymongo.database import Database

log = logging.getLogger("dualion")

CLIENT_PATIENCE = 10.0
"""Seconds for which a command line waits for the database before it says that it is away."""

_BATCH = 500
_Answer = TypeVar("_Answer")
_DUPLICATE = 11000


class Cluster:
    """An open connection to the database that a profile names.

    Parameters
    ----------
    profile
        Its ``database`` says where the address is.
    patience
        Seconds to wait for the server; None: as long as the profile's workers do.

    Raises
    ------
    InputError
        If there is no address.
    StoreError
        If the server does not answer, or lets nobody in with this address.
    """

    def __init__(
        self, profile: ClusterProfile, *, patience: float | None = CLIENT_PATIENCE
    ) -> None:
        from pymongo import MongoClient
        from pymongo.errors import ConfigurationError, InvalidURI

        self.profile = profile
        self.patience = profile.patience if patience is None else patience
        self.address = database_address(profile.database)
        self.where = redacted(self.address)
        try:
            self.client: MongoClient[dict[str, Any]] = MongoClient(
                self.address,
                appname="dualion",
                serverSelectionTimeoutMS=round(1000 * self.patience),
                connectTimeoutMS=10_000,
            )
            self.database: Database[dict[str, Any]] = self.client.get_default_database()
        except (ConfigurationError, InvalidURI, ValueError) as problem:
            raise StoreError(
                "is no address of a database, or names none",
                where=f"database {profile.database}",
                remedy="write it as mongodb://USER:PASSWORD@HOST:PORT/NAME",
            ) from problem
        self._prepare()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the server."""
        self.client.close()

    def _prepare(self) -> None:
        """Ask the server who we are, and make the indexes that are missing."""
        from pymongo.errors import ConnectionFailure, OperationFailure

        try:
            patiently(lambda: self.client.admin.command("ping"), patience=self.patience)
            self.jobs.create_index("inputs")  # by their id they are known as _id
            self.outputs.create_index("uuid")
            self.outputs.create_index("metadata.job_id")
            self.questions.create_index("campaign")
        except ConnectionFailure as problem:
            raise StoreError(
                f"the database does not answer within {self.patience:.0f} s",
                where=self.where,
                remedy="check that it runs and can be reached from here",
            ) from problem
        except OperationFailure as problem:
            raise StoreError(
                "the database lets nobody in with this address"
                f" ({(problem.details or {}).get('codeName') or problem.code})",
                where=self.where,
                remedy=f"check user, password and rights in {self.profile.database}",
            ) from problem

    @property
    def jobs(self) -> Collection[dict[str, Any]]:
        """Job documents."""
        return self.database["job_documents"]

    @property
    def values(self) -> Collection[dict[str, Any]]:
        """Bulky arguments, by content."""
        return self.database["job_values"]

    @property
    def outputs(self) -> Collection[dict[str, Any]]:
        """Raw outputs, as jobflow's stores keep them."""
        return self.database["outputs"]

    @property
    def questions(self) -> Collection[dict[str, Any]]:
        """What campaigns ask: one document for each hop, ion and arrangement."""
        return self.database["questions"]

    @property
    def campaigns(self) -> Collection[dict[str, Any]]:
        """Submitted campaigns."""
        return self.database["campaigns"]

    @property
    def claims(self) -> Collection[dict[str, Any]]:
        """Who computes what at this moment."""
        return self.database["claims"]

    @cached_property
    def launchpad(self) -> LaunchPad:
        """FireWorks' launch pad in the same database."""
        try:
            from dualion.launch.pad import PatientLaunchPad
        except ImportError as problem:
            raise EngineNotInstalledError(
                "FireWorks is not installed",
                where="launch pad",
                remedy="pip install 'dualion[cluster]'",
            ) from problem
        return PatientLaunchPad.over(self.client, self.database, patience=self.patience)

    def register(self, documents: Documents) -> int:
        """Store job documents and the values they share; what is there is left alone.

        Returns
        -------
        int
            How many documents were new.
        """
        values = (
            {"_id": key, "body": deflate(text.encode(), what=f"value {key}")}
            for key, text in documents.values.items()
        )
        self.insert_new(self.values, values)
        return self.insert_new(
            self.jobs,
            ({"_id": each.job_id, **each.model_dump(mode="json")} for each in documents.jobs),
        )

    def insert_new(
        self, collection: Collection[dict[str, Any]], documents: Iterable[dict[str, Any]]
    ) -> int:
        """Insert documents whose ``_id`` is not there yet; return their number."""
        from pymongo.errors import BulkWriteError

        count = 0
        left = iter(documents)
        while batch := list(islice(left, _BATCH)):
            try:
                done = patiently(
                    lambda batch=batch: collection.insert_many(batch, ordered=False),  # type: ignore[misc]
                    patience=self.patience,
                )
                count += len(done.inserted_ids)
            except BulkWriteError as problem:
                errors = problem.details.get("writeErrors", [])
                if any(error.get("code") != _DUPLICATE for error in errors):
                    raise StoreError(
                        f"documents were refused ({errors[0].get('errmsg')})",
                        where=self.where,
                        remedy="check the database's rights and space",
                    ) from problem
                count += problem.details.get("nInserted", 0)
        return count

    def document(self, job_id: str) -> JobDocument:
        """Return a job document.

        Raises
        ------
        RunError
            If there is none.
        """
        found = self.ask(lambda: self.jobs.find_one({"_id": job_id}, {"_id": 0}))
        if found is None:
            raise RunError(
                f"there is no job {job_id}", where=self.where, remedy="submit the campaign again"
            )
        return JobDocument.model_validate(found)

    def value(self, key: str) -> str:
        """Return the JSON of a value that is kept apart.

        Raises
        ------
        RunError
            If there is none.
        """
        found = self.ask(lambda: self.values.find_one({"_id": key}))
        if found is None:
            raise RunError(
                f"there is no value {key}", where=self.where, remedy="submit the campaign again"
            )
        return inflate(bytes(found["body"]), what=f"value {key}").decode()

    def ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Ask the database, waiting while it is away."""
        return patiently(question, patience=self.patience, what=f"the database {self.where}")
