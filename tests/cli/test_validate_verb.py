"""The verb 'validate': what it lists, and what it says of wrong words."""

from __future__ import annotations

import json

import pytest


def test_a_dry_run_lists_hops_with_their_dois_and_writes_nothing(dualion, tree):
    answer = dualion("validate", "--engine", "emt", "--only", "spinel", "--dry-run", "--json")
    assert answer.code == 0
    rows = json.loads(answer.out)
    assert [(row["ion"], row["barrier"]) for row in rows] == [
        ("Li", 0.19),
        ("Na", 0.28),
        ("K", 0.42),
    ]
    assert all(row["doi"].startswith("10.") for row in rows)
    table = dualion("validate", "--engine", "emt", "--only", "rigid lattice", "--dry-run")
    assert "rigid-s-bcc" in table.out
    assert "10.1038/nmat4369" in table.out
    assert tree() == {}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--only", "perovskite"), "no hop of 'perovskite'"),
        (("--engine", "fsat"), "no engine 'fsat'"),
        (("--only", "rigid lattice", "--engine", "vasp"), "cannot hold a lattice still"),
    ],
)
def test_a_wrong_word_is_one_line(dualion, tree, words, told):
    answer = dualion("validate", *words)
    assert answer.code == 2
    assert told in answer.one_line_error()
    assert tree() == {}
