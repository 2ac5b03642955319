"""The reference set: hops whose barriers the literature gives, and where each is in a crystal."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from dualion.analysis.band import resting_depth
from dualion.errors import InputError
from dualion.records import Framework, Geometry, Mechanism, Outcome, Record, Site
from dualion.settings import (
    BandSettings,
    CellSettings,
    HopSettings,
    HostSettings,
    PathSettings,
)
from dualion.store.formats.literature import read_literature, read_shipped
from dualion.structures.cations import CATIONS
from dualion.structures.hops import find_hops, working_sites
from dualion.workflows.campaign import Campaign, Doping
from dualion.workflows.framework import emptied

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dualion.records import HopNetwork, HopRecord
    from dualion.structures.library import Library

DATA = files("dualion.workflows") / "data"
LENGTH_TOLERANCE = 0.05
"""Å by which the length of a hop in a crystal may differ from that of the reference set."""
REACH = 0.3
"""Å beyond the hop asked for up to which hops are looked for."""
BY_COMPILERS = "by the compilers"
"""In the method of values of the table that are no DFT barriers."""

Host = Literal["filled", "empty", "rigid"]


class RigidLattice(Record):
    """A lattice of one species that is held still."""

    packing: Literal["bcc", "hcp", "fcc"]
    species: str
    volume: float = Field(gt=0.0, description="For one atom, in Å³.")

    def geometry(self) -> Geometry:
        """Return the primitive cell; of hcp with the ideal ratio of its axes."""
        from ase.build import bulk

        if self.packing == "hcp":
            ratio = (8.0 / 3.0) ** 0.5
            a = (2.0 * self.volume / (0.75**0.5 * ratio)) ** (1.0 / 3.0)
            return Geometry.from_atoms(bulk(self.species, "hcp", a=a, c=ratio * a))
        edge = ({"bcc": 2.0, "fcc": 4.0}[self.packing] * self.volume) ** (1.0 / 3.0)
        return Geometry.from_atoms(bulk(self.species, self.packing, a=edge))


class ReferenceHop(Record):
    """A hop of one ion, its barrier in the literature, and its place in a framework."""

    family: str = Field(description="Class of frameworks, for the statistics.")
    framework: str = Field(description="Name in the library, or of a rigid lattice.")
    ion: str
    host: Host = Field(
        description="'filled': one vacancy among ions of this kind. 'empty': one ion in the "
        "framework without the others. 'rigid': one ion in a lattice of fixed anions."
    )
    lattice: RigidLattice | None = None
    path: str = Field(description="Name of the hop in the literature.")
    orbits: tuple[str, str] | None = Field(None, description="Sites it joins; None: any.")
    length: float = Field(description="In Å, on the parent as it lies in the library.")
    start: str | None = Field(
        None, description="Orbit that the barrier counts from; None: the lowest point of the way."
    )
    pair: str = Field("", description="Ions of hops with the same word are compared; empty: none.")
    assignment: str = Field("", description="Why this is the hop that was computed.")
    barrier: float = Field(description="In eV, of the literature.")
    doi: str

    @model_validator(mode="after")
    def _lattice_if_rigid(self) -> Self:
        if (self.host == "rigid") != (self.lattice is not None):
            msg = "'lattice' belongs to 'host: rigid'"
            raise ValueError(msg)
        return self

    @property
    def label(self) -> str:
        """Short text for tables and the names of jobs, e.g. ``lisc2s4 PATH 1 Na``."""
        return f"{self.framework} {self.path} {self.ion}"

    @property
    def mechanism(self) -> Mechanism:
        """A vacancy among other ions, or an ion in the void."""
        return Mechanism.VACANCY if self.host == "filled" else Mechanism.INTERSTITIAL

    @property
    def arrangement(self) -> str:
        """Label of the arrangement of its records."""
        return "pure" if self.host == "filled" else "empty"


class _Row(Record):
    """Hops of the file that differ in the ion alone."""

    family: str
    framework: str
    literature: str = ""
    path: str
    ions: tuple[str, ...]
    host: Host
    lattice: RigidLattice | None = None
    orbits: tuple[str, str] | None = None
    length: float
    start: str | None = None
    pair: str = ""
    assignment: str


def reference_set() -> tuple[ReferenceHop, ...]:
    """Return the reference set that comes with dualion, each hop with its barrier and DOI.

    Raises
    ------
    InputError
        If the installed data are damaged.
    """
    with as_file(DATA / "further_barriers.csv") as path:
        table = (*read_shipped(), *read_literature(path))
    return read_reference((DATA / "reference.yaml").read_text(encoding="utf-8"), table)


def read_reference(text: str, table: Iterable[HopRecord]) -> tuple[ReferenceHop, ...]:
    """Read a reference set.

    Parameters
    ----------
    text
        YAML, a list under ``hops``; see ``workflows/data/reference.yaml``.
    table
        Records of the literature that its rows name.

    Raises
    ------
    InputError
        If a row has a wrong field, or names no row of the table, or one hop is there twice.
    """
    known = {
        (record.framework, record.moving_ion, record.hop.class_id): record
        for record in table
        if BY_COMPILERS not in dict(record.theory.stamp.parameters).get("method", "")
    }
    hops: dict[str, ReferenceHop] = {}
    for number, each in enumerate(yaml.safe_load(text)["hops"], start=1):
        where = f"reference set, row {number}"
        try:
            row = _Row.model_validate(each)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise InputError(first["msg"], where=f"{where}: {place}") from error
        shared = row.model_dump(exclude={"ions", "literature"})
        for ion in row.ions:
            source = known.get((row.literature or row.framework, ion, row.path))
            if source is None or source.forward is None:
                raise InputError(
                    f"no barrier of {ion} on {row.path!r} in {row.literature or row.framework!r}",
                    where=where,
                    remedy="name a row of the table of literature barriers",
                )
            doi = dict(source.theory.stamp.parameters)["doi"]
            hop = ReferenceHop(**shared, ion=ion, barrier=source.forward, doi=doi)
            if hop.label in hops:
                raise InputError(f"{hop.label!r} is there twice", where=where)
            hops[hop.label] = hop
    return tuple(hops.values())


def chosen(hops: Sequence[ReferenceHop], only: Iterable[str]) -> tuple[ReferenceHop, ...]:
    """Choose hops by family, framework or pair.

    Parameters
    ----------
    hops
        To choose from.
    only
        Names; a hop is taken if one of them is its family, framework or pair. None at all: all.

    Raises
    ------
    InputError
        If a name fits no hop.
    """
    wanted = tuple(only)
    for name in wanted:
        if not any(name in _names(hop) for hop in hops):
            names = dict.fromkeys(each for hop in hops for each in (hop.family, hop.framework))
            raise InputError(
                f"no hop of {name!r} in the reference set",
                where="--only",
                remedy=f"name one of {', '.join(names)}",
            )
    return tuple(hop for hop in hops if not wanted or any(each in _names(hop) for each in wanted))


def _names(hop: ReferenceHop) -> set[str]:
    return {hop.family, hop.framework, hop.pair} - {""}


def framework_of(hop: ReferenceHop, library: Library) -> Framework:
    """Return the framework of a hop, with the sites of the moving ion taken.

    Of a rigid lattice, which has no such sites, the lattice alone.
    """
    if hop.lattice is None:
        return library.load(hop.framework)
    return Framework(
        name=hop.framework,
        prototype=hop.lattice.packing,
        working_ion=hop.ion,
        parent=hop.lattice.geometry(),
        source=hop.doi,
    )


def host_of(hop: ReferenceHop, framework: Framework) -> Framework:
    """Return what is relaxed before an ion or a vacancy is put in."""
    if hop.host != "empty":
        return framework
    return emptied(framework).model_copy(update={"working_ion": hop.ion})


def reference_network(hop: ReferenceHop, framework: Framework) -> HopNetwork:
    """Find the one class of hops that a reference hop means.

    Parameters
    ----------
    hop
        Its orbits and length choose.
    framework
        From :func:`framework_of`. Hops are found on its parent as it lies in the library, so that
        classes have the same names whatever the engine makes of the lattice.

    Returns
    -------
    HopNetwork
        With that class alone, on the parent of :func:`host_of`.

    Raises
    ------
    InputError
        If no class fits, or several do; tells which there are.
    """
    host = host_of(hop, framework)
    parent = host.parent
    network = find_hops(
        parent,
        _sites(hop, host),
        mechanism=hop.mechanism,
        ion=hop.ion,
        max_length=hop.length + REACH,
    )
    fitting = [
        each
        for each in network.classes
        if abs(each.length - hop.length) < LENGTH_TOLERANCE
        and (hop.orbits is None or sorted(each.orbits) == sorted(hop.orbits))
    ]
    if len(fitting) != 1:
        there = "; ".join(each.label for each in network.classes)
        raise InputError(
            f"{len(fitting)} classes of hops fit {hop.length:.2f} Å"
            + (f" between {' and '.join(hop.orbits)}" if hop.orbits else ""),
            where=f"reference hop {hop.label!r}",
            remedy=f"there are {there}",
        )
    return network.model_copy(update={"classes": tuple(fitting)})


def _sites(hop: ReferenceHop, framework: Framework) -> tuple[Site, ...]:
    if hop.host == "rigid":
        from dualion.structures.voids import find_voids

        return find_voids(framework.parent, hop.ion)
    return framework.vacant or working_sites(framework.parent, framework.working_ion)


def barrier_of(hop: ReferenceHop, record: HopRecord) -> float | None:
    """Return the barrier of a record that compares with the literature's, in eV.

    Counted from the orbit that the literature counts from, else from the lowest point of the way:
    the lower end, or the place between the ends where the ion rests, which is what limits it then.
    None: it is no barrier.
    """
    if hop.start is not None:
        return record.forward if record.hop.orbits[0] == hop.start else record.reverse
    # A way whose ends are no minima has no barrier between them, and one to climb out of its own.
    between = record.outcome is Outcome.BARRIERLESS and rests_between(record)
    if not (record.outcome.is_barrier or between):
        return None
    if not record.energies:
        return max(value for value in (record.forward, record.reverse) if value is not None)
    return max(record.energies) - min(record.energies)


def rests_between(record: HopRecord) -> bool:
    """Whether the ion rests between the two sites, below both."""
    return resting_depth(record.energies) is not None


def campaign_of(
    hop: ReferenceHop, engine: str, *, cell: CellSettings | None = None, device: str = "auto"
) -> Campaign:
    """Return the settings a reference hop is computed with.

    Parameters
    ----------
    hop
        Of a rigid lattice, nothing but the ion is moved, at the start either.
    engine
        Name or alias.
    cell
        Supercell; None: the default of campaigns.
    device
        As in a campaign.
    """
    other = next(ion for ion in CATIONS if ion != hop.ion)
    rigid = hop.host == "rigid"
    return Campaign.model_validate(
        {
            "name": "validation",
            "framework": hop.framework,
            "working_ion": hop.ion,
            "pair": (hop.ion, other),
            "engine": engine,
            "device": device,
            "mechanism": hop.mechanism,
            "doping": (Doping(kind="pure"),),
            "cell": cell or CellSettings(),
            "hops": HopSettings(),
            "host": HostSettings(relax_cell=False, rattle=0.0) if rigid else HostSettings(),
            "path": PathSettings(kick=0.2, rattle=0.0) if rigid else PathSettings(),
            "band": BandSettings(method="adaptive"),
        }
    )
