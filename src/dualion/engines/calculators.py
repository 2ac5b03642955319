"""Calculators: what really computes, built once per process and kept quiet."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import warnings
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from dualion.engines.evaluator import Evaluation, Source
from dualion.engines.fingerprint import checked_model
from dualion.engines.registry import EngineChoice, entry_of, require_installed
from dualion.errors import DualionError, EngineError, InputError

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

    from dualion.engines.entry import EngineEntry

THREADS = "DUALION_THREADS"
"""Environment variable: CPU threads per worker (default 1)."""

# What a calculator raises when it cannot compute a configuration. Anything else (a missing
# attribute, a wrong type, a full disk) is no property of the structure and goes through.
_REFUSALS = (RuntimeError, ValueError, KeyError, NotImplementedError, ArithmeticError)


def build_source(choice: EngineChoice, *, charge: int = 0) -> Source:
    """Return what computes energies and forces for an engine.

    A model is loaded once per process and device, whatever the choice calls it; it is only ever
    read from a local file whose hash was checked.

    Parameters
    ----------
    choice
        The engine.
    charge
        Of the cells it will compute, in e.

    Raises
    ------
    EngineNotInstalledError
        The package is not installed.
    ModelFileError
        The weights are missing, or are not known and not trusted.
    InputError
        The device or the number of threads cannot be had, or the engine knows no charge.
    EngineError
        The calculator cannot be built.
    """
    entry = entry_of(choice)
    require_installed(entry)
    model = checked_model(entry, trust=choice.trust_model)
    arguments: dict[str, Any] = dict(entry.kwargs)
    if entry.model_argument is not None and model is not None:
        arguments[entry.model_argument] = str(model[0])
    if entry.charge_argument is not None:
        arguments[entry.charge_argument] = charge
    elif charge:
        raise InputError(
            f"charge {charge:+d} was asked for, but this engine knows no charge",
            where=f"engine '{entry.name}'",
            remedy="use charge 0: a neutral atom is removed",
        )
    if entry.device_argument is not None:
        arguments[entry.device_argument] = _device(choice, entry)
    sha256 = "" if model is None else model[1]
    try:
        calculator = _calculator(entry.calculator, json.dumps(arguments, sort_keys=True), sha256)
    except DualionError:
        raise
    except Exception as error:  # whatever a foreign constructor raises
        raise EngineError(
            f"the calculator cannot be built: {type(error).__name__}: {error}",
            where=f"engine '{entry.name}'",
            remedy=f"check {entry.package} and the entry's kwargs",
        ) from error
    return _Source(choice.name, calculator)


@cache
def _calculator(path: str, arguments: str, sha256: str) -> Any:  # noqa: ANN401 - any ASE calculator
    """Build a calculator; what is asked for in other words but is the same is built once."""
    del sha256  # part of the cache's key: the file may change under its name
    module, attribute = path.split(":")
    with _quiet():
        return getattr(importlib.import_module(module), attribute)(**json.loads(arguments))


def _device(choice: EngineChoice, entry: EngineEntry) -> str:
    import torch

    torch.set_num_threads(_threads())
    has_gpu = torch.cuda.is_available()
    if choice.device == "cuda" and not has_gpu:
        raise InputError(
            "device 'cuda' was asked for, but torch sees no GPU",
            where=f"engine '{entry.name}'",
            remedy="use device cpu, or install a torch built for your GPU",
        )
    return "cuda" if has_gpu and choice.device != "cpu" else "cpu"


def _threads() -> int:
    text = os.environ.get(THREADS, "1")
    if not text.isdigit() or int(text) < 1:
        raise InputError(f"'{text}' is no number of threads", where=THREADS, remedy="set it to 1")
    return int(text)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what the libraries print and warn: nothing in it is for our user."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


class _Source:
    """Runs an ASE calculator on plain arrays and turns its refusals into engine errors."""

    def __init__(self, engine: str, calculator: Any) -> None:  # noqa: ANN401
        self._engine = engine
        self._calculator = calculator

    def __call__(
        self,
        numbers: NDArray[np.int64],
        xyz: NDArray[np.float64],
        cell: NDArray[np.float64],
        *,
        stress: bool,
    ) -> Evaluation:
        from ase import Atoms

        atoms = Atoms(numbers=numbers, positions=xyz, cell=cell, pbc=True)
        with _quiet():
            try:
                atoms.calc = self._calculator
                # The stress first: calculators that skip what is not asked for then compute once.
                tensor = np.array(atoms.get_stress(voigt=False), dtype=float) if stress else None
                forces = np.array(atoms.get_forces(), dtype=float)
                energy = float(atoms.get_potential_energy())
            except _REFUSALS as error:
                if "out of memory" in str(error).lower():
                    raise  # of the machine, not of the structure: another try may succeed
                raise EngineError(
                    f"{type(error).__name__}: {error}",
                    where=f"engine '{self._engine}' on {atoms.get_chemical_formula()}",
                ) from error
        return Evaluation(energy=energy, forces=forces, stress=tensor)


def chgnet_calculator(path: str, device: str) -> Any:  # noqa: ANN401 - CHGNet is untyped
    """Return CHGNet's calculator, without what a band does not need.

    Magnetic moments are skipped, the stress too unless asked for, and no gradients are kept for
    the parameters; about 1.4 times faster than the calculator as it ships.

    Parameters
    ----------
    path
        Weights file.
    device
        'cpu' or 'cuda'.
    """
    chgnet = importlib.import_module("chgnet.model")  # as Any: present in few environments

    class LeanCalculator(chgnet.CHGNetCalculator):  # type: ignore[misc, name-defined]
        """Computes energy and forces, and the stress when asked for."""

        def calculate(
            self,
            atoms: Atoms | None = None,
            properties: list[str] | None = None,
            system_changes: list[str] | None = None,
            task: str = "ef",
        ) -> None:
            wanted = "efs" if "stress" in (properties or ()) else task
            super().calculate(atoms, properties, system_changes, task=wanted)

    model = chgnet.CHGNet.from_file(path, mlp_out_bias=False)
    for parameter in model.parameters():
        parameter.requires_grad = False
    return LeanCalculator(model, use_device=device, on_isolated_atoms="error")


def emt_calculator() -> Any:  # noqa: ANN401 - ASE is untyped
    """Return ASE's effective medium theory, made to forget.

    ASE's own keeps a neighbour list over calls, and with it the order of its sums: the last bits
    of an energy then depend on what was computed before, and no run could be replayed exactly.
    """
    from ase.calculators.calculator import all_changes

    emt: Any = importlib.import_module("ase.calculators.emt")

    class ForgetfulEMT(emt.EMT):  # type: ignore[misc]
        """Starts anew at every call."""

        def calculate(
            self,
            atoms: Atoms | None = None,
            properties: list[str] | None = None,
            system_changes: list[str] | None = None,
        ) -> None:
            del system_changes
            super().calculate(atoms, properties or ["energy"], all_changes)

    return ForgetfulEMT()


def matgl_calculator(path: str) -> Any:  # noqa: ANN401 - MatGL is untyped
    """Return MatGL's calculator for a potential on this disk.

    Parameters
    ----------
    path
        Folder or file of a saved potential, as ``matgl.load_model`` takes it.
    """
    matgl = importlib.import_module("matgl")  # as Any: present in few environments
    calculators = importlib.import_module("matgl.ext.ase")
    return calculators.PESCalculator(potential=matgl.load_model(path))
