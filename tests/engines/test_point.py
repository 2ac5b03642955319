"""Drivers and points: the same algorithm, whose force calls somebody else computes."""

from __future__ import annotations

import pytest
from ase.build import bulk

from dualion.engines import get_engine, job_scope
from dualion.engines.jobs import converge_band, relax_structure
from dualion.engines.point import (
    Configuration,
    PointResult,
    PointsNeeded,
    compute_point,
    point_jobs,
)
from dualion.errors import EngineError
from dualion.records import Geometry
from dualion.settings import BandSettings, RelaxSettings


class Desk:
    """Computes what drivers ask for, and remembers how it was asked."""

    def __init__(self, checkpoint):
        self.checkpoint = checkpoint
        self.known = {}
        self.batches = []

    def lookup(self, _choice, _charge, configurations):
        return [self.known.get(each.key) for each in configurations]

    def finish(self, drive):
        """Run a driver until it has its answer."""
        while True:
            try:
                with job_scope(checkpoint=self.checkpoint, points=self.lookup):
                    return drive()
            except PointsNeeded as needed:
                self.batches.append(len(needed.configurations))
                for each in needed.configurations:
                    assert each.key not in self.known, "asked for twice"
                    text = compute_point(
                        each, needed.choice, charge=needed.charge
                    ).model_dump_json()
                    self.known[each.key] = PointResult.model_validate_json(text)


@pytest.fixture
def choice():
    return get_engine("emt").choice


@pytest.fixture(scope="module")
def path(hop_ends, straight):
    choice = get_engine("emt").choice
    ends = [
        relax_structure(Geometry.from_atoms(atoms), choice, RelaxSettings())
        for atoms in hop_ends(bulk("Ag", cubic=True) * (2, 2, 2))
    ]
    return straight(ends[0].geometry, ends[1].geometry, (ends[0].energy, ends[1].energy))


@pytest.mark.parametrize("with_log", [True, False])
@pytest.mark.parametrize("cell", [False, True])
def test_a_relaxation_by_points_is_the_relaxation(choice, tmp_path, cell, with_log):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=3)
    geometry = Geometry.from_atoms(atoms)
    desk = Desk(tmp_path if with_log else None)

    def relax():
        return relax_structure(geometry, choice, RelaxSettings(), cell=cell)

    inside = relax()
    assert desk.finish(relax) == inside
    assert desk.batches == [1] * inside.force_calls
    assert inside.force_calls > 3


def test_a_full_band_asks_for_all_its_images_at_once(path, choice, tmp_path):
    def band():
        return converge_band(path, choice, BandSettings())

    inside = band()
    desk = Desk(tmp_path)
    assert desk.finish(band) == inside
    assert sum(desk.batches) == inside.force_calls
    assert max(desk.batches) == desk.batches[0] == len(path.images) - 2
    assert desk.batches.count(1) < len(desk.batches) / 3


def test_an_adaptive_band_asks_for_curvatures_at_once(path, choice, tmp_path):
    def band():
        return converge_band(path, choice, BandSettings(method="adaptive"))

    inside = band()
    desk = Desk(tmp_path)
    assert desk.finish(band) == inside
    assert sum(desk.batches) == inside.force_calls
    assert max(desk.batches) > 1


def test_a_surrogate_band_asks_for_the_costly_engine_alone(path, tmp_path):
    choice = get_engine("emt", prior="emt").choice

    def band():
        return converge_band(path, choice, BandSettings(method="surrogate"))

    inside = band()
    desk = Desk(tmp_path)
    assert desk.finish(band) == inside
    assert sum(desk.batches) == inside.force_calls > 0
    assert {result.stamp for result in desk.known.values()} == {get_engine("emt").stamp()}


def test_an_interrupted_run_inside_goes_on_by_points(path, choice, tmp_path):
    def band():
        return converge_band(path, choice, BandSettings())

    whole = band()

    class Killed(BaseException):
        pass

    def kill(calls):
        if calls == whole.force_calls // 2:
            raise Killed

    with pytest.raises(Killed), job_scope(checkpoint=tmp_path, progress=kill):
        band()
    desk = Desk(tmp_path)
    assert desk.finish(band) == whole
    assert sum(desk.batches) == whole.force_calls - whole.force_calls // 2


def test_a_failing_point_fails_its_driver_with_the_same_words(tmp_path):
    choice = get_engine("emt").choice
    salt = Geometry.from_atoms(bulk("NaCl", "rocksalt", a=5.6))  # EMT knows no sodium

    def relax():
        return relax_structure(salt, choice, RelaxSettings())

    inside = relax()
    assert "engine 'emt' on" in inside.failure
    assert Desk(tmp_path).finish(relax) == inside


def test_a_result_without_numbers_raises_its_failure(choice):
    stamp = get_engine("emt").stamp()
    with pytest.raises(EngineError, match="no convergence"):
        _ = PointResult(stamp=stamp, failure="no convergence").evaluation
    assert choice.name == "emt"


def test_a_configuration_is_the_same_after_a_trip_through_text():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=5)
    atoms.positions[0] = [-0.0, 1e-17, 0.1 + 0.2]
    made = Configuration.of(atoms.numbers, atoms.positions, atoms.cell.array, stress=True)
    read = Configuration.model_validate_json(made.model_dump_json())
    assert read.key == made.key
    assert read.arrays[1].tobytes() == atoms.positions.tobytes()
    assert made.key != made.model_copy(update={"stress": False}).key


def test_points_are_labelled_for_the_workers_that_can_compute_them(choice):
    atoms = bulk("Cu", cubic=True)
    made = Configuration.of(atoms.numbers, atoms.positions, atoms.cell.array, stress=False)
    (job,) = point_jobs(choice, -1, [made], name="a band")
    assert job.metadata["kind"] == "point"
    assert job.config.manager_config == {"_category": "ase"}
    assert job.name.startswith("a band: point ")
