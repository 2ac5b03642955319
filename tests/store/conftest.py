"""Every kind of barrier store, opened in a fresh place."""

from __future__ import annotations

import pytest

from dualion.store.mongo import MongoBarrierStore
from dualion.store.sqlite import SQLiteBarrierStore


@pytest.fixture(params=["sqlite", "mongo"])
def open_again(request, tmp_path):
    """Open the same fresh store, as often as wanted; each handle is closed at the end."""
    handles = []
    place = request.getfixturevalue("mongo_address") if request.param == "mongo" else None

    def opened(*, read_only=False):
        if place is not None:
            handles.append(MongoBarrierStore(place, read_only=read_only))
        else:
            handles.append(SQLiteBarrierStore(tmp_path / "barriers.sqlite", read_only=read_only))
        return handles[-1]

    yield opened
    for handle in handles:
        handle.close()


@pytest.fixture
def store(open_again):
    return open_again()
