"""``dualion frameworks``: the library of anion frameworks, and structure files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualion.cli.listing import Column, print_json, print_listing, print_table
from dualion.cli.selection import JsonOption
from dualion.errors import InputError, StructureError
from dualion.whole import whole_file

if TYPE_CHECKING:
    from dualion.records import Framework, HopNetwork
    from dualion.structures.check import Problem
    from dualion.structures.ordering import Ordering

BAD_STRUCTURE = 2
"""Exit code of ``check`` when a structure cannot be used."""

LibraryOption = Annotated[
    Path | None,
    typer.Option("--library", help="Library folder; else DUALION_LIBRARY, ./structures, shipped."),
]
IonOption = Annotated[str | None, typer.Option("--ion", help="The working ion.")]

app = typer.Typer(
    help="The library of anion frameworks, and structure files.", no_args_is_help=True
)

LISTED = (
    Column("name", "framework"),
    Column("formula", "formula"),
    Column("working_ion", "ion"),
    Column("prototype", "prototype"),
    Column("space_group", "space group"),
    Column("pairs", "pairs"),
    Column("source", "source"),
)

HOPS = (
    Column("class_id", "hop"),
    Column("from", "from"),
    Column("to", "to"),
    Column("length", "length / Å", 3),
    Column("multiplicity", "per cell"),
    Column("self_mirror", "own mirror"),
)


CANDIDATES = (
    Column("rank", "rank"),
    Column("energy", "Ewald energy / eV per atom", 4),
    Column("space_group", "space group"),
    Column("atoms", "atoms"),
    Column("weight", "equal by symmetry"),
    Column("file", "file"),
)


@app.command("list")
def list_frameworks(*, library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """List the frameworks of the library."""
    from dualion.structures.library import find_library

    found = find_library(library)
    entries = found.entries()
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return
    rows = [
        {**entry.model_dump(mode="json"), "pairs": " ".join("/".join(p) for p in entry.pairs)}
        for entry in entries
    ]
    print_listing(rows, LISTED, title=f"{len(rows)} frameworks in {found.folder}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A name of the library, or a structure file.")],
    *,
    ion: IonOption = None,
    max_length: Annotated[
        float | None,
        typer.Option("--max-length", help="Longest hop, in Å; else until the hops percolate."),
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a framework: cell, sites, and the distinct vacancy hops of its working ion."""
    from dualion.records import Mechanism
    from dualion.structures.hops import find_hops, working_sites
    from dualion.structures.library import find_library, resolve_framework

    is_file = Path(name).is_file()
    found = None if is_file else find_library(library)
    framework = resolve_framework(name, working_ion=ion, base=Path.cwd(), library=found)
    parent, mobile = framework.parent, framework.working_ion
    network = find_hops(
        parent,
        working_sites(parent, mobile),
        mechanism=Mechanism.VACANCY,
        ion=mobile,
        max_length=max_length,
    )
    facts = _facts(framework, network)
    if found is not None:
        entry = found.entry(name)
        facts |= {"pairs": [list(pair) for pair in entry.pairs], "note": entry.note}
    hops = _hop_rows(network)
    if as_json:
        print_json({**facts, "hops": hops})
        return
    for key, value in facts.items():
        if value not in ("", []):
            typer.echo(f"{key.replace('_', ' '):<24} {_plain(value)}")
    typer.echo()
    print_table(hops, HOPS, title=f"distinct hops of {mobile} up to {network.max_length:.2f} Å")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="A structure file; it is not changed.")],
    *,
    name: Annotated[str | None, typer.Option("--name", help="Its name in the library.")] = None,
    ion: IonOption = None,
    source: Annotated[str, typer.Option("--source", help="DOI or database id.")] = "",
    prototype: Annotated[str, typer.Option("--prototype", help="E.g. argyrodite.")] = "",
    ordering: Annotated[str, typer.Option("--ordering", help="What was done to order it.")] = "",
    library: LibraryOption = None,
) -> None:
    """Check a structure file and take it into the library."""
    from dualion.structures.library import find_library

    found = find_library(library)
    entry = found.add(
        file,
        name=name,
        working_ion=ion,
        prototype=prototype,
        source=source,
        ordering=ordering,
    )
    typer.echo(
        f"{entry.name}: {entry.formula}, {entry.space_group}, working ion {entry.working_ion}, "
        f"in {found.catalogue}"
    )


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A structure file.")],
    *,
    ion: IonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is wrong with a structure file; exit code 2 if it cannot be used."""
    from dualion.structures.check import check_structure, contents
    from dualion.structures.framework import read_structure

    structure = read_structure(file)
    problems = check_structure(structure, ion, where=str(file))
    bad = any(problem.severity == "error" for problem in problems)
    if as_json:
        print_json([problem.model_dump(mode="json") for problem in problems])
    else:
        for problem in problems:
            typer.echo(_problem_line(problem, file), err=problem.severity == "error")
        if not bad:
            typer.echo(f"ok: {file}: {contents(structure)}, {len(structure)} atoms")
    if bad:
        raise typer.Exit(BAD_STRUCTURE)


@app.command()
def order(
    file: Annotated[Path, typer.Argument(help="A structure file with partly occupied sites.")],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the ordered cells, as CIF files.")
    ] = None,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="At most this many.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of random draws.")] = 0,
    min_distance: Annotated[
        float | None,
        typer.Option("--min-distance", min=0.0, help="Sites closer than this exclude each other."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make ordered cells of a disordered structure, lowest electrostatic energy first."""
    from dualion.structures.framework import read_structure
    from dualion.structures.ordering import order as ordered

    try:
        ordering = ordered(
            read_structure(file), max_candidates=number, seed=seed, min_distance=min_distance
        )
    except StructureError as error:
        where = error.where if str(file) in error.where else f"{file}: {error.where}".rstrip(": ")
        raise StructureError(error.what, where=where, remedy=error.remedy) from error
    files = [] if out is None else _write_candidates(ordering, file, out)
    rows = [
        {
            "rank": rank,
            "energy": candidate.energy,
            "space_group": candidate.space_group,
            "atoms": len(candidate.geometry),
            "weight": candidate.weight,
            "file": str(files[rank - 1]) if files else None,
        }
        for rank, candidate in enumerate(ordering.candidates, 1)
    ]
    title = f"{ordering.formula}: {len(rows)} distinct of {ordering.arrangements} arrangements"
    print_listing(rows, CANDIDATES, as_json=as_json, title=title)
    if not ordering.complete:
        typer.echo(f"{ordering.not_tried} arrangements were not looked at", err=True)
    if out is None and not as_json:
        typer.echo("nothing was written: name a folder with --out", err=True)


def _write_candidates(ordering: Ordering, file: Path, folder: Path) -> list[Path]:
    """Write one CIF for each candidate; all of them or, if one exists already, none."""
    from pymatgen.io.cif import CifWriter

    from dualion.structures.catalogue import slug

    stem = slug(file)
    targets = [folder / f"{stem}-{rank}.cif" for rank, _ in enumerate(ordering.candidates, 1)]
    if taken := [str(target) for target in targets if target.exists()]:
        raise InputError(
            "exists already", where=taken[0], remedy="nothing was written; name another folder"
        )
    texts = [
        str(CifWriter(candidate.geometry.structure(), symprec=1e-3))
        for candidate in ordering.candidates
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for target, text in zip(targets, texts, strict=True):
        with whole_file(target) as stream:
            stream.write(text)
    return targets


def _problem_line(problem: Problem, file: Path) -> str:
    """Turn one problem into the line that an error of that kind would print."""
    where = "" if str(file) in problem.message else str(file)
    text = StructureError(problem.message, where=where, remedy=problem.remedy)
    return f"{problem.severity}: {text}"


def _plain(value: object) -> str:
    if isinstance(value, list):
        return " ".join("/".join(item) if isinstance(item, list) else str(item) for item in value)
    return str(value)


def _facts(framework: Framework, network: HopNetwork) -> dict[str, object]:
    """Collect what a person asks first about a framework; lengths in Å, angles in degrees."""
    parent = framework.parent
    lattice = parent.structure().lattice
    orbits = sorted({site.orbit for site in network.sites})
    return {
        "name": framework.name,
        "formula": parent.structure().composition.reduced_formula,
        "working_ion": framework.working_ion,
        "prototype": framework.prototype,
        "space_group": framework.space_group,
        "primitive_cell": parent.formula,
        "a_b_c": [f"{x:.4f}" for x in lattice.abc],
        "alpha_beta_gamma": [f"{x:.2f}" for x in lattice.angles],
        "volume_per_atom": round(parent.volume / len(parent), 3),
        "working_sites": len(network.sites),
        "orbits": orbits,
        "hops_percolate_in": f"{network.dimensionality} directions",
        "source": framework.source,
        "ordering": framework.ordering,
        "fingerprint": framework.fingerprint,
    }


def _hop_rows(network: HopNetwork) -> list[dict[str, object]]:
    return [
        {
            "class_id": hop.class_id,
            "from": hop.orbits[0],
            "to": hop.orbits[1],
            "length": hop.length,
            "multiplicity": hop.multiplicity,
            "self_mirror": hop.self_mirror,
        }
        for hop in network.classes
    ]
