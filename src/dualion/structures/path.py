"""The first guess of a band between two relaxed end points.

The end points are examined before any band is paid for. A path is then interpolated with the
image-dependent pair potential, pushed off the symmetric ridge, and rattled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualion.errors import StructureError
from dualion.records import Finding, Images, Outcome, Path, as_vectors
from dualion.structures.displacement import (
    distances,
    in_band_order,
    minimum_image,
    mover_sites,
    unrelaxed_mover,
)
from dualion.structures.handed import handed_images
from dualion.structures.interpolation import closest_pair, idpp
from dualion.structures.mirror import SAME_ENERGY, find_mirror
from dualion.structures.transfer import transferred_start

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.records import Band, EndPoints, Geometry, Relaxed
    from dualion.settings import PathSettings
    from dualion.structures.handed import Handed

    Array = NDArray[np.float64]

SAME_STATE = 0.3
"""Two end points whose ions all lie closer than this are one state, in Å."""
MOVED_SHARE = 0.35
"""A mover that travels less than this share of its hop has not hopped."""
OFF_SITE = 0.8
"""An ion farther than this from its site, in Å, may belong to another."""
DIRECTIONS = 24
"""Directions around the path in which room for the kick is looked for."""
TIE = 0.02
"""Directions whose clearance differs by less than this, in Å, are equally good."""
PUSHES = (0.4, 0.8, 1.2, 1.6)
"""Sideways detours tried, in Å, when the straight path runs through an atom."""


def build_path(
    initial: Relaxed,
    final: Relaxed,
    endpoints: EndPoints,
    settings: PathSettings,
    *,
    seed: int,
    host: Geometry | None = None,
    like: Band | None = None,
    handed: Handed | None = None,
) -> Path:
    """Judge two relaxed end points and, if they make a hop, guess the path between them.

    Spectators go the shortest way; the mover goes along the hop's own vector (corrected for
    relaxation), so that a hop longer than half the cell keeps its direction. The images come from
    the image-dependent pair potential (doi 10.1063/1.4878664). Around the mid-path the mover is
    then pushed sideways by ``settings.kick`` into the widest gap, with a half-sine profile, and
    all atoms are displaced by one Gaussian field of width ``settings.rattle`` with the same
    profile. Both break the symmetry in which a band would converge onto a ridge; the common
    profile keeps the tangents of the band smooth, which independent noise would not.

    Parameters
    ----------
    initial, final
        The relaxed states, each in its own (host) order.
    endpoints
        The states before relaxation, and the orders that bring both into band order.
    settings
        Number of images, kick, rattle, and the distance below which two atoms clash.
    seed
        Of the rattle and of the choice between equally wide gaps. Equal seeds give equal paths.
    host
        The host as used. With it, the mover's sites are atoms of the host; without it, its places
        in the unrelaxed states.
    like
        A band of the same hop, of another ion or of another engine. If it fits
        (:func:`~dualion.structures.transfer.transferred_start`), its saddle is carried over as
        ``start``; the images stay as they would be without it.
    handed
        A converged band of the same hop and ion at another level of theory. If it fits
        (:func:`~dualion.structures.handed.handed_images`), it takes the place of guess, kick and
        rattle, and its maximum is the ``start``.

    Returns
    -------
    Path
        With ``outcome`` set, and only the two end points as images, when the end points already
        decide: ``endpoint_collapsed``, ``wrong_mover``, ``unconverged`` or ``engine_failed``.
        With ``mirror`` set when the host is given, both ends have one energy within 2 meV, and
        a symmetry of the host swaps them.

    Raises
    ------
    StructureError
        If states and end points do not hold the same atoms, or are not of this host.
    """
    _same_atoms(initial, final, endpoints)
    start, end = _aligned(initial, final, endpoints)
    outcome, findings = _examine(initial, final, endpoints, start=start, end=end, host=host)
    clash = False
    mirror = None
    suggested: Array | None = None
    if outcome is None:
        cell, species = endpoints.initial.cell, endpoints.species
        carried: Array | None = None
        if handed is not None:
            carried, top, finding = handed_images(
                handed,
                start,
                end,
                species=species,
                cell=cell,
                count=settings.images + 2,
                min_distance=settings.min_distance,
            )
            findings.append(finding)
            suggested = None if carried is None else carried[top]
        if carried is None:
            images = _interpolate(start, end, endpoints, settings)
            images = _kick(images, endpoints, settings, np.random.default_rng(seed))
        else:
            images = carried
        closest = closest_pair(images, cell, species, settings.min_distance)
        clash = closest < settings.min_distance
        if clash:
            findings.append(
                Finding(
                    check="shortest distance of two atoms on the path",
                    value=closest,
                    limit=settings.min_distance,
                    unit="Å",
                    passed=False,
                )
            )
        if host is not None and abs(final.energy - initial.energy) <= SAME_ENERGY:
            mirror = find_mirror(start, end, endpoints, guess=images)
        if like is not None:
            suggested, finding = transferred_start(
                like, start, end, species=species, cell=cell, min_distance=settings.min_distance
            )
            findings.append(finding)
    else:
        images = np.stack([start, end])
    return Path(
        images=Images.from_array(endpoints.initial.lattice, endpoints.species, images),
        mover=endpoints.mover,
        initial_energy=initial.energy,
        final_energy=final.energy,
        charge=initial.charge,
        clash=clash,
        outcome=outcome,
        findings=tuple(findings),
        mirror=mirror,
        start=None if suggested is None else as_vectors(suggested),
    )


def _same_atoms(initial: Relaxed, final: Relaxed, endpoints: EndPoints) -> None:
    """Refuse states that are not the end points' own."""
    for name, state, order in (
        ("initial state", initial, endpoints.initial_order),
        ("final state", final, endpoints.final_order),
    ):
        if sorted(order) != list(range(len(state.geometry))):
            raise StructureError(
                f"{len(state.geometry)} atoms, but an order of {len(order)}",
                where=name,
                remedy="give the relaxed form of the very end points",
            )
        if tuple(state.geometry.species[k] for k in order) != endpoints.species:
            raise StructureError(
                "other species than the end points",
                where=name,
                remedy="give the relaxed form of the very end points",
            )
    if initial.charge != final.charge:
        raise StructureError(
            f"charges {initial.charge} and {final.charge} differ",
            where="end points",
            remedy="relax both states with one charge",
        )


def _aligned(initial: Relaxed, final: Relaxed, endpoints: EndPoints) -> tuple[Array, Array]:
    """Both states in band order and on one continuous set of coordinates, in Å."""
    cell = endpoints.initial.cell
    start = in_band_order(initial.geometry.xyz, endpoints.initial_order)
    end = in_band_order(final.geometry.xyz, endpoints.final_order)
    if not (np.isfinite(start).all() and np.isfinite(end).all()):
        return start, end
    mover_from, mover_to = np.array(endpoints.mover_from), np.array(endpoints.mover_to)
    travel = mover_to - mover_from
    travel += minimum_image(end[-1] - mover_to, cell) - minimum_image(start[-1] - mover_from, cell)
    return start, np.vstack(
        [start[:-1] + minimum_image(end - start, cell)[:-1], start[-1] + travel]
    )


def _examine(
    initial: Relaxed,
    final: Relaxed,
    endpoints: EndPoints,
    *,
    start: Array,
    end: Array,
    host: Geometry | None,
) -> tuple[Outcome | None, list[Finding]]:
    """Say what the end points alone decide, and on which evidence."""
    outcome, findings = _engine_trouble(initial, final, start, end)
    if outcome is Outcome.ENGINE_FAILED:
        return outcome, findings
    moved = np.linalg.norm(end - start, axis=1)
    mover, other = float(moved[-1]), float(moved[:-1].max(initial=0.0))
    hop = float(np.linalg.norm(np.subtract(endpoints.mover_to, endpoints.mover_from)))
    one_state = max(mover, other) < SAME_STATE
    stayed = mover < MOVED_SHARE * hop
    other_moved = other > OFF_SITE and other > mover
    findings += [
        Finding(
            check="largest displacement between the end points",
            value=max(mover, other),
            limit=SAME_STATE,
            unit="Å",
            passed=not one_state,
        ),
        Finding(
            check="mover's displacement between the end points",
            value=mover,
            limit=MOVED_SHARE * hop,
            unit="Å",
            passed=not stayed,
        ),
        Finding(
            check="largest displacement of another ion between the end points",
            value=other,
            limit=min(OFF_SITE, mover),
            unit="Å",
            passed=other <= min(OFF_SITE, mover),
        ),
    ]
    lost, site_findings = _sites_lost(endpoints, start, end, host)
    findings += site_findings
    if outcome is None and stayed and other_moved:
        # Where the mover stays and another ion goes, a band would be that ion's.
        outcome = Outcome.WRONG_MOVER
    elif outcome is None and (one_state or stayed or lost):
        outcome = Outcome.ENDPOINT_COLLAPSED
    return outcome, findings


def _engine_trouble(
    initial: Relaxed, final: Relaxed, start: Array, end: Array
) -> tuple[Outcome | None, list[Finding]]:
    """Whether both relaxations ran and converged."""
    outcome: Outcome | None = None
    findings = []
    for name, state, xyz in (("initial", initial, start), ("final", final, end)):
        reason = state.failure
        if not reason and not (np.isfinite(xyz).all() and np.isfinite(state.energy)):
            reason = "no finite energy and positions"
        if reason:
            outcome = Outcome.ENGINE_FAILED
            findings.append(
                Finding(
                    check=f"relaxation of the {name} end point: {reason}",
                    value=float(state.force_calls),
                    unit="force calls",
                    passed=False,
                )
            )
        elif not state.converged:
            outcome = outcome or Outcome.UNCONVERGED
            findings.append(
                Finding(
                    check=f"largest force at the {name} end point, not converged",
                    value=state.max_force,
                    unit="eV/Å",
                    passed=False,
                )
            )
    return outcome, findings


def _sites_lost(
    endpoints: EndPoints, start: Array, end: Array, host: Geometry | None
) -> tuple[bool, list[Finding]]:
    """Whether the mover left its site for another place at one of the ends."""
    cell = endpoints.initial.cell
    before = in_band_order(endpoints.initial.xyz, endpoints.initial_order)
    after = in_band_order(endpoints.final.xyz, endpoints.final_order)
    sites = unrelaxed_mover(endpoints) if host is None else mover_sites(endpoints, host)
    lost = False
    findings = []
    for name, state, xyz, own in (("initial", before, start, 0), ("final", after, end, 1)):
        offset = float(distances(xyz[-1:], sites[own][None], cell)[0, 0])
        places = np.vstack([state[:-1], sites[1 - own][None]])
        gone = offset > OFF_SITE and bool(distances(xyz[-1:], places, cell).min() < offset)
        lost |= gone
        findings.append(
            Finding(
                check=f"mover's offset from its {name} site"
                + (", nearer to another place" if gone else ""),
                value=offset,
                limit=OFF_SITE,
                unit="Å",
                passed=not gone,
            )
        )
    return lost, findings


def _interpolate(start: Array, end: Array, endpoints: EndPoints, settings: PathSettings) -> Array:
    """IDPP images, shape (images + 2, n, 3); around an atom if the straight path hits it."""
    s = np.linspace(0.0, 1.0, settings.images + 2)[:, None, None]
    straight = start + s * (end - start)
    images = straight
    cell, species = endpoints.initial.cell, endpoints.species
    for push in (0.0, *PUSHES):
        guess = straight
        if push:
            direction = _widest(straight, endpoints, push, np.random.default_rng(0))
            guess = _sideways(straight, direction, push)
        elif (
            closest_pair(guess, endpoints.initial.cell, endpoints.species, settings.min_distance)
            < settings.min_distance
        ):
            continue  # the pair potential is singular where atoms meet
        images = idpp(guess, cell, species)
        if (
            closest_pair(images, endpoints.initial.cell, endpoints.species, settings.min_distance)
            >= settings.min_distance
        ):
            break
    return images


def _kick(
    images: Array, endpoints: EndPoints, settings: PathSettings, rng: np.random.Generator
) -> Array:
    """Push the mover sideways, then rattle all atoms of the interior images."""
    kick = settings.kick
    if kick > 0.0:
        direction = _widest(images, endpoints, kick, rng)
        allowed = min(
            settings.min_distance,
            closest_pair(images, endpoints.initial.cell, endpoints.species, settings.min_distance),
        )
        for _ in range(4):
            pushed = _sideways(images, direction, kick)
            if closest_pair(pushed, endpoints.initial.cell, endpoints.species, allowed) >= allowed:
                images = pushed
                break
            kick /= 2.0
    if settings.rattle > 0.0:
        field = rng.normal(scale=settings.rattle, size=images.shape[1:])
        images = images + _profile(len(images))[:, None, None] * field
    return images


def _profile(count: int) -> Array:
    """Half a sine over the images: exactly 0 at the ends, 1 in the middle."""
    weights: Array = np.sin(np.pi * np.linspace(0.0, 1.0, count))
    weights[[0, -1]] = 0.0
    return weights


def _sideways(images: Array, direction: Array, amplitude: float) -> Array:
    """Images with the mover displaced along a direction, in Å at mid-path."""
    pushed = images.copy()
    pushed[:, -1] += amplitude * _profile(len(images))[:, None] * direction
    return pushed


def _widest(
    images: Array, endpoints: EndPoints, amplitude: float, rng: np.random.Generator
) -> Array:
    """Find the unit vector across the path along which a displaced mover has most room.

    Room is the smallest distance to another ion less the sum of both radii, over the images of
    the middle half of the profile.
    """
    cell = endpoints.initial.cell
    along = images[-1, -1] - images[0, -1]
    along = along / np.linalg.norm(along)
    first = np.eye(3)[int(np.argmin(np.abs(along)))]
    first = first - (first @ along) * along
    first /= np.linalg.norm(first)
    second = np.cross(along, first)
    angles = 2.0 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    fan = np.cos(angles)[:, None] * first + np.sin(angles)[:, None] * second
    radii = np.array([_radius(symbol) for symbol in endpoints.species])
    contact = radii[:-1] + radii[-1]
    room = np.full(DIRECTIONS, np.inf)
    for weight, image in zip(_profile(len(images)), images, strict=True):
        if weight < 0.5:
            continue
        to_others = minimum_image(image[:-1] - image[-1], cell)
        apart = np.linalg.norm(to_others[None] - amplitude * weight * fan[:, None], axis=-1)
        room = np.minimum(room, (apart - contact).min(axis=1, initial=np.inf))
    best: Array = fan[rng.choice(np.flatnonzero(room >= room.max() - TIE))]
    return best


def _radius(symbol: str) -> float:
    """Ionic radius in Å: of the most negative state, else of the lowest positive one."""
    from pymatgen.core import Element

    element = Element(symbol)
    radii = element.ionic_radii
    return float(radii[min(radii)]) if radii else float(element.atomic_radius or 1.0)
