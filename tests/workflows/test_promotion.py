"""Rules of promotion: how they are read, and which hops they choose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dualion.records import Outcome
from dualion.workflows.promotion import Rule, barrier_of, select

WORDS = st.text(max_size=30)


def rule(text):
    return Rule.model_validate(text)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("all", {"kind": "all"}),
        (" ALL ", {"kind": "all"}),
        ("lowest 3", {"kind": "lowest", "count": 3, "per_ion": False}),
        ("Lowest  5 per\tion", {"kind": "lowest", "count": 5, "per_ion": True}),
        ("barrier < 0.6", {"kind": "below", "barrier": 0.6, "inclusive": False}),
        ("barrier<=.35 eV", {"kind": "below", "barrier": 0.35, "inclusive": True}),
    ],
)
def test_a_rule_is_read_as_a_person_writes_it(text, fields):
    read = rule(text)
    assert {name: getattr(read, name) for name in fields} == fields


@given(st.integers(1, 999_999), st.booleans())
def test_a_rule_of_lowest_hops_comes_back_from_its_own_text(count, per_ion):
    read = rule(f"lowest {count}{' per ion' if per_ion else ''}")
    assert rule(read.text) == read
    assert Rule.model_validate_json(read.model_dump_json()) == read


@given(st.floats(0.0001, 50.0), st.sampled_from(["<", "<="]))
def test_a_rule_of_a_barrier_comes_back_from_its_own_text(barrier, sign):
    read = rule(f"barrier {sign} {barrier:.6f}")
    assert read.barrier == pytest.approx(barrier, abs=1e-6)
    assert rule(read.text) == read
    assert Rule.model_validate_json(read.model_dump_json()) == read


@given(WORDS)
def test_anything_else_is_refused_with_the_forms_there_are(text):
    words = text.split()
    meant = words[:1] in (["all"], ["lowest"], ["barrier"]) or "".join(words).startswith("barrier<")
    if not meant:
        with pytest.raises(ValidationError, match="is no rule of promotion: write 'all'"):
            rule(text)


@pytest.mark.parametrize(
    "text", ["lowest 0", "barrier < 0", "barrier < -1", "barrier > 0.3", "lowest", "5", 5, None, []]
)
def test_a_rule_that_promotes_nothing_or_says_nothing_is_refused(text):
    with pytest.raises(ValidationError, match=r"promotes nothing|is no rule"):
        rule(text)


@pytest.fixture
def answers(make_record):
    """Four hops of Li and Cu; Cu has no barrier on the third, Li none on the fourth."""
    barriers = {
        "h1": (0.20, 0.50),
        "h2": (0.40, 0.30),
        "h3": (0.10, None),
        "h4": (None, 0.60),
    }
    made = []
    for place, pair in barriers.items():
        for ion, forward in zip(("Li", "Cu"), pair, strict=True):
            outcome = Outcome.CONVERGED if forward else Outcome.UNCONVERGED
            made.append(
                make_record(moving_ion=ion, class_id=place, forward=forward, outcome=outcome)
            )
    return made


def chosen(answers, text):
    return [(r.hop.class_id, r.moving_ion) for r in select(answers, rule(text)).promoted]


def test_both_ions_of_a_hop_are_promoted_together(answers):
    # Li's lowest is h3, where Cu has no barrier; Cu's lowest is h2.
    assert chosen(answers, "lowest 1 per ion") == [("h2", "Li"), ("h2", "Cu"), ("h3", "Li")]
    assert chosen(answers, "lowest 1") == [("h3", "Li")]
    assert chosen(answers, "lowest 2") == [("h1", "Li"), ("h1", "Cu"), ("h3", "Li")]
    assert chosen(answers, "barrier < 0.3") == [("h1", "Li"), ("h1", "Cu"), ("h3", "Li")]
    assert ("h2", "Li") in chosen(answers, "barrier <= 0.3")


def test_what_has_no_barrier_is_never_promoted_and_everything_left_is_told(answers):
    everything = select(answers, rule("all"))
    assert len(everything.promoted) == 6
    assert [each.reason for each in everything.left] == [
        "unconverged: no barrier to promote, its pair goes alone",
        "unconverged: no barrier to promote, its pair goes alone",
    ]
    some = select(answers, rule("lowest 1"))
    assert len(some.promoted) + len(some.left) == len(answers)
    assert "Li h1 24g–24g 3.26 Å pure" in [each.title for each in some.left if each.barrier]


def test_a_hop_counts_by_its_harder_direction(make_record):
    easy = make_record(class_id="h1", forward=0.1, reverse=0.7)
    even = make_record(class_id="h2", forward=0.4, reverse=0.4)
    assert barrier_of(easy) == pytest.approx(0.7)
    assert select([easy, even], rule("lowest 1")).promoted == (even,)
    assert select([easy, even], rule("barrier < 0.5")).promoted == (even,)


def test_surroundings_are_ranked_apart(make_record):
    pure = make_record(moving_ion="Li", forward=0.2)
    dilute = make_record(moving_ion="Cu", forward=0.5)
    mixed = [
        make_record(moving_ion=ion, label="x=0.25 #1", forward=0.3, record_id=f"mixed-{ion}")
        for ion in ("Li", "Cu")
    ]
    assert select([pure, dilute, *mixed], rule("lowest 1 per ion")).promoted == (
        pure,
        dilute,
        *mixed,
    )
    assert select([pure, dilute, *mixed], rule("lowest 1")).promoted == (pure, dilute)


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans(), st.floats(0.02, 2.0)), max_size=12),
       st.integers(1, 8))  # fmt: skip
def test_a_larger_share_holds_the_smaller_one(make_record, made, count):
    answers = {
        (place, ion): make_record(
            class_id=f"h{place}", moving_ion="Cu" if ion else "Li", forward=barrier
        )
        for place, ion, barrier in made
    }.values()
    few = select(list(answers), rule(f"lowest {count} per ion"))
    more = select(list(answers), rule(f"lowest {count + 1} per ion"))
    ids = [{r.record_id for r in each.promoted} for each in (few, more)]
    assert ids[0] <= ids[1]
    for ion in ("Li", "Cu"):
        own = [r for r in answers if r.moving_ion == ion]
        kept = [r for r in few.promoted if r.moving_ion == ion]
        assert len(kept) >= min(count, len(own))
