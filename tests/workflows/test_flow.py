"""The same flow under jobflow's own runner, and what the barrier must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk, make_supercell
from ase.io import write
from jobflow.core.store import JobStore
from jobflow.managers.local import run_locally
from maggma.stores import MemoryStore

from dualion.launch.run import prepare
from dualion.records import Check, HopRecord, Outcome
from dualion.workflows.pair import pair_flow

CAMPAIGN = """
name: metal
framework: {file}
working_ion: {first}
pair: [{first}, {second}]
engine: emt
doping: {doping}
cell: {{min_image_distance: {reach}}}
host: {{relax: {{fmax: 0.002}}}}
relax: {{fmax: 0.005}}
band: {{fmax: 0.01, fmax_flanks: 0.03}}
path: {{images: 3}}
mechanism: {mechanism}
"""


def records_of(
    folder, atoms, *, doping="[pure]", mechanism="vacancy", pair=("Cu", "Ag"), reach=7.0
):
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "host.extxyz", atoms)
    file = folder / "campaign.yaml"
    file.write_text(
        CAMPAIGN.format(
            file="host.extxyz",
            doping=doping,
            mechanism=mechanism,
            first=pair[0],
            second=pair[1],
            reach=reach,
        )
    )
    ready = prepare(file)
    flow = pair_flow(ready.campaign, ready.framework, ready.engine)
    store = JobStore(MemoryStore())
    responses = run_locally(
        flow, store=store, root_dir=folder, ensure_success=True, log=False, raise_immediately=True
    )
    outputs = [last.output for found in responses.values() for last in found.values()]
    return sorted(
        (out for out in outputs if isinstance(out, HopRecord)),
        key=lambda record: (record.arrangement.label, record.hop.class_id, record.moving_ion),
    )


def cu3au():
    return bulk("Cu", "fcc", a=3.75, cubic=True).__class__(
        "AuCu3",
        scaled_positions=[[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
        cell=[3.75] * 3,
        pbc=True,
    )


def rotated(atoms):
    atoms.rotate(37.0, (1, 2, 3), rotate_cell=True)
    return atoms


def permuted(atoms):
    return atoms[np.random.default_rng(5).permutation(len(atoms))]


def shifted(atoms):
    atoms.positions += [0.31, -0.47, 1.13]
    atoms.wrap()
    return atoms


def repeated(atoms):
    return permuted(make_supercell(atoms, [[2, 0, 0], [0, 1, 0], [0, 1, 1]]))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return records_of(tmp_path_factory.mktemp("plain"), cu3au(), doping="[pure, dilute]")


@pytest.mark.parametrize("change", [rotated, permuted, shifted, repeated])
def test_the_barrier_does_not_depend_on_how_the_crystal_is_written(tmp_path, plain, change):
    other = records_of(tmp_path, change(cu3au()), doping="[pure, dilute]")
    assert len(other) == len(plain) > 0
    for one, two in zip(plain, other, strict=True):
        assert two.outcome is one.outcome
        assert (two.hop.orbits, two.hop.multiplicity) == (one.hop.orbits, one.hop.multiplicity)
        assert two.hop.length == pytest.approx(one.hop.length, abs=1e-3)
        if one.outcome.is_barrier:
            assert two.forward == pytest.approx(one.forward, abs=0.001)
            assert two.reverse == pytest.approx(one.reverse, abs=0.001)
        assert two.record_id == one.record_id


def test_forward_minus_reverse_is_the_difference_of_the_ends(plain):
    for record in plain:
        if record.outcome.is_barrier:
            assert record.forward - record.reverse == pytest.approx(
                record.energy_difference, abs=1e-9
            )
            assert record.energies[-1] == pytest.approx(record.energy_difference, abs=1e-9)


def test_every_band_says_how_sure_its_numbers_are(plain):
    for record in plain:
        assert record.error.residual < 0.03
        assert 0.0 < record.error.energy < 0.05
        assert record.error.fit_difference == pytest.approx(
            record.forward_fit - record.forward, abs=1e-9
        )
        assert Check.CONVERGED in record.error.verified
        assert Check.JOINS_ENDS in record.error.unverified  # a full band does not look


def test_a_symmetric_hop_has_equal_barriers_and_both_ions_share_its_class(plain):
    by_ion = {record.moving_ion: record for record in plain}
    assert set(by_ion) == {"Cu", "Ag"}
    assert by_ion["Cu"].hop == by_ion["Ag"].hop
    for record in plain:
        assert record.outcome is Outcome.CONVERGED
        assert record.forward == pytest.approx(record.reverse, abs=0.001)
        assert record.theory.fingerprint == plain[0].theory.fingerprint


def test_every_kind_of_doping_gives_its_records(tmp_path):
    records = records_of(
        tmp_path, bulk("Cu", "fcc", a=3.6), doping="[pure, dilute, full, {fraction: 0.12}]"
    )
    seen = {(r.arrangement.label, r.host_ion, r.moving_ion) for r in records}
    mixed = {label for label, _, _ in seen if label.startswith("x=")}
    assert len(mixed) == 1
    label = mixed.pop()
    assert seen == {
        ("pure", "Cu", "Cu"),
        ("dilute", "Cu", "Ag"),
        ("full", "Ag", "Ag"),
        (label, "Cu", "Cu"),
        (label, "Cu", "Ag"),
    }
    full = next(r for r in records if r.arrangement.label == "full")
    assert full.formula == "Ag27"
    # Silver's EMT lattice is 4.06 Å, copper's 3.59 Å.
    assert full.response.volume_change == pytest.approx((4.06 / 3.59) ** 3 - 1, abs=0.03)
    # Silver in exchanged copper must be what silver gives as a host of its own.
    silver = records_of(
        tmp_path / "silver", bulk("Ag", "fcc", a=4.06), pair=("Ag", "Cu"), reach=7.9
    )
    assert silver[0].formula == full.formula
    assert full.forward == pytest.approx(silver[0].forward, abs=0.002)


def test_an_interstitial_keeps_all_other_cations(tmp_path):
    records = records_of(
        tmp_path, bulk("Cu", "fcc", a=3.6), mechanism="interstitial", doping="[pure, dilute]"
    )
    assert records
    for record in records:
        assert len(record.images.species) == 28
        assert record.hop.initial is None
        assert record.images.species[record.mover] == record.moving_ion
