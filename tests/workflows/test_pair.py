"""Which relaxations a campaign asks for, and that sharing them changes no barrier."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from jobflow.core.store import JobStore
from jobflow.managers.local import run_locally
from maggma.stores import MemoryStore

from dualion.launch.task import bound_arguments, function_path, original, plain_arguments
from dualion.records import EngineStamp, Framework, Geometry, HopRecord, HostState
from dualion.settings import CellSettings
from dualion.structures.equivalence import Equivalents
from dualion.structures.supercell import build_supercell
from dualion.workflows.campaign import Campaign
from dualion.workflows.framework import emptied
from dualion.workflows.pair import hops_flow

CU3AU = Atoms(
    "AuCu3",
    scaled_positions=[[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
    cell=[3.7] * 3,
    pbc=True,
)


def campaign(**fields):
    values = {
        "name": "metal",
        "framework": "cu3au",
        "working_ion": "Cu",
        "pair": ["Cu", "Ag"],
        "engine": "emt",
        "doping": ["pure"],
        "cell": {"min_image_distance": 7.0},
        "relax": {"fmax": 0.002},
        "band": {"fmax": 0.01, "fmax_flanks": 0.03},
        "path": {"images": 1},
        "hops": {"members": 4},
    }
    return Campaign.model_validate(values | fields)


def host_of(parent=None, *, shaken=0.0):
    """The framework as drawn, and its host; `parent`: what its primitive cell has become."""
    drawn = Geometry.from_atoms(CU3AU)
    parent = drawn if parent is None else parent
    cell = build_supercell(parent, CellSettings(min_image_distance=7.0))
    noise = np.random.default_rng(0).normal(0.0, 1.0, (len(cell.geometry), 3)) * shaken
    used = cell.geometry.moved(cell.geometry.xyz + noise) if shaken else cell.geometry
    state = HostState(
        parent=parent,
        supercell=cell.model_copy(update={"geometry": used}),
        energy=0.0,
        symmetric_energy=0.0,
        broken_symmetry=False,
        volume_change=0.0,
        lattice_change=0.0,
    )
    return Framework(name="cu3au", working_ion="Cu", parent=drawn), state


def jobs_of(asked, **host):
    framework, state = host_of(**host)
    flow = hops_flow(asked, framework, host=state)
    return [job for job, _ in flow.iterflow()]


def kinds_of(jobs):
    return [job.metadata.get("kind", "") for job in jobs]


def carried(jobs):
    return [job for job in jobs if original(job).__name__ == "equivalent_job"]


def test_every_vacancy_of_one_orbit_is_one_relaxation():
    jobs = jobs_of(campaign())
    assert kinds_of(jobs).count("band") > 1
    assert kinds_of(jobs).count("relax") == 1
    assert carried(jobs)


def test_a_mover_of_the_other_kind_is_relaxed_once_for_each_shell_and_once_at_free_lattice():
    jobs = jobs_of(campaign(doping=["dilute"], hops={"members": 4, "max_length": 2.7}))
    # All nearest-neighbour hops are one class here; both ends are the same pair of sites.
    assert kinds_of(jobs).count("band") == 4
    assert kinds_of(jobs).count("relax") == 2


def states_of(jobs):
    """What is relaxed."""
    return [job.function_kwargs["structure"] for job in jobs if job.metadata.get("kind") == "relax"]


def questions_of(jobs):
    return [job.function_kwargs["question"] for job in jobs if job.metadata.get("kind") == "record"]


def test_the_empty_host_has_one_ion_on_the_sites_of_the_working_ions():
    crystal, _ = host_of()
    framework = emptied(crystal)
    _, state = host_of(framework.parent)
    asked = campaign(doping=["empty"], mechanism="interstitial", hops={"max_length": 2.7})
    jobs = [job for job, _ in hops_flow(asked, framework, host=state).iterflow()]
    # The three sites are one orbit, so there is one state of either ion to relax.
    assert {each.formula for each in states_of(jobs)} == {"Cu1Au8", "Ag1Au8"}
    assert kinds_of(jobs).count("relax") == 2
    copper = next(each for each in states_of(jobs) if "Cu" in each.species)
    place = (copper.fractional * 2)[list(copper.species).index("Cu")] % 1.0
    assert sorted(np.round(place, 6)) == [0.0, 0.5, 0.5]
    asked_of = {
        (question.moving_ion, question.arrangement.label, question.hop.mechanism.value)
        for question in questions_of(jobs)
    }
    assert asked_of == {("Cu", "empty", "interstitial"), ("Ag", "empty", "interstitial")}


def test_a_host_without_symmetry_relaxes_every_state():
    jobs = jobs_of(campaign(), shaken=0.2)
    assert kinds_of(jobs).count("relax") > 4
    assert not carried(jobs)


def test_a_job_that_carries_a_relaxation_over_runs_in_no_worker():
    assert {job.metadata.get("kind", "") for job in carried(jobs_of(campaign()))} == {""}


def test_the_same_campaign_twice_asks_for_the_same():
    def asked():
        contents = []
        for job in jobs_of(campaign(doping=["pure", "dilute"])):
            function = original(job)
            named = bound_arguments(function, job.function_args, job.function_kwargs)
            if function.__name__ == "relax_job":
                contents.append((function_path(function), plain_arguments(function, named)))
            elif function.__name__ == "equivalent_job":
                contents.append(named["equivalence"].model_dump(mode="json"))
        return contents

    assert asked() == asked()


def test_a_part_of_a_campaign_asks_for_no_relaxation_that_the_whole_does_not():
    def relaxations(asked):
        return {
            original(job).__name__ + job.function_kwargs["structure"].digest(6)
            for job in jobs_of(asked)
            if job.metadata.get("kind") == "relax"
        }

    whole = relaxations(campaign(doping=["pure", "dilute"]))
    assert len(whole) == 3
    parts = [campaign(doping=["pure"], hops={"members": 1})]
    parts += [campaign(doping=["dilute"], hops={"members": n}) for n in (1, 3, 7)]
    for part in parts:
        assert relaxations(part) < whole


ADAPTIVE = {"method": "adaptive", "fmax": 0.01, "fmax_flanks": 0.03}


def offered(asked):
    """Name of each path's job, and of the band whose saddle it is offered."""
    jobs = jobs_of(asked)
    names = {job.uuid: job.name for job in jobs}
    found = {}
    for job in jobs:
        if job.metadata.get("kind") == "path":
            like = bound_arguments(original(job), job.function_args, job.function_kwargs)["like"]
            found[job.name] = None if like is None else names[like.uuid]
    return found


@pytest.mark.parametrize("doping", [["pure", "dilute"], ["dilute", "pure"]])
def test_each_hop_of_the_second_ion_is_offered_the_first_ions_band_of_that_very_hop(doping):
    found = offered(campaign(doping=doping, band=ADAPTIVE, hops={"members": 2}))
    assert len(found) >= 4
    for name, band in found.items():
        if name.startswith("Cu"):
            assert band is None
        else:
            hop = name.removeprefix("Ag ").removesuffix(" dilute: path")
            assert band == f"Cu {hop} pure: band"


def test_among_dopants_a_band_serves_in_its_own_arrangement_only():
    mixed = {"fraction": 0.2, "arrangements": 2}
    found = offered(campaign(doping=["pure", mixed], band=ADAPTIVE, hops={"members": 1}))
    served = {name: band for name, band in found.items() if band is not None}
    assert len(served) == 2 * sum(name.endswith("pure: path") for name in found)
    for name, band in served.items():
        assert name.startswith("Ag")
        assert band == name.replace("Ag", "Cu", 1).replace(": path", ": band")


@pytest.mark.parametrize(
    "changes",
    [
        {"doping": ["dilute"]},
        {"path": {"images": 1, "from_first_ion": False}},
        {"band": {"method": "full"}},
    ],
)
def test_no_band_is_offered_where_there_is_none_or_none_is_wanted(changes):
    asked = campaign(**({"doping": ["pure", "dilute"], "band": ADAPTIVE} | changes))
    assert set(offered(asked).values()) == {None}


def test_only_the_answers_that_a_band_was_offered_to_are_other_answers():
    def ids(**path):
        jobs = jobs_of(
            campaign(doping=["pure", "dilute"], band=ADAPTIVE, path=path, hops={"members": 1})
        )
        questions = [
            job.function_kwargs["question"] for job in jobs if job.metadata.get("kind") == "record"
        ]
        return {(q.moving_ion, q.hop.class_id): (q.start_ion, q) for q in questions}

    for (ion, _), (start, question) in ids().items():
        assert start == ("Cu" if ion == "Ag" else None)
        other = question.model_copy(update={"start_ion": None})
        stamp = EngineStamp(engine="emt", code="ase", version="0")
        assert (question.record_id(stamp) == other.record_id(stamp)) == (ion == "Cu")


def test_the_switch_is_among_the_settings_that_identify_an_answer():
    on, off = (campaign(path={"images": 1, "from_first_ion": flag}) for flag in (True, False))
    assert on.settings_fingerprint != off.settings_fingerprint
    assert on.settings_fingerprint == campaign().settings_fingerprint


def records_of(folder, asked):
    framework, state = host_of()
    responses = run_locally(
        hops_flow(asked, framework, host=state),
        store=JobStore(MemoryStore()),
        root_dir=folder,
        ensure_success=True,
        log=False,
        raise_immediately=True,
    )
    outputs = [last.output for found in responses.values() for last in found.values()]
    records = [out for out in outputs if isinstance(out, HopRecord)]
    return sorted(records, key=lambda r: (r.moving_ion, r.hop.class_id, r.hop.member))


def test_sharing_changes_no_barrier(tmp_path, monkeypatch):
    asked = campaign(doping=["pure", "dilute"], hops={"members": 2, "max_length": 2.7})
    shared = records_of(tmp_path, asked)
    monkeypatch.setattr(Equivalents, "representative", lambda _, state: (state, None))
    alone = records_of(tmp_path, asked)
    assert len(shared) == len(alone) == 4
    for one, two in zip(shared, alone, strict=True):
        assert one.outcome is two.outcome
        assert one.outcome.is_barrier
        assert one.forward == pytest.approx(two.forward, abs=0.002)
        assert one.energy_difference == pytest.approx(two.energy_difference, abs=0.0005)
        assert one.response.volume_change == pytest.approx(two.response.volume_change, abs=1e-4)


def test_which_hops_there_are_is_no_matter_of_the_engines_lattice():
    atoms = CU3AU.copy()
    atoms.set_cell(1.08 * CU3AU.cell.array, scale_atoms=True)
    framework, state = host_of(Geometry.from_atoms(atoms))
    # 2.62 Å as drawn, 2.83 Å as relaxed: within 2.7 Å all the same, with its own length.
    asked = campaign(hops={"max_length": 2.7})
    jobs = [job for job, _ in hops_flow(asked, framework, host=state).iterflow()]
    hops = [question.hop for question in questions_of(jobs)]
    assert {hop.class_id for hop in hops} == {"h1"}
    assert hops[0].length == pytest.approx(1.08 * 3.7 / np.sqrt(2))
    assert np.linalg.norm(hops[0].vector) == pytest.approx(hops[0].length)
