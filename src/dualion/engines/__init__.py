"""Engines: what turns a structure into energies and forces, and bands into barriers."""

from __future__ import annotations
