"""What bond valences say of several ions in one framework, and the ranking of many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.analysis.bondvalence import (
    LEVEL,
    GridSettings,
    anion_electronegativity,
    charges_of,
    landscape,
    rigid,
    site_energies,
    valence_sums,
)
from dualion.analysis.gridchannels import Passage, passages
from dualion.records import Record, content_hash
from dualion.structures.cations import CATIONS, cation

if TYPE_CHECKING:
    from dualion.records import Framework

DIMENSIONS = (1, 2, 3)

CAVEAT = (
    "Bond valence in the rigid framework, without its working ions: good for ranking, no barriers "
    "of elastic bands, and not to be compared with them number by number."
)


class IonScreen(Record):
    """One ion on the sites of a framework's working ion."""

    ion: str
    barriers: tuple[float | None, float | None, float | None] = Field(
        description="By which it percolates in one, two and three dimensions, in eV; None: not."
    )
    site_energy: float = Field(
        description="Lowest energy on a working-ion site, above the lowest anywhere, in eV."
    )
    site_valence: float = Field(
        description="Mean sum of its bonds there: above 1 the sites are too narrow for it."
    )
    radius: float = Field(description="Six-fold Shannon radius, in Å.")
    radius_mismatch: float = Field(description="Less that of the framework's own ion, in Å.")
    squeeze: float | None = Field(
        description="Radius less that of the bottleneck in one dimension, in Å; None: no way."
    )
    electronegativity_difference: float = Field(
        description="Mean of the anions less the ion's, on Pauling's scale."
    )

    def barrier(self, dimensions: int) -> float | None:
        """Return the barrier in so many dimensions, in eV."""
        return self.barriers[dimensions - 1]


class FrameworkScreen(Record):
    """All ions in one framework."""

    framework: str
    file: str = Field("", description="Where the structure came from.")
    formula: str
    space_group: str
    working_ion: str
    fingerprint: str = Field(description="Of the framework.")
    level: str = LEVEL
    method: str = Field(description="Hash of the settings; different ones are not compared.")
    spacing: float = Field(description="Widest gap of the grid, in Å.")
    charges: tuple[tuple[str, float], ...] = Field(description="Assumed oxidation states.")
    excess: float = Field(
        description="Charge of the cell with these, in e: not 0 where the framework would hold "
        "another number of its ions."
    )
    bottlenecks: tuple[float | None, float | None, float | None] = Field(
        description="Radius of the largest sphere that gets through between the framework's ions "
        "in one, two and three dimensions, in Å; None: none does."
    )
    ions: tuple[IonScreen, ...]
    without: tuple[tuple[str, str], ...] = Field((), description="Ions left out, with the reason.")

    def of(self, ion: str) -> IonScreen | None:
        """Return what was found for an ion."""
        return next((each for each in self.ions if each.ion == ion), None)


def screen_framework(
    framework: Framework,
    ions: Sequence[str],
    settings: GridSettings | None = None,
    *,
    file: str = "",
) -> FrameworkScreen:
    """Put ions on the sites of a framework's working ion and find their channels.

    Parameters
    ----------
    framework
        Its working ions are taken away; the rest stays as it is.
    ions
        Symbols of the cations asked about.
    settings
        Of the grid; None: the defaults.
    file
        Where the structure came from, kept with the result.

    Returns
    -------
    FrameworkScreen
        Ions in the order asked. Those without parameters for one of the anions are in `without`.

    Raises
    ------
    InputError
        If the crystal has no oxidation states or no anions, or the grid would be too large.
    CationError
        If an ion is none of the five.
    """
    settings = settings or GridSettings()
    known = {ion: cation(ion) for ion in ions}
    host = rigid(framework, settings)
    missing = {ion: host.missing(ion) for ion in known}
    usable = [ion for ion in known if not missing[ion]]
    fields = landscape(host, usable, settings.spacing)
    gaps = _by_dimension(passages(-fields.clearance, host.cell, ceiling=0.0))
    bottlenecks = tuple(None if each is None else -each.level for each in gaps)
    parent = framework.parent
    charges = charges_of(parent, framework.working_ion, f"framework {framework.name!r}")
    eager = anion_electronegativity(parent, charges)
    own = framework.working_ion
    own_radius = cation(own).radius if own in CATIONS else None
    found = []
    for ion in usable:
        field = fields.energies[ion]
        on_site = float(site_energies(host, ion, host.sites).min())
        bottom = min(float(field.min()), on_site)  # a site may lie between grid points
        ways = _by_dimension(passages(field, host.cell, ceiling=bottom + settings.ceiling))
        radius = known[ion].radius
        found.append(
            IonScreen(
                ion=ion,
                barriers=_three(None if way is None else way.level - way.lowest for way in ways),
                site_energy=on_site - bottom,
                site_valence=float(valence_sums(host, ion, host.sites).mean()),
                radius=radius,
                radius_mismatch=radius - (radius if own_radius is None else own_radius),
                squeeze=None if bottlenecks[0] is None else radius - bottlenecks[0],
                electronegativity_difference=eager - known[ion].electronegativity,
            )
        )
    return FrameworkScreen(
        framework=framework.name,
        file=file,
        formula=framework.parent.structure().composition.reduced_formula,
        space_group=framework.space_group,
        working_ion=own,
        fingerprint=framework.fingerprint,
        method=content_hash([LEVEL, settings.model_dump(mode="json")], 8),
        spacing=settings.spacing,
        charges=tuple(sorted(charges.items())),
        excess=round(sum(charges[symbol] for symbol in parent.species), 6),
        bottlenecks=_three(bottlenecks),
        ions=tuple(found),
        without=tuple(
            (ion, f"no bond-valence parameters with {', '.join(lacking)}")
            for ion, lacking in missing.items()
            if lacking
        ),
    )


def _by_dimension(found: tuple[Passage, ...]) -> tuple[Passage | None, ...]:
    return (*found, *[None] * (3 - len(found)))


def _three(
    values: Iterable[float | None],
) -> tuple[float | None, float | None, float | None]:
    one, two, three = values
    return one, two, three


class RankedPair(Record):
    """A framework and two ions, of which the first is its own."""

    framework: str
    file: str
    pair: tuple[str, str]
    dimensions: int
    barrier: float = Field(description="Of the slower of both by bond valence, in eV.")


class BandRow(Record):
    """How an ion crosses a framework by the bands of an engine; a level of theory of its own."""

    framework: str
    pair: tuple[str, str]
    ion: str
    arrangement: str
    engine: str = Field(description="With version.")
    fingerprint: str = Field(description="Level of theory.")
    barriers: tuple[float | None, float | None, float | None] = Field(
        description="By which it crosses in one, two and three dimensions, in eV; None: not found."
    )
    closed: tuple[str, ...] = Field((), description="Hop classes without a barrier, left out.")


class PairRun(Record):
    """What the campaign of a pair came to."""

    pick: RankedPair
    campaign: str
    rows: tuple[BandRow, ...] = ()
    failed: tuple[tuple[str, str], ...] = Field((), description="Jobs, with the reason.")
    error: str = Field("", description="Why the campaign was not run, or has no record.")

    @property
    def told(self) -> tuple[str, ...]:
        """One line for each thing that went wrong."""
        lines = [f"failed: {name}: {reason}" for name, reason in self.failed]
        return (*lines, f"failed: {self.campaign}: {self.error}") if self.error else (*lines,)


def ranked_ions(
    screens: Iterable[FrameworkScreen], dimensions: int
) -> tuple[tuple[FrameworkScreen, IonScreen], ...]:
    """Sort all ions in all frameworks by their barrier, lowest first; those that are blocked last.

    Parameters
    ----------
    screens
        Of one method.
    dimensions
        In how many dimensions they must get through.
    """
    rows = [(screen, ion) for screen in screens for ion in screen.ions]

    def key(row: tuple[FrameworkScreen, IonScreen]) -> tuple[float, str, int]:
        barrier = row[1].barrier(dimensions)
        order = CATIONS.index(row[1].ion)
        return (np.inf if barrier is None else barrier, row[0].framework, order)

    return tuple(sorted(rows, key=key))


def ranked_pairs(screens: Iterable[FrameworkScreen], dimensions: int) -> tuple[RankedPair, ...]:
    """Sort frameworks and pairs by the barrier of the slower ion, lowest first.

    The first ion of a pair is the framework's own. Pairs of which one ion does not get through, or
    has no parameters, are left out.
    """
    pairs = []
    for screen in screens:
        own = screen.of(screen.working_ion)
        first = None if own is None else own.barrier(dimensions)
        for other in screen.ions:
            second = other.barrier(dimensions)
            if other.ion == screen.working_ion or first is None or second is None:
                continue
            pairs.append(
                RankedPair(
                    framework=screen.framework,
                    file=screen.file,
                    pair=(screen.working_ion, other.ion),
                    dimensions=dimensions,
                    barrier=max(first, second),
                )
            )
    return tuple(sorted(pairs, key=lambda each: (each.barrier, each.framework, each.pair)))
