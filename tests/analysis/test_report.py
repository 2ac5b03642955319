"""The report page: complete, escaped, self-contained."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

import pytest

from dualion.analysis.promotion import Left, Promotion
from dualion.analysis.report import RunFacts, report_html, write_report
from dualion.errors import RunError
from dualion.records import Arrangement, BarrierError, Check, Finding, HostState, Outcome, Supercell

VOID = {"meta", "img", "source", "br"}
FACTS = RunFacts(wall_seconds=3725.4, force_calls=1840, jobs=31, failed_jobs=2)
ERROR = BarrierError(
    residual=0.0211,
    energy=0.0041,
    fit_difference=0.0007,
    verified=(Check.CONVERGED, Check.RESOLVED),
    unverified=(Check.JOINS_ENDS,),
)
UNIT = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


class Page(HTMLParser):
    """Checks that tags close in order; keeps tags, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words, self.rows = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []
        self.text = "".join(self.words)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)
        if self.open and self.open[-1] in {"td", "th"}:
            self.rows[-1][-1] += data

    def attributes(self, *names):
        return [a[name] for _, a in self.tags for name in names if name in a]


def read(records, **keywords):
    keywords = {"title": "Li and Cu", "campaign_text": "name: x", "run_facts": FACTS, **keywords}
    return Page(report_html(records, **keywords))


@pytest.fixture
def drawn(monkeypatch):
    """Record what would be drawn instead of drawing it, which takes most of the time."""
    calls = []

    def fake(records, *, pair=None, dark=False):
        calls.append((list(records), pair, dark))
        return b"\x89PNG"

    monkeypatch.setattr("dualion.analysis.report.profile_png", fake)
    return calls


@pytest.fixture
def pair(make_record):
    return [
        make_record(forward=0.2184, reverse=0.1512, error=ERROR),
        make_record(moving_ion="Cu", forward=0.6301, reverse=0.5209),
    ]


@pytest.fixture
def host(make_record):
    return HostState(
        parent=make_record().images.geometry(0),
        supercell=Supercell(
            matrix=UNIT,
            geometry=make_record().images.geometry(0),
            parent_index=(0, 1, 2, 3),
            parent_image=((0, 0, 0),) * 4,
            min_image_distance=10.2,
        ),
        energy=-20.4,
        symmetric_energy=-20.0,
        broken_symmetry=True,
        volume_change=0.012,
        lattice_change=0.004,
        findings=(
            Finding(check="fall after a rattle", value=0.1, limit=0.002, unit="eV", passed=False),
        ),
    )


@pytest.mark.usefixtures("drawn")
def test_the_table_holds_the_numbers_of_the_records(pair):
    page = read(pair)

    assert [
        "h1 24g–24g 3.26 Å", "pure/dilute",
        "0.218 eV", "0.151 eV", "± 0.005 eV", "+0.067 eV",
        "0.630 eV", "0.521 eV", "–", "+0.109 eV",
        "+0.412 eV", "2.89",
    ] in page.rows  # fmt: skip
    cost = ["3.42 Å", "0.31 Å", "0.080 Å", "1.2 %", "–"]
    assert ["h1 24g–24g 3.26 Å", "pure/dilute", *cost, *cost] in page.rows


@pytest.mark.usefixtures("drawn")
def test_headers_and_cells_of_a_table_match(pair, make_record):
    for records in (pair, pair[:1], [*pair, make_record(class_id="h2")]):
        page = read(records)
        hops = [row for row in page.rows if row and row[0].startswith("h1 ")]
        heads = [row for row in page.rows if row and row[0] == "hop"]
        assert [len(row) for row in hops] == [len(row) for row in heads]


def test_nothing_is_loaded_from_outside_and_nothing_runs(pair):
    page = read(pair)

    assert all(
        link.startswith("data:image/png;base64,")
        for link in page.attributes("src", "href", "srcset", "data", "action")
    )
    assert not {"script", "link", "iframe", "object", "form"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, a in page.tags for name in a)
    policy = next(a["content"] for _, a in page.tags if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    style = report_html(pair, title="", campaign_text="", run_facts=FACTS)
    assert "url(" not in style
    assert "@import" not in style


def test_pictures_are_inside_for_light_and_dark(pair):
    page = read(pair)

    pictures = page.attributes("src", "srcset")
    assert len(set(pictures)) == len(pictures) == 2
    for link in pictures:
        assert base64.b64decode(link.partition(",")[2]).startswith(b"\x89PNG")
    (alt,) = page.attributes("alt")
    assert "h1 24g–24g 3.26 Å" in alt


EVIL = "</style></pre><script>alert('\"&amp;')</script><img src=x onerror=1>"


@pytest.mark.usefixtures("drawn")
def test_every_text_of_a_user_is_escaped(make_record, host):
    first = make_record()
    stamp = first.theory.stamp.model_copy(
        update={"engine": EVIL, "code": EVIL, "version": EVIL, "parameters": ((EVIL, EVIL),)}
    )
    record = make_record(
        framework=EVIL,
        prototype=EVIL,
        formula=EVIL,
        host_ion=EVIL,
        moving_ion=EVIL,
        note=EVIL,
        record_id=EVIL,
        arrangement=Arrangement(label=EVIL, fraction=0.0),
        hop=first.hop.model_copy(update={"class_id": EVIL, "orbits": (EVIL, EVIL)}),
        theory=first.theory.model_copy(update={"stamp": stamp}),
        findings=(Finding(check=EVIL, value=1.0, limit=2.0, unit=EVIL, passed=False),),
        provenance=first.provenance.model_copy(
            update={"campaign": EVIL, "dualion": EVIL, "created": EVIL}
        ),
    )
    finding = Finding(check=EVIL, value=1.0, unit=EVIL)
    page = read(
        [record],
        title=EVIL,
        campaign_text=EVIL,
        run_facts=FACTS.model_copy(update={"machine": EVIL, "further": ((EVIL, EVIL),)}),
        host_states=[host.model_copy(update={"findings": (finding,)})],
    )

    assert not any(tag == "script" or "onerror" in a for tag, a in page.tags)
    assert [a["src"][:5] for tag, a in page.tags if tag == "img"] == ["data:"]
    assert page.text.count(EVIL) > 15


@pytest.mark.usefixtures("drawn")
def test_the_evidence_of_each_record_is_there(make_record):
    findings = (
        Finding(check="climbing force", value=0.0213, limit=0.03, unit="eV/Å"),
        Finding(check="largest PS4 angle change", value=22.5, limit=20.0, unit="°", passed=False),
        Finding(check="no limit", value=float("nan")),
    )
    record = make_record(
        findings=findings, note="kept for its path", forward_fit=0.2311, error=ERROR
    )
    page = read([record])

    assert ["climbing force", "0.0213 eV/Å", "0.03 eV/Å", "passed"] in page.rows
    assert ["largest PS4 angle change", "22.5 °", "20 °", "not passed"] in page.rows
    assert ["no limit", "nan", "–", "passed"] in page.rows
    for text in (
        "kept for its path",
        "0.231 eV",
        "± 0.005 eV",
        "0.0007 eV",
        "0.021 eV/Å",
        "forces converged; no higher point between the images",
        "saddle joins the ends",
        record.record_id,
        record.theory.fingerprint,
        record.theory.stamp.model_sha256,
        "chgnet 0.4.2",
        record.provenance.created,
        record.provenance.settings_fingerprint,
    ):
        assert text in page.text
    assert "1 barrier has a check that did not pass" in page.text


@pytest.mark.usefixtures("drawn")
def test_the_warnings_fit_the_records(make_record):
    plain = make_record(sha=None)
    assert "machine-learned" not in read([plain]).text
    assert "Ranking only" not in read([plain]).text
    assert "Broken symmetry" not in read([plain]).text

    doubtful = make_record(min_image_distance=8.6, broken_symmetry_host=True)
    text = read([doubtful]).text
    assert "0.1–0.15 eV" in text
    assert "Ranking only: images less than 10 Å apart (down to 8.6 Å)" in text
    assert "Broken symmetry" in text
    assert "0.218 eV*" in text


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if not outcome.is_barrier])
@pytest.mark.usefixtures("drawn")
def test_what_is_no_barrier_is_a_word(make_record, outcome):
    bare = make_record(outcome=outcome, energies=(), coordinates=(), tangent_forces=())
    page = read([bare.model_copy(update={"energy_difference": None, "findings": ()})])

    word = outcome.value.replace("endpoint", "end point").replace("_", " ")
    assert word in next(row for row in page.rows if row[0].startswith("h1 "))
    assert f"1 record: 1 {word}." in page.text
    assert " eV" not in "".join("".join(row) for row in page.rows)


@pytest.mark.usefixtures("drawn")
def test_levels_of_theory_have_their_own_tables(make_record):
    page = read([make_record(forward=0.2), make_record(engine="standard", forward=0.3)])

    assert page.text.count("What the framework pays") == 2
    assert "2 levels of theory" in page.text


def test_many_hops_are_all_drawn_in_several_pictures(make_record, drawn):
    records = [make_record(moving_ion=ion, member=k) for ion in ("Li", "Cu") for k in range(13)]
    page = read(records)

    alts = page.attributes("alt")
    assert len(alts) == 2
    assert sum(alt.count("24g–24g") for alt in alts) == 13
    for dark in (False, True):
        shown = [r.record_id for some, _, is_dark in drawn if is_dark is dark for r in some]
        assert sorted(shown) == sorted(r.record_id for r in records)


@pytest.mark.usefixtures("drawn")
def test_hosts_and_run_are_described(pair, host):
    text = read(pair, host_states=[host], campaign_text="pair: [Li, Cu]").text

    assert "no minimum: a lower structure without symmetry is used" in text
    assert "−0.400 eV" in text
    assert "−100.0 meV" in text
    assert "1 h 2 min 5 s" in text
    assert "31, 2 failed" in text
    assert "1840" in text
    assert "pair: [Li, Cu]" in text


def test_a_report_of_nothing_is_still_a_page():
    assert "0 records." in read([]).text


@pytest.mark.usefixtures("drawn")
def test_the_file_is_whole_and_replaces_an_older_one(tmp_path, pair):
    path = tmp_path / "run" / "report.html"
    for title in ("first", "second"):
        written = write_report(
            pair, path, title=title, campaign_text="", run_facts=FACTS, pair=("Li", "Cu")
        )
        assert written == path
        assert f"<h1>{title}</h1>" in path.read_text(encoding="utf-8")
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


@pytest.mark.usefixtures("drawn")
def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path, pair):
    (tmp_path / "report.html").mkdir()

    with pytest.raises(RunError, match=r"cannot write the report \(Is a directory\)"):
        write_report(pair, tmp_path / "report.html", title="x", campaign_text="", run_facts=FACTS)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_tiers_stand_side_by_side_and_are_never_mixed(make_record):
    low = make_record(moving_ion="Li", forward=0.2)
    other = make_record(moving_ion="Cu", forward=0.5)
    high = make_record(moving_ion="Li", forward=0.33, engine="dft", charge=-1)
    link = high.provenance.model_copy(update={"started_from": low.record_id})
    promotion = Promotion(
        source="fast",
        target="dft",
        rule="lowest 1",
        promoted=("Li h1",),
        left=(Left(title="Cu h1", reason="unconverged: no barrier to promote"),),
    )
    page = read([low, other, high.model_copy(update={"provenance": link})], promotions=(promotion,))
    assert "fast → dft: 1 of 2 promoted (lowest 1); 1 without a barrier" in page.text
    assert "Cu h1: unconverged: no barrier to promote" in page.text
    assert ["hop", "arrangement", "ion", "fast, neutral", "dft, charge −1", "shift"] in page.rows
    row = ["h1 24g–24g 3.26 Å", "pure", "Li", "0.200 eV", "0.330 eV", "+0.130 eV"]
    assert row in page.rows
    assert "Li: mean shift +0.130 eV (1 hop)" in page.text
    # In no other table do the two levels meet.
    mixed = [r for r in page.rows if "0.200 eV" in r and "0.330 eV" in r]
    assert mixed == [row]
    assert "Tiers" not in read([low, other]).text
