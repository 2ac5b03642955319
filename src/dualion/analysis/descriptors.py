"""Descriptors of an ion in a framework: sizes, electronegativities, and what gives way at a saddle.

What is of the parent crystal alone, and what is read off a record's images, is told apart; what is
not known is None, with the reason beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.analysis.polyanion import is_anion, polyanions
from dualion.analysis.radii import anion_radius, electronegativity, ion_radius
from dualion.analysis.windows import SHELL, Openings
from dualion.records import Record
from dualion.structures.displacement import minimum_image
from dualion.structures.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dualion.analysis.polyanion import Polyanions
    from dualion.analysis.solution import Solution
    from dualion.records import Framework, Geometry, HopRecord

    Array = NDArray[np.float64]

NO_SOLUTION = "not computed: run 'dualion solution' on the campaign, with --references"
OWN_HOST = "it is the host's own ion"
NO_IMAGES = "the record has no images"
NO_HOST = "the host's geometry is not part of a record; only its distance to the saddle is"
NO_POLYANIONS = "no covalent groups"
NO_ANIONS = "no anions"


class SiteFit(Record):
    """How an ion fits a site of the parent."""

    orbit: str
    coordination: int
    anions: tuple[str, ...]
    ion_radius: float = Field(description="Shannon, in Å, of the coordination below.")
    radius_coordination: int = Field(description="Tabulated coordination nearest to the site's.")
    site_radius: float = Field(description="Distance to the nearest anion less its radius, in Å.")

    @property
    def ratio(self) -> float:
        """Room over ion: below 1 it is squeezed."""
        return self.site_radius / self.ion_radius


class WindowFit(Record):
    """How an ion fits a window of the parent."""

    class_id: str
    label: str
    anions: tuple[str, ...] = Field(description="That frame it.")
    ion_radius: float = Field(description="Shannon, in Å, of the first site's coordination.")
    window_radius: float = Field(description="In Å.")

    @property
    def ratio(self) -> float:
        """Room over ion: the smaller, the more the framework has to give way."""
        return self.window_radius / self.ion_radius


class IonDescriptors(Record):
    """One ion in one framework, from the parent crystal alone."""

    ion: str
    framework: str
    electronegativity: float = Field(description="Pauling.")
    electronegativity_differences: tuple[tuple[str, float], ...] = Field(
        description="Anion less ion, for each anion of the framework."
    )
    sites: tuple[SiteFit, ...]
    windows: tuple[WindowFit, ...]
    channel_ratios: tuple[tuple[str, float, str], ...] = Field(
        description="'1D', '2D', '3D': radius of the widest channel over the ion's, and the hop "
        "class that limits it."
    )
    solution_energy: float | None = Field(
        None, description="Of the ion in the host of the other, in eV for each that is exchanged."
    )
    mixing_energy: float | None = Field(
        None, description="The same against the two hosts alone, in eV; no solution energy."
    )
    reaction: str = Field("", description="Whose energy the solution energy is.")
    host_above_hull: float | None = Field(None, description="Of the host, in eV/atom.")
    absent: tuple[tuple[str, str], ...] = Field((), description="What is not known, and why.")


class SaddleDescriptors(Record):
    """What one record tells of an ion on its way, from its relaxed images."""

    record_id: str
    ion: str
    class_id: str
    arrangement: str
    end_distance: float | None = Field(None, description="Ion to nearest anion at the start, in Å.")
    saddle_distance: float | None = Field(None, description="The same at the saddle, in Å.")
    closest: float | None = Field(None, description="The least of it along the band, in Å.")
    saddle_radius: float | None = Field(
        None, description="Room at the saddle: distance less the anion's Shannon radius, in Å."
    )
    end_coordination: int | None = Field(None, description="Anions around it at the start.")
    saddle_coordination: int | None = Field(None, description="Anions around it at the saddle.")
    anions_host_to_saddle: float | None = Field(None, description="RMS displacement, in Å.")
    anions_end_to_saddle: float | None = Field(None, description="RMS displacement, in Å.")
    anions_end_to_end: float | None = Field(None, description="RMS displacement, in Å.")
    anions_host_to_end: float | None = Field(None, description="RMS displacement, in Å.")
    bond_distortion: float | None = Field(
        None, description="RMS relative change of polyanion bonds, end point to saddle."
    )
    angle_change: float | None = Field(
        None, description="Largest change of an angle in a polyanion, end point to saddle, in °."
    )
    rotation: float | None = Field(
        None, description="Largest rotation of a polyanion as a whole, end point to saddle, in °."
    )
    volume_change: float | None = Field(
        None, description="Relaxed doped over relaxed undoped cell, minus 1."
    )
    absent: tuple[tuple[str, str], ...] = Field((), description="What is not known, and why.")


def ion_descriptors(
    framework: Framework,
    ion: str,
    rooms: Openings,
    *,
    solution: Solution | None = None,
    no_solution: str = NO_SOLUTION,
) -> IonDescriptors:
    """Describe an ion in a framework, computed or not.

    Parameters
    ----------
    framework
        Its parent tells the anions.
    ion
        A monovalent cation.
    rooms
        Sites and windows of its network.
    solution
        Of this ion in the framework's host.
    no_solution
        Why there is none.

    Returns
    -------
    IonDescriptors
        Radii are Shannon's (doi 10.1107/S0567739476001551), for M⁺ in the coordination of the
        site (the nearest tabulated one) and for the anion in six-fold; electronegativities are
        Pauling's.

    Raises
    ------
    InputError
        If Shannon gives no radius of the ion.
    """
    own = electronegativity(ion)
    anions = sorted(
        {s for s in framework.parent.species if s != framework.working_ion and is_anion(s)}
    )
    sites = []
    for each in rooms.sites:
        radius = ion_radius(ion, 1, each.coordination)
        sites.append(
            SiteFit(
                orbit=each.orbit,
                coordination=each.coordination,
                anions=each.anions,
                ion_radius=radius.radius,
                radius_coordination=radius.coordination,
                site_radius=each.radius,
            )
        )
    size = {each.orbit: each.ion_radius for each in sites}
    first = next(iter(size.values()), ion_radius(ion, 1).radius)
    windows = tuple(
        WindowFit(
            class_id=each.class_id,
            label=each.label,
            anions=each.anions,
            ion_radius=size.get(each.orbits[0], first),
            window_radius=each.radius,
        )
        for each in rooms.windows
    )
    absent: list[tuple[str, str]] = []
    energies: dict[str, float | str | None] = {}
    if ion == framework.working_ion:
        solution, no_solution = None, OWN_HOST
    if solution is None:
        absent += [(name, no_solution) for name in _OF_SOLUTION]
    else:
        energies = {
            "solution_energy": solution.solution_energy,
            "mixing_energy": solution.mixing_energy,
            "reaction": solution.reaction,
            "host_above_hull": solution.above_hull,
        }
        reasons = dict(solution.absent)
        absent += [(name, reasons[key]) for name, key in _OF_SOLUTION.items() if key in reasons]
    if rooms.absent:
        absent += [(name, rooms.absent) for name in ("sites", "windows", "channel_ratios")]
    return IonDescriptors(
        ion=ion,
        framework=framework.name,
        electronegativity=own,
        electronegativity_differences=tuple((s, electronegativity(s) - own) for s in anions),
        sites=tuple(sites),
        windows=windows,
        channel_ratios=tuple((what, radius / first, by) for what, radius, by in rooms.channels),
        absent=tuple(absent),
        **energies,
    )


_OF_SOLUTION = {
    "solution_energy": "solution_energy",
    "mixing_energy": "mixing_energy",
    "host_above_hull": "above_hull",
}
"""What a solution tells, by the name it has here."""


def saddle_descriptors(record: HopRecord) -> SaddleDescriptors:
    """Read off a record's images what the ion's passage does to the framework.

    Displacements are the shortest ones, less the mean displacement of the framework; the saddle
    is the highest image. Framework are all atoms but the host's and the moving ion.

    Parameters
    ----------
    record
        With or without images.
    """
    response = record.response
    known: dict[str, float | int | None] = {
        "anions_host_to_saddle": response.rms_anion_displacement if response else None,
        "volume_change": response.volume_change if response else None,
    }
    absent = {"anions_host_to_end": NO_HOST}
    if response is None:
        absent["anions_host_to_saddle"] = "no barrier, so no saddle"
    if known["volume_change"] is None:
        absent["volume_change"] = (
            "nothing was exchanged" if record.arrangement.label == "pure" else "not computed"
        )
    if record.images is None or record.mover is None or not record.energies:
        absent |= dict.fromkeys(_FROM_IMAGES, NO_IMAGES)
    else:
        from_images, why = _from_images(record)
        known |= from_images
        absent |= why
    return SaddleDescriptors.model_validate(
        {
            "record_id": record.record_id,
            "ion": record.moving_ion,
            "class_id": record.hop.class_id,
            "arrangement": record.arrangement.label,
            **known,
            "absent": tuple(sorted(absent.items())),
        }
    )


_APPROACH = (
    "end_distance", "saddle_distance", "closest", "saddle_radius", "end_coordination",
    "saddle_coordination",
)  # fmt: skip
_SHIFTS = ("anions_end_to_saddle", "anions_end_to_end")
_SHAPES = ("bond_distortion", "angle_change", "rotation")
_FROM_IMAGES = (*_APPROACH, *_SHIFTS, *_SHAPES)


def _from_images(
    record: HopRecord,
) -> tuple[dict[str, float | int | None], dict[str, str]]:
    images, mover = record.images, record.mover
    if images is None or mover is None:  # the caller has looked
        return {}, {}
    working = {record.host_ion, record.moving_ion}
    species = images.species
    framework = [k for k, s in enumerate(species) if k != mover and s not in working]
    anions = [k for k in framework if is_anion(species[k])]
    if not anions:
        return {}, dict.fromkeys(_FROM_IMAGES, NO_ANIONS)
    xyz = images.xyz
    top = int(np.argmax(record.energies))
    around = [_approach(images.cell, x[mover], x[anions]) for x in xyz]
    nearest = species[anions[around[top].nearest]]
    own = anion_radius(nearest)
    to_saddle = _displacements(images.cell, xyz[0], xyz[top], framework)
    to_end = _displacements(images.cell, xyz[0], xyz[-1], framework)
    known: dict[str, float | int | None] = {
        "end_distance": around[0].distance,
        "saddle_distance": around[top].distance,
        "closest": min(each.distance for each in around),
        "saddle_radius": None if own is None else around[top].distance - own,
        "end_coordination": around[0].coordination,
        "saddle_coordination": around[top].coordination,
        "anions_end_to_saddle": _rms(to_saddle[anions]),
        "anions_end_to_end": _rms(to_end[anions]),
    }
    why = {} if own is not None else {"saddle_radius": f"no Shannon radius of {nearest}"}
    host = images.geometry(0)
    groups = polyanions(host, working)
    if not len(groups):
        return known, why | dict.fromkeys(_SHAPES, NO_POLYANIONS)
    bends = groups.bends(to_saddle)
    return known | {
        "bond_distortion": float(np.sqrt(np.mean(groups.stretches(to_saddle) ** 2))),
        "angle_change": float(np.abs(bends).max()) if len(bends) else None,
        "rotation": largest_rotation(groups, host, to_saddle),
    }, why | ({} if len(bends) else {"angle_change": "no atom with three covalent bonds"})


class _Approach(Record):
    distance: float
    nearest: int
    coordination: int


def _approach(cell: Array, place: Array, anions: Array) -> _Approach:
    apart, index = Surroundings(cell, anions).nearest(place[None])
    reach = SHELL * float(apart[0])
    _, found, _ = Surroundings(cell, anions, reach).within(place[None], reach)
    return _Approach(distance=float(apart[0]), nearest=int(index[0]), coordination=len(found))


def _displacements(cell: Array, before: Array, after: Array, framework: Sequence[int]) -> Array:
    moved = minimum_image(after - before, cell)
    moved -= moved[list(framework)].mean(axis=0)
    return moved


def _rms(vectors: Array) -> float:
    return float(np.sqrt(np.mean((vectors**2).sum(axis=1))))


def largest_rotation(groups: Polyanions, host: Geometry, displacements: Array) -> float:
    """Largest angle by which a covalent group turns as a whole, in degrees.

    Each group's bond vectors before and after are superposed by the rotation of least squares
    (Kabsch, doi 10.1107/S0567739476001873). A group whose bonds lie on one line, such as a pair
    of atoms, turns by the angle between its lines.

    Parameters
    ----------
    groups
        Covalent bonds.
    host
        The geometry that they are counted in.
    displacements
        Of its atoms, shape (n, 3), in Å.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = len(host)
    joined = coo_array((np.ones(len(groups)), (groups.first, groups.second)), shape=(size, size))
    _, label = connected_components(joined, directed=False)
    after = groups.bond_vectors(displacements)
    largest = 0.0
    for group in np.unique(label[groups.first]):
        bonds = label[groups.first] == group
        largest = max(largest, _turn(groups.vectors[bonds], after[bonds]))
    return largest


def _turn(before: Array, after: Array) -> float:
    if np.linalg.matrix_rank(before, tol=1e-3) < 2:
        one, two = before[0] / np.linalg.norm(before[0]), after[0] / np.linalg.norm(after[0])
        return float(np.degrees(np.arccos(np.clip(one @ two, -1.0, 1.0))))
    left, _, right = np.linalg.svd(before.T @ after)
    handed = np.sign(np.linalg.det(left @ right))
    rotation = left @ np.diag([1.0, 1.0, handed]) @ right
    cosine = (np.trace(rotation) - 1.0) / 2.0
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
