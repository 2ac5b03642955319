"""The folder of frameworks: ``catalogue.yaml`` and one CIF each."""

from __future__ import annotations

import difflib
import importlib.resources
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dualion.errors import StructureError
from dualion.settings import Places
from dualion.structures.catalogue import (
    CatalogueEntry,
    extended_catalogue,
    is_name,
    parse_catalogue,
    require_name,
    slug,
)
from dualion.structures.framework import build_framework, read_structure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dualion.records import Framework

CATALOGUE = "catalogue.yaml"
CIF_FOLDER = "cif"

__all__ = [
    "CatalogueEntry",
    "Library",
    "find_library",
    "resolve_framework",
    "shipped_library",
]


class Library:
    """A folder of frameworks.

    Parameters
    ----------
    folder
        The folder that holds ``catalogue.yaml``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    @property
    def catalogue(self) -> Path:
        """The catalogue file."""
        return self.folder / CATALOGUE

    def entries(self) -> tuple[CatalogueEntry, ...]:
        """Read the catalogue, in its own order.

        Raises
        ------
        StructureError
            If the catalogue cannot be read, or holds an unknown or missing field.
        """
        return parse_catalogue(self._text(), str(self.catalogue))

    def names(self) -> tuple[str, ...]:
        """Names of all frameworks, in the order of the catalogue."""
        return tuple(entry.name for entry in self.entries())

    def entry(self, name: str) -> CatalogueEntry:
        """Look up one entry.

        Raises
        ------
        StructureError
            If there is none of that name; the closest ones are listed.
        """
        entries = {entry.name: entry for entry in self.entries()}
        if name in entries:
            return entries[name]
        raise StructureError(
            f"no framework {name!r} among {len(entries)}",
            where=str(self.catalogue),
            remedy=_closest(name, entries),
        )

    def load(self, name: str, *, working_ion: str | None = None) -> Framework:
        """Build a framework of the library.

        Parameters
        ----------
        name
            A name of the catalogue.
        working_ion
            Another mobile ion than the catalogue's.

        Raises
        ------
        StructureError
            If the name is unknown, the file unusable, or it is not what the catalogue claims.
        """
        entry = self.entry(name)
        file = self._inside(entry)
        framework = build_framework(
            read_structure(file),
            name=entry.name,
            working_ion=working_ion or entry.working_ion,
            prototype=entry.prototype,
            source=entry.source,
            ordering=entry.ordering,
            where=str(file),
        )
        formula = framework.parent.structure().composition.reduced_formula
        for field, claimed, found in (
            ("formula", _reduced(entry), formula),
            ("space_group", entry.space_group, framework.space_group),
        ):
            if claimed and claimed != found:
                raise StructureError(
                    f"{field} is {found}, but the catalogue says {claimed}",
                    where=str(file),
                    remedy=f"correct {field!r} of {name!r} in {self.catalogue}, or the file",
                )
        return framework

    def add(
        self,
        file: Path,
        *,
        name: str | None = None,
        working_ion: str | None = None,
        prototype: str = "",
        source: str = "",
        ordering: str = "",
    ) -> CatalogueEntry:
        """Check a structure file and take it into the library.

        The CIF is written anew with its symmetry. Both files appear whole or not at all, and
        several processes may add at once.

        Parameters
        ----------
        file
            Any structure file; it is not changed.
        name
            Its name here; None takes the file's own, in lower case.
        working_ion
            The mobile ion; None takes the only cation present.
        prototype, source, ordering
            Notes for the catalogue.

        Raises
        ------
        StructureError
            If the name is taken or not plain, or the structure fails a check. Nothing is
            written then.
        """
        name = slug(Path(file)) if name is None else name
        require_name(name)
        framework = build_framework(
            read_structure(Path(file)),
            name=name,
            working_ion=working_ion,
            prototype=prototype,
            source=source,
            ordering=ordering,
            where=str(file),
        )
        entry = CatalogueEntry(
            name=name,
            file=f"{CIF_FOLDER}/{name}.cif",
            working_ion=framework.working_ion,
            formula=framework.parent.structure().composition.reduced_formula,
            space_group=framework.space_group,
            prototype=prototype,
            source=source,
            ordering=ordering,
        )
        cif = _cif(framework)
        with self._locked():
            text = self._text() if self.catalogue.exists() else "frameworks:\n"
            entries = parse_catalogue(text, str(self.catalogue))
            target = self.folder / entry.file
            if name in {other.name for other in entries}:
                raise StructureError(
                    f"there is a framework {name!r} already",
                    where=str(self.catalogue),
                    remedy="choose another name with --name, or remove that entry first",
                )
            if target.exists():
                raise StructureError(
                    f"{entry.file} exists but is not in the catalogue",
                    where=str(self.folder),
                    remedy="choose another name with --name, or remove that file",
                )
            target.parent.mkdir(exist_ok=True)
            _replace(target, cif)
            try:
                _replace(self.catalogue, extended_catalogue(text, entries, entry))
            except BaseException:
                target.unlink(missing_ok=True)
                raise
        return entry

    def _text(self) -> str:
        try:
            return self.catalogue.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StructureError(
                f"cannot be read ({error})",
                where=str(self.catalogue),
                remedy="give a folder with a catalogue.yaml, such as 'dualion init DIR' writes",
            ) from None

    def _inside(self, entry: CatalogueEntry) -> Path:
        """Path of an entry's file, which may not leave the library, not even by a link."""
        folder = self.folder.resolve()
        path = (folder / entry.file).resolve()
        if not path.is_relative_to(folder):
            raise StructureError(
                f"file {entry.file!r} of {entry.name!r} lies outside of the library",
                where=str(self.catalogue),
                remedy=f"move it into {self.folder / CIF_FOLDER}",
            )
        return path

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other writers of this folder out."""
        import fcntl

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder, os.O_RDONLY)
        except OSError as error:
            raise StructureError(
                f"cannot be written to ({error.strerror})",
                where=str(self.folder),
                remedy="choose a library folder of your own",
            ) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        except OSError as error:
            raise StructureError(
                f"cannot be written to ({error.strerror})",
                where=str(self.folder),
                remedy="choose a library folder of your own",
            ) from None
        finally:
            os.close(handle)


def find_library(explicit: Path | None = None) -> Library:
    """Find the framework library.

    Looked for in this order: the folder asked for, ``DUALION_LIBRARY``, ``./structures``, the
    one shipped with the package, the clone that the package was installed from.

    Raises
    ------
    StructureError
        If a folder asked for has no catalogue, or none is found at all.
    """
    asked = explicit or Places().library
    if asked is not None:
        if not (asked / CATALOGUE).is_file():
            raise StructureError(
                f"no {CATALOGUE} in this folder",
                where=str(asked),
                remedy="give the folder of a library, or make one with 'dualion init DIR'",
            )
        return Library(asked)
    for folder in (Path("structures"), *_shipped()):
        if (folder / CATALOGUE).is_file():
            return Library(folder)
    raise StructureError(
        "no framework library found",
        where=str(Path("structures")),
        remedy="run 'dualion init DIR', or set DUALION_LIBRARY to a library's folder",
    )


def _shipped() -> tuple[Path, Path]:
    """Folders of the library inside the package, and in the clone it was installed from."""
    package = Path(str(importlib.resources.files("dualion")))
    return package / "content" / "structures", Path(__file__).resolve().parents[3] / "structures"


def shipped_library() -> Library:
    """Return the library that comes with dualion, whatever library the user works with.

    Raises
    ------
    StructureError
        If the installation has none.
    """
    for folder in _shipped():
        if (folder / CATALOGUE).is_file():
            return Library(folder)
    raise StructureError(
        "the framework library of this installation is missing",
        where=str(_shipped()[0]),
        remedy="install dualion again",
    )


def resolve_framework(
    name_or_file: str,
    *,
    working_ion: str | None,
    base: Path,
    library: Library | None,
) -> Framework:
    """Build the framework that a campaign names.

    Parameters
    ----------
    name_or_file
        A name of the library, or a structure file.
    working_ion
        The mobile ion; None takes the catalogue's, or the only cation of the file.
    base
        Folder that a relative path starts from.
    library
        Where names are looked up; None finds one.

    Raises
    ------
    StructureError
        If it is neither a name nor a file, or the structure cannot be used.
    """
    file = base / name_or_file
    names: tuple[str, ...] = ()
    where = "framework library"
    if is_name(name_or_file):
        try:
            library = library or find_library()
        except StructureError:
            if not file.is_file():
                raise
        else:
            names, where = library.names(), str(library.catalogue)
            if name_or_file in names:
                return library.load(name_or_file, working_ion=working_ion)
    if file.is_file():
        return build_framework(
            read_structure(file),
            name=slug(file),
            working_ion=working_ion,
            source=file.name,
            where=str(file),
        )
    raise StructureError(
        f"{name_or_file!r} is neither a framework of the library nor a file ({file})",
        where=where if names else "",
        remedy=_closest(name_or_file, names) if names else "give the path of a structure file",
    )


def _reduced(entry: CatalogueEntry) -> str:
    """Write an entry's formula the way pymatgen writes it, so that Na3OCl is Na3ClO."""
    from pymatgen.core import Composition

    try:
        return str(Composition(entry.formula).reduced_formula) if entry.formula else ""
    except ValueError:
        return entry.formula  # no formula at all: the comparison says so


def _closest(name: str, names: Iterable[str]) -> str:
    names = list(names)
    close = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f"name one of {shown}" if names else "add one with 'dualion frameworks add FILE'"


def _cif(framework: Framework) -> str:
    from pymatgen.io.cif import CifWriter

    return str(CifWriter(framework.parent.structure(), symprec=1e-3))


def _replace(target: Path, text: str) -> None:
    """Write a file so that it is either the old or the new one, whole."""
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
