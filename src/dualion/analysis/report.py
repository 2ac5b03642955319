"""The report of a run: one HTML file with tables, profiles, evidence and provenance."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from pydantic import Field

import dualion
from dualion.analysis.compare import compare
from dualion.analysis.comparison import (
    ComparisonGroup,
    ComparisonRow,
    IonCell,
    measure,
    outcome_word,
    percent,
    plus_minus,
)
from dualion.analysis.page import element, facts, fold, page, picture, table, write_page
from dualion.analysis.plots import profile_png
from dualion.analysis.promotion import Promotion
from dualion.analysis.tierpage import tier_section
from dualion.analysis.tiers import shifts
from dualion.records import Finding, HopRecord, HostState, Record

_PANELS = 12


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"


class RunFacts(Record):
    """What a run cost and where it ran."""

    wall_seconds: float = Field(description="In s, of this and earlier starts of the run.")
    force_calls: int
    jobs: int
    failed_jobs: int = 0
    dualion: str = dualion.__version__
    machine: str = Field(default_factory=_machine)
    further: tuple[tuple[str, str], ...] = Field((), description="More names and values.")


def write_report(
    records: Iterable[HopRecord],
    path: Path,
    *,
    title: str,
    campaign_text: str,
    run_facts: RunFacts,
    pair: tuple[str, str] | None = None,
    host_states: Sequence[HostState] = (),
    promotions: Sequence[Promotion] = (),
) -> Path:
    """Write one HTML file that holds all there is to know about a run.

    It needs no network and no script; pictures are inside. The file appears whole or not at
    all, and replaces an older one.

    Parameters
    ----------
    records
        With or without images; of one or more frameworks and levels of theory.
    path
        File to write; its folder is made.
    title
        Plain text, as all texts here.
    campaign_text
        The campaign file, word for word; may be empty.
    run_facts
        What the run cost.
    pair
        First and second ion; needed if more than two move.
    host_states
        Relaxed hosts, for the part on their stability.
    promotions
        What each tier of the campaign handed on.

    Raises
    ------
    InputError
        If the pair cannot be told from the records.
    RunError
        If the file cannot be written.
    """
    text = report_html(
        records,
        title=title,
        campaign_text=campaign_text,
        run_facts=run_facts,
        pair=pair,
        host_states=host_states,
        promotions=promotions,
    )
    return write_page(text, path, what="the report")


def report_html(
    records: Iterable[HopRecord],
    *,
    title: str,
    campaign_text: str,
    run_facts: RunFacts,
    pair: tuple[str, str] | None = None,
    host_states: Sequence[HostState] = (),
    promotions: Sequence[Promotion] = (),
) -> str:
    """Return the text of :func:`write_report`."""
    known = {record.record_id: record for record in records}
    comparison = compare(known.values(), pair=pair)
    parts: list[Element] = [element("h1", title), _count(known.values())]
    warnings = [*_warnings(list(known.values())), *comparison.notes]
    if warnings:
        items = [element("li", text) for text in warnings]
        parts.append(element("div", element("ul", *items), style="warnings"))
    parts += tier_section(shifts(known.values(), pair=pair), promotions)
    for group in comparison.groups:
        parts += _group(group, known)
    if host_states:
        parts += [element("h2", "Hosts"), *(_host(state) for state in host_states)]
    parts += [element("h2", "Evidence, record by record"), *map(_record, known.values())]
    parts += [element("h2", "Run"), _run(run_facts)]
    if campaign_text.strip():
        parts.append(fold(["Campaign file"], element("pre", campaign_text)))
    return page(title, *parts)


def _count(records: Iterable[HopRecord]) -> Element:
    counts = Counter(outcome_word(record.outcome) for record in records)
    each = ", ".join(f"{number} {word}" for word, number in counts.most_common())
    total = sum(counts.values())
    noun = "record" if total == 1 else "records"
    return element("p", f"{total} {noun}{': ' if each else ''}{each}.", style="faint")


def _warnings(records: list[HopRecord]) -> Iterator[str]:
    learned = {r.theory.stamp.engine for r in records if r.theory.stamp.model_sha256}
    if learned:
        yield (
            f"Barriers of a machine-learned potential ({', '.join(sorted(learned))}) are not to be "
            "quoted to better than 0.1–0.15 eV; use them to rank."
        )
    doubtful = sum(r.outcome.is_barrier and not all(f.passed for f in r.findings) for r in records)
    if doubtful:
        noun = "barrier has" if doubtful == 1 else "barriers have"
        yield f"{doubtful} {noun} a check that did not pass: see the evidence below."


def _group(group: ComparisonGroup, known: dict[str, HopRecord]) -> Iterator[Element]:
    yield element("h2", group.label)
    yield _barriers(group)
    yield element(
        "p",
        "±: bound on the error of convergence (forces left on the highest image); the engine's own "
        "error comes on top.",
        style="faint",
    )
    yield element("h3", "What the framework pays")
    yield _responses(group)
    yield element(
        "p",
        "Path: way of the ion. Anion shift: largest, and rms, displacement of the anions from "
        "host to saddle. Bonds: rms change of polyanion bonds. Volume: doped against undoped.",
        style="faint",
    )
    yield element("h3", "Profiles")
    yield element(
        "p",
        "Points: images of the band; curve: cubic through their energies and forces. "
        "Dashed grey: a band that gave no barrier.",
        style="faint",
    )
    for start in range(0, len(group.rows), _PANELS):
        rows = group.rows[start : start + _PANELS]
        shown = [known[cell.record_id] for row in rows for cell in row.cells if cell]
        pair = (group.ions[0], group.ions[1]) if len(group.ions) == 2 else None
        yield picture(
            profile_png(shown, pair=pair),
            profile_png(shown, pair=pair, dark=True),
            f"Energy profiles of {' and '.join(group.ions)}: "
            + "; ".join(f"{row.hop}, {row.arrangement}" for row in rows),
        )


def _heads(ions: Sequence[str], names: Sequence[str], last: Sequence[str]) -> list[Element]:
    """Two rows of headers: the ions, and what stands under each."""
    over = [element("th", "", colspan="2")]
    over += [
        element("th", ion, style=f"group {place}", colspan=str(len(names)))
        for ion, place in zip(ions, ("first", "second"), strict=False)
    ]
    if last:
        over.append(element("th", "", colspan=str(len(last))))
    under = [element("th", "hop", style="text"), element("th", "arrangement", style="text")]
    under += [element("th", name) for _ in ions for name in names]
    return [element("tr", *over), element("tr", *under, *(element("th", name) for name in last))]


def _barriers(group: ComparisonGroup) -> Element:
    two = len(group.ions) == 2
    names = ("forward", "reverse", "±", "ΔE of sites")
    last = (f"{group.ions[1]} − {group.ions[0]}", "ratio") if two else ()
    rows = []
    for row in group.rows:
        cells = _start(row)
        for cell in row.cells:
            cells += _barrier_cells(cell)
        if two:
            ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
            cells += [_number(measure(row.difference, "eV", sign=True)), _number(ratio)]
        rows.append(cells)
    return table(_heads(group.ions, names, last), rows)


def _barrier_cells(cell: IonCell | None) -> list[Element]:
    if cell is None:
        return [_number("–")] * 4
    return [
        element("td", cell.text, style="" if cell.outcome.is_barrier else "word"),
        _number(measure(cell.reverse, "eV")),
        _number(plus_minus(cell.barrier_error)),
        _number(measure(cell.energy_difference, "eV", sign=True)),
    ]


def _responses(group: ComparisonGroup) -> Element:
    names = ("path", "anion shift", "rms shift", "bonds", "volume")
    rows = []
    for row in group.rows:
        cells = _start(row)
        for cell in row.cells:
            cost = cell.response if cell else None
            cells += [
                _number(measure(cell.path_length if cell else None, "Å", digits=2)),
                _number(measure(cost.largest_anion_displacement if cost else None, "Å", digits=2)),
                _number(measure(cost.rms_anion_displacement if cost else None, "Å", digits=3)),
                _number(percent(cost.bond_distortion if cost else None)),
                _number(percent(cost.volume_change if cost else None, sign=True)),
            ]
        rows.append(cells)
    return table(_heads(group.ions, names, ()), rows)


def _start(row: ComparisonRow) -> list[Element]:
    return [element("td", row.hop, style="text"), element("td", row.arrangement, style="text")]


def _number(text: str) -> Element:
    return element("td", text)


def _findings(findings: Sequence[Finding]) -> Element:
    head = [element("th", name, style="text") for name in ("check", "value", "limit", "result")]
    return table(
        [element("tr", *head)],
        [
            [
                element("td", finding.check, style="text long"),
                _number(f"{finding.value:.4g} {finding.unit}".rstrip()),
                _number("–" if finding.limit is None else f"{finding.limit:.4g} {finding.unit}"),
                element(
                    "td",
                    "passed" if finding.passed else "not passed",
                    style="text" if finding.passed else "text bad",
                ),
            ]
            for finding in findings
        ],
    )


def _host(state: HostState) -> Element:
    cell = state.supercell
    atoms = len(cell.geometry)
    fall = state.energy - state.symmetric_energy
    word = (
        "no minimum: a lower structure without symmetry is used"
        if state.broken_symmetry
        else "stable against a rattle"
    )
    inside = [
        facts(
            [
                ("energy", f"{state.energy:.4f} eV per cell"),
                ("against symmetric, per cell", measure(fall, "eV", sign=True)),
                (
                    "against symmetric, per atom",
                    measure(1000 * fall / atoms, "meV", digits=1, sign=True),
                ),
                ("volume change", percent(state.volume_change, sign=True)),
                ("largest lattice change", percent(state.lattice_change, sign=True)),
                ("image distance", measure(cell.min_image_distance, "Å", digits=2)),
            ]
        )
    ]
    if state.findings:
        inside.append(_findings(state.findings))
    return fold([f"{cell.geometry.formula}, {atoms} atoms: {word}"], *inside)


def _record(record: HopRecord) -> Element:
    theory, source = record.theory, record.provenance
    stamp = theory.stamp
    barrier = (
        f"{measure(record.forward, 'eV')} forward, {measure(record.reverse, 'eV')} back"
        if record.outcome.is_barrier
        else outcome_word(record.outcome)
    )
    summary = (
        f"{record.moving_ion} in {record.framework}, {record.hop.label}, "
        f"{record.arrangement.label}: {barrier}"
    )
    failed = "" if all(finding.passed for finding in record.findings) else " (a check not passed)"
    inside = [
        facts(
            [
                ("outcome", outcome_word(record.outcome)),
                ("note", record.note),
                ("fitted maximum", _if(record.forward_fit, "eV")),
                *_certainty(record),
                ("ΔE of sites", _if(record.energy_difference, "eV", sign=True)),
                ("path of the ion", _if(record.path_length, "Å")),
                ("mechanism", record.hop.mechanism.value),
                ("host", f"{record.formula}, {record.host_ion} host"),
                ("supercell", " / ".join(" ".join(map(str, row)) for row in theory.supercell)),
                ("image distance", measure(record.min_image_distance, "Å", digits=2)),
                ("charge", theory.charge_text),
                ("force calls", str(record.force_calls)),
                ("engine", stamp.text),
                ("engine settings", ", ".join(f"{k} = {v}" for k, v in stamp.parameters)),
                ("model sha256", stamp.model_sha256 or ""),
                ("level of theory", f"{theory.fingerprint}, algorithm {theory.algorithm}"),
                ("dualion", source.dualion),
                ("campaign", source.campaign),
                ("framework cell", source.framework_fingerprint),
                ("settings", source.settings_fingerprint),
                ("created", source.created),
                ("record", record.record_id),
            ]
        )
    ]
    if record.findings:
        inside.append(_findings(record.findings))
    return fold([summary, element("span", failed, style="bad")], *inside)


def _certainty(record: HopRecord) -> list[tuple[str, str]]:
    """Say how sure the numerics are."""
    error = record.error
    if error is None:
        return []
    bound = error.energy if record.outcome.is_barrier else None
    return [
        ("error of convergence", "" if bound is None else plus_minus(bound)),
        ("fitted maximum above the highest image", measure(error.fit_difference, "eV", digits=4)),
        ("force left on the highest image", measure(error.residual, "eV/Å")),
        ("verified", "; ".join(error.verified)),
        ("not verified", "; ".join(error.unverified)),
    ]


def _if(value: float | None, unit: str, *, sign: bool = False) -> str:
    return "" if value is None else measure(value, unit, sign=sign)


def _run(run: RunFacts) -> Element:
    minutes, seconds = divmod(round(run.wall_seconds), 60)
    hours, minutes = divmod(minutes, 60)
    failed = f", {run.failed_jobs} failed" if run.failed_jobs else ""
    return facts(
        [
            (
                "wall time",
                f"{hours} h {minutes} min {seconds} s" if hours else f"{minutes} min {seconds} s",
            ),
            ("force calls", str(run.force_calls)),
            ("jobs", f"{run.jobs}{failed}"),
            ("dualion", run.dualion),
            ("machine", run.machine),
            *run.further,
        ]
    )
