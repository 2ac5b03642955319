"""A record as one row of a table: what spreadsheets and data frames can hold of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:  # the command line starts with this module: it costs nothing
    from collections.abc import Callable, Iterable, Iterator

    from dualion.records import HopRecord

Kind = Literal["text", "number", "count", "flag"]
Cell = str | float | int | bool | None


class Field(NamedTuple):
    """One column of the table."""

    kind: Kind
    read: Callable[[HopRecord], Cell]
    about: str
    """Meaning and unit, for the metadata of what is published."""


def _parameter(record: HopRecord, name: str) -> str | None:
    return dict(record.theory.stamp.parameters).get(name)


COLUMNS: dict[str, Field] = {
    "record_id": Field("text", lambda r: r.record_id, "Hash of what was asked."),
    "framework": Field("text", lambda r: r.framework, "Name of the anion framework."),
    "formula": Field("text", lambda r: r.formula, "Composition of the supercell host."),
    "host_ion": Field("text", lambda r: r.host_ion, "Working ion of the pure framework."),
    "moving_ion": Field("text", lambda r: r.moving_ion, "The ion that moves."),
    "arrangement": Field(
        "text", lambda r: r.arrangement.label, "How the other working-ion sites are occupied."
    ),
    "fraction": Field(
        "number", lambda r: r.arrangement.fraction, "Share of sites with the second ion."
    ),
    "hop": Field("text", lambda r: r.hop.label, "The hop, for a person."),
    "hop_class": Field("text", lambda r: r.hop.class_id, "Symmetry class of the hop."),
    "hop_length": Field("number", lambda r: r.hop.length, "Site to site, in Å; 0: unknown."),
    "multiplicity": Field(
        "count", lambda r: r.hop.multiplicity, "Hops of the class per primitive cell; 0: unknown."
    ),
    "mechanism": Field("text", lambda r: r.hop.mechanism.value, "Vacancy or interstitial."),
    "outcome": Field("text", lambda r: r.outcome.value, "How the band ended."),
    "forward": Field("number", lambda r: r.forward, "Highest image minus initial, in eV."),
    "reverse": Field("number", lambda r: r.reverse, "Highest image minus final, in eV."),
    "forward_fit": Field("number", lambda r: r.forward_fit, "Fitted maximum minus initial, in eV."),
    "barrier_error": Field(
        "number",
        lambda r: r.error.energy if r.error and r.forward is not None else None,
        "Bound on the numerical error of the barrier, in eV.",
    ),
    "fit_difference": Field(
        "number",
        lambda r: r.error.fit_difference if r.error else None,
        "Fitted maximum minus highest image, in eV.",
    ),
    "residual_force": Field(
        "number",
        lambda r: r.error.residual if r.error else None,
        "Largest force left on the highest image, in eV/Å.",
    ),
    "verified": Field(
        "text", lambda r: "; ".join(r.error.verified) if r.error else None, "What was verified."
    ),
    "unverified": Field(
        "text",
        lambda r: "; ".join(r.error.unverified) if r.error else None,
        "What was not looked at, or does not hold.",
    ),
    "energy_difference": Field(
        "number", lambda r: r.energy_difference, "Final minus initial, in eV."
    ),
    "path_length": Field("number", lambda r: r.path_length, "Of the moving ion, in Å."),
    "min_image_distance": Field(
        "number", lambda r: r.min_image_distance, "Of periodic images, in Å; 0: unknown."
    ),
    "broken_symmetry_host": Field(
        "flag", lambda r: r.broken_symmetry_host, "Whether the symmetric host is no minimum."
    ),
    "engine": Field("text", lambda r: r.theory.stamp.engine, "What computed it."),
    "code": Field(
        "text",
        lambda r: r.theory.stamp.code_text,
        "Program and version.",
    ),
    "charge": Field("count", lambda r: r.theory.charge, "Of the cell with the defect, in e."),
    "fingerprint": Field("text", lambda r: r.theory.fingerprint, "Hash of the level of theory."),
    "doi": Field("text", lambda r: _parameter(r, "doi"), "Of a value taken from the literature."),
    "campaign": Field("text", lambda r: r.provenance.campaign, "Where it comes from."),
    "created": Field("text", lambda r: r.provenance.created, "UTC, ISO 8601."),
    "note": Field("text", lambda r: r.note, "For a person."),
}

FIELDS: dict[str, Callable[[HopRecord], Cell]] = {
    name: field.read for name, field in COLUMNS.items()
}
"""What a table or spreadsheet can hold of a record. Energies in eV, lengths in Å, forces in eV/Å.
"""


def flat(record: HopRecord) -> dict[str, Cell]:
    """One record as one row; no geometries."""
    return {name: read(record) for name, read in FIELDS.items()}


def rows(records: Iterable[HopRecord]) -> Iterator[dict[str, Cell]]:
    """One row for each record."""
    return (flat(record) for record in records)
