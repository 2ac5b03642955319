"""``dualion verdict``: which of two ions a framework carries, which it blocks, and how sure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.listing import Column, one_form, print_csv, print_json, print_table
from dualion.cli.places import places
from dualion.cli.selection import CsvOption, FingerprintOption, JsonOption, StoreOption, reading
from dualion.cli.temperature import TemperatureOption, kelvins
from dualion.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualion.analysis.criteria import Criteria
    from dualion.analysis.study import Study
    from dualion.analysis.verdict import PairVerdict
    from dualion.launch.run import Prepared
    from dualion.store.base import BarrierStore

FOLDER = Path("workflows")
"""Where campaigns are looked for if none is named."""

SHOWN = (
    Column("framework", "framework"),
    Column("pair", "pair"),
    Column("surroundings", "surroundings"),
    Column("temperature", "T / K", 0),
    Column("verdict", "verdict"),
    Column("confidence", "confidence"),
    Column("first", "first / eV"),
    Column("second", "second / eV"),
    Column("bottlenecks", "limited by"),
    Column("selectivity", "D1/D2"),
    Column("level", "level of theory"),
)


def verdict(
    campaigns: Annotated[
        list[Path] | None,
        typer.Argument(help="Campaign files (YAML); none: those in workflows/ that have records."),
    ] = None,
    *,
    store: StoreOption = None,
    fingerprint: FingerprintOption = None,
    temperature: TemperatureOption = None,
    want: Annotated[
        str | None, typer.Option("--want", help="Best first: 'dual', or 'block:Cu' for an ion.")
    ] = None,
    criteria: Annotated[
        Path | None, typer.Option("--criteria", help="YAML file with thresholds and errors.")
    ] = None,
    moves_below: Annotated[
        float | None, typer.Option("--moves-below", help="In eV at 300 K (0.5).")
    ] = None,
    blocked_above: Annotated[
        float | None, typer.Option("--blocked-above", help="In eV at 300 K (0.8).")
    ] = None,
    dimensions: Annotated[
        int | None, typer.Option("--dimensions", help="Directions that count as through (1).")
    ] = None,
    theory_error: Annotated[
        float | None, typer.Option("--theory-error", help="Of every level, in eV.")
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(
            "--runs", help="Folder of runs, for what 'dualion solution' found (default: runs)."
        ),
    ] = None,
    page: Annotated[Path | None, typer.Option("--page", help="Also write an HTML page.")] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Judge pairs of ions: dual conductor, selective for one, neither, or undecided.

    Each level of theory has verdicts of its own. What is not decided says what to compute.
    """
    from dualion.analysis.wish import ranked, read_wish
    from dualion.launch.run import prepare

    one_form(as_json=as_json, as_csv=as_csv)
    wanted_kelvins = tuple(dict.fromkeys(kelvins(temperature)))
    wish = read_wish(want) if want is not None else None
    measured = _criteria(
        criteria,
        {
            "moves_below": moves_below,
            "blocked_above": blocked_above,
            "dimensions": dimensions,
            "potential_error": theory_error,
            "functional_error": theory_error,
            "other_error": theory_error,
        },
    )
    asked = [prepare(file, here=False) for file in campaigns or _shipped()]
    with reading(store) as opened:
        studies = _studies(
            asked,
            opened,
            measured,
            wanted_kelvins,
            fingerprint,
            runs=runs if runs is not None else places().runs,
            every=bool(campaigns),
            images=page is not None or as_json,
        )
    verdicts: Sequence[PairVerdict] = [each for study in studies for each in study.verdicts]
    if wish is not None:
        verdicts = ranked(verdicts, wish)
    if page is not None:
        _write(studies, page, quiet=as_json or as_csv)
    rows = [each.as_row() for each in verdicts]
    if as_json:
        print_json([_full(each, studies) for each in verdicts])
    elif as_csv:
        print_csv(rows, [Column(key, key) for key in rows[0]])
    else:
        print_table([_shown(each) for each in verdicts], SHOWN)
        lines = [line for each in verdicts for line in (*_dissolved(each, studies), *_told(each))]
        for line in dict.fromkeys(lines):
            typer.echo(line)


def _criteria(file: Path | None, options: dict[str, float | None]) -> Criteria:
    """Read the criteria; options go before the file, the file before the defaults."""
    from pydantic import ValidationError

    from dualion.analysis.criteria import Criteria
    from dualion.workflows.campaign import explain, read_yaml

    given: dict[str, object] = {} if file is None else dict(read_yaml(file, error=InputError))
    given |= {name: value for name, value in options.items() if value is not None}
    try:
        return Criteria.model_validate(given)
    except ValidationError as problem:
        field, what, remedy = explain(problem, Criteria)
        if field in options and options[field] is not None:
            where = "--" + ("theory-error" if "error" in field else field.replace("_", "-"))
        else:
            where = ": ".join(filter(None, [str(file or "criteria"), field]))
        raise InputError(what, where=where, remedy=remedy or "see docs/verdict.md") from problem


def _shipped() -> list[Path]:
    found = sorted(FOLDER.glob("*.yaml"))
    if not found:
        raise InputError(
            "no campaign is named, and there is none in workflows/",
            where="verdict",
            remedy="name campaign files, or run 'dualion init' first",
        )
    return found


def _studies(
    asked: Sequence[Prepared],
    store: BarrierStore,
    criteria: Criteria,
    temperatures: tuple[float, ...],
    fingerprint: str | None,
    *,
    runs: Path,
    every: bool,
    images: bool,
) -> list[Study]:
    """Judge each campaign; those that were not named may have no records."""
    from dualion.launch.solution import read_solutions
    from dualion.store.base import BarrierFilter
    from dualion.workflows.verdicts import study

    found: list[Study] = []
    empty: list[Path] = []
    for prepared in asked:
        wanted = BarrierFilter(
            framework=prepared.framework.name,
            moving_ions=prepared.campaign.pair,
            fingerprint=fingerprint,
        )
        records = list(store.query(wanted, images=images))
        if not records and not every:
            empty.append(prepared.file)
            continue
        made = study(
            prepared.campaign,
            prepared.framework,
            records,
            criteria=criteria,
            temperatures=temperatures,
            solutions=read_solutions(runs, prepared.campaign.name),
        )
        # Campaigns that differ in their engines ask the same of the store.
        if made.verdicts not in [each.verdicts for each in found]:
            found.append(made)
    if not found:
        raise InputError(
            f"no records of {len(empty)} campaigns in workflows/",
            where="verdict",
            remedy="run one first, or name its store with --store",
        )
    return found


def _write(studies: Sequence[Study], page: Path, *, quiet: bool) -> None:
    from dualion.analysis.verdictpage import write_verdicts

    names = dict.fromkeys(
        f"{'/'.join(each.verdicts[0].pair)} in {each.framework.name}" for each in studies
    )
    title = "Verdict: " + (", ".join(names) if len(names) < 4 else f"{len(names)} pairs")
    write_verdicts(studies, page, title=title)
    typer.echo(str(page), err=quiet)


def _full(verdict: PairVerdict, studies: Sequence[Study]) -> dict[str, object]:
    """All that is known of a verdict, with the descriptors behind it."""
    behind = _behind(verdict, studies)
    return verdict.model_dump(mode="json") | {
        "verdict": verdict.text,
        "difference": verdict.difference,
        "ratio": verdict.ratio,
        "selectivity": verdict.selectivity,
        "descriptors": {
            "campaign": behind.campaign,
            "windows": behind.openings.model_dump(mode="json"),
            "ions": [each.model_dump(mode="json") for each in behind.ions_of(verdict)],
            "saddles": [each.model_dump(mode="json") for each in behind.saddles(verdict)],
        },
    }


def _behind(verdict: PairVerdict, studies: Sequence[Study]) -> Study:
    return next(study for study in studies if verdict in study.verdicts)


def _dissolved(verdict: PairVerdict, studies: Sequence[Study]) -> list[str]:
    """Tell whether the second ion goes in, where 'dualion solution' was run."""
    found, _ = _behind(verdict, studies).solution(verdict, verdict.pair[1])
    if found is None:
        return []
    where = f"{found.ion} in {found.framework} [{verdict.theory.fingerprint[:6]}]"
    lines = []
    if found.solution_energy is not None:
        lines.append(f"solution, {where}: {found.solution_energy:+.3f} eV: {found.reaction}")
    if found.mixing_energy is not None:
        lines.append(f"mixing, {where}: {found.mixing_energy:+.3f} eV for each {found.ion}")
    return lines


def _shown(each: PairVerdict) -> dict[str, object]:
    barriers, limits = [], []
    for ion in each.ions:
        found = ion.passage.range("1D")
        low = "–" if found.lowest is None else f"{found.lowest:.3f}"
        high = "…" if found.highest is None else f"{found.highest:.3f}"
        value = "?" if found.value is None else f"{found.value:.3f}"
        barriers.append(f"{value} [{low}, {high}] {ion.word}")
        way = ion.passage.channels.get("1D")
        limits.append(way.bottleneck if way else "–")
    ratio = each.selectivity
    return {
        "framework": each.framework,
        "pair": "/".join(each.pair),
        "surroundings": each.surroundings,
        "temperature": each.temperature,
        "verdict": each.text,
        "confidence": each.confidence,
        "first": barriers[0],
        "second": barriers[1],
        "bottlenecks": "/".join(limits),
        "selectivity": None if ratio is None else f"{ratio:.0e}",
        "level": f"{each.theory.stamp.engine} {each.theory.fingerprint}",
    }


def _told(each: PairVerdict) -> list[str]:
    """Lines below the table: what to compute, and what no error bar holds."""
    where = f"{each.framework} {'/'.join(each.pair)} {each.surroundings}"
    level = each.theory.fingerprint[:6]
    lines = [f"to compute, {where} [{level}]: {text}" for text in each.to_compute]
    return [*lines, *(f"doubt, {where} [{level}]: {text}" for text in each.doubts)]
