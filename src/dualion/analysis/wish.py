"""What a person looks for among verdicts: a dual conductor, or one that keeps an ion out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import Field

from dualion.analysis.verdict import Answer, PairVerdict
from dualion.errors import InputError
from dualion.records import Record
from dualion.structures.cations import cation


class Wish(Record):
    """What a person looks for: a dual conductor, or a framework that keeps one ion out."""

    blocked: str | None = Field(None, description="The ion to keep out; None: both shall move.")

    @property
    def text(self) -> str:
        """As it is typed: ``dual``, ``block:Cu``."""
        return "dual" if self.blocked is None else f"block:{self.blocked}"


def read_wish(text: str) -> Wish:
    """Read ``dual`` or ``block:Cu``.

    Raises
    ------
    InputError
        If it is neither, or the ion is unknown.
    """
    if text == "dual":
        return Wish()
    match = re.fullmatch(r"block:([A-Za-z]{1,2})", text)
    if match is None:
        raise InputError(
            f"unknown wish {text!r}", where="--want", remedy="write dual, or block:Cu for an ion"
        )
    cation(match[1])
    return Wish(blocked=match[1])


def ranked(verdicts: Sequence[PairVerdict], wish: Wish) -> tuple[PairVerdict, ...]:
    """Sort verdicts by how well they serve a wish, the best first.

    A dual conductor: those first, by the higher of the two barriers; then the undecided ones.
    A blocker: those that block the ion and carry the other first, by how far the barrier of the
    blocked one is above that of the other; then the undecided. Pairs without that ion are left
    out.

    Parameters
    ----------
    verdicts
        Of any frameworks; different levels of theory keep their own rows.
    wish
        What is looked for.

    Raises
    ------
    InputError
        If no verdict is about the ion.
    """
    ion = wish.blocked
    if ion is None:
        return tuple(sorted(verdicts, key=_dual_key))
    about = [each for each in verdicts if ion in each.pair]
    if not about:
        pairs = ", ".join(sorted({"/".join(each.pair) for each in verdicts})) or "none"
        raise InputError(
            f"no verdict is about {ion}", where="--want", remedy=f"the pairs are {pairs}"
        )
    return tuple(sorted(about, key=lambda each: _block_key(each, ion)))


def _dual_key(each: PairVerdict) -> tuple[int, float]:
    place = {Answer.DUAL: 0, Answer.UNDECIDED: 1}.get(each.answer, 2)
    return place, max(_or_far(one.best) for one in each.ions)


def _block_key(each: PairVerdict, ion: str) -> tuple[int, float]:
    kept, other = each.ions if each.pair[0] == ion else each.ions[::-1]
    place = 0 if ion in each.blocks else 1 if each.answer is Answer.UNDECIDED else 2
    return place, _or_far(other.best) - _or_far(kept.best)


def _or_far(value: float | None) -> float:
    """Stand in for the barrier of an ion that is not known to get through, in eV."""
    return 10.0 if value is None else value
