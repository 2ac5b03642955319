"""Which records a verb is about: the options that query, compare and export share."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from dualion.cli.places import store_address
from dualion.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dualion.records import HopRecord
    from dualion.store.base import BarrierFilter, BarrierStore

_Choice = TypeVar("_Choice", bound=StrEnum)

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="Barrier store: a file, mongodb://HOST/NAME, or @FILE that holds the address; else "
        "DUALION_STORE, else runs/barriers.sqlite.",
    ),
]
FrameworkOption = Annotated[str | None, typer.Option("--framework", help="Of this framework.")]
CationOption = Annotated[
    list[str] | None, typer.Option("--cation", help="This ion moves; may be given again.")
]
PairOption = Annotated[str | None, typer.Option("--pair", help="Either of two moves, as Li,Cu.")]
MinOption = Annotated[
    float | None, typer.Option("--min-barrier", help="Harder direction at least this, in eV.")
]
MaxOption = Annotated[
    float | None, typer.Option("--max-barrier", help="Harder direction at most this, in eV.")
]
MechanismOption = Annotated[
    str | None, typer.Option("--mechanism", help="'vacancy' or 'interstitial'.")
]
OutcomeOption = Annotated[
    list[str] | None, typer.Option("--outcome", help="Ended so; may be given again.")
]
FingerprintOption = Annotated[
    str | None, typer.Option("--fingerprint", help="Level of theory, or its first digits.")
]
ChargeOption = Annotated[
    int | None, typer.Option("--charge", help="Charge of the cell with the defect, in e.")
]
AcrossOption = Annotated[
    bool,
    typer.Option("--across-charges", help="Compare cells of different charge with each other."),
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=0, help="At most this many.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV and nothing else.")]


def read_pair(text: str) -> tuple[str, str]:
    """Read ``Li,Cu``.

    Raises
    ------
    InputError
        If these are not two ions.
    CationError
        If dualion does not know one of them, or they are the same.
    """
    from dualion.structures.cations import check_pair

    ions = [part.strip() for part in text.split(",")]
    if len(ions) != 2:
        raise InputError(
            f"{text!r} is not a pair of ions", where="--pair", remedy="give two, as in Li,Cu"
        )
    check_pair(ions[0], ions[1])
    return ions[0], ions[1]


def one_of(kind: type[_Choice], value: str, option: str) -> _Choice:
    """Read one value of an enumeration.

    Raises
    ------
    InputError
        If it is none, with those that are.
    """
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise InputError(
            f"unknown value {value!r}", where=option, remedy=f"choose from {known}"
        ) from None


def select(
    *,
    framework: str | None = None,
    cation: list[str] | None = None,
    pair: str | None = None,
    min_barrier: float | None = None,
    max_barrier: float | None = None,
    mechanism: str | None = None,
    outcome: list[str] | None = None,
    fingerprint: str | None = None,
    limit: int | None = None,
) -> BarrierFilter:
    """Turn the options into a filter, ordered by framework and hop.

    Raises
    ------
    InputError
        If an option has no possible value.
    """
    from dualion.records import Mechanism, Outcome
    from dualion.store.base import BarrierFilter, Order
    from dualion.structures.cations import cation as known

    ions = tuple(cation or ()) + (read_pair(pair) if pair else ())
    for ion in ions:
        known(ion)
    if min_barrier is not None and max_barrier is not None and min_barrier > max_barrier:
        raise InputError(
            f"--min-barrier {min_barrier} is above --max-barrier {max_barrier}",
            where="options",
            remedy="swap them",
        )
    return BarrierFilter(
        framework=framework,
        moving_ions=tuple(dict.fromkeys(ions)),
        mechanism=one_of(Mechanism, mechanism, "--mechanism") if mechanism else None,
        outcomes=tuple(one_of(Outcome, value, "--outcome") for value in outcome or ()),
        min_barrier=min_barrier,
        max_barrier=max_barrier,
        fingerprint=fingerprint,
        limit=limit,
        order=Order.FRAMEWORK,
    )


@contextmanager
def reading(given: str | None) -> Iterator[BarrierStore]:
    """Open the store for reading.

    Raises
    ------
    StoreError
        If there is none, or it cannot be read.
    """
    from dualion.store.opening import open_store

    with open_store(store_address(given), read_only=True) as store:
        yield store


FIELDS: dict[str, Callable[[HopRecord], object]] = {
    "record_id": lambda r: r.record_id,
    "framework": lambda r: r.framework,
    "formula": lambda r: r.formula,
    "host_ion": lambda r: r.host_ion,
    "moving_ion": lambda r: r.moving_ion,
    "arrangement": lambda r: r.arrangement.label,
    "fraction": lambda r: r.arrangement.fraction,
    "hop": lambda r: r.hop.label,
    "hop_class": lambda r: r.hop.class_id,
    "hop_length": lambda r: r.hop.length,
    "multiplicity": lambda r: r.hop.multiplicity,
    "mechanism": lambda r: r.hop.mechanism.value,
    "outcome": lambda r: r.outcome.value,
    "forward": lambda r: r.forward,
    "reverse": lambda r: r.reverse,
    "forward_fit": lambda r: r.forward_fit,
    "barrier_error": lambda r: r.error.energy if r.error and r.forward is not None else None,
    "fit_difference": lambda r: r.error.fit_difference if r.error else None,
    "residual_force": lambda r: r.error.residual if r.error else None,
    "verified": lambda r: "; ".join(r.error.verified) if r.error else None,
    "unverified": lambda r: "; ".join(r.error.unverified) if r.error else None,
    "energy_difference": lambda r: r.energy_difference,
    "path_length": lambda r: r.path_length,
    "min_image_distance": lambda r: r.min_image_distance,
    "broken_symmetry_host": lambda r: r.broken_symmetry_host,
    "engine": lambda r: r.theory.stamp.engine,
    "code": lambda r: f"{r.theory.stamp.code} {r.theory.stamp.version}",
    "charge": lambda r: r.theory.charge,
    "fingerprint": lambda r: r.theory.fingerprint,
    "campaign": lambda r: r.provenance.campaign,
    "created": lambda r: r.provenance.created,
    "note": lambda r: r.note,
}
"""What a table or spreadsheet can hold of a record. Energies in eV, lengths in Å, forces in eV/Å.
"""


def flat(record: HopRecord) -> dict[str, object]:
    """One record as one row; no geometries."""
    return {name: read(record) for name, read in FIELDS.items()}
