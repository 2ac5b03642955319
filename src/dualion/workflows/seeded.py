"""A bench of a later tier: its searches start where those of the tier before came to rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualion.structures.endpoints import build_endpoints
from dualion.structures.equivalence import cartesian
from dualion.structures.handed import carried_back, swollen
from dualion.workflows.bench import Bench

if TYPE_CHECKING:
    from jobflow.core.job import Job

    from dualion.engines.base import Engine
    from dualion.records import Arrangement, EndPoints, Framework, Geometry, Hop, HostState
    from dualion.workflows.campaign import Campaign
    from dualion.workflows.seed import Heritage, Seed


class SeededBench(Bench):
    """A bench whose searches start where those of the tier before came to rest."""

    def __init__(
        self,
        campaign: Campaign,
        framework: Framework,
        engine: Engine,
        host: HostState,
        *,
        volumes: bool,
    ) -> None:
        super().__init__(campaign, framework, engine, host)
        self._with_volumes = volumes
        self._starts: dict[tuple[str, bool], Geometry] = {}
        self._undoped = host.supercell.geometry.species
        self._seed: Seed | None = None

    def ask_seeded(
        self, seed: Seed, hop: Hop, host: HostState, heritage: Heritage, swelling: float | None
    ) -> None:
        """Ask again what a seed answers at the tier before.

        Parameters
        ----------
        seed
            Of the hop and ion.
        hop
            The same hop in this tier's supercell.
        host
            Of this tier.
        heritage
            Has the host of the tier before.
        swelling
            Relative change of volume of a fully exchanged host.
        """
        ends = build_endpoints(host.supercell.geometry, hop, seed.moving_ion, seed.arrangement)
        self._remember(seed, ends, heritage.before(seed))
        self._seed = seed
        self.ask(
            hop,
            seed.moving_ion,
            seed.arrangement,
            host,
            host_ion=seed.host_ion,
            volume_change=swelling,
            seed=seed,
        )

    def _remember(self, seed: Seed, ends: EndPoints, before: HostState) -> None:
        """Note where the relaxations of both ends, or of their representatives, start."""
        starts = seed.starts(before, ends, min_distance=self.campaign.path.min_distance)
        for state, start in zip((ends.initial, ends.final), starts, strict=True):
            representative, equivalence = self.equivalents.representative(state)
            place = start
            if equivalence is not None:
                turn, _ = cartesian(np.array(equivalence.rotation), state.cell)
                place = carried_back(start, state, representative, turn, equivalence.order)
            self._starts.setdefault((representative.digest(digits=6), False), place)

    def start_of(self, state: Geometry, *, cell: bool) -> Geometry:
        """Where the relaxation of a state starts."""
        if not cell:
            return self._starts.get((state.digest(digits=6), False), state)
        seed = self._seed
        if seed is None or seed.volume_change is None or state.species == self._undoped:
            return state
        return swollen(state, seed.volume_change)

    def volumes(
        self,
        hop: Hop,
        mover: str,
        arrangement: Arrangement,
        host: HostState,
        *,
        host_ion: str,
    ) -> tuple[Job | None, Job | None]:
        """Jobs for the host with and without dopants, unless the tier does without."""
        if not self._with_volumes:
            return None, None
        return super().volumes(hop, mover, arrangement, host, host_ion=host_ion)
