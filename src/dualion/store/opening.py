"""Opening a barrier store by its address, whatever it is made of."""

from __future__ import annotations

from pathlib import Path

from dualion.store.address import resolve
from dualion.store.base import BarrierStore
from dualion.store.sqlite import SQLiteBarrierStore


def open_store(address: Path | str, *, read_only: bool = False) -> BarrierStore:
    """Open the barrier store at an address.

    Parameters
    ----------
    address
        Path of an SQLite file, a ``mongodb://`` address with the name of a database, or ``@FILE``,
        a file of the user's own (mode 0600) whose first line is one of these. The store is made
        if it does not exist, unless opened read-only.
    read_only
        For queries: never writes, never makes anything.

    Raises
    ------
    StoreError
        If the store cannot be opened or made. The message never holds a password.
    """
    place = resolve(address)
    if isinstance(place, Path):
        return SQLiteBarrierStore(place, read_only=read_only)
    # Imported only here: without a MongoDB address pymongo is not needed.
    from dualion.store.mongo import MongoBarrierStore

    return MongoBarrierStore(place, read_only=read_only)
