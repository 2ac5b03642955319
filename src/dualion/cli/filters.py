"""The finer options of query and compare: composition, hop, engine, source, dates, groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dualion.cli.listing import Column
from dualion.cli.selection import make_filter, one_of
from dualion.errors import InputError

if TYPE_CHECKING:
    from dualion.store.base import BarrierFilter, BarrierStore
    from dualion.store.grouping import Group

PrototypeOption = Annotated[
    str | None, typer.Option("--prototype", help="Structure type of the host.")
]
FormulaOption = Annotated[
    str | None, typer.Option("--formula", help="Of the supercell host, as Li24P4S20Cl4.")
]
ElementOption = Annotated[
    list[str] | None, typer.Option("--element", help="The host holds it; may be given again.")
]
AnionOption = Annotated[str | None, typer.Option("--anion", help="Most frequent anion.")]
MinLengthOption = Annotated[
    float | None, typer.Option("--min-length", help="Hop at least this long, in Å.")
]
MaxLengthOption = Annotated[
    float | None, typer.Option("--max-length", help="Hop at most this long, in Å.")
]
EngineOption = Annotated[str | None, typer.Option("--engine", help="Computed with this engine.")]
CodeOption = Annotated[
    str | None, typer.Option("--code", help="Program or model behind the engine.")
]
SourceOption = Annotated[
    list[str] | None,
    typer.Option("--source", help="'computed', 'ingested' or 'literature'; may be given again."),
]
SinceOption = Annotated[str | None, typer.Option("--since", help="Created on this day or later.")]
UntilOption = Annotated[str | None, typer.Option("--until", help="Created on this day or before.")]
CampaignOption = Annotated[str | None, typer.Option("--campaign", help="Asked by this campaign.")]
SortOption = Annotated[
    str | None, typer.Option("--sort", help="Column to sort by, as 'barrier' or 'barrier:desc'.")
]
OffsetOption = Annotated[int, typer.Option("--offset", min=0, help="Leave out this many first.")]
GroupOption = Annotated[
    str | None,
    typer.Option(
        "--group-by", help="Columns, as framework,pair: lowest, median and spread of each group."
    ),
]
AcrossTheoriesOption = Annotated[
    bool,
    typer.Option("--across-theories", help="Put levels of theory and charges into one group."),
]

FIGURES = (
    Column("records", "records"),
    Column("with_barrier", "barriers"),
    Column("lowest", "lowest / eV", 3),
    Column("median", "median / eV", 3),
    Column("highest", "highest / eV", 3),
    Column("spread", "spread / eV", 3),
)
_ALONG = ("engine", "code", "version")
"""What a level of theory is called; shown beside it."""


def narrow(query: BarrierFilter, **given: object) -> BarrierFilter:
    """Add conditions to a filter, and look all of it over.

    Parameters
    ----------
    query
        As :func:`~dualion.cli.selection.select` gives it.
    **given
        Fields of :class:`~dualion.store.base.BarrierFilter`; None and empty ones do not count.

    Raises
    ------
    InputError
        If a value is impossible, or a lower bound lies above its upper one.
    """
    chosen = {name: value for name, value in given.items() if value not in (None, (), [])}
    wanted = make_filter({**query.model_dump(), **chosen})
    for low, high in (("min_barrier", "max_barrier"), ("min_length", "max_length")):
        bottom, top = getattr(wanted, low), getattr(wanted, high)
        if bottom is not None and top is not None and bottom > top:
            raise InputError(
                f"{low} {bottom} is above {high} {top}", where="options", remedy="swap them"
            )
    return wanted


def read_sources(words: list[str] | None) -> tuple[str, ...]:
    """Read ``--source``.

    Raises
    ------
    InputError
        If one is unknown, with those that are.
    """
    from dualion.store.summary import Source

    return tuple(one_of(Source, word, "--source") for word in words or ())


def read_group_by(text: str) -> tuple[str, ...]:
    """Read ``framework,pair``; whether one can group by these is said by the columns."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def group_rows(groups: list[Group]) -> list[dict[str, Any]]:
    """Write groups as flat rows: what their records agree in, then figures in eV."""
    return [
        {
            **group.key,
            "records": group.records,
            "with_barrier": group.with_barrier,
            "lowest": group.lowest,
            "median": group.median,
            "highest": group.highest,
            "spread": group.spread,
        }
        for group in groups
    ]


def grouped(
    store: BarrierStore, by: tuple[str, ...], query: BarrierFilter, *, across_theories: bool
) -> tuple[list[dict[str, Any]], tuple[Column, ...]]:
    """Ask for groups, and for the columns to show them in.

    Unless levels of theory are to be mixed, each row also names its own: fingerprint, charge,
    engine, code and version.

    Raises
    ------
    InputError
        If one cannot group by a column.
    """
    from dualion.store.columns import THEORY

    names = by if across_theories else (*by, *_ALONG)
    rows = group_rows(store.columns().groups(names, query, across_theories=across_theories))
    shown = tuple(dict.fromkeys(by if across_theories else (*by, *THEORY, *_ALONG)))
    rows = [{name: row[name] for name in (*shown, *(c.key for c in FIGURES))} for row in rows]
    return rows, (*(Column(name, name.replace("_", " ")) for name in shown), *FIGURES)


def require_charge(store: BarrierStore, query: BarrierFilter) -> None:
    """Tell a charge that no record has from a filter that nothing passes.

    Raises
    ------
    InputError
        If records pass the filter, but none of the charge asked for: with the charges they have.
    """
    if query.charge is None or store.count(query.unpaged):
        return
    others = query.unpaged.model_copy(update={"charge": None})
    groups = store.columns().groups(("charge",), others, across_theories=True)
    if groups:
        there = ", ".join(f"{each.key['charge']} ({each.records} records)" for each in groups)
        raise InputError(
            f"no record of charge {query.charge}", where="--charge", remedy=f"there are: {there}"
        )
