"""Two ions side by side."""

from __future__ import annotations

import itertools
import random

import pytest

from dualion.analysis.compare import compare, comparison_table, environment
from dualion.analysis.comparison import measure, outcome_word, percent
from dualion.errors import InputError
from dualion.records import Arrangement, BarrierError, Outcome, Substitution


def doped(label, *atoms):
    return Arrangement(
        label=label,
        fraction=len(atoms) / 24,
        substitutions=tuple(Substitution(atom=k, species="Cu") for k in atoms),
    )


def test_both_ions_of_one_hop_share_a_row_with_difference_and_ratio(make_record):
    records = [make_record(forward=0.2, reverse=0.1), make_record(moving_ion="Cu", forward=0.5)]
    comparison = compare(records, pair=("Li", "Cu"))

    (row,) = comparison.groups[0].rows
    assert [cell.ion for cell in row.cells] == ["Li", "Cu"]
    assert (row.cells[0].forward, row.cells[0].reverse) == (0.2, 0.1)
    assert row.difference == pytest.approx(0.3)
    assert row.reverse_difference == pytest.approx(0.4)
    assert row.ratio == pytest.approx(2.5)
    assert row.arrangement == "pure/dilute"
    assert comparison.notes == ()


def test_the_order_of_the_pair_is_the_order_of_the_columns(make_record):
    records = [make_record(forward=0.2), make_record(moving_ion="Cu", forward=0.5)]
    (row,) = compare(records, pair=("Cu", "Li")).groups[0].rows

    assert [cell.ion for cell in row.cells] == ["Cu", "Li"]
    assert row.difference == pytest.approx(-0.3)


def test_the_order_of_the_records_does_not_matter(make_record):
    records = [
        make_record(moving_ion=ion, class_id=name, label=label)
        for ion, name, label in itertools.product(
            ("Li", "Cu"), ("h1", "h2", "h10"), (None, "x=0.25 #1", "full")
        )
    ]
    whole = compare(records)
    shuffled = list(records)
    random.Random(1).shuffle(shuffled)  # noqa: S311 - an order, not a secret

    assert compare(shuffled) == whole
    assert [(row.class_id, row.arrangement) for row in whole.groups[0].rows] == [
        (name, label)
        for name in ("h1", "h2", "h10")
        for label in ("pure/dilute", "x=0.25 #1", "full")
    ]


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if not outcome.is_barrier])
def test_what_is_no_barrier_is_a_word_and_never_a_number(make_record, outcome):
    records = [make_record(), make_record(moving_ion="Cu", outcome=outcome, forward=0.7654)]
    comparison = compare(records)

    (row,) = comparison.groups[0].rows
    assert row.cells[1].text == outcome_word(outcome)
    assert row.difference is row.reverse_difference is row.ratio is None
    header, line = comparison_table(comparison)
    cell = dict(zip(header, line, strict=True))
    assert cell["Cu forward"] == outcome_word(outcome)
    assert (cell["Cu reverse"], cell["Cu−Li"], cell["Cu/Li"]) == ("–", "–", "–")
    (flat,) = comparison.as_rows()
    assert flat["Cu_outcome"] == outcome.value
    assert flat["Cu_forward"] is flat["Cu_reverse"] is flat["Cu_forward_fit"] is None
    assert "0.7654" not in row.model_dump_json() + str(flat) + str(line)


def test_levels_of_theory_never_share_a_table(make_record):
    kinds = [{}, {"engine": "standard"}, {"charge": -1}]
    records = [
        make_record(moving_ion=ion, **kind, forward=0.1 * k + 0.1)
        for k, kind in enumerate(kinds)
        for ion in ("Li", "Cu")
    ]
    comparison = compare(records)

    assert len(comparison.groups) == 3
    by_id = {record.record_id: record for record in records}
    for group in comparison.groups:
        for row in group.rows:
            for cell in row.cells:
                assert by_id[cell.record_id].theory.fingerprint == group.fingerprint
    assert "3 levels of theory" in comparison.notes[0]
    with pytest.raises(InputError, match="cannot share a table"):
        comparison_table(comparison)
    assert {flat["fingerprint"] for flat in comparison.as_rows()} == set(comparison.fingerprints)


def test_one_level_of_theory_is_chosen_by_its_first_digits(make_record):
    records = [make_record(), make_record(engine="standard"), make_record(engine="accurate")]
    for record in records:
        chosen = compare(records, fingerprint=record.theory.fingerprint[:8])
        assert chosen.fingerprints == (record.theory.fingerprint,)
        assert chosen.notes == ()

    with pytest.raises(InputError, match="fits 0 levels") as caught:
        compare(records, fingerprint="xyz")
    assert all(record.theory.fingerprint in str(caught.value) for record in records)
    with pytest.raises(InputError, match="fits 3 levels"):
        compare(records, fingerprint="")


def test_other_parent_cells_of_the_same_name_are_kept_apart(make_record):
    first = make_record()
    source = first.provenance.model_copy(update={"framework_fingerprint": "f" * 16})
    second = make_record(moving_ion="Cu", provenance=source)
    comparison = compare([first, second])

    assert len(comparison.groups) == 2
    assert "different parent cells" in comparison.notes[0]


def test_a_lone_dopant_and_the_host_ion_see_the_same_surroundings(make_record):
    host = make_record()
    alone = make_record(moving_ion="Cu", arrangement=doped("dilute"))
    itself = make_record(moving_ion="Cu", arrangement=doped("dilute", 0))
    beside = make_record(arrangement=doped("dilute", 5))

    assert environment(host) == environment(alone) == environment(itself)
    assert environment(beside) != environment(host)
    rows = compare([host, alone, beside]).groups[0].rows
    assert [(row.arrangement, [bool(cell) for cell in row.cells]) for row in rows] == [
        ("pure/dilute", [True, True]),
        ("dilute", [True, False]),
    ]


def test_members_of_a_broken_class_have_their_own_rows(make_record):
    records = [
        make_record(moving_ion=ion, member=member, broken_symmetry_host=True)
        for ion in ("Li", "Cu")
        for member in (2, 0, 1)
    ]
    comparison = compare(records)

    assert [row.member for row in comparison.groups[0].rows] == [0, 1, 2]
    assert any("Broken symmetry" in note for note in comparison.notes)


def test_of_several_answers_a_barrier_then_the_newest_is_shown(make_record):
    def made(name, day, **fields):
        source = make_record().provenance.model_copy(update={"created": f"2026-01-0{day}"})
        return make_record(record_id=name, provenance=source, **fields)

    old, new = made("old", 1, forward=0.3), made("new", 2, forward=0.2)
    failed = made("failed", 3, outcome=Outcome.UNCONVERGED)
    for records in itertools.permutations([old, new, failed]):
        comparison = compare(records)
        (cell,) = comparison.groups[0].rows[0].cells
        assert cell.record_id == "new"
        assert set(cell.others) == {"old", "failed"}
        assert comparison.notes[0].startswith("2 further records answer")


def test_small_cells_are_marked_for_ranking_only(make_record):
    records = [make_record(min_image_distance=9.99), make_record(class_id="h2")]
    comparison = compare(records)

    assert [row.cells[0].text for row in comparison.groups[0].rows] == ["0.218 eV*", "0.218 eV"]
    assert any("Ranking only" in note and "10.0 Å" in note for note in comparison.notes)


def test_an_ion_that_rests_between_its_sites_is_marked_and_explained(make_record):
    valley = (0.0, -0.1, -0.22, -0.1, 0.0)
    sodium = make_record(moving_ion="Na", outcome=Outcome.BARRIERLESS, energies=valley)
    (row,) = compare([make_record(), sodium]).groups[0].rows
    assert [cell.text for cell in row.cells] == ["0.218 eV", "barrierless†"]
    assert row.cells[1].resting_depth == pytest.approx(0.22)
    (note,) = compare([make_record(), sodium]).notes
    assert "0.220 eV" in note
    # The path of a band that did not converge says nothing of sites.
    unknown = make_record(moving_ion="Na", outcome=Outcome.UNCONVERGED, energies=valley)
    assert compare([make_record(), unknown]).groups[0].rows[0].cells[1].text == "unconverged"


def test_the_pair_is_the_host_ion_and_the_other_one(make_record):
    records = [make_record(moving_ion=ion) for ion in ("Ag", "Li")]
    assert compare(records).ions == ("Li", "Ag")
    assert compare(records[:1]).ions == ("Ag",)

    with pytest.raises(InputError, match="3 moving ions"):
        compare([*records, make_record(moving_ion="Na")])
    with pytest.raises(InputError, match="twice"):
        compare(records, pair=("Li", "Li"))
    with pytest.raises(InputError, match=r"no records of Na or K \(moving ions here: Ag, Li\)"):
        compare(records, pair=("Na", "K"))


def test_no_records_make_an_empty_comparison():
    comparison = compare([])

    assert comparison.groups == ()
    assert comparison.as_rows() == []
    assert comparison_table(comparison) == [["hop", "arrangement"]]


def test_no_ratio_is_given_of_a_barrier_that_is_not_positive(make_record):
    records = [make_record(forward=0.0, reverse=0.1), make_record(moving_ion="Cu")]

    (row,) = compare(records).groups[0].rows
    assert row.ratio is None
    assert row.difference == pytest.approx(0.218)


def test_the_table_holds_every_number_of_the_record(make_record):
    record = make_record(forward=0.21849, reverse=0.1, energy_difference=-0.0415, path_length=3.456)
    response = record.response.model_copy(update={"volume_change": -0.0123})
    record = record.model_copy(update={"response": response})
    header, line = comparison_table(compare([record]))

    assert dict(zip(header, line, strict=True)) == {
        "hop": "h1 24g–24g 3.26 Å",
        "arrangement": "pure",
        "Li forward": "0.218 eV",
        "Li reverse": "0.100 eV",
        "Li ±": "–",
        "Li ΔE": "−0.042 eV",
        "Li path": "3.46 Å",
        "Li max anion shift": "0.31 Å",
        "Li rms shift": "0.08 Å",
        "Li bonds": "1.2 %",
        "Li volume": "−1.2 %",
    }


def test_flat_rows_have_the_same_keys_and_exact_numbers(make_record):
    records = [make_record(forward=0.1 + 0.2), make_record(class_id="h2", moving_ion="Cu")]
    rows = compare(records).as_rows()

    assert len({tuple(row) for row in rows}) == 1
    assert rows[0]["Li_forward"] == 0.1 + 0.2
    assert rows[0]["Cu_forward"] is None
    assert rows[1]["Cu_rms_anion_displacement"] == 0.08
    assert all(isinstance(v, str | int | float | None) for row in rows for v in row.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.2184, "0.218 eV"), (-0.0001, "0.000 eV"), (-0.5, "−0.500 eV")],
)
def test_an_absent_quantity_is_a_dash_and_zero_has_no_sign(value, text):
    assert measure(value, "eV") == text
    assert measure(0.5, "eV", sign=True) == "+0.500 eV"
    assert percent(0.0449) == "4.5 %"


def test_errors_of_both_ions_add_up_to_that_of_their_difference(make_record):
    def error(energy):
        return BarrierError(residual=0.02, energy=energy, fit_difference=0.001)

    records = [
        make_record(forward=0.2, error=error(0.004)),
        make_record(moving_ion="Cu", forward=0.6, error=error(0.0101)),
    ]
    (row,) = compare(records).groups[0].rows
    assert row.difference_error == pytest.approx(0.0141)
    header, line = comparison_table(compare(records))
    cell = dict(zip(header, line, strict=True))
    assert (cell["Li ±"], cell["Cu ±"]) == ("± 0.004 eV", "± 0.011 eV")  # rounded up
