from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualion.errors import CampaignError
from dualion.records import content_hash
from dualion.workflows.campaign import Campaign, load_campaign

MINIMAL = "name: a\nframework: licl\npair: [Li, Na]\n"


def write(folder, text):
    file = folder / "c.yaml"
    file.write_text(text)
    return file


def test_three_lines_are_a_campaign(tmp_path):
    campaign = load_campaign(write(tmp_path, MINIMAL))
    assert campaign.pair == ("Li", "Na")
    assert [doping.kind for doping in campaign.doping] == ["pure", "dilute"]
    assert campaign.cell.min_image_distance == 10.0


def test_doping_takes_words_and_fractions(tmp_path):
    text = MINIMAL + "doping: [full, {fraction: 0.25, arrangements: 3}]\n"
    full, part = load_campaign(write(tmp_path, text)).doping
    assert full.kind == "full"
    assert (part.kind, part.fraction, part.arrangements) == ("fraction", 0.25, 3)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bnad: {fmax: 0.1}", "unknown key 'bnad'"),
        ("band: {fmx: 0.1}", "unknown key 'fmx'"),
        ("band: {fmax: -1}", "band.fmax"),
        ("band: 7", "band"),
        ("band: {method: surrogate}", "add 'prior: chgnet'"),
        ("doping: [half]", "doping"),
        ("doping: []", "doping"),
        ("doping: [{fraction: 1.2}]", "doping"),
        ("doping: [{fraction: 0}]", "doping"),
        ("doping: [{fraction: .nan}]", "doping"),
        ("doping: [{fracton: 0.1}]", "doping"),
        ("doping: [empty]", "add 'mechanism: interstitial'"),
        ("mechanism: interstitial\ndoping: [pure, empty]", "a campaign of its own"),
        ("mechanism: teleport", "mechanism"),
        ("seed: -1", "seed"),
        ("seed: !!python/object/apply:os.system ['true']", "line 4"),
        ("band:\n\tfmax: 0.1", "line 5"),
        ("pair: [Li, Na]", "key 'pair' is given twice"),
        ("cell: {min_image_distance: .inf}", "cell.min_image_distance"),
    ],
)
def test_a_wrong_line_is_named_with_file_and_field(tmp_path, line, said):
    file = write(tmp_path, MINIMAL + line + "\n")
    with pytest.raises(CampaignError) as caught:
        load_campaign(file)
    message = str(caught.value)
    assert said in message
    assert str(file) in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("pair", "said"),
    [("[Li, Li]", "Li"), ("[Li, Xx]", "Xx"), ("[Li, Mg]", "Mg"), ("[Li]", "pair")],
)
def test_a_wrong_pair_is_named(tmp_path, pair, said):
    with pytest.raises(CampaignError, match=said):
        load_campaign(write(tmp_path, f"name: a\nframework: licl\npair: {pair}\n"))


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a..b", "x" * 81])
def test_a_name_cannot_leave_the_runs_folder(tmp_path, name):
    with pytest.raises(CampaignError, match="name"):
        load_campaign(write(tmp_path, MINIMAL.replace("name: a", f"name: {name!r}")))


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"\xff\xfe", b"a: b: c", b"{" * 5000])
def test_what_is_no_campaign_is_said_in_one_line(tmp_path, content):
    file = tmp_path / "c.yaml"
    file.write_bytes(content)
    with pytest.raises(CampaignError) as caught:
        load_campaign(file)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(CampaignError, match="cannot be read"):
        load_campaign(tmp_path / "none.yaml")


def message_of(file):
    try:
        load_campaign(file)
    except CampaignError as error:
        return str(error)
    return ""


@given(st.text(max_size=200))
def test_any_text_gives_a_campaign_or_a_one_line_error(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    assert "\n" not in message_of(file)


def test_the_settings_fingerprint_ignores_the_name_and_sees_the_physics():
    base = {"framework": "licl", "pair": ("Li", "Na")}
    one = Campaign(name="a", **base)
    assert one.settings_fingerprint == Campaign(name="b", **base).settings_fingerprint
    for change in ({"seed": 1}, {"band": {"fmax": 0.02}}, {"cell": {"min_image_distance": 11}}):
        other = Campaign.model_validate({"name": "a", **base, **change})
        assert other.settings_fingerprint != one.settings_fingerprint


def test_a_prior_is_part_of_the_settings_only_where_there_is_one(tmp_path):
    without = load_campaign(write(tmp_path, MINIMAL))
    with_prior = load_campaign(write(tmp_path, MINIMAL + "prior: chgnet\n"))
    on_surrogate = load_campaign(
        write(tmp_path, MINIMAL + "prior: chgnet\nband: {method: surrogate}\n")
    )
    assert on_surrogate.band.method == "surrogate"
    campaigns = (without, with_prior, on_surrogate)
    assert len({campaign.settings_fingerprint for campaign in campaigns}) == 3
    asked = without.model_dump(mode="json", include={"cell", "host", "relax", "path", "band"})
    asked |= {"seed": without.seed, "charge": 0}
    assert without.settings_fingerprint == content_hash(asked)
