"""A flow as job documents: known by content, whoever makes them."""

from __future__ import annotations

import pytest
from jobflow.core.flow import Flow

from dualion.engines.registry import EngineChoice, get_engine
from dualion.errors import RunError
from dualion.launch.document import JOB, VALUE, documents_of
from dualion.records import Geometry
from dualion.settings import BandSettings, RelaxSettings
from dualion.workflows.jobs import rattle_job


def geometry(n=4, shift=0.0):
    return Geometry(
        lattice=((9.0, 0.0, 0.0), (0.0, 9.0, 0.0), (0.0, 0.0, 9.0)),
        species=("Cu",) * n,
        positions=tuple((0.5 * i + shift, 0.1, 0.2) for i in range(n)),
    )


def relaxed_twice(shift=0.0, *, names=("one", "two")):
    engine = get_engine("emt")
    first = engine.relax(geometry(40, shift), cell=False, settings=RelaxSettings(), name=names[0])
    second = engine.band(first.output, settings=BandSettings(), name=names[1])
    return Flow([first, second])


def test_the_same_flow_gives_the_same_documents_each_time():
    ids = [[each.job_id for each in documents_of(relaxed_twice()).jobs] for _ in range(2)]
    assert ids[0] == ids[1]
    renamed = documents_of(relaxed_twice(names=("a", "b"))).jobs
    assert [each.job_id for each in renamed] == ids[0]


def test_what_changes_at_the_root_changes_all_that_follows():
    plain, other = (documents_of(relaxed_twice(shift)).jobs for shift in (0.0, 0.01))
    assert all(a.job_id != b.job_id for a, b in zip(plain, other, strict=True))


def test_inputs_are_named_and_bulky_values_kept_once():
    engine = get_engine("emt")
    shared = geometry(40)
    jobs = [
        engine.relax(shared, cell=cell, settings=RelaxSettings(), name=str(cell))
        for cell in (True, False)
    ]
    found = documents_of(Flow(jobs))
    assert len(found.values) == 1
    (key,) = found.values
    assert [each.arguments["structure"] for each in found.jobs] == [{VALUE: key}] * 2
    first, second = documents_of(relaxed_twice()).jobs
    assert second.arguments["path"] == {JOB: first.job_id}
    assert second.inputs == (first.job_id,)


def test_engines_are_those_of_a_job_and_of_all_it_needs():
    engine = get_engine("emt")
    relax = engine.relax(geometry(), cell=False, settings=RelaxSettings(), name="relax")
    shake = rattle_job(supercell=relax.output, width=0.1, seed=1)
    shaken = documents_of(Flow([relax, shake])).jobs[1]
    assert shaken.choices == (EngineChoice(name="emt"),)
    assert shaken.category == "ase"


def test_two_engines_at_once_are_refused():
    first = get_engine("emt").relax(geometry(), cell=False, settings=RelaxSettings(), name="a")
    other = get_engine("chgnet").band(first.output, settings=BandSettings(), name="b")
    document = documents_of(Flow([first, other])).jobs[1]
    with pytest.raises(RunError, match="several engines"):
        _ = document.category


def test_a_reference_inside_an_argument_is_refused():
    engine = get_engine("emt")
    first = engine.relax(geometry(), cell=False, settings=RelaxSettings(), name="a")
    second = rattle_job(supercell=[first.output], width=0.1, seed=1)
    with pytest.raises(RunError, match="from within"):
        documents_of(Flow([first, second]))


def test_documents_follow_what_they_need_whatever_the_order_of_the_flow():
    flow = relaxed_twice()
    flow._jobs = tuple(reversed(flow.jobs))  # Flow itself insists on no order
    assert [each.name for each in documents_of(flow).jobs] == ["one", "two"]
