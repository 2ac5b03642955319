"""A climbing-image band by VASP with VTST, gone on with from the images an earlier start left.

First the band settles without climbing; below ``climb_from`` its highest image climbs, if it lies
above both ends (:mod:`dualion.engines.neb` does the same). The ends are not computed again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dualion.engines.fingerprint import stamp_of
from dualion.engines.jobs import without_steps
from dualion.engines.neb import require_image
from dualion.engines.registry import entry_of
from dualion.engines.vasp import presets
from dualion.engines.vasp.cores import check_images, cores_of
from dualion.engines.vasp.custody import PLAIN_REMEDY, Tally, run_vasp
from dualion.engines.vasp.folder import Runs
from dualion.engines.vasp.inputs import (
    Layout,
    changed_level,
    titles,
    vasp_input,
    write_band,
)
from dualion.engines.vasp.machine import Machine
from dualion.engines.vasp.outputs import (
    NO_VTST,
    BandState,
    cycle_ran_out,
    image_folders,
    read_band,
    read_contcar,
    unwrapped,
    vtst_version,
)
from dualion.errors import EngineError
from dualion.records import Band, Finding, Images, Path
from dualion.structures.interpolation import lengths_along

if TYPE_CHECKING:
    import pathlib

    from numpy.typing import NDArray
    from pymatgen.io.vasp.inputs import VaspInput

    from dualion.engines.registry import EngineChoice
    from dualion.records import EngineStamp
    from dualion.settings import BandSettings


@dataclass
class _Progress:
    """Where a band is after the runs so far.

    Attributes
    ----------
    next
        Interior images to go on from, shape (images, n, 3), in Å.
    state
        Of the last run that did a step; None: there is none.
    climbing
        Whether the highest image climbed in it.
    ran_out
        Whether its last electronic cycle did not converge.
    """

    next: NDArray[np.float64]
    state: BandState | None = None
    climbing: bool = False
    steps: int = 0
    vtst: str = ""
    ran_out: bool = False


def converge_band(
    path: Path,
    choice: EngineChoice,
    settings: BandSettings,
    *,
    climb: bool = True,
    charge: int = 0,
) -> Band:
    """Converge a band with VASP, under the present job scope.

    A path whose outcome is already decided gives a band without steps. A VASP that fails beyond
    correction gives one with ``failure`` set.

    Raises
    ------
    EngineNotInstalledError
        A package is not installed here.
    ModelFileError
        A POTCAR is not there.
    InputError
        The MPI ranks cannot be shared by the images, or there is no image.
    EngineError
        VASP cannot be started, or has no VTST.
    """
    path = Path.model_validate(path)
    stamp = stamp_of(choice)
    if path.outcome is not None:
        return without_steps(path, stamp, charge)
    require_image(path)
    machine = Machine.here()
    if machine.vtst is False:
        raise EngineError(NO_VTST, where="DUALION_VASP_VTST", remedy=PLAIN_REMEDY)
    images = len(path.images) - 2
    check_images(images, cores_of(machine.command, told=machine.cores))
    run = _Run(path, choice, settings, climb=climb, charge=charge, machine=machine)
    failure = run.converge()
    run.runs.keep()
    return run.band(stamp, failure)


class _Run:
    """One band on its way."""

    def __init__(
        self,
        path: Path,
        choice: EngineChoice,
        settings: BandSettings,
        *,
        climb: bool,
        charge: int,
        machine: Machine,
    ) -> None:
        self.path = path
        self.settings = settings
        self.climb = climb
        self.charge = charge
        self.machine = machine
        self.preset = presets.preset_from(dict(entry_of(choice).kwargs))
        self.layout = Layout.of(path.images.species)
        self.runs = Runs.of_job(machine)
        self.tally = Tally(factor=len(path.images) - 2)
        self.now = _Progress(path.images.xyz[1:-1])
        self.corrections: list[str] = []
        self.made: VaspInput | None = None

    def converge(self) -> str:
        """Run VASP until the band has converged, failed, or is out of steps; say why it failed."""
        for run in self.runs.started():
            if not changed_level(run):
                self._take(run)
        failure = ""
        while not self.converged and self.now.steps < self.settings.steps and not failure:
            failure = self._go_on()
        self.tally.before = 0
        self.tally.tell(self.now.steps)
        return failure

    def _go_on(self) -> str:
        climbs, limit = self._stage()
        made = self._input(climb=climbs, limit=limit)
        xyz = self.path.images.xyz
        run = self.runs.new()
        write_band(
            run,
            made,
            np.concatenate([xyz[:1], self.now.next, xyz[-1:]]),
            self.path.images.geometry(0),
        )
        self.runs.ready(run)
        before = self.now.steps
        self.tally.before = before * self.tally.factor
        stop_at = (self.settings.fmax, self.settings.fmax_flanks) if climbs else None
        ended = run_vasp(run, self.machine, tally=self.tally, stop_at=stop_at)
        self.corrections += ended.corrections
        self.now.steps += ended.lost
        self._take(run)
        if other := changed_level(run):
            return f"custodian changed the level of theory: {other}"
        if ended.failure:
            return ended.failure
        return "" if self.now.steps > before else "VASP made no step of the band"

    def _input(self, *, climb: bool, limit: float) -> VaspInput:
        tags = [
            *presets.electronic(self.preset),
            *presets.band(
                self.settings,
                images=len(self.path.images) - 2,
                climb=climb,
                limit=limit,
                steps=self.settings.steps - self.now.steps,
            ),
        ]
        return vasp_input(
            self.path.images.geometry(0),
            tags,
            self.preset,
            charge=self.charge,
            machine=self.machine,
        )

    def _take(self, run: pathlib.Path) -> None:
        """Take up what a run left, whole or not."""
        cell = self.path.images.cell
        state = read_band(run, self.now.next, cell, self.layout)
        if state is None:
            return
        self.now.state = state
        self.now.steps += state.steps
        self.now.climbing = _climbed(run)
        self.now.ran_out = cycle_ran_out(run)
        self.now.vtst = vtst_version(image_folders(run)[0] / "OUTCAR") or ""
        self.now.next = self._left(run, state)

    def _left(self, run: pathlib.Path, state: BandState) -> NDArray[np.float64]:
        """Images to go on from: where VASP would have gone next, else where it was."""
        found = [read_contcar(p, len(self.path.images.species)) for p in image_folders(run)]
        placed = [
            self.layout.restored(unwrapped(left[1], self.layout.grouped(at), left[0]))
            for left, at in zip(found, state.xyz, strict=True)
            if left is not None
        ]
        return np.stack(placed) if len(placed) == len(state.xyz) else state.xyz

    @property
    def _ends(self) -> tuple[float, float]:
        return self.path.initial_energy, self.path.final_energy

    def _has_peak(self, state: BandState) -> bool:
        return float(state.energies.max()) > max(self._ends)

    def _stage(self) -> tuple[bool, float]:
        """Whether the highest image climbs from now on, and the force at which VASP stops."""
        state, settings = self.now.state, self.settings
        if not self.climb or (state is not None and not self._has_peak(state)):
            return False, settings.fmax_flanks
        if state is not None and (self.now.climbing or state.largest.max() < settings.climb_from):
            return True, settings.fmax
        return False, settings.climb_from

    @property
    def converged(self) -> bool:
        """Whether the last run's band is below the thresholds of its stage."""
        state = self.now.state
        if state is None or self.now.ran_out:
            return False
        limits = np.full(len(state.energies), self.settings.fmax_flanks)
        if self.climb and self._has_peak(state):
            if not self.now.climbing:
                return False
            limits[int(np.argmax(state.energies))] = self.settings.fmax
        return bool((state.largest < limits).all())

    def band(self, stamp: EngineStamp, failure: str) -> Band:
        """Put the band together."""
        state = self.now.state
        if state is None:
            empty = without_steps(self.path, stamp, self.charge)
            return empty.model_copy(update={"failure": failure or "VASP made no step of the band"})
        xyz = np.concatenate([self.path.images.xyz[:1], state.xyz, self.path.images.xyz[-1:]])
        energies = np.array([self._ends[0], *state.energies, self._ends[1]])
        top = int(np.argmax(state.energies))
        climbs = self.now.climbing and self._has_peak(state)
        return Band(
            images=Images.from_array(self.path.images.lattice, self.path.images.species, xyz),
            mover=self.path.mover,
            energies=tuple(map(float, energies)),
            tangent_forces=(0.0, *map(float, state.along), 0.0),
            coordinates=tuple(map(float, lengths_along(xyz))),
            climbing=top + 1 if climbs else None,
            climb_force=float(state.largest[top]),
            max_force=float(state.largest.max()),
            converged=self.converged and not failure,
            steps=self.now.steps,
            force_calls=self.now.steps * len(state.energies),
            charge=self.charge,
            stamp=stamp,
            residual_norm=None if failure else state.true_norm(top, climbing=climbs),
            findings=self._findings(state),
            failure=failure,
        )

    def _findings(self, state: BandState) -> tuple[Finding, ...]:
        """Tell what the fingerprint does not: the potentials, the electrons, the builds."""
        made = self._input(climb=False, limit=self.settings.fmax)
        potentials = [
            Finding(check=f"POTCAR {title}: valence electrons", value=valence)
            for title, valence in titles(made)
        ]
        builds = Finding(
            check=f"VASP {state.version or 'unknown'}, VTST {self.now.vtst or 'unknown'}: images",
            value=float(len(state.energies)),
        )
        electrons = Finding(
            check="NELECT, on a uniform background",
            value=float(made["INCAR"]["NELECT"]),
            unit="electrons",
        )
        mended = [
            Finding(check=f"custodian corrected {text}"[:200], value=1.0)
            for text in self.corrections
        ]
        return (*potentials, electrons, builds, *mended)


def _climbed(run: pathlib.Path) -> bool:
    from pymatgen.io.vasp.inputs import Incar

    return bool(Incar.from_file(str(run / "INCAR")).get("LCLIMB", False))
