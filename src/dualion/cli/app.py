"""The command line: registers the verbs and turns errors into one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

import dualion
from dualion.cli import cluster, frameworks, store
from dualion.cli.channels import channels
from dualion.cli.compare import compare
from dualion.cli.engines import engines
from dualion.cli.explore import explore
from dualion.cli.export import export
from dualion.cli.importing import import_
from dualion.cli.ingest import ingest
from dualion.cli.init import init
from dualion.cli.launch import launch, rocket_app
from dualion.cli.places import check_places
from dualion.cli.profile import apply_profile
from dualion.cli.query import query
from dualion.cli.run import run
from dualion.cli.screen import screen
from dualion.cli.serve import serve
from dualion.cli.shift import shift
from dualion.cli.solution import solution
from dualion.cli.status import recover, status
from dualion.cli.submit import cancel, submit
from dualion.cli.validate import validate
from dualion.cli.verdict import verdict
from dualion.errors import DualionError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
BROKEN_PIPE = 141
"""Exit code after a closed pipe (``dualion query | head``), as shells have it."""


class Verbs(TyperGroup):
    """The group of all verbs, and the one place where errors become messages."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer moved its context class between versions
        """Run the chosen verb; an error that a user can act on becomes one line on stderr."""
        try:
            return super().invoke(ctx)
        except (DualionError, KeyboardInterrupt, OSError) as error:
            answer = one_line(error)
            if answer is None:
                raise
            if ctx.params.get("debug"):
                traceback.print_exc()
            text, code = answer
            if isinstance(error, BrokenPipeError):
                _let_go_of_stdout()
            if text:
                typer.echo(text, err=True)
            raise typer.Exit(code) from error


def one_line(error: BaseException) -> tuple[str, int] | None:
    """Say what an error means to the person at the keyboard.

    Parameters
    ----------
    error
        What a verb raised.

    Returns
    -------
    tuple[str, int] or None
        The line for stderr (empty: stay quiet) and the exit code; None for an error that is a
        fault of dualion, which keeps its traceback.
    """
    if isinstance(error, DualionError):
        return f"error: {error}", error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; the same command goes on from here", INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return "", BROKEN_PIPE
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        if error.errno == errno.ENOSPC:
            remedy = "free some space, then the same command goes on from here"
            return f"error: {where}no space left on device: {remedy}", 2
        if error.filename:
            what = (error.strerror or type(error).__name__).lower()
            return f"error: {where}{what}", 2
    return None


def _let_go_of_stdout() -> None:
    """Point stdout at nothing, so that flushing it when Python ends cannot fail again."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return  # not a real file: a test's buffer
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"dualion {dualion.__version__}")
        raise typer.Exit


app = typer.Typer(
    name="dualion",
    cls=Verbs,
    help="Migration barriers of two cations in one anion framework, side by side.",
    epilog="Exit codes: 0 done, 2 wrong input, 3 an engine failed, 4 a run cannot go on, "
    "130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error as well.")
    ] = False,
    profile: Annotated[
        Path | None,
        typer.Option(
            "--profile", help="Places of this machine, YAML (default: launch/local.yaml)."
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Migration barriers of two cations in one anion framework, side by side."""
    del debug, version  # read from the context by Verbs, and by the callback
    apply_profile(profile)
    check_places()


# The verbs, in the order of use; one verb a file. A new verb is one import and one line here.
app.command()(init)
app.add_typer(frameworks.app, name="frameworks")
app.command()(engines)
app.command()(run)
app.command()(solution)
app.add_typer(cluster.app, name="cluster")
app.command()(submit)
app.command()(launch)
app.command()(status)
app.command()(recover)
app.command()(cancel)
app.add_typer(rocket_app, name="rocket", hidden=True)
app.command()(ingest)
app.command()(query)
app.command()(channels)
app.command()(verdict)
app.command()(screen)
app.command()(compare)
app.command()(shift)
app.command()(validate)
app.command()(export)
app.command()(explore)
app.command("import")(import_)
app.command()(serve)
app.add_typer(store.app, name="store")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; the console entry point.

    Parameters
    ----------
    arguments
        The words after ``dualion``; None: those of the process.
    """
    try:
        app(arguments)
    except SystemExit as end:
        # What was printed may still be in the buffer: a full disk or a closed pipe shows here.
        try:
            sys.stdout.flush()
        except OSError as error:
            _let_go_of_stdout()
            text, code = one_line(error) or (f"error: standard output: {error.strerror}", 2)
            if text:
                typer.echo(text, err=True)
            raise SystemExit(code) from error
        raise end from None
