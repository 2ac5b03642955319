"""Jobs of an engine that has a cheap one beside it."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk, make_supercell

from dualion.engines import get_engine, job_scope
from dualion.engines.jobs import converge_band, relax_structure
from dualion.engines.lessons import united
from dualion.engines.registry import category_of
from dualion.errors import InputError
from dualion.records import Geometry
from dualion.settings import BandSettings, RelaxSettings

MORSE = """
- name: morse
  calculator: ase.calculators.morse:MorsePotential
  package: ase
  kwargs: {epsilon: 0.343, r0: 2.7, rho0: 3.9}
"""
RELAX = RelaxSettings(fmax=0.01)
BAND = BandSettings(method="surrogate")


@pytest.fixture
def pairs(tmp_path, monkeypatch):
    """EMT alone, and EMT with a Morse potential as its prior."""
    file = tmp_path / "engines.yaml"
    file.write_text(MORSE)
    monkeypatch.setenv("DUALION_ENGINES", str(file))
    return get_engine("emt").choice, get_engine("emt", prior="morse").choice


@pytest.fixture
def states(hop_ends):
    host = make_supercell(bulk("Cu", a=3.59), 3 * np.eye(3, dtype=int))
    first, last = hop_ends(host)
    first.symbols[0] = last.symbols[0] = "Ag"
    return Geometry.from_atoms(first), Geometry.from_atoms(last)


@pytest.fixture
def path(states, pairs, straight):
    first, last = (relax_structure(state, pairs[0], RELAX) for state in states)
    return straight(first.geometry, last.geometry, (first.energy, last.energy))


def test_the_prior_travels_with_the_choice_and_makes_no_number(pairs):
    alone, both = pairs
    assert both.prior is not None
    assert both.prior.name == "morse"
    assert both.prior.entry is not None  # a worker need not know it by name
    assert get_engine("emt", prior="morse").stamp() == get_engine("emt").stamp()
    assert type(both).model_validate_json(both.model_dump_json()) == both
    assert alone.prior is None


def test_a_worker_needs_both_packages():
    choice = get_engine("emt", prior="chgnet", check=False).choice
    assert category_of(choice) == "chgnet+ase"
    assert category_of(get_engine("emt").choice) == "ase"


def test_a_state_relaxed_with_a_prior_is_the_engine_s_own_with_fewer_calls(states, pairs):
    alone, both = (relax_structure(states[0], choice, RELAX) for choice in pairs)
    assert both.converged
    assert both.energy == pytest.approx(alone.energy, abs=0.002)
    assert both.stamp == alone.stamp
    assert both.force_calls < alone.force_calls


def test_a_free_cell_is_relaxed_on_the_surrogate_too(pairs):
    cell = bulk("Cu", a=3.7, cubic=True)
    cell.symbols[1] = "Ag"
    cell.rattle(0.1, seed=1)
    alone, both = (
        relax_structure(Geometry.from_atoms(cell), choice, RELAX, cell=True) for choice in pairs
    )
    assert both.converged
    assert both.energy == pytest.approx(alone.energy, abs=0.001)
    assert both.geometry.volume == pytest.approx(alone.geometry.volume, rel=0.002)
    assert both.force_calls < alone.force_calls


def test_a_band_on_a_surrogate_has_the_barrier_of_the_full_band(path, pairs):
    alone, both = pairs
    full = converge_band(path, alone, BandSettings())
    found = converge_band(path, both, BAND)
    assert full.converged
    assert found.converged
    assert found.stamp == full.stamp
    assert max(found.energies) == pytest.approx(max(full.energies), abs=0.005)
    assert found.force_calls < 0.2 * full.force_calls


def test_a_surrogate_without_a_prior_is_refused_with_the_remedy(path, pairs):
    with pytest.raises(InputError, match="add 'prior: chgnet' or 'prior: learnt'"):
        converge_band(path, pairs[0], BAND)


class Killed(BaseException):
    """What a kill looks like from inside."""


def killed_and_again(run, folder, after):
    """Kill a job after so many force calls, run it again, and compare with one left alone."""
    whole = run()
    assert whole.force_calls > after
    made = []

    def count():
        made.append(1)
        if len(made) == after:
            raise Killed

    with pytest.raises(Killed), job_scope(folder, computed=count):
        run()
    made.clear()
    with job_scope(folder, computed=lambda: made.append(1)):
        again = run()
    assert again == whole
    assert len(made) == whole.force_calls - after


@pytest.mark.parametrize("after", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_band_that_is_killed_goes_on_from_its_last_call(path, pairs, tmp_path, after):
    killed_and_again(lambda: converge_band(path, pairs[1], BAND), tmp_path / "job", after)


# ------------------------------------------------------------------ no prior but what is learnt


@pytest.fixture
def learner():
    return get_engine("emt", prior="learnt").choice


@pytest.fixture(scope="module")
def rattled_host():
    host = make_supercell(bulk("Cu", a=3.59), 3 * np.eye(3, dtype=int))
    host.rattle(0.05, seed=1)
    return Geometry.from_atoms(host)


@pytest.fixture
def lessons(rattled_host, learner):
    return relax_structure(rattled_host, learner, RELAX).lessons


def test_one_that_learns_needs_no_other_package_and_makes_the_same_numbers(learner):
    assert learner.learns
    assert category_of(learner) == "ase"
    assert get_engine("emt", prior="learnt").stamp() == get_engine("emt").stamp()


def test_a_host_is_relaxed_as_without_and_gives_the_first_lesson(rattled_host, learner, pairs):
    found = relax_structure(rattled_host, learner, RELAX)
    alone = relax_structure(rattled_host, pairs[0], RELAX)
    assert found.model_copy(update={"lessons": ()}) == alone
    assert len(found.lessons) == 1
    assert len(found.lessons[0].energies) == found.force_calls
    assert found.lessons[0].energies[-1] == pytest.approx(found.energy, abs=1e-5)


def test_who_learns_nothing_looks_as_ever(rattled_host, learner, pairs):
    alone = relax_structure(rattled_host, pairs[0], RELAX)
    assert "lessons" not in alone.model_dump(mode="json")
    found = relax_structure(rattled_host, learner, RELAX)
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_a_state_relaxed_with_lessons_is_the_engine_s_own_with_fewer_calls(
    states, pairs, learner, lessons
):
    alone = relax_structure(states[0], pairs[0], RELAX)
    found = relax_structure(states[0], learner, RELAX, lessons=lessons)
    assert found.converged
    assert found.energy == pytest.approx(alone.energy, abs=0.002)
    assert found.force_calls < alone.force_calls
    assert found.lessons[:1] == lessons  # handed on, with its own
    assert len(found.lessons) == 2


def test_a_free_cell_is_relaxed_without_what_was_learnt(pairs, learner, lessons):
    cell = Geometry.from_atoms(bulk("Cu", a=3.7))
    found = relax_structure(cell, learner, RELAX, cell=True, lessons=lessons)
    alone = relax_structure(cell, pairs[0], RELAX, cell=True)
    assert found.model_copy(update={"lessons": ()}) == alone
    assert found.lessons == lessons


@pytest.fixture
def learnt_hop(states, learner, lessons, straight):
    """A path between ends that were relaxed with lessons, and what both learnt."""
    first, last = (relax_structure(s, learner, RELAX, lessons=lessons) for s in states)
    path = straight(first.geometry, last.geometry, (first.energy, last.energy))
    return path, united([first.lessons, last.lessons])


def test_a_band_on_what_was_learnt_has_the_barrier_of_the_full_band(learnt_hop, pairs, learner):
    path, lessons = learnt_hop
    full = converge_band(path, pairs[0], BandSettings())
    found = converge_band(path, learner, BAND, lessons=lessons)
    assert full.converged
    assert found.converged
    assert found.stamp == full.stamp
    assert max(found.energies) == pytest.approx(max(full.energies), abs=0.005)
    assert found.force_calls < 0.3 * full.force_calls


def test_without_lessons_a_band_still_ends_at_the_engine_s_saddle(path, pairs, learner):
    full = converge_band(path, pairs[0], BandSettings())
    found = converge_band(path, learner, BAND)
    assert found.converged
    assert max(found.energies) == pytest.approx(max(full.energies), abs=0.005)


@pytest.mark.parametrize("after", [1, 2])
def test_a_state_whose_job_is_killed_goes_on_from_its_last_call(
    states, learner, lessons, tmp_path, after
):
    killed_and_again(
        lambda: relax_structure(states[0], learner, RELAX, lessons=lessons), tmp_path / "job", after
    )
