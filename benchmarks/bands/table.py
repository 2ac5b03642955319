"""The table, printed and written; no number in it is typed by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import facts
import plain
import summary
import truth
from hopset import IMAGE_DISTANCE
from rivals import IMAGES as ATOMATE_IMAGES
from rows import OTHER_END, Cell, Row, row_of
from runs import METHODS, STANDARD

if TYPE_CHECKING:
    from pathlib import Path

    from hosts import Start
    from stash import Stash

PREFACE = """\
# Band methods on one set of hops

Written by `python benchmarks/bands/bands.py table`; do not edit.

{done} of {planned} hops, {machine[model]}, cells with images at least {distance:g} Å apart (to
compare methods; too small for numbers to quote). Every method starts from the same unrelaxed
states. Parameters may be tuned on the tune half only; what is claimed is what the report half says.

{machine[date]}, {machine[cores]} cores (one used, the machine shared: seconds are rough),
{machine[processor]}, Python {machine[python]}; {versions}.

- **reference**: the lowest of two or three plain-ASE bands of {truth.IMAGES} images from paths
  pushed {truth.KICK:g} Å to two sides or rattled; ends and climbing image below {truth.FMAX:g}
  eV/Å, the other images below {truth.FLANKS:g}. `~`: only {truth.LOOSE:g} and
  {truth.LOOSE_FLANKS:g} were reached; `?`: not even that, by any.
- **atomate2**: its ASE band maker, {atomate_images} images, all else its defaults; ends by its
  relax maker at fixed cell. `†`: a hop of half a cell vector or more, on which its interpolation
  to nearest images may take another way.
- **ase-…**: {plain.IMAGES} images, IDPP, ends by FIRE to {plain.FMAX:g} eV/Å; the band without a
  climbing image to {plain.CALM:g}, then with one to {plain.FMAX:g}, at most {plain.STEPS} steps.
  **sella**: from the middle of that path to {plain.FMAX:g}; nobody looks whether its saddle joins
  the ends.
- **dualion-…**: `relax_structure`, `build_path`, `converge_band`, `judge_band`, default settings.

In the table: barrier in eV (deviation from the reference in meV), force calls of ends + band. `!`:
not converged; `e`: the initial state is {other_end:g} eV or more from the reference's, that is
another minimum.
"""
BASE = "dualion-full"
"""What ratios are taken to."""


def write(starts: list[Start], stash: Stash, folder: Path) -> None:
    """Print the tables and write ``results.json`` and ``README.md``."""
    best = summary.best_candidate(starts, stash)
    methods = [*STANDARD, *([best] if best else []), *(f"dualion-{name}" for name in METHODS)]
    trials = [*summary.CANDIDATES]
    rows = [row_of(start, stash, [*dict.fromkeys([*methods, *trials])]) for start in starts]
    rows = [row for row in rows if row.cells]
    halves = {
        "all": rows,
        "tune": [row for row in rows if row.half == "tune"],
        "report": [row for row in rows if row.half == "report"],
        "without half-cell hops": [row for row in rows if not row.start.half_cell],
    }
    sums = {
        half: {method: summary.summed(those, method, BASE) for method in methods}
        for half, those in halves.items()
    }
    tried = {name: summary.summed(halves["tune"], name, BASE) for name in trials}
    shared = {
        method: summary.campaign_calls([row.start for row in rows], stash, method)
        for method in methods
        if method.startswith("dualion-")
    }
    machine = facts.facts()
    text = "\n".join(
        [
            *_preface(machine, len(rows), len(starts)),
            *_hops(rows, methods),
            *_sums(sums),
            *_trials(tried, best),
            *_campaign(shared),
        ]
    )
    print(text)
    (folder / "README.md").write_text(text + "\n", encoding="utf-8")
    content = {
        "facts": machine,
        "best_candidate": best,
        "summary": sums,
        "candidates_on_tune": tried,
        "campaign": shared,
        "hops": [_plain(row) for row in rows],
    }
    (folder / "results.json").write_text(
        json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _plain(row: Row) -> dict[str, Any]:
    start = row.start
    return {
        "hop": start.case.name,
        "label": start.label,
        "half": row.half,
        "atoms": len(start.endpoints.species),
        "host_is_no_minimum": start.broken_symmetry,
        "half_cell": start.half_cell,
        "kind": row.kind,
        "reference": row.reference,
        "methods": {name: asdict(cell) for name, cell in row.cells.items()},
    }


def _preface(machine: dict[str, Any], done: int, planned: int) -> list[str]:
    values = {
        "done": done,
        "planned": planned,
        "distance": IMAGE_DISTANCE,
        "truth": truth,
        "atomate_images": ATOMATE_IMAGES,
        "plain": plain,
        "versions": ", ".join(f"{name} {number}" for name, number in machine["versions"].items()),
        "machine": machine,
        "other_end": OTHER_END,
    }
    return [PREFACE.format(**values)]


def _hops(rows: list[Row], methods: list[str]) -> list[str]:
    lines = [
        "| hop | half | atoms | reference | " + " | ".join(methods) + " |",
        "|---" * (4 + len(methods)) + "|",
    ]
    for row in rows:
        start, known = row.start, row.reference
        if known is None:
            reference = "?"
        else:
            reference = f"{'' if known['tight'] else '~'}{known['barrier']:.3f}"
            reference += "" if row.kind == "barrier" else f" ({row.kind})"
        cells = [_text(row.cells.get(method)) for method in methods]
        name = start.case.name + ("†" if start.half_cell else "")
        atoms = len(start.endpoints.species)
        parts = [name, row.half, str(atoms), reference, *cells]
        lines.append("| " + " | ".join(parts) + " |")
    return [*lines, ""]


def _text(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    if cell.barrier is None:
        value = cell.outcome.replace("_", " ")
    else:
        off = "" if cell.deviation is None else f" ({1000 * cell.deviation:+.0f})"
        value = f"{cell.barrier:.3f}{off}"
    marks = ("" if cell.converged else "!") + ("e" if cell.other_end else "")
    return f"{value}{marks} {cell.ends}+{cell.band}"


def _sums(sums: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    head = (
        "method",
        "hops",
        "with reference",
        "within 10 meV",
        "beyond 30 meV",
        "no number",
        "not converged",
        "end calls",
        "band calls",
        f"calls / {BASE}",
        "the same, both right",
        "seconds",
    )
    lines = []
    for half, methods in sums.items():
        lines += [f"## {half}", "", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        for method, total in methods.items():
            ratio = _number(total["call_ratio"])
            right = f"{_number(total['call_ratio_both_right'])} ({total['both_right']} hops)"
            parts = [
                method,
                *(
                    str(total[key])
                    for key in (
                        "hops",
                        "with_reference",
                        "within_10_meV",
                        "beyond_30_meV",
                        "no_number",
                        "not_converged",
                        "end_calls",
                        "band_calls",
                    )
                ),
                ratio,
                right,
                _number(total["seconds_ratio"]),
            ]
            lines.append("| " + " | ".join(parts) + " |")
        lines.append("")
    note = (
        "Ratios are geometric means over the hops that both have run; 'both right': over those "
        "where both are within 10 meV."
    )
    return [note, "", *lines]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _trials(tried: dict[str, dict[str, Any]], best: str | None) -> list[str]:
    lines = [
        "## Other optimisers on the tune half",
        "",
        f"The one with most barriers within 10 meV, then fewest calls, is in the tables: {best}.",
        "",
        (
            "| method | hops | with reference | within 10 meV | beyond 30 meV | not converged "
            "| calls |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for name, total in tried.items():
        keys = ("hops", "with_reference", "within_10_meV", "beyond_30_meV", "not_converged")
        calls = total["end_calls"] + total["band_calls"]
        lines.append(f"| {name} | " + " | ".join(str(total[k]) for k in keys) + f" | {calls} |")
    return [*lines, ""]


def _campaign(shared: dict[str, dict[str, int]]) -> list[str]:
    lines = [
        "## dualion as a campaign",
        "",
        "A state that several hops use is relaxed once.",
        "",
        "| method | states | end calls | end calls, shared | band calls |",
        "|---|---|---|---|---|",
    ]
    for name, total in shared.items():
        keys = ("states", "end_calls", "end_calls_shared", "band_calls")
        lines.append(f"| {name} | " + " | ".join(str(total[key]) for key in keys) + " |")
    return lines
