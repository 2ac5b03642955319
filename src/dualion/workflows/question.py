"""One question to an engine: which ion, on which hop, in which surroundings."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from dualion.records import (
    Arrangement,
    EngineStamp,
    Framework,
    Geometry,
    Hop,
    IntMatrix3,
    LevelOfTheory,
    Record,
    Supercell,
    content_hash,
)


class Question(Record):
    """What one :class:`~dualion.records.HopRecord` answers, known before anything is computed."""

    campaign: str
    framework: str
    prototype: str = ""
    framework_fingerprint: str
    settings_fingerprint: str
    host_ion: str
    moving_ion: str
    arrangement: Arrangement
    hop: Hop
    host: Geometry = Field(description="Supercell host before anything is taken out.")
    supercell: IntMatrix3
    min_image_distance: float = Field(description="In Å.")
    broken_symmetry_host: bool = False
    charge: int = 0
    volume_change: float | None = Field(
        None, description="Of a fully exchanged host, relative to the first ion's host."
    )
    start_ion: str | None = Field(
        None, description="Ion whose band of the same hop is offered as a start; None: no band is."
    )
    start_record: str | None = Field(
        None, description="Record of the tier before whose band is the start; None: there is none."
    )

    @classmethod
    def about(
        cls,
        framework: Framework,
        hop: Hop,
        moving_ion: str,
        arrangement: Arrangement,
        *,
        cell: Supercell,
        campaign: str,
        settings_fingerprint: str,
        host_ion: str | None = None,
        broken_symmetry_host: bool = False,
        charge: int = 0,
        volume_change: float | None = None,
        start_ion: str | None = None,
        start_record: str | None = None,
    ) -> Self:
        """Put a question together from a framework and the supercell its hop lies in."""
        return cls(
            campaign=campaign,
            framework=framework.name,
            prototype=framework.prototype,
            framework_fingerprint=framework.fingerprint,
            settings_fingerprint=settings_fingerprint,
            host_ion=host_ion or framework.working_ion,
            moving_ion=moving_ion,
            arrangement=arrangement,
            hop=hop,
            host=cell.geometry,
            supercell=cell.matrix,
            min_image_distance=cell.min_image_distance,
            broken_symmetry_host=broken_symmetry_host,
            charge=charge,
            volume_change=volume_change,
            start_ion=start_ion,
            start_record=start_record,
        )

    def theory(self, stamp: EngineStamp) -> LevelOfTheory:
        """Level of theory of an answer by the engine with this stamp."""
        return LevelOfTheory(stamp=stamp, charge=self.charge, supercell=self.supercell)

    def record_id(self, stamp: EngineStamp) -> str:
        """Identity of the answer: asking the same twice gives the same id.

        The campaign's name is no part of it, and the host enters through the framework and the
        settings that relaxed it, so the last digit of a relaxation does not make a new record.
        An answer that was searched for from another ion's band, or from that of a tier before, is
        another one.
        """
        start = [] if self.start_ion is None else [self.start_ion]
        start += [] if self.start_record is None else ["record", self.start_record]
        return content_hash(
            [
                self.framework_fingerprint,
                self.settings_fingerprint,
                self.host_ion,
                self.moving_ion,
                self.arrangement.model_dump(mode="json", include={"label", "substitutions"}),
                self.hop.mechanism.value,
                self.hop.class_id,
                self.hop.member,
                self.hop.orbits,
                self.theory(stamp).fingerprint,
                *start,
            ],
            length=24,
        )

    @property
    def title(self) -> str:
        """Short text for progress and logs, e.g. ``Cu h2 24g–24g 3.26 Å dilute``."""
        return f"{self.moving_ion} {self.hop.label} {self.arrangement.label}"
