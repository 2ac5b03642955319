"""What can be wrong with a structure before anything is computed on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from dualion.records import Record
from dualion.structures.cations import CATIONS
from dualion.structures.charges import can_be_neutral, guess_charges
from dualion.structures.spacegroup import REMEDY, find_space_group
from dualion.structures.symmetry import SYMPREC

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from pymatgen.core import Composition, Structure

LOOSE_SYMPREC = 1e-1
"""Tolerance in Å at which a symmetry lost by rounding shows again."""

MAX_ATOMS = 300
"""Default limit on the atoms of a primitive cell; a supercell must still fit around it."""

OVERLAP = 0.6
"""Two atoms closer than this share of their covalent radii's sum lie on top of each other.

The shortest real bonds (C≡O, multiple metal–metal bonds) have 0.65 or more."""

CROWDED = 0.75
"""Below this share a contact is reported as unusually short."""

STRETCHED = 1.55
"""If most nearest neighbours are farther apart than this, the lengths are in another unit."""

DENSEST = 1.5
"""No crystal has less volume per atom, in Å³ (diamond: 5.7)."""

# What a length in Å becomes when it is written in another unit and read as Å.
_UNITS = (
    ("they look like nm", 0.1),
    ("they look like bohr", 1.889726),
    ("they look like pm", 100.0),
    ("they look like m", 1e-10),
    ("they look like Å taken for bohr", 0.529177),
)


class Problem(Record):
    """One thing that is wrong, or suspicious, in a structure."""

    severity: Literal["error", "warning"]
    code: str = Field(description="Short and stable, e.g. 'overlap'.")
    message: str = Field(description="What is wrong, with the value seen.")
    field: str = Field("", description="The sites, the lattice or the composition.")
    remedy: str = ""


def _error(code: str, message: str, field: str, remedy: str) -> Problem:
    return Problem(severity="error", code=code, message=message, field=field, remedy=remedy)


def _warning(code: str, message: str, field: str, remedy: str) -> Problem:
    return Problem(severity="warning", code=code, message=message, field=field, remedy=remedy)


def contents(structure: Structure) -> str:
    """Write what a structure holds, e.g. ``Li24 P4 S20 Cl4``."""
    return str(structure.composition.element_composition.formula)


def check_structure(
    structure: Structure,
    working_ion: str | None,
    *,
    where: str = "structure",
    max_atoms: int = MAX_ATOMS,
    symprec: float = SYMPREC,
) -> tuple[Problem, ...]:
    """List what is wrong with a structure as an anion framework.

    An unbalanced charge is an error only where no assignment of known oxidation states is
    neutral; where a neutral one needs unusual or mixed states of the anions it is a warning,
    because machine-learned potentials carry no charge and peroxides, electrides or
    off-stoichiometric cells are legitimate. A metal (no element with a negative state) gives a
    warning that its charge is not counted. Missing symmetry is a warning as well: dualion
    searches the symmetry itself, so a P1 file of a symmetric crystal is no problem.

    Parameters
    ----------
    structure
        Any structure, ordered or not.
    working_ion
        Chemical symbol of the ion that will move; None skips the search for it.
    where
        How to call the structure in messages, e.g. ``framework 'x'``.
    max_atoms
        Limit on the atoms of the primitive cell.
    symprec
        Tolerance of the symmetry search, in Å.

    Returns
    -------
    tuple of Problem
        Errors first. A problem that makes later checks meaningless ends the list.
    """
    broken = _content_problems(structure) or _cell_problems(structure)
    if broken:
        return broken
    problems = list(_site_problems(structure, working_ion, where))
    volume = _volume_problems(structure)
    problems += volume
    if structure.is_ordered and not any(p.code == "unit" for p in volume):
        problems += _distance_problems(structure)
    if structure.is_ordered:
        problems += _charge_problems(structure.composition, working_ion)
        if not any(p.code in {"overlap", "unit"} for p in problems):
            problems += _symmetry_problems(structure, max_atoms, symprec)
    return tuple(sorted(problems, key=lambda p: p.severity != "error"))


def _content_problems(structure: Structure) -> tuple[Problem, ...]:
    from pymatgen.core import DummySpecies

    if len(structure) == 0:
        return (_error("empty", "no atoms", "sites", "give a structure file with sites"),)
    dummies = [str(e) for e in structure.composition.elements if isinstance(e, DummySpecies)]
    if dummies:
        return (
            _error(
                "unknown-element",
                f"{', '.join(dummies)} is no chemical element",
                "sites",
                "give each site the symbol of its element",
            ),
        )
    return ()


def _cell_problems(structure: Structure) -> tuple[Problem, ...]:
    matrix = structure.lattice.matrix
    if not np.isfinite(matrix).all():
        return (
            _error("not-finite", "a lattice vector is not a number", "lattice", "mend the file"),
        )
    bad = np.flatnonzero(~np.isfinite(structure.frac_coords).all(axis=1))
    if bad.size:
        label = f"site {bad[0] + 1} ({structure[int(bad[0])].species_string})"
        return (_error("not-finite", f"the position of {label} is not a number", label, "mend it"),)
    flat = abs(np.linalg.det(matrix)) / np.prod(np.linalg.norm(matrix, axis=1).clip(1e-12))
    if flat < 1e-4:
        return (
            _error(
                "no-volume",
                f"the lattice vectors span no volume ({structure.volume:.2g} Å³)",
                "lattice",
                "give three independent lattice vectors",
            ),
        )
    if not all(structure.lattice.pbc):
        axes = ", ".join(n for n, p in zip("abc", structure.lattice.pbc, strict=True) if not p)
        return (
            _error(
                "not-periodic",
                f"the cell is not periodic along {axes}",
                "lattice",
                "give a crystal, periodic in three dimensions",
            ),
        )
    return ()


def _site_problems(structure: Structure, working_ion: str | None, where: str) -> Iterable[Problem]:
    present = structure.composition.element_composition
    partial = [i for i, site in enumerate(structure) if not site.is_ordered]
    if partial:
        first = structure[partial[0]]
        at = ", ".join(f"{x:.3f}" for x in first.frac_coords)
        yield _error(
            "disorder",
            f"{len(partial)} of {len(structure)} sites are partly occupied "
            f"(site {partial[0] + 1}: {first.species_string} at {at})",
            f"site {partial[0] + 1}",
            "order it first with 'dualion frameworks order FILE'",
        )
    symbols = [e.symbol for e in present.elements]
    if working_ion is not None and working_ion not in symbols:
        known = [s for s in symbols if s in CATIONS] or symbols
        yield _error(
            "no-working-ion",
            f"no working ion {working_ion} in {where} (has {contents(structure)})",
            "working_ion",
            f"name one of {', '.join(known)}",
        )


def covalent_radii(structure: Structure) -> NDArray[np.float64]:
    """Covalent radius of each ordered site (doi 10.1039/b801115j), shape (n,), in Å."""
    from ase.data import covalent_radii as radii

    return np.array([radii[site.specie.Z] for site in structure], dtype=float)


def _nearest_share(structure: Structure) -> float:
    """Median nearest-neighbour distance of some sites over the sum of covalent radii."""
    radii = covalent_radii(structure)
    some = np.unique(np.linspace(0, len(structure) - 1, 24).astype(int))
    frac = structure.frac_coords
    share = structure.lattice.get_all_distances(frac[some], frac) / (radii[some, None] + radii)
    # An atom meets its own images at the shortest lattice vector.
    share[np.arange(len(some)), some] = min(structure.lattice.get_lll_reduced_lattice().abc) / (
        2 * radii[some]
    )
    return float(np.median(share.min(axis=1)))


def _volume_problems(structure: Structure) -> list[Problem]:
    per_atom = structure.volume / float(structure.composition.num_atoms)
    tight, wide = OVERLAP, STRETCHED
    if structure.is_ordered:
        share = _nearest_share(structure)
    else:
        # Partly occupied sites may be close for good reason; an atom fills about 16 Å³.
        share = float(np.cbrt(per_atom / 16.0))
        tight, wide = 0.5, 2.0
    unit = next((text for text, factor in _UNITS if abs(np.log(share / factor)) < np.log(1.35)), "")
    if per_atom < DENSEST or (unit and not tight <= share <= wide):
        size = "small" if share < 1 else "large"
        return [
            _error(
                "unit",
                f"lengths are {share:.2g} times what the elements ask for, {per_atom:.3g} Å³ per "
                f"atom is too {size}" + (f"; {unit}" if unit else ""),
                "lattice",
                "give lengths in Å" if unit else "check the lattice and the number of sites",
            )
        ]
    if share > wide or per_atom > 150.0:
        return [
            _warning(
                "sparse",
                f"a volume of {per_atom:.0f} Å³ per atom leaves most of the cell empty",
                "lattice",
                "check the lattice and the sites; cut vacuum away",
            )
        ]
    return []  # where atoms overlap and no unit explains it, they are named one by one


def _distance_problems(structure: Structure) -> list[Problem]:
    radii = covalent_radii(structure)
    first, second, _, distance = structure.get_neighbor_list(
        2 * CROWDED * radii.max(), exclude_self=True
    )
    share = distance / (radii[first] + radii[second])
    keep = (first <= second) & (share < CROWDED)
    if not keep.any():
        return []
    order = np.argsort(share[keep], kind="stable")
    i, j, d, s = (x[keep][order] for x in (first, second, distance, share))
    named = [
        f"{structure[int(a)].specie.symbol} {a + 1}–{structure[int(b)].specie.symbol} {b + 1} "
        f"({r:.2f} Å)"
        for a, b, r in zip(i[:3], j[:3], d[:3], strict=True)
    ]
    more = f" and {len(d) - 3} more" if len(d) > 3 else ""
    sites = f"sites {i[0] + 1} and {j[0] + 1}"
    if s[0] < OVERLAP:
        return [
            _error(
                "overlap",
                f"atoms lie on top of each other: {', '.join(named)}{more}",
                sites,
                "remove one of each two, or order the partly occupied sites they come from",
            )
        ]
    return [
        _warning(
            "short-contact",
            f"unusually short contact: {', '.join(named)}{more}",
            sites,
            "check the coordinates",
        )
    ]


def _charge_problems(composition: Composition, working_ion: str | None) -> list[Problem]:
    formula = composition.element_composition.reduced_formula
    if all(getattr(e, "is_metal", False) for e in composition.element_composition.elements):
        return [
            _warning(
                "metal",
                f"{formula} holds no anion: charges are not counted",
                "composition",
                "none needed for a metal; else add the missing anions",
            )
        ]
    if guess_charges(composition, working_ion) is not None:
        return []
    if can_be_neutral(composition, working_ion):
        return [
            _warning(
                "charge",
                f"{formula} is neutral only with unusual or mixed oxidation states",
                "composition",
                "check that no atoms are missing or doubled",
            )
        ]
    return [
        _error(
            "charge",
            f"no oxidation states make {formula} neutral",
            "composition",
            "check that no atoms are missing or doubled",
        )
    ]


def _symmetry_problems(structure: Structure, max_atoms: int, symprec: float) -> list[Problem]:
    # Only a whole multiple of a primitive cell can be that large and still be welcome.
    if len(structure) > 50 * max_atoms:
        return [_too_many(len(structure), max_atoms)]
    group = find_space_group(structure, symprec)
    if group is None:
        return [
            _error("no-space-group", f"no space group found within {symprec:g} Å", "sites", REMEDY)
        ]
    problems = []
    if group.primitive_atoms > max_atoms:
        problems.append(_too_many(group.primitive_atoms, max_atoms))
    loose = find_space_group(structure, LOOSE_SYMPREC)
    if loose is not None and loose.operations > group.operations:
        problems.append(
            _warning(
                "loose-symmetry",
                f"space group {group.symbol} at {symprec:g} Å, but "
                f"{loose.symbol} at {LOOSE_SYMPREC:g} Å",
                "sites",
                "symmetrise the file, or expect more distinct hops than the crystal has",
            )
        )
    elif group.number == 1:
        problems.append(
            _warning(
                "no-symmetry",
                "no symmetry found (P1): every hop is distinct",
                "sites",
                "use the symmetric crystal structure if there is one",
            )
        )
    return problems


def _too_many(atoms: int, max_atoms: int) -> Problem:
    return _error(
        "too-many-atoms",
        f"{atoms} atoms in the primitive cell, more than {max_atoms}",
        "sites",
        "give a smaller ordered cell, or raise the limit",
    )
