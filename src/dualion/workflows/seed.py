"""What a tier hands on to the next: its hosts, its hops, and where each search came to rest."""

from __future__ import annotations

from pydantic import Field

from dualion.records import (
    Arrangement,
    EndPoints,
    Geometry,
    Hop,
    HopNetwork,
    HopRecord,
    HostState,
    Record,
)
from dualion.structures.endpoints import build_endpoints
from dualion.structures.handed import Handed, handed_end


class Seed(Record):
    """One promoted hop of one ion: what was asked, and the converged band."""

    record_id: str
    hop: Hop = Field(description="As placed in the supercell of the tier before.")
    host_ion: str
    moving_ion: str
    arrangement: Arrangement
    band: Handed
    volume_change: float | None = Field(
        None, description="Of the doped cell, relative to the host; None: unknown."
    )

    @classmethod
    def of(cls, record: HopRecord) -> Seed | None:
        """Take what a record has to give; None if it has no images."""
        if record.images is None:
            return None
        full = record.arrangement.label == "full"
        change = record.response.volume_change if record.response and not full else None
        return cls(
            record_id=record.record_id,
            hop=record.hop,
            host_ion=record.host_ion,
            moving_ion=record.moving_ion,
            arrangement=record.arrangement,
            band=Handed(
                images=record.images,
                energies=record.energies,
                engine=record.theory.stamp.engine,
            ),
            volume_change=change,
        )

    @property
    def place(self) -> tuple[str, int]:
        """Class and member of the hop, the same in every tier."""
        return self.hop.class_id, self.hop.member

    @property
    def full(self) -> bool:
        """Whether it is of the host with all working ions exchanged."""
        return self.arrangement.label == "full"

    def starts(
        self, before: HostState, ends: EndPoints, *, min_distance: float
    ) -> tuple[Geometry, Geometry]:
        """Where the relaxations of both ends start in the host of the next tier.

        Parameters
        ----------
        before
            The host of the tier before.
        ends
            The ends in the host of the next tier, before relaxation.
        min_distance
            In Å; see :func:`~dualion.structures.handed.handed_end`.
        """
        old = build_endpoints(
            before.supercell.geometry, self.hop, self.moving_ion, self.arrangement
        )
        images = self.band.images.xyz
        return (
            handed_end(images[0], old, ends, final=False, min_distance=min_distance),
            handed_end(images[-1], old, ends, final=True, min_distance=min_distance),
        )


class Heritage(Record):
    """All that a tier hands on."""

    network: HopNetwork = Field(description="Of the first tier: class ids are the same in all.")
    host: HostState
    full_host: HostState | None = None
    seeds: tuple[Seed, ...]

    def before(self, seed: Seed) -> HostState:
        """Host in which a seed's hop was computed."""
        return self.full_host if seed.full and self.full_host is not None else self.host
