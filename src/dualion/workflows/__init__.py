"""Campaigns and the flow that runs them, the same for every engine and runner."""

from __future__ import annotations
