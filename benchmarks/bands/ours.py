"""dualion itself, with its default settings, from the same unrelaxed states."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from hosts import CHOICE

from dualion.analysis.band import judge_band
from dualion.engines.calculators import build_source
from dualion.engines.jobs import converge_band, relax_structure
from dualion.engines.lessons import united
from dualion.records import Geometry, Lesson, Path, Relaxed
from dualion.settings import BandSettings, PathSettings, RelaxSettings
from dualion.structures.equivalence import Equivalents, carry_over
from dualion.structures.path import build_path

if TYPE_CHECKING:
    from hosts import Start
    from stash import Stash

    from dualion.engines.registry import EngineChoice
    from dualion.records import Band

SPLIT = "a minimum met"
SHORTER = "a shorter search did not do: "
"""How the findings of an adaptive band begin that tell of minima and of fallbacks."""


def band_settings(method: str) -> BandSettings:
    """Return the defaults with another method."""
    return BandSettings.model_validate({"method": method})


def load() -> None:
    """Load the engine's model, which is then kept by the process."""
    build_source(CHOICE)


@dataclass(frozen=True)
class Ends:
    """Both ends of a hop, relaxed as dualion's flow relaxes them.

    Attributes
    ----------
    initial, final
        In their own order and place, also where another state was relaxed for them.
    relaxed
        What was really relaxed for the two: identity, force calls, seconds. Hops that need the
        same one share it in a campaign; a hop whose ends are equivalent has one.
    """

    initial: Relaxed
    final: Relaxed
    relaxed: dict[str, tuple[int, float]]

    def told(self) -> dict[str, Any]:
        """Return what a result keeps; a hop by itself pays for each relaxation once."""
        return {
            "end_calls": [calls for calls, _ in self.relaxed.values()],
            "end_keys": list(self.relaxed),
            "end_energies": [self.initial.energy, self.final.energy],
            "end_seconds": sum(seconds for _, seconds in self.relaxed.values()),
        }


@cache
def _equivalents(host: Geometry) -> Equivalents:
    return Equivalents(host)


def ends(
    start: Start,
    stash: Stash,
    digest: str,
    *,
    choice: EngineChoice = CHOICE,
    states: str = "dualion-states",
    lessons: tuple[Lesson, ...] = (),
) -> Ends:
    """Relax the representatives of both ends, or read them back, and carry them over.

    The same steps as ``workflows.bench.Bench.relaxed``. `states` is where the stash has them;
    `lessons` are those of the host.
    """
    found, relaxed = [], {}
    for state in (start.endpoints.initial, start.endpoints.final):
        representative, equivalence = _equivalents(start.host).representative(state)
        key = f"{start.case.framework}-{representative.digest(digits=6)}"
        piece = stash.read(states, key, digest=digest)
        if piece is None:
            clock = time.perf_counter()
            done = relax_structure(representative, choice, RelaxSettings(), lessons=lessons)
            piece = {
                "digest": digest,
                "seconds": time.perf_counter() - clock,
                "relaxed": done.model_dump(mode="json"),
            }
            stash.write(piece, states, key)
        own = Relaxed.model_validate(piece["relaxed"])
        relaxed[key] = (own.force_calls, float(piece["seconds"]))
        found.append(own if equivalence is None else carry_over(own, equivalence))
    return Ends(found[0], found[1], relaxed)


def path(start: Start, both: Ends) -> Path:
    """Guess the path of a hop as the flow does; the host lets it find the hop's mirror."""
    return build_path(
        both.initial,
        both.final,
        start.endpoints,
        PathSettings(),
        seed=start.seed,
        host=start.host,
    )


def band(start: Start, stash: Stash, method: str, ends_digest: str) -> dict[str, Any]:
    """Run path, band and judgement of one hop as the flow does."""
    piece, _ = searched(start, ends(start, stash, ends_digest), CHOICE, method)
    return piece


def searched(
    start: Start, both: Ends, choice: EngineChoice, method: str
) -> tuple[dict[str, Any], Band]:
    """Run path, band and judgement between two relaxed ends; what is kept of it, and the band."""
    clock = time.perf_counter()
    guess = path(start, both)
    lessons = united([both.initial.lessons, both.final.lessons])
    converged = converge_band(guess, choice, band_settings(method), lessons=lessons)
    judged = judge_band(converged, guess, start.endpoints, host=start.host)
    energies = list(converged.energies)
    piece = {
        "outcome": judged.outcome.value,
        "barrier": judged.forward,
        "top": max(energies) - energies[0],
        "energies": [energy - energies[0] for energy in energies],
        "converged": converged.converged,
        "proven": converged.proven,
        "mirror": guess.mirror is not None,
        "split": any(finding.check.startswith(SPLIT) for finding in converged.findings),
        "fallbacks": _fallbacks(converged),
        **both.told(),
        "band_calls": converged.force_calls,
        "band_seconds": time.perf_counter() - clock,
        "note": judged.note,
    }
    return piece, converged


def _fallbacks(found: Band) -> list[str]:
    return [f.check.removeprefix(SHORTER) for f in found.findings if f.check.startswith(SHORTER)]
