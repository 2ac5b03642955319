"""``dualion launch`` and ``dualion rocket``: queue jobs for what is ready, and what they run."""

from __future__ import annotations

from typing import Annotated

import typer

from dualion.cli.clusteroptions import DEFAULT, ProfileOption, connected
from dualion.cli.listing import counted

rocket_app = typer.Typer(
    help="What a queue job runs (dualion launch writes it into the queue script).",
    no_args_is_help=True,
)


def launch(
    *,
    profile: ProfileOption = DEFAULT,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Stay, send what becomes ready, until all is done."),
    ] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-n", min=1, help="Send at most this many queue jobs.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option("--engine", help="Only for workers with this engine's package.")
    ] = None,
    interval: Annotated[
        float, typer.Option("--interval", min=0.5, help="Seconds between looks (--follow).")
    ] = 30.0,
    workers: Annotated[
        int | None,
        typer.Option("--workers", "-w", min=1, help="Worker processes here (scheduler: none)."),
    ] = None,
) -> None:
    """Send a queue job for everything that is ready.

    May be stopped and started at any time, and on several machines. With 'scheduler: none' worker
    processes are started here instead, until nothing is ready.
    """
    from rich.console import Console

    from dualion.errors import InputError
    from dualion.launch.launcher import follow_campaigns, run_here
    from dualion.launch.queue import send, waiting_elsewhere

    messages = Console(stderr=True, highlight=False)
    with connected(profile) as (cluster, file):
        known = list(cluster.profile.engines)
        if engine is not None and engine not in known:
            raise InputError(
                f"{engine!r} is not among the engines of the profile",
                where="--engine",
                remedy=f"it has {', '.join(known)}",
            )
        if cluster.profile.scheduler == "none":
            count = run_here(file, workers=workers or 1, engine=engine)
            typer.echo(f"{counted(count, 'worker')} ended: nothing is ready here")
            _tell_elsewhere(waiting_elsewhere(cluster))
            return
        if follow:
            follow_campaigns(
                cluster,
                file,
                interval=interval,
                engine=engine,
                limit=jobs,
                tell=lambda line: messages.print(line, markup=False, soft_wrap=True),
            )
            _tell_elsewhere(waiting_elsewhere(cluster))
            return
        sent = send(cluster, file, limit=jobs, engine=engine)
        elsewhere = waiting_elsewhere(cluster)
    more = "; more is ready, the limit is reached" if sent.full else ""
    typer.echo(f"{counted(sent.jobs, 'queue job')} sent{more}")
    _tell_elsewhere(elsewhere)


def _tell_elsewhere(waiting: dict[str, int]) -> None:
    for package, count in waiting.items():
        typer.echo(
            f"{counted(count, 'job')} more: ready for workers with {package}, which this profile"
            " does not have"
        )


@rocket_app.command()
def singleshot(
    *,
    profile: ProfileOption = DEFAULT,
    fw_id: Annotated[int | None, typer.Option("--fw_id", help="Id of the Firework.")] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="Package that is here.")] = None,
) -> None:
    """Compute one job."""
    _prepare()
    from dualion.launch.rocket import Rocket

    with connected(profile, patience=None) as (cluster, _):
        if not Rocket(cluster).shot(fw_id, engine=engine):
            typer.echo("this job is not ready: it was run, or is being run, elsewhere")


@rocket_app.command()
def rapidfire(
    *,
    profile: ProfileOption = DEFAULT,
    engine: Annotated[str | None, typer.Option("--engine", help="Package that is here.")] = None,
    wait: Annotated[float, typer.Option("--wait", min=0.0, help="Seconds to wait for more.")] = 0.0,
) -> None:
    """Compute one job after the other until none is ready."""
    _prepare()
    from dualion.launch.rocket import Rocket

    with connected(profile, patience=None) as (cluster, _):
        count = Rocket(cluster).loop(engine=engine, wait=wait)
    typer.echo(counted(count, "job"))


def _prepare() -> None:
    """Log to the queue job's output, and take one thread unless told otherwise."""
    import logging
    import sys

    from dualion.launch.queue import free_threads
    from dualion.launch.rocket import Unbreakable

    free_threads()
    sys.stdout, sys.stderr = Unbreakable(sys.stdout), Unbreakable(sys.stderr)
    log = logging.getLogger("dualion")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
