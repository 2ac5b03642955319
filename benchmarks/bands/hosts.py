"""Hosts and unrelaxed end points, made by dualion's own builders as its flow makes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from hopset import CASES, IMAGE_DISTANCE, Case
from jobflow.core.job import Job
from stash import Stash

from dualion.engines.jobs import relax_structure
from dualion.engines.registry import EngineChoice
from dualion.launch.task import bound_arguments, original
from dualion.records import EndPoints, Geometry, HostState, Lesson, Relaxed, content_hash
from dualion.structures.library import find_library
from dualion.structures.supercell import build_supercell
from dualion.workflows.campaign import Campaign
from dualion.workflows.host import judge_host, rattled
from dualion.workflows.pair import hops_flow

LIBRARY = Path(__file__).parents[2] / "structures"
CHOICE = EngineChoice(name="chgnet", device="cpu")

_HALF = 0.49  # relaxation moves the ends by a few hundredths of a cell vector


@dataclass(frozen=True)
class Start:
    """Where every method starts: two unrelaxed states of one hop.

    Attributes
    ----------
    endpoints
        Both states as dualion builds them.
    host
        The host that they were cut from.
    seed
        That dualion's flow gives to this hop's path.
    label
        The hop as dualion prints it.
    broken_symmetry
        Whether the symmetric host was no minimum.
    """

    case: Case
    endpoints: EndPoints
    host: Geometry
    seed: int
    label: str
    broken_symmetry: bool

    @property
    def digest(self) -> str:
        """Identity of the two states."""
        return content_hash([self.endpoints.model_dump(mode="json"), self.seed])

    @property
    def half_cell(self) -> bool:
        """Whether the hop is half a cell vector or more along one.

        Code that interpolates to the nearest image then takes another way than the hop's.
        """
        ends = self.endpoints
        step = np.subtract(ends.mover_to, ends.mover_from) @ np.linalg.inv(ends.initial.cell)
        return bool(np.abs(step).max() > _HALF)

    def states(self) -> tuple[Atoms, Atoms]:
        """Both states in one atom order, the mover last and never wrapped into the cell."""
        ends = self.endpoints
        first = ends.initial.xyz[list(ends.initial_order)]
        last = ends.final.xyz[list(ends.final_order)]
        last[-1] = first[-1] + np.subtract(ends.mover_to, ends.mover_from)
        cell = ends.initial.cell
        species = list(ends.species)
        return (
            Atoms(species, first, cell=cell, pbc=True),
            Atoms(species, last, cell=cell, pbc=True),
        )


def set_up(stash: Stash) -> None:
    """Relax and judge every host that is missing, and cut all end points."""
    for case in CASES:
        if stash.read("hops", case.name) is not None:
            continue
        campaign = _campaign(case)
        piece = _cut(case, campaign, _host(campaign, stash))
        stash.write(piece, "hops", case.name)
        atoms = len(piece["endpoints"]["species"])
        mark = "host no minimum" if piece["broken_symmetry"] else ""
        print(
            f"{case.name:20s} {case.half:6s} {atoms:3d} atoms  {piece['label']}  {mark}", flush=True
        )


def start_of(case: Case, stash: Stash) -> Start | None:
    """Read one hop back; None if it was not set up."""
    piece = stash.read("hops", case.name)
    if piece is None:
        return None
    return Start(
        case=case,
        endpoints=EndPoints.model_validate(piece["endpoints"]),
        host=Geometry.model_validate(piece["host"]),
        seed=piece["seed"],
        label=piece["label"],
        broken_symmetry=piece["broken_symmetry"],
    )


def _campaign(case: Case) -> Campaign:
    return Campaign.model_validate(
        {
            "name": "bands",
            "framework": case.framework,
            "pair": case.pair,
            "engine": "fast",
            "device": "cpu",
            "doping": ["pure" if case.mover == case.pair[0] else "dilute"],
            "cell": {"min_image_distance": IMAGE_DISTANCE},
            "hops": {"members": 2 if case.second_member else 1},
        }
    )


def _host(campaign: Campaign, stash: Stash) -> HostState:
    """Relax, repeat, rattle and judge a host; the steps of ``workflows.framework.host_jobs``."""
    name = campaign.framework
    known = stash.read("hosts", name)
    if known is not None:
        return HostState.model_validate(known["state"])
    framework = find_library(LIBRARY).load(name)
    relaxed = relax_structure(
        framework.parent, CHOICE, campaign.host.relax, cell=True, keep_symmetry=True
    )
    cell = build_supercell(relaxed.geometry, campaign.cell)
    shaken = _shaken(cell.geometry, CHOICE, campaign)
    state = judge_host(framework, relaxed, cell, shaken, campaign.host)
    calls = relaxed.force_calls + shaken.force_calls
    stash.write({"state": state.model_dump(mode="json"), "calls": calls}, "hosts", name)
    return state


def _shaken(cell: Geometry, choice: EngineChoice, campaign: Campaign) -> Relaxed:
    """Rattle a host and relax it at fixed lattice."""
    shaken = rattled(cell, width=campaign.host.rattle, seed=campaign.seed)
    return relax_structure(shaken, choice, campaign.relax)


def lessons_of(start: Start, choice: EngineChoice, stash: Stash) -> tuple[Lesson, ...]:
    """Return what an engine that learns hands on from a framework's host, as its flow does."""
    name = start.case.framework
    host = start.host.digest(digits=6)
    known = stash.read("lessons", name, digest=host)
    if known is None:
        campaign = _campaign(start.case)
        cell = build_supercell(_host(campaign, stash).parent, campaign.cell)
        shaken = _shaken(cell.geometry, choice, campaign)
        known = {"digest": host, "shaken": shaken.model_dump(mode="json")}
        stash.write(known, "lessons", name)
    return Relaxed.model_validate(known["shaken"]).lessons


def _cut(case: Case, campaign: Campaign, host: HostState) -> dict[str, Any]:
    """Read a hop's end points off the jobs that the flow itself would run."""
    framework = find_library(LIBRARY).load(case.framework)
    flow = hops_flow(campaign, framework, host=host)
    jobs = [job for job in flow.jobs if isinstance(job, Job)]
    records = [job for job in jobs if job.metadata.get("kind") == "record"]
    paths = [job for job in jobs if job.metadata.get("kind") == "path"]
    for record, path in zip(records, paths, strict=True):
        question = _arguments(record)["question"]
        wanted = (question.hop.member > 0) == case.second_member
        if question.hop.class_id == case.hop_class and question.moving_ion == case.mover and wanted:
            asked = _arguments(path)
            return {
                "endpoints": asked["endpoints"].model_dump(mode="json"),
                "host": asked["host"].model_dump(mode="json"),
                "seed": asked["seed"],
                "label": question.hop.label,
                "broken_symmetry": host.broken_symmetry,
                "image_distance": host.supercell.min_image_distance,
            }
    raise LookupError(f"the flow of {case.framework} has no hop for {case.name}")


def _arguments(job: Job) -> dict[str, Any]:
    return dict(bound_arguments(original(job), job.function_args, job.function_kwargs))
