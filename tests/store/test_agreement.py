"""A filter means the same to every store, to the summaries in memory, and to a plain reader."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dualion.records import (
    Arrangement,
    BarrierError,
    EngineStamp,
    LevelOfTheory,
    Outcome,
    Substitution,
)
from dualion.store.base import BarrierFilter
from dualion.store.mongo import MongoBarrierStore
from dualion.store.sqlite import SQLiteBarrierStore
from dualion.store.summary import Source, anion, composition, summary

HOSTS = {
    "Li24P4S20Cl4": ({"Li", "P", "S", "Cl"}, "S"),
    "Na32Cl32": ({"Na", "Cl"}, "Cl"),
    "Li3P": ({"Li", "P"}, "P"),
    "odd (formula)": (set(), ""),
}
IONS = ("Li", "Na", "Cu")
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")
SORTED = ("barrier", "barrier_error", "charge", "created", "pair", "hop_length")
numbers = itertools.count()


def stamp(engine):
    return EngineStamp(engine=engine, code="chgnet" if engine == "fast" else "vasp", version="1")


@st.composite
def fields(draw):
    """What makes a record differ, to be given to its factory."""
    outcome = draw(
        st.sampled_from([Outcome.CONVERGED, Outcome.INTERMEDIATE_MINIMUM, Outcome.BARRIERLESS])
    )
    host = draw(st.sampled_from(IONS))
    others = tuple(
        Substitution(atom=k, species=ion)
        for k, ion in enumerate(draw(st.lists(st.sampled_from(IONS), max_size=1)))
    )
    moment = f"{draw(st.sampled_from(DAYS))}T{draw(st.sampled_from(['00:00:00', '23:59:59.5']))}"
    return {
        "framework": draw(st.sampled_from(["a", "b", "Größe"])),
        "prototype": draw(st.sampled_from(["", "argyrodite"])),
        "formula": draw(st.sampled_from(list(HOSTS))),
        "host_ion": host,
        "moving_ion": draw(st.sampled_from(IONS)),
        "arrangement": Arrangement(label="dilute", fraction=0.1, substitutions=others),
        "class_id": draw(st.sampled_from(["h1", "h2"])),
        "outcome": outcome,
        "forward": draw(st.sampled_from([-0.1, 0.0, 0.2, 0.3])) if outcome.is_barrier else None,
        "reverse": draw(st.sampled_from([0.1, 0.25])) if outcome.is_barrier else None,
        "error": draw(
            st.sampled_from([None, BarrierError(residual=0.1, energy=0.01, fit_difference=0.0)])
        ),
        "theory": LevelOfTheory(
            stamp=stamp(draw(st.sampled_from(["fast", "dft"]))),
            charge=draw(st.sampled_from([-1, 0])),
            supercell=((1, 0, 0), (0, 1, 0), (0, 0, 1)),
            algorithm=draw(st.sampled_from(["1", "ingested", "literature"])),
        ),
        "created": draw(st.sampled_from([f"{moment}+00:00", moment, "unknown"])),
    }


def maybe(*values):
    return st.none() | st.sampled_from(values)


filters = st.builds(
    BarrierFilter,
    framework=maybe("a", "c"),
    frameworks=st.lists(st.sampled_from(["a", "Größe"]), max_size=2).map(tuple),
    prototype=maybe("", "argyrodite"),
    formula=maybe("Na32Cl32"),
    elements=st.lists(st.sampled_from(["Li", "Cl", "C"]), max_size=2).map(tuple),
    anion=maybe("S", "Cl", ""),
    pair=maybe(("Li", "Cu"), ("Na", "Li")),
    moving_ions=st.lists(st.sampled_from(IONS), max_size=2).map(tuple),
    host_ion=maybe("Li"),
    outcomes=st.lists(st.sampled_from(Outcome), max_size=2).map(tuple),
    min_barrier=maybe(-0.1, 0.2),
    max_barrier=maybe(0.1, 0.25),
    min_length=maybe(3.26, 3.5),
    max_length=maybe(3.26, 3.73),
    engine=maybe("fast"),
    code=maybe("vasp"),
    charge=maybe(0, -1),
    sources=st.lists(st.sampled_from(Source), max_size=2).map(tuple),
    fingerprint=maybe("", "1", "f", "zz"),
    campaign=maybe("argyrodite", "x"),
    hop_class=maybe("h1"),
    since=maybe(*DAYS, "2026-01-02T23:59:59.5Z"),
    until=maybe(*DAYS, "2026-01-02T23:59:59+00:00", "9999-12-31"),
    sort=maybe(*(f"{name}:{way}" for name in SORTED for way in ("asc", "desc"))),
    limit=st.none() | st.integers(0, 4),
    offset=st.integers(0, 3),
)


def passes(query, record):
    """Say in plain words what a filter means; written without looking at the stores."""
    hop, theory = record.hop, record.theory
    barrier = None if record.forward is None else max(record.forward, record.reverse)
    ions = {record.host_ion, record.moving_ion}
    if record.moving_ion == record.host_ion:
        ions |= {each.species for each in record.arrangement.substitutions}
    source = theory.algorithm if theory.algorithm in {"ingested", "literature"} else "computed"
    try:
        created = datetime.fromisoformat(record.provenance.created)
        created = created if created.tzinfo else created.replace(tzinfo=UTC)
    except ValueError:
        created = None
    simple = {
        "framework": record.framework,
        "prototype": record.prototype,
        "formula": record.formula,
        "anion": HOSTS[record.formula][1],
        "host_ion": record.host_ion,
        "engine": theory.stamp.engine,
        "code": theory.stamp.code,
        "charge": theory.charge,
        "campaign": record.provenance.campaign,
        "hop_class": hop.class_id,
    }
    yield all(getattr(query, n) in {None, value} for n, value in simple.items())
    yield not query.frameworks or record.framework in query.frameworks
    yield set(query.elements) <= HOSTS[record.formula][0]
    yield query.pair is None or ions <= set(query.pair)
    yield not query.moving_ions or record.moving_ion in query.moving_ions
    yield not query.outcomes or record.outcome in query.outcomes
    yield not query.sources or source in query.sources
    yield query.fingerprint is None or theory.fingerprint.startswith(query.fingerprint)
    yield query.min_barrier is None or (barrier is not None and barrier >= query.min_barrier)
    yield query.max_barrier is None or (barrier is not None and barrier <= query.max_barrier)
    yield query.min_length is None or hop.length >= query.min_length
    yield query.max_length is None or hop.length <= query.max_length
    for bound, sign in ((query.since, 1), (query.until, -1)):
        if bound is not None:
            time = datetime.fromisoformat(bound)
            time = time if time.tzinfo else time.replace(tzinfo=UTC)
            if sign < 0 and len(bound) == 10:
                time = datetime.combine(time, datetime.max.time(), UTC)
            yield created is not None and sign * (created - time) >= timedelta(0)


@pytest.fixture(scope="module")
def two_stores(tmp_path_factory, mongod):
    import pymongo

    folder = tmp_path_factory.mktemp("agreement")
    with (
        SQLiteBarrierStore(folder / "b.sqlite") as sqlite,
        MongoBarrierStore(mongod.address("dualion_agreement")) as mongo,
    ):
        yield sqlite, mongo
    with pymongo.MongoClient(mongod.address()) as client:
        client.drop_database("dualion_agreement")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    several=st.lists(fields(), min_size=1, max_size=6),
    queries=st.lists(filters, min_size=5, max_size=5),
)
def test_a_filter_means_the_same_everywhere(two_stores, make_record, several, queries):
    for each in several:
        created = each.pop("created")
        record = make_record(record_id=f"r{next(numbers):05d}", with_images=False, **each)
        stamped = record.provenance.model_copy(update={"created": created})
        for store in two_stores:
            assert store.add(record.model_copy(update={"provenance": stamped}))
    sqlite, mongo = two_stores
    records = list(sqlite.query())
    for query in queries:
        everything = query.unpaged.model_copy(update={"sort": None})
        expected = [r.record_id for r in records if all(passes(query, r))]
        assert sqlite.ids(everything) == tuple(expected)
        answers = {sqlite.ids(query), mongo.ids(query)}
        for store in two_stores:
            columns = store.columns()
            answers.add(tuple(columns.ids[columns.select(query)]))
            assert columns.count(query) == store.count(query) == len(store.ids(query))
            assert columns.count(query.unpaged) == len(expected)
        assert len(answers) == 1
        if query.sort is None:
            stop = None if query.limit is None else query.offset + query.limit
            assert answers == {tuple(expected[query.offset : stop])}


@pytest.mark.parametrize("formula", HOSTS)
def test_elements_and_anion_of_a_formula(formula):
    assert (set(composition(formula)), anion(formula)) == HOSTS[formula]


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("Na3OCl", "O"),
        ("LiFePO4", "O"),
        ("Li3N", "N"),
        ("Li6PS5I", "S"),
        ("AgI", "I"),
        ("Li", ""),
        ("", ""),
        ("Li1e9", ""),
        ("Li" + "9" * 400, ""),
    ],
)
def test_the_anion_is_the_most_frequent_one(formula, expected):
    assert anion(formula) == expected


@pytest.mark.parametrize(
    "bad",
    [
        {"elements": ("S.*",)},
        {"elements": ("Cl\n",)},
        {"since": "yesterday"},
        {"until": ""},
        {"min_barrier": float("nan")},
        {"max_length": float("inf")},
        {"limit": 2**80},
        {"offset": -1},
        {"charge": 10**30},
        {"framework": "\ud800"},
        {"sources": ("rumour",)},
    ],
)
def test_a_filter_that_means_nothing_is_refused(bad):
    with pytest.raises(ValidationError):
        BarrierFilter(**bad)


def test_the_error_of_what_is_no_barrier_is_no_number(make_record):
    error = BarrierError(residual=0.1, energy=0.01, fit_difference=0.0)
    assert summary(make_record(error=error))["barrier_error"] == 0.01
    row = summary(make_record(error=error, outcome=Outcome.WRONG_MOVER))
    assert row["barrier_error"] is None
