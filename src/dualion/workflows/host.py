"""The host: relaxed, put into a supercell, rattled, and judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualion.errors import RunError
from dualion.records import Finding, Geometry, HostState, Relaxed, Supercell

if TYPE_CHECKING:
    from dualion.records import Framework
    from dualion.settings import HostSettings

LATTICE_LIMIT = 0.03
"""Relative change of a lattice length beyond which the engine and the input disagree."""


def rattled(geometry: Geometry, *, width: float, seed: int) -> Geometry:
    """Displace every atom by a seeded Gaussian.

    Parameters
    ----------
    geometry
        The supercell host.
    width
        Standard deviation of each Cartesian component, in Å.
    seed
        Of the random numbers.

    Returns
    -------
    Geometry
        Same order, same lattice; the mean displacement is zero.
    """
    noise = np.random.default_rng(seed).normal(0.0, width, (len(geometry), 3))
    return geometry.moved(geometry.xyz + noise - noise.mean(axis=0))


def judge_host(
    framework: Framework,
    relaxed: Relaxed,
    supercell: Supercell,
    shaken: Relaxed,
    settings: HostSettings,
) -> HostState:
    """Decide which host hops are cut from.

    A symmetric host that falls when rattled is no minimum: its barriers would belong to a
    crystal that does not exist, so the lower P1 form is used and the record says so.

    Parameters
    ----------
    framework
        The framework as it was given.
    relaxed
        Its primitive cell relaxed with the symmetry kept.
    supercell
        Built from `relaxed`.
    shaken
        The supercell rattled and relaxed at fixed lattice.
    settings
        Thresholds, in eV per atom and eV per supercell.

    Returns
    -------
    HostState
        With the evidence.

    Raises
    ------
    RunError
        If the host could not be relaxed.
    """
    if relaxed.failure or not relaxed.converged:
        raise RunError(
            relaxed.failure
            or f"the host did not relax: {relaxed.max_force:.3f} eV/Å left"
            f" after {relaxed.force_calls} force calls",
            where=f"framework {framework.name!r}",
            remedy="raise host.relax.steps, or look at the structure",
        )
    n_cells = round(len(supercell.geometry) / len(framework.parent))
    symmetric = relaxed.energy * n_cells
    fall = symmetric - shaken.energy
    atoms = len(supercell.geometry)
    usable = not shaken.failure
    broken = usable and (fall / atoms > settings.fall_per_atom or fall > settings.fall_per_cell)
    host = shaken.geometry if broken else supercell.geometry
    shift = host.xyz - supercell.geometry.xyz
    shift = shift - shift.mean(axis=0)
    lengths = np.linalg.norm(relaxed.geometry.cell, axis=1)
    before = np.linalg.norm(framework.parent.cell, axis=1)
    lattice_change = float(np.abs(lengths / before - 1.0).max())
    findings = (
        Finding(
            check="fall of the rattled host",
            value=fall / atoms,
            limit=settings.fall_per_atom,
            unit="eV/atom",
            passed=not broken,
        ),
        Finding(
            check="fall of the rattled host",
            value=fall,
            limit=settings.fall_per_cell,
            unit="eV/cell",
            passed=not broken,
        ),
        Finding(
            check="largest displacement from the symmetric host",
            value=float(np.linalg.norm(shift, axis=1).max()),
            unit="Å",
        ),
        Finding(
            check="largest relative change of a lattice length on relaxation",
            value=lattice_change,
            limit=LATTICE_LIMIT,
            passed=lattice_change <= LATTICE_LIMIT,
        ),
        Finding(
            check="force left in the rattled and relaxed host",
            value=shaken.max_force,
            limit=settings.relax.fmax,
            unit="eV/Å",
            passed=shaken.converged,
        ),
    )
    return HostState(
        parent=relaxed.geometry,
        supercell=supercell.model_copy(update={"geometry": host}),
        energy=shaken.energy if broken else symmetric,
        symmetric_energy=symmetric,
        broken_symmetry=broken,
        volume_change=relaxed.geometry.volume / framework.parent.volume - 1.0,
        lattice_change=lattice_change,
        findings=findings,
        lessons=shaken.lessons,
    )
