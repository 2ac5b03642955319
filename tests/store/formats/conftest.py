"""Stores and records that the tests of formats share."""

from __future__ import annotations

import pytest

from dualion.records import Outcome
from dualion.store.sqlite import SQLiteBarrierStore


@pytest.fixture
def new_store(tmp_path):
    """Make stores, one for each name; all are closed at the end."""
    made = []

    def make(name="one", records=()):
        made.append(SQLiteBarrierStore(tmp_path / f"{name}.sqlite"))
        for record in records:
            made[-1].add(record)
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def some(make_record):
    """Records of two ions on two hops; one has no barrier, one has no images."""
    return (
        make_record(forward=0.218),
        make_record(class_id="h2", forward=0.343, with_images=False),
        make_record(moving_ion="Cu", forward=0.63, reverse=0.70),
        make_record(class_id="h2", moving_ion="Cu", outcome=Outcome.WRONG_MOVER),
    )
