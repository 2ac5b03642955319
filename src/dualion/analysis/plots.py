"""Energy profiles of two ions on the same hops, as a picture."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dualion.analysis.compare import compare
from dualion.analysis.comparison import IonCell, measure, outcome_word
from dualion.errors import InputError, RunError
from dualion.records import HopRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

_PANEL = (4.3, 3.3)
_DPI = 150
_MAX_PANELS = 60


@dataclass(frozen=True)
class Theme:
    """Colours of a picture."""

    paper: str
    ink: str
    faint: str
    ions: tuple[str, ...]


# Okabe–Ito: told apart with every common colour blindness; also marked by shape.
LIGHT = Theme(paper="#ffffff", ink="#1c1e21", faint="#8a8d91", ions=("#0072b2", "#d55e00"))
DARK = Theme(paper="#1b1d21", ink="#e6e7e9", faint="#8f9399", ions=("#56b4e9", "#e69f00"))
_MARKERS = ("o", "s")


def profile_curve(
    coordinates: ArrayLike,
    energies: ArrayLike,
    tangent_forces: ArrayLike,
    points: int = 40,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smooth profile through the images of a band.

    The piecewise cubic Hermite polynomial that has the energy and the slope, minus the force
    along the path, of every image (doi 10.1063/1.1323224). Images at one place, or without a
    force, are joined by straight lines.

    Parameters
    ----------
    coordinates, energies, tangent_forces
        Of the images, in Å, eV and eV/Å.
    points
        Points per segment.

    Returns
    -------
    tuple
        Coordinates in Å and energies in eV of the curve.
    """
    s, e = np.asarray(coordinates, dtype=float), np.asarray(energies, dtype=float)
    f = np.asarray(tangent_forces, dtype=float)
    if len(f) != len(s) or len(s) < 2 or not np.all(np.diff(s) > 0) or not np.isfinite(f).all():
        return s, e
    from scipy.interpolate import CubicHermiteSpline

    fine = np.unique(np.concatenate([np.linspace(a, b, points) for a, b in pairwise(s)]))
    return fine, np.asarray(CubicHermiteSpline(s, e, -f)(fine), dtype=float)


def plot_profiles(
    records: Iterable[HopRecord],
    path: Path,
    *,
    pair: tuple[str, str] | None = None,
    dark: bool = False,
) -> Path:
    """Write a PNG with one panel per hop and environment, both ions overlaid.

    Points are images, curves as in :func:`profile_curve`. A band that ended without a barrier
    is dashed, grey and labelled with its outcome. Different levels of theory never share a
    panel. Of more than 60 panels the first are drawn, and the picture says so.

    Parameters
    ----------
    records
        As for :func:`~dualion.analysis.compare.compare`.
    path
        File to write; replaced if it exists.
    pair
        First and second ion, if more than two move.
    dark
        Light lines on dark ground.

    Raises
    ------
    InputError
        If there is nothing to plot, or the pair cannot be told from the records.
    RunError
        If the file cannot be written.
    """
    picture = profile_png(records, pair=pair, dark=dark)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
    except OSError as error:
        raise RunError(
            f"cannot write the plot ({error.strerror})",
            where=str(path),
            remedy="name another file",
        ) from error
    return path


def profile_png(
    records: Iterable[HopRecord], *, pair: tuple[str, str] | None = None, dark: bool = False
) -> bytes:
    """Return the picture of :func:`plot_profiles` as the bytes of a PNG."""
    return png(profile_figure(records, pair=pair, dark=dark), dpi=_DPI)


def new_figure(
    size: tuple[float, float], theme: Theme, *, pad: float | None = None, gap: float | None = None
) -> Figure:
    """Make an empty figure with its own canvas: no window system, no state shared by threads.

    Parameters
    ----------
    size
        Width and height, in inches.
    theme
        Its paper.
    pad, gap
        Around panels in inches, and between them as a share of their size; None: matplotlib's.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(
        figsize=size,
        facecolor=theme.paper,
        layout=ConstrainedLayoutEngine(w_pad=pad, h_pad=pad, wspace=gap, hspace=gap),
    )
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Axes, theme: Theme) -> None:
    """Give axes the colours of a theme, and no lines above and on the right."""
    axes.set_facecolor(theme.paper)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(theme.faint)
    axes.tick_params(colors=theme.ink, labelsize=8)


def png(figure: Figure, *, dpi: int) -> bytes:
    """Return a figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor=figure.get_facecolor())
    return buffer.getvalue()


def profile_figure(
    records: Iterable[HopRecord], *, pair: tuple[str, str] | None = None, dark: bool = False
) -> Figure:
    """Return the picture of :func:`plot_profiles` as a matplotlib figure."""
    known = {record.record_id: record for record in records}
    comparison = compare(known.values(), pair=pair)
    panels = [(group, row) for group in comparison.groups for row in group.rows]
    if not panels:
        raise InputError("no records to plot", remedy="choose others")
    several = len(comparison.groups) > 1
    heading = ""
    if len(panels) > _MAX_PANELS:
        heading = f"the first {_MAX_PANELS} of {len(panels)} hops"
        panels = panels[:_MAX_PANELS]
    theme = DARK if dark else LIGHT
    columns = min(3, len(panels))
    deep = -(-len(panels) // columns)
    size = (_PANEL[0] * columns, _PANEL[1] * deep)
    figure = new_figure(size, theme, pad=0.1, gap=0.03)
    if heading:
        figure.suptitle(heading, fontsize=10, color=theme.ink)
    for number, (group, row) in enumerate(panels):
        axes = figure.add_subplot(deep, columns, number + 1)
        cells = enumerate(row.cells)
        lines = [_line(cell, known[cell.record_id], theme, k) for k, cell in cells if cell]
        _panel(axes, lines, theme)
        title = f"{row.hop} · {row.arrangement}"
        if several:
            title = f"{group.framework} [{group.fingerprint[:8]}]\n{title}"
        # A name with a dollar sign is not a formula.
        axes.set_title(title, fontsize=9, color=theme.ink, parse_math=False)
    return figure


@dataclass(frozen=True)
class _Line:
    """One ion's profile as it is drawn; empty where no band was run."""

    label: str
    marker: str
    color: str
    style: str
    barrier: float | None
    coordinates: NDArray[np.float64]
    energies: NDArray[np.float64]
    curve: tuple[NDArray[np.float64], NDArray[np.float64]]


def _line(cell: IonCell, record: HopRecord, theme: Theme, place: int) -> _Line:
    s, e = np.array(record.coordinates), np.array(record.energies)
    if len(s) != len(e) or not (np.isfinite(s) & np.isfinite(e)).all():
        s = e = np.zeros(0)
    text = cell.text if cell.outcome.is_barrier else outcome_word(cell.outcome)
    return _Line(
        label=f"{cell.ion}: {text}" if len(s) else f"{cell.ion}: {text}, no band",
        marker=_MARKERS[place],
        color=theme.ions[place] if cell.outcome.is_barrier else theme.faint,
        style="-" if cell.outcome.is_barrier else "--",
        barrier=cell.forward,
        coordinates=s,
        energies=e,
        curve=profile_curve(s, e, record.tangent_forces) if len(s) else (s, e),
    )


def _ceiling(lines: list[_Line]) -> float | None:
    """Energy beyond which a band that failed is cut off, so that barriers stay readable."""
    tops = [
        line.energies.max() for line in lines if line.barrier is not None and len(line.energies)
    ]
    return 2.5 * max(0.2, *tops) if tops else None


def _panel(axes: Axes, lines: list[_Line], theme: Theme) -> None:
    dress(axes, theme)
    axes.set_xlabel("path coordinate (Å)", fontsize=9, color=theme.ink)
    axes.set_ylabel("energy (eV)", fontsize=9, color=theme.ink)
    drawn = [line for line in lines if len(line.energies)]
    ceiling = _ceiling(drawn)
    for line in drawn:
        x, y = line.curve
        axes.plot(x, y, color=line.color, linestyle=line.style, linewidth=1.7, zorder=3)
        axes.plot(
            line.coordinates, line.energies, line.marker, color=line.color, markersize=4.5,
            markeredgecolor=theme.paper, markeredgewidth=0.7, zorder=4,
        )  # fmt: skip
        top = int(np.argmax(line.energies))
        if line.barrier is not None and 0 < top < len(line.energies) - 1:
            axes.annotate(
                measure(line.barrier, ""),
                (line.coordinates[top], line.energies[top]),
                xytext=(0, 6),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=line.color,
                zorder=5,
            )
    for line in lines:
        cut = ceiling is not None and len(line.energies) and line.energies.max() > ceiling
        axes.plot(
            [], [], color=line.color, linestyle=line.style, marker=line.marker, markersize=4.5,
            label=f"{line.label}, off the scale" if cut else line.label,
        )  # fmt: skip
    if drawn:
        axes.axhline(0.0, color=theme.faint, linewidth=0.6, zorder=1)
        axes.grid(visible=True, color=theme.faint, alpha=0.18, linewidth=0.5)
        shown = np.concatenate([line.curve[1] for line in drawn])
        if ceiling is not None:
            shown = np.clip(shown, -ceiling, ceiling)
        height = max(float(np.ptp(shown)), 0.02)
        # Head room for the numbers above the saddles and for the legend.
        axes.set_ylim(shown.min() - 0.06 * height, shown.max() + 0.45 * height)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    legend = axes.legend(  # on its own ground: a steep band may pass behind it
        loc="upper left" if drawn else "center",
        fontsize=8,
        borderaxespad=0.2,
        facecolor=theme.paper,
        edgecolor="none",
        framealpha=0.85,
    )
    for entry in legend.get_texts():
        entry.set_color(theme.ink)
        entry.set_parse_math(False)
