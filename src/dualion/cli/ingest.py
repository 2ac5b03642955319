"""``dualion ingest``: bands that other programs computed, into the barrier store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.listing import Column, counted, print_json, print_table
from dualion.cli.places import store_address
from dualion.cli.selection import JsonOption, StoreOption, flat, one_of
from dualion.errors import InputError

if TYPE_CHECKING:
    from dualion.records import Framework, HopClass, HopRecord, Mechanism
    from dualion.workflows.reading import Reading

_SHOWN = (
    Column("source", "read from"),
    Column("moving_ion", "ion"),
    Column("hop", "hop"),
    Column("images", "images"),
    Column("forward", "forward / eV", 3),
    Column("reverse", "reverse / eV", 3),
    Column("outcome", "outcome"),
    Column("stored", "stored"),
)


def ingest(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Folder with 00, 01, … of VASP; .traj; .xyz; .json of a NebResult.",
        ),
    ],
    *,
    framework: Annotated[
        str, typer.Option("--framework", help="Name of the framework, of the library or your own.")
    ],
    working_ion: Annotated[
        str | None, typer.Option("--working-ion", help="The ion that moves; else found.")
    ] = None,
    host_ion: Annotated[
        str | None,
        typer.Option("--host-ion", help="Working ion of the framework; else the library's."),
    ] = None,
    engine: Annotated[
        str | None, typer.Option("--engine", help="What computed it; VASP folders tell.")
    ] = None,
    functional: Annotated[
        str | None, typer.Option("--functional", help="E.g. PBE; VASP folders tell.")
    ] = None,
    charge: Annotated[
        int | None, typer.Option("--charge", help="Of the cell; else told by VASP, else 0.")
    ] = None,
    mechanism: Annotated[
        str, typer.Option("--mechanism", help="'vacancy' or 'interstitial'.")
    ] = "vacancy",
    hop: Annotated[
        str | None, typer.Option("--hop", help="Hop class of the library's framework, e.g. h1.")
    ] = None,
    arrangement: Annotated[
        str | None, typer.Option("--arrangement", help="Label; else pure, dilute or full.")
    ] = None,
    images: Annotated[
        int | None, typer.Option("--images", help="Images of one band in a trajectory.")
    ] = None,
    ends: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--ends", help="Outputs of the initial and the final state."),
    ] = None,
    fmax: Annotated[
        float | None,
        typer.Option("--fmax", help="Largest NEB force of a converged band, in eV/Å."),
    ] = None,
    converged: Annotated[
        bool, typer.Option("--converged", help="You know that it converged.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and judge, store nothing.")] = (
        False
    ),
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read bands that you have already, from VASP, ASE or atomate2, into the store.

    Each keeps a level of theory of its own. If one cannot be read, nothing is stored.
    """
    from dualion.records import Mechanism
    from dualion.store.foreign.reading import read_path
    from dualion.store.opening import open_store
    from dualion.workflows.ingested import ingested_record

    if fmax is not None and not 0.0 < fmax < 10.0:
        raise InputError(f"{fmax} is no force", where="--fmax", remedy="give e.g. 0.05 (eV/Å)")
    if ends is not None and len(paths) != 1:
        raise InputError(
            f"{len(paths)} paths", where="--ends", remedy="give one path at a time with --ends"
        )
    reading = _reading(
        framework,
        working_ion=working_ion,
        host_ion=host_ion,
        mechanism=one_of(Mechanism, mechanism, "--mechanism"),
        hop=hop,
    ).model_copy(
        update={
            "arrangement": arrangement,
            "engine": engine,
            "functional": functional,
            "charge": charge,
            "fmax": fmax,
            "trusted": converged,
        }
    )
    found = [
        (band.source, ingested_record(band, reading))
        for path in paths
        for band in read_path(path, images=images, ends=ends)
    ]
    stored: list[str] = []
    if dry_run:
        stored = ["dry run"] * len(found)
    else:
        with open_store(store_address(store)) as opened, opened.transaction():
            for _, record in found:
                stored.append("added" if opened.add(record) else "there already")
    rows = [
        _row(source, record, said) for (source, record), said in zip(found, stored, strict=True)
    ]
    if as_json:
        print_json(rows)
        return
    added = stored.count("added")
    title = "nothing stored (--dry-run)" if dry_run else f"{counted(added, 'record')} added"
    print_table(rows, _SHOWN, title=title)
    for row in rows:
        typer.echo(f"{row['source']}: {row['note']}")


def _row(source: str, record: HopRecord, stored: str) -> dict[str, object]:
    images = 0 if record.images is None else len(record.images)
    return {**flat(record), "source": source, "images": images, "stored": stored}


def _reading(
    name: str,
    *,
    working_ion: str | None,
    host_ion: str | None,
    mechanism: Mechanism,
    hop: str | None,
) -> Reading:
    """Look the framework up; one that the library does not know is known by its name alone."""
    from dualion.errors import StructureError
    from dualion.records import content_hash
    from dualion.structures.catalogue import require_name
    from dualion.structures.cations import cation
    from dualion.structures.library import find_library
    from dualion.workflows.reading import INGESTED, Reading

    require_name(name)
    for ion in (working_ion, host_ion):
        if ion is not None:
            cation(ion)
    try:
        library = find_library()
        known = name in library.names()
    except StructureError:
        known = False
    if known:
        framework = library.load(name, working_ion=host_ion)
        return Reading(
            framework=name,
            prototype=framework.prototype,
            framework_fingerprint=framework.fingerprint,
            framework_species=tuple(
                sorted(set(framework.parent.species) - {framework.working_ion})
            ),
            working_ion=working_ion,
            host_ion=host_ion or framework.working_ion,
            mechanism=mechanism,
            hop_class=None if hop is None else _hop_class(framework, mechanism, hop),
        )
    if hop is not None:
        raise InputError(
            f"framework '{name}' is not in the library, so it has no hop {hop}",
            where="--hop",
            remedy="add it with 'dualion frameworks add', or leave out --hop",
        )
    return Reading(
        framework=name,
        framework_fingerprint=content_hash([INGESTED, name]),
        working_ion=working_ion,
        host_ion=host_ion,
        mechanism=mechanism,
    )


def _hop_class(framework: Framework, mechanism: Mechanism, name: str) -> HopClass:
    from dualion.records import Mechanism
    from dualion.structures.hops import find_hops, working_sites

    if mechanism is not Mechanism.VACANCY:
        raise InputError(
            "only vacancy hops have classes here", where="--hop", remedy="leave out --hop"
        )
    ion = framework.working_ion
    network = find_hops(
        framework.parent,
        working_sites(framework.parent, ion),
        mechanism=mechanism,
        ion=ion,
        max_length=None,
    )
    for known in network.classes:
        if known.class_id == name:
            return known
    raise InputError(
        f"framework '{framework.name}' has no hop {name!r}",
        where="--hop",
        remedy=f"name one of {', '.join(k.class_id for k in network.classes)}",
    )
