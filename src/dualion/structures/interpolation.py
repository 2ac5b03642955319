"""Images between two configurations of one cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualion.structures.displacement import distances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

IDPP_REACH = 6.5
"""Atoms closer than this to the straight path of the last atom, in Å, take part in the IDPP."""
MOVED = 0.3
"""Atoms that move farther than this, in Å, take part in any case."""
CROWDED = 0.85
"""Images whose atoms come closer than this share of the ends' shortest distance are crowded."""
COUNT = 9
"""Images made by :func:`images_between`, ends included."""


def lengths_along(images: Array) -> Array:
    """Length along a row of images, in configuration space, up to each of them.

    Parameters
    ----------
    images
        Continuous positions, shape (m, n, 3), in Å.

    Returns
    -------
    ndarray
        Shape (m,), in Å; starts at 0.
    """
    gaps = np.linalg.norm(np.diff(images, axis=0), axis=(1, 2))
    return np.concatenate([[0.0], np.cumsum(gaps)])


def images_between(first: Array, last: Array, *, cell: Array, species: Sequence[str]) -> Array:
    """Nine images between two configurations, straight unless atoms would collide.

    Parameters
    ----------
    first, last
        Positions, continuous, shape (n, 3), in Å; the mover is the last atom.
    cell
        Lattice vectors as rows, in Å.
    species
        Symbols, shape (n,).

    Returns
    -------
    ndarray
        Shape (9, n, 3), ends included.
    """
    share = np.linspace(0.0, 1.0, COUNT)[:, None, None]
    images: Array = first + share * (last - first)
    ends = np.stack([first, first, last, last])
    shortest = CROWDED * closest_pair(ends, cell, species, 4.0)
    if np.isfinite(shortest) and closest_pair(images, cell, species, shortest) < shortest:
        return idpp(images, cell, species)
    return images


def idpp(guess: Array, cell: Array, species: Sequence[str]) -> Array:
    """Relax images in the image-dependent pair potential of ASE (doi 10.1063/1.4878664).

    Only atoms near the path take part: the potential falls with the fourth power of the distance,
    the cost of its minimum images grows with the square of the number of atoms.

    Parameters
    ----------
    guess
        Continuous images, shape (images, n, 3), in Å; the mover is the last atom.
    cell
        Lattice vectors as rows, in Å.
    species
        Symbols, shape (n,).
    """
    from ase import Atoms
    from ase.mep import NEB
    from ase.mep.neb import idpp_interpolate

    near = distances(guess[:, -1], guess[0], cell).min(axis=0) < IDPP_REACH
    near |= np.linalg.norm(guess[-1] - guess[0], axis=1) > MOVED
    chosen = np.flatnonzero(near)
    symbols = [species[int(k)] for k in chosen]
    band = [Atoms(symbols, positions=x[chosen], cell=cell, pbc=True) for x in guess]
    neb = NEB(band, method="improvedtangent")
    idpp_interpolate(neb, traj=None, log=None, fmax=0.1, mic=True, steps=100)
    images = guess.copy()
    images[:, chosen] = [atoms.positions for atoms in band]
    # A pair potential that met two atoms at one point leaves no numbers behind.
    return images if np.isfinite(images).all() else guess


def closest_pair(images: Array, cell: Array, species: Sequence[str], below: float) -> float:
    """Shortest distance of two atoms of an interior image, in Å; infinite if not below."""
    from ase import Atoms
    from ase.neighborlist import neighbor_list

    closest = np.inf
    for xyz in images[1:-1]:
        atoms = Atoms(list(species), positions=xyz, cell=cell, pbc=True)
        found = neighbor_list("d", atoms, below)
        closest = min(closest, float(found.min(initial=np.inf)))
    return closest
