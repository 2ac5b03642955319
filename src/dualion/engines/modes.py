"""The softest modes of a configuration, from a handful of force calls.

A few Hessian-vector products span a subspace; the eigenvalues of the Hessian in it (Ritz values)
are upper bounds of its lowest eigenvalues (Cauchy's interlacing theorem). So a second negative
Ritz value proves a second negative mode, however small the subspace: a ridge is recognised, never
suspected. That no second one is found is evidence, not proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from dualion.engines.surface import Point, Surface

    Array = NDArray[np.float64]

STEP = 0.03
"""Largest displacement of an atom in a finite difference, in Å."""


@dataclass(frozen=True)
class Modes:
    """Ritz pairs, the most negative first.

    Attributes
    ----------
    values
        Curvatures in eV/Å², ascending.
    vectors
        Unit vectors, shape (k, n, 3).
    """

    values: Array
    vectors: Array

    def negative(self, threshold: float) -> int:
        """Count the curvatures below minus ``threshold``, in eV/Å²."""
        return int((self.values < -threshold).sum())


def softest_modes(
    surface: Surface,
    at: Point,
    directions: Sequence[Array],
    *,
    refine: int = 2,
    down: float = -np.inf,
    learn: Callable[[Array, Array], None] | None = None,
) -> Modes:
    """Estimate the lowest eigenvalues of the Hessian.

    Parameters
    ----------
    surface
        Evaluates; one force call for each direction and each refinement.
    at
        An evaluated point.
    directions
        Guesses of the modes wanted, shape (n, 3) each; made orthonormal here.
    refine
        How often, at most, the subspace is extended by the residual of its lowest pair.
    down
        It is extended no more once a curvature lies below this, in eV/Å².
    learn
        Told each displacement and the change of the gradient.
    """
    basis: list[Array] = []
    images: list[Array] = []

    def extend(*further: Array) -> bool:
        before = len(basis)
        for direction in further:
            vector = _orthogonal(direction, basis)
            if vector is not None:
                basis.append(vector)
        new = basis[before:]
        images.extend(surface.curvatures(at, new, step=STEP))
        if learn is not None:
            for vector, image in zip(new, images[before:], strict=True):
                length = STEP / float(np.linalg.norm(vector, axis=1).max())
                learn(length * vector, length * image)
        return bool(new)

    extend(*directions)
    for _ in range(refine):
        values, vectors = _ritz(basis, images)
        if values[0] < down:
            break
        residual = np.tensordot(vectors[:, 0], np.array(images), axes=1) - values[0] * (
            np.tensordot(vectors[:, 0], np.array(basis), axes=1)
        )
        if not extend(residual):
            break
    values, vectors = _ritz(basis, images)
    return Modes(values=values, vectors=np.tensordot(vectors.T, np.array(basis), axes=1))


def _ritz(basis: list[Array], images: list[Array]) -> tuple[Array, Array]:
    flat, mapped = (np.array(x).reshape(len(basis), -1) for x in (basis, images))
    small = flat @ mapped.T
    values, vectors = np.linalg.eigh(0.5 * (small + small.T))
    return values, vectors


def _orthogonal(direction: Array, basis: list[Array]) -> Array | None:
    """Return the part of a direction that is new, normalised; None if nothing is left."""
    vector = direction
    before = float(np.linalg.norm(vector))
    if before == 0.0:
        return None
    for _ in range(2):  # twice is enough against rounding
        for known in basis:
            vector = vector - float((vector * known).sum()) * known
    after = float(np.linalg.norm(vector))
    return None if after < 1e-3 * before else vector / after
