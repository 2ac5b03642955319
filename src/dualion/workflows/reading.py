"""What the user says of a foreign band, and the question that the band then answers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.errors import InputError
from dualion.records import (
    Arrangement,
    EngineStamp,
    Geometry,
    Hop,
    HopClass,
    Images,
    Mechanism,
    Record,
    as_vectors,
    content_hash,
)
from dualion.structures.cations import CATIONS
from dualion.workflows.question import Question

if TYPE_CHECKING:
    from dualion.store.foreign.band import ForeignBand

INGESTED = "ingested"
"""Campaign, hop class and algorithm of such records."""
LENGTH_OFF = 0.35
"""A hop whose length differs from its class's by more than this share is another's."""
WHOLE = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
"""Supercell of a cell that is its own parent."""


class Reading(Record):
    """What the user says of a band."""

    framework: str
    prototype: str = ""
    framework_fingerprint: str
    framework_species: tuple[str, ...] = Field(
        (), description="Species of the parent but its working ion; empty: not known."
    )
    working_ion: str | None = Field(None, description="The ion that must have moved.")
    host_ion: str | None = Field(None, description="Working ion of the parent; None: the mover.")
    mechanism: Mechanism = Mechanism.VACANCY
    hop_class: HopClass | None = None
    arrangement: str | None = Field(None, description="Label; None: told from the composition.")
    engine: str | None = None
    functional: str | None = None
    charge: int | None = None
    fmax: float | None = Field(None, description="Limit of the NEB forces, in eV/Å.")
    trusted: bool = Field(
        default=False, description="Counts as converged where nothing in it says so."
    )

    @property
    def mobile(self) -> frozenset[str]:
        """Species that are no part of the framework: the cations, unless the parent has them."""
        return frozenset(CATIONS) - frozenset(self.framework_species)


def require_ion(foreign: ForeignBand, reading: Reading, ion: str, mover: int) -> None:
    """Refuse what the user says where the files say otherwise.

    Parameters
    ----------
    foreign
        The band.
    reading
        What the user says.
    ion, mover
        Symbol and index of the atom that moved farthest.

    Raises
    ------
    InputError
        If it is not the ion named or no cation, the hop is of another length than its class,
        charge or functional differ, or nobody says what computed the band.
    """
    length = float(np.linalg.norm(foreign.images.xyz[-1, mover] - foreign.images.xyz[0, mover]))
    if ion not in CATIONS or (reading.working_ion not in {None, ion}):
        wanted = reading.working_ion or f"one of {', '.join(CATIONS)}"
        raise InputError(
            f"the atom that moves farthest is {ion} (atom {mover}, {length:.2f} Å), not {wanted}",
            where=foreign.source,
            remedy="check the order of the atoms in both ends, or name the ion with --working-ion",
        )
    hop = reading.hop_class
    if hop is not None and abs(length - hop.length) > LENGTH_OFF * hop.length:
        raise InputError(
            f"{ion} moves {length:.2f} Å, but hop {hop.class_id} is {hop.length:.2f} Å long",
            where=foreign.source,
            remedy="name another hop, or leave out --hop",
        )
    for name, said, read in (
        ("charge", reading.charge, foreign.charge),
        ("functional", reading.functional, dict(foreign.settings).get("functional")),
    ):
        if said is not None and read is not None and str(said).lower() != str(read).lower():
            raise InputError(
                f"{name} is {read}, not {said}",
                where=foreign.source,
                remedy=f"leave out --{name}, the files tell it",
            )
    if reading.engine is None and not foreign.engine:
        raise InputError(
            "does not tell what computed it",
            where=foreign.source,
            remedy="name the program or model with --engine, and --functional where it has one",
        )


def stamp_of(
    foreign: ForeignBand, reading: Reading, species: tuple[str, ...], ion: str
) -> EngineStamp:
    """Return the level of theory, without what differs between two ions in one framework."""
    mobile = reading.mobile | {ion}
    rest = Counter(symbol for symbol in species if symbol not in mobile)
    settings = dict(foreign.settings)
    if reading.functional:
        settings["functional"] = settings.get("functional", reading.functional)
    settings["origin"] = INGESTED
    settings["framework atoms"] = " ".join(f"{s}{n}" for s, n in sorted(rest.items())) or "none"
    settings |= {f"potential {s}": t for s, t in foreign.potentials if s not in mobile}
    return EngineStamp(
        engine=reading.engine or foreign.engine,
        code=foreign.code or (reading.engine or foreign.engine),
        version=foreign.version or "unknown",
        parameters=tuple(sorted(settings.items())),
    )


def question_of(foreign: ForeignBand, reading: Reading, images: Images, ion: str) -> Question:
    """Put together what a band answers.

    Parameters
    ----------
    foreign, reading
        The band, and what the user says of it.
    images
        Its images in band order.
    ion
        What moves.

    Returns
    -------
    Question
        Its host is the initial state with both sites of the hop filled.
    """
    from ase.geometry import minkowski_reduce

    host_ion = reading.host_ion or ion
    others = Counter(images.species[:-1])
    seconds = sum(others[symbol] for symbol in reading.mobile - {host_ion}) + (host_ion != ion)
    # In a framework of the second ion alone, its sites are that ion's.
    site_ion = ion if seconds > 1 and not others[host_ion] else host_ion
    xyz = images.xyz
    # Both sites of the hop, for the judge; the formula of an interstitial's host has neither.
    host = Geometry(
        lattice=images.lattice,
        species=(*images.species[:-1], site_ion, site_ion),
        positions=as_vectors(np.vstack([xyz[0], xyz[-1, -1:]])),
    )
    reduced = minkowski_reduce(images.cell)[0]
    fraction = seconds / (others[host_ion] + seconds + 1 + (host_ion == ion))
    label = reading.arrangement or _label(seconds, fraction, ion == host_ion, others[host_ion])
    return Question(
        campaign=INGESTED,
        framework=reading.framework,
        prototype=reading.prototype,
        framework_fingerprint=reading.framework_fingerprint,
        settings_fingerprint=content_hash([INGESTED, list(foreign.settings)]),
        host_ion=host_ion,
        moving_ion=ion,
        arrangement=Arrangement(label=label, fraction=fraction),
        hop=_hop(reading, images, foreign),
        host=host,
        supercell=WHOLE,
        min_image_distance=float(np.linalg.norm(reduced, axis=1).min()),
        charge=foreign.charge if foreign.charge is not None else (reading.charge or 0),
    )


def _label(seconds: int, fraction: float, own: bool, hosts: int) -> str:  # noqa: FBT001
    """Name an arrangement as campaigns do: pure, dilute, full, or by the share of second ions."""
    if not seconds:
        return "pure"
    if seconds == 1 and not own:
        return "dilute"
    return f"x={fraction:.2f}" if hosts or own else "full"


def _hop(reading: Reading, images: Images, foreign: ForeignBand) -> Hop:
    start, vector = images.xyz[0, -1], images.xyz[-1, -1] - images.xyz[0, -1]
    known = reading.hop_class
    (place,), (along,) = as_vectors(start[None]), as_vectors(vector[None])
    return Hop(
        class_id=INGESTED if known is None else known.class_id,
        # Hops of no known class are no two the same: each has a number of its own.
        member=int(content_hash(content(foreign), 4), 16) if known is None else 0,
        mechanism=reading.mechanism,
        orbits=("?", "?") if known is None else known.orbits,
        length=float(np.linalg.norm(vector)) if known is None else known.length,
        multiplicity=0 if known is None else known.multiplicity,
        self_mirror=False if known is None else known.self_mirror,
        initial_position=place,
        vector=along,
    )


def content(foreign: ForeignBand) -> list[object]:
    """Return what was read as plain data: geometries, energies, settings; not where it lay."""
    return [
        list(foreign.images.species),
        foreign.images.cell.tolist(),
        foreign.images.xyz.tolist(),
        list(foreign.energies),
        [foreign.engine, foreign.code, foreign.version],
        list(foreign.settings),
        list(foreign.potentials),
    ]
