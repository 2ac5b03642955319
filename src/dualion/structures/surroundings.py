"""Points of a crystal and their distances, for any shape of cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Surroundings:
    """All periodic copies of some points that lie within a reach of the cell.

    Works in the Minkowski-reduced cell, so that a skewed cell costs and gives the same.

    Parameters
    ----------
    cell
        Lattice vectors as rows, in Å.
    xyz
        Cartesian positions of the points, shape (n, 3), in Å.
    reach
        Distance from the cell up to which copies are kept, in Å; None: as far as the largest
        empty sphere of the lattice can be wide.
    """

    def __init__(
        self, cell: NDArray[np.float64], xyz: NDArray[np.float64], reach: float | None = None
    ) -> None:
        from ase.geometry.minkowski_reduction import minkowski_reduce
        from scipy.spatial import cKDTree

        self.cell: NDArray[np.float64] = np.asarray(minkowski_reduce(cell)[0], dtype=float)
        if reach is None:
            # Rounding along the Gram-Schmidt vectors leaves at most half of each.
            reach = 0.5 * float(np.linalg.norm(self.cell)) + 1e-6
        self.reach = reach
        margin = reach * np.linalg.norm(np.linalg.inv(self.cell), axis=0)
        home = (xyz @ np.linalg.inv(self.cell)) % 1.0
        axes = [np.arange(-np.ceil(m), np.ceil(m) + 1) for m in margin]
        shifts = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        points = (home[None, :, :] + shifts[:, None, :]).reshape(-1, 3)
        keep = ((points >= -margin) & (points <= 1 + margin)).all(axis=1)
        self.xyz: NDArray[np.float64] = points[keep] @ self.cell
        self.index: NDArray[np.int64] = np.tile(np.arange(len(xyz)), len(shifts))[keep]
        self._tree = cKDTree(self.xyz)

    def wrap(self, xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring positions, shape (m, 3), into the home cell."""
        return ((xyz @ np.linalg.inv(self.cell)) % 1.0) @ self.cell

    def distance(self, xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance of positions, shape (m, 3), to the nearest point, shape (m,), in Å."""
        found, _ = self._tree.query(self.wrap(xyz))
        return np.asarray(found, dtype=float)

    def nearest(self, xyz: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Distance of positions, shape (m, 3), to the nearest point in Å, and its index."""
        apart, which = self._tree.query(self.wrap(xyz))
        return np.asarray(apart, dtype=float), self.index[which]

    def within(
        self, xyz: NDArray[np.float64], radius: float | NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Find the points around positions.

        Parameters
        ----------
        xyz
            Positions, shape (m, 3), in Å.
        radius
            In Å, one or one for each position, not above `reach`.

        Returns
        -------
        tuple of arrays
            For each pair found: the position's index, the point's index, and the vector from the
            position to the point in Å, shapes (p,), (p,), (p, 3).
        """
        home = self.wrap(xyz)
        hits = self._tree.query_ball_point(home, radius)
        counts = np.array([len(hit) for hit in hits], dtype=np.int64)
        which = np.repeat(np.arange(len(home)), counts)
        flat = np.array([i for hit in hits for i in hit], dtype=np.int64)
        return which, self.index[flat], self.xyz[flat] - home[which]
