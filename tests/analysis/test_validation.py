"""Errors and orders of ions on predictions whose answers are plain."""

from __future__ import annotations

import pytest

from dualion.analysis.validation import ReferencePrediction, Sign, deviation, pair_signs, validation
from dualion.errors import InputError
from dualion.records import EngineStamp, Outcome


def prediction(ion="Li", literature=0.3, predicted=0.2, **more):
    return ReferencePrediction(
        **{
            "label": f"x {ion} {literature}",
            "family": "spinel",
            "framework": "x",
            "ion": ion,
            "pair": "x",
            "literature": literature,
            "doi": "10.1000/xyz",
            "predicted": predicted,
            "outcome": Outcome.UNCONVERGED if predicted is None else Outcome.CONVERGED,
        }
        | more
    )


def test_what_has_no_barrier_is_counted_but_enters_no_mean():
    found = deviation("some", [prediction(), prediction(predicted=0.5), prediction(predicted=None)])
    assert (found.hops, found.barriers) == (3, 2)
    assert found.mean_absolute == pytest.approx(0.15)
    assert found.mean == pytest.approx(0.05)
    assert found.largest == pytest.approx(0.2)


def test_without_any_barrier_there_is_no_mean():
    found = deviation("none", [prediction(predicted=None)])
    assert (found.hops, found.barriers) == (1, 0)
    assert found.mean_absolute is None
    assert found.mean is None
    assert found.largest is None


@pytest.mark.parametrize(
    ("literature", "predicted", "sign"),
    [
        ((0.2, 0.4), (0.1, 0.5), Sign.RIGHT),
        ((0.4, 0.2), (0.5, 0.1), Sign.RIGHT),
        ((0.2, 0.4), (0.5, 0.1), Sign.WRONG),
        ((0.2, 0.4), (0.10, 0.11), Sign.TIED),
        ((0.2, 0.4), (0.11, 0.10), Sign.TIED),
        ((0.2, 0.4), (None, 0.1), Sign.MISSING),
        ((0.2, 0.4), (0.1, None), Sign.MISSING),
        ((0.20, 0.21), (0.1, 0.5), Sign.UNASKED),
        ((0.20, 0.21), (None, 0.5), Sign.UNASKED),
    ],
)
def test_the_order_of_two_ions(literature, predicted, sign):
    lithium = prediction("Li", literature[0], predicted[0])
    sodium = prediction("Na", literature[1], predicted[1])
    (found,) = pair_signs([sodium, lithium])
    assert found.ions == ("Li", "Na")
    assert found.literature == pytest.approx(literature[1] - literature[0])
    assert found.sign is sign


def test_three_ions_make_three_pairs_and_other_frameworks_none():
    three = [prediction(ion, 0.1 * k, 0.1 * k) for k, ion in enumerate(("K", "Li", "Na"), start=1)]
    alone = [prediction("Na", pair="y"), prediction("K", pair="")]
    found = pair_signs([*three, *alone])
    assert [each.ions for each in found] == [("Li", "Na"), ("Li", "K"), ("Na", "K")]
    assert {each.sign for each in found} == {Sign.RIGHT}


@pytest.mark.parametrize("more", [{"settings_fingerprint": "other"}, {"charge": -1}])
def test_barriers_computed_in_other_ways_are_not_ordered(more):
    with pytest.raises(InputError, match="other settings or charges"):
        pair_signs([prediction("Li"), prediction("Na", **more)])


def test_one_ion_cannot_be_its_own_partner():
    with pytest.raises(InputError, match="of one ion"):
        pair_signs([prediction("Li"), prediction("Li", 0.4)])


def test_the_share_of_right_orders_leaves_out_what_cannot_be_told():
    stamp = EngineStamp(engine="e", code="c", version="1")
    found = validation(
        stamp,
        [
            prediction("Li", 0.2, 0.1, family="a"),
            prediction("Na", 0.4, 0.3, family="a"),
            prediction("K", 0.6, None, family="b"),
            prediction("Li", 0.2, 0.3, family="b", pair="y"),
            prediction("Na", 0.4, 0.2, family="b", pair="y"),
        ],
    )
    assert (found.right, found.asked) == (1, 2)
    assert [(each.name, each.hops, each.barriers) for each in found.families] == [
        ("a", 2, 2),
        ("b", 3, 2),
    ]
    assert [each.name for each in found.ions] == ["Li", "Na", "K"]
    assert found.total.mean_absolute == pytest.approx((0.1 + 0.1 + 0.1 + 0.2) / 4)
    assert found.model_dump(mode="json")["right"] == 1
