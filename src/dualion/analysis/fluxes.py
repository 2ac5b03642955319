"""Fluxes on a periodic network: what a walk keeps of its steps, however far its rates differ.

A walk in equilibrium is a set of sites and of symmetric fluxes w between them, each with a step x.
Its diffusivity is the least dissipation

    D = min over u of Σ w (x + u_head − u_tail)²

(a sum over undirected hops), the conductance of a network of resistors. Nothing is subtracted on
the way: hops within a fast cage, which lead nowhere, get no step at all, from integers, and sites
are eliminated by adding and dividing positive numbers only.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import sparse
from scipy.sparse import linalg
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from dualion.structures.network import PeriodicGraph

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Ints = NDArray[np.int64]

DENSE = 300
"""Sites that are eliminated as one dense block."""
_RANGE = 1e-11
"""Slowest over fastest of the fluxes that hold a network together, down to which a factorisation
in floating point keeps enough digits; below, sites are eliminated one by one."""


def gathered(sites: int, tail: Ints, head: Ints, image: Ints, flux: Array) -> tuple[Ints, Ints]:
    """Put all sites that the largest fluxes join in one place.

    Where the sites of a network lie in their cells does not matter to its diffusivity. A hop then
    leads by ``cell[tail] + image - cell[head]``, the net translation of the loop that it closes:
    exactly none for the hops of the tree of largest fluxes, and for loops that stay at home.

    Parameters
    ----------
    sites
        Number of sites in the cell.
    tail, head
        Site at each end of each hop, shape (m,).
    image
        Cell of the head, shape (m, 3).
    flux
        Shape (m,).

    Returns
    -------
    tuple of ndarray
        Root of the component of each site, shape (sites,), and the cell of each site's copy that
        is joined with the root in the home cell, shape (sites, 3).
    """
    graph = PeriodicGraph(sites)
    ends = np.column_stack([tail, head, image]).tolist()
    for k in np.argsort(-flux, kind="stable").tolist():
        i, f, x, y, z = ends[k]
        graph.add(i, f, (x, y, z))
    found = [graph.anchor(site) for site in range(sites)]
    root = np.array([each[0] for each in found], dtype=np.int64)
    return root, np.array([each[1] for each in found], dtype=np.int64).reshape(-1, 3)


def net_translations(sites: int, tail: Ints, head: Ints, image: Ints, flux: Array) -> Ints:
    """Cells by which each hop leads once the sites are :func:`gathered`, shape (m, 3)."""
    _, cell = gathered(sites, tail, head, image, flux)
    return np.asarray(cell[tail] + image - cell[head])


def corrected(sites: int, tail: Ints, head: Ints, flux: Array, step: Array) -> tuple[Array, Array]:
    """Solve for the u of least dissipation.

    Up to :data:`DENSE` sites the result is good to the last digits whatever the range of the
    fluxes; beyond, as long as they differ by no more than some twenty orders.

    Parameters
    ----------
    sites, tail, head, flux
        As for :func:`gathered`.
    step
        Of each hop, in as many dimensions as wanted, shape (m, d).

    Returns
    -------
    tuple of ndarray
        u, shape (sites, d), of mean 0 in each component, and the steps ``x + u_head − u_tail``,
        shape (m, d).
    """
    field, left = np.zeros((sites, step.shape[1])), step.astype(float)
    apart = np.flatnonzero((tail != head) & (flux > 0.0))
    if not len(apart):
        return field, left
    ends = (np.append(tail[apart], head[apart]), np.append(head[apart], tail[apart]))
    # Hops between the same two sites are one conductance.
    coupling = sparse.coo_array((np.tile(flux[apart], 2), ends), shape=(sites, sites)).tocsr()
    number, label = connected_components(coupling, directed=False)
    place = np.empty(sites, dtype=np.int64)
    hops_of = _grouped(label[tail[apart]], number)
    for rows, some in zip(_grouped(label, number), hops_of, strict=True):
        if len(rows) < 2:
            continue
        hops = apart[some]
        place[rows] = np.arange(len(rows))
        first, last = place[tail[hops]], place[head[hops]]
        solver = _solver(coupling[rows][:, rows])
        for _ in range(solver.passes):
            drift = np.zeros((len(rows), step.shape[1]))
            np.add.at(drift, first, flux[hops, None] * left[hops])
            np.add.at(drift, last, -flux[hops, None] * left[hops])
            change, along = solver.solve(drift, first, last)
            left[hops] += along
            field[rows] += change - change.mean(axis=0)
    return field, left


def _grouped(label: Ints, number: int) -> list[Ints]:
    """Places of each label from 0."""
    order = np.argsort(label, kind="stable")
    return np.split(order, np.cumsum(np.bincount(label, minlength=number))[:-1])


class _Solver(Protocol):
    """Finds the response of one connected set of sites to a drift."""

    passes: int
    """How often to solve again for what is left."""

    def solve(self, drift: Array, first: Ints, last: Ints) -> tuple[Array, Array]:
        """Return u, shape (n, d), and ``u[last] - u[first]``."""
        ...


class _Dense:
    """Sites eliminated one after the other, each replaced by hops between its neighbours.

    The algorithm of Grassmann, Taksar and Heyman (doi 10.1287/opre.33.5.1107): no difference is
    taken, so every number is good to the last digits whatever the range of the fluxes.
    """

    passes = 1

    def __init__(self, coupling: Array) -> None:
        self._weights = coupling
        self._total = np.ones(len(coupling))
        for k in range(len(coupling) - 1, 0, -1):
            row = coupling[k, :k]
            self._total[k] = row.sum()
            coupling[:k, :k] += np.outer(row / self._total[k], row)

    def core(self, drift: Array) -> Array:
        """Return u; 0 on the first site."""
        field = self._forward(drift)
        for k in range(1, len(field)):
            field[k] = (field[k] + self._weights[k, :k] @ field[:k]) / self._total[k]
        return field

    def solve(self, drift: Array, first: Ints, last: Ints) -> tuple[Array, Array]:
        """Find differences of u as such: between sites of a cage they are far below u itself."""
        drift = self._forward(drift)
        apart = np.zeros((len(drift), *drift.shape))
        for k in range(1, len(drift)):
            inner = np.tensordot(self._weights[k, :k], apart[:k, :k], 1)
            apart[k, :k] = (drift[k] + inner) / self._total[k]
            apart[:k, k] = -apart[k, :k]
        return apart[:, 0], apart[last, first]

    def _forward(self, drift: Array) -> Array:
        drift = drift.copy()
        for k in range(len(drift) - 1, 0, -1):
            drift[:k] += np.outer(self._weights[k, :k] / self._total[k], drift[k])
        drift[0] = 0.0
        return drift


class _Sparse:
    """One site is held, the others respond: a sparse factorisation.

    Scaled by what leaves each site, which takes out most of the range of the fluxes.
    """

    passes = 3

    def __init__(self, coupling: sparse.csr_array) -> None:
        total = np.asarray(coupling.sum(axis=1)).ravel()
        self._size = np.sqrt(total)[1:]
        scale = sparse.diags_array(1.0 / self._size)
        matrix = sparse.eye_array(len(self._size)) - scale @ coupling[1:, 1:] @ scale
        self._factors = linalg.splu(
            matrix.tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

    def solve(self, drift: Array, first: Ints, last: Ints) -> tuple[Array, Array]:
        size = self._size[:, None]
        rest = self._factors.solve(drift[1:] / size) / size
        field = np.vstack([np.zeros_like(drift[:1]), rest])
        return field, field[last] - field[first]


class _Wide:
    """As :class:`_Dense`, site by site in the order of fewest neighbours, then a dense rest."""

    passes = 1

    def __init__(self, coupling: sparse.csr_array) -> None:
        near = [
            dict(zip(row.indices.tolist(), row.data.tolist(), strict=True))
            for row in (coupling[[k]] for k in range(coupling.shape[0]))
        ]
        queue = [(len(ways), site) for site, ways in enumerate(near)]
        heapq.heapify(queue)
        there = np.ones(len(near), dtype=bool)
        self._gone: list[tuple[int, Ints, Array, float]] = []
        while there.sum() > DENSE:
            count, site = heapq.heappop(queue)
            ways = near[site]
            if not there[site] or count != len(ways):
                continue
            there[site] = False
            total = sum(ways.values())
            for other, weight in ways.items():
                row = near[other]
                del row[site]
                for third, share in ways.items():
                    if third != other:
                        row[third] = row.get(third, 0.0) + weight * share / total
                heapq.heappush(queue, (len(row), other))
            near[site] = {}
            others = np.array(list(ways), dtype=np.int64)
            self._gone.append((site, others, np.array(list(ways.values())), total))
        self._rest = np.flatnonzero(there)
        place = {int(site): k for k, site in enumerate(self._rest)}
        left = np.zeros((len(place), len(place)))
        for site, k in place.items():
            for other, weight in near[site].items():
                left[k, place[other]] = weight
        self._core = _Dense(left)

    def solve(self, drift: Array, first: Ints, last: Ints) -> tuple[Array, Array]:
        field = drift.copy()
        for site, others, weights, total in self._gone:
            field[others] += np.outer(weights / total, field[site])
        field[self._rest] = self._core.core(field[self._rest])
        for site, others, weights, total in reversed(self._gone):
            field[site] = (field[site] + weights @ field[others]) / total
        return field, field[last] - field[first]


def _solver(coupling: sparse.csr_array) -> _Solver:
    if coupling.shape[0] <= DENSE:
        return _Dense(coupling.toarray())
    resistance = coupling.copy()
    resistance.data = 1.0 / resistance.data
    needed = 1.0 / minimum_spanning_tree(resistance).data
    if needed.min() < _RANGE * needed.max():
        return _Wide(coupling)
    return _Sparse(coupling)
