"""How the answer to a query is sorted."""

from __future__ import annotations

from enum import StrEnum


class Order(StrEnum):
    """How the answer to a query is sorted."""

    ADDED = "added"
    BARRIER = "barrier"
    FRAMEWORK = "framework"
    NEWEST = "newest"
