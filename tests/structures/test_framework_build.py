"""However a crystal is written down, it is one framework."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from scipy.spatial.transform import Rotation

from dualion.errors import StructureError
from dualion.structures.framework import build_framework

CRYSTALS = {
    "rocksalt": Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    ),
    "wurtzite": Structure.from_spacegroup(
        "P6_3mc",
        Lattice.hexagonal(4.592, 7.510),
        ["Ag", "I"],
        [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.3753]],
    ),
    "olivine": Structure.from_spacegroup(
        "Pnma",
        Lattice.orthorhombic(10.332, 6.010, 4.692),
        ["Li", "Fe", "P", "O", "O", "O"],
        [
            [0, 0, 0],
            [0.28222, 0.25, 0.97472],
            [0.09486, 0.25, 0.41820],
            [0.09678, 0.25, 0.74279],
            [0.45710, 0.25, 0.20602],
            [0.16558, 0.04646, 0.28478],
        ],
    ),
    "thiophosphate": Structure.from_spacegroup(
        "P-42_1c",
        Lattice.tetragonal(6.952, 7.0757),
        ["Na", "Na", "P", "S"],
        [[0, 0.5, 0.4201], [0, 0, 0], [0, 0, 0.5], [0.3137, 0.3423, 0.8349]],
    ),
}
# Sites of the primitive cell, counted by hand, and the space group they were made with.
EXPECTED = {
    "rocksalt": (2, "Fm-3m"),
    "wurtzite": (4, "P6_3mc"),
    "olivine": (28, "Pnma"),
    "thiophosphate": (16, "P-42_1c"),
}
repeats = st.sampled_from([(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 3), (2, 2, 1)])
angles = st.tuples(*[st.floats(-np.pi, np.pi)] * 3)
shifts = st.tuples(*[st.floats(-1, 1)] * 3)


def rewritten(structure, repeat, angle, shift, seed):
    """Repeat, turn, shift and shuffle a crystal."""
    big = structure * repeat
    rotation = Rotation.from_euler("xyz", angle).as_matrix()
    order = np.random.default_rng(seed).permutation(len(big))
    return Structure(
        Lattice(big.lattice.matrix @ rotation.T),
        [big[int(i)].specie for i in order],
        (big.frac_coords + shift)[order],
    )


@settings(max_examples=12, deadline=None)
@pytest.mark.parametrize("name", CRYSTALS)
@given(repeat=repeats, angle=angles, shift=shifts, seed=st.integers(0, 99))
def test_a_crystal_turned_shifted_repeated_and_shuffled_is_the_same_framework(
    name, repeat, angle, shift, seed
):
    structure = rewritten(CRYSTALS[name], repeat, angle, shift, seed)
    framework = build_framework(structure, name="x")
    assert (len(framework.parent), framework.space_group) == EXPECTED[name]
    assert StructureMatcher(ltol=1e-3, stol=1e-3, angle_tol=0.1, scale=False).fit(
        framework.parent.structure(), CRYSTALS[name]
    )


@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("name", CRYSTALS)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_sites_does_not_enter_the_fingerprint(name, seed):
    first = build_framework(CRYSTALS[name], name="x")
    again = build_framework(
        rewritten(CRYSTALS[name], (1, 1, 1), (0, 0, 0), (0, 0, 0), seed), name="x"
    )
    assert again.fingerprint == first.fingerprint


def test_a_rattled_crystal_is_symmetrised_only_within_the_tolerance():
    structure = CRYSTALS["rocksalt"].copy()
    structure.perturb(0.001)
    assert build_framework(structure, name="x").space_group == "Fm-3m"
    structure.perturb(0.05)
    assert build_framework(structure, name="x").space_group != "Fm-3m"
    assert build_framework(structure, name="x", symprec=0.3).space_group == "Fm-3m"


def test_the_only_cation_is_the_working_ion():
    assert build_framework(CRYSTALS["wurtzite"], name="x").working_ion == "Ag"


def test_an_ion_other_than_the_five_may_be_named():
    gold = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.08), ["Au"], [[0, 0, 0]])
    assert build_framework(gold, name="au", working_ion="Au").working_ion == "Au"
    with pytest.raises(StructureError, match=r"no working ion among .*has Au4.*name one of Au"):
        build_framework(gold, name="au")


def test_two_cations_must_be_chosen_from():
    mixed = CRYSTALS["rocksalt"].copy()
    mixed.replace(0, "Li")
    with pytest.raises(StructureError, match=r"several possible working ions.*one of Li, Na"):
        build_framework(mixed, name="x")
    assert build_framework(mixed, name="x", working_ion="Li").working_ion == "Li"


def test_an_absent_ion_is_refused_in_the_words_of_the_manual():
    with pytest.raises(StructureError) as caught:
        build_framework(CRYSTALS["rocksalt"], name="salt", working_ion="Cu")
    assert str(caught.value) == (
        "no working ion Cu in framework 'salt' (has Na4 Cl4): name one of Na"
    )


def test_the_first_error_names_the_file():
    structure = CRYSTALS["rocksalt"].copy()
    structure.append("Na", [0.02, 0, 0])
    with pytest.raises(StructureError, match=r"^salt\.cif: atoms lie on top of each other"):
        build_framework(structure, name="salt", where="salt.cif")


def test_notes_are_kept_with_the_framework():
    framework = build_framework(
        CRYSTALS["rocksalt"], name="x", prototype="rocksalt", source="doi", ordering="none"
    )
    assert (framework.prototype, framework.source, framework.ordering) == (
        "rocksalt",
        "doi",
        "none",
    )
