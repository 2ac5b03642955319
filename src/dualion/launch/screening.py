"""Screens on this machine: bond valence for all, then campaigns for what passed, one by one.

Both can be killed at any moment: what bond valence has said of a file is in the ledger of jobs,
and a campaign goes on as ``dualion run`` does.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from dualion.analysis.screening import BandRow, FrameworkScreen, PairRun, RankedPair
from dualion.errors import DualionError, StoreError
from dualion.launch.outcome import write_outcome
from dualion.launch.pool import Pool, Worker
from dualion.launch.run import prepare, run_campaign
from dualion.launch.state import RunState
from dualion.launch.task import function_path
from dualion.whole import whole_file
from dualion.workflows.crossing import crossings
from dualion.workflows.screen import Screenable, campaign_text, screen_source

if TYPE_CHECKING:
    from dualion.analysis.bondvalence import GridSettings
    from dualion.launch.run import Run
    from dualion.launch.state import Observer
    from dualion.store.ledger import Ledger

KIND = "bond valence"
"""Of outputs in the ledger."""

TRIES = 2
"""A file that ends its worker this often is left out."""

log = logging.getLogger("dualion")


@dataclass
class Screened:
    """What bond valence said of a number of structures."""

    screens: list[FrameworkScreen] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Files that cannot be screened, with the reason."""
    reused: int = 0
    """How many answers were there already."""


def screen_all(
    sources: Sequence[Screenable],
    ions: Sequence[str],
    settings: GridSettings,
    *,
    ledger: Ledger,
    checkpoints: Path,
    logfile: Path,
    workers: int,
    observer: Observer | None = None,
) -> Screened:
    """Judge all ions in all structures by bond valence, in worker processes.

    A file that cannot be used is told and left out; the others go on.

    Parameters
    ----------
    sources
        What to screen.
    ions
        Symbols of the cations.
    settings
        Of the grid.
    ledger
        Gives and takes answers.
    checkpoints
        Folder that workers expect; nothing is written there.
    logfile
        Takes what workers print.
    workers
        Number of worker processes.
    observer
        Shown how far it is.

    Returns
    -------
    Screened
        In the order of the sources.
    """
    keys = [source.key(ions, settings) for source in sources]
    under_way = _UnderWay(sources, keys, ledger, RunState(total=len(sources), workers=workers))
    under_way.look_up()
    tasks = [
        _task(key, source, ions, settings, checkpoints)
        for key, source in zip(keys, sources, strict=True)
    ]
    with Pool(min(workers, max(1, len(under_way.waiting))), logfile) as pool:
        while under_way.waiting or under_way.running:
            under_way.send(pool, tasks)
            under_way.hear(pool, *pool.messages.get())
            if observer is not None:
                observer.changed(under_way.state)
    return under_way.done()


@dataclass
class _UnderWay:
    """Which sources are answered, which are with a worker, and which wait."""

    sources: Sequence[Screenable]
    keys: Sequence[str]
    ledger: Ledger
    state: RunState
    waiting: deque[int] = field(default_factory=deque)
    running: dict[str, int] = field(default_factory=dict)
    answers: dict[str, FrameworkScreen] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    tries: Counter[str] = field(default_factory=Counter)

    def look_up(self) -> None:
        """Take from the ledger what is there; one key is computed once."""
        asked: set[str] = set()
        for number, key in enumerate(self.keys):
            if (known := _known(self.ledger, key)) is not None:
                self.answers[key] = known
                self.state.reused += 1
            elif key not in asked:
                self.waiting.append(number)
            asked.add(key)
        self.state.done = len(self.keys) - len(self.waiting)

    def send(self, pool: Pool, tasks: Sequence[dict[str, Any]]) -> None:
        """Give every idle worker something to do."""
        while self.waiting and (worker := pool.idle()) is not None:
            number = self.waiting.popleft()
            self.running[self.keys[number]] = number
            self.state.running[self.sources[number].name] = 0
            pool.send(worker, tasks[number])

    def hear(self, pool: Pool, worker: Worker, message: dict[str, Any] | None) -> None:
        """Take an answer, the reason why there is none, or the end of a worker."""
        if message is None:
            code = pool.forget(worker)
            if worker.task in self.running:
                self._lost(self.running.pop(worker.task), code)
            return
        if message["event"] == "progress":
            return
        worker.task = None
        number = self.running.pop(message["id"])
        if message["event"] == "done":
            answer = FrameworkScreen.model_validate(message["output"])
            self.answers[self.keys[number]] = answer
            self.ledger.put(
                self.keys[number],
                name=f"{self.sources[number].name}: bond valence",
                kind=KIND,
                output_json=answer.model_dump_json(),
                force_calls=0,
                seconds=message["seconds"],
            )
            self._end(number)
        else:
            self._fail(number, str(message["error"]))

    def _lost(self, number: int, code: int) -> None:
        self.tries[self.keys[number]] += 1
        if self.tries[self.keys[number]] < TRIES:
            self.state.running.pop(self.sources[number].name, None)
            self.waiting.append(number)
        else:
            self._fail(number, f"its worker ended {TRIES} times (exit {code}): out of memory?")

    def _fail(self, number: int, reason: str) -> None:
        self.failed[self.keys[number]] = reason
        log.warning("skipped %s: %s", self.sources[number].file, reason)
        self._end(number)

    def _end(self, number: int) -> None:
        self.state.running.pop(self.sources[number].name, None)
        self.state.done += 1

    def done(self) -> Screened:
        """Put the answers into the order of the sources."""
        ended = Screened(reused=self.state.reused)
        for key, source in zip(self.keys, self.sources, strict=True):
            if key in self.answers:
                # The same file may lie elsewhere now, or twice.
                told = {"file": source.file, "framework": source.name}
                ended.screens.append(self.answers[key].model_copy(update=told))
            else:
                ended.skipped[source.file] = self.failed[key]
        return ended


def _known(ledger: Ledger, key: str) -> FrameworkScreen | None:
    """Return an answer of the ledger; one that cannot be read is made again."""
    try:
        entry = ledger.get(key)
        return None if entry is None else FrameworkScreen.model_validate_json(entry.output_json)
    except (StoreError, ValidationError) as error:
        log.warning("%s: screened again", error)
        ledger.delete(key)
        return None


def _task(
    key: str, source: Screenable, ions: Sequence[str], settings: GridSettings, checkpoints: Path
) -> dict[str, Any]:
    return {
        "id": key,
        "function": function_path(screen_source),
        "arguments": {
            "source": source.model_dump(mode="json"),
            "ions": list(ions),
            "settings": settings.model_dump(mode="json"),
        },
        "checkpoint": str(checkpoints / key),
    }


@dataclass(frozen=True)
class Bands:
    """How the campaigns of a screen are run.

    Parameters
    ----------
    screen
        Name of the screen; campaigns are called after it.
    folder
        Takes the campaign files.
    runs, store, workers, pin
        As for :func:`~dualion.launch.run.run_campaign`.
    settings
        Keys of every campaign, the engine among them.
    settings_file
        Where they came from, for messages.
    """

    screen: str
    folder: Path
    runs: Path
    store: Path | str
    settings: dict[str, Any]
    settings_file: str = ""
    workers: int | None = None
    pin: bool = False


def write_campaigns(
    picks: Sequence[RankedPair], sources: Iterable[Screenable], bands: Bands
) -> tuple[Path, ...]:
    """Write the campaign file of each pair.

    Raises
    ------
    CampaignError
        If a setting is wrong; nothing has been computed then.
    """
    by_file = {source.file: source for source in sources}
    names: Counter[str] = Counter()
    texts: dict[Path, str] = {}
    for pick in picks:
        # A campaign's name has at most 80 characters.
        stem = "_".join((bands.screen[:24], pick.framework[:40], *pick.pair))
        names[stem] += 1
        name = stem if names[stem] == 1 else f"{stem}_{names[stem]}"
        texts[bands.folder / f"{name}.yaml"] = campaign_text(
            pick,
            by_file[pick.file],
            name=name,
            settings=bands.settings,
            where=bands.settings_file,
        )
    bands.folder.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        with whole_file(file) as stream:
            stream.write(text)
    return tuple(texts)


def run_pairs(
    picks: Sequence[RankedPair],
    files: Sequence[Path],
    sources: Iterable[Screenable],
    bands: Bands,
    *,
    observer: Observer | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[PairRun, ...]:
    """Run the campaigns of the chosen pairs one after the other.

    What goes wrong with one is told, and the rest go on; only a full disk, or a store that cannot
    be used, ends all.

    Parameters
    ----------
    picks, files
        The pairs and their campaign files.
    sources
        Where the structures are.
    bands
        How they are run.
    observer
        Shown the state of each run.
    tell
        Takes one line for each campaign.

    Returns
    -------
    tuple of PairRun
        One for each pair.

    Raises
    ------
    StoreError
        If ledger or store cannot be used.
    OSError
        If the disk is full.
    """
    by_file = {source.file: source for source in sources}
    found = []
    for number, (pick, file) in enumerate(zip(picks, files, strict=True), start=1):
        title = f"{'/'.join(pick.pair)} in {pick.framework}"
        tell(f"[{number}/{len(picks)}] {title}: {pick.barrier:.3f} eV by bond valence")
        library = by_file[pick.file].library
        try:
            prepared = prepare(file, library=Path(library) if library else None)
            done = run_campaign(
                prepared,
                runs=bands.runs,
                store=bands.store,
                workers=bands.workers,
                pin=bands.pin,
                observer=observer,
            )
            write_outcome(done)
            found.append(_pair_run(pick, done))
        except (StoreError, OSError):
            raise
        except DualionError as error:
            found.append(PairRun(pick=pick, campaign=file.stem, error=str(error)))
        except Exception as error:
            log.exception("%s", title)
            text = f"{type(error).__name__}: {error}"
            found.append(PairRun(pick=pick, campaign=file.stem, error=text))
        for line in found[-1].told:
            tell(line)
    return tuple(found)


def _pair_run(pick: RankedPair, done: Run) -> PairRun:
    prepared = done.prepared
    rows: tuple[BandRow, ...] = ()
    error = ""
    if done.state.records:
        rows = tuple(
            BandRow(
                framework=pick.framework,
                pair=pick.pair,
                ion=each.ion,
                arrangement=each.arrangement,
                engine=each.theory.stamp.text,
                fingerprint=each.theory.fingerprint,
                barriers=(
                    *(None if (way := each.channels.get(what)) is None else way.barrier
                      for what in ("1D", "2D", "3D")),
                ),
                closed=each.channels.closed,
            )
            for each in crossings(prepared.campaign, prepared.framework, done.state.records)
        )  # fmt: skip
    else:
        error = "no hop gave a record"
    return PairRun(
        pick=pick,
        campaign=prepared.campaign.name,
        rows=rows,
        failed=tuple(done.state.failed.items()),
        error=error,
    )
