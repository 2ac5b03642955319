"""Supercells: the smallest near-cubic one that keeps an ion away from its own images."""

from __future__ import annotations

from itertools import combinations, permutations, product
from typing import TYPE_CHECKING

import numpy as np

from dualion.errors import InputError
from dualion.records import Geometry, Supercell, as_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from dualion.records import IntVec3
    from dualion.settings import CellSettings

_SLACK = 1e-4
"""Å by which a lattice vector may miss the wanted distance: a relaxed 9.99996 Å is 10 Å."""

_BEYOND_CAP = 3_000
"""Plane lattices looked at beyond ``max_atoms``, only to tell the user what would be enough."""

_LARGEST_INDEX = 1000
"""No supercell of more parent cells than this is looked for beyond ``max_atoms``."""

# The shortest vectors of a Minkowski-reduced lattice have coefficients -1, 0, 1; one of each ±.
_HALF_STAR = np.array(
    [v for v in product((1, 0, -1), repeat=3) if v > (0, 0, 0)], dtype=np.int64
)  # shape (13, 3)
_TRIPLES = np.array(
    [t for t in combinations(range(13), 3) if abs(round(np.linalg.det(_HALF_STAR[list(t)]))) == 1]
)


def build_supercell(parent: Geometry, settings: CellSettings) -> Supercell:
    """Find the smallest supercell whose shortest lattice vector is long enough.

    All sublattices of the parent's lattice are searched, by Hermite normal form, in ascending
    order of their index; the first index with a solution is the answer. Equally small ones are
    ranked by how near they come to a cube, then by how many of the parent's point operations
    they keep, then by their shortest vector.

    Parameters
    ----------
    parent
        Primitive cell; it is repeated as it stands.
    settings
        Wanted image distance and largest number of atoms.

    Returns
    -------
    Supercell
        With a compact (Minkowski-reduced) right-handed matrix.

    Raises
    ------
    InputError
        If the smallest cell has more than ``max_atoms`` atoms.

    Notes
    -----
    No lattice has a shortest vector above ``(√2 V)^(1/3)`` (the face-centred cubic packing is the
    densest, Gauss 1831), which is where the search starts.
    """
    reduced, change = _minkowski(parent.cell)
    shortest = settings.min_image_distance - _SLACK
    bound = max(1, int(np.ceil(shortest**3 / (np.sqrt(2) * parent.volume) - 1e-9)))
    largest = settings.max_atoms // len(parent)
    index = bound
    search = _Search(
        _vectors_shorter_than(reduced, shortest)
        if bound <= max(largest, _LARGEST_INDEX)
        else np.zeros((0, 3), dtype=np.int64)
    )
    while index <= largest:
        found = search.surviving(index)
        if len(found):
            matrix = _best(found, reduced, parent) @ change
            return supercell_from_matrix(parent, _canonical(matrix, parent.cell))
        index += 1
    needed = _needed(index, search)
    atoms = (needed or index) * len(parent)
    raise InputError(
        f"an image distance of {settings.min_image_distance:g} Å needs "
        f"{'' if needed else 'at least '}{atoms} atoms, more than max_atoms = "
        f"{settings.max_atoms}",
        where="cell",
        remedy=f"raise max_atoms to {atoms}{'' if needed else ' or more'} or lower "
        "min_image_distance (below 10 Å a barrier is for ranking only)",
    )


def supercell_from_matrix(parent: Geometry, matrix: Sequence[Sequence[int]]) -> Supercell:
    """Repeat a parent by a given integer matrix.

    Atoms keep the parent's order, the images of one parent atom stand together, and every
    position is ``(fractional position in the parent + image) · parent cell``.

    Parameters
    ----------
    parent
        The cell to repeat.
    matrix
        Rows are the supercell vectors in parent vectors, shape (3, 3), determinant > 0.

    Returns
    -------
    Supercell
        The repeated parent.

    Raises
    ------
    InputError
        If the matrix is not a 3×3 integer matrix with a positive determinant.
    """
    from pymatgen.util.coord import lattice_points_in_supercell

    raw = np.array(matrix, dtype=float)
    rows = np.rint(raw).astype(np.int64)
    if raw.shape != (3, 3) or not np.array_equal(raw, rows) or _det(rows) <= 0:
        raise InputError(
            f"supercell matrix {np.array(matrix).tolist()} is not a 3×3 integer matrix with a "
            "positive determinant",
            where="cell",
            remedy="give three rows of three integers, right-handed",
        )
    images = np.rint(lattice_points_in_supercell(rows) @ rows).astype(np.int64)
    images = images[np.lexsort(images.T[::-1])]
    count = len(parent)
    fractional = parent.fractional[:, None, :] + images[None, :, :]
    positions = fractional.reshape(-1, 3) @ parent.cell
    cell = rows @ parent.cell
    a, b, c = as_vectors(cell)
    image_tuples = tuple(_int_vector(image) for image in images)
    first, second, third = (_int_vector(row) for row in rows)
    return Supercell(
        matrix=(first, second, third),
        geometry=Geometry(
            lattice=(a, b, c),
            species=tuple(symbol for symbol in parent.species for _ in images),
            positions=as_vectors(positions),
        ),
        parent_index=tuple(atom for atom in range(count) for _ in images),
        parent_image=image_tuples * count,
        min_image_distance=_shortest(_minkowski(cell)[0]),
    )


class AtomFinder:
    """Looks up the atom of a supercell that is a given parent atom in a given parent cell.

    Parameters
    ----------
    supercell
        The supercell to look in.
    """

    def __init__(self, supercell: Supercell) -> None:
        rows = np.array(supercell.matrix, dtype=np.int64)
        self._adjugate = np.rint(np.linalg.inv(rows) * _det(rows)).astype(np.int64)
        self._det = _det(rows)
        self._atoms = {
            (atom, self.coset(image)): index
            for index, (atom, image) in enumerate(
                zip(supercell.parent_index, supercell.parent_image, strict=True)
            )
        }

    def coset(self, image: Sequence[int]) -> IntVec3:
        """Return a key that two parent cells share if a supercell vector joins them."""
        return _int_vector((np.array(image, dtype=np.int64) @ self._adjugate) % self._det)

    def atom(self, parent_atom: int, image: Sequence[int]) -> int:
        """Return the supercell's atom that is ``parent_atom`` in the parent cell ``image``."""
        return self._atoms[parent_atom, self.coset(image)]


def _int_vector(values: Sequence[int] | NDArray[np.int64]) -> IntVec3:
    x, y, z = (int(value) for value in values)
    return (x, y, z)


def _det(matrix: NDArray[np.int64]) -> int:
    return int(np.rint(np.linalg.det(matrix)))


def _minkowski(cell: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the reduced cell and the integer matrix that makes it from ``cell``."""
    from ase.geometry.minkowski_reduction import minkowski_reduce

    reduced, change = minkowski_reduce(cell)
    return np.asarray(reduced, dtype=float), np.asarray(change, dtype=np.int64)


def _shortest(reduced: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(_HALF_STAR @ reduced, axis=1).min())


def _vectors_shorter_than(reduced: NDArray[np.float64], length: float) -> NDArray[np.int64]:
    """Return one of each ± pair of lattice vectors below a length, shortest first, (n, 3)."""
    reach = np.floor(length * np.linalg.norm(np.linalg.inv(reduced), axis=0) + 1e-9).astype(int)
    axes = [np.arange(-n, n + 1) for n in reach]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[len(grid) // 2 + 1 :]  # the second half, without the origin
    norms = np.linalg.norm(grid @ reduced, axis=1)
    keep = norms < length
    return np.asarray(grid[keep][np.argsort(norms[keep], kind="stable")], dtype=np.int64)


def _diagonals(index: int) -> Iterator[tuple[int, int, int]]:
    for a in range(1, index + 1):
        if index % a == 0:
            for c in range(1, index // a + 1):
                if (index // a) % c == 0:
                    yield a, c, index // (a * c)


class _Search:
    """Sublattices without forbidden vectors.

    Rows ``(a b e), (0 c g), (0 0 f)`` with ``b < c`` and ``e, g < f`` meet every sublattice once.
    They are layers, ``a`` apart along the first axis, of a plane lattice ``(c g), (0 f)`` that
    is shifted by ``(b e)`` from one to the next. Few plane lattices pass; for each, the shifts
    that a forbidden vector rules out are ticked off instead of tried.

    Parameters
    ----------
    forbidden
        One of each ± pair of vectors that must not be in the sublattice, shortest first, (n, 3).
    """

    def __init__(self, forbidden: NDArray[np.int64]) -> None:
        x = forbidden[:, 0]
        upward = forbidden * np.where(x < 0, -1, 1)[:, None]
        self._plane: list[list[int]] = forbidden[x == 0][:, 1:].tolist()
        self._layers = {
            int(height): upward[upward[:, 0] == height][:, 1:]
            for height in np.unique(upward[:, 0])
            if height > 0
        }
        self.looked_at = 0

    def surviving(self, index: int) -> NDArray[np.int64]:
        """Return the sublattices of an index that are left, shape (n, 3, 3)."""
        kept = []
        for a, c, f in _diagonals(index):
            lattices = self._plane_lattices(c, f)
            stack = _Stack(self._layers, a, c, f) if lattices else None
            for g in lattices:
                assert stack is not None  # noqa: S101 - there are lattices
                self.looked_at += 1
                b, e = np.divmod(stack.shifts(g), f)
                rows = np.zeros((len(b), 3, 3), dtype=np.int64)
                rows[:, 0, 0], rows[:, 1, 1], rows[:, 2, 2] = a, c, f
                rows[:, 0, 1], rows[:, 0, 2], rows[:, 1, 2] = b, e, g
                kept.append(rows)
        return np.concatenate(kept) if kept else np.zeros((0, 3, 3), dtype=np.int64)

    def _plane_lattices(self, c: int, f: int) -> list[int]:
        g = np.arange(f)
        for y, z in self._plane:
            if y % c == 0:
                g = g[(z - y // c * g) % f != 0]
                if not len(g):
                    break
        return [int(value) for value in g]


class _Stack:
    """Layers ``a`` apart of plane lattices ``(c g), (0 f)``: which shifts are left, g by g.

    A shift ``(b e)`` is written as the number ``b f + e``; a point of the plane, modulo the plane
    lattice, likewise. What does not depend on g is computed once.

    Parameters
    ----------
    layers
        Forbidden points of the plane by their height, shape (n, 2) each.
    a, c, f
        The diagonal of the sublattice.
    """

    def __init__(self, layers: dict[int, NDArray[np.int64]], a: int, c: int, f: int) -> None:
        self._c, self._f = c, f
        self._every = np.arange(c * f)
        self._b, self._e = np.divmod(self._every, f)
        self._layers = [(h // a, layers[h]) for h in sorted(h for h in layers if h % a == 0)]
        self._tables: list[tuple[NDArray[np.int64], ...]] = []

    def shifts(self, g: int) -> NDArray[np.int64]:
        """Return the numbers of the shifts that no forbidden vector rules out."""
        f, left = self._f, self._every
        for layer in range(len(self._layers)):
            point_turns, point_rest, point_z, turns, rest, z = self._table(layer)
            allowed = np.ones(len(self._every), dtype=bool)
            allowed[point_rest + (point_z - point_turns * g) % f] = False
            if self._c == 1:  # z is taken modulo f already, and nothing is turned
                left = left[allowed[z[left]]]
            else:
                left = left[allowed[rest[left] + (z[left] - turns[left] * g) % f]]
            if not len(left):
                break
        return left

    def _table(self, layer: int) -> tuple[NDArray[np.int64], ...]:
        if layer == len(self._tables):
            c, f = self._c, self._f
            times, points = self._layers[layer]
            point_turns, point_b = np.divmod(points[:, 0], c)
            turns, b = np.divmod(times * self._b, c)
            z = times * self._e
            self._tables.append(
                (point_turns, point_b * f, points[:, 1], turns, b * f, z % f if c == 1 else z)
            )
        return self._tables[layer]


def _needed(index: int, search: _Search) -> int | None:
    """Return the first index from ``index`` on with a solution; None if that takes too long."""
    search.looked_at = 0
    while search.looked_at < _BEYOND_CAP and index <= _LARGEST_INDEX:
        if len(search.surviving(index)):
            return index
        index += 1
    return None


def _best(
    found: NDArray[np.int64], reduced: NDArray[np.float64], parent: Geometry
) -> NDArray[np.int64]:
    """Choose among equally small sublattices, given in the reduced basis of the parent."""
    scored: list[tuple[float, float, NDArray[np.int64]]] = []
    for rows in found:
        compact, change = _minkowski(rows @ reduced)
        edges = float((compact**2).sum()) / parent.volume ** (2 / 3)
        scored.append((round(edges, 5), -round(_shortest(compact), 4), change @ rows))
    lowest = min(edges for edges, _, _ in scored)
    ties = [item for item in scored if item[0] <= lowest + 1e-5]
    if len(ties) == 1:
        return ties[0][2]
    rotations = _point_operations(parent, reduced)

    def rank(item: tuple[float, float, NDArray[np.int64]]) -> tuple[int, float]:
        rows = item[2]
        turned = rows @ rotations.transpose(0, 2, 1) @ np.linalg.inv(rows)
        kept = int((np.abs(turned - np.rint(turned)) < 1e-6).all(axis=(1, 2)).sum())
        return (-kept, item[1])

    return min(ties, key=rank)[2]


def _point_operations(parent: Geometry, reduced: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rotations of the parent's crystal class in its reduced basis, shape (m, 3, 3)."""
    from dualion.structures.symmetry import find_symmetry

    a, b, c = as_vectors(reduced)
    same = Geometry(lattice=(a, b, c), species=parent.species, positions=parent.positions)
    return np.unique(find_symmetry(same).rotations, axis=0)


def _canonical(matrix: NDArray[np.int64], cell: NDArray[np.float64]) -> list[list[int]]:
    """Return the one compact right-handed basis of a sublattice that noise does not change.

    Of the shortest bases the most orthogonal is taken, ordered and signed so that its matrix is
    as close to a diagonal one as it can be.
    """
    change = _minkowski(matrix @ cell)[1]
    star = _HALF_STAR @ (change @ matrix)
    gram = star @ cell @ cell.T @ star.T
    t = _TRIPLES
    edges = np.round(gram[t, t].sum(axis=1), 4)
    skew = np.abs(gram[t[:, 0], t[:, 1]]) + np.abs(gram[t[:, 0], t[:, 2]])
    skew = np.round(skew + np.abs(gram[t[:, 1], t[:, 2]]), 4)
    shortest = t[(edges == edges.min()) & (skew == skew[edges == edges.min()].min())]
    candidates: list[tuple[int, list[list[int]]]] = []
    for triple in shortest:
        for order in permutations(triple):
            for signs in product((1, -1), repeat=3):
                rows = star[list(order)] * np.array(signs)[:, None]
                if _det(rows) > 0:
                    candidates.append((int(np.trace(rows)), rows.tolist()))
    return max(candidates)[1]
