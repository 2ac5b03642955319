"""Runs of the methods on a hop, each kept as soon as it is finished."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ours
import rivals as others
import unverified as alone
from potential import Counter, calculators

import dualion as package
from dualion.records import content_hash
from dualion.settings import PathSettings, RelaxSettings

if TYPE_CHECKING:
    from hosts import Start
    from stash import Stash

STANDARD = ("ase-fire", "atomate2", "sella")
"""On every hop."""
METHODS = ("adaptive",)
"""What dualion is judged by; ``full`` can be asked for."""


def rivals(start: Start, stash: Stash, names: list[str] | None) -> None:
    """Run the other methods that are missing on a hop; the candidates on the tune half only."""
    wanted = names or [
        *STANDARD,
        *(others.CANDIDATES if start.case.half == "tune" else ()),
    ]
    for name in wanted:
        if stash.read("runs", name, start.case.name, digest=start.digest) is not None:
            continue
        run = others.method_named(name)
        _warm_up(start)
        _keep(run(start), start, stash, name, start.digest)


def dualion(start: Start, stash: Stash, methods: list[str] | None) -> None:
    """Run dualion's band methods that are missing on a hop."""
    for method in methods or METHODS:
        name, digest = f"dualion-{method}", dualion_digest(start, method)
        if stash.read("runs", name, start.case.name, digest=digest) is None:
            _warm_up(start)
            _keep(ours.band(start, stash, method, ends_digest(start)), start, stash, name, digest)


def unverified(start: Start, stash: Stash) -> None:
    """Run the climbs that nobody looks after, where they are missing."""
    for method in alone.METHODS:
        name, digest = f"unverified-{method}", dualion_digest(start, "adaptive")
        if stash.read("runs", name, start.case.name, digest=digest) is None:
            _warm_up(start)
            found = alone.search(start, stash, method, ends_digest(start))
            _keep(found, start, stash, name, digest)


def digest_of(start: Start, name: str) -> str:
    """Identity of a result of any method, by its full name."""
    if name.startswith("dualion-"):
        return dualion_digest(start, name.removeprefix("dualion-"))
    return dualion_digest(start, "adaptive") if name.startswith("unverified-") else start.digest


def dualion_digest(start: Start, method: str) -> str:
    """Identity of a result of dualion: the states, the settings, and the code that made it."""
    settings = (RelaxSettings(), PathSettings(), ours.band_settings(method))
    return content_hash([start.digest, _code(), [s.model_dump(mode="json") for s in settings]])


def ends_digest(start: Start) -> str:
    """Identity of dualion's relaxed states of one host, beside what each begins as."""
    host = start.host.digest(digits=6)
    return content_hash([host, _code(), RelaxSettings().model_dump(mode="json")])


@cache
def _code() -> str:
    """Hash of the sources that a band goes through."""
    root = Path(package.__file__).parent
    parts = ("engines", "structures", "analysis")
    files = sorted(file for part in parts for file in (root / part).glob("*.py"))
    files.append(root / "records.py")
    return content_hash([file.read_text(encoding="utf-8") for file in files])


@cache
def _warm_engine() -> None:
    """Load both copies of the model, so that no method's seconds hold that."""
    ours.load()


def _warm_up(start: Start) -> None:
    _warm_engine()
    atoms, _ = start.states()
    atoms.calc = calculators(Counter())()
    atoms.get_potential_energy()


def _keep(result: dict[str, Any], start: Start, stash: Stash, name: str, digest: str) -> None:
    piece = {"digest": digest, "load": round(os.getloadavg()[0], 1), **result}
    stash.write(piece, "runs", name, start.case.name)
    barrier = result["barrier"]
    text = "no number" if barrier is None else f"{barrier:.4f} eV"
    print(
        f"{start.case.name:20s} {name:16s} {text:10s}  ends {sum(result['end_calls']):4d}  "
        f"band {result['band_calls']:5d} calls  {result.get('outcome', '')} "
        f"{'' if result['converged'] else 'not converged'} {result['note'][:80]}",
        flush=True,
    )
