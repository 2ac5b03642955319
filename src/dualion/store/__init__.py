"""Where records are kept and queried."""

from __future__ import annotations
