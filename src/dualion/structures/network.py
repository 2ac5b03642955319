"""Periodic graphs: in how many directions a set of hops leads through the crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dualion.records import IntVec3

    Edge = tuple[int, int, IntVec3]


class PeriodicGraph:
    """Sites of one cell and hops between them, grown hop by hop.

    Every site carries the lattice translation that leads to it from the root of its component.
    A hop that closes a cycle adds the cycle's net translation; the rank of those translations is
    the number of directions in which the component goes on for ever. All numbers are integers:
    the answer does not depend on a box or a tolerance.

    Parameters
    ----------
    sites
        Number of sites in the cell.
    """

    def __init__(self, sites: int) -> None:
        self._parent = list(range(sites))
        self._offset: list[IntVec3] = [(0, 0, 0)] * sites
        self._basis: list[list[IntVec3]] = [[] for _ in range(sites)]
        self._dimensionality = 0

    @property
    def dimensionality(self) -> int:
        """Directions (0-3) in which the best component percolates."""
        return self._dimensionality

    def component_rank(self, site: int) -> int:
        """Return the directions in which the component of a site percolates."""
        return len(self._basis[self._find(site)[0]])

    def translations(self, site: int) -> tuple[IntVec3, ...]:
        """Return independent translations that lead from a site to copies of it, in cells."""
        return tuple(self._basis[self._find(site)[0]])

    def component(self, site: int) -> tuple[int, ...]:
        """Return the sites that are connected with a site, itself included."""
        root = self._find(site)[0]
        return tuple(k for k in range(len(self._parent)) if self._find(k)[0] == root)

    def anchor(self, site: int) -> tuple[int, IntVec3]:
        """Return the root of a site's component, and the cell where a path from it ends.

        A hop from i to f in cell ``image`` then closes the net translation ``cell(i) + image -
        cell(f)``: none for the hops that first joined two components, whatever came later.
        """
        return self._find(site)

    def add(self, initial: int, final: int, image: IntVec3) -> None:
        """Add a hop.

        Parameters
        ----------
        initial
            Site in the home cell.
        final
            Site in the cell ``image``.
        image
            Cell of the final site.
        """
        root_i, offset_i = self._find(initial)
        root_f, offset_f = self._find(final)
        # A path from the root of `initial` to the root of `final`, in whole cells.
        net = _minus(_plus(offset_i, image), offset_f)
        if root_i == root_f:
            _extend(self._basis[root_i], net)
        else:
            self._parent[root_f] = root_i
            self._offset[root_f] = net
            for translation in self._basis[root_f]:
                _extend(self._basis[root_i], translation)
        self._dimensionality = max(self._dimensionality, len(self._basis[root_i]))

    def _find(self, site: int) -> tuple[int, IntVec3]:
        path = []
        while self._parent[site] != site:
            path.append(site)
            site = self._parent[site]
        offset: IntVec3 = (0, 0, 0)
        for node in reversed(path):
            offset = _plus(offset, self._offset[node])
            self._parent[node], self._offset[node] = site, offset
        return site, offset


def dimensionality(sites: int, edges: Iterable[Edge]) -> int:
    """Count the directions in which hops lead through a crystal.

    Parameters
    ----------
    sites
        Number of sites in the cell.
    edges
        Hops as (site, site, cell of the second site).

    Returns
    -------
    int
        0 to 3; the largest over the connected components.
    """
    graph = PeriodicGraph(sites)
    for initial, final, image in edges:
        graph.add(initial, final, image)
    return graph.dimensionality


def _plus(a: IntVec3, b: IntVec3) -> IntVec3:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def _minus(a: IntVec3, b: IntVec3) -> IntVec3:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def _cross(a: IntVec3, b: IntVec3) -> IntVec3:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _extend(basis: list[IntVec3], vector: IntVec3) -> None:
    """Append a vector if it is independent of the basis, by exact integer tests."""
    zero = (0, 0, 0)
    if len(basis) == 0:
        independent = vector != zero
    elif len(basis) == 1:
        independent = _cross(basis[0], vector) != zero
    elif len(basis) == 2:
        normal = _cross(basis[0], basis[1])
        independent = sum(n * v for n, v in zip(normal, vector, strict=True)) != 0
    else:
        independent = False
    if independent:
        basis.append(vector)
