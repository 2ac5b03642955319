"""The barriers of two ions against the thresholds, with their bounds, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualion.analysis.percolation import DIMENSIONS
from dualion.analysis.plots import DARK, LIGHT, dress, new_figure, png

if TYPE_CHECKING:
    from dualion.analysis.verdict import PairVerdict

_DPI = 150


def verdict_png(verdict: PairVerdict, *, dark: bool = False) -> bytes:
    """Draw the lowest barriers in one, two and three dimensions as the bytes of a PNG.

    Points: barrier with the classes that have one; lines: bounds, with an arrow where a missing
    class leaves them open. The two grey lines are the thresholds at the verdict's temperature.
    """
    theme = DARK if dark else LIGHT
    figure = new_figure((7.2, 2.6), theme)
    axes = figure.add_subplot()
    dress(axes, theme)
    moves, blocked = verdict.criteria.at(verdict.temperature)
    known = [
        v
        for each in verdict.ions
        for r in each.passage.ranges
        for v in (r.value, r.highest)
        if v is not None
    ]
    right = 1.15 * max([blocked, *known])
    axes.axvspan(0.0, moves, color=theme.ions[0], alpha=0.08, linewidth=0)
    axes.axvspan(blocked, right, color=theme.ions[1], alpha=0.08, linewidth=0)
    for value, text in ((moves, f"moves < {moves:.2f}"), (blocked, f"{blocked:.2f} < blocked")):
        axes.axvline(value, color=theme.faint, linewidth=1.0, linestyle="--")
        axes.text(
            value, 1.02, text, transform=axes.get_xaxis_transform(), ha="center", va="bottom",
            fontsize=8, color=theme.ink,
        )  # fmt: skip
    rows = []
    for place, each in enumerate(verdict.ions):
        for number, what in enumerate(DIMENSIONS):
            found = each.passage.range(what)
            y = -(4 * place + number)
            rows.append((y, f"{each.ion}, {what}"))
            low = 0.0 if found.lowest is None and found.value is None else found.lowest
            low = right if low is None else low
            high = right if found.highest is None else found.highest
            colour, marker = theme.ions[place], "os"[place]
            axes.plot([low, high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
            axes.plot([low], [y], "|", color=colour, markersize=7)
            end = ">" if found.highest is None else "|"
            axes.plot([high], [y], end, color=colour, markersize=7, clip_on=False)
            if found.value is not None:
                axes.plot([found.value], [y], marker, color=colour, markersize=6)
                axes.annotate(
                    f"{found.value:.3f}", (found.value, y), xytext=(0, 5), ha="center",
                    textcoords="offset points", fontsize=8, color=colour,
                )  # fmt: skip
    axes.set_yticks([y for y, _ in rows], [text for _, text in rows])
    axes.set_ylim(-7.0, 0.9)
    axes.set_xlim(0.0, right)
    axes.set_xlabel("lowest barrier that percolates (eV)", fontsize=9, color=theme.ink)
    return png(figure, dpi=_DPI)
