"""The engines by name: those that ship with dualion, a user's own, and those of other packages.

Nothing here imports an engine's package: whether it is there, and its version, are read from the
installed metadata.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from dualion.engines.base import Engine
from dualion.engines.entry import BUILT_IN, EngineEntry, Tier
from dualion.errors import EngineNotInstalledError, InputError
from dualion.records import Record
from dualion.settings import Places

LEARNT = "learnt"
"""Stands for a prior that is no engine: a force field fitted to the costly engine's own calls."""
ENTRY_POINTS = "dualion.engines"
"""Entry-point group in which another package may offer an :class:`EngineEntry`."""

Device = Literal["auto", "cpu", "cuda"]


class EngineInfo(Record):
    """One line of the list of engines."""

    name: str
    alias: str
    tier: Tier
    package: str
    version: str | None = Field(description="None: not installed.")
    installed: bool
    note: str


class EngineChoice(Record):
    """An engine and how to run it: what a job carries."""

    name: str
    device: Device = "auto"
    trust_model: bool = False
    entry: EngineEntry | None = Field(
        None, description="Set for engines that a worker may not find by name."
    )
    prior: EngineChoice | None = Field(
        None,
        description="Cheap engine that spares this one force calls, by a surrogate; 'learnt': none "
        "but a force field fitted to this one's own calls.",
    )

    @property
    def learns(self) -> bool:
        """Whether the prior is a force field fitted to the engine's own calls."""
        return self.prior is not None and self.prior.name == LEARNT

    @property
    def engines(self) -> tuple[EngineChoice, ...]:
        """The engine, and its prior if that is an engine."""
        return (self,) if self.prior is None or self.learns else (self, self.prior)


def get_engine(
    name: str,
    *,
    device: Device = "auto",
    trust_model: bool = False,
    outer: bool = False,
    check: bool = True,
    prior: str | None = None,
) -> Engine:
    """Return an engine by name or alias.

    Parameters
    ----------
    name
        One of :func:`list_engines`, or its alias (``fast``, ``standard``, ``accurate``).
    device
        Where the model runs; 'auto' takes a GPU if there is one.
    trust_model
        Accept weights whose SHA-256 is not known.
    outer
        Each force call is a job of its own: dualion moves the atoms, also where the code of the
        engine could do so itself, as with a prior.
    check
        Look whether package and weights are here. False where jobs are only submitted.
    prior
        A cheap engine that spares this one force calls, or ``"learnt"``: a force field fitted to
        this one's own calls.

    Raises
    ------
    InputError
        No engine has this name, or the file of further engines cannot be used.
    EngineNotInstalledError
        Its package is not installed.
    ModelFileError
        Its weights are missing or unknown.
    """
    from dualion.engines.ase_engine import AseEngine

    choice = _choice(name, device, trust_model=trust_model)
    if prior is not None:
        cheap = (
            EngineChoice(name=LEARNT)
            if prior == LEARNT
            else _choice(prior, device, trust_model=trust_model)
        )
        choice = choice.model_copy(update={"prior": cheap})
    engine: Engine = AseEngine(choice, outer=outer)
    # With a surrogate, or with each force call a job, dualion moves the atoms.
    if find_entry(name).kind == "vasp" and not outer and prior is None:
        from dualion.engines.vasp.engine import VaspEngine

        engine = VaspEngine(choice)
    if check:
        engine.stamp()
    return engine


def _choice(name: str, device: Device, *, trust_model: bool) -> EngineChoice:
    entry = find_entry(name)
    built_in = entry in BUILT_IN
    return EngineChoice(
        name=entry.name,
        device=device,
        trust_model=trust_model,
        entry=None if built_in else entry,
    )


def category_of(choice: EngineChoice) -> str:
    """Environment that a worker needs: the engine's package, with its prior's joined by '+'."""
    return "+".join(dict.fromkeys(entry_of(each).package for each in reversed(choice.engines)))


def find_entry(name: str) -> EngineEntry:
    """Return the entry of a name or alias.

    Raises
    ------
    InputError
        No engine has this name.
    """
    entries = all_entries()
    for entry in entries:
        if name in {entry.name, entry.alias} - {""}:
            return entry
    names = [e.name for e in entries] + [e.alias for e in entries if e.alias]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    raise InputError(f"no engine '{name}'", remedy=f"{hint}known: {', '.join(names)}")


def entry_of(choice: EngineChoice) -> EngineEntry:
    """Return the entry that a job's choice stands for.

    A choice without an entry means the built-in engine, whatever this worker's own file says.

    Raises
    ------
    InputError
        No engine has this name.
    """
    if choice.entry is not None:
        return choice.entry
    built_in = {entry.name: entry for entry in BUILT_IN}
    return built_in.get(choice.name) or find_entry(choice.name)


def list_engines() -> tuple[EngineInfo, ...]:
    """Return all engines, built-in ones first, with the versions installed here."""
    found = []
    for entry in all_entries():
        version = installed_version(entry.package)
        found.append(
            EngineInfo(
                name=entry.name,
                alias=entry.alias,
                tier=entry.tier,
                package=entry.package,
                version=version,
                installed=version is not None,
                note=entry.note,
            )
        )
    return tuple(found)


def all_entries() -> tuple[EngineEntry, ...]:
    """Return built-in entries, those of installed packages, and the user's own; last wins.

    Raises
    ------
    InputError
        The file named by ``DUALION_ENGINES`` or an entry point cannot be used.
    """
    entries = {entry.name: entry for entry in BUILT_IN}
    entries |= {entry.name: entry for entry in _entry_points()}
    path = Places().engines
    if path is not None:
        entries |= {entry.name: entry for entry in read_entries(path)}
    return tuple(entries.values())


def read_entries(path: Path) -> tuple[EngineEntry, ...]:
    """Read a YAML list of engine entries.

    Raises
    ------
    InputError
        The file cannot be read, is no list, or an entry is not valid.
    """
    remedy = "write a list of entries with at least name, calculator ('module:attribute'), package"
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path), remedy=remedy) from error
    if data is None:
        return ()
    if not isinstance(data, list):
        raise InputError(f"holds a {type(data).__name__}", where=str(path), remedy=remedy)
    return tuple(_validated(item, f"{path}, entry {i}") for i, item in enumerate(data, start=1))


def _validated(item: Any, where: str) -> EngineEntry:  # noqa: ANN401 - raw YAML
    try:
        return EngineEntry.model_validate(item)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "entry"
        raise InputError(
            f"{first['msg']} (seen: {first['input']!r})",
            where=f"{where}, field {place}",
            remedy="see the fields of an engine entry",
        ) from error


@cache
def _entry_points() -> tuple[EngineEntry, ...]:
    found = []
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        try:
            item = point.load()
        except Exception as error:  # another package's code may fail in any way
            raise InputError(
                f"entry point '{point.name}' cannot be loaded: {error}",
                where=point.value,
                remedy="repair or uninstall that package",
            ) from error
        if not isinstance(item, EngineEntry):
            raise InputError(
                f"entry point '{point.name}' gives a {type(item).__name__}",
                where=point.value,
                remedy="let it give a dualion.engines.registry.EngineEntry",
            )
        found.append(item)
    return tuple(found)


def installed_version(package: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def require_installed(entry: EngineEntry) -> str:
    """Return the version of an entry's package.

    Raises
    ------
    EngineNotInstalledError
        The package is not installed.
    """
    version = installed_version(entry.package)
    module = entry.calculator.split(".")[0].split(":")[0]
    missing = entry.package if version is None or importlib.util.find_spec(module) is None else None
    if missing is None and entry.data_package and installed_version(entry.data_package) is None:
        missing = entry.data_package
    if version is None or missing is not None:
        raise EngineNotInstalledError(
            f"{missing} is not installed",
            where=f"engine '{entry.name}'",
            remedy=entry.install or f"pip install {missing}",
        )
    return version
