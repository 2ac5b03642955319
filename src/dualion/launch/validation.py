"""A validation on this machine: the reference set with one engine, resumable like a run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dualion.analysis.validation import ReferencePrediction, Validation, validation
from dualion.launch.run import running
from dualion.workflows.pair import engine_of
from dualion.workflows.reference import (
    barrier_of,
    campaign_of,
    framework_of,
    reference_network,
    rests_between,
)
from dualion.workflows.validation import engine_for, validation_flow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dualion.launch.state import Observer, RunState
    from dualion.records import EngineStamp, HopRecord
    from dualion.settings import CellSettings
    from dualion.structures.library import Library
    from dualion.workflows.reference import ReferenceHop
    from dualion.workflows.validation import Case


@dataclass(frozen=True)
class PreparedValidation:
    """Reference hops that were found in their frameworks; nothing has been written yet."""

    engine: str
    stamp: EngineStamp
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Validated:
    """A finished validation."""

    validation: Validation
    state: RunState
    store: str
    """Where the records are, for a person."""
    seconds: float


def prepare_validation(
    hops: Sequence[ReferenceHop],
    *,
    engine: str,
    library: Library,
    cell: CellSettings | None = None,
    device: str = "auto",
) -> PreparedValidation:
    """Check all that can be checked before anything is computed.

    Parameters
    ----------
    hops
        To compute.
    engine
        Name or alias.
    library
        Has their frameworks.
    cell, device
        As in a campaign.

    Raises
    ------
    InputError
        If a framework or a hop is not there.
    EngineError
        If the engine is not installed.
    """
    cases = []
    for hop in hops:
        framework = framework_of(hop, library)
        reference_network(hop, framework)
        campaign = campaign_of(hop, engine, cell=cell, device=device)
        engine_for(hop, framework, campaign).stamp()
        cases.append((hop, framework, campaign))
    return PreparedValidation(engine, engine_of(cases[0][2]).stamp(), tuple(cases))


def validate(
    prepared: PreparedValidation,
    *,
    runs: Path,
    store: Path | str,
    workers: int | None = None,
    pin: bool = False,
    observer: Observer | None = None,
) -> Validated:
    """Compute reference hops, or go on with them, and hold them against the literature.

    Parameters
    ----------
    prepared
        From :func:`prepare_validation`.
    runs, store, workers, pin, observer
        As for :func:`~dualion.launch.run.run_campaign`. Records go into the store as those of
        any run; only what this engine was asked now enters the result.

    Raises
    ------
    StoreError
        If the store or the ledger cannot be used.
    RunError
        If the same validation is being run by another process, or there is no room.
    """
    began = time.monotonic()
    name = f"validation-{prepared.stamp.engine}"
    with running(
        name, runs=runs, store=store, workers=workers, pin=pin, observer=observer
    ) as place:
        state = place.runner.run(validation_flow(prepared.cases))
        where = place.store
    return Validated(
        validation(prepared.stamp, predictions(prepared.cases, state)),
        state,
        where,
        time.monotonic() - began,
    )


def predictions(cases: Sequence[Case], state: RunState) -> tuple[ReferencePrediction, ...]:
    """Set what a run found beside the literature, one line for each case."""
    return tuple(_prediction(case, state) for case in cases)


def _prediction(case: Case, state: RunState) -> ReferencePrediction:
    hop, _, campaign = case
    record = _record(case, state.records)
    shared = {
        "label": hop.label,
        "family": hop.family,
        "framework": hop.framework,
        "ion": hop.ion,
        "pair": hop.pair,
        "literature": hop.barrier,
        "doi": hop.doi,
        "settings_fingerprint": campaign.settings_fingerprint,
    }
    if record is None:
        reasons = [
            reason for name, reason in state.failed.items() if name.startswith(f"{hop.label}: ")
        ]
        reason = reasons[0] if reasons else "not computed: a job that it shares has failed"
        return ReferencePrediction.model_validate(shared | {"reason": reason})
    return ReferencePrediction.model_validate(
        shared
        | {
            "predicted": barrier_of(hop, record),
            "outcome": record.outcome,
            "reason": record.note,
            "record_id": record.record_id,
            "charge": record.theory.charge,
            "broken_symmetry_host": record.broken_symmetry_host,
            "rests_between": rests_between(record),
        }
    )


def _record(case: Case, records: Sequence[HopRecord]) -> HopRecord | None:
    hop, framework, campaign = case
    (wanted,) = reference_network(hop, framework).classes
    for record in records:
        if (
            record.framework == framework.name
            and record.moving_ion == hop.ion
            and record.arrangement.label == hop.arrangement
            and record.hop.mechanism is hop.mechanism
            and record.hop.class_id == wanted.class_id
            and record.provenance.settings_fingerprint == campaign.settings_fingerprint
        ):
            return record
    return None
