"""Every shipped framework against tables that were not made from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dualion.structures.check import check_structure
from dualion.structures.framework import read_structure
from dualion.structures.library import Library

LIBRARY = Library(Path(__file__).resolve().parents[2] / "structures")
NAMES = LIBRARY.names()

# Space group, content of the conventional cell, density in g/cm³: handbooks and the papers cited.
EXPECTED = {
    "li6ps5cl": ("F-43m", "Li24 P4 S20 Cl4", 1.86),
    "lgps": ("P4_2mc", "Li20 Ge2 P4 S24", 2.05),
    "beta-li3ps4": ("Pnma", "Li12 P4 S16", 1.85),
    "gamma-li3ps4": ("Pmn2_1", "Li6 P2 S8", 1.93),
    "cu3ps4": ("Pmn2_1", "Cu6 P2 S8", 4.14),
    "na3ps4": ("P-42_1c", "Na6 P2 S8", 2.21),
    "li3ycl6": ("P321", "Li9 Y3 Cl18", 2.45),
    "licl": ("Fm-3m", "Li4 Cl4", 2.07),
    "nacl": ("Fm-3m", "Na4 Cl4", 2.165),
    "kcl": ("Fm-3m", "K4 Cl4", 1.984),
    "agcl": ("Fm-3m", "Ag4 Cl4", 5.56),
    "cui": ("F-43m", "Cu4 I4", 5.67),
    "agi-beta": ("P6_3mc", "Ag2 I2", 5.68),
    "agi-alpha-bcc": ("P4/nmm", "Ag2 I2", 6.02),
    "li3ocl": ("Pm-3m", "Li3 O1 Cl1", 2.01),
    # By hand, from the edge of the computed cell (3.949 Å) and 116.7 g/mol.
    "li3obr": ("Pm-3m", "Li3 O1 Br1", 3.15),
    "na3ocl": ("Pm-3m", "Na3 O1 Cl1", 2.20),
    "lifepo4": ("Pnma", "Li4 Fe4 P4 O16", 3.60),
    "limnpo4": ("Pnma", "Li4 Mn4 P4 O16", 3.44),
    # V2O5 has 3.36; each formula unit of 181.9 g/mol takes up one Li.
    "liv2o5-alpha": ("Pmmn", "Li2 V4 O10", 3.49),
    "licoo2": ("R-3m", "Li3 Co3 O6", 5.05),
    # By hand: three units of 107.0 g/mol in a cell of 122.3 Å³.
    "nacro2": ("R-3m", "Na3 Cr3 O6", 4.36),
    "litis2": ("P-3m1", "Li1 Ti1 S2", 3.08),
    "cuti2s4": ("Fd-3m", "Cu8 Ti16 S32", 3.82),
    # Nobody has measured it: the cell edge of MgSc2S4 (10.6 Å) with Li in place of Mg.
    "lisc2s4": ("Fd-3m", "Li8 Sc16 S32", 2.50),
    "li2s": ("Fm-3m", "Li8 S4", 1.65),
}

# Bonds of each cation: coordination number and range in Å (sums of ionic or covalent radii).
BONDS = {
    ("P", "S"): (4, 1.98, 2.12),
    ("P", "O"): (4, 1.48, 1.60),
    ("Ge", "S"): (4, 2.02, 2.30),
    ("Y", "Cl"): (6, 2.50, 2.75),
    ("Ti", "S"): (6, 2.35, 2.55),
    ("Sc", "S"): (6, 2.50, 2.65),
    ("Co", "O"): (6, 1.88, 1.97),
    ("Fe", "O"): (6, 2.00, 2.30),
    ("Mn", "O"): (6, 2.10, 2.35),
}

# Nearest anion of the mobile ion, in Å.
CONTACT = {
    ("Li", "O"): (1.85, 2.25),
    ("Li", "S"): (2.20, 2.65),
    ("Li", "Cl"): (2.25, 2.75),
    ("Na", "O"): (2.15, 2.50),
    ("Na", "S"): (2.60, 3.00),
    ("Na", "Cl"): (2.70, 2.90),
    ("K", "Cl"): (3.05, 3.25),
    ("Cu", "S"): (2.15, 2.40),
    ("Cu", "I"): (2.55, 2.70),
    ("Ag", "Cl"): (2.65, 2.85),
    ("Ag", "I"): (2.75, 2.90),
}


@pytest.fixture(scope="module", params=NAMES)
def case(request):
    entry = LIBRARY.entry(request.param)
    return entry, LIBRARY.load(request.param), read_structure(LIBRARY.folder / entry.file)


def neighbours(structure, index, reach):
    return sorted(
        structure.get_neighbors(structure[index], reach), key=lambda other: other.nn_distance
    )


def test_every_entry_has_an_independent_expectation():
    assert set(NAMES) == set(EXPECTED)


def test_space_group_content_and_density_are_those_of_the_literature(case):
    entry, framework, structure = case
    group, content, density = EXPECTED[entry.name]
    assert framework.space_group == group == entry.space_group
    assert dict(structure.composition.as_dict()) == {
        part.rstrip("0123456789"): int(
            part.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
        )
        for part in content.split()
    }
    assert structure.density == pytest.approx(density, rel=0.02)


def test_nothing_is_wrong_with_it(case):
    entry, _, structure = case
    found = [(p.severity, p.code) for p in check_structure(structure, entry.working_ion)]
    told = {
        # One electron short: it is neutral only with an unusual state, and the check says so.
        "lisc2s4": [("warning", "charge")],
        # The vanadyl bond is as short as that: 1.58 Å.
        "liv2o5-alpha": [("warning", "short-contact")],
    }
    assert found == told.get(entry.name, [])


def test_bond_lengths_and_coordination_numbers_are_sane(case):
    _, _, structure = case
    for index, site in enumerate(structure):
        for (cation, anion), (number, low, high) in BONDS.items():
            if site.specie.symbol != cation or anion not in structure.symbol_set:
                continue
            near = neighbours(structure, index, high + 0.25)
            bonds = [n.nn_distance for n in near if n.specie.symbol == anion]
            assert len(bonds) == number, (cation, anion, bonds)
            assert low <= min(bonds) <= max(bonds) <= high, (cation, anion, bonds)


def test_the_mobile_ion_touches_its_nearest_anion(case):
    entry, _, structure = case
    anions = {"O", "S", "Cl", "I"}
    for index, site in enumerate(structure):
        if site.specie.symbol != entry.working_ion:
            continue
        nearest = next(n for n in neighbours(structure, index, 3.4) if n.specie.symbol in anions)
        low, high = CONTACT[entry.working_ion, nearest.specie.symbol]
        assert low <= nearest.nn_distance <= high, (site.frac_coords, nearest.nn_distance)


def test_it_says_where_it_comes_from_and_how_it_was_ordered(case):
    entry, _, _ = case
    assert entry.source
    assert entry.ordering
    assert entry.prototype
    assert all(entry.working_ion in pair for pair in entry.pairs)
    assert entry.pairs


def test_no_file_lies_about_unlisted():
    files = {str(p.relative_to(LIBRARY.folder)) for p in (LIBRARY.folder / "cif").iterdir()}
    assert files == {entry.file for entry in LIBRARY.entries()}


def test_argyrodite_lithium_has_four_hops_in_its_cage_and_four_out_of_it():
    # Cages are octahedra of edge d√2 around 4d, d = (1/4 - y) a from the centre; neighbouring
    # cages of the fcc lattice are met at (1/2 - d/a) a√2.
    a, y = 9.859, 0.018
    structure = read_structure(LIBRARY.folder / "cif/li6ps5cl.cif")
    lithium = next(i for i, s in enumerate(structure) if s.specie.symbol == "Li")
    near = [n.nn_distance for n in neighbours(structure, lithium, 4.0) if n.specie.symbol == "Li"]
    inside, outside = (0.25 - y) * a * np.sqrt(2), (0.25 + y) * a * np.sqrt(2)
    assert (inside, outside) == pytest.approx((3.235, 3.737), abs=1e-3)
    assert near == pytest.approx([inside] * 4 + [outside] * 4, abs=1e-3)
