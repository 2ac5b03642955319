"""dualion itself, with its default settings, from the same unrelaxed states."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from hosts import ENGINE

from dualion.analysis.band import judge_band
from dualion.engines.calculators import build_source
from dualion.engines.jobs import converge_band, relax_structure
from dualion.records import Relaxed
from dualion.settings import BandSettings, PathSettings, RelaxSettings
from dualion.structures.path import build_path

if TYPE_CHECKING:
    from hosts import Start
    from stash import Stash


def band_settings(method: str) -> BandSettings:
    """Return the defaults, with the method if this version of dualion knows the word."""
    if "method" not in BandSettings.model_fields:
        return BandSettings()
    return BandSettings.model_validate({"method": method})


def load() -> None:
    """Load the engine's model, which is then kept by the process."""
    build_source(ENGINE.choice)


def ends(start: Start, stash: Stash, digest: str) -> dict[str, Any]:
    """Relax both ends, or read them back: all of dualion's methods begin with the same ones."""
    name = start.case.name
    known = stash.read("dualion-ends", name, digest=digest)
    if known is not None:
        return known
    clock = time.perf_counter()
    states = (start.endpoints.initial, start.endpoints.final)
    relaxed = [relax_structure(state, ENGINE.choice, RelaxSettings()) for state in states]
    piece = {
        "digest": digest,
        "seconds": time.perf_counter() - clock,
        "keys": [state.digest(digits=6) for state in states],
        "states": [each.model_dump(mode="json") for each in relaxed],
    }
    stash.write(piece, "dualion-ends", name)
    return piece


def band(start: Start, stash: Stash, method: str, ends_digest: str) -> dict[str, Any]:
    """Run path, band and judgement of one hop as the flow does."""
    both = ends(start, stash, ends_digest)
    # A relaxed state is written without what can be computed from it.
    initial, final = (Relaxed.model_validate(state) for state in both["states"])
    clock = time.perf_counter()
    path = build_path(
        initial,
        final,
        start.endpoints,
        PathSettings(),
        seed=start.seed,
        host=start.host,
    )
    converged = converge_band(path, ENGINE.choice, band_settings(method))
    judged = judge_band(converged, path, start.endpoints, host=start.host)
    energies = list(converged.energies)
    return {
        "outcome": judged.outcome.value,
        "barrier": judged.forward,
        "top": max(energies) - energies[0],
        "energies": [energy - energies[0] for energy in energies],
        "converged": converged.converged,
        "proven": converged.proven,
        "end_calls": [initial.force_calls, final.force_calls],
        "end_keys": both["keys"],
        "end_energies": [initial.energy, final.energy],
        "band_calls": converged.force_calls,
        "end_seconds": both["seconds"],
        "band_seconds": time.perf_counter() - clock,
        "note": judged.note,
    }
