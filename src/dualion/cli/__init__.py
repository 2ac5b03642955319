"""The command line, one verb a file."""

from __future__ import annotations
