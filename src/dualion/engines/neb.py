"""The band: improved-tangent nudged elastic band with a climbing image.

Tangents after Henkelman and Jónsson, doi 10.1063/1.1323224; the climbing image after Henkelman,
Uberuaga and Jónsson, doi 10.1063/1.1329672. The cell is fixed and the end points keep the
energies of their relaxation, so they cost no force call. Images are continuous in space (never
wrapped into the cell), hence neighbouring images are compared without images of the cell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.descent import Descent, Fire, QuasiNewton
from dualion.errors import EngineError, InputError
from dualion.structures.interpolation import lengths_along

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.engines.evaluator import Evaluator
    from dualion.records import Finding, Path
    from dualion.settings import BandSettings

_HYSTERESIS = 0.001
"""Another image must be higher by this, in eV, before it takes over climbing."""
_PATIENCE = 40
"""Steps without a smaller force after which the quasi-Newton descent gives way to FIRE."""
_GROWTH = 3.0
"""Growth over the smallest force since the last reset at which the memory is dropped."""


@dataclass(frozen=True)
class BandResult:
    """A band as the optimiser left it.

    Attributes
    ----------
    xyz
        Shape (images, n, 3), end points included, in Å.
    energies
        Of all images, in eV.
    tangent_forces
        True force on the unit tangent (pointing to the final state), in eV/Å; 0 at the ends.
    coordinates
        Length along the band in configuration space, in Å.
    climbing
        Index of the climbing image; None when no image climbs.
    climb_force, max_force
        Largest NEB force on an atom of the climbing image (without one: of the highest image)
        and of any image, in eV/Å.
    forces
        True forces on the interior images, shape (images − 2, n, 3), in eV/Å.
    proven
        Whether its saddles are proven to join its ends; None: nobody looked.
    findings
        The evidence for that.
    failure
        Why the engine failed; empty when it did not.
    """

    xyz: NDArray[np.float64]
    energies: NDArray[np.float64]
    tangent_forces: NDArray[np.float64]
    coordinates: NDArray[np.float64]
    climbing: int | None
    climb_force: float
    max_force: float
    converged: bool
    steps: int
    force_calls: int
    forces: NDArray[np.float64]
    proven: bool | None = None
    findings: tuple[Finding, ...] = ()
    failure: str = ""

    @property
    def top(self) -> int:
        """Index of the highest image between the ends."""
        return 1 + int(np.argmax(self.energies[1:-1]))


def tangents(xyz: NDArray[np.float64], energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Improved tangents (doi 10.1063/1.1323224, equations 8 to 11).

    Parameters
    ----------
    xyz
        All images, shape (images, n, 3), in Å.
    energies
        Of all images, in eV.

    Returns
    -------
    ndarray
        Unit vectors in configuration space of the interior images, shape (images − 2, n, 3).
    """
    unit = np.empty_like(xyz[1:-1])
    for i in range(1, len(xyz) - 1):
        back, ahead = xyz[i] - xyz[i - 1], xyz[i + 1] - xyz[i]
        before, here, after = energies[i - 1 : i + 2]
        if after > here > before:
            tangent = ahead
        elif after < here < before:
            tangent = back
        else:
            larger = max(abs(after - here), abs(before - here))
            smaller = min(abs(after - here), abs(before - here))
            if larger == 0.0:  # flat: all energies equal
                tangent = ahead + back
            elif after > before:
                tangent = ahead * larger + back * smaller
            else:
                tangent = ahead * smaller + back * larger
        norm = np.linalg.norm(tangent)
        unit[i - 1] = tangent / norm if norm > 0.0 else 0.0
    return unit


def along_and_across(
    xyz: NDArray[np.float64], energies: NDArray[np.float64], forces: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split the true forces on the interior images of a band.

    Parameters
    ----------
    xyz, energies
        Of all m images, shapes (m, n, 3) and (m,), in Å and eV.
    forces
        Of the interior ones, shape (m − 2, n, 3), in eV/Å.

    Returns
    -------
    tuple of ndarray
        The force on the unit tangent, and the largest force on an atom without that part; both of
        shape (m − 2,), in eV/Å.
    """
    unit = tangents(xyz, energies)
    along = np.einsum("iaj,iaj->i", forces, unit)
    across = np.linalg.norm(forces - along[:, None, None] * unit, axis=2).max(axis=1)
    return along, across


def neb_forces(
    xyz: NDArray[np.float64],
    energies: NDArray[np.float64],
    forces: NDArray[np.float64],
    *,
    spring: float,
    climbing: int | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nudged forces of the interior images.

    Parameters
    ----------
    xyz, energies
        Of all images.
    forces
        True forces on the interior images, shape (images − 2, n, 3), in eV/Å.
    spring
        Spring constant, in eV/Å².
    climbing
        Index (among all images) of the one that climbs, or None.

    Returns
    -------
    tuple
        NEB forces of the interior images, shape (images − 2, n, 3), and the true force on the
        tangent of each, shape (images − 2,); both in eV/Å.
    """
    unit = tangents(xyz, energies)
    along = np.einsum("iaj,iaj->i", forces, unit)
    gaps = np.linalg.norm(np.diff(xyz, axis=0), axis=(1, 2))
    pull = spring * (gaps[1:] - gaps[:-1])
    parallel = pull - along
    if climbing is not None:
        parallel[climbing - 1] = -2.0 * along[climbing - 1]
    return forces + parallel[:, None, None] * unit, along


@dataclass
class _State:
    """Positions of all images and what the engine said of them."""

    xyz: NDArray[np.float64]
    energies: NDArray[np.float64]
    forces: NDArray[np.float64]
    known: list[bytes] = field(default_factory=list)

    def copy(self) -> _State:
        return _State(self.xyz.copy(), self.energies.copy(), self.forces.copy(), list(self.known))


class _Band:
    """Evaluates a band and decides which image climbs."""

    def __init__(
        self, path: Path, evaluate: Evaluator, settings: BandSettings, *, climb: bool
    ) -> None:
        xyz = path.images.xyz
        share = np.linspace(0.0, 1.0, len(xyz))
        # Before the first evaluation, and after a failure of it: a straight line between the ends.
        line = (1.0 - share) * path.initial_energy + share * path.final_energy
        self.numbers = path.images.numbers
        self.cell = path.images.cell
        self.evaluate = evaluate
        self.settings = settings
        self.may_climb = climb
        self.climb_on = False
        self.climbing: int | None = None
        self.state = _State(xyz, line, np.zeros_like(xyz[1:-1]), [b""] * (len(xyz) - 2))

    def refresh(self) -> None:
        """Evaluate the interior images that have moved."""
        state = self.state
        inner = range(1, len(state.xyz) - 1)
        moved = [i for i in inner if state.xyz[i].tobytes() != state.known[i - 1]]
        answers = self.evaluate.many(self.numbers, [state.xyz[i] for i in moved], self.cell)
        for i, found in zip(moved, answers, strict=True):
            state.energies[i] = found.energy
            state.forces[i - 1] = found.forces
            state.known[i - 1] = state.xyz[i].tobytes()

    def choose(self) -> bool:
        """Choose the climbing image; return whether it is another one than before."""
        before = self.climbing
        energies = self.state.energies
        highest = 1 + int(np.argmax(energies[1:-1]))
        if not self.climb_on or energies[highest] <= max(energies[0], energies[-1]):
            self.climbing = None  # nothing to climb: the path goes over no maximum
        elif before is None or energies[highest] > energies[before] + _HYSTERESIS:
            self.climbing = highest
        return self.climbing != before

    def nudged(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """NEB forces, largest NEB force per interior image, true force on the tangent."""
        forces, along = neb_forces(
            self.state.xyz,
            self.state.energies,
            self.state.forces,
            spring=self.settings.spring,
            climbing=self.climbing,
        )
        return forces, np.linalg.norm(forces, axis=2).max(axis=1), along

    def converged(self, largest: NDArray[np.float64]) -> bool:
        """Whether the climbing image and the flanks are below their thresholds."""
        limits = np.full(len(largest), self.settings.fmax_flanks)
        if self.climbing is not None:
            limits[self.climbing - 1] = self.settings.fmax
        waiting = self.may_climb and not self.climb_on
        return not waiting and bool((largest < limits).all())


def require_image(path: Path) -> None:
    """Refuse a path that has no image between its ends.

    Raises
    ------
    InputError
        If it has none.
    """
    if len(path.images) < 3:
        raise InputError(
            f"a band needs an image between its ends (images seen: {len(path.images)})",
            remedy="ask for at least one image",
        )


def run_band(
    path: Path,
    evaluate: Evaluator,
    settings: BandSettings,
    *,
    climb: bool = True,
    below: float = -np.inf,
) -> BandResult:
    """Converge a band from a path.

    The highest image starts to climb once the largest NEB force is below
    ``settings.climb_from``, and only while it is above both ends: a path without an interior
    maximum converges on the flank threshold alone, with ``climbing`` None. L-BFGS on the stacked
    NEB force with its memory dropped when another image climbs or the force grows, FIRE from the
    best band when that stalls. Nothing is symmetrised.

    Parameters
    ----------
    path
        Images (continuous, ends included) and the energies of the ends.
    evaluate
        Gives energies and forces; its errors end the band with a ``failure``.
    settings
        Thresholds, spring and largest number of band steps.
    climb
        Whether an image may climb.
    below
        Converged, too, is a band all of whose images lie below this energy, in eV: enough to
        know that its barrier does not matter.

    Raises
    ------
    InputError
        The path has no image between its ends.
    """
    require_image(path)
    first = evaluate.calls
    band = _Band(path, evaluate, settings, climb=climb)
    failure, steps, converged = "", 0, False
    try:
        steps, converged = _descend(band, below)
    except EngineError as error:
        failure = str(error)
        band = _Band(path, evaluate, settings, climb=False)  # the path as it was given
    _, largest, along = band.nudged()
    state = band.state
    highest = int(np.argmax(state.energies[1:-1]))
    watched = highest if band.climbing is None else band.climbing - 1
    return BandResult(
        xyz=state.xyz,
        energies=state.energies,
        tangent_forces=np.concatenate([[0.0], along, [0.0]]),
        coordinates=lengths_along(state.xyz),
        climbing=band.climbing,
        climb_force=float(largest[watched]),
        max_force=float(largest.max()),
        converged=converged,
        steps=steps,
        force_calls=evaluate.calls - first,
        forces=state.forces,
        failure=failure,
    )


def _descend(band: _Band, below: float) -> tuple[int, bool]:
    """Move the band until it has converged or is out of steps; return the steps and which."""
    descent: Descent = QuasiNewton()
    best, best_state = np.inf, band.state
    idle = 0
    for step in range(band.settings.steps + 1):
        band.refresh()
        changed = band.choose()
        forces, largest, _ = band.nudged()
        if band.may_climb and not band.climb_on and largest.max() < band.settings.climb_from:
            band.climb_on = True
            changed = band.choose() or changed
            forces, largest, _ = band.nudged()
        if band.converged(largest) or band.state.energies[1:-1].max() < below:
            return step, True
        if step == band.settings.steps:
            break
        if changed:  # another objective: what was learnt of the old one misleads
            descent.reset()
            best, idle = np.inf, 0
        worst = float(largest.max())
        idle = 0 if worst < 0.95 * best else idle + 1
        if worst < best:
            best, best_state = worst, band.state.copy()
        elif worst > _GROWTH * best:
            descent.reset()
        if idle >= _PATIENCE and isinstance(descent, QuasiNewton):
            band.state = best_state.copy()
            descent, idle = Fire(), 0
            forces, _, _ = band.nudged()
        band.state.xyz[1:-1] += descent.step(band.state.xyz[1:-1], forces)
    return band.settings.steps, False
