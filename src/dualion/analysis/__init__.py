"""What bands mean: outcomes, framework response, comparison, plots, report."""

from __future__ import annotations
