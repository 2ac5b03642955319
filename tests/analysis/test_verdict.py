"""Verdicts on networks whose answers are known."""

from __future__ import annotations

import math

import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dualion.analysis.criteria import Criteria, jump_rate, spread, trust_in
from dualion.analysis.jumps import ClassBarrier, jump_network
from dualion.analysis.passage import Movement, not_looked_at, passage
from dualion.analysis.verdict import Answer, answer_of, judge
from dualion.analysis.wish import ranked, read_wish
from dualion.errors import CationError, InputError
from dualion.records import BarrierError, Check, EngineStamp, Geometry, Mechanism, Outcome
from dualion.structures.hops import find_hops, working_sites
from dualion.structures.library import find_library

A, C = 3.5, 5.6
EXACT = Criteria(potential_error=0.0, functional_error=0.0, other_error=0.0)
NUMERIC = 0.005  # what a record without an error of its own counts with
PROVEN = BarrierError(
    residual=0.01,
    energy=0.004,
    fit_difference=0.0,
    verified=(Check.CONVERGED, Check.JOINS_ENDS),
)
FUNCTIONAL = EngineStamp(
    engine="dft", code="gpaw", version="26", parameters=(("functional", "PBE"),)
)


@pytest.fixture(scope="module")
def network():
    """Layers: hops within a plane (two directions), and between planes (all three)."""
    parent = Geometry.from_atoms(bulk("Li", "hcp", a=A, c=C))
    found = find_hops(
        parent,
        working_sites(parent, "Li"),
        mechanism=Mechanism.VACANCY,
        ion="Li",
        max_length=1.05 * A,
    )
    assert len(found.classes) == 2
    return found


def names(network):
    """Class within the plane, class between planes."""
    inside = next(k.class_id for k in network.classes if k.length == pytest.approx(A))
    return inside, next(k.class_id for k in network.classes if k.class_id != inside)


@pytest.fixture(scope="module")
def look(network, make_record):
    """Return the passage of an ion by the barriers of its classes; None: not computed."""

    def make(inside, between, *, ion="Li", criteria=EXACT, **fields):
        records = [
            make_record(class_id=name, moving_ion=ion, forward=height, with_images=False, **fields)
            for name, height in zip(names(network), (inside, between), strict=True)
            if height is not None
        ]
        if not records:
            trust = trust_in(make_record().theory, criteria)
            return not_looked_at(network, ion, "pure", trust=trust)
        return passage(network, records, ion, criteria=criteria)

    return make


def verdict(first, second, *, criteria=EXACT, temperature=300.0, theory=None):
    return judge(
        (first, second),
        framework="f",
        framework_fingerprint="0",
        formula="LiX",
        mechanism=Mechanism.VACANCY,
        theory=theory,
        temperature=temperature,
        criteria=criteria,
    )


@pytest.fixture(scope="module")
def theory(make_record):
    return make_record().theory


def test_the_lowest_way_decides_and_the_bounds_are_its_errors(look):
    found = look(0.3, 0.6, criteria=Criteria(potential_error=0.1))
    one, three = found.range("1D"), found.range("3D")
    assert (one.value, three.value) == pytest.approx((0.3, 0.6))
    assert (one.lowest, one.highest) == pytest.approx((0.2 - NUMERIC, 0.4 + NUMERIC))
    assert found.missing == ()


def test_a_class_that_is_missing_may_open_a_way_but_never_closes_one(look, network):
    inside, between = names(network)
    open_plane = look(0.3, None)
    assert open_plane.possible(EXACT, 300.0) == {Movement.MOVES}
    assert [m.class_id for m in open_plane.missing] == [between]
    assert open_plane.range("3D").value is None
    assert open_plane.range("3D").lowest is not None
    shut_plane = look(1.5, None)
    assert shut_plane.possible(EXACT, 300.0) == frozenset(Movement)
    assert shut_plane.range("1D").lowest == 0.0
    nothing = look(None, None)
    assert nothing.possible(EXACT, 300.0) == frozenset(Movement)
    assert {m.class_id for m in nothing.missing} == {inside, between}


def test_what_is_computed_throughout_and_high_is_blocked(look):
    assert look(1.0, 1.1).possible(EXACT, 300.0) == {Movement.BLOCKED}
    assert look(0.65, 1.1).possible(EXACT, 300.0) == {Movement.SLOW}


@pytest.mark.parametrize(
    "outcome", [Outcome.WRONG_MOVER, Outcome.UNCONVERGED, Outcome.FRAMEWORK_BROKEN]
)
def test_a_band_without_a_barrier_leaves_its_class_open(network, make_record, outcome):
    inside, between = names(network)
    records = [
        make_record(class_id=inside, forward=1.5),
        make_record(class_id=between, outcome=outcome),
    ]
    found = passage(network, records, "Li", criteria=EXACT)
    assert Movement.MOVES in found.possible(EXACT, 300.0)
    assert found.missing[0].class_id == between
    assert found.missing[0].reason == outcome.value.replace("_", " ")


def test_a_barrier_whose_proof_failed_does_not_count(network, make_record):
    inside, between = names(network)
    low = make_record(
        class_id=inside, forward=0.2, note="its saddles are not proven to join its ends"
    )
    high = make_record(class_id=between, forward=1.2)
    found = passage(network, [low, high], "Li", criteria=EXACT)
    assert found.missing[0].reason == "not proven (0.200 eV)"
    assert found.possible(EXACT, 300.0) == frozenset(Movement)
    strict = Criteria(require_proof=True)
    proven = make_record(class_id=inside, forward=0.2, error=PROVEN)
    assert passage(network, [proven, high], "Li", criteria=strict).missing[0].class_id == between


def test_errors_add_up(network, make_record):
    inside, between = names(network)
    records = [
        make_record(class_id=inside, forward=0.30, min_image_distance=8.0, error=PROVEN),
        make_record(class_id=between, forward=0.9, min_image_distance=8.0, error=PROVEN),
    ]
    criteria = Criteria(potential_error=0.1, small_cell_error=0.2)
    found = passage(network, records, "Li", criteria=criteria)
    assert found.range("1D").highest == pytest.approx(0.3 + NUMERIC + 0.1 + 0.2)
    assert "rank" in " ".join(found.doubts)
    fallen = [
        make_record(class_id=name, forward=height, member=n, broken_symmetry_host=True)
        for n, (name, height) in enumerate(((inside, 0.30), (inside, 0.42), (between, 0.9)))
    ]
    found = passage(network, fallen, "Li", criteria=EXACT)
    # A carrier needs all steps of its way: the higher member counts against it.
    assert found.range("1D").highest == pytest.approx(0.42 + NUMERIC)
    assert found.range("1D").lowest == pytest.approx(0.30 - NUMERIC)


HEIGHTS = st.one_of(st.none(), st.floats(0.02, 1.6))


@settings(deadline=None, max_examples=30)
@given(HEIGHTS, HEIGHTS, st.floats(0.0, 0.8), st.booleans())
def test_a_raised_barrier_never_frees_an_ion(look, inside, between, rise, first):
    before = look(inside, between)
    raised = [
        None if height is None else height + rise * (first is place)
        for height, place in ((inside, True), (between, False))
    ]
    after = look(*raised)
    for criteria in (EXACT, Criteria(dimensions=3)):
        old, new = (each.possible(criteria, 300.0) for each in (before, after))
        assert old
        if Movement.MOVES not in old:
            assert Movement.MOVES not in new
        if Movement.BLOCKED in old:
            assert Movement.BLOCKED in new
    for one, two in zip(before.ranges, after.ranges, strict=True):
        for bound in ("lowest", "highest"):
            a, b = (getattr(each, bound) for each in (one, two))
            assert (math.inf if b is None else b) >= (math.inf if a is None else a) - 1e-9


@settings(deadline=None, max_examples=30)
@given(HEIGHTS, HEIGHTS, HEIGHTS, HEIGHTS, st.floats(100.0, 900.0))
def test_swapping_the_pair_swaps_the_verdict(look, theory, a, b, c, d, kelvin):
    one, two = look(a, b), look(c, d, ion="Na", label="pure")
    there = verdict(one, two, temperature=kelvin, theory=theory)
    back = verdict(two, one, temperature=kelvin, theory=theory)
    mirror = {Answer.FIRST: Answer.SECOND, Answer.SECOND: Answer.FIRST}
    assert back.answer is mirror.get(there.answer, there.answer)
    assert back.confidence == there.confidence
    assert set(back.blocks) == set(there.blocks)
    if there.difference is not None:
        assert back.difference == pytest.approx(-there.difference)


@settings(deadline=None, max_examples=25)
@given(st.sampled_from([0.5, 0.8]), st.floats(-0.99, 0.99), st.floats(0.02, 0.14))
def test_error_bars_over_a_threshold_leave_it_undecided(look, theory, limit, place, error):
    criteria = Criteria(potential_error=error)
    height = limit + place * error
    one = look(height, 2.0, criteria=criteria)
    assert len(one.possible(criteria, 300.0)) > 1
    other = look(0.05, 0.05, ion="Na", label="pure", criteria=criteria)
    found = verdict(one, other, criteria=criteria, theory=theory)
    assert found.answer is Answer.UNDECIDED
    assert found.confidence == "none"
    assert found.to_compute


@pytest.fixture(scope="module")
def many():
    """A crystal with four kinds of sites and four classes of hops between them."""
    parent = find_library().load("lgps").parent
    found = find_hops(
        parent,
        working_sites(parent, "Li"),
        mechanism=Mechanism.VACANCY,
        ion="Li",
        max_length=None,
    )
    assert len({site.orbit for site in found.sites}) == len(found.classes) == 4
    return found


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.floats(-0.5, 0.5), min_size=4, max_size=4),
    st.lists(st.floats(0.02, 1.0), min_size=4, max_size=4),
    st.sets(st.integers(0, 3), max_size=3),
)
def test_the_truth_lies_within_the_bounds_whatever_is_hidden(
    many, make_record, levels, rises, hidden
):
    level = dict(zip(dict.fromkeys(site.orbit for site in many.sites), levels, strict=True))
    saddle = {
        each.class_id: max(level[orbit] for orbit in each.orbits) + rise
        for each, rise in zip(many.classes, rises, strict=True)
    }
    records = [
        make_record(
            class_id=each.class_id,
            # Levels of the vacancy, which starts where the ion ends.
            forward=saddle[each.class_id] - level[each.orbits[1]],
            reverse=saddle[each.class_id] - level[each.orbits[0]],
            with_images=False,
        )
        for each in many.classes
    ]
    whole = passage(many, records, "Li", criteria=EXACT)
    # All known: one energy scale, and each channel at the height of its limiting saddle.
    assert whole.mismatch == pytest.approx(0.0, abs=1e-9)
    for way in whole.channels.found:
        height = saddle[way.bottleneck] - min(levels)
        assert whole.range(way.what).value == pytest.approx(height, abs=1e-9)
    part = [record for k, record in enumerate(records) if k not in hidden]
    known = passage(many, part, "Li", criteria=EXACT)
    for truth, bound in zip(whole.ranges, known.ranges, strict=True):
        assert bound.lowest <= truth.value + 1e-9
        assert bound.highest is None or bound.highest >= truth.value - 1e-9


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.floats(-0.5, 0.5), min_size=4, max_size=4),
    st.lists(st.floats(-0.5, 0.5), min_size=4, max_size=4),
    st.lists(st.floats(0.02, 1.0), min_size=4, max_size=4),
)
def test_a_dopant_waits_for_vacancies_that_prefer_some_sites(
    many, make_record, dopant, vacancy, rises
):
    orbits = list(dict.fromkeys(site.orbit for site in many.sites))
    d, v = dict(zip(orbits, dopant, strict=True)), dict(zip(orbits, vacancy, strict=True))

    def states(each):
        first, last = each.orbits
        return d[first] + v[last], d[last] + v[first]

    saddle = {
        each.class_id: max(states(each)) + rise
        for each, rise in zip(many.classes, rises, strict=True)
    }
    records = [
        make_record(
            class_id=each.class_id,
            moving_ion="Na",
            host_ion="Li",
            label="dilute",
            forward=saddle[each.class_id] - states(each)[0],
            reverse=saddle[each.class_id] - states(each)[1],
            with_images=False,
        )
        for each in many.classes
    ]
    empty = {
        each.class_id: ClassBarrier(
            class_id=each.class_id,
            forward=2.0 - v[each.orbits[1]],
            reverse=2.0 - v[each.orbits[0]],
            records=(),
            error=0.0,
        )
        for each in many.classes
    }
    found = passage(many, records, "Na", criteria=EXACT, vacancies=jump_network(many, empty))
    assert found.needs == "Li"
    assert found.mismatch == pytest.approx(0.0, abs=1e-9)
    for way in found.channels.found:
        height = saddle[way.bottleneck] - min(d.values()) - min(v.values())
        assert found.range(way.what).value == pytest.approx(height, abs=1e-9)


@pytest.mark.parametrize(
    ("first", "second", "answer", "text"),
    [
        (0.2, 0.3, Answer.DUAL, "dual conductor"),
        (0.2, 1.3, Answer.FIRST, "selective for Li (blocks Na)"),
        (1.2, 0.3, Answer.SECOND, "selective for Na (blocks Li)"),
        (1.2, 0.7, Answer.NEITHER, "neither Li nor Na moves"),
        (0.2, 0.7, Answer.UNDECIDED, "undecided"),
    ],
)
def test_the_five_verdicts(look, theory, first, second, answer, text):
    one, two = look(first, first), look(second, second, ion="Na", label="pure")
    found = verdict(one, two, theory=theory)
    assert (found.answer, found.text) == (answer, text)
    assert found.ratio == pytest.approx(second / first)
    row = found.as_row()
    assert (row["first_1D"], row["second_1D"]) == pytest.approx((first, second))


def test_a_warm_crystal_opens_what_a_cold_one_blocks(look, theory):
    one, two = look(0.2, 0.2), look(0.95, 0.95, ion="Na", label="pure")
    assert verdict(one, two, theory=theory).answer is Answer.FIRST
    assert verdict(one, two, temperature=600.0, theory=theory).answer is Answer.DUAL
    # The scale is that of equal rates.
    low, high = EXACT.at(300.0)[0], EXACT.at(600.0)[0]
    assert jump_rate(low, 300.0) == pytest.approx(jump_rate(high, 600.0))


def test_a_diluted_ion_goes_nowhere_where_the_ion_around_it_is_blocked(look, theory):
    host = look(1.3, 1.3)
    guest = look(0.2, 0.2, ion="Na")  # 'dilute'
    assert guest.needs == "Li"
    found = verdict(host, guest, theory=theory)
    assert found.answer is Answer.UNDECIDED
    assert "vacancies" in found.criterion
    assert "full" in found.to_compute[-1]
    assert verdict(look(0.2, 0.2), guest, theory=theory).answer is Answer.DUAL


def test_a_verdict_is_as_sure_as_what_it_stands_on(network, make_record, look):
    def sound(ion, height):
        records = [
            make_record(
                class_id=name, moving_ion=ion, forward=height, error=PROVEN, label="pure",
                theory=make_record().theory.model_copy(update={"stamp": FUNCTIONAL}),
            )
            for name in names(network)
        ]  # fmt: skip
        return passage(network, records, ion, criteria=Criteria())

    theory = make_record().theory
    one = sound("Li", 0.2)
    assert one.trust.kind == "density functional"
    assert one.trust.error == 0.05
    assert verdict(one, sound("Na", 1.3), criteria=Criteria(), theory=theory).confidence == "high"
    # Within its errors, not within twice of them.
    assert verdict(one, sound("Na", 0.9), criteria=Criteria(), theory=theory).confidence == "fair"
    learned = look(0.2, 0.2, criteria=Criteria())
    assert learned.trust.kind == "machine-learned potential"
    assert "10.48550" in learned.trust.source
    assert verdict(learned, learned, criteria=Criteria(), theory=theory).confidence == "fair"
    fallen = look(0.2, 0.2, criteria=Criteria(), broken_symmetry_host=True)
    assert verdict(fallen, learned, criteria=Criteria(), theory=theory).confidence == "low"


@given(
    st.frozensets(st.sampled_from(Movement), min_size=1),
    st.frozensets(st.sampled_from(Movement), min_size=1),
)
def test_knowing_more_never_changes_what_was_decided(first, second):
    answer, _ = answer_of(first, second)
    if answer is not Answer.UNDECIDED:
        for a in first:
            for b in second:
                assert answer_of(frozenset([a]), frozenset([b]))[0] is answer


def test_wishes_sort_the_verdicts(look, theory):
    def pair(first, second, second_ion="Na"):
        two = look(second, second, ion=second_ion, label="pure")
        return verdict(look(first, first), two, theory=theory)

    dual, slower, keeps, leaky = pair(0.1, 0.2), pair(0.1, 0.4), pair(0.2, 1.4), pair(0.2, 0.9)
    other = pair(0.2, 1.4, "K")
    everything = [keeps, slower, other, dual, leaky]
    assert ranked(everything, read_wish("dual"))[:2] == (dual, slower)
    assert ranked(everything, read_wish("block:Na")) == (keeps, leaky, slower, dual)
    assert ranked(everything, read_wish("block:K")) == (other,)
    with pytest.raises(InputError, match="no verdict is about Ag"):
        ranked(everything, read_wish("block:Ag"))
    with pytest.raises(CationError):
        read_wish("block:Xx")
    with pytest.raises(InputError, match="unknown wish"):
        read_wish("fast")


def test_thresholds_in_the_wrong_order_are_refused():
    with pytest.raises(ValidationError, match="above blocked_above"):
        Criteria(moves_below=0.9, blocked_above=0.8)


def test_the_defaults_mean_micrometres():
    # By hand: 1e13 exp(-0.5/(8.617e-5*300)) = 4.0e4 jumps a second of 3 Å.
    assert jump_rate(0.5, 300.0) == pytest.approx(3.98e4, rel=0.01)
    assert spread(0.5, 300.0, 3600.0) == pytest.approx(3.0 * math.sqrt(2 * 3.98e4 * 3600), rel=0.01)
    assert spread(0.8, 300.0, 3.156e7) == pytest.approx(1.43e4, rel=0.02)
