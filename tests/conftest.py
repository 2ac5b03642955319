"""A hop record to vary, shared by the tests of stores and of analysis."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from dualion.records import (
    Arrangement,
    EngineStamp,
    Finding,
    FrameworkResponse,
    Hop,
    HopRecord,
    Images,
    LevelOfTheory,
    Mechanism,
    Outcome,
    Provenance,
    content_hash,
)

RecordFactory = Callable[..., HopRecord]


def _make(  # a test sets what it is about; the rest is a plain argyrodite hop
    *,
    framework: str = "li6ps5cl",
    host_ion: str = "Li",
    moving_ion: str = "Li",
    label: str | None = None,
    class_id: str = "h1",
    member: int = 0,
    outcome: Outcome = Outcome.CONVERGED,
    forward: float | None = 0.218,
    reverse: float | None = None,
    engine: str = "fast",
    charge: int = 0,
    sha: str | None = "ab" * 32,
    campaign: str = "argyrodite",
    with_images: bool = True,
    atoms: int = 4,
    **fields: Any,
) -> HopRecord:
    length = {"h1": 3.26, "h2": 3.73}.get(class_id, 4.0)
    label = label or ("pure" if moving_ion == host_ion else "dilute")
    barrier = outcome.is_barrier
    top = forward if forward is not None else 0.2
    down = (top if reverse is None else reverse) if barrier else None
    end = top - (down if down is not None else top)
    n = 7
    s = np.linspace(0.0, length, n)
    # Half a cosine up and half a cosine down to `end`: value and slope are known everywhere.
    start = np.where(s > length / 2, end, 0.0)
    energies = start + (top - start) * np.sin(np.pi * s / length) ** 2
    slopes = (top - start) * np.pi / length * np.sin(2 * np.pi * s / length)
    rng = np.random.default_rng(7)
    base = rng.uniform(0.0, 10.0, (atoms, 3))
    xyz = base + np.linspace(0.0, 1.0, n)[:, None, None] * rng.normal(size=(atoms, 3)) * 0.1
    species = ("P", *["S"] * (atoms - 2), moving_ion)
    values: dict[str, Any] = {
        "framework": framework,
        "prototype": "argyrodite",
        "formula": "Li24P4S20Cl4",
        "host_ion": host_ion,
        "moving_ion": moving_ion,
        "arrangement": Arrangement(label=label, fraction=0.0 if label == "pure" else 0.04),
        "hop": Hop(
            class_id=class_id,
            member=member,
            mechanism=Mechanism.VACANCY,
            orbits=("24g", "24g"),
            length=length,
            multiplicity=6,
            self_mirror=True,
            initial=0,
            final=1,
            initial_position=(0.0, 0.0, 0.0),
            vector=(length, 0.0, 0.0),
        ),
        "theory": LevelOfTheory(
            stamp=EngineStamp(engine=engine, code="chgnet", version="0.4.2", model_sha256=sha),
            charge=charge,
            supercell=((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        ),
        "outcome": outcome,
        "forward": top if barrier else None,
        "reverse": down,
        "forward_fit": top + 0.001 if barrier else None,
        "energy_difference": end,
        "path_length": length * 1.05,
        "response": FrameworkResponse(
            largest_anion_displacement=0.31, rms_anion_displacement=0.08, bond_distortion=0.012
        ),
        "energies": tuple(float(e) for e in energies),
        "coordinates": tuple(float(x) for x in s),
        "tangent_forces": tuple(float(-g) for g in slopes),
        "images": Images.from_array(
            ((10.2, 0.0, 0.0), (0.0, 10.2, 0.0), (0.0, 0.0, 10.2)), species, xyz
        )
        if with_images
        else None,
        "mover": atoms - 1,
        "findings": (Finding(check="climbing force", value=0.021, limit=0.03, unit="eV/Å"),),
        "min_image_distance": 10.2,
        "force_calls": 118,
        "provenance": Provenance(
            dualion="0.1.0",
            campaign=campaign,
            framework_fingerprint="0123456789abcdef",
            settings_fingerprint="fedcba9876543210",
            created="2026-01-02T03:04:05+00:00",
        ),
    }
    values.update(fields)
    if "record_id" not in values:
        parts = [framework, moving_ion, label, class_id, member, engine, charge, campaign]
        values["record_id"] = content_hash(parts)
    return HopRecord(**values)


@pytest.fixture(scope="session")
def make_record() -> RecordFactory:
    """Return a maker of complete hop records; every field may be given by name."""
    return _make


@pytest.fixture(scope="session")
def mongod() -> Iterator[Any]:
    """Run a database server, one for each process of tests."""
    from standin.server import running_mongod

    with running_mongod() as server:
        yield server


@pytest.fixture
def mongo_address(mongod: Any) -> Iterator[str]:
    """Address of a database that is not there yet, and is gone after the test."""
    import pymongo

    name = f"dualion_{uuid.uuid4().hex}"
    yield mongod.address(name)
    with pymongo.MongoClient(mongod.address()) as client:
        client.drop_database(name)
