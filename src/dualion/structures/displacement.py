"""Displacements between geometries of one cell: minimum images and which host atom is which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualion.errors import StructureError
from dualion.structures.surroundings import Surroundings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.records import EndPoints, Geometry

HOST_MATCH = 0.5
"""A spectator further than this from every free host atom, in Å, is not the host's."""
SITE_REACH = 1.2
"""A hop's end stands for the free host atom nearer than this, in Å."""


def minimum_image(vectors: NDArray[np.float64], cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shortest periodic image of each vector, shape (..., 3), in Å.

    Parameters
    ----------
    vectors
        Cartesian vectors, shape (..., 3), in Å.
    cell
        Lattice vectors as rows, shape (3, 3), in Å.
    """
    from ase.geometry import find_mic

    flat = np.asarray(vectors, dtype=float).reshape(-1, 3)
    if not len(flat):
        return np.zeros_like(vectors, dtype=float)
    shortest: NDArray[np.float64] = find_mic(flat, cell, pbc=True)[0]
    return shortest.reshape(np.shape(vectors))


def distances(
    points: NDArray[np.float64], others: NDArray[np.float64], cell: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shortest periodic distance of every point to every other point.

    Parameters
    ----------
    points, others
        Cartesian positions, shapes (n, 3) and (m, 3), in Å.
    cell
        Lattice vectors as rows, shape (3, 3), in Å.

    Returns
    -------
    ndarray
        Shape (n, m), in Å.
    """
    vectors = np.asarray(others)[None, :, :] - np.asarray(points)[:, None, :]
    length: NDArray[np.float64] = np.linalg.norm(minimum_image(vectors, cell), axis=-1)
    return length


def assigned(
    points: NDArray[np.float64], sites: NDArray[np.float64], cell: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Site of each point, one to one, with the least sum of squared periodic distances.

    Where the nearest sites of all points differ, they are the answer; only otherwise is the table
    of all distances made.

    Parameters
    ----------
    points, sites
        Cartesian positions, shapes (n, 3) and (m, 3), in Å, with n ≤ m.
    cell
        Lattice vectors as rows, shape (3, 3), in Å.

    Returns
    -------
    ndarray
        Indices of the sites, shape (n,).
    """
    from scipy.optimize import linear_sum_assignment

    if not len(points):
        return np.zeros(0, dtype=np.int64)
    _, nearest = Surroundings(cell, sites).nearest(points)
    if len(np.unique(nearest)) == len(points):
        return nearest
    columns = linear_sum_assignment(distances(points, sites, cell) ** 2)[1]
    return np.asarray(columns, dtype=np.int64)


def in_band_order(xyz: NDArray[np.float64], order: tuple[int, ...]) -> NDArray[np.float64]:
    """Positions of a state, shape (n, 3), brought into band order (the mover last)."""
    reordered: NDArray[np.float64] = np.asarray(xyz)[list(order)]
    return reordered


def band_host_indices(endpoints: EndPoints, host: Geometry) -> tuple[int | None, ...]:
    """Host atom of each atom of a band; None for the mover.

    The spectators of the unrelaxed initial state sit on host atoms, which is what they are
    recognised by: one to one, with the least sum of squared distances.

    Parameters
    ----------
    endpoints
        The two states of the hop, before relaxation.
    host
        The host that they were cut from.

    Returns
    -------
    tuple
        Shape (n,), in band order.

    Raises
    ------
    StructureError
        If a spectator is not on a host atom.
    """
    spectators = in_band_order(endpoints.initial.xyz, endpoints.initial_order)[:-1]
    if len(spectators) > len(host):
        raise StructureError(
            f"{len(spectators)} spectators but only {len(host)} host atoms",
            where="end points",
            remedy="give the host that the end points were cut from",
        )
    columns = assigned(spectators, host.xyz, host.cell)
    apart = minimum_image(spectators - host.xyz[columns], host.cell)
    worst = float(np.linalg.norm(apart, axis=1).max(initial=0.0))
    if worst > HOST_MATCH:
        raise StructureError(
            f"a spectator lies {worst:.2f} Å from its host atom",
            where="end points",
            remedy="give the host that the end points were cut from",
        )
    return (*(int(c) for c in columns), None)


def mover_sites(endpoints: EndPoints, host: Geometry) -> NDArray[np.float64]:
    """Sites between which the mover hops, shape (2, 3), in Å.

    They are the host atoms that no spectator occupies; for a void, the place itself. In a host of
    broken symmetry they may lie up to 1 Å from the ideal sites.

    Parameters
    ----------
    endpoints
        The two states of the hop, before relaxation.
    host
        The host that they were cut from.

    Raises
    ------
    StructureError
        If a spectator is not on a host atom.
    """
    free = sorted(set(range(len(host))).difference(band_host_indices(endpoints, host)))
    places = unrelaxed_mover(endpoints)
    if free:
        apart = distances(places, host.xyz[free], host.cell)
        for end, row in enumerate(apart):
            if row.min() < SITE_REACH:
                places[end] = host.xyz[free[int(row.argmin())]]
    return places


def unrelaxed_mover(endpoints: EndPoints) -> NDArray[np.float64]:
    """Places of the mover in both states before relaxation, shape (2, 3), in Å."""
    return np.array(
        [
            endpoints.initial.positions[endpoints.initial_order[-1]],
            endpoints.final.positions[endpoints.final_order[-1]],
        ]
    )
