"""A screen: structure files judged by bond valence, and campaigns for the pairs that pass."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import Field, ValidationError

from dualion.analysis.bondvalence import GridSettings
from dualion.analysis.screening import FrameworkScreen, RankedPair, screen_framework
from dualion.errors import CampaignError, InputError
from dualion.records import Record, content_hash
from dualion.structures.catalogue import slug
from dualion.structures.framework import build_framework, read_structure
from dualion.structures.library import CATALOGUE, Library, find_library
from dualion.workflows.campaign import Campaign, explain, read_yaml

if TYPE_CHECKING:
    from dualion.records import Framework

SUFFIXES = (".cif", ".mcif", ".vasp", ".poscar")
"""Files of a folder that are taken for structures."""

OWN_KEYS = ("name", "framework", "working_ion", "pair")
"""Keys of a campaign that a screen sets itself."""


class Screenable(Record):
    """A structure to be screened."""

    name: str = Field(description="Of the framework.")
    file: str
    library: str = Field("", description="Folder of the library that has it; empty: a file alone.")
    working_ion: str | None = Field(None, description="None: the only cation in it.")
    digest: str = Field(description="SHA-256 of the file, or why it cannot be read.")

    def key(self, ions: Sequence[str], settings: GridSettings) -> str:
        """Identity of what a screen says of it; where the file lies is no part of it."""
        own = self.model_dump(mode="json", exclude={"file", "library"})
        asked = [own, bool(self.library), list(ions), settings.model_dump(mode="json")]
        return content_hash(["bond valence screen", asked], length=32)


def sources_of(
    places: Sequence[Path], *, library: Path | None = None, working_ion: str | None = None
) -> tuple[Screenable, ...]:
    """List the structures of libraries, folders and files.

    Parameters
    ----------
    places
        Folders with a catalogue are libraries; of other folders all structure files are taken,
        those in folders within them included. Empty: the library that
        :func:`~dualion.structures.library.find_library` finds.
    library
        The library, if no place is given.
    working_ion
        Mobile ion of files that are in no library.

    Returns
    -------
    tuple of Screenable
        Each file once, in the order of the places and of their names.

    Raises
    ------
    InputError
        If a place does not exist, or there is no structure at all.
    """
    found: dict[str, Screenable] = {}
    if not places:
        _add(found, _library_sources(find_library(library)))
    for place in places:
        if (place / CATALOGUE).is_file():
            _add(found, _library_sources(Library(place)))
        elif place.is_dir():
            files = (each for each in place.rglob("*") if each.suffix.lower() in SUFFIXES)
            _add(found, (_file_source(each, working_ion) for each in sorted(files)))
        elif place.is_file():
            _add(found, [_file_source(place, working_ion)])
        else:
            raise InputError(
                "no such file or folder",
                where=str(place),
                remedy="name structure files, a folder of them, or a framework library",
            )
    if not found:
        where = ", ".join(str(place) for place in places) or "framework library"
        raise InputError(
            f"no structure files ({', '.join(SUFFIXES)}) there",
            where=where,
            remedy="name structure files, a folder of them, or a framework library",
        )
    return tuple(found.values())


def _add(found: dict[str, Screenable], sources: Iterable[Screenable]) -> None:
    for source in sources:
        found.setdefault(str(Path(source.file).resolve()), source)


def _library_sources(library: Library) -> list[Screenable]:
    folder = library.folder
    return [
        Screenable(
            name=entry.name,
            file=str(folder / entry.file),
            library=str(folder),
            working_ion=entry.working_ion,
            digest=_digest(folder / entry.file),
        )
        for entry in library.entries()
    ]


def _file_source(file: Path, working_ion: str | None) -> Screenable:
    return Screenable(
        name=slug(file), file=str(file), working_ion=working_ion, digest=_digest(file)
    )


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"


def framework_of(source: Screenable) -> Framework:
    """Read a source; what is wrong with it is said as for any structure file.

    Raises
    ------
    StructureError
        If it cannot be used: disorder, no working ion, atoms on top of each other.
    """
    if source.library:
        return Library(Path(source.library)).load(source.name)
    return build_framework(
        read_structure(Path(source.file)),
        name=source.name,
        working_ion=source.working_ion,
        source=Path(source.file).name,
        where=source.file,
    )


def screen_source(
    source: Screenable, ions: tuple[str, ...], settings: GridSettings
) -> FrameworkScreen:
    """Read a structure and judge all ions in it by bond valence.

    Raises
    ------
    StructureError, InputError
        If the structure cannot be used, or bond valences do not apply to it.
    """
    return screen_framework(framework_of(source), ions, settings, file=source.file)


def chosen(
    pairs: Sequence[RankedPair], *, top: int | None, below: float | None
) -> tuple[RankedPair, ...]:
    """Choose the pairs that go on to bands.

    Parameters
    ----------
    pairs
        Ranked.
    top
        At most so many; None: all.
    below
        Only with a bond-valence barrier of the slower ion below this, in eV; None: any.
    """
    passed = [each for each in pairs if below is None or each.barrier < below]
    return tuple(passed[:top])


def read_settings(file: Path | None) -> dict[str, Any]:
    """Read campaign keys that hold for all campaigns of a screen.

    Raises
    ------
    CampaignError
        If the file is no YAML mapping, or sets what the screen sets itself.
    """
    if file is None:
        return {}
    found = read_yaml(file)
    for key in OWN_KEYS:
        if key in found:
            raise CampaignError(
                f"{key!r} is set by the screen, for each framework and pair",
                where=str(file),
                remedy="leave it out",
            )
    return found


def require_settings(settings: dict[str, Any], *, where: str = "") -> Campaign:
    """Check the keys that hold for all campaigns, before anything is computed.

    Parameters
    ----------
    settings
        The keys, the engine among them.
    where
        File they came from, for messages.

    Returns
    -------
    Campaign
        One with these settings, of no framework.

    Raises
    ------
    CampaignError
        If a setting has no such name or a value out of its range.
    """
    return _validated({"name": "x", "framework": "x", "pair": ["Li", "Na"]} | settings, where)


def _validated(whole: dict[str, Any], where: str) -> Campaign:
    try:
        return Campaign.model_validate(whole)
    except ValidationError as problem:
        field, what, remedy = explain(problem, Campaign)
        place = f"{where}: {field}" if where else field
        raise CampaignError(what, where=place, remedy=remedy) from problem


def campaign_text(
    pick: RankedPair,
    source: Screenable,
    *,
    name: str,
    settings: dict[str, Any],
    where: str = "",
) -> str:
    """Write the campaign file of one pair.

    Parameters
    ----------
    pick, source
        The pair, and the structure it is in.
    name
        Of the campaign.
    settings
        All further keys, the engine among them.
    where
        File the settings came from, for messages.

    Returns
    -------
    str
        YAML, as a user would write it.

    Raises
    ------
    CampaignError
        If a setting has no such name or a value out of its range.
    """
    own: dict[str, Any] = {
        "name": name,
        "framework": source.name if source.library else str(Path(source.file).resolve()),
        "pair": list(pick.pair),
    }
    if source.working_ion is not None and not source.library:
        own["working_ion"] = source.working_ion
    whole = own | settings
    _validated(whole, where)
    head = (
        f"# Written by a screen: {pick.barrier:.3f} eV by bond valence for the slower ion"
        f" ({pick.dimensions}D).\n"
    )
    return head + str(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True))
