"""What a run leaves for people: report, profiles and a table of its records."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from dualion.analysis.compare import compare
from dualion.analysis.plots import plot_profiles
from dualion.analysis.report import RunFacts, write_report

if TYPE_CHECKING:
    from pathlib import Path

    from dualion.launch.run import Run


def write_outcome(run: Run) -> tuple[Path, ...]:
    """Write ``report.html``, ``profiles.png`` and ``barriers.csv`` into the run's folder.

    Parameters
    ----------
    run
        A finished run.

    Returns
    -------
    tuple of Path
        The files written; none when the run has no record.
    """
    if not run.state.records:
        return ()
    campaign = run.prepared.campaign
    report = write_report(
        run.state.records,
        run.folder / "report.html",
        title=f"{campaign.name}: {' and '.join(campaign.pair)} in {run.prepared.framework.name}",
        campaign_text=run.prepared.file.read_text(encoding="utf-8"),
        run_facts=RunFacts(
            wall_seconds=run.seconds,
            force_calls=run.state.force_calls,
            jobs=run.state.total,
        ),
        pair=campaign.pair,
        host_states=tuple(run.state.hosts),
        promotions=tuple(run.state.promotions),
    )
    profiles = plot_profiles(run.state.records, run.folder / "profiles.png", pair=campaign.pair)
    rows = compare(run.state.records, pair=campaign.pair).as_rows()
    if not rows:
        return report, profiles
    table = run.folder / "barriers.csv"
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    partial = table.with_suffix(".csv.part")
    partial.write_text(text.getvalue(), encoding="utf-8")
    partial.replace(table)
    return report, profiles, table
