"""Records of bands that other programs computed: judged as dualion's own, told apart for ever.

What such a record cannot have is said plainly: the host is the initial state with the hop's final
site filled, displacements of anions are from the initial state, the supercell is its own parent,
and the hop has no place in a network unless the user names its class. The version of the algorithm
is ``"ingested"``, so no level of theory of dualion's own is equal to that of an ingested record.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.neb import neb_forces, tangents
from dualion.records import (
    Band,
    Check,
    EndPoints,
    EngineStamp,
    Finding,
    HopRecord,
    Images,
    LevelOfTheory,
    Mechanism,
    Path,
    Record,
    content_hash,
)
from dualion.structures.cations import CATIONS
from dualion.structures.interpolation import lengths_along
from dualion.workflows.jobs import make_record
from dualion.workflows.reading import (
    INGESTED,
    WHOLE,
    Reading,
    content,
    question_of,
    require_ion,
    stamp_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.store.foreign.band import ForeignBand

FMAX = 0.05
"""Largest NEB force of a converged band that does not tell its own limit, in eV/Å."""
STEEP = 0.1
"""Bands whose energy changes by less than this everywhere, in eV/Å, do not show whose forces."""
FOLLOWS = 0.3
"""Forces along the path that are less than this share of the energies' slope are projected."""
UNKNOWN_FORCE = 1e6
"""Stands in the band for a force that nobody told, in eV/Å."""


@dataclass(frozen=True)
class _Nudged:
    """Forces of a band, in eV/Å; None where they are not known."""

    along: NDArray[np.float64] | None
    largest: NDArray[np.float64] | None
    residual_norm: float | None
    guessed: bool = False  # that they are projected, though no file says so


def ingested_record(foreign: ForeignBand, reading: Reading) -> HopRecord:
    """Judge a band that was read, and make its record.

    Parameters
    ----------
    foreign
        The band, in the order of its files.
    reading
        What it is of, as the user says.

    Returns
    -------
    HopRecord
        In band order (the mover last). Its id hashes what was read and how it is named, not the
        limit it was judged by, so that a band read again is there already, or supersedes its
        unconverged self.

    Raises
    ------
    InputError
        If the ion that moved is not the one named, no cation, or an option contradicts the files.
    """
    mover = find_mover(foreign.images)
    ion = foreign.images.species[mover]
    require_ion(foreign, reading, ion, mover)
    order = [k for k in range(len(foreign.images.species)) if k != mover] + [mover]
    xyz = foreign.images.xyz[:, order]
    species = tuple(foreign.images.species[k] for k in order)
    images = Images.from_array(foreign.images.lattice, species, xyz)
    energies = np.array(foreign.energies)
    forces = None if foreign.forces is None else np.array(foreign.forces)[:, order]
    climbing = 1 + int(np.argmax(energies[1:-1])) if foreign.climbing else None
    nudged = _nudged(foreign, xyz, energies, forces, climbing)
    converged, evidence, notes = _convergence(foreign, reading, nudged)
    stamp = stamp_of(foreign, reading, species, ion)
    band = _band(images, energies, nudged, climbing, converged, stamp, foreign)
    question = question_of(foreign, reading, images, ion)
    ends = _endpoints(images)
    path = Path(
        images=images,
        mover=len(species) - 1,
        initial_energy=foreign.energies[0],
        final_energy=foreign.energies[-1],
        charge=question.charge,
    )
    record = make_record(question, ends, path, band)
    return _told_apart(record, foreign, reading, nudged, evidence, notes)


def are_projected(
    xyz: NDArray[np.float64], energies: NDArray[np.float64], along: NDArray[np.float64]
) -> bool:
    """Whether forces lack their part along the path, as those that a band moves by do.

    True forces along the path follow the slope of the energies; projected ones do not.

    Parameters
    ----------
    xyz, energies
        Of all images, in Å and eV.
    along
        Forces on the tangent of the interior images, in eV/Å.
    """
    path = lengths_along(xyz)
    expected = -(energies[2:] - energies[:-2]) / (path[2:] - path[:-2])
    if np.abs(expected).max() < STEEP:
        return False
    return float(along @ expected) < FOLLOWS * float(expected @ expected)


def find_mover(images: Images) -> int:
    """Index of the atom that goes farthest from end to end; the first of equals."""
    net = images.xyz[-1] - images.xyz[0]
    return int(np.argmax(np.round(np.linalg.norm(net, axis=1), 9)))


def _nudged(
    foreign: ForeignBand,
    xyz: NDArray[np.float64],
    energies: NDArray[np.float64],
    forces: NDArray[np.float64] | None,
    climbing: int | None,
) -> _Nudged:
    """Find the forces along and across the path, from true forces or from those of the band."""
    told = None if foreign.along is None else np.array(foreign.along)
    if forces is None:
        return _Nudged(told, None, None)
    norm: float | None
    top = int(np.argmax(energies[1:-1]))
    if not foreign.nudged:
        # Without the springs, which space the images and say nothing of the path.
        band, along = neb_forces(xyz, energies, forces, spring=0.0, climbing=climbing)
        if are_projected(xyz, energies, along):
            return _Nudged(None, np.linalg.norm(forces, axis=2).max(axis=1), None, guessed=True)
        norm = float(np.linalg.norm(forces[top]))
        return _Nudged(along, np.linalg.norm(band, axis=2).max(axis=1), norm)
    norm = None
    if told is not None:
        unit = tangents(xyz, energies)[top]
        across = forces[top] - float((forces[top] * unit).sum()) * unit
        norm = float(np.hypot(np.linalg.norm(across), told[top]))
    return _Nudged(told, np.linalg.norm(forces, axis=2).max(axis=1), norm)


def _convergence(
    foreign: ForeignBand, reading: Reading, nudged: _Nudged
) -> tuple[bool, list[Finding], list[str]]:
    """Whether the band counts as converged, by what, and what to tell a person."""
    limit = reading.fmax or foreign.fmax or FMAX
    if foreign.converged is False and not reading.trusted:
        return False, [], ["its program says that it did not converge, or did not end"]
    if nudged.largest is None:
        if reading.trusted or foreign.converged:
            who = "its program" if foreign.converged else "whoever ingested it"
            return True, [], [f"no forces; converged as {who} says"]
        return False, [], ["no forces of the images, so nothing shows that it converged"]
    largest = float(nudged.largest.max())
    trust = reading.trusted or (foreign.converged is True and reading.fmax is None)
    finding = Finding(
        check="largest NEB force on any image, as read",
        value=largest,
        limit=limit,
        unit="eV/Å",
        passed=largest <= limit,
    )
    notes = []
    if nudged.guessed:
        notes.append("its forces have no part along the path, so they are taken as the band's")
    if largest > limit and trust:
        notes.append(f"NEB forces up to {largest:.3f} eV/Å; taken as converged")
    elif largest > limit:
        notes.append(f"NEB forces up to {largest:.3f} eV/Å, above {limit:.3f}")
    return largest <= limit or trust, [finding], notes


def _band(
    images: Images,
    energies: NDArray[np.float64],
    nudged: _Nudged,
    climbing: int | None,
    converged: bool,  # noqa: FBT001 - one of many facts of a band
    stamp: EngineStamp,
    foreign: ForeignBand,
) -> Band:
    xyz = images.xyz
    inner = len(xyz) - 2
    along = np.zeros(inner) if nudged.along is None else nudged.along
    largest = np.full(inner, UNKNOWN_FORCE) if nudged.largest is None else nudged.largest
    watched = int(np.argmax(energies[1:-1])) if climbing is None else climbing - 1
    return Band(
        images=images,
        mover=len(images.species) - 1,
        energies=tuple(float(e) for e in energies),
        tangent_forces=(0.0, *(float(f) for f in along), 0.0),
        coordinates=tuple(float(x) for x in lengths_along(xyz)),
        climbing=climbing,
        climb_force=float(largest[watched]),
        max_force=float(largest.max()),
        converged=converged,
        steps=foreign.steps,
        force_calls=max(foreign.force_calls, 1),  # 0 would stand for a band that never ran
        charge=foreign.charge or 0,
        stamp=stamp,
        residual_norm=nudged.residual_norm,
    )


def _endpoints(images: Images) -> EndPoints:
    every = tuple(range(len(images.species)))
    return EndPoints(
        initial=images.geometry(0),
        final=images.geometry(len(images) - 1),
        initial_order=every,
        final_order=every,
        species=images.species,
        mover_from=images.positions[0][-1],
        mover_to=images.positions[-1][-1],
    )


def _told_apart(
    record: HopRecord,
    foreign: ForeignBand,
    reading: Reading,
    nudged: _Nudged,
    evidence: list[Finding],
    notes: list[str],
) -> HopRecord:
    """Put the record's identity in, and take out what an ingested band cannot tell."""
    theory = LevelOfTheory(
        stamp=record.theory.stamp,
        charge=record.theory.charge,
        supercell=WHOLE,
        algorithm=INGESTED,
    )
    identity = [
        *content(foreign),
        reading.framework,
        reading.framework_fingerprint,
        record.host_ion,
        record.arrangement.label,
        record.hop.mechanism.value,
        record.hop.class_id,
        theory.fingerprint,
    ]
    mobile = sorted(f"{s} {t}" for s, t in foreign.potentials if s in CATIONS)
    told = [f"read from {foreign.source}", *foreign.notes, *notes]
    if mobile:
        told.append(f"potentials: {', '.join(mobile)}")
    if record.note:
        told.insert(0, record.note)
    findings = [f for f in record.findings if f.value < UNKNOWN_FORCE or f.unit != "eV/Å"]
    changes: dict[str, object] = {
        "record_id": content_hash(identity, length=24),
        "theory": theory,
        "findings": (*findings, *evidence),
        "note": "; ".join(told),
        "response": None,  # it is measured from the host, which nobody relaxed here
        "force_calls": foreign.force_calls,
    }
    if nudged.along is None:
        # No slopes: no fit, and no bound on the error that a fit or a force would give.
        changes |= {"forward_fit": None, "tangent_forces": (), "error": None}
    elif nudged.largest is None:
        changes["error"] = None
    elif (
        record.error is not None
        and Check.CONVERGED in record.error.verified
        and (float(nudged.largest.max()) > (reading.fmax or foreign.fmax or FMAX))
    ):
        changes["error"] = record.error.model_copy(
            update={
                "verified": tuple(c for c in record.error.verified if c is not Check.CONVERGED),
                "unverified": (Check.CONVERGED, *record.error.unverified),
            }
        )
    if reading.mechanism is Mechanism.INTERSTITIAL:
        spectators = Counter(record.images.species[:-1]) if record.images else Counter()
        from pymatgen.core import Composition

        changes["formula"] = Composition(dict(spectators)).formula.replace(" ", "")
    return HopRecord.model_validate(record.model_dump() | _plain(changes))


def _plain(changes: dict[str, object]) -> dict[str, object]:
    def one(value: object) -> object:
        if isinstance(value, Record):
            return value.model_dump()
        if isinstance(value, tuple):
            return tuple(one(item) for item in value)
        return value

    return {name: one(value) for name, value in changes.items()}
