"""Runners: how a flow is executed on this machine."""

from __future__ import annotations
