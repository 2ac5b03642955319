"""Bond-valence energies against sums over shells by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from dualion.analysis.bondvalence import (
    GridSettings,
    grid_shape,
    ionic_radii,
    landscape,
    rigid,
    site_energies,
    valence_sums,
)
from dualion.analysis.softbv import BONDS
from dualion.errors import InputError
from dualion.records import Framework, Geometry
from dualion.structures.framework import build_framework

A = 5.64


def rocksalt(cation: str = "Na", anion: str = "Cl", a: float = A) -> Framework:
    structure = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(a), [cation, anion], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    return build_framework(structure, name="salt", working_ion=cation)


def shells(pairs: list[tuple[int, float]], value) -> float:
    return sum(count * value(distance) for count, distance in pairs)


# Anions around the octahedral and the tetrahedral site of rocksalt, up to 8 Å.
OCTAHEDRAL = [(6, A / 2), (8, A / 2 * 3**0.5), (24, A / 2 * 5**0.5)]
TETRAHEDRAL = [(4, 3**0.5), (12, 11**0.5), (12, 19**0.5), (16, 27**0.5)]
TETRAHEDRAL = [(count, A / 4 * root) for count, root in TETRAHEDRAL]


@pytest.fixture(scope="module")
def salt():
    return rigid(rocksalt(), GridSettings())


@pytest.mark.parametrize("ion", ["Na", "K", "Ag"])
def test_the_valence_of_an_ion_in_rocksalt_is_the_sum_of_its_shells(salt, ion):
    bond = BONDS[ion]["Cl", -1]
    expected = shells(OCTAHEDRAL, lambda r: np.exp((bond.r0 - r) * bond.alpha))
    assert valence_sums(salt, ion, salt.sites) == pytest.approx(expected, rel=1e-9)


def test_sodium_fits_rocksalt_and_its_valence_is_near_one(salt):
    fits = {ion: float(valence_sums(salt, ion, salt.sites)[0]) for ion in ("Li", "Na", "K")}
    assert fits["Na"] == pytest.approx(1.0, abs=0.15)
    assert fits["Li"] < fits["Na"] < fits["K"]


@pytest.mark.parametrize("ion", ["Li", "Na", "Cu"])
def test_energies_in_rocksalt_are_the_sums_of_the_shells(salt, ion):
    bond = BONDS[ion]["Cl", -1]

    def morse(r: float) -> float:
        return 0.5 * bond.d0 * ((np.exp(bond.alpha * (bond.r_min - r)) - 1.0) ** 2 - 1.0)

    cube = salt.sites[0] + A / 4
    found = site_energies(salt, ion, np.array([salt.sites[0], cube]))
    expected = [shells(OCTAHEDRAL, morse), shells(TETRAHEDRAL, morse)]
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_grid_holds_the_same_energies_as_single_points(salt):
    fields = landscape(salt, ["Na"], 0.4)
    shape = grid_shape(salt.cell, 0.4)
    chosen = np.random.default_rng(1).integers(0, shape, (20, 3))
    points = (chosen / np.array(shape)) @ salt.cell
    energies = fields.energies["Na"][tuple(chosen.T)]
    assert energies == pytest.approx(site_energies(salt, "Na", points), abs=1e-9)


def test_the_lowest_point_of_the_grid_is_the_working_ions_site(salt):
    field = landscape(salt, ["Na"], 0.2).energies["Na"]
    assert field.min() == pytest.approx(site_energies(salt, "Na", salt.sites)[0], abs=1e-9)


def test_the_sphere_that_fits_touches_the_anions(salt):
    # From an octahedral site to the anion it is half the cell edge, less the anion's radius.
    (radius,) = set(ionic_radii(salt))
    field = landscape(salt, [], 0.2).clearance
    assert radius == pytest.approx(1.81, abs=0.01)  # Shannon's Cl-, six-fold: 1.81 Å
    assert field.max() == pytest.approx(A / 2 - radius, abs=1e-6)


def test_other_cations_repel_and_charges_may_be_mixed():
    spinel = Structure.from_spacegroup(
        "Fd-3m",
        Lattice.cubic(10.03),
        ["Cu", "Ti", "S"],
        [[0, 0, 0], [0.625, 0.625, 0.625], [0.385, 0.385, 0.385]],
    )
    host = rigid(build_framework(spinel, name="thiospinel", working_ion="Cu"), GridSettings())
    charges = dict(zip(host.symbols, host.charges, strict=True))
    assert charges == {"Ti": pytest.approx(3.5), "S": -2.0}
    beside = host.around.xyz[host.around.index == host.symbols.index("Ti")][:1] + 0.5
    bare = replace(host, charges=np.where(host.charges > 0, 1e-9, host.charges))
    assert site_energies(host, "Cu", beside)[0] > site_energies(bare, "Cu", beside)[0] + 1.0


def test_a_pair_without_parameters_is_named():
    host = rigid(rocksalt("Li", "F", 4.03), GridSettings())
    assert host.missing("Cu") == ("F-1",)
    assert host.missing("Ag") == ()


def test_a_metal_is_no_case_for_bond_valences():
    structure = Structure(Lattice.cubic(3.1), ["Ag", "Cu"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    metal = Framework(name="alloy", working_ion="Ag", parent=Geometry.from_structure(structure))
    with pytest.raises(InputError, match="alloy"):
        rigid(metal, GridSettings())


def test_special_positions_are_on_the_grid_and_a_grid_has_its_limit():
    shape = grid_shape(np.diag([3.9, 10.2, 24.1]), 0.2)
    assert [size % 12 for size in shape] == [0, 0, 0]
    assert max(length / size for length, size in zip((3.9, 10.2, 24.1), shape, strict=True)) <= 0.2
    with pytest.raises(InputError, match="wider spacing"):
        grid_shape(np.eye(3) * 60.0, 0.1)
