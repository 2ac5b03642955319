"""A force field that is fitted to an engine's own calls while a campaign runs.

The energy is linear in its parameters, so that a fit is one set of linear equations: functions of
the distance for each pair of elements, and for each element products of the densities that its
neighbours make (an embedded-atom form, Daw and Baskes, doi 10.1103/PhysRevB.29.6443, with one
density a neighbouring element and a radius, and products instead of a function of the sum)::

    E = Σ_pairs φ_zz'(r) + Σ_i Σ_k Σ_{s≤s'} c_z(i)kss' ρ_iks ρ_iks'
    φ_zz'(r) = Σ_n a_zz'n T_n(u(r)) (1 − r/R)³,   ρ_iks = Σ_{j of s} g_k(r_ij)

with Chebyshev polynomials T_n of a falling exponential u, and Gaussians g_k. Being local it learns
of every atom in every call, where a process over the coordinates of all atoms
(:mod:`dualion.engines.residual`) learns of one direction; what it does not get right near the
points of interest is left to that process.

Where a pair is closer than it was ever seen to be the fit knows nothing, and a search would find
wells there; a wall keeps it out.

Parameters are held near zero, or near those of the element that one stands in for, by one fixed
ridge: chosen by the evidence it came out too small by orders of magnitude where a host gives few
points (measured on six hosts), and the field then had deep wells of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.evaluator import Evaluation
from dualion.engines.neighbours import Neighbours
from dualion.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

REACH = 7.0
"""Two atoms farther apart do not feel each other as a pair, in Å."""
ORDERS = 14
"""Functions of the distance for each pair of elements."""
FALL, CLOSEST = 2.0, 1.2
"""Length in Å over which u falls, and the distance at which it is one."""
NEAR = 4.5
"""Neighbours up to here make densities, in Å."""
CENTRES = np.linspace(1.8, NEAR - 0.8, 4)
"""Distances at which the Gaussians are centred, in Å."""
WIDTH = 0.75 * float(CENTRES[1] - CENTRES[0])
"""Of the Gaussians, in Å."""
PRODUCTS = 0.3
"""Parameters of products are expected to be this large, those of pairs 1/(1 + n)."""
RIDGE = 3e-3
"""Expected square of a force's misfit over that of a parameter."""
ENERGY_WEIGHT = 4.0
"""An energy difference of 1 eV counts like so many forces of 1 eV/Å."""

KEPT = 30
"""Lists of neighbours that are kept, for one cell."""
CLOSER, WALL = 0.9, 20.0
"""The wall of a pair begins at this share of its shortest distance seen, and is this stiff, in
eV/Å².
"""


class ForceField:
    """A force field for some elements, empty at first: it answers, and learns.

    Parameters
    ----------
    elements
        Atomic numbers of all that it will see.
    stand_ins
        Elements that are taken to be like another one until more is known of them; both atomic
        numbers, both among `elements`.
    """

    def __init__(self, elements: set[int], stand_ins: Mapping[int, int] | None = None) -> None:
        like = stand_ins or {}
        index = {z: i for i, z in enumerate(sorted(elements))}
        self._copies = {z: (index[z], index[like[z]]) if z in like else (index[z],) for z in index}
        count = self._count = len(index)
        self._pair = np.zeros((count, count), dtype=int)
        self._pair[np.triu_indices(count)] = np.arange(count * (count + 1) // 2)
        self._pair = np.maximum(self._pair, self._pair.T)
        self._first, self._second = np.triu_indices(count)
        pairs = count * (count + 1) // 2
        self._shapes = ((pairs, ORDERS), (count, len(CENTRES), pairs))
        self._pair_size = pairs * ORDERS
        size = self._pair_size + count * len(CENTRES) * pairs
        self._scale = np.full(size, PRODUCTS)
        self._scale[: self._pair_size] = np.tile(1.0 / (1.0 + np.arange(ORDERS)), pairs)
        self._gram = np.zeros((size, size))
        self._pull = np.zeros(size)
        self._closest = np.full(pairs, np.inf)
        self._weights: tuple[Array, Array, Array] | None = None
        self._zeros: dict[bytes, tuple[float, Array]] = {}
        self._neighbours: dict[bytes, list[Neighbours]] = {}

    def __call__(
        self, numbers: NDArray[np.int64], xyz: Array, cell: Array, *, stress: bool
    ) -> Evaluation:
        """Evaluate one configuration; all zero before anything is learnt.

        The energy is good for differences between configurations of one composition.

        Raises
        ------
        EngineError
            A stress is asked for.
        """
        if stress:
            raise EngineError("a force field learnt at fixed cells knows no stress")
        pair, product, walls = self._fitted()
        near = self._near(numbers, xyz, cell)
        vectors, distances = near.pairs(xyz)
        inside = np.maximum(walls[near.pair_types] - distances, 0.0)
        values, slopes = _orders(distances + inside)  # beyond the wall as it is at the wall
        weights = pair[near.pair_types]
        slope = np.einsum("pn,pn->p", slopes, weights)
        energy = float(np.einsum("pn,pn->", values, weights) - slope @ inside)
        energy += 0.5 * WALL * float(inside @ inside)
        forces = near.push((slope - WALL * inside)[:, None] * vectors)
        vectors, distances = near.ends(xyz)
        bumps, slopes = _bumps(distances)
        density = near.gather(bumps)  # (n, species, k)
        field = np.einsum("ikst,itk->isk", near.of_centre(product), density)
        energy += float(np.einsum("isk,isk->", field, density))
        strength = 2.0 * np.einsum("pk,pk->p", field[near.centres, near.channels], slopes)
        forces += near.push_ends(strength[:, None] * vectors)
        return Evaluation(energy, forces)

    def learn(
        self,
        numbers: NDArray[np.int64],
        xyz: Array,
        cell: Array,
        energy: float,
        forces: Array,
    ) -> None:
        """Take in what the engine says of one configuration.

        Parameters
        ----------
        numbers, xyz, cell
            The configuration: atomic numbers (n,), positions (n, 3) and cell rows, in Å.
        energy
            In eV; of the first configuration of a composition it is taken as the zero.
        forces
            Shape (n, 3), in eV/Å.
        """
        near = self._near(numbers, xyz, cell)
        value, jacobian = self._features(near, xyz)
        np.minimum.at(self._closest, near.pair_types, near.pairs(xyz)[1])
        composition = np.sort(numbers).tobytes()
        zero, at_zero = self._zeros.setdefault(composition, (energy, value))
        rows = np.vstack([jacobian, ENERGY_WEIGHT * (value - at_zero)]) * self._scale
        seen = np.append(forces.ravel(), ENERGY_WEIGHT * (energy - zero))
        self._gram += rows.T @ rows
        self._pull += rows.T @ seen
        self._weights = None

    def _fitted(self) -> tuple[Array, Array, Array]:
        """Parameters of pairs, of products as matrices, and where the walls begin."""
        if self._weights is None:
            from scipy.linalg import cho_factor, cho_solve

            whole = self._gram + RIDGE * np.eye(len(self._gram))
            found = self._scale * cho_solve(cho_factor(whole, overwrite_a=True), self._pull)
            pair, product = self._shapes
            self._weights = (
                found[: self._pair_size].reshape(pair),
                self._matrix(found[self._pair_size :].reshape(product)),
                np.where(np.isfinite(self._closest), CLOSER * self._closest, 0.0),
            )
        return self._weights

    def _matrix(self, product: Array) -> Array:
        """Write the products' parameters as symmetric matrices, shape (species, k, s, s')."""
        matrix = np.zeros((*product.shape[:2], self._count, self._count))
        matrix[:, :, self._first, self._second] += 0.5 * product
        matrix[:, :, self._second, self._first] += 0.5 * product
        return matrix

    def _features(self, near: Neighbours, xyz: Array) -> tuple[Array, Array]:
        """Energy and forces by parameter, shapes (size,) and (3n, size)."""
        count = len(xyz)
        pair, product = self._shapes
        vectors, distances = near.pairs(xyz)
        values, slopes = _orders(distances)
        energy = np.zeros(pair)
        np.add.at(energy, near.pair_types, values)
        jacobian = np.zeros((count, 3, *pair))
        push = vectors[:, :, None] * slopes[:, None]
        for axis in range(3):
            along = jacobian[:, axis]
            np.add.at(along, (near.first, near.pair_types), push[:, axis])
            np.add.at(along, (near.second, near.pair_types), -push[:, axis])
        vectors, distances = near.ends(xyz)
        bumps, slopes = _bumps(distances)
        density = near.gather(bumps)
        products = density[:, self._first] * density[:, self._second]  # (n, pairs, k)
        own = np.zeros(product)
        np.add.at(own, near.copy_species, products[near.copy_atoms].transpose(0, 2, 1))
        # How a product changes with the density of each species, shape (n, k, pairs, species).
        change = np.zeros((count, product[1], product[2], self._count))
        columns = np.arange(product[2])
        change[..., columns, self._first] += density[:, self._second].transpose(0, 2, 1)
        change[..., columns, self._second] += density[:, self._first].transpose(0, 2, 1)
        rows = np.zeros((count, 3, *product))
        for centre, species in zip(near.copy_atoms, near.copy_species, strict=True):
            mine = np.flatnonzero(near.centres == centre)
            grown = change[centre][:, :, near.channels[mine]] * slopes[mine].T[:, None]  # (k, P, p)
            push = np.einsum("kPp,px->pxkP", grown, vectors[mine])
            rows[centre, :, species] += push.sum(axis=0)
            np.add.at(rows[:, :, species], near.others[mine], -push)
        whole = (jacobian.reshape(3 * count, -1), rows.reshape(3 * count, -1))
        return np.concatenate([energy.ravel(), own.ravel()]), np.hstack(whole)

    def _near(self, numbers: NDArray[np.int64], xyz: Array, cell: Array) -> Neighbours:
        """Neighbours that hold for a configuration, found anew if atoms have gone too far."""
        key = numbers.tobytes() + np.ascontiguousarray(cell).tobytes()
        known = self._neighbours.setdefault(key, [])
        for each in known:
            if each.holds(xyz):
                return each
        found = Neighbours(numbers, xyz, cell, self._copies, self._pair, reach=REACH, near=NEAR)
        known.insert(0, found)
        del known[KEPT:]
        return found


def _orders(distances: Array) -> tuple[Array, Array]:
    """Functions of the distance of a pair, and their slopes, shape (pairs, orders)."""
    far = np.exp(-(REACH - CLOSEST) / FALL)
    fall = np.exp(-(distances - CLOSEST) / FALL)
    u = 2.0 * (fall - far) / (1.0 - far) - 1.0
    du = -2.0 * fall / (FALL * (1.0 - far))
    left = np.maximum(1.0 - distances / REACH, 0.0)
    values, slopes = np.empty((2, ORDERS, len(distances)))
    values[0], values[1], slopes[0], slopes[1] = 1.0, u, 0.0, 1.0
    for n in range(2, ORDERS):
        values[n] = 2.0 * u * values[n - 1] - values[n - 2]
        slopes[n] = 2.0 * values[n - 1] + 2.0 * u * slopes[n - 1] - slopes[n - 2]
    slopes = slopes * (du * left**3) - values * (3.0 * left**2 / REACH)
    return (values * left**3).T, slopes.T


def _bumps(distances: Array) -> tuple[Array, Array]:
    """Gaussians that end smoothly, and their slopes, shape (pairs, centres)."""
    apart = distances[:, None] - CENTRES
    bump = np.exp(-0.5 * (apart / WIDTH) ** 2)
    inside = distances < NEAR
    end = np.where(inside, 0.5 * (1.0 + np.cos(np.pi * distances / NEAR)), 0.0)[:, None]
    fall = np.where(inside, -0.5 * np.pi / NEAR * np.sin(np.pi * distances / NEAR), 0.0)[:, None]
    return bump * end, bump * (fall - end * apart / WIDTH**2)
