"""The reference: the lowest of several plain-ASE bands from differently pushed paths.

The climbing image of each is taken on to the saddle by Sella, which must stay where the band found
it. Nothing of dualion's relaxation, path or band is in it; only the host, the unrelaxed states and
the weights are shared. Rocksalt shows why one band is not enough: a symmetric path converges onto
a ridge.

What it cannot see: only the highest image is refined, so of two passes of nearly one height the
other may be the higher one by as much as a band of seven images blurs it; and a pass that none of
the pushes leads to.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.mep import NEB
from ase.mep.neb import idpp_interpolate
from ase.optimize import BFGS, FIRE
from potential import Counter, calculators

if TYPE_CHECKING:
    from collections.abc import Callable

    from ase import Atoms
    from hosts import Start
    from numpy.typing import NDArray
    from stash import Stash

IMAGES = 7
FMAX = 0.01
"""eV/Å on the saddle, whose energy is the barrier, and on the relaxed ends."""
NEARLY, FLANKS = 0.03, 0.05
"""eV/Å on the climbing image and on the others, at which the climbing image is handed to a saddle
search that takes it to `FMAX`: bands themselves creep there.
"""
STAYED, SAME = 0.3, 0.03
"""Å and eV by which that search may move: farther, it has found something else, and is dropped."""
LOOSE, LOOSE_FLANKS = 0.02, 0.15
"""eV/Å on saddle and others: accepted, and marked, where the band came no further."""
ABOVE = 0.002
"""eV by which another image may lie above the refined saddle; beyond, that is not the pass."""
REARRANGED = 0.8
"""Å from its unrelaxed place: an atom of an end that goes farther has left it for another."""
KICK = 0.6
CALM_FMAX = 0.15
CALM, CLIMB, REFINE = 80, 160, 60
"""Steps: FIRE without a climbing image, FIRE with one, the saddle search."""
AGREE = 0.010
"""eV: starts that differ by less agree."""
STARTS: dict[str, tuple[float, float, float]] = {
    # Å of push along the two directions across the hop, and width of the rattle of every image.
    "first side": (KICK, 0.0, 0.02),
    "second side": (0.0, KICK, 0.05),
    "rattled": (0.0, 0.0, 0.05),
}


def compute(start: Start, stash: Stash) -> None:
    """Compute and keep whatever of a hop's reference is missing."""
    counter = Counter()
    make = calculators(counter)
    name, digest = start.case.name, start.digest
    first, last = start.states()
    ends = stash.read("truth", name, "ends", digest=digest)
    if ends is None:
        ends = {"digest": digest, **_relax(first, last, make, counter)}
        stash.write(ends, "truth", name, "ends")
        print(f"{name:20s} ends        {ends['calls']:5d} calls {ends['forces']}", flush=True)
    first.positions, last.positions = np.array(ends["first"]), np.array(ends["last"])
    for number, (label, push) in enumerate(STARTS.items()):
        band = stash.read("truth", name, label, digest=digest)
        if band is None:
            band = {"digest": digest, **_band(first, last, push, make, seed=number)}
            band["calls"] = counter.taken()
            stash.write(band, "truth", name, label)
            print(
                f"{name:20s} {label:11s} {band['barrier']:.4f} eV  "
                f"forces {band['force']:.3f} {band['flanks']:.3f}  "
                f"{band['steps']} steps  {band['seconds']:.0f} s",
                flush=True,
            )
        if "saddle_rise" not in band:
            band["saddle_rise"] = _rise(first, band, make) - ends["energies"][0]
            stash.write(band, "truth", name, label)


def _rise(first: Atoms, band: dict[str, Any], make: Callable[[], Any]) -> float:
    """Evaluate a saddle that was kept without its energy."""
    atoms = first.copy()
    atoms.positions = np.array(band["saddle"])
    atoms.calc = make()
    return float(atoms.get_potential_energy())


def usable(band: dict[str, Any]) -> bool:
    """Whether a band converged, and its saddle is its highest point."""
    below = band["barrier"] - band.get("saddle_rise", band["barrier"])
    return bool(band["force"] < LOOSE and band["flanks"] < LOOSE_FLANKS and below < ABOVE)


def _settled(bands: list[dict[str, Any]]) -> bool:
    """Whether all bands so far have converged, onto one barrier."""
    barriers = [band["barrier"] for band in bands]
    return all(usable(band) for band in bands) and max(barriers) - min(barriers) < AGREE


def progress(start: Start, stash: Stash) -> str:
    """Say how far a hop's reference is: not computed, unfinished, no band converged, or done."""
    ends, found = _found(start, stash)
    if ends is None or not found:
        return "not computed"
    whole = len(found) == len(STARTS)
    if not whole and not (len(found) == len(STARTS) - 1 and _settled([*found.values()])):
        return "unfinished"
    return "done" if any(usable(band) for band in found.values()) else "no band converged"


def _found(start: Start, stash: Stash) -> tuple[dict[str, Any] | None, dict[str, dict[str, Any]]]:
    name, digest = start.case.name, start.digest
    ends = stash.read("truth", name, "ends", digest=digest)
    bands = {label: stash.read("truth", name, label, digest=digest) for label in STARTS}
    return ends, {label: band for label, band in bands.items() if band is not None}


def reference(start: Start, stash: Stash) -> dict[str, Any] | None:
    """Return the lowest converged band of a hop with its ends; None if there is none (yet).

    A band that did not converge is never taken, however low. Two that agree are taken for as long
    as the third is not there.
    """
    ends, found = _found(start, stash)
    if ends is None or progress(start, stash) != "done":
        return None
    good = {label: band for label, band in found.items() if usable(band)}
    label = min(good, key=lambda each: good[each]["barrier"])
    barriers = [band["barrier"] for band in good.values()]
    spread = max(barriers) - min(barriers)
    tight = good[label]["force"] < FMAX and good[label]["flanks"] < FLANKS
    moved = max(
        float(np.linalg.norm(np.subtract(ends[key], state.positions), axis=1).max())
        for key, state in zip(("first", "last"), start.states(), strict=True)
    )
    return {
        "barrier": good[label]["barrier"],
        "start": label,
        "tight": tight,
        "sound": tight and len(good) > 1 and spread < AGREE and moved < REARRANGED,
        "end_moved": moved,
        "forces": [good[label]["force"], good[label]["flanks"]],
        "energies": good[label]["energies"],
        "converged_starts": len(good),
        "spread": spread,
        "starts": {
            each: [band["barrier"], band["force"], band["flanks"]] for each, band in found.items()
        },
        "end_forces": ends["forces"],
        "end_energies": ends["energies"],
        "calls": ends["calls"] + sum(band["calls"] for band in found.values()),
    }


def _relax(first: Atoms, last: Atoms, make: Callable[[], Any], counter: Counter) -> dict[str, Any]:
    for atoms in (first, last):
        atoms.calc = make()
        if not BFGS(atoms, logfile=None).run(fmax=FMAX, steps=300):
            FIRE(atoms, logfile=None).run(fmax=FMAX, steps=300)
    return {
        "first": first.positions.tolist(),
        "last": last.positions.tolist(),
        "energies": [float(atoms.get_potential_energy()) for atoms in (first, last)],
        "forces": [
            round(float(np.linalg.norm(atoms.get_forces(), axis=1).max()), 4)
            for atoms in (first, last)
        ],
        "calls": counter.taken(),
    }


def straight(first: Atoms, last: Atoms, images: int) -> list[Atoms]:
    """Return an IDPP path; the ends are continuous in space, so no nearest image is taken.

    The pair potential itself does see the nearest images of neighbours.
    """
    path = [first.copy() for _ in range(images + 1)] + [last.copy()]
    NEB(path).interpolate(mic=False)
    idpp_interpolate(path, traj=None, log=None, mic=True)
    return path


def _across(along: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two unit vectors across the hop: off the most perpendicular axis, and normal to that."""
    along = along / np.linalg.norm(along)
    axis = np.eye(3)[int(np.argmin(np.abs(along)))]
    one = axis - (axis @ along) * along
    one /= np.linalg.norm(one)
    return one, np.cross(along, one)


def _nearest(images: list[Atoms]) -> float:
    distances = [image.get_distances(-1, range(len(image) - 1), mic=True) for image in images]
    return float(np.min(distances))


def _pushed(
    path: list[Atoms], push: tuple[float, float, float], rng: np.random.Generator
) -> list[Atoms]:
    """Push the mover aside with a half-sine profile, less where it would hit an atom; rattle."""
    one, two = _across(path[-1].positions[-1] - path[0].positions[-1])
    room = min(1.6, _nearest(path))
    for scale in (1.0, 0.5, 0.25, 0.0):
        moved = [image.copy() for image in path]
        for i, image in enumerate(moved[1:-1], start=1):
            hump = scale * np.sin(np.pi * i / (len(path) - 1))
            image.positions[-1] += hump * (push[0] * one + push[1] * two)
        if _nearest(moved) >= room - 1e-9:
            break
    for image in moved[1:-1]:
        image.positions += rng.normal(0.0, push[2], image.positions.shape)
    return moved


def _forces(neb: NEB) -> tuple[float, float]:
    """Largest NEB force on the climbing image and on the others; costs no force call."""
    forces = neb.get_forces().reshape(IMAGES, -1, 3)
    largest = np.linalg.norm(forces, axis=2).max(axis=1)
    top = neb.imax - 1
    return float(largest[top]), float(np.delete(largest, top).max())


def _band(
    first: Atoms,
    last: Atoms,
    push: tuple[float, float, float],
    make: Callable[[], Any],
    *,
    seed: int,
) -> dict[str, Any]:
    clock = time.perf_counter()
    images = _pushed(straight(first, last, IMAGES), push, np.random.default_rng(seed))
    for image in images:
        image.calc = make()
    neb = NEB(images, k=1.0, climb=False, method="improvedtangent")
    calm = FIRE(neb, logfile=None)
    calm.run(fmax=CALM_FMAX, steps=CALM)
    neb.climb = True
    climb = FIRE(neb, logfile=None)
    top, flanks = np.inf, np.inf
    for _ in climb.irun(fmax=FMAX, steps=CLIMB):
        top, flanks = _forces(neb)
        if top < NEARLY and flanks < FLANKS:
            break
    energies = [float(image.get_potential_energy()) for image in images]
    highest = int(np.argmax(energies))
    refined = _refined(images[highest], make) if 0 < highest < IMAGES + 1 else None
    if refined is not None:
        energies[highest] = refined["energy"]
    return {
        "barrier": max(energies) - energies[0],
        "energies": [energy - energies[0] for energy in energies],
        "force": top if refined is None else refined["force"],
        "flanks": flanks,
        "moved": None if refined is None else refined["moved"],
        "saddle_rise": energies[highest] - energies[0],
        "steps": int(calm.nsteps) + int(climb.nsteps),
        "seconds": time.perf_counter() - clock,
        "saddle": images[highest].positions.tolist() if refined is None else refined["xyz"],
    }


def _refined(image: Atoms, make: Callable[[], Any]) -> dict[str, Any] | None:
    """Take the climbing image to the saddle by Sella, if that stays where the band found it."""
    from sella import Sella  # noqa: PLC0415 - JAX is slow to import

    atoms = image.copy()
    atoms.calc = make()
    search = Sella(atoms, order=1, internal=False, logfile=None)
    try:
        search.run(fmax=FMAX, steps=REFINE)
    except Exception:  # noqa: BLE001 - whatever it dies of, the band's own image stands
        return None
    moved = float(np.linalg.norm(atoms.positions - image.positions, axis=1).max())
    force = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
    energy = float(atoms.get_potential_energy())
    if force >= FMAX or moved > STAYED or abs(energy - image.get_potential_energy()) > SAME:
        return None
    return {"energy": energy, "force": force, "moved": moved, "xyz": atoms.positions.tolist()}
