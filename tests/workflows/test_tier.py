"""Tiers in a campaign file: what they may say, and what they stand for."""

from __future__ import annotations

import pytest

from dualion.errors import CampaignError
from dualion.workflows.campaign import Campaign, load_campaign
from dualion.workflows.ladder import Ladder, ladder_of
from dualion.workflows.pair import engine_of

HEAD = """
name: metal
framework: cu.cif
pair: [Cu, Ag]
engine: emt
band: {fmax: 0.04, spring: 3.0}
host: {rattle: 0.1, relax: {fmax: 0.02, steps: 77}}
"""


def campaign(tmp_path, tiers):
    file = tmp_path / "metal.yaml"
    file.write_text(HEAD + tiers)
    return load_campaign(file)


def test_a_tier_is_the_campaign_with_its_own_engine_and_what_it_sets_itself(tmp_path):
    read = campaign(
        tmp_path,
        "tiers:\n"
        "  - engine: chgnet\n"
        "    promote: lowest 5 per ion\n"
        "    volumes: false\n"
        "    band: {fmax: 0.1}\n"
        "    host: {relax: {steps: 9}}\n"
        "    device: cpu\n"
        "  - {engine: 7net-0, promote: barrier < 0.6}\n",
    )
    first, second, third = ladder_of(read).rungs
    assert first.campaign == read.model_copy(update={"tiers": ()})
    assert (second.campaign.engine, second.campaign.device) == ("chgnet", "cpu")
    assert (second.campaign.band.fmax, second.campaign.band.spring) == (0.1, 3.0)
    assert (second.campaign.host.rattle, second.campaign.host.relax.steps) == (0.1, 9)
    assert second.campaign.host.relax.fmax == 0.02
    assert not second.volumes
    # Each tier stands on the campaign, not on the tier before.
    assert third.campaign.band == read.band
    assert third.campaign.device == "auto"
    assert third.promote.text == "barrier < 0.6"


def test_a_campaign_and_its_ladder_come_back_from_json(tmp_path):
    read = campaign(tmp_path, "tiers:\n  - {engine: chgnet, promote: all, band: {fmax: 0.03}}\n")
    again = Campaign.model_validate_json(read.model_dump_json())
    assert again == read
    # 0.03 is the default of a band, but not what this campaign says: it must not get lost.
    assert ladder_of(again).rungs[1].campaign.band.fmax == 0.03
    ladder = ladder_of(read)
    assert Ladder.model_validate_json(ladder.model_dump_json()) == ladder


@pytest.mark.parametrize(
    ("tiers", "words"),
    [
        ("tiers:\n  - {engine: chgnet}\n", ["tiers.0.promote", "is missing"]),
        ("tiers:\n  - {engine: chgnet, promote: best}\n", ["tiers.0.promote", "lowest 5 per ion"]),
        ("tiers:\n  - {engine: chgnet, promote: all, bnad: {}}\n", ["bnad", "did you mean 'band'"]),
        ("tiers:\n  - {engine: chgnet, promote: all, cell: {}}\n", ["cell", "known keys"]),
        (
            "tiers:\n  - {engine: chgnet, promote: all, band: {fmax: -1}}\n",
            ["tiers.0.band.fmax", "greater than 0", "-1"],
        ),
        (
            "tiers:\n  - {engine: chgnet, promote: all, band: {fmx: 1}}\n",
            ["tiers.0.band.fmx", "did you mean 'fmax'"],
        ),
        ("tiers: chgnet\n", ["tiers"]),
    ],
)
def test_a_bad_tier_is_named_with_what_to_write(tmp_path, tiers, words):
    with pytest.raises(CampaignError) as caught:
        campaign(tmp_path, tiers)
    for word in words:
        assert word in str(caught.value)


def test_a_tier_of_the_same_level_of_theory_is_refused(tmp_path):
    read = campaign(
        tmp_path,
        "tiers:\n  - {engine: fast, promote: all}\n  - {engine: chgnet, promote: all}\n",
    )
    with pytest.raises(CampaignError, match=r"tiers\.1.*engine chgnet, charge \+0"):
        ladder_of(read)


def test_a_surrogate_tier_leans_on_the_engine_before_it_unless_it_names_another(tmp_path):
    read = campaign(
        tmp_path,
        "tiers:\n"
        "  - {engine: chgnet, promote: all, band: {method: surrogate}}\n"
        "  - {engine: 7net-0, promote: all, band: {method: surrogate}, prior: emt}\n"
        "  - {engine: 7net-l3i5, promote: all}\n",
    )
    first, *further = ladder_of(read).rungs
    assert first.campaign.prior is None
    assert [each.campaign.prior for each in further] == ["emt", "emt", None]
    chgnet = engine_of(further[0].campaign)
    assert chgnet.category == "ase+chgnet"


def test_each_tier_says_for_itself_whether_its_force_calls_are_jobs(tmp_path):
    read = campaign(
        tmp_path,
        "tiers:\n"
        "  - {engine: fast, promote: all, evaluations: jobs}\n"
        "  - {engine: 7net-0, promote: all}\n",
    )
    assert [each.campaign.outer for each in ladder_of(read).rungs] == [False, True, False]
