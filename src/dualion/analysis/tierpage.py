"""The part of a report that sets two levels of theory side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from dualion.analysis.comparison import measure
from dualion.analysis.page import element, fold, table

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from dualion.analysis.promotion import Promotion
    from dualion.analysis.tiers import ShiftTable


def tier_section(
    tables: Sequence[ShiftTable], promotions: Iterable[Promotion] = ()
) -> Iterator[Element]:
    """Make the section: what was promoted, and each table of shifts with its means.

    Parameters
    ----------
    tables
        One for each two levels of theory.
    promotions
        What each tier handed on.

    Yields
    ------
    Element
        Nothing at all if there is neither.
    """
    told = tuple(promotions)
    if not tables and not told:
        return
    yield element("h2", "Tiers")
    for promotion in told:
        yield element("p", promotion.text)
        left = [element("li", line) for line in promotion.told]
        if left:
            yield fold([f"{len(left)} not promoted for want of a barrier"], element("ul", *left))
    for each in tables:
        yield element("h3", each.label)
        yield _rows(each)
        lines = [element("li", shift.text) for shift in each.per_ion]
        lines += [element("li", line) for line in pair_lines(each)]
        if lines:
            yield element("ul", *lines)
    if tables:
        yield element(
            "p",
            "Forward barriers. Each column is one level of theory, each with its own lattice; "
            "the shift is the right one minus the left one, on the same hop.",
            style="faint",
        )


def pair_lines(each: ShiftTable) -> list[str]:
    """Say how the difference of the two ions shifts, one line a hop."""
    lines = []
    for pair in each.pairs:
        turned = ": the other ion is the faster one" if pair.turned else ""
        lines.append(
            f"{each.ions[1]} − {each.ions[0]}, {pair.hop} {pair.arrangement}: "
            f"{measure(pair.lower, 'eV', sign=True)} → "
            f"{measure(pair.upper, 'eV', sign=True)}{turned}"
        )
    return lines


def _rows(each: ShiftTable) -> Element:
    names = ("hop", "arrangement", "ion")
    head = [element("th", name, style="text") for name in names]
    head += [element("th", name) for name in (*each.heads, "shift")]
    return table(
        [element("tr", *head)],
        [
            [
                element("td", row.hop, style="text"),
                element("td", row.arrangement, style="text"),
                element("td", row.ion, style="text"),
                element("td", row.lower.text, style="" if row.lower.forward else "word"),
                element("td", row.upper.text, style="" if row.upper.forward else "word"),
                element("td", measure(row.shift, "eV", sign=True)),
            ]
            for row in each.rows
        ],
    )
