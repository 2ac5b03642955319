"""A profile: how dualion runs on this machine, in a file."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from dualion.errors import InputError

DEFAULT = Path("launch/local.yaml")
"""Read when it lies in the folder one is in, as ``dualion init`` writes it."""


def apply_profile(given: Path | None) -> None:
    """Take the places of a profile over into the environment, where all that run here look.

    Variables that are set already win. Workers of a run inherit what is set here.

    Parameters
    ----------
    given
        A profile; None: :data:`DEFAULT` if it is there.

    Raises
    ------
    InputError
        If the file cannot be read, or holds an unknown key or an impossible value.
    """
    file = given if given is not None else DEFAULT
    if given is None and not file.is_file():
        return
    from pydantic import ValidationError

    from dualion.settings import Places
    from dualion.workflows.campaign import explain, read_yaml

    data = read_yaml(file, error=InputError)
    known = sorted(Places.model_fields)
    if unknown := [str(name) for name in data if name not in known]:
        near = get_close_matches(unknown[0], known, n=1)
        raise InputError(
            f"unknown key {unknown[0]!r}",
            where=str(file),
            remedy=f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}",
        )
    try:
        Places.model_validate(data)
    except ValidationError as problem:
        field, what, remedy = explain(problem, Places)
        raise InputError(what, where=f"{file}: {field}", remedy=remedy) from problem
    for name, value in data.items():
        if value is not None:
            os.environ.setdefault(f"DUALION_{name}".upper(), str(value))
