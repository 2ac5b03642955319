"""Lessons: what an engine said in one job, handed on to the force field of another."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_numbers

from dualion.engines.forcefield import ForceField
from dualion.records import Images, Lesson, Matrix3, as_vectors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from dualion.engines.evaluator import Evaluation

MOST = 40
"""Configurations of one lesson; of a longer run they are taken evenly, the first and last too."""
POSITION_DIGITS, ENERGY_DIGITS, FORCE_DIGITS = 5, 5, 5
"""Decimals that a lesson is kept to, in Å, eV and eV/Å: a hundredth of what a field resolves."""


def lesson_of(
    lattice: Matrix3,
    species: tuple[str, ...],
    seen: Sequence[tuple[NDArray[np.float64], Evaluation]],
) -> Lesson | None:
    """Write down what an engine said of configurations of one cell; None: nothing was seen.

    Parameters
    ----------
    lattice, species
        The cell, rows in Å, and the atoms.
    seen
        Positions, shape (n, 3) in Å, and evaluations.
    """
    if not seen:
        return None
    chosen = sorted(set(np.linspace(0, len(seen) - 1, MOST).round().astype(int).tolist()))
    taken = [seen[k] for k in chosen]
    return Lesson(
        images=Images.from_array(
            lattice, species, np.array([np.round(xyz, POSITION_DIGITS) for xyz, _ in taken])
        ),
        energies=tuple(round(float(each.energy), ENERGY_DIGITS) for _, each in taken),
        forces=tuple(as_vectors(np.round(each.forces, FORCE_DIGITS)) for _, each in taken),
    )


def united(several: Iterable[tuple[Lesson, ...]]) -> tuple[Lesson, ...]:
    """Put the lessons of several jobs together, each once."""
    return tuple(dict.fromkeys(lesson for lessons in several for lesson in lessons))


def taught(lessons: tuple[Lesson, ...], species: tuple[str, ...]) -> ForceField:
    """Return a force field that has learnt all lessons.

    Parameters
    ----------
    lessons
        The first one is of the host.
    species
        Atoms of the cell that the field is wanted for.
    """
    elements = {*species, *(each for lesson in lessons for each in lesson.images.species)}
    field = ForceField(
        {atomic_numbers[each] for each in elements},
        {atomic_numbers[a]: atomic_numbers[b] for a, b in stand_ins(lessons, species).items()},
    )
    for lesson in lessons:
        images = lesson.images
        for xyz, energy, forces in zip(images.xyz, lesson.energies, lesson.forces, strict=True):
            field.learn(images.numbers, xyz, images.cell, energy, np.array(forces))
    return field


def stand_ins(lessons: tuple[Lesson, ...], species: tuple[str, ...]) -> dict[str, str]:
    """Say which element of the host one that it lacks is taken to be like.

    It is the one that there is less of than in the host: the dopant stands in its place.

    Parameters
    ----------
    lessons
        The first one is of the host.
    species
        Atoms of the doped cell.

    Returns
    -------
    dict
        None where nothing was taken out, as for an interstitial.
    """
    if not lessons:
        return {}
    host, here = Counter(lessons[0].images.species), Counter(species)
    lost = host - here
    if not lost:
        return {}
    replaced = max(sorted(lost), key=lost.__getitem__)
    return dict.fromkeys(sorted(set(here) - set(host)), replaced)
