"""Engines: what turns a structure into energies and forces, and bands into barriers."""

from __future__ import annotations

from dualion.engines.base import Engine
from dualion.engines.checkpoint import job_scope
from dualion.engines.entry import EngineEntry
from dualion.engines.registry import EngineInfo, get_engine, list_engines

__all__ = ["Engine", "EngineEntry", "EngineInfo", "get_engine", "job_scope", "list_engines"]
