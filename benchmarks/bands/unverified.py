"""What the adaptive band's first climb would say if nobody looked whether it is right.

From the middle of the very path that the adaptive band starts from, one image climbs by dualion's
own optimiser to its own threshold; where it comes to rest is the answer. In a second run the
curvatures are looked at on the way (ridges are left, minima told), but no way down.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import ours
from ase.data import atomic_numbers
from hosts import CHOICE

from dualion.engines.adaptive import SHORT_CALLS, TIGHT
from dualion.engines.calculators import build_source
from dualion.engines.climb import climb, tangent_at
from dualion.engines.evaluator import Evaluator
from dualion.engines.hessian import Hessian, near_mover
from dualion.engines.saddle import STEPS, SaddleSearch
from dualion.engines.stretch import FellError, NoProofError, Notes, RestError
from dualion.engines.surface import Point, Surface

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts import Start
    from stash import Stash

    from dualion.records import Path

METHODS = ("climb", "climb-curvatures")


def search(start: Start, stash: Stash, method: str, ends_digest: str) -> dict[str, Any]:
    """Climb from the middle of one hop's path and believe the result."""
    both = ours.ends(start, stash, ends_digest)
    clock = time.perf_counter()
    guess = ours.path(start, both)
    found: dict[str, Any] = {"point": None, "converged": False, "calls": 0, "note": ""}
    if guess.outcome is None:
        found = (_bare if method == "climb" else _with_curvatures)(guess)
    else:
        found["note"] = guess.outcome.value.replace("_", " ")
    point: Point | None = found["point"]
    rise = None if point is None else point.energy - guess.initial_energy
    to_final = guess.final_energy - guess.initial_energy
    return {
        "barrier": rise,
        "energies": [0.0, to_final] if rise is None else [0.0, rise, to_final],
        "converged": found["converged"],
        **both.told(),
        "band_calls": found["calls"],
        "band_seconds": time.perf_counter() - clock,
        "note": found["note"],
    }


def _surface(guess: Path) -> tuple[Surface, Point, tuple[Point, Point]]:
    """Return the surface, the evaluated middle of the path, and the two ends."""
    numbers = np.array([atomic_numbers[symbol] for symbol in guess.images.species])
    surface = Surface(numbers, guess.images.cell, Evaluator(build_source(CHOICE)))
    xyz = guess.images.xyz
    still = np.zeros_like(xyz[0])
    first = Point(xyz[0], guess.initial_energy, still)
    last = Point(xyz[-1], guess.final_energy, still)
    return surface, surface.point(xyz[len(xyz) // 2]), (first, last)


def _fmax() -> float:
    return min(ours.band_settings("adaptive").fmax, TIGHT)


def _bare(guess: Path) -> dict[str, Any]:
    """Climb without a look at the modes."""
    surface, middle, both = _surface(guess)
    along = tangent_at(middle, both)
    hessian = Hessian(along, near_mover(middle, guess.mover, surface.cell))
    found = climb(surface, middle, both, hessian, fmax=_fmax(), steps=2 * STEPS)
    note = "fell into an end" if found.fell else ""
    return {
        "point": None if found.fell else found.point,
        "converged": found.converged,
        "calls": surface.calls,
        "note": note,
    }


def _with_curvatures(guess: Path) -> dict[str, Any]:
    """Climb as the adaptive band's first attempt does, up to where it would go down."""
    surface, middle, both = _surface(guess)
    seek = SaddleSearch(
        surface,
        guess.mover,
        fmax=_fmax(),
        loosest=ours.band_settings("adaptive").fmax,
        notes=Notes(),
        check_budget=_budget(surface, surface.calls - 1 + SHORT_CALLS),
    )
    point, note = None, ""
    try:
        point = seek.find(middle, tangent_at(middle, both), both).point
    except RestError:
        note = "came to rest in a minimum"
    except FellError:
        note = "fell into an end"
    except NoProofError as reason:
        note = str(reason)
    return {"point": point, "converged": point is not None, "calls": surface.calls, "note": note}


def _budget(surface: Surface, limit: int) -> Callable[[], None]:
    def check() -> None:
        if surface.calls >= limit:
            raise NoProofError("out of force calls")

    return check
