"""``python -m dualion.cli``: the command line without an installed script."""

from __future__ import annotations

from dualion.cli.app import main

main()
