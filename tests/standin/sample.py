"""Records on the library's own frameworks, cells and hops, with invented energies.

The geometry is dualion's: hops found by symmetry, end points that keep their indices, images
between them. The energies are made up, for pages that need something to show at once.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

from dualion.records import (
    Arrangement,
    EngineStamp,
    FrameworkResponse,
    HopRecord,
    Images,
    LevelOfTheory,
    Mechanism,
    Outcome,
    as_vectors,
)
from dualion.settings import CellSettings
from dualion.structures.endpoints import build_endpoints
from dualion.structures.hops import find_hops, place_hops, working_sites
from dualion.structures.interpolation import images_between
from dualion.structures.library import find_library
from dualion.structures.supercell import build_supercell

FRAMEWORKS = {
    "li6ps5cl": (9.5, ("Li", "Cu", "Ag"), 4.0),
    "li3ocl": (7.5, ("Li", "Na"), 4.0),
    "cui": (8.0, ("Cu", "Ag"), 5.0),
    "licl": (7.0, ("Li", "Na", "K"), 4.5),
}
"""Shortest image distance in Å, ions, and the longest hop in Å."""
EASE = {"Li": 0.0, "Na": 0.16, "K": 0.41, "Cu": 0.05, "Ag": 0.11}
"""How much more, in eV, an ion is said to need than lithium."""


def sample(make_record) -> Iterator[HopRecord]:
    """Yield records of all frameworks, ions and hops, the same ones every time."""
    for name, (distance, ions, longest) in FRAMEWORKS.items():
        framework = find_library().load(name)
        cell = build_supercell(framework.parent, CellSettings(min_image_distance=distance))
        network = find_hops(
            framework.parent,
            working_sites(framework.parent, framework.working_ion),
            mechanism=Mechanism.VACANCY,
            ion=framework.working_ion,
            max_length=longest,
        )
        for hop in place_hops(network, cell):
            for ion in ions:
                yield _record(make_record, framework, cell, hop, ion)


def _record(make_record, framework, cell, hop, ion):
    host = framework.working_ion
    kind = Arrangement(
        label="pure" if ion == host else "dilute", fraction=0.0 if ion == host else 0.02
    )
    ends = build_endpoints(cell.geometry, hop, ion, kind)
    first = ends.initial.xyz[list(ends.initial_order)]
    last = ends.final.xyz[list(ends.final_order)]
    first[-1], last[-1] = ends.mover_from, ends.mover_to
    xyz = images_between(first, last, cell=cell.geometry.cell, species=ends.species)
    # The path bows out as a real one does, most in the middle.
    side = np.cross(last[-1] - first[-1], (0.31, 0.52, 0.79))
    side /= np.linalg.norm(side)
    xyz[:, -1] += 0.45 * np.sin(np.linspace(0.0, np.pi, len(xyz)))[:, None] * side
    draw = random.Random(f"{framework.name} {hop.class_id} {ion}")  # noqa: S311 - invented numbers
    top = 0.08 + 0.11 * (hop.length - 2.0) + EASE[ion] + draw.uniform(0.0, 0.12)
    end = 0.0 if hop.self_mirror else draw.uniform(-0.08, 0.08)
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(xyz[:, -1], axis=0), axis=1))])
    rise = np.where(s <= s[-1] / 2, top, top - end)
    phase = np.pi * s / s[-1]
    energies = np.where(s <= s[-1] / 2, 0.0, end) + rise * np.sin(phase) ** 2
    slopes = rise * np.pi / s[-1] * np.sin(2 * phase)
    a, b, c = as_vectors(cell.geometry.cell)
    failed = hop.class_id != "h1" and draw.random() < 0.15
    height = float(energies.max())
    stamp = EngineStamp(engine="sample", code="none", version="0", model_sha256=None)
    return make_record(
        framework=framework.name,
        prototype=framework.prototype,
        formula=cell.geometry.formula,
        host_ion=host,
        moving_ion=ion,
        arrangement=kind,
        class_id=hop.class_id,
        hop=hop,
        theory=LevelOfTheory(stamp=stamp, supercell=cell.matrix),
        outcome=Outcome.UNCONVERGED if failed else Outcome.CONVERGED,
        forward=None if failed else height,
        reverse=None if failed else height - float(energies[-1]),
        forward_fit=None if failed else height + 0.001,
        energy_difference=float(energies[-1]),
        energies=tuple(map(float, energies)),
        coordinates=tuple(map(float, s)),
        tangent_forces=tuple(map(float, -slopes)),
        path_length=float(s[-1]),
        images=Images.from_array((a, b, c), ends.species, xyz),
        mover=len(ends.species) - 1,
        response=FrameworkResponse(
            largest_anion_displacement=round(draw.uniform(0.1, 0.4), 2),
            rms_anion_displacement=0.05,
        ),
        min_image_distance=cell.min_image_distance,
        campaign="sample",
        record_id=f"{framework.name}{hop.class_id}{ion}".ljust(16, "0")[:16],
    )
