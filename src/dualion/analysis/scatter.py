"""Points of several ions against one quantity, as a picture: what a screen's barriers go with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dualion.analysis.plots import DARK, LIGHT, Theme, dress, new_figure, png
from dualion.records import Record
from dualion.structures.cations import CATIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL = (4.3, 3.7)
_DPI = 110
_MARKERS = dict(zip(CATIONS, ("o", "s", "^", "D", "v"), strict=True))
# Okabe–Ito, one for each cation; the shape of the mark says the same.
_LIGHT = dict(zip(CATIONS, ("#0072b2", "#d55e00", "#cc79a7", "#009e73", "#8a6d00"), strict=True))
_DARK = dict(zip(CATIONS, ("#56b4e9", "#e69f00", "#cc79a7", "#2fc39a", "#f0e442"), strict=True))


class Series(Record):
    """Points of one ion."""

    ion: str
    x: tuple[float, ...]
    y: tuple[float, ...]


class Panel(Record):
    """One quantity against another."""

    x_label: str
    y_label: str
    series: tuple[Series, ...]
    diagonal: bool = Field(default=False, description="Draw the line y = x.")


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Spearman's coefficient of two quantities; None for fewer than three or constant values."""
    from scipy.stats import spearmanr

    if len(x) < 3 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return None
    return float(spearmanr(x, y).statistic)


def scatter_png(rows: Sequence[Sequence[Panel]], *, dark: bool = False) -> bytes:
    """Draw rows of panels; the rank correlation of all points is written above each.

    Parameters
    ----------
    rows
        At least one, all of one length.
    dark
        Light marks on dark ground.

    Returns
    -------
    bytes
        A PNG.
    """
    theme = DARK if dark else LIGHT
    size = (_PANEL[0] * len(rows[0]), _PANEL[1] * len(rows))
    figure = new_figure(size, theme, pad=0.1)
    for number, panel in enumerate(panel for row in rows for panel in row):
        axes = figure.add_subplot(len(rows), len(rows[0]), number + 1)
        _draw(axes, panel, theme, dark=dark)
    return png(figure, dpi=_DPI)


def _draw(axes: Axes, panel: Panel, theme: Theme, *, dark: bool) -> None:
    dress(axes, theme)
    axes.set_xlabel(panel.x_label, fontsize=9, color=theme.ink)
    axes.set_ylabel(panel.y_label, fontsize=9, color=theme.ink)
    axes.grid(visible=True, color=theme.faint, alpha=0.18, linewidth=0.5)
    colors = _DARK if dark else _LIGHT
    for series in panel.series:
        axes.plot(
            series.x, series.y, _MARKERS[series.ion], color=colors[series.ion], markersize=5,
            markeredgecolor=theme.paper, markeredgewidth=0.6, linestyle="none", label=series.ion,
        )  # fmt: skip
    xs = [value for series in panel.series for value in series.x]
    ys = [value for series in panel.series for value in series.y]
    if panel.diagonal and xs:
        ends = [min(*xs, *ys), max(*xs, *ys)]
        axes.plot(ends, ends, color=theme.faint, linewidth=0.8, zorder=1)
    known = rank_correlation(xs, ys)
    title = f"{len(xs)} points" + ("" if known is None else f", rank correlation {known:+.2f}")
    axes.set_title(title, fontsize=9, color=theme.ink)
    if panel.series:
        legend = axes.legend(
            loc="best", fontsize=8, facecolor=theme.paper, edgecolor="none", framealpha=0.85
        )
        for entry in legend.get_texts():
            entry.set_color(theme.ink)
