"""Solution energies on this machine: hosts with ions exchanged, resumable like a run."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from dualion.analysis.solution import Solution
from dualion.errors import CampaignError, StoreError
from dualion.launch.run import make_folder, prepare, require_room, runner_in
from dualion.whole import whole_file
from dualion.workflows.solution import read_references, solution_flow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from dualion.launch.run import Prepared
    from dualion.launch.state import Observer, RunState
    from dualion.workflows.solution import Reference

FILE = "solution.json"
_MANY = TypeAdapter(tuple[Solution, ...])

log = logging.getLogger("dualion")


@dataclass(frozen=True)
class PreparedSolution:
    """A campaign and the phases it is held against; nothing has been written yet."""

    prepared: Prepared
    references: tuple[Reference, ...]


@dataclass(frozen=True)
class Solved:
    """Solution energies as far as they could be computed."""

    solutions: tuple[Solution, ...]
    state: RunState
    file: Path
    seconds: float


def prepare_solution(
    file: Path, references: Sequence[Path] = (), *, library: Path | None = None
) -> PreparedSolution:
    """Check all that can be checked before anything is computed.

    Parameters
    ----------
    file
        The campaign.
    references
        Structure files, folders of them, or libraries.
    library
        As for :func:`~dualion.launch.run.prepare`.

    Raises
    ------
    InputError
        If the campaign or a reference cannot be used.
    EngineError
        If the engine or its weights are not there.
    """
    prepared = prepare(file, library=library)
    if prepared.campaign.emptied:
        raise CampaignError(
            "'empty' has no working ions to exchange",
            where=f"{file}: doping",
            remedy="ask for the solution in the full framework: 'doping: [pure, dilute]'",
        )
    return PreparedSolution(prepared, read_references(references))


def solve(
    asked: PreparedSolution,
    *,
    runs: Path,
    workers: int | None = None,
    pin: bool = False,
    observer: Observer | None = None,
) -> Solved:
    """Compute solution energies, or go on with them, and keep them in the campaign's run folder.

    Parameters
    ----------
    asked
        From :func:`prepare_solution`.
    runs, workers, pin, observer
        As for :func:`~dualion.launch.run.run_campaign`. What a run of the campaign has relaxed
        is not relaxed again, nor the other way round.

    Raises
    ------
    StoreError
        If the ledger cannot be used, or an earlier result is damaged.
    RunError
        If the same campaign is being run by another process, or there is no room.
    """
    began = time.monotonic()
    campaign, framework = asked.prepared.campaign, asked.prepared.framework
    require_room(runs)
    folder = make_folder(runs / campaign.name)
    flow = solution_flow(campaign, framework, asked.prepared.engine, asked.references)
    with runner_in(
        folder, on_record=lambda _: None, workers=workers, pin=pin, observer=observer
    ) as runner:
        kept = read_solutions(runs, campaign.name)
        log.info("solution energies of %s with %s", campaign.name, asked.prepared.engine.stamp())
        state = runner.run(flow)
        found = tuple(sorted(state.solutions, key=lambda each: campaign.pair.index(each.host_ion)))
        if found:
            _write(folder / FILE, _merged(kept, found))
    return Solved(found, state, folder / FILE, time.monotonic() - began)


def read_solutions(runs: Path, name: str) -> tuple[Solution, ...]:
    """Read the solution energies that were computed for a campaign.

    Parameters
    ----------
    runs
        Folder of runs.
    name
        Of the campaign.

    Returns
    -------
    tuple of Solution
        Of every level of theory; empty if none was computed.

    Raises
    ------
    StoreError
        If the file cannot be read.
    """
    file = runs / name / FILE
    try:
        return _MANY.validate_json(file.read_bytes())
    except FileNotFoundError:
        return ()
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise StoreError(what, where=str(file), remedy="look at its permissions") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StoreError(
            f"holds no solution energies ({': '.join(filter(None, [place, first['msg']]))})",
            where=str(file),
            remedy="remove it and run 'dualion solution' again: what is computed stays",
        ) from error


def _merged(kept: Iterable[Solution], found: Iterable[Solution]) -> list[Solution]:
    """Put new results in the place of those of the same question and level of theory."""
    return list({_question(each): each for each in (*kept, *found)}.values())


def _question(each: Solution) -> tuple[str, ...]:
    return each.framework_fingerprint, each.host_ion, each.ion, each.theory.fingerprint


def _write(file: Path, solutions: Sequence[Solution]) -> None:
    plain = [each.model_dump(mode="json") for each in solutions]
    with whole_file(file) as stream:
        json.dump(plain, stream, indent=1, ensure_ascii=False, allow_nan=False)
        stream.write("\n")
