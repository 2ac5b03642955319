"""Solution energies: by hand, against pymatgen's phase diagrams, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from dualion.analysis.hull import ComputedPhase, lowest_mixture
from dualion.analysis.solution import balance
from dualion.errors import InputError
from dualion.records import EngineStamp

STAMP = EngineStamp(engine="test", code="test", version="1")


def phase(formula, energy, **fields):
    atoms = {str(element): int(n) for element, n in Composition(formula).items()}
    return ComputedPhase(
        **{"name": formula, "atoms": tuple(sorted(atoms.items())), "stamp": STAMP} | fields,
        energy=energy,
    )


HOST = phase("Li24P4S20Cl4", -210.0)
DOPED = phase("NaLi23P4S20Cl4", -209.3)
NACL, LICL = phase("Na4Cl4", -28.0), phase("LiCl", -7.4)


def solved(host, doped, references, **more):
    return balance(host, doped, references, host_ion="Li", ion="Na", **more)


def test_one_sodium_exchanged_with_chlorides_by_hand():
    found = solved(HOST, DOPED, [NACL, LICL])
    # host + NaCl (−7.0 eV) → doped + LiCl (−7.4 eV)
    assert found.solution_energy == pytest.approx((-209.3 - 7.4) - (-210.0 - 7.0))
    assert found.route == "exchange"
    assert found.reaction == "Li24P4S20Cl4 + NaCl → NaLi23P4S20Cl4 + LiCl"
    assert found.above_hull is None
    assert dict(found.absent)["above_hull"] == "no reference holds P or S"


def test_two_ions_at_once_count_one_by_one():
    doped = phase("Na2Li22P4S20Cl4", -208.5)
    found = solved(HOST, doped, [NACL, LICL])
    assert found.solution_energy == pytest.approx(((-208.5 - 14.8) - (-210.0 - 14.0)) / 2)
    assert found.reaction == "Li24P4S20Cl4 + 2 NaCl → Na2Li22P4S20Cl4 + 2 LiCl"


def test_of_two_reservoirs_the_one_that_costs_less_is_taken():
    sulfides = [phase("Na2S", -11.0), phase("Li2S", -12.2)]
    found = solved(HOST, DOPED, [NACL, LICL, *sulfides])
    # by chlorides 0.7 − 0.4 = 0.3 eV, by sulfides 0.7 − 1.2 / 2 = 0.1 eV
    assert found.solution_energy == pytest.approx(0.1)
    assert found.reaction == "Li24P4S20Cl4 + 1/2 Na2S → NaLi23P4S20Cl4 + 1/2 Li2S"


def test_a_form_that_is_not_stable_is_no_source():
    found = solved(HOST, DOPED, [NACL, phase("NaCl", -6.5), LICL])
    assert found.solution_energy == pytest.approx(0.3)


def test_where_the_references_reach_the_composition_the_hull_decides():
    host, doped = phase("Li4Cl4", -29.6), phase("Li3NaCl4", -29.0)
    found = solved(host, doped, [NACL])
    assert found.route == "hull"
    assert found.reaction == "3 LiCl + NaCl → NaLi3Cl4"
    assert found.solution_energy == pytest.approx(-29.0 - (0.75 * -29.6 - 7.0))


def test_the_hosts_own_metastability_is_not_charged_to_the_ion():
    lower = phase("LiCl", -7.6)  # another form of the host, lower by 0.1 eV/atom
    host, doped = phase("Li4Cl4", -29.6), phase("Li3NaCl4", -29.0)
    found = solved(host, doped, [NACL, lower])
    # host + NaCl → doped + LiCl of the lower form: it is what is formed that gains
    assert found.solution_energy == pytest.approx((-29.0 - 7.6) - (-29.6 - 7.0))
    assert found.reaction == "Li4Cl4 + NaCl → NaLi3Cl4 + LiCl"
    assert found.above_hull == pytest.approx(0.1)
    assert found.decomposition == "LiCl"
    stable = solved(phase("Li4Cl4", -31.0), doped, [NACL, lower])
    assert stable.above_hull == 0.0
    assert stable.phase_separation == pytest.approx(-0.6 / 8)


def test_without_references_there_is_a_mixing_energy_and_it_is_no_solution_energy():
    host, doped = phase("Li4Cl4", -29.6), phase("Li3NaCl4", -29.0)
    found = solved(host, doped, [], full=NACL)
    assert found.mixing_energy == pytest.approx(-29.0 - (0.75 * -29.6 + 0.25 * -28.0))
    assert found.solution_energy is None
    assert "--references" in dict(found.absent)["solution_energy"]
    small = solved(host, doped, [], full=phase("NaCl", -7.0))
    assert small.mixing_energy == pytest.approx(found.mixing_energy)


@pytest.mark.parametrize(
    ("references", "told"),
    [
        ([LICL], "no reference holds Na"),
        ([NACL], "no reference holds Li"),
        ([phase("NaBr", -6.0), LICL], "a phase of each with the same partners"),
    ],
)
def test_what_cannot_be_balanced_says_why(references, told):
    found = solved(HOST, DOPED, references)
    assert found.solution_energy is None
    assert told in dict(found.absent)["solution_energy"]


OTHER = STAMP.model_copy(update={"version": "2"})


@pytest.mark.parametrize(
    ("host", "doped", "references", "full", "told"),
    [
        (HOST, DOPED, [phase("LiCl", -7.4, stamp=OTHER)], None, "levels of theory are not mixed"),
        (HOST, phase("NaLi23P4S20Cl4", -9.0, stamp=OTHER), [], None, "not mixed"),
        (HOST, DOPED, [phase("LiCl", -7.4, charge=-1)], None, "is charged (-1 e)"),
        (HOST, phase("NaLi22P4S20Cl4", -9.0), [], None, "exchanged for Na"),
        (HOST, HOST, [], None, "exchanged for Na"),
        (HOST, DOPED, [], phase("Na24P4S20Br4", -9.0), "all Li exchanged"),
    ],
)
def test_what_does_not_belong_together_is_refused(host, doped, references, full, told):
    with pytest.raises(InputError) as error:
        solved(host, doped, references, full=full)
    assert told in str(error.value)


FORMULAS = ("Li", "Na", "P", "S", "Li2S", "Na2S", "Li3PS4", "Na3PS4", "P2S5", "NaLi2PS4", "LiS4")
energies = st.lists(
    st.floats(-1.0, 1.0, allow_subnormal=False), min_size=len(FORMULAS), max_size=len(FORMULAS)
)


def drawn(values):
    """Phases with formation energies of up to 1 eV/atom, on any elemental energies."""
    base = {"Li": -1.9, "Na": -1.3, "P": -5.4, "S": -4.1}
    found = []
    for formula, value in zip(FORMULAS, values, strict=True):
        counts = Composition(formula)
        zero = sum(base[str(e)] * n for e, n in counts.items())
        element = len(counts) == 1
        found.append(phase(formula, zero + (0.0 if element else value * counts.num_atoms)))
    host = phase("Li6P2S8", sum(base[e] * n for e, n in (("Li", 6), ("P", 2), ("S", 8))) - 4.0)
    doped = phase("NaLi5P2S8", host.energy + base["Na"] - base["Li"] + 0.2)
    return host, doped, found


def entry(given):
    return PDEntry(Composition(given.count), given.energy)


@settings(max_examples=60, deadline=None)
@given(energies)
def test_hull_and_solution_energy_agree_with_pymatgen(values):
    host, doped, references = drawn(values)
    found = solved(host, doped, references)
    whole = PhaseDiagram([entry(each) for each in (*references, host)])
    alone = PhaseDiagram([entry(each) for each in references])
    own = whole.get_e_above_hull(entry(host), allow_negative=True) * host.size
    wanted = doped.energy - whole.get_hull_energy(Composition(doped.count)) - own
    assert found.route == "hull"
    assert found.solution_energy == pytest.approx(wanted, abs=1e-6)
    _, apart = alone.get_decomp_and_e_above_hull(entry(host), allow_negative=True)
    assert found.phase_separation == pytest.approx(apart, abs=1e-7)
    assert found.above_hull == pytest.approx(
        whole.get_e_above_hull(entry(host), allow_negative=True), abs=1e-7
    )


@settings(max_examples=25, deadline=None)
@given(energies)
def test_it_is_the_formation_energy_at_the_chemical_potentials_of_the_hull(values):
    host, doped, references = drawn(values)
    whole = PhaseDiagram([entry(each) for each in (*references, host)])
    mixture = lowest_mixture([host, *references], doped.count)
    assume(mixture.amounts[0] > 1e-3)  # the host is one of the phases in equilibrium
    potentials = whole.get_composition_chempots(Composition(doped.count))
    named = {str(element): value for element, value in potentials.items()}
    wanted = doped.energy - host.energy + named["Li"] - named["Na"]
    assert solved(host, doped, references).solution_energy == pytest.approx(wanted, abs=1e-6)
    for each in references:  # none of them precipitates
        assert sum(named[e] * n for e, n in each.atoms) <= each.energy + 1e-6


@settings(max_examples=6, deadline=None)
@given(energies, st.integers(2, 9), st.lists(st.floats(-9.0, 9.0), min_size=5, max_size=5))
def test_size_zero_of_energy_and_higher_phases_change_nothing(values, times, shifts):
    host, doped, references = drawn(values)
    zero = dict(zip(("Li", "Na", "P", "S", "Cl"), shifts, strict=True))

    def larger(given):
        atoms = tuple((e, n * times) for e, n in given.atoms)
        return given.model_copy(update={"atoms": atoms, "energy": given.energy * times})

    def shifted(given):
        more = sum(zero[e] * n for e, n in given.atoms)
        return given.model_copy(update={"energy": given.energy + more})

    def higher(given):
        return given.model_copy(update={"energy": given.energy + 0.01 * given.size})

    for case in ((host, doped, references), (HOST, DOPED, [NACL, LICL])):
        one, two, several = case
        before = solved(one, two, several)
        for after in (
            solved(larger(one), larger(two), several),
            solved(one, two, [larger(each) for each in several]),
            solved(shifted(one), shifted(two), [shifted(each) for each in several]),
            solved(one, two, [*several, *(higher(each) for each in several)]),
            solved(one, two, [*several, phase("Br2", -3.0)]),
            solved(one, two, several[::-1]),
        ):
            assert after.solution_energy == pytest.approx(before.solution_energy, abs=1e-6)
            assert after.route == before.route
            if before.above_hull is not None:
                assert after.above_hull == pytest.approx(before.above_hull, abs=1e-7)


@settings(max_examples=25, deadline=None)
@given(energies)
def test_every_reaction_is_balanced(values):
    host, doped, references = drawn(values)
    found = solved(host, doped, references)
    sums = []
    for side in found.reaction.split(" → "):
        total = Composition({})
        for term in side.split(" + "):
            number, _, formula = term.rpartition(" ")
            top, _, bottom = (number or "1").partition("/")
            total += Composition(formula) * (float(top) / float(bottom or 1))
        sums.append(total)
    assert sums[0].almost_equals(sums[1], rtol=1e-2, atol=1e-2)


def test_the_lowest_mixture_of_nothing_is_none():
    assert lowest_mixture([], {"Li": 1}) is None
    assert lowest_mixture([LICL], {"Li": 1}) is None
    two = lowest_mixture([LICL, phase("Li2S", -12.0)], {"Li": 3, "Cl": 1, "S": 1})
    assert two.energy == pytest.approx(-19.4)
    assert np.allclose(two.amounts, [1.0, 1.0])
