"""The table, printed and written; no number in it is typed by hand."""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import facts
import ours
import plain
import summary
import truth
import unverified
from hopset import CASES, IMAGE_DISTANCE
from rivals import CANDIDATES
from rivals import IMAGES as ATOMATE_IMAGES
from rows import CLOSE, FAR, OTHER_END, Cell, Row, rows_of
from runs import METHODS, STANDARD

from dualion.engines.adaptive import TIGHT
from dualion.settings import RelaxSettings

if TYPE_CHECKING:
    from pathlib import Path

    from hosts import Start
    from stash import Stash

PREFACE = """\
# Band methods on one set of hops

Written by `python benchmarks/bands/bands.py`, which computes whatever is missing in its cache
folder and then this page (`bands.py table`: the page alone); do not edit.

{planned} hops by a vacancy in {frameworks} frameworks, {machine[model]}, cells with images at
least {distance:g} Å apart (to compare methods; too small for numbers to quote). Every method starts
from the same host and the same unrelaxed states. Parameters may be tuned on the tune half only;
what is claimed is what the report half says.

{machine[date]}, {machine[cores]} cores ({machine[processor]}), one thread each; the machine was
shared (load {machine[load]} when this was written{loads}), so seconds are rough and calls are what
counts. Python {machine[python]}; {versions}.

## Methods

- **reference**: plain-ASE bands of {truth.IMAGES} images from three paths: pushed {truth.KICK:g} Å
  to one side, and to another, both rattled; and only rattled (missing where it says *of 2*). FIRE
  until the climbing image is below {truth.NEARLY:g} eV/Å and the others below {truth.FLANKS:g};
  Sella takes the climbing image on to {truth.FMAX:g}, and is believed if it stays within
  {truth.STAYED:g} Å and {same:g} meV. Ends below {truth.FMAX:g}. The lowest band that converged
  counts; `~`: it reached only {truth.LOOSE:g} on the saddle or {truth.LOOSE_FLANKS:g} on the
  others; one that did not reach that never counts, nor one with an image more than {above:g} meV
  above its refined saddle. In brackets: how many of the starts converged, and how far apart those
  are in meV. It is no proof: a pass that none of the starts leads to, or a second pass of nearly
  one height, is missed.
- Marks of a reference that is to be doubted: `r`: relaxing its ends moved an atom by more than
  {truth.REARRANGED:g} Å, so that a looser relaxation may stop in quite another state; `u`: a
  converged plain band, or a proven saddle of dualion, is more than {close:g} meV lower on the
  common energy scale. *Sound* are references with neither, tight, and of two or more starts that
  agree to {agree:g} meV. Counts are given for all references, and for sound ones.
- **ase-fire**: {plain.IMAGES} images, IDPP, spring 0.1 eV/Å², ends by FIRE to {plain.FMAX:g} eV/Å;
  the band without a climbing image to {plain.CALM:g}, then with one to {plain.FMAX:g}, at most
  {plain.STEPS} steps in all.
- **atomate2**: its ASE band maker with {atomate_images} images and all else its defaults: ends by
  its relax maker (0.1 eV/Å, at fixed cell), linear path, spring 0.1, no climbing image, FIRE to 0.1
  eV/Å. The climbing image and the spring of 5 that its interface would take are not what its maker
  hands on. It evaluates the ends once more in the band.{half_cell}
- **sella**: ends as for ase-fire; a saddle search from the middle of the IDPP path to
  {plain.FMAX:g} eV/Å, at most {plain.STEPS} steps. Nobody looks whether its saddle joins the ends.
- **dualion-…**: `relax_structure`, `build_path`, `converge_band`, `judge_band`, default settings.
  Ends below {relax.fmax:g} eV/Å, a saddle below {tight:g} if it can be had, {band.fmax:g} at least.

## Columns

Barriers in eV are the highest energy above the method's own initial state. In brackets, in meV:
deviation of the barrier from the reference's / deviation of the highest energy itself, on the
common energy scale of the potential. The first is what a user reads, and holds whatever the ends
were left with by a loose relaxation; the second is of the saddle alone. Counts use the first unless
they say otherwise. Then force calls: ends + band, for the hop by itself.

`!`: not converged by the method's own word; `e`: its initial state is {other_end:g} meV or more
from the reference's: relaxed less far if above, another minimum if below. Where dualion finds
no barrier (highest image less than 20 meV above the higher end), its number is that image's, as for
the others.

A hop *by itself* pays for both of its ends. As a *campaign*, dualion relaxes each state once, and
of states that the host's space group makes equivalent only one; the calls of a relaxation are
divided among the hops of the set in that framework (both ions of the pair) that use it. A hop by
itself whose two ends are equivalent likewise pays for one. The others run hop by hop, as their
users run them. Hosts are charged to nobody, since every method starts from them, but for the
column that says so: there dualion alone pays for them, its rattled check of the host included. The
cell that dualion relaxes beside a dopant, for its change of volume, is no part of a barrier and is
not counted.
"""

ORDER = (
    ("isolated", "by itself"),
    ("campaign", "campaign"),
    ("campaign_host_charged", "campaign, hosts charged"),
    ("band_only", "bands alone"),
    ("isolated_both_right", "by itself, both right"),
    ("campaign_both_right", "campaign, both right"),
)


def write(starts: list[Start], stash: Stash, folder: Path) -> None:
    """Print the tables and write ``results.json`` and ``README.md``."""
    best = summary.best_candidate(starts, stash)
    own = [f"dualion-{name}" for name in METHODS]
    climbs = [f"unverified-{name}" for name in unverified.METHODS]
    optional = [best] if best else []
    methods = [*STANDARD, *optional, *own]
    everything = [*dict.fromkeys([*methods, *CANDIDATES, "dualion-full", *climbs])]
    rows = rows_of(starts, stash, everything)
    if any("dualion-full" in row.cells for row in rows):
        own.append("dualion-full")
        methods.append("dualion-full")
    halves = {
        "all": rows,
        "report": [row for row in rows if row.half == "report"],
        "tune": [row for row in rows if row.half == "tune"],
    }
    hosts = _host_calls(rows, stash)
    accuracies = {
        half: {method: summary.accuracy(those, method) for method in methods}
        for half, those in halves.items()
    }
    savings = {
        half: {
            mine: {
                rival: summary.saving(those, rival, mine, hosts["each"])
                for rival in (*STANDARD, *optional)
            }
            for mine in own
        }
        for half, those in halves.items()
    }
    words = {
        half: {mine: summary.verdicts(those, mine) for mine in own}
        for half, those in halves.items()
    }
    saved = {climb: summary.rescued(rows, climb, own[0]) for climb in climbs}
    tried = {name: summary.accuracy(halves["tune"], name) for name in CANDIDATES}
    machine = facts.facts()
    text = "\n".join(
        [
            *_preface(machine, rows, stash),
            *_missing(rows, methods),
            *_savings(savings, hosts),
            *_accuracies(accuracies),
            *_verdicts(words),
            *_hops(rows, methods),
            *_rescued(rows, saved, own[0]),
            *_trials(tried, best),
        ]
    )
    print(text)
    (folder / "README.md").write_text(text.rstrip() + "\n", encoding="utf-8")
    content = {
        "facts": machine,
        "best_candidate": best,
        "accuracy": accuracies,
        "rival_calls_over_dualion_calls": savings,
        "verdicts": words,
        "unverified_climbs_that_are_off": {
            climb: [
                {**each, "alone": asdict(each["alone"]), "whole": asdict(each["whole"])}
                for each in those
            ]
            for climb, those in saved.items()
        },
        "host_calls": hosts["whole"],
        "candidates_on_tune": tried,
        "hops": [_plain(row) for row in rows],
    }
    (folder / "results.json").write_text(
        json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _plain(row: Row) -> dict[str, Any]:
    start = row.start
    return {
        "hop": row.name,
        "label": start.label,
        "half": row.half,
        "atoms": len(start.endpoints.species),
        "host_is_no_minimum": start.broken_symmetry,
        "half_cell": start.half_cell,
        "undercut_by": row.undercut,
        "sound": row.sound,
        "kind": row.kind,
        "reference": row.reference,
        "methods": {name: asdict(cell) for name, cell in row.cells.items()},
    }


def _host_calls(rows: list[Row], stash: Stash) -> dict[str, dict[str, float]]:
    """Force calls of each host: of the whole, and for each of its hops."""
    frameworks = [row.start.case.framework for row in rows]
    whole = {}
    for name in dict.fromkeys(frameworks):
        host = stash.read("hosts", name)
        if host is not None:
            whole[name] = float(host["calls"])
    return {
        "whole": whole,
        "each": {name: calls / frameworks.count(name) for name, calls in whole.items()},
    }


def _preface(machine: dict[str, Any], rows: list[Row], stash: Stash) -> list[str]:
    half = [row.name for row in rows if row.start.half_cell]
    half_cell = (
        " `†`: a hop of half a cell vector or more, on which its interpolation to nearest images "
        "may take another way."
    )
    values = {
        "planned": len(CASES),
        "frameworks": len({case.framework for case in CASES}),
        "distance": IMAGE_DISTANCE,
        "truth": truth,
        "agree": 1000 * truth.AGREE,
        "same": 1000 * truth.SAME,
        "close": 1000 * CLOSE,
        "above": 1000 * truth.ABOVE,
        "atomate_images": ATOMATE_IMAGES,
        "plain": plain,
        "relax": RelaxSettings(),
        "band": ours.band_settings("adaptive"),
        "tight": TIGHT,
        "versions": ", ".join(f"{name} {number}" for name, number in machine["versions"].items()),
        "machine": machine,
        "loads": _loads(rows, stash),
        "half_cell": half_cell if half else "",
        "other_end": 1000 * OTHER_END,
    }
    lines = []
    for paragraph in PREFACE.format(**values).split("\n\n"):
        for item in re.split(r"\n(?=- )", paragraph):
            indent = "  " if item.startswith("- ") else ""
            lines.append(_filled(item, indent))
        lines.append("")
    return lines


def _loads(rows: list[Row], stash: Stash) -> str:
    pieces = (stash.read("runs", method, row.name) for row in rows for method in row.cells)
    loads = [piece["load"] for piece in pieces if piece is not None and "load" in piece]
    return f"; {min(loads):g} to {max(loads):g} during the runs that noted it" if loads else ""


def _missing(rows: list[Row], methods: list[str]) -> list[str]:
    """Say what is not there."""
    lines = []
    absent = sorted({case.name for case in CASES} - {row.name for row in rows})
    if absent:
        lines.append(f"- not set up: {', '.join(absent)}")
    for state in ("not computed", "unfinished", "no band converged"):
        names = [row.name for row in rows if row.progress == state]
        if names:
            lines.append(f"- reference {state}: {_names(names)}")
    for method in methods:
        names = [row.name for row in rows if method not in row.cells]
        if names:
            lines.append(f"- {method} not run: {_names(names)}")
    return ["## What is missing", "", *(lines or ["Nothing."]), ""]


def _names(names: list[str]) -> str:
    return f"{len(names)} ({', '.join(names)})" if names else "0"


def _savings(
    savings: dict[str, dict[str, dict[str, dict[str, Any]]]], hosts: dict[str, dict[str, float]]
) -> list[str]:
    lines = [
        "## Force calls",
        "",
        *_prose(
            "Geometric mean over hops of a rival's calls over dualion's: above 1, dualion needs "
            "fewer. Only hops that both have run, whatever they answered; *both right*: only hops "
            f"on which both barriers are within {1000 * CLOSE:g} meV of the reference. "
            "*Bands alone*: as if ends were free for everybody. Least and most are of single hops "
            "by themselves. Hosts took "
            f"{sum(hosts['whole'].values()):.0f} calls in all."
        ),
    ]
    head = ["half", "rival", "hops", *(label for _, label in ORDER), "least–most", "seconds"]
    for mine in next(iter(savings.values())):
        lines += [f"Over {mine}:", "", *_head(head)]
        for half, both in savings.items():
            for rival, numbers in both[mine].items():
                cells = [_number(numbers[key]) for key, _ in ORDER]
                cells[-2] += f" ({numbers['both_right']} hops)"
                spread = f"{_number(numbers['least'])}–{_number(numbers['most'])}"
                parts = [half, rival, str(numbers["hops"]), *cells, spread]
                lines.append(_line([*parts, _number(numbers["seconds"])]))
        lines.append("")
    return lines


def _accuracies(accuracies: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    head = [
        "half",
        "method",
        "hops",
        "with reference",
        f"within {1000 * CLOSE:g} meV",
        "the same, highest energy",
        "sound references",
        f"within {1000 * CLOSE:g} meV there",
        f"beyond {1000 * FAR:g} meV",
        "of these converged",
        "no number",
        "not converged",
        "end calls",
        "shared",
        "band calls",
    ]
    lines = ["## Accuracy and sums of calls", "", *_head(head)]
    for half, methods in accuracies.items():
        for method, total in methods.items():
            parts = [
                half,
                method,
                total["hops"],
                total["with_reference"],
                total["within_10_meV"],
                total["top_within_10_meV"],
                total["sound"],
                total["sound_within_10_meV"],
                len(total["beyond_30_meV"]),
                len(total["converged_beyond_30_meV"]),
                len(total["no_number"]),
                len(total["not_converged"]),
                total["end_calls"],
                f"{total['shared_end_calls']:.0f}",
                total["band_calls"],
            ]
            lines.append(_line([str(part) for part in parts]))
    lines += ["", f"Converged, yet more than {1000 * FAR:g} meV from the reference:", ""]
    for method, total in accuracies["all"].items():
        lines.append(f"- {method}: {_names(total['converged_beyond_30_meV'])}")
    return [*lines, ""]


def _verdicts(words: dict[str, dict[str, dict[str, list[str]]]]) -> list[str]:
    lines = [
        "## What dualion says of its own answers",
        "",
        *_prose(
            "A hop may be in several lists. *First search sufficed*: proven without the taut band "
            "or the full one."
        ),
    ]
    for mine in words["all"]:
        lines += [f"{mine}:", "", *_head(["", "report half", "tune half"])]
        for verdict in words["all"][mine]:
            sides = [_names(words[half][mine][verdict]) for half in ("report", "tune")]
            lines.append(_line([verdict, *sides]))
        lines.append("")
    return lines


def _hops(rows: list[Row], methods: list[str]) -> list[str]:
    lines = ["## Hops", "", *_head(["hop", "half", "atoms", "reference", *methods])]
    for row in rows:
        reference = _reference(row)
        if row.reference and row.kind != "barrier":
            reference += f" {row.kind}"
        cells = [_text(row.cells.get(method)) for method in methods]
        name = row.name + ("†" if row.start.half_cell else "")
        atoms = len(row.start.endpoints.species)
        lines.append(_line([name, row.half, str(atoms), reference, *cells]))
    return [*lines, ""]


def _reference(row: Row) -> str:
    known = row.reference
    if known is None:
        return row.progress
    value = f"{'' if known['tight'] else '~'}{known['barrier']:.3f}"
    value += f" ({known['converged_starts']} of {len(known['starts'])}"
    value += f", {1000 * known['spread']:.0f})"
    value += "r" if known["end_moved"] > truth.REARRANGED else ""
    return value + ("u" if row.undercut else "")


def _text(cell: Cell | None) -> str:
    return "–" if cell is None else f"{_value(cell)} {cell.ends}+{cell.band}"


def _value(cell: Cell) -> str:
    if cell.barrier is None:
        value = cell.outcome.replace("_", " ") or cell.note or "no number"
    else:
        off = ""
        if cell.deviation is not None and cell.top_deviation is not None:
            off = f" ({1000 * cell.deviation:+.0f}/{1000 * cell.top_deviation:+.0f})"
        value = f"{cell.barrier:.3f}{off}"
    value += ("" if cell.converged else "!") + ("e" if cell.other_end else "")
    return value


def _rescued(rows: list[Row], saved: dict[str, list[dict[str, Any]]], method: str) -> list[str]:
    """List the climbs that are off, and what was made of them."""
    lines = [
        "## What verification is for",
        "",
        *_prose((unverified.__doc__ or "").split("\n\n", 1)[1]),
        *_prose(
            f"Listed are hops on which that saddle is more than {1000 * CLOSE:g} meV off the "
            "reference's on the common energy scale (the ends are the same in both), or no number "
            "at all, and what the whole method then said."
        ),
    ]
    for climb, those in saved.items():
        ran = [row for row in rows if row.reference and climb in row.cells and method in row.cells]
        good = sum(each["whole"].right_top for each in those)
        lost = [
            row.name
            for row in ran
            if row.cells[climb].right_top and not row.cells[method].right_top
        ]
        lines += _prose(
            f"**{climb}**: {len(ran)} hops with a reference, {len(those)} not within "
            f"{1000 * CLOSE:g} meV; of those {good} right in the end. "
            f"Right without, and not with the proof: {_names(lost)}. "
            f"Band calls in all: {sum(row.cells[climb].band for row in ran)} without, "
            f"{sum(row.cells[method].band for row in ran)} with the proof."
        )
        if not those:
            continue
        by_name = {row.name: row for row in rows}
        lines += _head(["hop", "half", "reference", "climb alone", "calls", method, "calls", "now"])
        for each in those:
            alone, whole = each["alone"], each["whole"]
            parts = [each["hop"], each["half"], _reference(by_name[each["hop"]])]
            parts += [_value(alone) + _remark(alone), str(alone.band)]
            parts += [_value(whole), str(whole.band), _now(whole)]
            lines.append(_line(parts))
        lines.append("")
    return lines


def _remark(cell: Cell) -> str:
    return f"; {cell.note}" if cell.note and cell.barrier is not None else ""


def _now(cell: Cell) -> str:
    if cell.right_top:
        return "right"
    if cell.barrier is None or cell.top_deviation is None:
        return "no number given"
    claim = "proven" if cell.told.get("proven") else "not proven"
    return f"{'lower' if cell.top_deviation < 0.0 else 'higher'} than the reference, {claim}"


def _trials(tried: dict[str, dict[str, Any]], best: str | None) -> list[str]:
    if not any(total["hops"] for total in tried.values()):
        return []
    choice = best or "none yet, as not all have run on a hop with a reference"
    lines = [
        "## Other optimisers of the plain band, on the tune half",
        "",
        f"The one with most barriers within 10 meV, then fewest calls, is in the tables: {choice}.",
        "",
        *_head(
            ["method", "hops", "with reference", "within 10 meV", "beyond 30 meV", "calls"],
        ),
    ]
    for name, total in tried.items():
        calls = total["end_calls"] + total["band_calls"]
        parts = [name, total["hops"], total["with_reference"], total["within_10_meV"]]
        parts += [len(total["beyond_30_meV"]), calls]
        lines.append(_line([str(part) for part in parts]))
    return [*lines, ""]


def _prose(text: str) -> list[str]:
    """Return a paragraph and the empty line after it."""
    return [_filled(text), ""]


def _filled(text: str, indent: str = "") -> str:
    whole = " ".join(text.split())
    if whole.startswith("#"):
        return whole
    return textwrap.fill(whole, 100, subsequent_indent=indent, break_on_hyphens=False)


def _head(columns: list[str]) -> list[str]:
    return [_line(columns), "|---" * len(columns) + "|"]


def _line(parts: list[str]) -> str:
    return "| " + " | ".join(parts) + " |"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
