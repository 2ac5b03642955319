"""``dualion channels``: whether an ion gets through the whole crystal, and how fast."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.listing import Column, one_form, print_listing
from dualion.cli.selection import CsvOption, FingerprintOption, JsonOption, StoreOption, reading
from dualion.cli.temperature import TemperatureOption, kelvins
from dualion.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualion.analysis.vibration import Attempt
    from dualion.launch.run import Prepared
    from dualion.records import HopRecord
    from dualion.workflows.crossing import Crossing
    from dualion.workflows.vibration import Vibrations

SHOWN = (
    Column("ion", "ion"),
    Column("arrangement", "arrangement"),
    *(Column(what, f"{what} / eV", 3) for what in ("1D", "2D", "3D", "a", "b", "c")),
    Column("bottleneck", "bottleneck"),
    Column("temperature", "T / K", 0),
    Column("diffusivity", "D / cm²/s"),
    Column("spread", "68 %"),
    Column("activation", "E(D) / eV", 3),
)
DOPANT = (
    Column("correlation", "f"),
    Column("dopant", "D of the dopant"),
    Column("dopant_spread", "its 68 %"),
    Column("dopant_activation", "its E(D) / eV", 3),
)
CONDUCTING = (Column("conductivity", "σ / S/cm"), Column("conductivity_spread", "σ, 68 %"))
VIBRATING = (Column("attempts", "ν / THz"),)
LAST = (
    Column("closed", "closed"),
    Column("engine", "engine"),
    Column("fingerprint", "level of theory"),
)


def channels(
    campaign: Annotated[Path, typer.Argument(help="Campaign file (YAML) whose hops are meant.")],
    *,
    store: StoreOption = None,
    fingerprint: FingerprintOption = None,
    temperature: TemperatureOption = None,
    carriers: Annotated[
        str | None,
        typer.Option(
            "--carriers",
            help="Vacancies (or interstitials): the fraction of the sites that hold one, as 0.01, "
            "or how many per cm³, as 1e20/cm3. Shows the conductivity.",
        ),
    ] = None,
    vibrations: Annotated[
        bool,
        typer.Option(
            "--vibrations",
            help="Compute attempt frequencies with the records' own engine: 18 force calls for "
            "each distinct hop, made once.",
        ),
    ] = False,
    attempt_frequency: Annotated[
        float, typer.Option("--attempt-frequency", help="Of every other hop, in 1/s.")
    ] = 1e13,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Tell by which lowest barrier each ion of a campaign crosses the crystal, and how fast.

    In one, two and three dimensions and along each vector of the primitive cell, counted from the
    lowest site. D is that of one carrier; for one ion of the second kind, that of the ion with a
    vacancy always at hand, and 'D of the dopant' includes that the same vacancy comes back (f).
    'closed' are the hops without a barrier, left out.
    """
    from dualion.cli.places import places
    from dualion.launch.run import prepare
    from dualion.store.base import BarrierFilter
    from dualion.workflows.crossing import crossings
    from dualion.workflows.vibration import FOLDER, Vibrations

    wanted_kelvins = kelvins(temperature)
    if not 1e9 <= attempt_frequency <= 1e16:
        raise InputError(
            f"{attempt_frequency:g} 1/s is no attempt frequency",
            where="--attempt-frequency",
            remedy="ions in solids have 1e12 to 1e13 1/s",
        )
    one_form(as_json=as_json, as_csv=as_csv)
    prepared = prepare(campaign, here=False)
    fraction = None if carriers is None else _fraction(carriers, prepared)
    wanted = BarrierFilter(
        framework=prepared.framework.name,
        moving_ions=prepared.campaign.pair,
        fingerprint=fingerprint,
    )
    shaken = Vibrations(places().runs / FOLDER) if vibrations else None
    with reading(store) as opened:

        def shake(record: HopRecord) -> Attempt | None:
            # A query leaves the images out.
            return shaken(opened.get(record.record_id) or record) if shaken else None

        found = crossings(
            prepared.campaign,
            prepared.framework,
            opened.query(wanted),
            temperatures=wanted_kelvins,
            attempt_frequency=attempt_frequency,
            carriers=fraction,
            attempts=shake,
        )
    if shaken is not None:
        _tell(shaken)
    columns = (
        SHOWN
        + (DOPANT if any(each.dopant for each in found) else ())
        + (CONDUCTING if fraction is not None else ())
        + (VIBRATING if shaken is not None else ())
        + LAST
    )
    if as_json:
        rows = [each.model_dump(mode="json") for each in found]
    else:
        rows = [row for each in found for row in _rows(each, fraction)]
    print_listing(
        rows,
        columns,
        as_json=as_json,
        as_csv=as_csv,
        title=f"{prepared.framework.name}, {prepared.campaign.mechanism.value} hops",
    )
    if not (as_json or as_csv):
        for line in _lines(found, fraction):
            typer.echo(line)


def _fraction(text: str, prepared: Prepared) -> float:
    """Read a number of carriers as a fraction of the sites of the hop network."""
    from dualion.analysis.diffusion import CM3
    from dualion.workflows.pair import network_of

    number, _, unit = text.partition("/")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    fraction = value
    if unit == "cm3":
        network = network_of(prepared.campaign, prepared.framework)
        fraction = value * network.parent.volume * CM3 / len(network.sites)
    if unit not in {"", "cm3"} or not 0.0 < fraction <= 1.0:
        raise InputError(
            f"{text!r} is no number of carriers",
            where="--carriers",
            remedy="give the fraction of sites, as 0.01, or how many per cm³, as 1e20/cm3; "
            "at most one for each site",
        )
    return fraction


def _tell(shaken: Vibrations) -> None:
    """Say on stderr what was computed, and what was not, in place of a silent default."""
    typer.echo(
        f"vibrations: {shaken.force_calls} force calls, {shaken.computed} of them new", err=True
    )
    for reason in shaken.refused.values():
        typer.echo(f"vibrations: {reason}", err=True)


def _lines(found: Sequence[Crossing], fraction: float | None) -> list[str]:
    lines = [f"{note}." for note in dict.fromkeys(n for each in found for n in each.notes)]
    if any(each.dopant for each in found):
        told = "1 (multiply with yours)" if fraction is None else f"{fraction:.2g}"
        lines.insert(0, f"D of the dopant: in cm²/s, at a fraction of vacant sites of {told}.")
    return [line[0].upper() + line[1:] for line in lines]


def _rows(found: Crossing, fraction: float | None) -> list[dict[str, object]]:
    ways = {each.what: each for each in found.channels.found}
    best = ways.get("3D") or ways.get("2D") or ways.get("1D")
    tries = [f"{name} {a.forward * 1e-12:.1f}" for name, a in found.attempts.items()]
    shared: dict[str, object] = {
        "ion": found.ion,
        "arrangement": found.arrangement,
        **{what: way.barrier for what, way in ways.items()},
        "bottleneck": best.bottleneck if best else "not crossed",
        "attempts": ", ".join(tries) or None,
        "closed": ", ".join(found.channels.closed),
        "engine": found.theory.stamp.engine,
        "fingerprint": found.theory.fingerprint,
    }
    rows = []
    for k, each in enumerate(found.diffusivities):
        row = shared | {
            "temperature": each.temperature,
            "diffusivity": f"{each.mean:.1e}",
            "spread": _range(each.lowest, each.highest),
            "activation": each.activation,
        }
        if found.conductivities:
            sigma = found.conductivities[k]
            row["conductivity"] = f"{sigma.mean:.1e}"
            row["conductivity_spread"] = _range(sigma.lowest, sigma.highest)
        own = next((d for d in found.dopant if d.temperature == each.temperature), None)
        if own is not None:
            share = fraction or 1.0
            row["correlation"] = None if own.correlation is None else f"{own.correlation:.2g}"
            row["dopant"] = f"{own.mean * share:.1e}"
            row["dopant_spread"] = _range(own.lowest * share, own.highest * share)
            row["dopant_activation"] = own.activation
        rows.append(row)
    return rows


def _range(lowest: float, highest: float) -> str:
    return f"{lowest:.1e} to {highest:.1e}"
