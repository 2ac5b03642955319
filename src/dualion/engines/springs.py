"""A Hessian guessed from springs between neighbours, to start a relaxation with.

Without a guess a quasi-Newton relaxation has to learn the soft modes of the crystal, in which many
atoms move together, one by one. Springs whose strength falls exponentially with the distance
(Packwood et al., doi 10.1063/1.4947024) know them beforehand; they are stiff along the bond and
soft across it, as in preconditioners from force fields (Mones et al.,
doi 10.1038/s41598-018-32105-x).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

STRENGTH = 4.0
"""Of a spring between nearest neighbours, in eV/Å²."""
DECAY = 3.0
"""A spring of twice the nearest distance is weaker by exp(-3)."""
REACH = 2.0
"""Springs reach this many nearest distances."""
ACROSS = 0.1
"""Stiffness of a spring across the bond, as a share of that along it."""
GROUND = 0.1
"""Stiffness that holds every atom to its place, as a share of the strength."""


class Springs:
    """Applies the inverse of the guessed Hessian.

    Parameters
    ----------
    atoms
        Where the springs are at rest.
    """

    def __init__(self, atoms: Atoms) -> None:
        from scipy.sparse.linalg import splu

        self._solver = splu(spring_hessian(atoms))

    def soften(self, forces: Array) -> Array:
        """Return the displacement that the forces would cause, both of shape (n, 3)."""
        move: Array = self._solver.solve(forces.ravel()).reshape(-1, 3)
        return move


def spring_hessian(atoms: Atoms) -> Any:  # noqa: ANN401 - scipy.sparse is untyped
    """Build the Hessian of the springs.

    Parameters
    ----------
    atoms
        Positions, cell and periodicity; species do not matter.

    Returns
    -------
    scipy.sparse.csc_matrix
        Shape (3n, 3n), in eV/Å², symmetric and positive definite.
    """
    from ase.neighborlist import neighbor_list
    from scipy.sparse import coo_matrix, identity

    count = len(atoms)
    nearest = _nearest(atoms)
    first, second, distance, bond = neighbor_list("ijdD", atoms, REACH * nearest)
    strength = np.exp(-DECAY * (distance / nearest - 1.0))
    unit = bond / distance[:, None]
    blocks = (1.0 - ACROSS) * unit[:, :, None] * unit[:, None, :] + ACROSS * np.eye(3)
    blocks *= strength[:, None, None]
    axes = np.arange(3)
    rows = np.broadcast_to(3 * first[:, None, None] + axes[:, None], blocks.shape)
    others = np.broadcast_to(3 * second[:, None, None] + axes, blocks.shape)
    own = np.broadcast_to(3 * first[:, None, None] + axes, blocks.shape)
    entries = np.concatenate([blocks.ravel(), -blocks.ravel()])
    shape = (3 * count, 3 * count)
    springs = coo_matrix(
        (
            entries,
            (np.tile(rows.ravel(), 2), np.concatenate([own.ravel(), others.ravel()])),
        ),
        shape=shape,
    )
    return (STRENGTH * (springs + GROUND * identity(3 * count))).tocsc()


def _nearest(atoms: Atoms) -> float:
    """Largest of the atoms' distances to their nearest neighbours, in Å."""
    from ase.neighborlist import neighbor_list

    reach = 3.0
    while True:
        atom, distance = neighbor_list("id", atoms, reach)
        closest = np.full(len(atoms), np.inf)
        np.minimum.at(closest, atom, distance)
        if np.isfinite(closest).all():
            return float(closest.max())
        reach *= 1.5
