"""The surrogate band on the hops of this benchmark: CHGNet's calls, with one prior or another.

    python benchmarks/bands/surrogate.py                   # what is missing, then learnt.md
    python benchmarks/bands/surrogate.py table             # the page alone
    python benchmarks/bands/surrogate.py --prior 7net-0    # the same to surrogate.md

With ``learnt``, CHGNet is alone: a force field is fitted to its calls. With ``7net-0`` CHGNet
stands in for a density functional, because for CHGNet the references and the calls of plain ASE are
known (results.json); SevenNet, which differs from it about as much as from a functional, stands in
for CHGNet. Only the calls of CHGNet count.
"""

# ruff: noqa: E402 - the environment comes before numpy and torch

from __future__ import annotations

import argparse
import json
import os
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["OMP_NUM_THREADS"] = "1"
for _variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(_variable, None)

import hosts
import numpy as np
import ours
from hopset import CASES, interleaved
from rows import CLOSE, FAR, geometric_mean
from stash import Stash

from dualion.engines.calculators import build_source
from dualion.engines.registry import EngineChoice

if TYPE_CHECKING:
    from hopset import Case
    from hosts import Start

    from dualion.records import Lesson


HERE = Path(__file__).parent
BETWEEN = 4
"""Parts that a path is looked at in between two images."""
NO_HOP = ("wrong_mover", "framework_broken", "endpoint_collapsed")
"""Outcomes that say that what was asked for is no hop of the ion."""


@dataclass(frozen=True)
class Prior:
    """What spares CHGNet its calls, and where its pieces and its page are."""

    name: str
    stem: str
    about: str

    @property
    def choice(self) -> EngineChoice:
        """CHGNet with this prior."""
        prior = EngineChoice(name=self.name, device="cpu")
        return EngineChoice(name="chgnet", device="cpu", prior=prior)

    def lessons(self, start: Start, stash: Stash) -> tuple[Lesson, ...]:
        """Return what the host's relaxation hands on."""
        return hosts.lessons_of(start, self.choice, stash) if self.choice.learns else ()


def band(start: Start, prior: Prior, stash: Stash) -> dict[str, Any]:
    """Run ends, path, band and judgement of one hop as the flow does."""
    host = start.host.digest(digits=6)
    both = ours.ends(
        start,
        stash,
        host,
        choice=prior.choice,
        states=f"{prior.stem}-states",
        lessons=prior.lessons(start, stash),
    )
    piece, converged = ours.searched(start, both, prior.choice, "surrogate")
    return piece | {
        "digest": start.digest,
        "hop": start.case.name,
        "half": start.case.half,
        "findings": [f"{f.check}: {f.value:.4g} {f.unit}".strip() for f in converged.findings],
        "images": converged.images.xyz.tolist(),
    }


def finished(case: Case, prior: Prior, stash: Stash) -> dict[str, Any] | None:
    """Return what was found for a hop from the states that it has now; None: not run."""
    start = hosts.start_of(case, stash)
    digest = None if start is None else start.digest
    return stash.read(f"{prior.stem}-runs", case.name, digest=digest)


def highest(start: Start, piece: dict[str, Any]) -> float:
    """Return the highest energy of CHGNet itself on the path, straight between its images, in eV.

    It is above the initial state, and no lower than the barrier whatever the surrogate predicted.
    """
    source = build_source(EngineChoice(name="chgnet", device="cpu"))
    atoms, _ = start.states()
    xyz = np.array(piece["images"])
    shares = np.linspace(0.0, 1.0, BETWEEN + 1)[:-1]
    points = [a + share * (b - a) for a, b in pairwise(xyz) for share in shares]
    energies = [
        source(atoms.numbers, each, atoms.cell.array, stress=False).energy for each in points
    ]
    return max(energies) - energies[0]


def table(prior: Prior, stash: Stash) -> str:
    """Return the page."""
    stored = {row["hop"]: row for row in json.loads((HERE / "results.json").read_text())["hops"]}
    found = [p for case in CASES if (p := finished(case, prior, stash)) is not None]
    fallen = [piece["hop"] for piece in found if not piece["band_calls"]]
    banded = [piece for piece in found if piece["band_calls"]]
    pieces = [piece for piece in banded if piece["outcome"] not in NO_HOP]
    strange = [
        f"{p['hop']} ({p['outcome']}, {sum(p['end_calls'])} + {p['band_calls']} calls)"
        for p in banded
        if p["outcome"] in NO_HOP
    ]
    missing = [c.name for c in CASES if c.name not in {p["hop"] for p in found}]
    users: dict[str, int] = {}
    for key in (key for piece in pieces for key in piece["end_keys"]):
        users[key] = users.get(key, 0) + 1
    lines, ratios, judged = [], [], []
    for piece in pieces:
        row = stored[piece["hop"]]
        plain, known = row["methods"]["ase-fire"], row["reference"]
        adaptive = row["methods"]["dualion-adaptive"]
        alone = sum(piece["end_calls"]) + piece["band_calls"]
        calls = zip(piece["end_keys"], piece["end_calls"], strict=True)
        shared = piece["band_calls"] + sum(n / users[key] for key, n in calls)
        cost = plain["ends"] + plain["band"]
        off, told = None, "–"
        if known is not None:
            shift = piece["end_energies"][0] - known["end_energies"][0]
            off = piece["top"] - known["barrier"]
            told = f"{1000 * off:+.0f} / {1000 * (off + shift):+.0f}"
            judged.append((piece, off, off + shift, known["sound"]))
        ratios.append((piece["half"], cost / alone, cost / shared))
        reference = "–" if known is None else f"{known['barrier']:.3f}"
        lines.append(
            f"| {piece['hop']} | {piece['half']} | {reference} | {piece['top']:.3f} | "
            f"{_three(piece.get('path_top'))} | {told} | "
            f"{sum(piece['end_calls'])} + {piece['band_calls']} | {plain['ends']} + "
            f"{plain['band']} | {adaptive['ends']} + {adaptive['band']} | {cost / alone:.1f} | "
            f"{piece['outcome']}{'' if piece['converged'] else ', not converged'} |"
        )
    means = []
    for half in ("all", "report", "tune"):
        chosen = [r for r in ratios if half in ("all", r[0])]
        means.append(
            f"| {half} | {len(chosen)} | {geometric_mean([r[1] for r in chosen]) or 0:.1f} | "
            f"{geometric_mean([r[2] for r in chosen]) or 0:.1f} |"
        )
    under = [p["hop"] for p, _, _, _ in judged if _undercuts(p, stored[p["hop"]])]
    close = sum(abs(off) < CLOSE for _, off, _, _ in judged)
    sound = [abs(off) < CLOSE for _, off, _, is_sound in judged if is_sound]
    elsewhere = {p["hop"]: told for p, _, _, _ in judged if (told := _elsewhere(p, stored))}
    known_why = {*under, *elsewhere}
    wrong = [p["hop"] for p, off, _, _ in judged if abs(off) > FAR and p["hop"] not in known_why]
    silent = [p["hop"] for p, _, _, _ in judged if p["hop"] in wrong and p["converged"]]
    return PAGE.format(
        option="" if prior.name == "learnt" else f" --prior {prior.name}",
        about=prior.about,
        means="\n".join(means),
        rows="\n".join(lines),
        close=close,
        judged=len(judged),
        sound_close=sum(sound),
        sound=len(sound),
        under=", ".join(under) or "none",
        elsewhere=", ".join(f"{hop} ({told})" for hop, told in elsewhere.items()) or "none",
        wrong=", ".join(wrong) or "none",
        silent=", ".join(silent) or "none",
        open=", ".join(p["hop"] for p in pieces if not p["converged"]) or "none",
        fallen=", ".join(fallen) or "none",
        strange=", ".join(strange) or "none",
        missing=", ".join(missing) or "none",
    )


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _elsewhere(piece: dict[str, Any], stored: dict[str, Any]) -> str:
    """By how much both ends differ in energy from the reference's, if they are other minima."""
    known = stored[piece["hop"]]["reference"]["end_energies"]
    shifts = [a - b for a, b in zip(piece["end_energies"], known, strict=True)]
    far = any(abs(shift) > FAR for shift in shifts)
    return f"{1000 * shifts[0]:+.0f} and {1000 * shifts[1]:+.0f} meV" if far else ""


def _undercuts(piece: dict[str, Any], row: dict[str, Any]) -> bool:
    """Whether CHGNet's own energies on the path show that the reference is not the lowest way."""
    if piece.get("path_top") is None:
        return False
    return bool(piece["path_top"] < row["reference"]["barrier"] - CLOSE)


PRIORS = {
    "learnt": Prior(
        "learnt",
        "learnt",
        """\
`method: surrogate` with CHGNet as the engine and `prior: learnt`, all else default: CHGNet alone,
and a force field fitted to its calls while they come in. All calls are CHGNet's and all count, but
for those of the host, from which the field learns first: every method starts from it, and it costs
what it costs all others. What the field itself costs is time: some thousand evaluations a hop.""",
    ),
    "7net-0": Prior(
        "7net-0",
        "surrogate",
        """\
`method: surrogate` with CHGNet as the engine and 7net-0 as its `prior`, all else default. CHGNet
stands in for a density functional: its references can be afforded. **Only CHGNet's calls count**;
the prior's, some hundreds a hop, do not, so this pays where a call of the engine is far dearer.""",
    ),
}
PAGE = """# Bands on a surrogate

Written by `python benchmarks/bands/surrogate.py{option}`; do not edit. The hops, the references,
plain ASE (`ase-fire`) and `adaptive` are those of [the table of band methods](README.md).

{about}

Geometric mean of plain ASE's calls over the surrogate's, ends included in both:

| half | hops | by itself | campaign |
|---|---|---|---|
{means}

Within 10 meV of the reference: {close} of {judged}; of sound references {sound_close} of {sound}.
Lower than the reference, as the energies of CHGNet itself on the whole path show: {under}.
Other minima at an end than the reference has, by energies of both: {elsewhere}.
Beyond 30 meV else: {wrong}; of these converged: {silent}. Not converged: {open}.
No band, because both ends relaxed into one state (counted nowhere): {fallen}.
Judged to be another hop, since another ion or the framework moves as well (counted nowhere):
{strange}.
Not run yet: {missing}.

Energies in eV above the own initial state; deviation of the barrier / of the highest energy itself
on the common scale, in meV; calls are ends + band. *Path*: highest energy of CHGNet itself on the
path found, looked at four times between two images (not counted among the calls): the barrier is no
higher.

| hop | half | reference | surrogate | path | deviation | calls | ASE | adaptive | ratio | outcome |
|---|---|---|---|---|---|---|---|---|---|---|
{rows}
"""


def main() -> None:
    """Run what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stages", nargs="*", choices=[[], "table"], default=[])
    parser.add_argument("--cache", type=Path, default=HERE / "cache", help="finished pieces")
    parser.add_argument("--prior", choices=list(PRIORS), default="learnt")
    parser.add_argument("--hop", action="append", help="only this hop (may be repeated)")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    stash = Stash(arguments.cache)
    prior = PRIORS[arguments.prior]
    if "table" not in arguments.stages:
        hosts.set_up(stash)
        for case in interleaved([c for c in CASES if not arguments.hop or c.name in arguments.hop]):
            start = hosts.start_of(case, stash)
            if start is None or finished(case, prior, stash) is not None:
                continue
            piece = band(start, prior, stash)
            piece["path_top"] = highest(start, piece)
            stash.write(piece, f"{prior.stem}-runs", case.name)
            print(case.name, piece["top"], piece["end_calls"], piece["band_calls"], flush=True)
    (HERE / f"{prior.stem}.md").write_text(table(prior, stash))


if __name__ == "__main__":
    main()
