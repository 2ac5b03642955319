"""What is told of a band found on a surrogate: what is the engine's, and what is predicted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.neb import along_and_across
from dualion.records import Finding
from dualion.structures.interpolation import lengths_along

if TYPE_CHECKING:
    from dualion.engines.neb import BandResult
    from dualion.engines.surface import Point
    from dualion.engines.surrogate import Surrogate

ERROR = 0.003
"""A saddle counts as converged if the surrogate moves its energy by less than this, in eV."""
ON_SURROGATE = ", on the surrogate"
"""Follows the name of what was found on the surrogate and not on the costly engine."""


def reported(
    band: BandResult,
    saddle: Point,
    surrogate: Surrogate,
    *,
    proof: tuple[Finding, ...],
    higher: float,
    calls: int,
) -> BandResult:
    """Write a surrogate's band down, with its saddle as the costly engine sees it.

    Parameters
    ----------
    band
        The way over the saddle on the surrogate.
    saddle
        As the costly engine computed it.
    surrogate
        Of the band; tells how sure it is.
    proof
        What proves, on the surrogate, that the saddle joins the ends; empty: nothing does.
    higher
        How far another image may lie above the saddle, at two standard deviations, in eV.
    calls
        Force calls of the costly engine.
    """
    gaps = np.linalg.norm(band.xyz[1:-1] - saddle.xyz, axis=2).max(axis=1)
    top = 1 + int(np.argmin(gaps))
    xyz, energies, forces = band.xyz.copy(), band.energies.copy(), band.forces.copy()
    xyz[top], energies[top], forces[top - 1] = saddle.xyz, saddle.energy, saddle.forces
    spreads = [surrogate.predict(x).spread for x in xyz[1:-1]]
    along, across = along_and_across(xyz, energies, forces)
    barrier = bool(energies[top] > max(energies[0], energies[-1]))
    findings = [
        *(f.model_copy(update={"check": f.check + ON_SURROGATE}) for f in proof),
        Finding(
            check="saddle proven to join the ends" + ON_SURROGATE,
            value=float(bool(proof)),
            passed=bool(proof) or not barrier,
        ),
        Finding(check="force calls of the engine, the rest is the surrogate's", value=calls),
        Finding(check="factor on the surrogate's prior", value=surrogate.factor),
        Finding(
            check="surrogate's saddle above the one that was computed",
            value=float(band.energies[top] - saddle.energy),
            limit=ERROR,
            unit="eV",
        ),
        Finding(
            check="largest standard deviation of an image's energy, which is predicted",
            value=max(spreads, default=0.0),
            unit="eV",
        ),
        Finding(
            check="another image above the saddle, at two standard deviations",
            value=higher,
            limit=0.0,
            unit="eV",
            passed=higher <= 0.0,
        ),
    ]
    return replace(
        band,
        xyz=xyz,
        energies=energies,
        forces=forces,
        tangent_forces=np.concatenate([[0.0], along, [0.0]]),
        coordinates=lengths_along(xyz),
        climbing=top if barrier else None,
        climb_force=saddle.largest_force,
        max_force=float(across.max()),
        converged=True,
        steps=calls,
        force_calls=calls,
        proven=None,
        findings=tuple(findings),
    )
