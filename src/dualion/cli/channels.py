"""``dualion channels``: whether an ion gets through the whole crystal, and how fast."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.listing import Column, print_listing
from dualion.cli.selection import CsvOption, FingerprintOption, JsonOption, StoreOption, reading
from dualion.errors import InputError

if TYPE_CHECKING:
    from dualion.workflows.crossing import Crossing

HOT = 5000.0

SHOWN = (
    Column("ion", "ion"),
    Column("arrangement", "arrangement"),
    *(Column(what, f"{what} / eV", 3) for what in ("1D", "2D", "3D", "a", "b", "c")),
    Column("bottleneck", "bottleneck"),
    Column("temperature", "T / K", 0),
    Column("diffusivity", "D / cm²/s"),
    Column("spread", "68 %"),
    Column("activation", "E(D) / eV", 3),
    Column("closed", "closed"),
    Column("engine", "engine"),
    Column("fingerprint", "level of theory"),
)


def channels(
    campaign: Annotated[Path, typer.Argument(help="Campaign file (YAML) whose hops are meant.")],
    *,
    store: StoreOption = None,
    fingerprint: FingerprintOption = None,
    temperature: Annotated[
        list[float] | None, typer.Option("--temperature", help="In K; may be given again.")
    ] = None,
    attempt_frequency: Annotated[
        float, typer.Option("--attempt-frequency", help="Of every hop, in 1/s.")
    ] = 1e13,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Tell by which lowest barrier each ion of a campaign crosses the crystal, and how fast.

    In one, two and three dimensions and along each vector of the primitive cell, counted from the
    lowest site. D is that of one carrier; 'closed' are the hops without a barrier, left out.
    """
    from dualion.launch.run import prepare
    from dualion.store.base import BarrierFilter
    from dualion.workflows.crossing import crossings

    kelvins = tuple(temperature or [300.0])
    for each in kelvins:
        if not 0.0 < each <= HOT:
            raise InputError(
                f"{each} K is no temperature of a solid",
                where="--temperature",
                remedy=f"give one above 0 and up to {HOT:.0f} K",
            )
    if not 1e9 <= attempt_frequency <= 1e16:
        raise InputError(
            f"{attempt_frequency:g} 1/s is no attempt frequency",
            where="--attempt-frequency",
            remedy="ions in solids have 1e12 to 1e13 1/s",
        )
    prepared = prepare(campaign, here=False)
    wanted = BarrierFilter(
        framework=prepared.framework.name,
        moving_ions=prepared.campaign.pair,
        fingerprint=fingerprint,
    )
    with reading(store) as opened:
        records = list(opened.query(wanted))
    found = crossings(
        prepared.campaign,
        prepared.framework,
        records,
        temperatures=kelvins,
        attempt_frequency=attempt_frequency,
    )
    if as_json:
        rows = [each.model_dump(mode="json") for each in found]
    else:
        rows = [row for each in found for row in _rows(each)]
    print_listing(
        rows,
        SHOWN,
        as_json=as_json,
        as_csv=as_csv,
        title=f"{prepared.framework.name}, {prepared.campaign.mechanism.value} hops",
    )


def _rows(found: Crossing) -> list[dict[str, object]]:
    ways = {each.what: each for each in found.channels.found}
    best = ways.get("3D") or ways.get("2D") or ways.get("1D")
    shared: dict[str, object] = {
        "ion": found.ion,
        "arrangement": found.arrangement,
        **{what: way.barrier for what, way in ways.items()},
        "bottleneck": best.bottleneck if best else "not crossed",
        "closed": ", ".join(found.channels.closed),
        "engine": found.theory.stamp.engine,
        "fingerprint": found.theory.fingerprint,
    }
    return [
        shared
        | {
            "temperature": each.temperature,
            "diffusivity": f"{each.mean:.1e}",
            "spread": f"{each.lowest:.1e} to {each.highest:.1e}",
            "activation": each.activation,
        }
        for each in found.diffusivities
    ]
