"""The flow of one hop between two relaxed states: path, band, record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobflow.core.reference import OnMissing

from dualion.records import content_hash
from dualion.structures.doping import doped_geometry
from dualion.workflows.jobs import path_job, record_job

if TYPE_CHECKING:
    from jobflow.core.job import Job

    from dualion.engines.base import Engine
    from dualion.records import EndPoints
    from dualion.settings import BandSettings, PathSettings
    from dualion.structures.handed import Handed
    from dualion.workflows.question import Question


def hop_jobs(
    question: Question,
    endpoints: EndPoints,
    initial: Job,
    final: Job,
    engine: Engine,
    *,
    path: PathSettings,
    band: BandSettings,
    seed: int = 0,
    doped: Job | None = None,
    undoped: Job | None = None,
    like: Job | None = None,
    handed: Handed | None = None,
) -> tuple[list[Job], Job]:
    """Build the jobs of one hop.

    Parameters
    ----------
    question
        What is asked.
    endpoints
        The two states before relaxation.
    initial, final
        Jobs that relax them; several hops may share one.
    engine
        Runs the band.
    path, band
        How the path is guessed and the band converged.
    seed
        Of the path's kick and rattle; the hop enters as well.
    doped, undoped
        Jobs that relax the host with and without the dopant with a free cell.
    like
        Job whose output is a band of the same hop, of another ion or of another engine; the search
        starts from its saddle. If that job fails, the hop goes on without it.
    handed
        A converged band of the same hop and ion at another level of theory, to start from.

    Returns
    -------
    tuple
        Path, band and record, in this order, and again the last of them, whose output is the
        :class:`~dualion.records.HopRecord`.
    """
    title = question.title
    # By keyword: of a reference that comes first jobflow asks whether it has a method of the
    # function's name, and builds the whole schema of the output to answer.
    guess = path_job(
        initial=initial.output,
        final=final.output,
        endpoints=endpoints,
        host=doped_geometry(question.host, question.arrangement),
        settings=path,
        seed=int(content_hash([seed, question.hop.class_id, question.hop.member], 8), 16),
        like=like.output if like else None,
        handed=handed,
    )
    if like:
        guess.config.on_missing_references = OnMissing.NONE
    guess.name = f"{title}: path"
    guess.metadata["kind"] = "path"
    converge = engine.band(
        guess.output,
        charge=question.charge,
        settings=band,
        name=f"{title}: band",
        ends=(initial.output, final.output),
    )
    record = record_job(
        question=question,
        endpoints=endpoints,
        path=guess.output,
        band=converge.output,
        doped=doped.output if doped else None,
        undoped=undoped.output if undoped else None,
    )
    record.name = f"{title}: record"
    record.metadata["kind"] = "record"
    return [guess, converge, record], record
