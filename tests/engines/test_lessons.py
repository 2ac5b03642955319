"""What one job hands on to the force field of the next."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from dualion.engines.evaluator import Evaluation
from dualion.engines.lessons import MOST, lesson_of, stand_ins, taught, united
from dualion.records import Images, Lesson

CELL = ((4.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 4.0))


def seen(count, atoms=2):
    random = np.random.default_rng(0)
    return [
        (random.uniform(0, 4, (atoms, 3)), Evaluation(float(k), random.normal(size=(atoms, 3))))
        for k in range(count)
    ]


def lesson(species, energy=0.0):
    n = len(species)
    row = tuple((0.5 * k, 0.1, 0.2) for k in range(n))
    images = Images(lattice=CELL, species=tuple(species), positions=(row,))
    return Lesson(images=images, energies=(energy,), forces=(row,))


def test_a_short_run_is_kept_whole():
    found = lesson_of(CELL, ("Li", "S"), seen(5))
    assert found.energies == (0.0, 1.0, 2.0, 3.0, 4.0)
    xyz, evaluation = seen(5)[3]
    assert found.images.xyz[3] == pytest.approx(xyz, abs=1e-5)
    assert np.array(found.forces[3]) == pytest.approx(evaluation.forces, abs=1e-5)


def test_of_a_long_run_the_first_the_last_and_some_between_are_kept():
    found = lesson_of(CELL, ("Li", "S"), seen(200))
    assert len(found.energies) == len(found.images) == MOST
    assert found.energies[0] == 0.0
    assert found.energies[-1] == 199.0
    assert np.diff(found.energies).max() <= 6.0


def test_who_saw_nothing_hands_nothing_on():
    assert lesson_of(CELL, ("Li", "S"), []) is None


def test_lessons_that_two_ends_have_in_common_count_once():
    host, first, last = lesson(["Li", "S"]), lesson(["Li", "S"], 1.0), lesson(["Li", "S"], 2.0)
    assert united([(host, first), (host, last)]) == (host, first, last)
    assert united([(host, first), (host, first)]) == (host, first)


@pytest.mark.parametrize(
    ("host", "cell", "wanted"),
    [
        (["Li"] * 4 + ["S"] * 2, ["Li"] * 2 + ["Cu"] + ["S"] * 2, {"Cu": "Li"}),
        (["Li"] * 4 + ["S"] * 2, ["Cu"] * 4 + ["S"] * 2, {"Cu": "Li"}),
        (["Li"] * 4 + ["S"] * 2, ["Li"] * 3 + ["S"] * 2, {}),
        (["V"] * 2 + ["O"] * 5, ["V"] * 2 + ["O"] * 5 + ["Li"], {}),
    ],
    ids=["dopant", "all exchanged", "vacancy", "interstitial"],
)
def test_a_dopant_is_taken_to_be_like_what_it_stands_in_place_of(host, cell, wanted):
    # A lesson of a doped cell that comes later changes nothing.
    assert stand_ins((lesson(host), lesson(cell)), tuple(cell)) == wanted


def test_without_lessons_nothing_stands_in_and_nothing_is_felt():
    assert stand_ins((), ("Li", "S")) == {}
    field = taught((), ("Li", "S"))
    found = field(
        np.array([3, 16]), np.array([[0.0] * 3, [2.0] * 3]), 4.0 * np.eye(3), stress=False
    )
    assert not found.forces.any()


def test_a_lesson_of_another_shape_is_refused():
    right = lesson(["Li", "S"])
    with pytest.raises(ValidationError, match="forces of shape"):
        Lesson(images=right.images, energies=(0.0,), forces=(right.forces[0][:1],))
    with pytest.raises(ValidationError, match="2 energies"):
        Lesson(images=right.images, energies=(0.0, 1.0), forces=right.forces)
