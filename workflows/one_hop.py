"""Compose a flow by hand: one Cu hop in a Li host, from the public builders.

    python workflows/one_hop.py [FRAMEWORK]

Prints what the shortest hop of the framework costs Cu+, with the cheap engine.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jobflow.core.flow import Flow
from jobflow.managers.local import run_locally

from dualion.engines.registry import get_engine
from dualion.records import Arrangement, HopRecord, Mechanism
from dualion.settings import BandSettings, CellSettings, PathSettings, RelaxSettings
from dualion.structures.endpoints import build_endpoints
from dualion.structures.hops import find_hops, place_hops, working_sites
from dualion.structures.library import find_library
from dualion.structures.supercell import build_supercell
from dualion.workflows.hop import hop_jobs
from dualion.workflows.question import Question


def shortest_hop(name: str, mover: str = "Cu", engine_name: str = "fast") -> Flow:
    """Build the flow of the shortest vacancy hop of a library framework, on its input lattice."""
    framework = find_library().load(name)
    engine = get_engine(engine_name)
    cell = build_supercell(framework.parent, CellSettings(min_image_distance=8.0))
    network = find_hops(
        framework.parent,
        working_sites(framework.parent, framework.working_ion),
        mechanism=Mechanism.VACANCY,
        ion=framework.working_ion,
        max_length=None,
    )
    hop = place_hops(network, cell)[0]
    question = Question.about(
        framework,
        hop,
        mover,
        Arrangement(label="dilute", fraction=0.0),
        cell=cell,
        campaign="one_hop",
        settings_fingerprint="by hand",
    )
    ends = build_endpoints(cell.geometry, hop, mover, question.arrangement)
    initial = engine.relax(ends.initial, cell=False, settings=RelaxSettings())
    final = engine.relax(ends.final, cell=False, settings=RelaxSettings())
    jobs, record = hop_jobs(
        question, ends, initial, final, engine, path=PathSettings(images=3), band=BandSettings()
    )
    return Flow([initial, final, *jobs], output=record.output, name=question.title)


def main() -> None:
    """Run it in this process with jobflow's own runner."""
    name = sys.argv[1] if len(sys.argv) > 1 else "licl"
    flow = shortest_hop(name)
    responses = run_locally(flow, root_dir=Path.cwd(), ensure_success=True, log=False)
    record = responses[flow.jobs[-1].uuid][1].output
    assert isinstance(record, HopRecord)  # noqa: S101 - tells mypy what jobflow erased
    barrier = "no barrier" if record.forward is None else f"{record.forward:.3f} eV"
    print(f"{flow.name}: {record.outcome.value}, {barrier}")


if __name__ == "__main__":
    main()
