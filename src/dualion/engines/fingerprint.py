"""Fingerprints: what made a number, down to the bits of the weights."""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dualion.engines.registry import entry_of, installed_version, require_installed
from dualion.errors import ModelFileError
from dualion.records import EngineStamp, IntMatrix3, LevelOfTheory

if TYPE_CHECKING:
    from dualion.engines.entry import EngineEntry
    from dualion.engines.registry import EngineChoice


def level_of_theory(
    stamp: EngineStamp, *, charge: int, supercell_matrix: IntMatrix3
) -> LevelOfTheory:
    """Return all that must agree before two barriers may be compared."""
    return LevelOfTheory(stamp=stamp, charge=charge, supercell=supercell_matrix)


def stamp_of(choice: EngineChoice) -> EngineStamp:
    """Return the stamp of an engine; reads metadata and the weights file, loads no model.

    Raises
    ------
    EngineNotInstalledError
        The package is not installed.
    ModelFileError
        The weights are missing, or are not known and not trusted.
    """
    entry = entry_of(choice)
    version = require_installed(entry)
    if entry.kind == "vasp":
        from dualion.engines.vasp.stamp import stamp_of_entry

        return stamp_of_entry(entry, version)
    found = checked_model(entry, trust=choice.trust_model)
    parameters = {key: str(value) for key, value in entry.kwargs.items()}
    if entry.data_package is not None:
        parameters[entry.data_package] = installed_version(entry.data_package) or ""
    return EngineStamp(
        engine=entry.name,
        code=entry.package,
        version=version,
        model_sha256=None if found is None else found[1],
        parameters=tuple(sorted(parameters.items())),
    )


def checked_model(entry: EngineEntry, *, trust: bool) -> tuple[Path, str] | None:
    """Return path and SHA-256 of an engine's weights once they are known to be the right ones.

    Parameters
    ----------
    entry
        The engine.
    trust
        Accept weights whose hash is not known.

    Returns
    -------
    tuple or None
        None for an engine without weights.

    Raises
    ------
    ModelFileError
        The weights are missing, or their hash is not the one given or known.
    """
    if not entry.needs_model:
        return None
    where = f"engine '{entry.name}'"
    path = weights_path(entry)
    if path is None:
        raise ModelFileError(
            "no weights file is known",
            where=where,
            remedy="give model_file and model_sha256 in an entry of your own (DUALION_ENGINES)",
        )
    if not path.exists():
        raise ModelFileError(
            f"the weights file is missing: {path}",
            where=where,
            remedy="install the package again, or name a file by model_file",
        )
    status = path.stat()
    seen = _sha256(path, status.st_size, status.st_mtime_ns)
    wanted = {entry.model_sha256} if entry.model_sha256 else set(entry.known_models)
    if seen not in wanted and not trust:
        raise ModelFileError(
            f"the weights in {path} are not known (sha256 {seen})",
            where=where,
            remedy="loading weights can run code: if you trust this file, "
            "give model_sha256 in an entry of your own or use --trust-model (trust_model=True)",
        )
    return path, seen


def weights_path(entry: EngineEntry) -> Path | None:
    """Return where an engine's weights should lie, without importing its package."""
    if entry.model_file is not None:
        return entry.model_file
    if entry.weights is None:
        return None
    package = entry.weights.split("/", 1)[0]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).parent / entry.weights


@cache
def _sha256(path: Path, size: int, modified: int) -> str:
    """Hash a file, once per process for one size and time of change."""
    del size, modified  # only part of the cache's key
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
