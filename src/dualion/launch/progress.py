"""What a person sees while a run goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console

    from dualion.launch.state import RunState

LINE_SECONDS = 20.0
"""How often a line is written where no terminal shows a live display."""


def duration(seconds: float) -> str:
    """Write a duration for a person: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def state_line(state: RunState) -> str:
    """One line: jobs done, force calls, time left, what is running."""
    parts = [f"{state.done}/{state.total} jobs", f"{state.force_calls} force calls"]
    if state.reused:
        parts.append(f"{state.reused} reused")
    if state.failed:
        parts.append(f"{len(state.failed)} failed")
    left = state.seconds_left
    if left is not None and state.done < state.total:
        parts.append(f"about {duration(left)} left")
    running = "; ".join(f"{name} ({calls})" for name, calls in sorted(state.running.items()))
    return ", ".join(parts) + (f" | {running}" if running else "")


class Display:
    """A live display on a terminal; a line now and then elsewhere.

    Parameters
    ----------
    console
        Where it is written; its own rules for ``NO_COLOR`` and width hold.
    quiet
        Show nothing.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self.console = console
        self.quiet = quiet
        self.live = console.is_terminal and not quiet
        self._last = 0.0
        self._text = ""
        self._progress = Progress(
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=None)

    def __enter__(self) -> Self:
        if self.live:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.live:
            self._progress.stop()

    def changed(self, state: RunState) -> None:
        """Show the state."""
        if self.quiet:
            return
        text = state_line(state)
        if self.live:
            self._progress.update(
                self._task, description=text, completed=state.done, total=state.total
            )
            return
        now = time.monotonic()
        if now - self._last >= LINE_SECONDS and text != self._text:
            self._last, self._text = now, text
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)
