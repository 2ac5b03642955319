"""What a band means: its outcome, the evidence, and its barriers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dualion.analysis.polyanion import is_anion, polyanions
from dualion.records import Finding, Outcome, Record
from dualion.structures.displacement import (
    assigned,
    band_host_indices,
    distances,
    minimum_image,
    mover_sites,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dualion.records import Band, EndPoints, Geometry, Path

    Array = NDArray[np.float64]

FLAT = 0.02
"""Rises and dips below this are no barrier and no minimum, in eV."""
OTHER_ION = 0.6
"""An ion that moves farther than this between the ends, in Å, is looked at again."""
MOVER_OFF_SITE = 0.8
"""A mover farther than this from its site at an end, in Å, is looked at again."""
CONCERTED = 0.6
"""A second ion moving more than this share of the mover's way makes the hop concerted."""
BOND_STRETCH = 0.25
"""A polyanion bond longer by more than this share is broken."""
ANGLE = 20.0
"""Largest change of an angle within a polyanion, in degrees."""
ANION_SHIFT = 1.0
"""Largest displacement of a framework anion from the host, in Å."""


class Judgement(Record):
    """The outcome of a band, the evidence, and the barriers if it is one."""

    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    forward: float | None = None
    reverse: float | None = None
    forward_fit: float | None = None
    energy_difference: float | None = None
    path_length: float | None = None
    note: str = ""


def judge_band(band: Band | None, path: Path, endpoints: EndPoints, *, host: Geometry) -> Judgement:
    """Decide what a band is, in this order; the first that holds is the outcome.

    1. What the end points alone decided (``path.outcome``).
    2. ``engine_failed``: the engine said so, or an energy is not finite.
    3. ``wrong_mover``: assigned to the nearest sites, the mover does not begin and end on its
       own, or another working ion changes its site or travels farther than the mover.
    4. ``framework_broken``: in an image a polyanion bond is stretched by more than 25 %, an angle
       at an atom with three or more such bonds changed by more than 20°, or a framework anion
       shifted by more than 1 Å, each against the host and without drift.
    5. ``unconverged``.
    6. ``barrierless``: the highest image is less than 20 meV above the higher end.
    7. ``converged_with_intermediate_minimum``: between the ends an image lies more than 20 meV
       below the highest image on each side of it.
    8. ``converged``.

    Parameters
    ----------
    band
        As the engine left it; None (or anything) if ``path.outcome`` is set.
    path
        What the band started from.
    endpoints
        The two states before relaxation.
    host
        The host that the end points were cut from, with or without dopants.

    Returns
    -------
    Judgement
        Barriers in eV, only for the last two outcomes: the highest image above either end, and
        the maximum of :func:`fitted_maximum` above the initial end, never below the highest
        image. The length of the mover's path is in Å.

    Raises
    ------
    StructureError
        If the end points were not cut from this host.
    """
    findings = list(path.findings)
    if path.outcome is not None or band is None:
        outcome = path.outcome or Outcome.ENGINE_FAILED
        both = outcome in {Outcome.ENDPOINT_COLLAPSED, Outcome.WRONG_MOVER}
        return Judgement(
            outcome=outcome,
            findings=tuple(findings),
            energy_difference=path.final_energy - path.initial_energy if both else None,
            note="; ".join(f.check for f in findings if not f.passed),
        )
    energies = np.array(band.energies)
    if band.failure or not np.isfinite(energies).all():
        reason = band.failure or "an energy is not finite"
        findings.append(
            Finding(
                check=f"band: {reason}",
                value=float(band.force_calls),
                unit="force calls",
                passed=False,
            )
        )
        return Judgement(outcome=Outcome.ENGINE_FAILED, findings=tuple(findings), note=reason)
    motion = _motion(band, endpoints, host)
    decided = None
    notes: list[str] = []
    for judge in (_who_moved, _framework_kept):
        outcome_here, evidence = judge(motion)
        findings += evidence
        notes += [f.check for f in evidence if not f.passed]
        decided = decided or outcome_here
    profile_outcome, evidence = _profile(band)
    findings += evidence
    findings += band.findings
    if band.proven is False:
        notes.append("its saddles are not proven to join its ends")
    outcome = decided or profile_outcome
    if decided is None and not outcome.is_barrier:
        notes += [f.check for f in evidence if not f.passed]
    depth = resting_depth(band.energies) if band.converged else None
    if depth is not None:
        notes.append(f"the ion rests between its two sites, {depth:.3f} eV below both")
    forward = reverse = fit = None
    if outcome.is_barrier:
        top = float(energies.max())
        forward, reverse = top - float(energies[0]), top - float(energies[-1])
        fit = max(fitted_maximum(band), top) - float(energies[0])
    steps = minimum_image(np.diff(motion.xyz[:, -1], axis=0), motion.cell)
    return Judgement(
        outcome=outcome,
        findings=tuple(findings),
        forward=forward,
        reverse=reverse,
        forward_fit=fit,
        energy_difference=float(energies[-1] - energies[0]),
        path_length=float(np.linalg.norm(steps, axis=1).sum()),
        note="; ".join(notes),
    )


def resting_depth(energies: Sequence[float]) -> float | None:
    """How far a band dips below both of its ends, in eV; None if by no more than 20 meV.

    Such an ion has its site between the two of the hop, and what limits it is the climb out of
    there, whatever the barriers above the ends are.

    Parameters
    ----------
    energies
        Of all images, ends included, in eV.
    """
    if len(energies) < 3:
        return None
    depth = min(energies[0], energies[-1]) - min(energies[1:-1])
    return float(depth) if depth > FLAT else None


def fitted_maximum(band: Band) -> float:
    """Highest energy of the piecewise cubic through a band, in eV.

    The cubic Hermite pieces take energies and slopes (the negative of the true force along the
    path; zero at the relaxed ends) at the band's own coordinates, as in Henkelman, Uberuaga and
    Jónsson, doi 10.1063/1.1329672. Its stationary points are found exactly.
    """
    from scipy.interpolate import CubicHermiteSpline

    x, energies = np.array(band.coordinates), np.array(band.energies)
    slopes = -np.array(band.tangent_forces)
    slopes[[0, -1]] = 0.0
    apart = np.concatenate([[True], np.diff(x) > 1e-9])
    if apart.sum() < 2:
        return float(energies.max())
    curve = CubicHermiteSpline(x[apart], energies[apart], slopes[apart])
    flat = curve.derivative().roots(extrapolate=False)
    flat = flat[np.isfinite(flat)]
    return float(np.concatenate([energies, curve(flat)]).max())


@dataclass(frozen=True)
class _Motion:
    """A band seen from its host."""

    cell: Array
    xyz: Array  # (images, n, 3), band order
    species: tuple[str, ...]
    endpoints: EndPoints
    host: Geometry
    indices: tuple[int, ...]  # host atom of each spectator
    working: frozenset[str]

    @property
    def hop(self) -> Array:
        """The mover's net displacement, from end to end, in Å."""
        hop: Array = self.xyz[-1, -1] - self.xyz[0, -1]
        return hop

    def is_working(self, spectator: int) -> bool:
        """Whether a spectator is a working ion, or sits on such an ion's site."""
        names = {self.species[spectator], self.host.species[self.indices[spectator]]}
        return bool(names & self.working)


def _motion(band: Band, endpoints: EndPoints, host: Geometry) -> _Motion:
    indices = tuple(k for k in band_host_indices(endpoints, host) if k is not None)
    mover = endpoints.species[-1]
    empty = set(range(len(host))) - set(indices)
    return _Motion(
        cell=host.cell,
        xyz=band.images.xyz,
        species=endpoints.species,
        endpoints=endpoints,
        host=host,
        indices=indices,
        working=frozenset({mover, *(host.species[k] for k in empty)}),
    )


def _who_moved(motion: _Motion) -> tuple[Outcome | None, list[Finding]]:
    """Whether the ion that hops is the mover, and alone."""
    xyz, cell = motion.xyz, motion.cell
    mover = float(np.linalg.norm(motion.hop))
    spectators = [k for k in range(len(motion.indices)) if motion.is_working(k)]
    sites, own = _sites(motion, spectators)
    ions = [*spectators, len(motion.species) - 1]
    findings = []
    wrong = False
    for name, image, home in (("initial", xyz[0], own[0]), ("final", xyz[-1], own[1])):
        offset = float(distances(image[-1:], sites[home][None], cell)[0, 0])
        placed = _assign(image[ions], sites, cell)
        left = offset > MOVER_OFF_SITE and placed[-1] != home
        # Spectators' own sites come first in the list of sites.
        strayed = sum(
            site != row
            and float(distances(image[k][None], sites[row][None], cell)[0, 0]) > OTHER_ION
            for row, (k, site) in enumerate(zip(spectators, placed, strict=False))
        )
        wrong |= left or strayed > 0
        findings += [
            Finding(
                check=f"mover's offset from its {name} site in the band"
                + (", on another site" if left else ""),
                value=offset,
                limit=MOVER_OFF_SITE,
                unit="Å",
                passed=not left,
            ),
            Finding(
                check=f"working ions on other sites than their own at the {name} end",
                value=float(strayed),
                limit=0.0,
                unit="ions",
                passed=not strayed,
            ),
        ]
    along = minimum_image(xyz[:, spectators] - xyz[0, spectators], cell)
    travel = np.linalg.norm(along, axis=-1)
    net = float(travel[-1].max(initial=0.0))
    farther = net > max(mover, OTHER_ION)
    wrong |= farther
    findings.append(
        Finding(
            check="largest displacement of another working ion from end to end",
            value=net,
            limit=max(mover, OTHER_ION),
            unit="Å",
            passed=not farther,
        )
    )
    everyone = minimum_image(xyz[:, :-1] - xyz[0, :-1], cell)
    second = float(np.linalg.norm(everyone, axis=-1).max(initial=0.0))
    share = second / mover if mover > 1e-9 else float("inf")
    concerted = share > CONCERTED
    findings.append(
        Finding(
            check="second largest displacement over the mover's"
            + (": a concerted hop" if concerted else ""),
            value=min(share, 1e6),
            limit=CONCERTED,
            passed=not concerted,
        )
    )
    return (Outcome.WRONG_MOVER if wrong else None), findings


def _sites(motion: _Motion, spectators: Sequence[int]) -> tuple[Array, tuple[int, int]]:
    """Sites of the spectators, then the mover's initial and final one; rows of the last two."""
    theirs = motion.host.xyz[[motion.indices[k] for k in spectators]].reshape(-1, 3)
    mine = mover_sites(motion.endpoints, motion.host)
    return np.vstack([theirs, mine]), (len(spectators), len(spectators) + 1)


def _assign(ions: Array, sites: Array, cell: Array) -> list[int]:
    """Site of each ion, one to one, with the least sum of squared distances."""
    return [int(k) for k in assigned(ions, sites, cell)]


def _framework_kept(motion: _Motion) -> tuple[Outcome | None, list[Finding]]:
    """Whether polyanions and anions stay what and where they are in the host."""
    host = motion.host
    indices = list(motion.indices)
    framework = [k for k, s in enumerate(host.species) if s not in motion.working]
    held = [k for k in framework if k in set(indices)]
    groups = polyanions(host, motion.working)
    anions = [k for k in held if is_anion(host.species[k])]
    stretch = bend = shift = 0.0
    for image in motion.xyz:
        moved = np.zeros((len(host), 3))
        moved[indices] = minimum_image(image[:-1] - host.xyz[indices], motion.cell)
        if held:
            moved -= moved[held].mean(axis=0)
        stretch = max(stretch, float(groups.stretches(moved).max(initial=0.0)))
        bend = max(bend, float(np.abs(groups.bends(moved)).max(initial=0.0)))
        shift = max(shift, float(np.linalg.norm(moved[anions], axis=1).max(initial=0.0)))
    findings = []
    if len(groups):
        findings += [
            Finding(
                check="largest stretch of a polyanion bond",
                value=stretch,
                limit=BOND_STRETCH,
                passed=stretch <= BOND_STRETCH,
            ),
            Finding(
                check="largest change of an angle within a polyanion",
                value=bend,
                limit=ANGLE,
                unit="°",
                passed=bend <= ANGLE,
            ),
        ]
    if anions:
        findings.append(
            Finding(
                check="largest displacement of an anion from the host",
                value=shift,
                limit=ANION_SHIFT,
                unit="Å",
                passed=shift <= ANION_SHIFT,
            )
        )
    broken = any(not finding.passed for finding in findings)
    return (Outcome.FRAMEWORK_BROKEN if broken else None), findings


def _profile(band: Band) -> tuple[Outcome, list[Finding]]:
    """Read the outcome off the energies along a band."""
    energies = np.array(band.energies)
    rise = float(energies.max() - max(energies[0], energies[-1]))
    dip = max(
        (
            float(min(energies[:k].max(), energies[k + 1 :].max()) - energies[k])
            for k in range(1, len(energies) - 1)
        ),
        default=0.0,
    )
    findings = [
        Finding(
            check="largest force on the climbing image",
            value=band.climb_force if np.isfinite(band.climb_force) else 1e6,
            unit="eV/Å",
            passed=band.converged,
        ),
        Finding(
            check="highest image above the higher end",
            value=rise,
            limit=FLAT,
            unit="eV",
            passed=rise >= FLAT,
        ),
        Finding(
            check="deepest minimum between the ends, below the lower of its two sides",
            value=max(dip, 0.0),
            limit=FLAT,
            unit="eV",
            passed=dip <= FLAT,
        ),
    ]
    if not band.converged:
        return Outcome.UNCONVERGED, findings
    if rise < FLAT:
        return Outcome.BARRIERLESS, findings
    return (Outcome.INTERMEDIATE_MINIMUM if dip > FLAT else Outcome.CONVERGED), findings
