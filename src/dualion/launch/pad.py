"""FireWorks' launch pad, patient with a database that is away for a while."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Self

from fireworks import LaunchPad

from dualion.launch.patience import outages, patiently
from dualion.launch.points import WAITS, WAITS_INDEX, park

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.database import Database

JOB_INDEX = "spec.dualion.job"
CAMPAIGN_INDEX = "spec.dualion.campaign"

log = logging.getLogger("dualion")


class PatientLaunchPad(LaunchPad):  # type: ignore[misc] # FireWorks publishes no types
    """A launch pad whose decisive steps are tried again when the database comes back.

    What is tried again is safe to do twice: to say that a launch ended, to ping, to reserve. A
    workflow whose lock was left behind by the failed try is unlocked first, since FireWorks would
    wait five minutes for it and then give the result up.
    """

    patience: float = 0.0

    @classmethod
    def over(cls, client: MongoClient[Any], database: Database[Any], *, patience: float) -> Self:
        """Make a launch pad over an open connection; no address is kept or written anywhere."""
        pad = cls.__new__(cls)
        # The constructor of LaunchPad opens a connection of its own from parts of an address.
        pad.__dict__.update(_fields(client, database))
        pad.patience = patience
        return pad

    def complete_launch(self, launch_id: int, action: Any = None, state: str = "COMPLETED") -> Any:  # noqa: ANN401 - FireWorks' own
        """Say that a launch ended; not given up while the database is away.

        One that says it waits for points has not ended: its Firework is parked.
        """
        waits = None if action is None else action.stored_data.get(WAITS)
        if waits:
            patiently(
                lambda: park(self, launch_id, waits),
                patience=self.patience,
                what="the launch pad",
            )
            return {}
        tries = 0

        def complete() -> Any:  # noqa: ANN401
            nonlocal tries
            tries += 1
            if tries > 1:
                self._unlock(launch_id)
            try:
                return super(PatientLaunchPad, self).complete_launch(launch_id, action, state)
            except RuntimeError as problem:
                # FireWorks turns what failed in a refresh into text.
                if isinstance(problem.__context__, outages()):
                    raise problem.__context__ from problem
                raise

        return patiently(complete, patience=self.patience, what="the launch pad")

    def ping_launch(self, launch_id: int, ptime: Any = None, checkpoint: Any = None) -> None:  # noqa: ANN401
        """Say that a launch is alive; a database that is away misses a ping, no more."""
        try:
            super().ping_launch(launch_id, ptime, checkpoint)
        except outages() as problem:
            log.warning("no ping: the launch pad is away (%s)", type(problem).__name__)

    def _unlock(self, launch_id: int) -> None:
        """Free the workflows of a launch if they are still locked after a moment."""
        time.sleep(1.0)
        for firework in self.fireworks.find({"launches": launch_id}, {"fw_id": 1}):
            self.workflows.update_one({"nodes": firework["fw_id"]}, {"$unset": {"locked": True}})


def _fields(client: Any, database: Any) -> dict[str, Any]:  # noqa: ANN401
    import gridfs
    from fireworks.fw_config import GRIDFS_FALLBACK_COLLECTION
    from fireworks.utilities.fw_utilities import get_fw_logger

    return {
        "host": None,
        "port": None,
        "name": database.name,
        "username": None,
        "password": None,
        "authsource": None,
        "mongoclient_kwargs": {},
        "uri_mode": True,
        "logdir": None,
        "strm_lvl": "WARNING",
        "m_logger": get_fw_logger("launchpad", stream_level="WARNING"),
        "user_indices": [JOB_INDEX, CAMPAIGN_INDEX, WAITS_INDEX],
        "wf_user_indices": ["metadata.dualion.chunk"],
        "connection": client,
        "db": database,
        "fireworks": database.fireworks,
        "launches": database.launches,
        "offline_runs": database.offline_runs,
        "fw_id_assigner": database.fw_id_assigner,
        "workflows": database.workflows,
        "gridfs_fallback": gridfs.GridFS(database, GRIDFS_FALLBACK_COLLECTION),
        "backup_launch_data": {},
        "backup_fw_data": {},
    }


def prepare(pad: LaunchPad) -> None:
    """Make the counters and indexes of a launch pad that is new; a used one is left alone."""
    pad.fw_id_assigner.update_one(
        {"_id": -1},
        {"$setOnInsert": {"_id": -1, "next_fw_id": 1, "next_launch_id": 1}},
        upsert=True,
    )
    pad.tuneup(bkground=True)
