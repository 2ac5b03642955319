"""Energy profiles as curves and pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualion.analysis.plots import plot_profiles, profile_curve, profile_figure, profile_png
from dualion.errors import InputError, RunError
from dualion.records import Outcome


@settings(deadline=None)
@given(
    c=st.lists(st.floats(-1, 1), min_size=4, max_size=4),
    gaps=st.lists(st.floats(0.1, 2.0), min_size=1, max_size=8),
)
def test_a_cubic_profile_is_reproduced_exactly(c, gaps):
    polynomial = np.polynomial.Polynomial(c)
    s = np.concatenate([[0.0], np.cumsum(gaps)])
    x, y = profile_curve(s, polynomial(s), -polynomial.deriv()(s))

    assert y == pytest.approx(polynomial(x), abs=1e-9 * max(1.0, s[-1] ** 3))


def test_the_curve_goes_through_every_image_with_its_slope(make_record):
    record = make_record(forward=0.63, reverse=0.5)
    x, y = profile_curve(record.coordinates, record.energies, record.tangent_forces)

    assert np.interp(record.coordinates, x, y) == pytest.approx(record.energies, abs=1e-12)
    slopes = np.gradient(y, x)[1:-1]
    places = np.searchsorted(x, record.coordinates[1:-1]) - 1
    assert slopes[places] == pytest.approx(np.negative(record.tangent_forces[1:-1]), abs=0.01)


@pytest.mark.parametrize(
    ("s", "forces"),
    [([0.0, 1.0, 1.0], [0.0] * 3), ([0.0, 1.0, 2.0], []), ([0.0, 1.0, 2.0], [0, np.nan, 0])],
)
def test_without_slopes_or_distances_the_images_are_joined_by_lines(s, forces):
    x, y = profile_curve(s, [0.0, 0.3, 0.1], forces)

    assert (list(x), list(y)) == (s, [0.0, 0.3, 0.1])


def lines(axes, style):
    return [
        line
        for line in axes.get_lines()
        if line.get_linestyle() == style and len(line.get_xdata()) > 2
    ]


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_each_hop_has_a_panel_with_both_ions_and_labelled_axes(make_record):
    records = [
        make_record(moving_ion=ion, class_id=name) for ion in ("Li", "Cu") for name in ("h1", "h2")
    ]
    figure = profile_figure(records)

    assert [axes.get_title() for axes in figure.axes] == [
        "h1 24g–24g 3.26 Å · pure/dilute",
        "h2 24g–24g 3.73 Å · pure/dilute",
    ]
    for axes in figure.axes:
        assert axes.get_xlabel() == "path coordinate (Å)"
        assert axes.get_ylabel() == "energy (eV)"
        assert len(lines(axes, "-")) == 2
        assert legend(axes) == ["Li: 0.218 eV", "Cu: 0.218 eV"]
        assert len({line.get_color() for line in lines(axes, "-")}) == 2


def test_points_are_the_images(make_record):
    record = make_record()
    (axes,) = profile_figure([record]).axes
    (points,) = lines(axes, "None")

    assert tuple(points.get_xdata()) == record.coordinates
    assert tuple(points.get_ydata()) == record.energies


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if not outcome.is_barrier])
def test_a_band_without_a_barrier_is_dashed_and_named_and_has_no_number(make_record, outcome):
    (axes,) = profile_figure([make_record(outcome=outcome)]).axes

    assert len(lines(axes, "--")) == 1
    assert lines(axes, "-") == []
    assert "eV" not in legend(axes)[0]
    assert [text for text in axes.texts if text.get_text()] == []


def test_levels_of_theory_have_their_own_panels(make_record):
    figure = profile_figure([make_record(), make_record(engine="standard")])

    assert len(figure.axes) == 2
    assert len({axes.get_title().split("\n")[0] for axes in figure.axes}) == 2


def test_a_broken_band_does_not_flatten_the_barrier_beside_it(make_record):
    broken = make_record(moving_ion="Cu", outcome=Outcome.FRAMEWORK_BROKEN, forward=40.0)
    (axes,) = profile_figure([make_record(), broken]).axes

    assert axes.get_ylim()[1] < 1.0
    assert "off the scale" in legend(axes)[1]


def test_records_without_a_band_are_still_named(make_record):
    bare = make_record(
        outcome=Outcome.ENDPOINT_COLLAPSED, energies=(), coordinates=(), tangent_forces=()
    )
    gone = make_record(class_id="h2", energies=(np.nan,) * 7)
    first, second = profile_figure([bare, gone]).axes

    assert legend(first) == ["Li: end point collapsed, no band"]
    assert legend(second) == ["Li: 0.218 eV, no band"]


def test_a_name_with_a_dollar_sign_is_not_taken_for_a_formula(make_record):
    records = [make_record(framework="$\\frac{", label="$\\bad$ #1"), make_record(engine="x")]

    assert profile_png(records).startswith(b"\x89PNG")


def test_many_hops_are_cut_off_with_a_notice(make_record):
    figure = profile_figure([make_record(member=k) for k in range(64)])

    assert len(figure.axes) == 60
    assert figure.get_suptitle() == "the first 60 of 64 hops"


def test_a_picture_is_written_with_its_folder(tmp_path, make_record):
    path = plot_profiles([make_record()], tmp_path / "new" / "profiles.png")

    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.read_bytes() != profile_png([make_record()], dark=True)
    with pytest.raises(RunError, match="cannot write the plot"):
        plot_profiles([make_record()], tmp_path)
    with pytest.raises(InputError, match="no records to plot"):
        plot_profiles([], tmp_path / "none.png")


def test_no_global_state_of_pyplot_is_touched(make_record):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    profile_png([make_record()])
    assert plt.get_fignums() == before
