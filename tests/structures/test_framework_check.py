"""Faulty structures made on purpose, each of which must be named."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Composition, DummySpecies, Lattice, Structure

from dualion.structures.charges import guess_charges
from dualion.structures.check import check_structure

FCC = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
BCC = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])


def rocksalt(cation="Na", anion="Cl", a=5.64):
    sites = np.concatenate([FCC, (FCC + 0.5) % 1])
    return Structure(Lattice.cubic(a), [cation] * 4 + [anion] * 4, sites)


def metal(symbol, a, sites=FCC):
    return Structure(Lattice.cubic(a), [symbol] * len(sites), sites)


def found(structure, ion="Na", **options):
    return {p.code: p for p in check_structure(structure, ion, where="framework 'x'", **options)}


def scaled(structure, factor):
    return Structure(
        Lattice(structure.lattice.matrix * factor), structure.species, structure.frac_coords
    )


def test_a_sound_structure_has_no_problems():
    assert check_structure(rocksalt(), "Na") == ()


def test_partial_occupancy_is_an_error_whose_remedy_is_ordering():
    disordered = rocksalt({"Li": 0.5}, "Cl", 5.1)
    problem = found(disordered, "Li")["disorder"]
    assert problem.severity == "error"
    assert "4 of 8 sites" in problem.message
    assert "dualion frameworks order" in problem.remedy


def test_mixed_occupancy_without_vacancies_is_disorder_too():
    alloy = metal("Cu", 3.7)
    alloy[0] = {"Cu": 0.5, "Au": 0.5}
    assert found(alloy, "Cu")["disorder"].severity == "error"


def test_a_missing_working_ion_lists_what_there_is():
    problem = found(rocksalt(), "Cu")["no-working-ion"]
    assert problem.message == "no working ion Cu in framework 'x' (has Na4 Cl4)"
    assert problem.remedy == "name one of Na"


def test_two_atoms_at_a_third_of_an_angstrom_are_named_with_their_distance():
    structure = rocksalt()
    structure.append("Na", structure.cart_coords[0] + [0.3, 0, 0], coords_are_cartesian=True)
    problem = found(structure)["overlap"]
    assert problem.severity == "error"
    assert "Na 1–Na 9 (0.30 Å)" in problem.message


def test_an_overlap_across_the_cell_boundary_is_seen():
    structure = rocksalt()
    structure.append("Na", [-0.03, 0, 0])
    assert "Na 1–Na 9 (0.17 Å)" in found(structure)["overlap"].message


def test_an_atom_too_close_to_its_own_image_is_seen():
    chain = Structure(Lattice.orthorhombic(1.2, 5, 5), ["Na"], [[0, 0, 0]])
    assert "Na 1–Na 1 (1.20 Å)" in found(chain)["overlap"].message


@pytest.mark.parametrize(
    ("factor", "unit"), [(0.1, "nm"), (1 / 0.529177, "bohr"), (100.0, "pm"), (0.529177, "bohr")]
)
@pytest.mark.parametrize(
    "structure",
    [rocksalt(), rocksalt("K", "Cl", 6.29), metal("Cu", 3.61), metal("Na", 4.29, BCC)],
    ids=["NaCl", "KCl", "Cu", "Na"],
)
def test_a_cell_in_another_unit_is_an_error_that_names_the_unit(structure, factor, unit):
    problem = found(scaled(structure, factor), None)["unit"]
    assert problem.severity == "error"
    assert unit in problem.message


@pytest.mark.parametrize("edge", [1e-9, 0.01, 0.5])
def test_many_atoms_in_next_to_no_volume_are_refused_at_once(edge):
    sites = np.random.default_rng(0).random((50, 3))
    problems = check_structure(Structure(Lattice.cubic(edge), ["Li"] * 50, sites), "Li")
    assert [p.code for p in problems if p.severity == "error"] == ["unit"]


def test_what_is_no_element_is_named():
    odd = Structure(Lattice.cubic(4), ["Li", DummySpecies("X")], [[0, 0, 0], [0.5, 0.5, 0.5]])
    (problem,) = check_structure(odd, "Li")
    assert (problem.code, problem.severity) == ("unknown-element", "error")
    assert "X" in problem.message


def test_deuterium_counts_as_hydrogen():
    sites = np.concatenate([FCC, (FCC + 0.5) % 1])
    deuteride = Structure(Lattice.cubic(4.08), ["Li"] * 4 + ["D"] * 4, sites)
    assert check_structure(deuteride, "Li") == ()


@pytest.mark.parametrize("strain", [0.85, 0.9, 1.1, 1.2])
def test_a_strained_crystal_is_not_taken_for_another_unit(strain):
    assert "unit" not in found(scaled(rocksalt(), strain))


def test_a_slab_in_vacuum_is_called_sparse():
    structure = Structure(
        Lattice.orthorhombic(5.64, 5.64, 80), ["Na", "Cl"], [[0, 0, 0], [0.5, 0, 0]]
    )
    assert found(structure)["sparse"].severity == "warning"


@pytest.mark.parametrize("where", ["lattice", "site"])
def test_a_number_that_is_none_is_an_error(where):
    structure = rocksalt()
    if where == "site":
        structure[2].frac_coords[1] = np.nan
    else:
        structure._lattice = Lattice(np.full((3, 3), np.nan))
    (problem,) = check_structure(structure, "Na")
    assert (problem.code, problem.severity) == ("not-finite", "error")


def test_three_lattice_vectors_in_a_plane_are_an_error():
    flat = Structure(
        Lattice([[5, 0, 0], [0, 5, 0], [5, 5, 0]]), ["Na"], [[0, 0, 0]], validate_proximity=False
    )
    (problem,) = check_structure(flat, "Na")
    assert problem.code == "no-volume"


def test_a_cell_that_is_not_periodic_is_an_error():
    layer = Structure(Lattice(np.eye(3) * 5.64, pbc=(True, True, False)), ["Na"], [[0, 0, 0]])
    (problem,) = check_structure(layer, "Na")
    assert (problem.code, "along c" in problem.message) == ("not-periodic", True)


def test_no_atoms_at_all_is_an_error():
    (problem,) = check_structure(Structure(Lattice.cubic(4), [], []), "Na")
    assert problem.code == "empty"


@pytest.mark.parametrize(("symbol", "a"), [("Cu", 3.61), ("Ag", 4.09), ("Au", 4.08)])
def test_a_metal_may_be_used_but_is_warned_of(symbol, a):
    problems = check_structure(metal(symbol, a), symbol)
    assert [p.severity for p in problems] == ["warning"]
    assert problems[0].code == "metal"


def test_a_missing_ion_is_seen_in_the_charge():
    assert found(rocksalt() * (2, 1, 1)).keys() == set()
    structure = rocksalt() * (2, 1, 1)
    structure.remove_sites([0])
    assert found(structure)["charge"].severity == "warning"


def test_what_no_oxidation_states_can_balance_is_an_error():
    structure = rocksalt("K", "F", 5.35)
    structure.replace(0, "F")
    structure.replace(1, "F")
    assert found(structure, "K")["charge"].severity == "error"


@pytest.mark.parametrize(
    ("formula", "charges"),
    [
        ("Li6PS5Cl", {"Li": 1, "P": 5, "S": -2, "Cl": -1}),
        ("Li10GeP2S12", {"Li": 1, "Ge": 4, "P": 5, "S": -2}),
        ("LiFePO4", {"Li": 1, "Fe": 2, "P": 5, "O": -2}),
        ("LiMn2O4", {"Li": 1, "Mn": 3.5, "O": -2}),
        ("Na3OCl", {"Na": 1, "O": -2, "Cl": -1}),
        ("Ag8GeS6", {"Ag": 1, "Ge": 4, "S": -2}),
        ("Na3Zr2Si2PO12", {"Na": 1, "Zr": 4, "Si": 4, "P": 5, "O": -2}),
        ("Li7La3Zr2O12", {"Li": 1, "La": 3, "Zr": 4, "O": -2}),
        ("LiBH4", {"Li": 1, "B": 3, "H": -1}),
    ],
)
def test_charges_are_those_of_the_textbook(formula, charges):
    assert guess_charges(Composition(formula)) == pytest.approx(charges)


@pytest.mark.parametrize("formula", ["Li5PS5Cl", "Na2Cl", "K2CO4", "Li23P4S20Cl4"])
def test_an_unbalanced_formula_gets_no_charges(formula):
    assert guess_charges(Composition(formula)) is None


def test_copper_counts_as_one_plus_only_where_it_is_the_working_ion():
    assert guess_charges(Composition("CuO")) == {"Cu": 2, "O": -2}
    assert guess_charges(Composition("CuO"), "Cu") is None


def test_charges_of_a_large_odd_formula_take_no_time():
    big = Composition("Li97Na13K7Cu29Ag31Fe17Mn19Ti23P41S307Cl59O11")
    assert guess_charges(big) is None or sum(
        charge * big[symbol] for symbol, charge in guess_charges(big).items()
    ) == pytest.approx(0)


def test_a_symmetry_that_shows_only_at_a_looser_tolerance_is_warned_of():
    structure = rocksalt()
    structure.translate_sites([3], [0.03, 0.01, 0.02], frac_coords=False)
    assert "Fm-3m at 0.1 Å" in found(structure)["loose-symmetry"].message


def test_a_crystal_without_symmetry_is_warned_of():
    rng = np.random.default_rng(1)
    structure = rocksalt()
    structure.translate_sites([1], [0.5, 0.3, 0.2], frac_coords=False)
    structure.translate_sites([6], rng.normal(size=3) * 0.4, frac_coords=False)
    assert found(structure)["no-symmetry"].severity == "warning"


def test_a_symmetric_crystal_written_in_p1_is_no_problem():
    assert check_structure(rocksalt() * (1, 2, 3), "Na") == ()


def test_the_limit_on_atoms_counts_the_primitive_cell():
    assert "too-many-atoms" not in found(rocksalt() * (2, 2, 1), max_atoms=2)
    assert found(rocksalt(), max_atoms=1)["too-many-atoms"].severity == "error"


def test_a_file_far_too_large_is_refused_before_its_symmetry_is_searched():
    assert found(rocksalt() * (4, 4, 2), max_atoms=2)["too-many-atoms"].severity == "error"


def test_errors_come_before_warnings():
    structure = metal("Cu", 3.61)
    severities = [p.severity for p in check_structure(structure, "Li")]
    assert severities == ["error", "warning"]
