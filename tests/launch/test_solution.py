"""Solution energies of metals: against ASE alone, through kills, and beside a run."""

from __future__ import annotations

import json

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from pymatgen.core import Lattice, Structure

from dualion.errors import StoreError
from dualion.launch.run import prepare, run_campaign
from dualion.launch.solution import FILE, prepare_solution, read_solutions, solve

CAMPAIGN = """
name: metal
framework: cu.cif
pair: [Cu, Ag]
engine: emt
doping: {doping}
cell: {{min_image_distance: 7.0}}
relax: {{fmax: 0.005}}
"""


@pytest.fixture
def metal(tmp_path):
    def write(symbol, a):
        crystal = Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), [symbol], [[0, 0, 0]])
        crystal.to(str(tmp_path / f"{symbol.lower()}.cif"))
        return tmp_path / f"{symbol.lower()}.cif"

    write("Cu", 3.6)
    file = tmp_path / "metal.yaml"

    def start(*, doping="[pure, dilute]", references=()):
        file.write_text(CAMPAIGN.format(doping=doping))
        asked = prepare_solution(file, [write(*each) for each in references])
        return solve(asked, runs=tmp_path / "runs", workers=2)

    return start


def relaxed_energy(atoms):
    atoms.calc = EMT()
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=0.002, steps=300)
    return atoms.get_potential_energy()


@pytest.fixture(scope="module")
def by_hand():
    """Energies of Cu27, CuAg26 and the like with ASE alone, in eV."""

    def dissolved(host, ion, a):
        atoms = bulk(host, "fcc", a=a) * (3, 3, 3)
        atoms.symbols[5] = ion
        return relaxed_energy(atoms)

    copper, silver = (
        27 * relaxed_energy(bulk(s, "fcc", a=a)) for s, a in (("Cu", 3.6), ("Ag", 4.1))
    )
    return {
        "Ag": dissolved("Cu", "Ag", 3.6) - (26 * copper + silver) / 27,
        "Cu": dissolved("Ag", "Cu", 4.1) - (26 * silver + copper) / 27,
    }


def test_mixing_energies_of_both_metals_are_those_of_ase_alone(metal, by_hand, tmp_path):
    done = metal(doping="[dilute, full]")
    assert not done.state.failed
    silver, copper = done.solutions
    assert (silver.ion, silver.host, silver.fraction) == ("Ag", "Cu27", 1 / 27)
    assert (copper.ion, copper.host) == ("Cu", "Ag27")
    for each in done.solutions:
        assert each.mixing_energy == pytest.approx(by_hand[each.ion], abs=1e-3)
        assert each.solution_energy is None
        assert "--references" in dict(each.absent)["solution_energy"]
    assert silver.mixing_energy > 0.05  # the two do not mix, neither in EMT nor in nature

    again = metal(doping="[dilute, full]")
    assert again.state.force_calls == 0
    assert again.solutions == done.solutions == read_solutions(tmp_path / "runs", "metal")


def test_against_the_other_metal_it_is_the_solution_energy(metal, by_hand):
    done = metal(references=[("Ag", 4.0), ("Cu", 3.7)])
    (found,) = done.solutions
    assert found.solution_energy == pytest.approx(by_hand["Ag"], abs=1e-3)
    assert found.above_hull == pytest.approx(0.0, abs=1e-4)
    assert found.mixing_energy is None
    assert "of Ag alone" in dict(found.absent)["mixing_energy"]


def test_a_reference_that_does_not_relax_is_told_and_left_out(metal):
    done = metal(references=[("Ag", 4.1), ("Fe", 3.6)])  # EMT knows no iron
    (found,) = done.solutions
    assert found.solution_energy is not None
    assert found.reaction == "26 Cu + Ag → Cu26Ag"
    ((name, why),) = found.left_out
    assert name.endswith("fe.cif")
    assert "not relaxed" in why
    assert [each.endswith("ag.cif") for each in found.references] == [True]


@pytest.mark.slow
def test_what_a_run_has_relaxed_is_not_relaxed_again(metal, tmp_path):
    file = tmp_path / "metal.yaml"
    file.write_text(CAMPAIGN.format(doping="[pure, dilute, full]"))
    runs = tmp_path / "runs"
    run = run_campaign(prepare(file), runs=runs, store=runs / "x.sqlite", workers=2)
    assert not run.state.failed
    done = metal(doping="[pure, dilute, full]")
    # Both hosts twice (parent, rattled) and the doped cell are the run's; new are Cu in the silver
    # host and, where the symmetric ones stand, the two hosts with a free cell.
    assert done.state.reused == 5
    assert done.state.force_calls < run.state.force_calls / 4
    alone = metal(doping="[dilute]", references=[("Ag", 4.1)])
    assert alone.state.reused == 4


def test_what_was_found_is_kept_for_every_level_of_theory(metal, tmp_path):
    first = metal().solutions
    file = tmp_path / "runs" / "metal" / FILE
    plain = json.loads(file.read_text())
    plain[0]["theory"]["stamp"]["version"] = "older"
    file.write_text(json.dumps(plain))
    metal()
    kept = read_solutions(tmp_path / "runs", "metal")
    assert [each.theory.stamp.version for each in kept] == [
        "older", first[0].theory.stamp.version,
    ]  # fmt: skip
    file.write_text(file.read_text()[:-40])
    with pytest.raises(StoreError, match=FILE):
        metal()


@pytest.mark.slow
def test_kills_cost_at_most_the_force_calls_in_flight(bench_in):
    quiet = bench_in("quiet", pause=0.02)
    words = ("solution", "--workers", "2", "--json")
    expected = quiet.run(*words, str(quiet.campaign()))
    assert expected.returncode == 0, expected.stderr
    whole = sum(quiet.calls().values())

    killed = bench_in("killed", pause=0.02)
    hits = 0
    for share in (0.2, 0.6):
        hits += killed.kill_after(share * whole, *words, str(killed.campaign()))
    assert hits
    done = killed.run(*words, str(killed.campaign()))
    assert json.loads(done.stdout) == json.loads(expected.stdout)
    assert set(killed.calls()) == set(quiet.calls())
    assert sum((killed.calls() - quiet.calls()).values()) <= 2 * hits
