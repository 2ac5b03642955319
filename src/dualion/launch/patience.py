"""Waiting out a database that is away for minutes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

PATIENCE = 600.0
"""Seconds for which a worker waits for a database that does not answer."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0

log = logging.getLogger("dualion")

_Answer = TypeVar("_Answer")


def outages() -> tuple[type[Exception], ...]:
    """Name what pymongo raises when the server is away, and nothing else is wrong."""
    from pymongo.errors import ConnectionFailure

    return (ConnectionFailure,)


def patiently(
    ask: Callable[[], _Answer],
    *,
    patience: float = PATIENCE,
    what: str = "the database",
    pauses: Iterable[float] | None = None,
) -> _Answer:
    """Ask until there is an answer.

    Parameters
    ----------
    ask
        What to do; it must not matter whether it is done twice.
    patience
        In s: after this long the last failure is raised.
    what
        For the log.
    pauses
        Seconds between tries; None: doubling from 0.5 to 15.

    Returns
    -------
    object
        What `ask` returned.

    Raises
    ------
    pymongo.errors.ConnectionFailure
        If the server stayed away.
    """
    end = time.monotonic() + patience
    steps = iter(pauses) if pauses is not None else _doubling()
    away = outages()
    waited = False
    while True:
        try:
            answer = ask()
        except away as problem:
            pause = next(steps)
            if time.monotonic() + pause > end:
                raise
            if not waited:
                log.warning("%s does not answer (%s): waiting", what, type(problem).__name__)
                waited = True
            time.sleep(pause)
        else:
            if waited:
                log.info("%s answers again", what)
            return answer


def _doubling() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE)
