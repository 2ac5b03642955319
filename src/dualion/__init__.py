"""Migration barriers of two cations in one anion framework, side by side."""

from __future__ import annotations

from importlib.metadata import version

__version__ = version("dualion")
