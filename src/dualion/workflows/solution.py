"""The flow that finds out whether each ion of a pair goes into the host of the other.

Its hosts and doped cells are those of a campaign's own flow, so that none is computed twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jobflow.core.flow import Flow
from jobflow.core.job import Response, job
from jobflow.core.reference import OnMissing

from dualion import __version__
from dualion.analysis.hull import phase_of
from dualion.analysis.solution import SiteEnergy, Solution, balance
from dualion.engines.fingerprint import level_of_theory
from dualion.errors import RunError, StructureError
from dualion.records import Framework, Geometry, HostState, Mechanism, Record, Relaxed
from dualion.structures.check import check_structure
from dualion.structures.framework import primitive_standard, read_structure
from dualion.structures.hops import place_hops
from dualion.structures.symmetry import find_symmetry, orbit_labels
from dualion.workflows.bench import Bench
from dualion.workflows.campaign import Campaign
from dualion.workflows.framework import exchanged, host_jobs
from dualion.workflows.pair import engine_of, network_of, transferred
from dualion.workflows.screen import sources_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow.core.job import Job

    from dualion.analysis.hull import ComputedPhase
    from dualion.engines.base import Engine


class Reference(Record):
    """A phase that a host may exchange ions with, or fall apart into."""

    name: str
    geometry: Geometry


def read_references(places: Sequence[Path]) -> tuple[Reference, ...]:
    """Read reference phases from structure files, folders of them, or libraries.

    Parameters
    ----------
    places
        As :func:`~dualion.workflows.screen.sources_of` takes them; none: no references.

    Returns
    -------
    tuple of Reference
        Their primitive cells.

    Raises
    ------
    InputError
        If a place does not exist or holds no structure.
    StructureError
        If a structure cannot be used, e.g. because it is disordered.
    """
    if not places:
        return ()
    return tuple(_read(Path(source.file)) for source in sources_of(places))


def _read(file: Path) -> Reference:
    structure = read_structure(file)
    for problem in check_structure(structure, None):
        if problem.severity == "error":
            raise StructureError(problem.message, where=str(file), remedy=problem.remedy)
    return Reference(name=str(file), geometry=primitive_standard(structure)[0])


def solution_flow(
    campaign: Campaign,
    framework: Framework,
    engine: Engine,
    references: Sequence[Reference] = (),
) -> Flow:
    """Build the flow of a campaign's solution energies.

    Parameters
    ----------
    campaign, framework
        Whose hosts, doped cells and settings.
    engine
        For all of them; of a campaign with tiers that of the first.
    references
        Other phases; none: the host with all ions exchanged is computed instead, and it is too
        if the campaign asks for the second ion in a host of its own.

    Returns
    -------
    jobflow.Flow
        The last job replaces itself by the doped cells; what comes out are one or two
        :class:`~dualion.analysis.solution.Solution`.
    """
    second = campaign.pair[1]
    host = host_jobs(framework, engine, campaign)
    jobs = list(host.jobs)
    full = None
    if not references or _asks_full(campaign):
        full = host_jobs(exchanged(framework, second), engine, campaign, like=host.supercell)
        jobs += full.jobs
    relaxed = [
        engine.relax(
            each.geometry, cell=True, settings=campaign.relax, name=f"reference {each.name}"
        )
        for each in references
    ]
    expand = dope_job(
        campaign=campaign,
        framework=framework,
        names=tuple(each.name for each in references),
        host=host.host,
        references=tuple(each.output for each in relaxed),
        full_host=full.host if full else None,
    )
    expand.name = "exchange ions"
    expand.config.on_missing_references = OnMissing.NONE
    return Flow([*jobs, *relaxed, expand], name=f"{campaign.name}: solution")


def _asks_full(campaign: Campaign) -> bool:
    return any(doping.kind == "full" for doping in campaign.doping)


@job
def dope_job(
    campaign: Campaign,
    framework: Framework,
    names: tuple[str, ...],
    host: HostState,
    references: tuple[Relaxed | None, ...],
    full_host: HostState | None = None,
) -> Response:  # type: ignore[type-arg]
    """Replace itself by the doped cells of judged hosts."""
    found = tuple(zip(names, references, strict=True))
    return Response(replace=dope_flow(campaign, framework, found, host, full_host))


def dope_flow(
    campaign: Campaign,
    framework: Framework,
    references: Sequence[tuple[str, Relaxed | None]],
    host: HostState,
    full_host: HostState | None,
) -> Flow:
    """Build hosts and doped cells, all with a free lattice, and the balances made of them.

    Parameters
    ----------
    campaign, framework
        What is asked.
    references
        Name and outcome of each; None: its job was lost.
    host
        Of the first ion.
    full_host
        With all of them exchanged, if it was asked for and did relax.
    """
    first, second = campaign.pair
    engine = engine_of(campaign)
    own = Bench(campaign, framework, engine, host)
    undoped = _free_cell(own, host, first)
    jobs, benches, swapped = [], [own], None
    if full_host is not None:
        other = Bench(campaign, framework, engine, full_host)
        swapped = _free_cell(other, full_host, second)
        benches.append(other)
        if _asks_full(campaign):
            jobs.append(
                _balance(other, full_host, (second, first), references, swapped, full=undoped)
            )
    jobs.insert(0, _balance(own, host, (first, second), references, undoped, full=swapped))
    return Flow([*(each for bench in benches for each in bench.jobs), *jobs], name="solution")


def _free_cell(bench: Bench, host: HostState, ion: str) -> Job:
    # In the very supercell of the doped one, so that meshes and k-points cancel.
    return bench.relaxed(host.supercell.geometry, cell=True, name=f"{ion} host: free cell")


def _balance(
    bench: Bench,
    host: HostState,
    ions: tuple[str, str],
    references: Sequence[tuple[str, Relaxed | None]],
    undoped: Job,
    *,
    full: Job | None,
) -> Job:
    own, ion = ions
    sites = dopant_sites(bench.campaign, bench.framework, host, own)
    geometry = host.supercell.geometry
    doped = []
    for atom in sites:
        species = list(geometry.species)
        species[atom] = ion
        state = geometry.model_copy(update={"species": tuple(species)})
        doped.append(bench.relaxed(state, cell=True, name=f"{ion} dilute: doped cell"))
    end = solution_job(
        campaign=bench.campaign,
        framework=bench.framework,
        host=host,
        ions=ions,
        sites=tuple(sites.values()),
        names=tuple(name for name, _ in references),
        references=tuple(found for _, found in references),
        undoped=undoped.output,
        doped=tuple(each.output for each in doped),
        full=full.output if full else None,
    )
    end.name = f"solution of {ion} in the {own} host"
    end.config.on_missing_references = OnMissing.NONE
    return end


def dopant_sites(
    campaign: Campaign, framework: Framework, host: HostState, ion: str
) -> dict[int, str]:
    """Choose the supercell atoms that are exchanged: those of the hops, and one of each orbit left.

    Parameters
    ----------
    campaign, framework
        A run computes the doped cells of its hops.
    host
        A judged host.
    ion
        Its working ion.

    Returns
    -------
    dict
        Name of the site, by atom.
    """
    cell = host.supercell
    hopping: dict[int, None] = {}
    if campaign.mechanism is Mechanism.VACANCY and ion == campaign.pair[0]:
        network = transferred(network_of(campaign, framework), host.parent)
        hops = place_hops(network, cell, members=campaign.hops.members)
        hopping = dict.fromkeys(hop.initial for hop in hops if hop.initial is not None)
    working = [k for k, symbol in enumerate(cell.geometry.species) if symbol == ion]
    symmetry = find_symmetry(host.parent)
    found: dict[int, str] = {}
    covered: set[int] = set()
    for atom in dict.fromkeys([*hopping, *working]):
        parent = cell.parent_index[atom]
        orbit = symmetry.orbits[parent]
        # In a host of lower symmetry than its parent, sites of one orbit differ.
        if orbit in covered and not (host.broken_symmetry and atom in hopping):
            continue
        covered.add(orbit)
        (label,) = orbit_labels(symmetry, [parent])
        found[atom] = f"{label} (atom {atom})"
    return found


@job(output_schema=Solution)
def solution_job(
    campaign: Campaign,
    framework: Framework,
    host: HostState,
    ions: tuple[str, str],
    sites: tuple[str, ...],
    names: tuple[str, ...],
    references: tuple[Relaxed | None, ...],
    undoped: Relaxed,
    doped: tuple[Relaxed | None, ...],
    full: Relaxed | None = None,
) -> Solution:
    """Balance the energies of one ion in the host of another."""
    return make_solution(
        campaign,
        framework,
        host,
        ions,
        references=tuple(zip(names, references, strict=True)),
        undoped=undoped,
        doped=tuple(zip(sites, doped, strict=True)),
        full=full,
    )


def make_solution(
    campaign: Campaign,
    framework: Framework,
    host: HostState,
    ions: tuple[str, str],
    *,
    references: Sequence[tuple[str, Relaxed | None]],
    undoped: Relaxed,
    doped: Sequence[tuple[str, Relaxed | None]],
    full: Relaxed | None = None,
) -> Solution:
    """Balance the energies of one ion in the host of another.

    Parameters
    ----------
    campaign, framework
        What was asked.
    host
        The host, before its lattice was freed.
    ions
        The host's, and the one that is put in.
    references
        Name and outcome of each; those that did not relax are left out, and told.
    undoped, full
        The hosts of either ion with a free lattice.
    doped
        Site and outcome of each doped cell.

    Raises
    ------
    RunError
        If the host did not relax, or none of the doped cells.
    InputError
        If they are not of one level of theory.
    """
    own, ion = ions
    where = f"{ion} in the {own} host of {framework.name!r}"
    if why := _trouble(undoped):
        raise RunError(f"the host with a free cell {why}", where=where, remedy=_REMEDY)
    lost = {site: _trouble(each) for site, each in doped}
    usable = [(site, each) for site, each in doped if each is not None and not lost[site]]
    if not usable:
        raise RunError(
            "; ".join(f"{site}: {why}" for site, why in lost.items()), where=where, remedy=_REMEDY
        )
    usable.sort(key=lambda each: each[1].energy)
    lowest = usable[0][1]
    left_out = [(name, _trouble(each)) for name, each in references if _trouble(each)]
    left_out += [(f"{ion} on {site}", why) for site, why in lost.items() if why]
    kept: list[ComputedPhase] = [
        phase_of(name, each) for name, each in references if each is not None and not _trouble(each)
    ]
    end = None
    if full is not None and (why := _trouble(full)):
        left_out.append((f"{ion} host", why))
    elif full is not None:
        end = phase_of(f"{ion} host", full)
    found = balance(
        phase_of(f"{own} host", undoped),
        phase_of(f"{ion} in the {own} host", lowest),
        kept,
        host_ion=own,
        ion=ion,
        full=end,
    )
    return Solution(
        **dict(found),
        framework=framework.name,
        framework_fingerprint=framework.fingerprint,
        campaign=campaign.name,
        settings_fingerprint=campaign.settings_fingerprint,
        host_ion=own,
        ion=ion,
        theory=level_of_theory(undoped.stamp, charge=0, supercell_matrix=host.supercell.matrix),
        host=phase_of("", undoped).formula,
        fraction=1.0 / host.supercell.geometry.species.count(own),
        sites=tuple(
            SiteEnergy(site=site, energy=each.energy - lowest.energy) for site, each in usable
        ),
        references=tuple(phase.name for phase in kept),
        left_out=tuple(left_out),
        broken_symmetry_host=host.broken_symmetry,
        min_image_distance=host.supercell.min_image_distance,
        dualion=__version__,
    )


_REMEDY = "raise relax.steps, or look at the structure"


def _trouble(relaxed: Relaxed | None) -> str:
    """Say why a relaxation is of no use; empty: it is."""
    if relaxed is None:
        return "was not relaxed: its job has failed"
    if relaxed.failure:
        return f"was not relaxed: {relaxed.failure}"
    if not relaxed.converged:
        return (
            f"is not relaxed: {relaxed.max_force:.3f} eV/Å left after {relaxed.force_calls} calls"
        )
    return ""
