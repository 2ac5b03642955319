"""The jobs of every engine: thin wrappers around the pure functions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from jobflow.core.job import job

from dualion.engines.adaptive import run_adaptive
from dualion.engines.checkpoint import EvaluationLog, current_scope
from dualion.engines.evaluator import Evaluator
from dualion.engines.fingerprint import stamp_of
from dualion.engines.lessons import lesson_of, taught, united
from dualion.engines.neb import run_band
from dualion.engines.point import PointSource
from dualion.engines.registry import EngineChoice
from dualion.engines.relaxation import relax
from dualion.engines.surrogate_band import run_surrogate
from dualion.engines.surrogate_relaxation import relax_by_surrogate
from dualion.errors import CheckpointBusyError, InputError
from dualion.records import Band, EngineStamp, Geometry, Images, Lesson, Path, Relaxed
from dualion.settings import BandSettings, RelaxSettings
from dualion.structures.interpolation import images_between, lengths_along

if TYPE_CHECKING:
    from dualion.engines.evaluator import Source
    from dualion.engines.neb import BandResult


@job(output_schema=Relaxed)
def relax_job(
    structure: Geometry,
    choice: EngineChoice,
    settings: RelaxSettings,
    *,
    cell: bool = False,
    charge: int = 0,
    keep_symmetry: bool = False,
) -> Relaxed:
    """Relax a structure; see :func:`relax_structure`."""
    return relax_structure(
        structure, choice, settings, cell=cell, charge=charge, keep_symmetry=keep_symmetry
    )


@job(output_schema=Band)
def band_job(
    path: Path,
    choice: EngineChoice,
    settings: BandSettings,
    *,
    climb: bool = True,
    charge: int = 0,
) -> Band:
    """Converge a band; see :func:`converge_band`."""
    return converge_band(path, choice, settings, climb=climb, charge=charge)


@job(output_schema=Relaxed)
def taught_relax_job(
    structure: Geometry,
    choice: EngineChoice,
    settings: RelaxSettings,
    *,
    cell: bool = False,
    charge: int = 0,
    keep_symmetry: bool = False,
    lessons: tuple[Lesson, ...] = (),
) -> Relaxed:
    """Relax a structure with what was learnt before; see :func:`relax_structure`."""
    return relax_structure(
        structure,
        choice,
        settings,
        cell=cell,
        charge=charge,
        keep_symmetry=keep_symmetry,
        lessons=lessons,
    )


@job(output_schema=Band)
def taught_band_job(
    path: Path,
    choice: EngineChoice,
    settings: BandSettings,
    *,
    climb: bool = True,
    charge: int = 0,
    lessons: list[tuple[Lesson, ...]],
) -> Band:
    """Converge a band with what was learnt at its ends; see :func:`converge_band`."""
    return converge_band(
        path, choice, settings, climb=climb, charge=charge, lessons=united(lessons)
    )


def relax_structure(
    structure: Geometry,
    choice: EngineChoice,
    settings: RelaxSettings,
    *,
    cell: bool = False,
    charge: int = 0,
    keep_symmetry: bool = False,
    lessons: tuple[Lesson, ...] = (),
) -> Relaxed:
    """Relax a structure with an engine, under the present job scope.

    With the prior ``learnt`` the state is relaxed on a force field that was taught `lessons`, and
    the relaxed state hands on these and its own. Without lessons it is relaxed as by the engine
    alone, and gives the first.

    An engine that fails gives a ``Relaxed`` with ``failure`` set, the input geometry, and as
    energy and force those of the last good configuration (0 when there was none).

    Raises
    ------
    EngineNotInstalledError
        The package is not installed here.
    ModelFileError
        The weights are missing, or are not known and not trusted.
    OSError
        The checkpoint cannot be written.
    """
    structure = Geometry.model_validate(structure)
    stamp = stamp_of(choice)
    with _evaluator(choice, stamp, charge) as evaluate:
        # A field knows one cell, nothing of symmetry, and nothing at all without lessons.
        untaught = choice.learns and (not lessons or cell or keep_symmetry)
        if choice.prior is None or untaught:
            found = relax(structure, evaluate, settings, cell=cell, keep_symmetry=keep_symmetry)
        else:
            prior = _prior(choice, structure.species, lessons)
            found = relax_by_surrogate(
                structure, evaluate, prior, settings, cell=cell, keep_symmetry=keep_symmetry
            )
        own = lesson_of(structure.lattice, structure.species, evaluate.seen)
    return Relaxed(
        geometry=found.geometry,
        energy=found.energy,
        max_force=found.max_force,
        converged=found.converged,
        force_calls=found.force_calls,
        charge=charge,
        stamp=stamp,
        start_energy=found.start_energy,
        failure=found.failure,
        lessons=(*lessons, own) if own else lessons,
    )


def converge_band(
    path: Path,
    choice: EngineChoice,
    settings: BandSettings,
    *,
    climb: bool = True,
    charge: int = 0,
    lessons: tuple[Lesson, ...] = (),
) -> Band:
    """Converge a band with an engine, under the present job scope.

    A path whose outcome is already decided gives a band without steps, with energies on a line
    between the ends. An engine that fails gives such a band with ``failure`` set.

    Raises
    ------
    EngineNotInstalledError
        The package is not installed here.
    ModelFileError
        The weights are missing, or are not known and not trusted.
    OSError
        The checkpoint cannot be written.
    InputError
        A surrogate is asked for and the choice has no prior.
    """
    path = Path.model_validate(path)
    stamp = stamp_of(choice)
    if path.outcome is not None:
        return without_steps(path, stamp, charge)
    with _evaluator(choice, stamp, charge) as evaluate:
        guess = partial(images_between, cell=path.images.cell, species=path.images.species)
        if settings.method == "surrogate" and climb:
            prior = _prior(choice, path.images.species, lessons)
            found = run_surrogate(path, evaluate, prior, settings, guess=guess)
        elif settings.method == "adaptive" and climb:
            found = run_adaptive(path, evaluate, settings, guess=guess)
        else:
            found = run_band(path, evaluate, settings, climb=climb)
    return _band(path, found, stamp, charge)


def _prior(choice: EngineChoice, species: tuple[str, ...], lessons: tuple[Lesson, ...]) -> Source:
    """Return the cheap engine of a surrogate; it knows no charge, which is learnt with the rest."""
    from dualion.engines.calculators import build_source

    if choice.prior is None:
        raise InputError(
            "a surrogate needs a cheap engine, or to learn",
            where="band: method: surrogate",
            remedy="add 'prior: chgnet' or 'prior: learnt' to the campaign, or give get_engine a "
            "prior",
        )
    return taught(lessons, species) if choice.learns else build_source(choice.prior)


@contextlib.contextmanager
def _evaluator(choice: EngineChoice, stamp: EngineStamp, charge: int) -> Iterator[Evaluator]:
    from dualion.engines.calculators import build_source

    scope = current_scope()
    source: Source
    if scope.points is None:
        source = build_source(choice, charge=charge)
    else:
        # A prior is asked where the driver runs; a point is the costly engine's alone.
        alone = choice.model_copy(update={"prior": None})
        source = PointSource(alone, charge, scope.points)
    with contextlib.ExitStack() as stack:
        log = None
        if scope.checkpoint is not None:
            # Computed elsewhere at this moment: then once more here, beside it, without a log.
            with contextlib.suppress(CheckpointBusyError):
                log = stack.enter_context(EvaluationLog(scope.checkpoint, stamp.model_dump_json()))
        yield Evaluator(
            source,
            log=log,
            progress=scope.progress,
            computed=scope.computed,
            remember=choice.learns,
        )


def _band(path: Path, found: BandResult, stamp: EngineStamp, charge: int) -> Band:
    return Band(
        images=Images.from_array(path.images.lattice, path.images.species, found.xyz),
        mover=path.mover,
        energies=tuple(map(float, found.energies)),
        tangent_forces=tuple(map(float, found.tangent_forces)),
        coordinates=tuple(map(float, found.coordinates)),
        climbing=found.climbing,
        climb_force=found.climb_force,
        max_force=found.max_force,
        converged=found.converged,
        steps=found.steps,
        force_calls=found.force_calls,
        charge=charge,
        stamp=stamp,
        residual_norm=None if found.failure else _residual_norm(found),
        proven=found.proven,
        findings=found.findings,
        failure=found.failure,
    )


def _residual_norm(found: BandResult) -> float:
    """Norm of the true force on the highest image between the ends, in eV/Å."""
    return float(np.linalg.norm(found.forces[found.top - 1]))


def without_steps(path: Path, stamp: EngineStamp, charge: int) -> Band:
    """Return a path as a band that nothing was computed for, its energies on a line."""
    line = np.linspace(path.initial_energy, path.final_energy, len(path.images))
    return Band(
        images=path.images,
        mover=path.mover,
        energies=tuple(map(float, line)),
        tangent_forces=(0.0,) * len(path.images),
        coordinates=tuple(map(float, lengths_along(path.images.xyz))),
        climbing=None,
        climb_force=0.0,
        max_force=0.0,
        converged=False,
        steps=0,
        force_calls=0,
        charge=charge,
        stamp=stamp,
    )
