"""Frameworks, supercells, doping, hops, end points and paths: geometry only."""

from __future__ import annotations
