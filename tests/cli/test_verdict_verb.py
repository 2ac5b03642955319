"""``dualion verdict``: tables, JSON, CSV, page, and errors in one line."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser

import pytest

from dualion.analysis.criteria import Criteria
from dualion.analysis.verdictpage import verdict_html
from dualion.launch.run import prepare
from dualion.records import Mechanism, Outcome
from dualion.store.opening import open_store
from dualion.workflows.verdicts import study

CAMPAIGN = """
name: {name}
framework: nacl.cif
pair: [Na, K]
engine: fast
cell: {{min_image_distance: 7.0}}
"""


@pytest.fixture
def salt(tmp_path, rocksalt, make_record):
    """A campaign on rocksalt NaCl and a store with records of it."""
    rocksalt()
    file = tmp_path / "salt.yaml"
    file.write_text(CAMPAIGN.format(name="salt"))
    prepared = prepare(file, here=False)
    where = make_record().provenance.model_copy(
        update={"framework_fingerprint": prepared.framework.fingerprint}
    )

    def fill(sodium=0.25, potassium=1.2, **fields):
        records = [
            make_record(
                framework=prepared.framework.name, host_ion="Na", moving_ion=ion, forward=height,
                provenance=where, **(fields if ion == "K" else {}),
            )
            for ion, height in (("Na", sodium), ("K", potassium))
        ]  # fmt: skip
        path = tmp_path / "salt.sqlite"
        with open_store(path) as opened:
            for record in records:
                opened.add(record)
        return prepared, records, str(path)

    return fill


def test_the_table_tells_the_verdict_and_what_it_stands_on(dualion, salt):
    _, _, store = salt()
    answer = dualion("verdict", "salt.yaml", "--store", store)
    assert answer.code == 0, answer.err
    assert "selective for Na (blocks K)" in " ".join(answer.out.split())
    assert "0.250" in answer.out
    assert "1.200" in answer.out


def test_json_and_csv(dualion, salt):
    _, _, store = salt()
    words = ("verdict", "salt.yaml", "--store", store, "--temperature", "300", "--temperature")
    found = json.loads(dualion(*words, "900", "--json").out)
    assert [each["temperature"] for each in found] == [300.0, 900.0]
    assert found[0]["answer"] == "selective for the first"
    assert found[1]["answer"] == "dual conductor"
    assert found[0]["descriptors"]["windows"]["windows"][0]["anions"] == ["Cl"] * 3
    assert found[0]["descriptors"]["ions"][1]["ion"] == "K"
    rows = list(csv.DictReader(io.StringIO(dualion(*words, "900", "--csv").out)))
    assert float(rows[0]["second_1D"]) == pytest.approx(1.2)
    assert float(rows[0]["difference"]) == pytest.approx(0.95)


def test_thresholds_come_from_options_before_the_file(dualion, salt, tmp_path):
    _, _, store = salt(potassium=0.9)
    words = ("verdict", "salt.yaml", "--store", store, "--json", "--theory-error", "0.01")
    assert json.loads(dualion(*words).out)[0]["answer"] == "selective for the first"
    file = tmp_path / "criteria.yaml"
    file.write_text("moves_below: 1.0\nblocked_above: 1.1\n")
    words = (*words, "--criteria", str(file))
    assert json.loads(dualion(*words).out)[0]["answer"] == "dual conductor"
    found = json.loads(dualion(*words, "--moves-below", "0.2").out)[0]
    assert found["answer"] == "neither"


def test_without_a_name_the_campaigns_with_records_are_judged(dualion, salt, tmp_path):
    _, _, store = salt()
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "nacl.cif").write_bytes((tmp_path / "nacl.cif").read_bytes())
    (folder / "salt.yaml").write_text(CAMPAIGN.format(name="salt"))
    (folder / "other.yaml").write_text(
        CAMPAIGN.format(name="other").replace("[Na, K]", "[Na, Ag]").replace("fast", "standard")
    )
    (folder / "again.yaml").write_text(CAMPAIGN.format(name="again"))
    found = json.loads(dualion("verdict", "--store", store, "--json").out)
    # Another campaign on the same pair adds nothing; of Ag there are no records, but of Na.
    assert [each["pair"] for each in found] == [["Na", "K"], ["Na", "Ag"]]
    assert found[1]["answer"] == "undecided"
    blocked = json.loads(dualion("verdict", "--store", store, "--json", "--want", "block:K").out)
    assert [each["pair"] for each in blocked] == [["Na", "K"]]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--temperature", "0"), "--temperature"),
        (("--temperature", "inf"), "--temperature"),
        (("--want", "everything"), "--want"),
        (("--want", "block:Zz"), "Zz"),
        (("--want", "block:Ag"), "no verdict is about Ag"),
        (("--moves-below", "-1"), "--moves-below"),
        (("--moves-below", "0.9"), "above blocked_above"),
        (("--dimensions", "4"), "--dimensions"),
        (("--theory-error", "9"), "--theory-error"),
        (("--criteria", "nowhere.yaml"), "nowhere.yaml"),
        (("--criteria", "bad.yaml"), "moves_below"),
        (("--fingerprint", "ffff"), "no records"),
        (("--page", "nacl.cif/page.html"), "page.html"),
    ],
)
def test_what_cannot_be_answered_is_one_line(dualion, salt, tmp_path, words, told):
    _, _, store = salt()
    (tmp_path / "bad.yaml").write_text("moves_belo: 0.4\n")
    error = dualion("verdict", "salt.yaml", "--store", store, *words).one_line_error()
    assert told in error


@pytest.mark.usefixtures("salt")
def test_no_campaign_and_no_store_are_one_line(dualion):
    assert "workflows/" in dualion("verdict").one_line_error()
    assert "nope.yaml" in dualion("verdict", "nope.yaml").one_line_error()
    assert "barriers.sqlite" in dualion("verdict", "salt.yaml").one_line_error()


class _Page(HTMLParser):
    """Tags, attributes and text of a page, and whether its tags close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "source", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_is_whole_and_loads_nothing(dualion, salt, tmp_path):
    _, _, store = salt()
    words = ("--temperature", "300", "--temperature", "900", "--page", "out/verdict.html")
    answer = dualion("verdict", "salt.yaml", "--store", store, *words)
    assert answer.code == 0, answer.err
    page = _Page((tmp_path / "out" / "verdict.html").read_text())
    assert "selective for Na (blocks K)" in page.text
    assert "dual conductor" in page.text  # at 900 K
    assert "Cl3" in page.text
    assert "10.1107/S0567739476001551" in page.text
    policy = [a["content"] for _, a in page.tags if a.get("http-equiv")]
    assert policy[0].startswith("default-src 'none'")
    assert all(tag not in {"script", "link", "iframe"} for tag, _ in page.tags)
    sources = [a[n] for _, a in page.tags for n in ("src", "srcset") if n in a]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)


def test_what_others_wrote_is_text_on_the_page(salt, monkeypatch):
    for module in ("verdictpage.verdict_png", "verdictpage.profile_png"):
        monkeypatch.setattr(f"dualion.analysis.{module}", lambda *_, **__: b"\x89PNG")
    prepared, records, _ = salt(outcome=Outcome.WRONG_MOVER)
    evil = "<script>alert(1)</script>\"'&"
    framework = prepared.framework.model_copy(update={"source": evil, "ordering": evil})
    theory = records[0].theory
    stamp = theory.stamp.model_copy(update={"engine": evil})
    theory = theory.model_copy(update={"stamp": stamp})
    records = [each.model_copy(update={"theory": theory, "note": evil}) for each in records]
    found = study(prepared.campaign, framework, records, criteria=Criteria())
    text = verdict_html([found], title=evil)
    page = _Page(text)
    assert "<script" not in text
    assert evil in page.text
    assert "undecided" in page.text
    assert "wrong mover" in page.text


def test_ions_alone_in_the_emptied_framework_are_judged_together(
    dualion, tmp_path, rocksalt, make_record
):
    rocksalt()
    file = tmp_path / "empty.yaml"
    lines = CAMPAIGN.format(name="empty") + "mechanism: interstitial\ndoping: [empty]\n"
    file.write_text(lines)
    framework = prepare(file, here=False).framework
    assert "Na" not in framework.parent.species
    pattern = make_record()
    where = pattern.provenance.model_copy(update={"framework_fingerprint": framework.fingerprint})
    hop = pattern.hop.model_copy(
        update={"mechanism": Mechanism.INTERSTITIAL, "initial": None, "final": None}
    )
    alone = pattern.arrangement.model_copy(update={"label": "empty", "fraction": 0.0})
    with open_store(tmp_path / "salt.sqlite") as opened:
        for ion, height in (("Na", 0.2), ("K", 1.3)):
            opened.add(
                make_record(
                    framework="nacl", host_ion="Na", moving_ion=ion, forward=height,
                    provenance=where, hop=hop, arrangement=alone,
                )
            )  # fmt: skip
    answer = dualion(
        "verdict", "empty.yaml", "--store", "salt.sqlite", "--json", "--page", "e.html"
    )
    assert answer.code == 0, answer.err
    (found,) = json.loads(answer.out)
    assert found["verdict"] == "selective for Na (blocks K)"
    page = _Page((tmp_path / "e.html").read_text())
    assert "the ion takes no other's place" in page.text
    assert "dualion solution" not in page.text
    answer = dualion("channels", "empty.yaml", "--store", "salt.sqlite", "--json")
    assert answer.code == 0, answer.err
    assert [row["ion"] for row in json.loads(answer.out)] == ["Na", "K"]


def test_a_solution_is_not_asked_for_where_there_is_nothing_to_exchange(
    dualion, tmp_path, rocksalt
):
    rocksalt()
    lines = CAMPAIGN.format(name="empty") + "mechanism: interstitial\ndoping: [empty]\n"
    (tmp_path / "empty.yaml").write_text(lines)
    answer = dualion("solution", "empty.yaml")
    assert answer.code == 2
    assert "no working ions to exchange" in answer.err
    assert "empty.yaml: doping" in answer.err
