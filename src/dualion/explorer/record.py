"""One record as the page shows it, and the records of the other ions on the same hop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dualion.analysis.compare import environment
from dualion.analysis.comparison import QUOTABLE_DISTANCE, measure, outcome_word
from dualion.analysis.plots import profile_curve
from dualion.errors import RecordError
from dualion.explorer.levels import level_text, size_text
from dualion.explorer.scene import scene
from dualion.store.base import BarrierFilter, Order
from dualion.structures.cations import rank

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dualion.records import HopRecord
    from dualion.store.base import BarrierStore
    from dualion.store.columns import Columns
    from dualion.store.summary import Value

Answer = dict[str, Any]
Row = dict[str, "Value"]

_CURVE = 24
"""Points of the curve between two images."""
_CANDIDATES = 40
_FREE = ("pure", "dilute")
"""Arrangements in which a host ion and a single dopant may see the same neighbours."""


def barrier_text(record: HopRecord) -> str:
    """Return the forward barrier in eV, or the outcome in words."""
    if record.outcome.is_barrier:
        return measure(record.forward, "eV")
    return outcome_word(record.outcome)


def ion_order(ion: str, host: str) -> tuple[bool, tuple[int, str]]:
    """Sort ions: the host's own first."""
    return ion != host, rank(ion)


def rows_beside(
    record: HopRecord,
    columns: Columns,
    *,
    hop_class: str | None = None,
    order: Order = Order.ADDED,
) -> Iterator[Row]:
    """Summaries in a record's framework, at its level of theory and in its surroundings.

    Parameters
    ----------
    record
        Is among them.
    columns
        Of its store.
    hop_class
        Of this class only.
    order
        Of the answer.
    """
    wanted = BarrierFilter(
        framework=record.framework,
        host_ion=record.host_ion,
        mechanism=record.hop.mechanism,
        fingerprint=record.theory.fingerprint,
        hop_class=hop_class,
        order=order,
    )
    label = record.arrangement.label
    labels = _FREE if label in _FREE else (label,)
    return (row for row in columns.rows(columns.select(wanted)) if row["arrangement"] in labels)


def partners(record: HopRecord, store: BarrierStore) -> list[HopRecord]:
    """Return one record of each other ion on the same hop in the same surroundings.

    Framework cell, level of theory, mechanism and member of the hop class agree, as in
    :func:`~dualion.analysis.compare.compare`; a barrier goes before another outcome, and a newer
    record before an older one.
    """
    beside = rows_beside(record, store.columns(), hop_class=record.hop.class_id, order=Order.NEWEST)
    found: dict[str, HopRecord] = {}
    seen = 0
    for row in beside:
        other = row["moving_ion"]
        if (
            other == record.moving_ion
            or row["member"] != record.hop.member
            or (other in found and found[str(other)].outcome.is_barrier)
        ):
            continue
        seen += 1
        if seen > _CANDIDATES:
            break
        candidate = _get(store, str(row["record_id"]))
        if candidate is None or not _same_place(record, candidate):
            continue
        held = found.get(candidate.moving_ion)
        if held is None or (candidate.outcome.is_barrier and not held.outcome.is_barrier):
            found[candidate.moving_ion] = candidate
    return list(found.values())


def _get(store: BarrierStore, record_id: str) -> HopRecord | None:
    try:
        return store.get(record_id, images=False)
    except RecordError:  # one that is damaged does not hide the others
        return None


def _same_place(one: HopRecord, two: HopRecord) -> bool:
    return (
        one.provenance.framework_fingerprint == two.provenance.framework_fingerprint
        and environment(one) == environment(two)
    )


def profile(record: HopRecord) -> Answer:
    """Energies along the band and the curve through them; empty where they are no numbers."""
    s, e = np.array(record.coordinates), np.array(record.energies)
    if len(s) != len(e) or not (np.isfinite(s) & np.isfinite(e)).all():
        s = e = np.zeros(0)
    x, y = profile_curve(s, e, record.tangent_forces, points=_CURVE) if len(s) else (s, e)
    return {
        "coordinates": s.tolist(),
        "energies": e.tolist(),
        "curve": {"x": np.round(x, 4).tolist(), "y": np.round(y, 5).tolist()},
    }


def record_answer(record: HopRecord, store: BarrierStore) -> Answer:
    """Everything the page shows of a record, as plain data."""
    beside = sorted(
        [record, *partners(record, store)],
        key=lambda each: ion_order(each.moving_ion, record.host_ion),
    )
    error = record.error
    painted = scene(record)
    return {
        "record_id": record.record_id,
        "framework": record.framework,
        "formula": record.formula,
        "moving_ion": record.moving_ion,
        "host_ion": record.host_ion,
        "arrangement": record.arrangement.label,
        "mechanism": record.hop.mechanism.value,
        "hop": record.hop.label,
        "level": level_text(record.theory),
        "cell": size_text(record.theory.supercell),
        "outcome_text": outcome_word(record.outcome),
        "is_barrier": record.outcome.is_barrier,
        "forward": record.forward,
        "reverse": record.reverse,
        "forward_fit": record.forward_fit,
        "barrier_error": error.energy if error and record.outcome.is_barrier else None,
        "verified": error.verified if error else (),
        "unverified": error.unverified if error else (),
        "energy_difference": record.energy_difference,
        "path_length": record.path_length,
        "min_image_distance": record.min_image_distance,
        "ranking_only": 0.0 < record.min_image_distance < QUOTABLE_DISTANCE,
        "broken_symmetry_host": record.broken_symmetry_host,
        "response": record.response.model_dump() if record.response else None,
        "findings": [finding.model_dump() for finding in record.findings],
        "note": record.note,
        "provenance": [
            [name, value] for name, value in _provenance(record, store) if value not in ("", None)
        ],
        "profile": profile(record),
        "ions": [_ion(each, chosen=each is record) for each in beside],
        "scene": painted.model_dump() if painted else None,
    }


def _ion(record: HopRecord, *, chosen: bool) -> Answer:
    return {
        "record_id": record.record_id,
        "ion": record.moving_ion,
        "arrangement": record.arrangement.label,
        "text": barrier_text(record),
        "is_barrier": record.outcome.is_barrier,
        "chosen": chosen,
        **profile(record),
    }


def _provenance(record: HopRecord, store: BarrierStore) -> Iterator[tuple[str, str | None]]:
    theory, source, stamp = record.theory, record.provenance, record.theory.stamp
    yield "record", record.record_id
    yield "superseded versions", str(len(store.revisions(record.record_id)) or "")
    yield "campaign", source.campaign
    yield "made", source.created
    yield "by dualion", source.dualion
    yield "started from", source.started_from
    yield "engine", stamp.text
    yield "settings of the engine", ", ".join(f"{k} = {v}" for k, v in stamp.parameters)
    yield "model, sha256", stamp.model_sha256
    yield "charge", theory.charge_text
    yield "supercell", " / ".join(" ".join(map(str, row)) for row in theory.supercell)
    yield "algorithm", theory.algorithm
    yield "level of theory", theory.fingerprint
    yield "framework cell", source.framework_fingerprint
    yield "settings", source.settings_fingerprint
    yield "force calls of the band", str(record.force_calls)
