"""``dualion run``: a campaign on this machine, from file to table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.computing import QuietOption, RunsOption, WorkersOption
from dualion.cli.listing import print_json
from dualion.cli.places import places, store_address
from dualion.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from dualion.launch.run import Prepared, Run

FAILED_JOBS = 4
"""Exit code when some jobs failed; everything else was done and kept."""


def run(
    campaign: Annotated[Path, typer.Argument(help="The campaign file (YAML).")],
    workers: WorkersOption = None,
    runs: RunsOption = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="Barrier store: a file, mongodb://HOST/NAME, or @FILE that holds the address "
            "(default: barriers.sqlite in the runs folder)."
        ),
    ] = None,
    spool: Annotated[
        Path | None,
        typer.Option(
            help="Keep records as files in this folder instead, for 'dualion store ingest'."
        ),
    ] = None,
    library: Annotated[Path | None, typer.Option(help="Framework library folder.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done, stop.")
    ] = False,
    quiet: QuietOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Run a campaign: host, doped cells, hops, end points, bands of both ions, table.

    It can be killed at any moment; the same command goes on from the last force call.
    """
    from rich.console import Console

    from dualion.launch.progress import Display
    from dualion.launch.run import prepare, run_campaign
    from dualion.store.spool import Spool

    messages = Console(stderr=True, highlight=False)
    if store is not None and spool is not None:
        raise InputError(
            "records go to one place", where="options", remedy="give --store or --spool, not both"
        )
    prepared = prepare(campaign, library=library)
    if not quiet:
        _say_plan(prepared, messages)
    if dry_run:
        return
    folder = runs if runs is not None else places().runs
    keep = Spool(spool) if spool is not None else store_address(store, runs=folder)
    with Display(messages, quiet=quiet) as display:
        done = run_campaign(
            prepared,
            runs=folder,
            store=keep,
            workers=workers if workers is not None else places().workers,
            pin=places().pin,
            observer=display,
        )
    _report(done, messages, as_json=as_json, quiet=quiet)
    if done.state.failed:
        raise typer.Exit(FAILED_JOBS)


def _say_plan(prepared: Prepared, messages: Console) -> None:
    campaign, plan = prepared.campaign, prepared.plan
    stamp = prepared.engine.stamp()
    classes = ", ".join(hop.label for hop in plan.network.classes)
    lines = (
        (
            f"{campaign.name}: {'/'.join(campaign.pair)} in {prepared.framework.name}"
            f" ({prepared.framework.space_group}), {campaign.mechanism.value} mechanism"
        ),
        (
            f"engine {stamp.text}, {plan.atoms} atoms,"
            f" images {plan.min_image_distance:.1f} Å apart, {plan.questions} bands"
        ),
        f"hops: {classes}; they percolate in {plan.network.dimensionality} dimension(s)",
    )
    tiers = tuple(
        f"then with {tier.engine} what the rule '{tier.promote.text}' promotes"
        for tier in campaign.tiers
    )
    for line in (*lines, *tiers):
        messages.print(line, markup=False, soft_wrap=True)


def _report(done: Run, messages: Console, *, as_json: bool, quiet: bool) -> None:
    from dualion.analysis.compare import compare
    from dualion.analysis.tiers import shifts
    from dualion.cli.compare import print_comparison
    from dualion.cli.shift import print_shifts
    from dualion.launch.outcome import write_outcome
    from dualion.launch.progress import duration

    state = done.state
    files = write_outcome(done)
    if state.records:
        comparison = compare(state.records, pair=done.prepared.campaign.pair)
        if as_json:
            print_json(comparison.as_rows())
        else:
            print_comparison(comparison)
            print_shifts(shifts(state.records, pair=done.prepared.campaign.pair))
    elif as_json:
        print_json([])
    for promotion in state.promotions:
        for line in (promotion.text, *(f"not promoted: {each}" for each in promotion.told)):
            messages.print(line, markup=False, soft_wrap=True)
    for name, reason in state.failed.items():
        messages.print(f"failed: {name}: {reason}", markup=False, soft_wrap=True)
    if state.skipped:
        messages.print(f"not run because of that: {len(state.skipped)} jobs", markup=False)
    if quiet:
        return
    _say_verdict(done, messages)
    reused = f" ({state.reused_calls} more reused)" if state.reused else ""
    messages.print(
        f"{len(state.records)} records, {state.force_calls} force calls{reused},"
        f" {duration(done.seconds)}",
        markup=False,
    )
    for place in (*files, done.store):
        messages.print(str(place), markup=False, soft_wrap=True)


def _say_verdict(done: Run, messages: Console) -> None:
    """Say what the records mean for the pair; nothing if they do not tell."""
    from dualion.analysis.criteria import Criteria
    from dualion.workflows.verdicts import study

    prepared = done.prepared
    try:
        found = study(
            prepared.campaign,
            prepared.framework,
            done.state.records,
            criteria=Criteria(),
            speeds=False,
        )
    except InputError:
        return
    lines = [
        f"verdict at 300 K, {each.surroundings}, {each.theory.stamp.engine}: {each.text}"
        f" (confidence: {each.confidence})"
        for each in found.verdicts
    ]
    for line in (*lines, f"why, and what to compute: dualion verdict {prepared.file}"):
        messages.print(line, markup=False, soft_wrap=True)
