"""What a moving ion costs the framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualion.analysis.polyanion import is_anion, polyanions
from dualion.errors import StructureError
from dualion.records import FrameworkResponse
from dualion.structures.displacement import band_host_indices, minimum_image

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dualion.records import Geometry

__all__ = ["band_host_indices", "framework_response"]


def framework_response(
    host: Geometry,
    saddle: Geometry,
    *,
    host_indices: Sequence[int | None],
    working_species: Collection[str],
    volume_change: float | None = None,
) -> FrameworkResponse:
    """Measure how far the framework gives way at the saddle.

    Framework are all atoms that are not of a working species. Displacements go from host to
    saddle the shortest way, less the mean displacement of the framework, so that a shift of the
    whole cell counts as nothing. Anions are the framework atoms of groups 16 and 17 and those
    with an electronegativity of at least 2.6; a framework without any is measured by all its
    atoms, and a cell of working ions only by all of them.

    Parameters
    ----------
    host
        The host before anything was removed.
    saddle
        The highest image, in band order.
    host_indices
        Host atom of each atom of the saddle, None for the mover; see
        :func:`~dualion.structures.displacement.band_host_indices`.
    working_species
        Symbols of the mobile ions.
    volume_change
        Handed on as it is.

    Returns
    -------
    FrameworkResponse
        Displacements in Å; the bond distortion is the RMS relative change of the polyanion
        bonds of :func:`~dualion.analysis.polyanion.polyanions`.

    Raises
    ------
    StructureError
        If the indices do not fit both geometries.
    """
    pairs = [(row, k) for row, k in enumerate(host_indices) if k is not None]
    known = [k for _, k in pairs]
    if (
        len(host_indices) != len(saddle)
        or len(set(known)) != len(known)
        or not pairs
        or not 0 <= min(known) <= max(known) < len(host)
    ):
        raise StructureError(
            f"{len(host_indices)} host indices for {len(saddle)} saddle and {len(host)} host atoms",
            where="framework response",
            remedy="give one different host atom, or None, for each atom of the saddle",
        )
    framework = [k for k in known if host.species[k] not in working_species] or known
    anions = [k for k in framework if is_anion(host.species[k])] or framework
    displacements = np.zeros((len(host), 3))
    displacements[known] = minimum_image(
        saddle.xyz[[row for row, _ in pairs]] - host.xyz[known], host.cell
    )
    displacements -= displacements[framework].mean(axis=0)
    shifts = np.linalg.norm(displacements[anions], axis=1)
    groups = polyanions(host, working_species)
    distortion = None
    if len(groups):
        distortion = float(np.sqrt(np.mean(groups.stretches(displacements) ** 2)))
    return FrameworkResponse(
        largest_anion_displacement=float(shifts.max()),
        rms_anion_displacement=float(np.sqrt(np.mean(shifts**2))),
        bond_distortion=distortion,
        volume_change=volume_change,
    )
