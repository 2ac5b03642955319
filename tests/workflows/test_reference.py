"""The reference set: every row has its source, and every hop is one class of its crystal."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dualion.errors import InputError
from dualion.records import Mechanism, Outcome
from dualion.store.formats.literature import read_shipped
from dualion.structures.library import shipped_library
from dualion.workflows.reference import (
    RigidLattice,
    barrier_of,
    campaign_of,
    chosen,
    framework_of,
    host_of,
    read_reference,
    reference_network,
    reference_set,
)

HOPS = reference_set()
DOI = re.compile(r"10\.\d{4,9}/\S+")
ROW = """
hops:
- family: spinel
  framework: lisc2s4
  path: PATH 1
  ions: [{ions}]
  host: {host}
  length: {length}
  assignment: the nearest
"""


def test_every_hop_has_a_doi_and_a_reason():
    assert len(HOPS) >= 18
    for hop in HOPS:
        assert DOI.fullmatch(hop.doi), hop.label
        assert hop.barrier > 0.0
        assert hop.assignment


def test_the_numbers_are_those_of_the_literature():
    said = {(hop.framework, hop.ion, hop.path): hop.barrier for hop in HOPS}
    assert [said["lisc2s4", ion, "PATH 1"] for ion in ("Li", "Na", "K")] == [0.19, 0.28, 0.42]
    assert [said["liv2o5-alpha", ion, "PATH 1"] for ion in ("Li", "Na", "K")] == [0.102, 0.85, 1.12]
    assert said["li3ocl", "Li", "PATH 1"] == 0.367  # not the value of MACE-MP in the same table
    assert said["na3ocl", "Na", "PATH 1"] == 0.428


@pytest.mark.parametrize("hop", HOPS, ids=lambda hop: hop.label)
def test_every_hop_is_one_class_of_its_crystal(hop):
    framework = framework_of(hop, shipped_library())
    network = reference_network(hop, framework)
    (only,) = network.classes
    assert only.length == pytest.approx(hop.length, abs=0.05)
    assert hop.start is None or hop.start in only.orbits
    alone = host_of(hop, framework).parent
    assert (framework.working_ion in alone.species) == (hop.host == "filled")
    expected = Mechanism.VACANCY if hop.host == "filled" else Mechanism.INTERSTITIAL
    assert network.mechanism is expected


def test_ions_that_are_compared_are_computed_alike():
    pairs = {hop.pair for hop in HOPS} - {""}
    assert len(pairs) >= 4
    for pair in pairs:
        members = [hop for hop in HOPS if hop.pair == pair]
        assert len(members) > 1
        assert len({campaign_of(hop, "emt").settings_fingerprint for hop in members}) == 1
        assert len({hop.host for hop in members}) == 1


@pytest.mark.parametrize(("packing", "nearest"), [("bcc", 12), ("hcp", 12), ("fcc", 12)])
def test_a_rigid_lattice_has_its_volume_and_neighbours(packing, nearest):
    lattice = RigidLattice(packing=packing, species="S", volume=40.0).geometry()
    assert lattice.volume / len(lattice) == pytest.approx(40.0)
    from ase.neighborlist import neighbor_list

    # 8 + 6 neighbours in bcc, 12 at one distance in the close packings of ideal shape.
    distances = np.sort(neighbor_list("d", lattice.atoms(), 4.5) if packing != "bcc" else [])
    if packing == "bcc":
        first = neighbor_list("d", lattice.atoms(), (80.0 ** (1 / 3)) * 0.9)
        assert len(first) == 8
    else:
        shell = distances[distances < distances[0] + 1e-6]
        assert len(shell) == nearest * len(lattice)


def test_choosing_by_class_framework_and_pair():
    assert {hop.family for hop in chosen(HOPS, ["spinel"])} == {"spinel"}
    assert len(chosen(HOPS, ["li3ocl", "na3ocl"])) == 3
    assert len(chosen(HOPS, ["alpha-V2O5"])) == 3
    assert chosen(HOPS, []) == HOPS
    with pytest.raises(InputError, match=r"no hop of 'perovskite'.*spinel"):
        chosen(HOPS, ["perovskite"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ions": "Ag"}, "no barrier of Ag"),
        ({"ions": "Li, Li"}, "is there twice"),
        ({"host": "full"}, "host"),
        ({"host": "rigid"}, "'lattice' belongs to"),
    ],
)
def test_a_wrong_row_is_told(change, told):
    text = ROW.format(**{"ions": "Li", "host": "empty", "length": 4.6} | change)
    with pytest.raises((InputError, ValueError), match=re.escape(told)):
        read_reference(text, read_shipped())


@pytest.mark.parametrize("length", [2.0, 4.9])
def test_a_hop_that_is_not_there_is_told_with_those_that_are(length):
    (hop,) = read_reference(ROW.format(ions="Li", host="empty", length=length), read_shipped())
    framework = framework_of(hop, shipped_library())
    with pytest.raises(InputError, match=r"no hop of Li|0 classes of hops fit"):
        reference_network(hop, framework)


def test_the_barrier_counts_from_where_the_literature_counts(make_record):
    hop = next(hop for hop in HOPS if hop.start == "4b")
    record = make_record(forward=0.3, reverse=0.2)
    there = record.model_copy(
        update={"hop": record.hop.model_copy(update={"orbits": ("4b", "8d")})}
    )
    back = record.model_copy(update={"hop": record.hop.model_copy(update={"orbits": ("8d", "4b")})})
    assert barrier_of(hop, there) == 0.3
    assert barrier_of(hop, back) == 0.2


@pytest.mark.parametrize(
    ("energies", "outcome", "wanted"),
    [
        ((0.0, 0.3, 0.1), Outcome.CONVERGED, 0.3),
        ((0.0, 0.2, -0.1), Outcome.CONVERGED, 0.3),  # the final site is the lower one
        ((0.0, 0.1, -0.2, 0.1, 0.0), Outcome.INTERMEDIATE_MINIMUM, 0.3),  # it rests half-way
        ((0.0, 0.01, -0.2, 0.01, 0.0), Outcome.BARRIERLESS, 0.21),  # only there
        ((0.0, -0.1, -0.2), Outcome.BARRIERLESS, None),  # downhill all the way
        ((0.0, 0.3, 0.1), Outcome.UNCONVERGED, None),
        ((), Outcome.ENDPOINT_COLLAPSED, None),
    ],
)
def test_the_barrier_counts_from_where_the_ion_rests(make_record, energies, outcome, wanted):
    hop = next(hop for hop in HOPS if hop.start is None)
    top, end = max(energies, default=0.0), energies[-1] if energies else 0.0
    barrier = outcome.is_barrier
    record = make_record(
        outcome=outcome,
        forward=top if barrier else None,
        reverse=top - end if barrier else None,
        energies=energies,
    )
    found = barrier_of(hop, record)
    assert found == (None if wanted is None else pytest.approx(wanted))
