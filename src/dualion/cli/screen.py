"""``dualion screen``: five cations in many frameworks, from seconds each to bands of the best."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from dualion.cli.computing import QuietOption, RunsOption, WorkersOption
from dualion.cli.listing import (
    Column,
    counted,
    one_form,
    print_csv,
    print_json,
    print_table,
    write_csv,
)
from dualion.cli.places import places, store_address
from dualion.cli.run import FAILED_JOBS
from dualion.cli.selection import CsvOption, JsonOption
from dualion.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from dualion.analysis.screening import PairRun, RankedPair
    from dualion.analysis.screenpage import ScreenReport
    from dualion.launch.screening import Screened
    from dualion.workflows.screen import Screenable

NOTHING = 2
"""Exit code when no structure could be screened."""
TOLD = 20
"""Files that cannot be used are named on the screen up to this number; all are in the report."""

IONS = (
    Column("rank", "rank"),
    Column("framework", "framework"),
    Column("host_ion", "own ion"),
    Column("ion", "ion"),
    *(Column(f"barrier_{d}d", f"{d}D / eV", 3) for d in (1, 2, 3)),
    Column("site_energy", "on site / eV", 3),
    Column("site_valence", "valence", 2),
    Column("radius_mismatch", "mismatch / Å", 2),
    Column("squeeze", "squeeze / Å", 2),
    Column("electronegativity_difference", "Δχ", 2),
    Column("level", "level of theory"),
)
FILED = (
    Column("rank", "rank"),
    Column("framework", "framework"),
    Column("formula", "formula"),
    *IONS[2:-1],
    *(Column(f"bottleneck_{d}d", f"bottleneck {d}D / Å", 2) for d in (1, 2, 3)),
    Column("level", "level of theory"),
    Column("method", "method"),
    Column("file", "file"),
)
PAIRS = (
    Column("rank", "rank"),
    Column("framework", "framework"),
    Column("pair", "pair"),
    Column("barrier", "slower ion / eV", 3),
    Column("dimensions", "dimensions"),
    Column("level", "level of theory"),
    Column("file", "file"),
)
BANDS = (
    Column("framework", "framework"),
    Column("pair", "pair"),
    Column("ion", "ion"),
    Column("arrangement", "arrangement"),
    *(Column(f"barrier_{d}d", f"{d}D / eV", 3) for d in (1, 2, 3)),
    Column("closed", "closed"),
    Column("engine", "engine"),
    Column("fingerprint", "level of theory"),
    Column("campaign", "campaign"),
)
SKIPPED = (Column("file", "left out"), Column("reason", "why"))


def screen(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Framework libraries, folders of structure files, files (default: the library)."
        ),
    ] = None,
    *,
    cations: Annotated[
        str, typer.Option("--cations", help="The ions put into each framework.")
    ] = "Li,Na,K,Cu,Ag",
    dimensions: Annotated[
        int, typer.Option("--dimensions", min=1, max=3, help="An ion must get through in so many.")
    ] = 1,
    spacing: Annotated[
        float, typer.Option("--spacing", min=0.05, max=0.5, help="Of the bond-valence grid, in Å.")
    ] = 0.2,
    ion: Annotated[
        str | None, typer.Option("--ion", help="Working ion of files that are in no library.")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", help="Compute bands of the best pairs with this engine or tier."),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", min=1, help="At most so many pairs go on to bands.")
    ] = 5,
    below: Annotated[
        float | None,
        typer.Option("--below", min=0.0, help="Only pairs whose slower ion is below, in eV."),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings", help="YAML with campaign keys that hold for all (tiers, cell…)."
        ),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Of the screen and its folder.")] = "screen",
    library: Annotated[Path | None, typer.Option("--library", help="Framework library.")] = None,
    workers: WorkersOption = None,
    runs: RunsOption = None,
    store: Annotated[
        str | None, typer.Option("--store", help="Barrier store of the bands; as for 'run'.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Bond valence only; say which pairs would go on.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Screen frameworks for cations: bond valence for all, bands for the best with --engine.

    Bond valence takes seconds a framework and ranks; its barriers are no barriers of bands. It can
    be killed at any moment; the same command goes on.
    """
    from rich.console import Console

    from dualion.analysis.bondvalence import GridSettings
    from dualion.analysis.screenpage import ScreenReport
    from dualion.workflows.campaign import require_name
    from dualion.workflows.screen import chosen, read_settings, sources_of

    one_form(as_json=as_json, as_csv=as_csv)
    began = time.monotonic()
    messages = Console(stderr=True, highlight=False)
    ions = _ions(cations)
    require_name(name, where="--name")
    keys = _campaign_keys(read_settings(settings), engine, settings)
    found = sources_of(sources or [], library=library, working_ion=ion)
    folder = runs if runs is not None else places().runs
    count = workers if workers is not None else places().workers
    with _Screen(name, folder, count, messages, quiet=quiet) as run:
        grid = GridSettings(spacing=spacing)
        screened = run.bond_valence(found, ions, grid)
        report = ScreenReport(
            title=f"Screen '{name}'",
            ions=ions,
            dimensions=dimensions,
            screens=tuple(screened.screens),
            skipped=tuple(screened.skipped.items()),
            seconds=time.monotonic() - began,
        )
        picks: tuple[RankedPair, ...] = ()
        if engine is not None:
            picks = chosen(report.pairs, top=top, below=below)
            rule = f"the best {top}" + ("" if below is None else f" below {below:g} eV")
            report = report.model_copy(update={"rule": f"{rule}; engine '{engine}'"})
        ran: tuple[PairRun, ...] = ()
        if picks and not dry_run:
            run.write(report)  # to be looked at while the bands are computed
            ran = run.bands(picks, found, keys, store=store, settings=settings)
            seconds = time.monotonic() - began
            report = report.model_copy(update={"runs": ran, "seconds": seconds})
        files = run.write(report)
    _print(report, as_json=as_json, as_csv=as_csv)
    _tell(report, screened, picks, files, messages, dry_run=dry_run, quiet=quiet)
    if not screened.screens:
        raise typer.Exit(NOTHING)
    if any(each.told for each in ran):
        raise typer.Exit(FAILED_JOBS)


def _ions(text: str) -> tuple[str, ...]:
    from dualion.structures.cations import cation

    ions = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not ions:
        raise InputError("names no cation", where="--cations", remedy="as in Li,Na,K,Cu,Ag")
    for symbol in ions:
        cation(symbol)
    return ions


def _campaign_keys(given: dict[str, Any], engine: str | None, file: Path | None) -> dict[str, Any]:
    """Put the engine among the campaign's keys; refuse what nothing would use, or cannot run."""
    from dualion.workflows.pair import engine_of
    from dualion.workflows.screen import require_settings

    if engine is None:
        if file is not None:
            raise InputError(
                "holds settings of campaigns, but none is run",
                where=str(file),
                remedy="name an engine with --engine, or leave --settings out",
            )
        return {}
    if given.get("engine", engine) != engine:
        raise InputError(
            f"names the engine {given['engine']!r}, --engine says {engine!r}",
            where=str(file),
            remedy="leave it out of the file",
        )
    keys = {"engine": engine} | given
    campaign = require_settings(keys, where="" if file is None else str(file))
    engine_of(campaign, check=True).stamp()
    return keys


class _Screen:
    """The folder of a screen while it runs: locked, logged, with the ledger open."""

    def __init__(
        self, name: str, runs: Path, workers: int | None, messages: Console, *, quiet: bool
    ) -> None:
        import os
        from contextlib import ExitStack

        self.name = name
        self.runs = runs
        self.workers = workers
        self.count = workers or len(os.sched_getaffinity(0))
        self.messages = messages
        self.quiet = quiet
        self.folder = runs / name
        self._open = ExitStack()

    def __enter__(self) -> Self:
        from dualion.launch.run import locked, logging_to, make_folder, require_room

        require_room(self.runs)
        make_folder(self.folder)
        self._open.enter_context(locked(self.folder))
        self._open.enter_context(logging_to(self.folder / "screen.log"))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def bond_valence(
        self,
        sources: Sequence[Screenable],
        ions: tuple[str, ...],
        settings: Any,  # noqa: ANN401
    ) -> Screened:
        from dualion.launch.progress import Display
        from dualion.launch.run import CHECKPOINTS, LEDGER_NAME
        from dualion.launch.screening import screen_all
        from dualion.store.ledger import Ledger

        with (
            Ledger(self.runs / LEDGER_NAME) as ledger,
            Display(self.messages, quiet=self.quiet) as display,
        ):
            return screen_all(
                sources,
                ions,
                settings,
                ledger=ledger,
                checkpoints=self.runs / CHECKPOINTS,
                logfile=self.folder / "screen.log",
                workers=self.count,
                observer=display,
            )

    def bands(
        self,
        picks: Sequence[RankedPair],
        sources: Sequence[Screenable],
        keys: dict[str, Any],
        *,
        store: str | None,
        settings: Path | None,
    ) -> tuple[PairRun, ...]:
        from dualion.launch.progress import Display
        from dualion.launch.screening import Bands, run_pairs, write_campaigns

        bands = Bands(
            screen=self.name,
            folder=self.folder / "campaigns",
            runs=self.runs,
            store=store_address(store, runs=self.runs),
            settings=keys,
            settings_file="" if settings is None else str(settings),
            workers=self.workers,
            pin=places().pin,
        )
        files = write_campaigns(picks, sources, bands)
        with Display(self.messages, quiet=self.quiet) as display:
            return run_pairs(picks, files, sources, bands, observer=display, tell=self._say)

    def _say(self, line: str) -> None:
        if not self.quiet:
            self.messages.print(line, markup=False, soft_wrap=True)

    def write(self, report: ScreenReport) -> tuple[Path, ...]:
        """Write the page and the tables; each appears whole or not at all."""
        from dualion.analysis.screenpage import (
            band_rows,
            ion_rows,
            pair_rows,
            screen_html,
            skipped_rows,
        )
        from dualion.whole import whole_file

        page = self.folder / "report.html"
        with whole_file(page) as stream:
            stream.write(screen_html(report))
        files = [page]
        tables = (
            ("ions.csv", FILED, ion_rows(report)),
            ("pairs.csv", PAIRS, pair_rows(report)),
            ("bands.csv", BANDS, band_rows(report.runs)),
            ("skipped.csv", SKIPPED, skipped_rows(dict(report.skipped))),
        )
        for name, columns, rows in tables:
            file = self.folder / name
            if not rows:
                file.unlink(missing_ok=True)  # of an earlier start
                continue
            with whole_file(file) as stream:
                write_csv(rows, columns, stream)
            files.append(file)
        return tuple(files)


def _print(report: ScreenReport, *, as_json: bool, as_csv: bool) -> None:
    from dualion.analysis.screening import CAVEAT
    from dualion.analysis.screenpage import band_rows, ion_rows, pair_rows, skipped_rows

    ions, pairs, bands = ion_rows(report), pair_rows(report), band_rows(report.runs)
    if as_json:
        skipped = skipped_rows(dict(report.skipped))
        print_json(
            {"caveat": CAVEAT, "ions": ions, "pairs": pairs, "bands": bands, "skipped": skipped}
        )
        return
    if as_csv:
        print_csv(ions, FILED)
        return
    print_table(ions, IONS, title=f"{counted(len(report.screens), 'framework')}, bond valence")
    if bands:
        print_table(bands, BANDS, title="bands of the best pairs")


def _tell(
    report: ScreenReport,
    screened: Screened,
    picks: Sequence[RankedPair],
    files: Sequence[Path],
    messages: Console,
    *,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Say what was left out, what went on, and where the report is."""
    from dualion.analysis.screening import CAVEAT

    left = list(report.skipped)
    lines = [f"left out: {why}" if file in why else f"left out: {file}: {why}"
             for file, why in left[:TOLD]]  # fmt: skip
    if left[TOLD:]:
        lines.append(f"left out: {len(left) - TOLD} more, see skipped.csv")
    lines += [
        f"without {ion} in {each.framework}: {why}"
        for each in report.screens
        for ion, why in each.without
    ]
    if quiet:
        lines += [line for run in report.runs for line in run.told]
    if report.rule and not picks:
        lines.append(f"no pair goes on ({report.rule})")
    if dry_run:
        lines += [
            f"would go on: {'/'.join(pick.pair)} in {pick.framework}, {pick.barrier:.3f} eV"
            for pick in picks
        ]
    if not quiet:
        again = f" ({screened.reused} from the ledger)" if screened.reused else ""
        lines += [
            CAVEAT,
            (
                f"{counted(len(report.screens), 'framework')}{again}, {len(report.skipped)} left"
                f" out, {report.seconds:.1f} s"
            ),
            *(str(file) for file in files),
        ]
    for line in lines:
        messages.print(line, markup=False, soft_wrap=True)
