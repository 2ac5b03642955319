"""``dualion solution``: does the second ion go into the host at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.computing import QuietOption, RunsOption, WorkersOption
from dualion.cli.listing import Column, counted, print_json, print_table
from dualion.cli.places import places
from dualion.cli.run import FAILED_JOBS

if TYPE_CHECKING:
    from rich.console import Console

    from dualion.analysis.solution import Solution
    from dualion.launch.solution import PreparedSolution, Solved

SHOWN = (
    Column("ion", "ion"),
    Column("host", "into"),
    Column("solution_energy", "solution / eV", 3),
    Column("mixing_energy", "mixing / eV", 3),
    Column("above_hull", "host above hull / eV/atom", 3),
    Column("site", "lowest on"),
    Column("reaction", "reaction"),
)


def solution(
    campaign: Annotated[Path, typer.Argument(help="The campaign file (YAML).")],
    references: Annotated[
        list[Path] | None,
        typer.Option(
            "--references",
            "-r",
            help="Structure file of a reference phase, a folder of them, or a framework library; "
            "may be given again.",
        ),
    ] = None,
    workers: WorkersOption = None,
    runs: RunsOption = None,
    library: Annotated[Path | None, typer.Option(help="Framework library folder.")] = None,
    quiet: QuietOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Compute what it costs to exchange an ion of the host for the second one.

    With reference phases: the solution energy, its balanced reaction, and how far the host lies
    above the hull. Without: the mixing energy of the two hosts. It can be killed; the same command
    goes on, and 'dualion verdict' shows what came out.
    """
    from rich.console import Console

    from dualion.launch.progress import Display
    from dualion.launch.solution import prepare_solution, solve

    messages = Console(stderr=True, highlight=False)
    asked = prepare_solution(campaign, references or (), library=library)
    if not quiet:
        _say_plan(asked, messages)
    with Display(messages, quiet=quiet) as display:
        done = solve(
            asked,
            runs=runs if runs is not None else places().runs,
            workers=workers if workers is not None else places().workers,
            pin=places().pin,
            observer=display,
        )
    if as_json:
        print_json([each.model_dump(mode="json") for each in done.solutions])
    elif done.solutions:
        print_table([_row(each) for each in done.solutions], SHOWN)
        for line in dict.fromkeys(line for each in done.solutions for line in _told(each)):
            typer.echo(line)
    _report(done, messages, quiet=quiet)
    if done.state.failed or any(each.left_out for each in done.solutions):
        raise typer.Exit(FAILED_JOBS)


def _say_plan(asked: PreparedSolution, messages: Console) -> None:
    prepared = asked.prepared
    first, second = prepared.campaign.pair
    against = counted(len(asked.references), "reference phase")
    messages.print(
        f"{second} in the {first} host of {prepared.framework.name}, {prepared.plan.atoms} atoms,"
        f" engine {prepared.engine.stamp().text}, {against}",
        markup=False,
        soft_wrap=True,
    )


def _row(each: Solution) -> dict[str, object]:
    return each.model_dump() | {"site": each.sites[0].site}


def _told(each: Solution) -> list[str]:
    """Lines below the table: what is not known, and what to keep in mind."""
    what = f"{each.ion} in {each.host}"
    lines: list[str] = []
    by_reason: dict[str, list[str]] = {}
    for name, why in each.absent:
        if name != "phase_separation":  # it comes with the hull
            by_reason.setdefault(why, []).append(name.replace("_", " "))
    lines += [f"{what}: no {', '.join(names)}: {why}" for why, names in by_reason.items()]
    lines += [f"left out: {name}: {why}" for name, why in each.left_out]
    if each.decomposition:
        lines.append(
            f"{each.host} against {each.decomposition}: {each.phase_separation:+.3f} eV/atom"
        )
    if len(each.sites) > 1:
        others = ", ".join(f"{site.site} +{site.energy:.3f} eV" for site in each.sites[1:])
        lines.append(f"{what}: other sites: {others}")
    if each.broken_symmetry_host:
        lines.append(f"{what}: the symmetric host is no minimum; its lower form was used")
    return lines


def _report(done: Solved, messages: Console, *, quiet: bool) -> None:
    from dualion.launch.progress import duration

    state = done.state
    for name, reason in state.failed.items():
        messages.print(f"failed: {name}: {reason}", markup=False, soft_wrap=True)
    if quiet:
        return
    reused = f" ({state.reused_calls} more reused)" if state.reused else ""
    messages.print(
        f"{counted(len(done.solutions), 'result')}, {state.force_calls} force calls{reused},"
        f" {duration(done.seconds)}",
        markup=False,
    )
    if done.solutions:
        messages.print(str(done.file), markup=False, soft_wrap=True)
