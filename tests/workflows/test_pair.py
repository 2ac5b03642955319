"""Which relaxations a campaign asks for, and that sharing them changes no barrier."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from jobflow.core.store import JobStore
from jobflow.managers.local import run_locally
from maggma.stores import MemoryStore

from dualion.launch.task import bound_arguments, function_path, original, plain_arguments
from dualion.records import Framework, Geometry, HopRecord, HostState
from dualion.settings import CellSettings
from dualion.structures.equivalence import Equivalents
from dualion.structures.supercell import build_supercell
from dualion.workflows.campaign import Campaign
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


def host_of(*, shaken=0.0):
    parent = Geometry.from_atoms(CU3AU)
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
    return Framework(name="cu3au", working_ion="Cu", parent=parent), state


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
            original(job).__name__ + job.function_args[0].digest(6)
            for job in jobs_of(asked)
            if job.metadata.get("kind") == "relax"
        }

    whole = relaxations(campaign(doping=["pure", "dilute"]))
    assert len(whole) == 3
    parts = [campaign(doping=["pure"], hops={"members": 1})]
    parts += [campaign(doping=["dilute"], hops={"members": n}) for n in (1, 3, 7)]
    for part in parts:
        assert relaxations(part) < whole


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
