"""The verdict as a page: what moves, through which windows, at what cost, how far to trust it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dualion.analysis.comparison import measure, percent
from dualion.analysis.criteria import REFERENCE, spread
from dualion.analysis.page import element, facts, fold, page, picture, table, write_page
from dualion.analysis.percolation import AXES, DIMENSIONS
from dualion.analysis.plots import profile_png
from dualion.analysis.verdict import Answer
from dualion.analysis.verdictplot import verdict_png
from dualion.analysis.windows import frame

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from dualion.analysis.descriptors import SaddleDescriptors
    from dualion.analysis.passage import Passage, Range
    from dualion.analysis.study import Study
    from dualion.analysis.verdict import IonVerdict, PairVerdict

_PANELS = 12
_YEAR = 365.25 * 86400.0
_HOUR = 3600.0


def write_verdicts(studies: Sequence[Study], path: Path, *, title: str) -> Path:
    """Write one HTML file with the verdicts of some studies; it appears whole or not at all.

    Raises
    ------
    RunError
        If the file cannot be written.
    """
    return write_page(verdict_html(studies, title=title), path, what="the verdict page")


def verdict_html(studies: Sequence[Study], *, title: str) -> str:
    """Return the text of :func:`write_verdicts`: no network, no script, pictures inside."""
    parts: list[Element] = [element("h1", title)]
    verdicts = [verdict for study in studies for verdict in study.verdicts]
    if len(verdicts) > 1:
        parts.append(_overview(verdicts))
    for study in studies:
        for verdict in study.verdicts:
            parts += _verdict(study, verdict)
        parts += _structure(study)
    parts += _method(verdicts)
    return page(title, *parts)


def _head(*names: str) -> list[Element]:
    cells = [element("th", name, style="" if k else "text") for k, name in enumerate(names)]
    return [element("tr", *cells)]


def _row(*values: str) -> list[Element]:
    return [element("td", value, style="" if k else "text") for k, value in enumerate(values)]


def _overview(verdicts: Sequence[PairVerdict]) -> Element:
    rows = [
        _row(
            f"{each.framework} {'/'.join(each.pair)}, {each.surroundings}",
            f"{each.temperature:.0f} K",
            each.text,
            each.confidence,
            *(_value(ion.passage.range("1D")) for ion in each.ions),
            f"{each.theory.stamp.engine} [{each.theory.fingerprint[:6]}]",
        )
        for each in verdicts
    ]
    return table(
        _head("framework, pair", "T", "verdict", "confidence", "first", "second", "level"), rows
    )


def _verdict(study: Study, verdict: PairVerdict) -> Iterator[Element]:
    stamp, pair = verdict.theory.stamp, "/".join(verdict.pair)
    yield element("h2", f"{study.framework.name} {pair}: {verdict.text}")
    yield element(
        "p",
        f"{verdict.surroundings} surroundings, {verdict.mechanism.value} hops, "
        f"{verdict.temperature:.0f} K, at the level of {stamp.text}, {verdict.theory.charge_text} "
        f"[{verdict.theory.fingerprint}]. Confidence: {_confidence(verdict)}.",
    )
    for line in verdict.criterion.split("; "):
        yield element("p", line, style="faint")
    if verdict.to_compute or verdict.doubts:
        items = [element("li", f"To compute: {text}") for text in verdict.to_compute]
        items += [element("li", text) for text in verdict.doubts]
        yield element("div", element("ul", *items), style="warnings")
    yield picture(
        verdict_png(verdict),
        verdict_png(verdict, dark=True),
        f"Lowest percolating barriers of {' and '.join(verdict.pair)} with their bounds",
    )
    yield element("h3", "What moves")
    yield _movements(verdict)
    yield element(
        "p",
        "Barriers count from the lowest of all sites, where the carriers are. In brackets: bounds, "
        "with all errors and with missing hop classes open or closed. D: of a lone carrier, 68 % "
        "with those errors; multiply by the share of sites that are vacant (or filled, for "
        "interstitials). For a diluted ion it is that of a vacancy that exchanges with it alone.",
        style="faint",
    )
    yield element("h3", "Through which windows")
    yield _hops(study, verdict)
    yield from _paths(verdict)
    records = study.records_of(verdict)
    for start in range(0, len(records), 2 * _PANELS):
        some = records[start : start + 2 * _PANELS]
        yield picture(
            profile_png(some, pair=verdict.pair),
            profile_png(some, pair=verdict.pair, dark=True),
            "Energy profiles of the hops",
        )
    saddles = study.saddles(verdict)
    yield element("h3", "At what cost")
    yield _solution(study, verdict)
    if saddles:
        yield _costs(saddles)
        yield element(
            "p",
            "Relaxed images. Ion to anion: distance to the nearest anion, with the number of "
            "anions within 1.25 of it. Anions: rms displacement. Polyanions: rms change of bonds, "
            "largest change of an angle and largest rotation, end point to saddle. Volume: doped "
            "against undoped cell.",
            style="faint",
        )
    yield element("h3", "How far to trust it")
    yield _errors(verdict)


def _confidence(verdict: PairVerdict) -> str:
    return {
        "high": "high (it stands with all errors doubled)",
        "fair": "fair (it stands with the errors below)",
        "low": "low (see the doubts)",
        "none": "none, it is not decided",
    }[verdict.confidence]


def _value(found: Range) -> str:
    return measure(found.value, "eV")


def _bounded(found: Range) -> str:
    if found.value is None and found.lowest is None:
        return "does not get through"
    low = "no way" if found.lowest is None else f"{found.lowest:.3f}"
    high = "no bound" if found.highest is None else f"{found.highest:.3f}"
    return f"{measure(found.value, '')} [{low}, {high}]"


def _movements(verdict: PairVerdict) -> Element:
    rows = []
    for each in verdict.ions:
        spread_of = "–"
        speed = each.diffusivity
        if speed is not None and speed.mean > 0.0:
            spread_of = f"{speed.mean:.1e} ({speed.lowest:.0e} to {speed.highest:.0e})"
        rows.append(
            _row(
                f"{each.ion} ({each.passage.arrangement})",
                each.word,
                *(_bounded(each.passage.range(what)) for what in DIMENSIONS),
                _along(each.passage),
                spread_of,
                measure(speed.activation if speed else None, ""),
            )
        )
    heads = [f"{what} / eV" for what in DIMENSIONS]
    made = table(_head("ion", "does", *heads, "along a, b, c / eV", "D / cm²/s", "E(D) / eV"), rows)
    return element(
        "div",
        made,
        facts(
            [
                (
                    "difference",
                    ""
                    if verdict.difference is None
                    else f"{measure(verdict.difference, 'eV', sign=True)} "
                    f"({verdict.pair[1]} less {verdict.pair[0]})",
                ),
                ("ratio", "" if verdict.ratio is None else f"{verdict.ratio:.2f}"),
                (
                    f"D({verdict.pair[0]}) / D({verdict.pair[1]})",
                    "" if verdict.selectivity is None else f"{verdict.selectivity:.1e}",
                ),
            ]
        ),
    )


def _along(passage: Passage) -> str:
    return " / ".join(measure(passage.range(axis).value, "", digits=2) for axis in AXES)


def _hops(study: Study, verdict: PairVerdict) -> Element:
    rows = []
    for each in study.network.classes:
        window = study.openings.window(each.class_id)
        rows.append(
            _row(
                f"{each.label}, {each.multiplicity} a cell",
                *(_barrier(ion, each.class_id) for ion in verdict.ions),
                "–" if window is None else window.frame,
                measure(window.radius if window else None, "Å", digits=2),
                *(_fit(study, ion.ion, each.class_id) for ion in verdict.ions),
            )
        )
    first, second = verdict.pair
    return table(
        _head(
            "hop", f"{first} there / back", f"{second} there / back", "window", "its radius",
            f"over {first}", f"over {second}",
        ),
        rows,
    )  # fmt: skip


def _barrier(ion: IonVerdict, class_id: str) -> str:
    known = next((k for k in ion.passage.classes if k.class_id == class_id), None)
    if known is not None:
        limits = {c.bottleneck for c in ion.passage.channels.found if c.what in DIMENSIONS}
        mark = " ◂" if class_id in limits else ""
        return f"{measure(known.forward, '')} / {measure(known.reverse, 'eV')}{mark}"
    return next((m.reason for m in ion.passage.missing if m.class_id == class_id), "–")


def _fit(study: Study, ion: str, class_id: str) -> str:
    found = next(each for each in study.ions if each.ion == ion)
    fit = next((each for each in found.windows if each.class_id == class_id), None)
    return "–" if fit is None else f"{fit.ratio:.2f}"


def _paths(verdict: PairVerdict) -> Iterator[Element]:
    yield element(
        "p",
        "◂ limits a channel. Window: anions at the narrowest place of the widest way in the parent "
        "crystal, working ions taken out; its radius is that of the hard sphere that passes, here "
        "over the ion's Shannon radius; a dash: every way leads through an ion.",
        style="faint",
    )
    for each in verdict.ions:
        way = each.passage.channels.get("1D")
        if way is None or not way.path:
            continue
        steps = " → ".join(f"{step.class_id} (+{step.climb:.3f})" for step in way.path)
        x, y, z = way.direction
        yield element(
            "p",
            f"{each.ion}, easiest way: {steps} eV from site to saddle; a copy of the start is "
            f"reached at ({x:.2f}, {y:.2f}, {z:.2f}) Å; limited by {way.bottleneck}.",
        )


def _solution(study: Study, verdict: PairVerdict) -> Element:
    """Tell what it costs to put the second ion into the host at all."""
    ion = verdict.pair[1]
    found, why = study.solution(verdict, ion)
    energy, mixing, hull = why, "", ""
    if found is not None:
        energy = dict(found.absent).get("solution_energy", "")
        if found.solution_energy is not None:
            energy = f"{measure(found.solution_energy, 'eV', sign=True)} for {found.reaction}"
        if found.mixing_energy is not None:
            mixing = f"{measure(found.mixing_energy, 'eV', sign=True)} for each {ion}"
        if found.above_hull is not None:
            hull = measure(found.above_hull, "eV/atom")
    return facts(
        [
            (f"energy of solution of {ion}", energy),
            ("its energy of mixing, against both hosts", mixing),
            ("host above the hull of the references", hull),
        ]
    )


def _costs(saddles: Sequence[SaddleDescriptors]) -> Element:
    rows = [
        _row(
            f"{each.ion} {each.class_id}, {each.arrangement}",
            _with_number(each.end_distance, each.end_coordination),
            _with_number(each.saddle_distance, each.saddle_coordination),
            measure(each.saddle_radius, "Å", digits=2),
            measure(each.anions_host_to_saddle, "Å", digits=2),
            measure(each.anions_end_to_saddle, "Å", digits=2),
            measure(each.anions_end_to_end, "Å", digits=2),
            percent(each.bond_distortion),
            measure(each.angle_change, "°", digits=1),
            measure(each.rotation, "°", digits=1),
            percent(each.volume_change, sign=True),
        )
        for each in saddles
    ]
    names = (
        "hop", "ion to anion, end", "at saddle", "room at saddle", "anions, host to saddle",
        "end to saddle", "end to end", "polyanions: bonds", "angle", "rotation", "volume",
    )  # fmt: skip
    # A column that holds nothing for any hop is left out.
    told = [k for k in range(len(names)) if any((row[k].text or "–") != "–" for row in rows)]
    return table(_head(*(names[k] for k in told)), [[row[k] for k in told] for row in rows])


def _with_number(distance: float | None, coordination: int | None) -> str:
    return "–" if distance is None else f"{distance:.2f} Å ({coordination})"


def _errors(verdict: PairVerdict) -> Element:
    rows = [
        _row(
            f"{each.ion} {known.class_id}",
            measure(known.numeric, "eV"),
            measure(verdict.trust.error, "eV"),
            measure(known.small_cell or None, "eV"),
            measure(known.spread or None, "eV"),
            f"−{known.below:.2f} +{known.above:.2f} eV",
            "yes" if known.proven else "no",
        )
        for each in verdict.ions
        for known in each.passage.classes
    ]
    made = table(
        _head(
            "hop", "numerics", "level of theory", "small cell", "members differ", "in all", "proven"
        ),
        rows,
    )
    least = max(each.passage.mismatch for each in verdict.ions)
    return element(
        "div",
        made,
        facts(
            [
                ("level of theory", f"{verdict.trust.kind}: ± {verdict.trust.error:.2f} eV"),
                ("from", verdict.trust.source),
                ("one energy scale asked for", measure(least, "eV")),
            ]
        ),
    )


def _structure(study: Study) -> Iterator[Element]:
    frame_work, rooms = study.framework, study.openings
    yield element("h2", f"{frame_work.name}: the framework and its ions")
    anions = sorted({s for each in rooms.sites for s in each.anions})
    yield facts(
        [
            ("framework", f"{frame_work.parent.formula}, {frame_work.space_group}"),
            ("source", frame_work.source),
            ("ordering", frame_work.ordering),
            ("anions around the sites", ", ".join(anions)),
            ("cell", frame_work.fingerprint),
            ("no geometry", rooms.absent),
        ]
    )
    if rooms.absent:
        return
    rows = []
    for ion in study.ions:
        differences = ", ".join(f"{s} {d:.2f}" for s, d in ion.electronegativity_differences)
        rows += [
            _row(
                f"{ion.ion} on {site.orbit}",
                f"{site.coordination} ({frame(site.anions)})",
                f"{site.ion_radius:.2f} Å ({site.radius_coordination}-fold)",
                f"{site.site_radius:.2f} Å",
                f"{site.ratio:.2f}",
                differences,
                " / ".join(f"{ratio:.2f} ({by})" for _, ratio, by in ion.channel_ratios),
            )
            for site in ion.sites
        ]
    yield table(
        _head(
            "ion and site", "anions", "Shannon radius", "room", "room / ion",
            "electronegativity less", "widest channel / ion, 1D / 2D / 3D",
        ),
        rows,
    )  # fmt: skip
    yield element(
        "p",
        "Room: distance to the nearest anion less its six-fold Shannon radius, in the parent as "
        "given; coordination: anions within 1.25 times the nearest distance; radii of the nearest "
        "tabulated coordination (Shannon, doi 10.1107/S0567739476001551). Electronegativity: "
        "Pauling, anion less ion.",
        style="faint",
    )


def _method(verdicts: Sequence[PairVerdict]) -> Iterator[Element]:
    if not verdicts:
        return
    criteria = verdicts[0].criteria
    moves, blocked = criteria.at(REFERENCE)
    reach = spread(moves, REFERENCE, _HOUR) * 1e-4
    creep = spread(blocked, REFERENCE, _YEAR) * 1e-4
    ways = "direction" if criteria.dimensions == 1 else "directions"
    yield fold(
        ["How the verdict is made"],
        element(
            "p",
            f"An ion moves if it gets through in {criteria.dimensions} {ways} by a barrier below "
            f"{moves:.2f} eV at 300 K, and is blocked if every way needs more than {blocked:.2f} "
            "eV; at another temperature both are scaled by T/300 K. With hops of 3 Å and 10¹³ 1/s "
            f"a lone carrier at the first gets {reach:.2g} µm in an hour, one at the second "
            f"{creep:.2g} µm in a year. Between the two it is slow.",
        ),
        element(
            "p",
            "A hop class without a barrier that counts (not computed, wrong mover, not proven …) "
            "is closed for the upper bound and open for the lower. Only what holds within both "
            f"bounds is a verdict; else it is {Answer.UNDECIDED.value}, and what would decide it "
            "is told.",
        ),
        element(
            "p",
            "Carriers are alone: how many there are (energies of defects and of solution), how "
            "they meet, and grain boundaries are not part of it.",
        ),
    )
