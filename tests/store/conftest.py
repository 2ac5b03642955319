"""Every kind of barrier store, opened in a fresh place."""

from __future__ import annotations

import pytest

from dualion.store.sqlite import SQLiteBarrierStore


@pytest.fixture(params=["sqlite"])
def open_again(request, tmp_path):
    """Open the same fresh store, as often as wanted; each handle is closed at the end."""
    handles = []

    def opened(*, read_only=False):
        if request.param == "sqlite":
            handles.append(SQLiteBarrierStore(tmp_path / "barriers.sqlite", read_only=read_only))
        return handles[-1]

    yield opened
    for handle in handles:
        handle.close()


@pytest.fixture
def store(open_again):
    return open_again()
