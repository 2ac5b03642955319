"""Taking the working ions out, and which sites they leave."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ase import Atoms

from dualion.errors import StructureError
from dualion.records import Geometry, Mechanism
from dualion.structures.hops import find_hops, working_sites
from dualion.structures.library import shipped_library
from dualion.structures.vacated import vacated

LIBRARY = shipped_library()
NAMES = ("liv2o5-alpha", "limnpo4", "lisc2s4", "li6ps5cl", "litis2", "licoo2")


@pytest.mark.parametrize("name", NAMES)
def test_full_orbits_keep_their_places_and_names(name):
    framework = LIBRARY.load(name)
    rest, sites = vacated(framework.parent, framework.working_ion)
    before = working_sites(framework.parent, framework.working_ion)
    assert [site.orbit for site in sites] == [site.orbit for site in before]
    assert [site.fractional for site in sites] == [site.fractional for site in before]
    assert all(site.atom is None for site in sites)
    others = [s for s in framework.parent.species if s != framework.working_ion]
    assert list(rest.species) == others
    assert rest.lattice == framework.parent.lattice


def rocksalt_with(filled):
    """Conventional fcc cell of chlorine with lithium in some of its four octahedral voids."""
    voids = [[0.5, 0.5, 0.5], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    anions = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    chosen = [voids[k] for k in filled]
    return Geometry.from_atoms(
        Atoms(
            f"Cl4Li{len(chosen)}",
            scaled_positions=anions + chosen,
            cell=[5.14] * 3,
            pbc=True,
        )
    )


@pytest.mark.parametrize(
    "filled", [some for n in range(1, 5) for some in itertools.combinations(range(4), n)]
)
def test_what_the_emptied_framework_makes_equivalent_is_a_site_as_well(filled):
    rest, sites = vacated(rocksalt_with(filled), "Li")
    assert len(rest) == 4
    assert {site.orbit for site in sites} == {"4b"}
    places = np.array([site.fractional for site in sites])
    assert sorted(map(tuple, np.round(places % 1.0, 6))) == [
        (0.0, 0.0, 0.5),
        (0.0, 0.5, 0.0),
        (0.5, 0.0, 0.0),
        (0.5, 0.5, 0.5),
    ]
    # Twelve neighbours at a/√2, each hop counted from both of its ends.
    network = find_hops(rest, sites, mechanism=Mechanism.INTERSTITIAL, ion="Li", max_length=3.7)
    (only,) = network.classes
    assert only.length == pytest.approx(5.14 / np.sqrt(2))
    assert only.multiplicity == 4 * 12 / 2


def test_a_framework_of_working_ions_alone_is_refused():
    metal = Geometry.from_atoms(Atoms("Li", cell=[3.4] * 3, pbc=True))
    with pytest.raises(StructureError, match=r"nothing is left of Li1? without Li"):
        vacated(metal, "Li")
    with pytest.raises(StructureError, match="no Na to take out"):
        vacated(metal, "Na")
