"""Bands that other programs left: read as plain data, nothing that a file names is imported."""

from __future__ import annotations
