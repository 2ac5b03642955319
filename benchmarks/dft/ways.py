"""The ways to a barrier that are compared; each gets the ideal states and a counting engine."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from systems import kicked, states

from dualion.engines import get_engine
from dualion.engines.adapter import EvaluatorCalculator
from dualion.engines.adaptive import run_adaptive
from dualion.engines.calculators import build_source
from dualion.engines.evaluator import Evaluator
from dualion.engines.relaxation import Relaxation, relax
from dualion.engines.surrogate_band import run_surrogate
from dualion.engines.surrogate_relaxation import relax_by_surrogate
from dualion.records import EndPoints, Geometry, Images, Mirror, Path
from dualion.settings import BandSettings, RelaxSettings
from dualion.structures.interpolation import idpp, images_between
from dualion.structures.mirror import find_mirror

if TYPE_CHECKING:
    from collections.abc import Callable

    from dualion.engines.evaluator import Source

IMAGES = 3
SPRING = 0.1
"""Of plain ASE's bands, in eV/Å², its default."""
CAP = 150
"""Steps of a plain band."""


@cache
def prior(model: str) -> Source:
    """Return the forces of a model that ships with its package."""
    return build_source(get_engine(model, device="cpu").choice)


def _relaxed(atoms: Any, evaluate: Evaluator, fmax: float) -> None:  # noqa: ANN401 - ASE
    from ase.calculators.singlepoint import SinglePointCalculator  # noqa: PLC0415
    from ase.optimize import BFGS  # noqa: PLC0415

    atoms.calc = EvaluatorCalculator(evaluate)
    BFGS(atoms, logfile=None).run(fmax=fmax, steps=60)
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)


def _guess(first: Any, last: Any) -> list[Any]:  # noqa: ANN401
    images = [first, *(first.copy() for _ in range(IMAGES)), last]
    share = np.linspace(0.0, 1.0, len(images))[:, None, None]
    line = first.positions + share * (last.positions - first.positions)
    for image, xyz in zip(images, idpp(line, first.cell.array, list(first.symbols)), strict=True):
        image.positions = xyz
    kicked(images)
    return images


def _band(images: list[Any], evaluate: Evaluator, fmax: float) -> bool:
    from ase.mep import NEB  # noqa: PLC0415
    from ase.optimize import FIRE  # noqa: PLC0415

    for image in images[1:-1]:
        image.calc = EvaluatorCalculator(evaluate)
    neb = NEB(images, k=SPRING, climb=True, method="improvedtangent")
    return bool(FIRE(neb, logfile=None).run(fmax=fmax, steps=CAP))


def _cheap_band(hop: str, model: str) -> list[Any]:
    """Return a band that the model has converged, between ends that it has relaxed."""
    first, last = states(hop)
    evaluate = Evaluator(prior(model))
    for atoms in (first, last):
        _relaxed(atoms, evaluate, 0.02)
    images = _guess(first, last)
    _band(images, evaluate, 0.05)
    return images


def plain(
    hop: str, evaluate: Evaluator, fmax: float, *, model: str | None = None
) -> dict[str, Any]:
    """Plain ASE: BFGS for the ends, FIRE for the climbing band of three images."""
    images = _cheap_band(hop, model) if model else list(states(hop))
    ends = []
    for atoms in (images[0], images[-1]):
        before = evaluate.calls
        _relaxed(atoms, evaluate, fmax)
        ends.append(evaluate.calls - before)
    if not model:
        images = _guess(*images)
    converged = _band(images, evaluate, fmax)
    energies = [float(image.get_potential_energy()) for image in images]
    return _told(energies, ends, evaluate.calls, converged=converged)


def ours(
    hop: str,
    evaluate: Evaluator,
    fmax: float,
    *,
    model: str | None = None,
    surrogate: bool = False,
) -> dict[str, Any]:
    """Relax and search with dualion: on the engine itself, or on a surrogate of it."""
    images = _cheap_band(hop, model) if model else list(states(hop))
    settings = RelaxSettings(fmax=fmax)
    mirror = _mirror(hop)
    states_ = []
    for atoms in images[:: len(images) - 1]:
        if states_ and mirror is not None:  # as a campaign does: states that are one, once
            states_.append(_mirrored(states_[0], mirror))
            continue
        start = Geometry.from_atoms(atoms)
        if model and surrogate:
            states_.append(relax_by_surrogate(start, evaluate, prior(model), settings))
        else:
            states_.append(relax(start, evaluate, settings))
    first, last = (state.geometry for state in states_)
    if model:  # the ends have moved, the images between them go along
        xyz = np.array([image.positions for image in images])
        share = np.linspace(0.0, 1.0, len(xyz))[:, None, None]
        xyz = xyz + (1.0 - share) * (first.xyz - xyz[0]) + share * (last.xyz - xyz[-1])
    else:
        xyz = np.array([atoms.positions for atoms in _guess(first.atoms(), last.atoms())])
    path = Path(
        mirror=mirror,
        images=Images.from_array(first.lattice, first.species, xyz),
        mover=len(first) - 1,
        initial_energy=states_[0].energy,
        final_energy=states_[1].energy,
    )
    band = BandSettings(fmax=fmax)
    guess = partial(images_between, cell=path.images.cell, species=path.images.species)
    if model and surrogate:
        found = run_surrogate(path, evaluate, prior(model), band, guess=guess)
    else:
        found = run_adaptive(path, evaluate, band, guess=guess)
    result = _told(
        [float(e) for e in found.energies],
        [state.force_calls for state in states_],
        evaluate.calls,
        converged=found.converged and not found.failure,
    )
    findings = [f"{f.check}: {f.value:.4g} {f.unit}".strip() for f in found.findings]
    return result | {"climb_force": round(found.climb_force, 4), "findings": findings}


def _ideal(hop: str) -> EndPoints:
    initial, final = (Geometry.from_atoms(atoms) for atoms in states(hop))
    order = tuple(range(len(initial)))
    return EndPoints(
        initial=initial,
        final=final,
        initial_order=order,
        final_order=order,
        species=initial.species,
        mover_from=tuple(initial.xyz[-1]),
        mover_to=tuple(final.xyz[-1]),
    )


def _mirror(hop: str) -> Mirror | None:
    first, last = states(hop)
    guess = np.array([image.positions for image in _guess(first.copy(), last.copy())])
    return find_mirror(first.positions, last.positions, _ideal(hop), guess=guess)


def _mirrored(state: Relaxation, mirror: Mirror) -> Relaxation:
    geometry = state.geometry
    return replace(state, geometry=geometry.moved(mirror.apply(geometry.xyz)), force_calls=0)


def _told(energies: list[float], ends: list[int], calls: int, *, converged: bool) -> dict[str, Any]:
    return {
        "barrier": round(max(energies) - energies[0], 4),
        "reverse": round(max(energies) - energies[-1], 4),
        "calls": calls,
        "end_calls": ends,
        "converged": converged,
        "energies": [round(e - energies[0], 4) for e in energies],
    }


WAYS: dict[str, Callable[[str, Evaluator, float], dict[str, Any]]] = {
    "plain": plain,
    "plain-chgnet": partial(plain, model="chgnet"),
    "adaptive": ours,
    "adaptive-chgnet": partial(ours, model="chgnet"),
    "surrogate": partial(ours, model="chgnet", surrogate=True),
    "surrogate-7net": partial(ours, model="7net-0", surrogate=True),
}
