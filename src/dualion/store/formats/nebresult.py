"""Bands as emmet's ``NebResult``, built by emmet's own model, so that it validates."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, TextIO

from dualion.errors import InputError
from dualion.records import HopRecord


def neb_result(record: HopRecord) -> Any:  # noqa: ANN401 - a model of emmet, which may be missing
    """Build emmet's ``NebResult`` of a record.

    Energies are above the initial state, in eV; forward and reverse barrier are those of the
    record, from its highest image, not from emmet's spline over the image number. emmet would
    compute a barrier of any band that has energies, so a band that is no barrier, or one of exactly
    0 eV, has none here.

    Raises
    ------
    InputError
        If emmet-core is not installed, or the record has no images.
    """
    try:
        from emmet.core.neb import NebMethod, NebResult
        from emmet.core.types.enums import TaskState
    except ImportError as error:
        raise InputError(
            "a NebResult needs the package emmet-core, which is not installed",
            where="export",
            remedy="pip install 'dualion[vasp]'",
        ) from error
    if record.images is None:
        raise InputError(
            f"record '{record.record_id}' has no images", where="export", remedy="choose another"
        )
    images = [record.images.geometry(k).structure() for k in range(len(record.images))]
    told = bool(record.forward) and bool(record.reverse)
    tags = {
        "framework": record.framework,
        "host_ion": record.host_ion,
        "moving_ion": record.moving_ion,
        "arrangement": record.arrangement.label,
        "hop": record.hop.label,
        "outcome": record.outcome.value,
        "engine": record.theory.stamp.text,
        "level of theory": record.theory.fingerprint,
        "energies": "eV above the first image",
    }
    return NebResult(
        images=images,
        energies=list(record.energies) if told and _finite(record.energies) else None,
        state=TaskState.SUCCESS if record.outcome.is_barrier else TaskState.FAILED,
        # Every band of dualion's own ends in a climbing image; of others it is not known.
        neb_method=NebMethod.CLIMBING_IMAGE if record.theory.algorithm.isdecimal() else None,
        forward_barrier=record.forward,
        reverse_barrier=record.reverse,
        tags=[f"{name}: {value}" for name, value in tags.items()],
        identifier=record.record_id,
    )


def _finite(energies: tuple[float, ...]) -> bool:
    return all(math.isfinite(energy) for energy in energies)


def write_neb_results(stream: TextIO, records: Iterable[HopRecord]) -> int:
    """Write a ``NebResult``; of several records a ``NebPathwayResult`` by record id.

    Returns
    -------
    int
        How many bands were written; records without images are left out.

    Raises
    ------
    InputError
        If emmet-core is not installed.
    """
    results = {
        record.record_id: neb_result(record) for record in records if record.images is not None
    }
    if not results:
        return 0
    if len(results) == 1:
        (document,) = (_document(each) for each in results.values())
    else:
        from emmet.core.neb import NebPathwayResult

        pathway = NebPathwayResult(hops=results)
        document = pathway.model_dump(mode="json", exclude={"hops"})
        document["hops"] = {name: _document(each) for name, each in results.items()}
    json.dump(document, stream, allow_nan=False)
    stream.write("\n")
    return len(results)


def _document(result: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Plain data of a NebResult; pydantic does not know how to write its structures."""
    document: dict[str, Any] = result.model_dump(mode="json", exclude={"images", "initial_images"})
    document["images"] = [each.as_dict() for each in result.images]
    return document
