"""The report of a screen: ranked tables, and what the barriers go with, in one HTML file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

import dualion
from dualion.analysis.comparison import measure
from dualion.analysis.page import element, facts, fold, page, picture, table
from dualion.analysis.scatter import Panel, Series, scatter_png
from dualion.analysis.screening import (
    CAVEAT,
    DIMENSIONS,
    FrameworkScreen,
    IonScreen,
    PairRun,
    RankedPair,
    ranked_ions,
    ranked_pairs,
)
from dualion.records import Record
from dualion.structures.cations import CATIONS

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SHOWN = 60
"""Rows of the ranking of pairs that are open to see; the rest folds."""

PARAMETERS = (
    "Parameters: softBV, doi 10.1107/S2052252517010211 and 10.1038/s41597-020-0474-y; energies: "
    "doi 10.1039/b901753d; radii: Shannon, doi 10.1107/S0567739476001551."
)


class ScreenReport(Record):
    """All that a screen has found."""

    title: str
    ions: tuple[str, ...]
    dimensions: int = Field(description="In how many dimensions ions must get through.")
    screens: tuple[FrameworkScreen, ...]
    skipped: tuple[tuple[str, str], ...] = Field((), description="Files left out, and why.")
    rule: str = Field("", description="Which pairs went on to bands.")
    runs: tuple[PairRun, ...] = ()
    seconds: float = Field(description="Wall time, in s.")

    @property
    def pairs(self) -> tuple[RankedPair, ...]:
        """Frameworks and pairs, best first."""
        return ranked_pairs(self.screens, self.dimensions)

    @property
    def rows(self) -> tuple[tuple[FrameworkScreen, IonScreen], ...]:
        """Ions in frameworks, best first."""
        return ranked_ions(self.screens, self.dimensions)


def screen_html(report: ScreenReport) -> str:
    """Return the page as text; it loads nothing, runs nothing, and its pictures are inside."""
    return page(report.title, *_parts(report))


def correlations(screens: Sequence[FrameworkScreen], dimensions: int) -> tuple[Panel, ...]:
    """Bond-valence barriers against what they may come from, one point an ion and framework.

    Parameters
    ----------
    screens
        Of one method.
    dimensions
        Of the barriers.

    Returns
    -------
    tuple of Panel
        Against radius mismatch, electronegativity difference, and how much larger the ion is than
        the bottleneck.
    """
    quantities: tuple[tuple[str, Callable[[IonScreen], float | None]], ...] = (
        ("radius less that of the framework's own ion (Å)", lambda ion: ion.radius_mismatch),
        (
            "electronegativity of the anions less the ion's",
            lambda ion: ion.electronegativity_difference,
        ),
        ("radius less that of the bottleneck (Å)", lambda ion: ion.squeeze),
    )
    return tuple(
        Panel(
            x_label=label,
            y_label=f"bond-valence barrier, {dimensions}D (eV)",
            series=_series(screens, dimensions, quantity),
        )
        for label, quantity in quantities
    )


def _series(
    screens: Sequence[FrameworkScreen],
    dimensions: int,
    quantity: Callable[[IonScreen], float | None],
) -> tuple[Series, ...]:
    points: dict[str, list[tuple[float, float]]] = {ion: [] for ion in CATIONS}
    for screen in screens:
        for ion in screen.ions:
            x, y = quantity(ion), ion.barrier(dimensions)
            if x is not None and y is not None:
                points[ion.ion].append((x, y))
    return _drawn(points)


def _drawn(points: dict[str, list[tuple[float, float]]]) -> tuple[Series, ...]:
    """Turn the points of each ion into series; an ion without points has none."""
    return tuple(
        Series(ion=ion, x=tuple(x for x, _ in some), y=tuple(y for _, y in some))
        for ion, some in points.items()
        if some
    )


def against_bands(report: ScreenReport) -> Panel | None:
    """Barriers of the engine's bands against those of bond valence; None without such.

    Of an ion with several arrangements or engines each is a point. It shows whether the first tier
    ranks as the second does; the two are no measure of each other.
    """
    known = {(screen.framework, screen.file): screen for screen in report.screens}
    points: dict[str, list[tuple[float, float]]] = {ion: [] for ion in CATIONS}
    for run in report.runs:
        screen = known[run.pick.framework, run.pick.file]
        for row in run.rows:
            ion = screen.of(row.ion)
            x = None if ion is None else ion.barrier(report.dimensions)
            y = row.barriers[report.dimensions - 1]
            if x is not None and y is not None:
                points[row.ion].append((x, y))
    series = _drawn(points)
    if not series:
        return None
    return Panel(
        x_label=f"bond valence, {report.dimensions}D (eV)",
        y_label=f"bands, {report.dimensions}D (eV)",
        series=series,
    )


def _parts(report: ScreenReport) -> Iterator[Element]:
    yield element("h1", report.title)
    screens = report.screens
    yield element(
        "p",
        f"{len(screens)} frameworks × {', '.join(report.ions)}"
        f"; {len(report.skipped)} files left out.",
        style="faint",
    )
    yield element("div", element("p", CAVEAT), style="warnings")
    if report.runs:
        yield from _bands(report)
    yield from _pairs(report)
    yield from _pictures(report)
    yield from _ions(report)
    yield from _frameworks(report)
    yield from _skipped(report)
    yield element("h2", "How")
    yield facts(
        [
            ("wall time", f"{report.seconds:.1f} s"),
            ("grid", ", ".join(sorted({f"{each.spacing:g} Å" for each in screens}))),
            ("method", ", ".join(sorted({each.method for each in screens}))),
            ("dualion", dualion.__version__),
        ]
    )
    yield element("p", PARAMETERS, style="faint")


def _head(*names: str) -> Element:
    return element("tr", *(element("th", name) for name in names))


def _cells(*values: str) -> list[Element]:
    """Cells of a row: text to the left until the first number."""
    return [element("td", value, style="" if _is_number(value) else "text") for value in values]


def _is_number(text: str) -> bool:
    return text[:1].isdigit() or text[:1] in "+−–"


def _pairs(report: ScreenReport) -> Iterator[Element]:
    pairs = report.pairs
    yield element("h2", "Pairs")
    if not pairs:
        yield element("p", "No pair gets through.")
        return
    yield element(
        "p",
        f"Ranked by the slower of both ions in {report.dimensions} dimension(s), in eV by bond "
        "valence. The first ion is the framework's own.",
    )
    known = {(screen.framework, screen.file): screen for screen in report.screens}
    rows = []
    for place, pair in enumerate(pairs, start=1):
        screen = known[pair.framework, pair.file]
        each = [screen.of(ion) for ion in pair.pair]
        values = [measure(ion.barrier(report.dimensions) if ion else None, "") for ion in each]
        rows.append(_cells(str(place), pair.framework, "/".join(pair.pair), *values))
    head = [_head("", "framework", "pair", "first", "second")]
    yield table(head, rows[:_SHOWN])
    if rows[_SHOWN:]:
        yield fold([f"{len(rows) - _SHOWN} more"], table(head, rows[_SHOWN:]))


def _pictures(report: ScreenReport) -> Iterator[Element]:
    panels = correlations(report.screens, report.dimensions)
    if not any(panel.series for panel in panels):
        return
    yield element("h2", "What the barriers go with")
    yield picture(
        scatter_png([panels]),
        scatter_png([panels], dark=True),
        "Bond-valence barriers against radius mismatch, electronegativity difference and "
        "bottleneck, one mark for each ion.",
    )
    single = [[_of_ion(panel, ion) for panel in panels] for ion in report.ions]
    single = [row for row in single if any(panel.series for panel in row)]
    yield fold(
        ["Each ion alone"],
        picture(
            scatter_png(single),
            scatter_png(single, dark=True),
            f"The same, one row for each of {', '.join(report.ions)}.",
        ),
    )


def _of_ion(panel: Panel, ion: str) -> Panel:
    chosen = tuple(series for series in panel.series if series.ion == ion)
    return panel.model_copy(update={"series": chosen})


def _ions(report: ScreenReport) -> Iterator[Element]:
    yield element("h2", "Ions")
    names = ("", "framework", "ion", *(f"{d}D / eV" for d in DIMENSIONS))
    head = [
        _head(*names, "on site / eV", "valence there", "mismatch / Å", "squeeze / Å", "Δχ"),
    ]
    rows = [
        _cells(
            str(place),
            screen.framework,
            ion.ion,
            *(measure(ion.barrier(d), "") for d in DIMENSIONS),
            measure(ion.site_energy, ""),
            measure(ion.site_valence, "", digits=2),
            measure(ion.radius_mismatch, "", digits=2, sign=True),
            measure(ion.squeeze, "", digits=2, sign=True),
            measure(ion.electronegativity_difference, "", digits=2),
        )
        for place, (screen, ion) in enumerate(report.rows, start=1)
    ]
    yield fold([f"{len(rows)} ions in frameworks, best first"], table(head, rows))
    yield element(
        "p",
        "on site: lowest energy on a site of the framework's own ion, above the lowest anywhere. "
        "valence there: 1 where a monovalent ion fits, more where it is squeezed. mismatch: radius "
        "less that of the framework's own ion. squeeze: radius less that of the bottleneck. Δχ: "
        "electronegativity of the anions less the ion's.",
        style="faint",
    )


def _frameworks(report: ScreenReport) -> Iterator[Element]:
    yield element("h2", "Frameworks")
    names = ("framework", "formula", "space group", "own ion", "charges")
    head = [_head(*names, *(f"bottleneck {d}D / Å" for d in DIMENSIONS), "left out")]
    rows = [
        _cells(
            each.framework,
            each.formula,
            each.space_group,
            each.working_ion,
            " ".join(f"{symbol}{charge:+.3g}" for symbol, charge in each.charges)
            + (f" (cell {each.excess:+g})" if each.excess else ""),
            *(measure(radius, "", digits=2) for radius in each.bottlenecks),
            "; ".join(f"{ion}: {why}" for ion, why in each.without),
        )
        for each in report.screens
    ]
    yield fold([f"{len(rows)} frameworks"], table(head, rows))


def _skipped(report: ScreenReport) -> Iterator[Element]:
    if report.skipped:
        yield element("h2", "Left out")
        rows = [
            [element("td", file, style="text"), element("td", why, style="text long")]
            for file, why in report.skipped
        ]
        yield table([_head("file", "why")], rows)


def _bands(report: ScreenReport) -> Iterator[Element]:
    yield element("h2", "Bands")
    yield element(
        "p",
        f"Chosen: {report.rule}. Barriers by which the ion crosses the crystal over the hops whose "
        "bands converged; each engine is a level of theory of its own, and none is bond valence.",
    )
    head = [
        _head("framework", "pair", "ion", "arrangement", *(f"{d}D / eV" for d in DIMENSIONS),
              "closed", "engine", "level of theory"),
    ]  # fmt: skip
    rows = [
        _cells(
            row.framework,
            "/".join(row.pair),
            row.ion,
            row.arrangement,
            *(measure(barrier, "") for barrier in row.barriers),
            ", ".join(row.closed),
            row.engine,
            row.fingerprint,
        )
        for run in report.runs
        for row in run.rows
    ]
    if rows:
        yield table(head, rows)
    told = [line for run in report.runs for line in run.told]
    if told:
        yield element("div", element("ul", *(element("li", line) for line in told)),
                      style="warnings")  # fmt: skip
    panel = against_bands(report)
    if panel is not None:
        yield element("h3", "Does bond valence rank as the bands do?")
        yield picture(
            scatter_png([[panel]]),
            scatter_png([[panel]], dark=True),
            "Barriers of bands against those of bond valence.",
        )


def ion_rows(report: ScreenReport) -> list[dict[str, object]]:
    """Return the ranking of ions as flat rows, for a table, JSON or CSV."""
    return [
        {
            "rank": place,
            "framework": screen.framework,
            "formula": screen.formula,
            "host_ion": screen.working_ion,
            "ion": ion.ion,
            **{f"barrier_{d}d": ion.barrier(d) for d in DIMENSIONS},
            "site_energy": ion.site_energy,
            "site_valence": ion.site_valence,
            "radius_mismatch": ion.radius_mismatch,
            "squeeze": ion.squeeze,
            "electronegativity_difference": ion.electronegativity_difference,
            **{
                f"bottleneck_{d}d": radius
                for d, radius in zip(DIMENSIONS, screen.bottlenecks, strict=True)
            },
            "level": screen.level,
            "method": screen.method,
            "file": screen.file,
        }
        for place, (screen, ion) in enumerate(report.rows, start=1)
    ]


def pair_rows(report: ScreenReport) -> list[dict[str, object]]:
    """Return the ranking of pairs as flat rows."""
    return [
        {
            "rank": place,
            "framework": each.framework,
            "pair": "/".join(each.pair),
            "barrier": each.barrier,
            "dimensions": each.dimensions,
            "level": "bond valence",
            "file": each.file,
        }
        for place, each in enumerate(report.pairs, start=1)
    ]


def band_rows(runs: Iterable[PairRun]) -> list[dict[str, object]]:
    """Return what the bands of engines say as flat rows."""
    return [
        {
            "framework": row.framework,
            "pair": "/".join(row.pair),
            "ion": row.ion,
            "arrangement": row.arrangement,
            **{
                f"barrier_{d}d": barrier
                for d, barrier in zip(DIMENSIONS, row.barriers, strict=True)
            },
            "closed": " ".join(row.closed),
            "engine": row.engine,
            "fingerprint": row.fingerprint,
            "campaign": run.campaign,
        }
        for run in runs
        for row in run.rows
    ]


def skipped_rows(skipped: Mapping[str, str]) -> list[dict[str, object]]:
    """Return what was left out as flat rows."""
    return [{"file": file, "reason": why} for file, why in skipped.items()]
