"""Which records a verb is about: the options that query, compare and export share."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from dualion.cli.places import store_address
from dualion.errors import InputError
from dualion.store.formats.table import FIELDS, flat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dualion.store.base import BarrierFilter, BarrierStore

__all__ = ["FIELDS", "flat"]  # re-exported; the rest is imported by name

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
PairOption = Annotated[
    str | None, typer.Option("--pair", help="Of these two ions only, host and second, as Li,Cu.")
]
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
    from dualion.store.base import Order
    from dualion.structures.cations import cation as known

    ions = tuple(cation or ())
    for ion in ions:
        known(ion)
    if min_barrier is not None and max_barrier is not None and min_barrier > max_barrier:
        raise InputError(
            f"--min-barrier {min_barrier} is above --max-barrier {max_barrier}",
            where="options",
            remedy="swap them",
        )
    return make_filter(
        {
            "framework": framework,
            "moving_ions": tuple(dict.fromkeys(ions)),
            "pair": read_pair(pair) if pair else None,
            "mechanism": one_of(Mechanism, mechanism, "--mechanism") if mechanism else None,
            "outcomes": tuple(one_of(Outcome, value, "--outcome") for value in outcome or ()),
            "min_barrier": min_barrier,
            "max_barrier": max_barrier,
            "fingerprint": fingerprint,
            "limit": limit,
            "order": Order.FRAMEWORK,
        }
    )


def make_filter(fields: dict[str, object]) -> BarrierFilter:
    """Make a filter of what was given for its fields.

    Raises
    ------
    InputError
        If one has no possible value; names the option.
    """
    from pydantic import ValidationError

    from dualion.store.base import BarrierFilter

    try:
        return BarrierFilter.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        option = str(first["loc"][0]).removesuffix("s").replace("_", "-")
        text = str(first["msg"]).removeprefix("Value error, ")
        shown = repr(first["input"])[:80]
        raise InputError(f"{text} (it is {shown})", where=f"--{option}") from None


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
