"""``dualion validate``: an engine against barriers of the literature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.computing import QuietOption, RunsOption, WorkersOption
from dualion.cli.listing import Column, print_json, print_table
from dualion.cli.places import places, store_address
from dualion.cli.run import FAILED_JOBS

if TYPE_CHECKING:
    from rich.console import Console

    from dualion.analysis.validation import Validation
    from dualion.launch.validation import PreparedValidation, Validated

HOPS = (
    Column("framework", "framework"),
    Column("hop", "hop"),
    Column("ion", "ion"),
    Column("literature", "literature / eV", 3),
    Column("predicted", "predicted / eV", 3),
    Column("error", "error / eV", 3),
    Column("said", ""),
    Column("doi", "doi"),
)
ERRORS = (
    Column("name", "of"),
    Column("hops", "hops", 0),
    Column("barriers", "barriers", 0),
    Column("mean_absolute", "mean absolute error / eV", 3),
    Column("mean", "mean error / eV", 3),
    Column("largest", "largest / eV", 3),
)
SIGNS = (
    Column("pair", "framework"),
    Column("ions", "ions"),
    Column("literature", "literature / eV", 3),
    Column("predicted", "predicted / eV", 3),
    Column("sign", "order"),
)


def validate(
    *,
    engine: Annotated[str, typer.Option(help="An engine or a tier.")] = "fast",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Of this class, framework or pair; may be given again."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    workers: WorkersOption = None,
    runs: RunsOption = None,
    store: Annotated[
        str | None,
        typer.Option(help="Barrier store (default: barriers.sqlite in the runs folder)."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Find every hop in its crystal, list them, stop.")
    ] = False,
    quiet: QuietOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Compute hops whose barriers the literature gives, and show how far the engine is off.

    The error of each class of frameworks and of each ion, and whether two ions in one framework
    come in the literature's order. It can be killed; the same command goes on.
    """
    from rich.console import Console

    from dualion.launch.progress import Display
    from dualion.launch.validation import prepare_validation
    from dualion.launch.validation import validate as compute
    from dualion.structures.library import shipped_library
    from dualion.workflows.reference import chosen, reference_set

    messages = Console(stderr=True, highlight=False)
    hops = chosen(reference_set(), only or ())
    prepared = prepare_validation(hops, engine=engine, library=shipped_library(), device=device)
    if dry_run:
        _list(prepared, as_json=as_json)
        return
    folder = runs if runs is not None else places().runs
    with Display(messages, quiet=quiet) as display:
        done = compute(
            prepared,
            runs=folder,
            store=store_address(store, runs=folder),
            workers=workers if workers is not None else places().workers,
            pin=places().pin,
            observer=display,
        )
    if as_json:
        print_json(done.validation.model_dump(mode="json"))
    else:
        _print(done.validation)
    _report(done, messages, quiet=quiet)
    if done.state.failed:
        raise typer.Exit(FAILED_JOBS)


def _list(prepared: PreparedValidation, *, as_json: bool) -> None:
    rows = [
        hop.model_dump(mode="json")
        | {"hop": hop.path, "literature": hop.barrier, "said": f"{hop.host} host"}
        for hop, _, _ in prepared.cases
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, HOPS, title=f"{len(rows)} hops, engine {prepared.stamp.text}")


def _print(found: Validation) -> None:
    from dualion.analysis.comparison import outcome_word

    rows = []
    for each in found.predictions:
        said = "no record" if each.outcome is None else outcome_word(each.outcome)
        marks = [] if each.predicted is not None else [said]
        marks += ["rests between the sites"] if each.rests_between else []
        marks += ["host of broken symmetry"] if each.broken_symmetry_host else []
        hop = each.label.removeprefix(f"{each.framework} ").removesuffix(f" {each.ion}")
        rows.append(each.model_dump(mode="json") | {"hop": hop, "said": ", ".join(marks)})
    print_table(rows, HOPS, title=f"Barriers, engine {found.engine}")
    errors = [found.total, *found.families, *found.ions]
    print_table([each.model_dump(mode="json") for each in errors], ERRORS, title="Errors")
    signs = [
        each.model_dump(mode="json") | {"ions": " < ".join(_ordered(each.ions, each.literature))}
        for each in found.pairs
    ]
    if signs:
        print_table(
            signs,
            SIGNS,
            title=f"Order of two ions: right in {found.right} of {found.asked}",
        )


def _ordered(ions: tuple[str, str], difference: float) -> tuple[str, str]:
    """Put the ion with the lower barrier in the literature first."""
    return ions if difference >= 0.0 else (ions[1], ions[0])


def _report(done: Validated, messages: Console, *, quiet: bool) -> None:
    from dualion.launch.progress import duration

    for name, reason in done.state.failed.items():
        messages.print(f"failed: {name}: {reason}", markup=False, soft_wrap=True)
    if quiet:
        return
    state = done.state
    reused = f" ({state.reused_calls} more reused)" if state.reused else ""
    messages.print(
        f"{len(state.records)} records, {state.force_calls} force calls{reused},"
        f" {duration(done.seconds)}",
        markup=False,
    )
    messages.print(done.store, markup=False, soft_wrap=True)
