"""A query string becomes a checked question, or an error in one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualion.errors import InputError
from dualion.explorer.questions import LONGEST, read_id, read_question
from dualion.records import Mechanism, Outcome


def test_every_field_is_read():
    asked = read_question(
        "level=ab&framework=li6ps5cl&cell=cd&pair=Li,Cu&ion=Cu&arrangement=dilute"
        "&mechanism=vacancy&outcome=barriers&campaign=x&min=0.1&max=0.4&sort=barrier:desc&offset=25"
    )
    assert asked.pair == ("Li", "Cu")
    assert asked.mechanism is Mechanism.VACANCY
    assert asked.outcomes == (Outcome.CONVERGED, Outcome.INTERMEDIATE_MINIMUM)
    wanted = asked.filter(("cd", "ef"))
    assert wanted.fingerprints == ("cd",)
    assert wanted.moving_ions == ("Cu",)
    assert (wanted.min_barrier, wanted.max_barrier, wanted.sort) == (0.1, 0.4, "barrier:desc")


def test_nothing_passes_where_no_level_fits():
    assert read_question("cell=zz").filter(("cd",)).fingerprints == ("-",)
    assert read_question("").filter(()).fingerprints == ("-",)


def test_an_ion_outside_the_pair_leaves_nothing():
    assert read_question("pair=Li,Cu&ion=Na").filter(("a",)).moving_ions == ("",)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("min=nan", "no number of eV"),
        ("max=inf", "no number of eV"),
        ("min=1e999", "no number of eV"),
        ("min=x", "no number of eV"),
        ("min=0.5&max=0.1", "swap them"),
        ("offset=-1", "no row number"),
        ("offset=1e3", "no row number"),
        ("offset=99999999999999999999", "no row number"),
        ("offset=%D9%A3", "no row number"),
        ("sort=id;DROP TABLE records", "cannot sort"),
        ("sort=barrier:up", "cannot sort"),
        ("pair=Li", "no pair"),
        ("pair=Li,Cu,K", "no pair"),
        ("mechanism=magic", "choose from vacancy"),
        ("outcome=good", "choose from barriers"),
        ("limit=5", "unknown field"),
        ("ion=Li&ion=Cu", "given twice"),
        ("ion=%FF", "cannot be read"),
        ("ion=%00", "control characters"),
        ("framework=" + "a" * 401, "too long"),
        ("framework=" + "a" * LONGEST, "characters"),
        ("&".join(["ion=Li"] * 50), "cannot be read"),
    ],
)
def test_a_bad_question_is_told(query, told):
    with pytest.raises(InputError, match=told) as caught:
        read_question(query)
    assert len(str(caught.value)) < 400


def test_one_record_is_named():
    assert read_id("id=ab12") == "ab12"
    for query in ("", "id=", "id=a&id=b", "id=a&x=1"):
        with pytest.raises(InputError):
            read_id(query)


@given(st.text(max_size=300))
def test_no_text_does_harm(text):
    told = ""
    try:
        read_question(text).filter(("a",))
    except InputError as error:
        told = str(error)
    assert "\n" not in told
    assert len(told) < 400
