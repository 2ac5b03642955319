"""How far predicted barriers are from those of the literature, and whether ions come in its order.

All predictions of one table are of one engine; the order of two ions in a framework is asked only
of barriers that were computed alike.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from itertools import combinations
from typing import TYPE_CHECKING

from pydantic import Field, computed_field

from dualion.errors import InputError
from dualion.records import Outcome, Record
from dualion.structures.cations import rank

if TYPE_CHECKING:
    from dualion.records import EngineStamp

TIE = 0.02
"""Barriers of two ions that differ by less than this have no order, in eV."""


class ReferencePrediction(Record):
    """A barrier of the literature and what an engine says."""

    label: str
    family: str
    framework: str
    ion: str
    pair: str = Field("", description="Predictions with the same word are ordered; empty: none.")
    literature: float = Field(description="In eV.")
    doi: str
    predicted: float | None = Field(None, description="In eV; None: no barrier.")
    outcome: Outcome | None = Field(None, description="How the band ended; None: no record.")
    reason: str = Field("", description="Why there is no barrier, or what to know of it.")
    record_id: str = ""
    settings_fingerprint: str = ""
    charge: int = Field(0, description="Of the cell, in e.")
    broken_symmetry_host: bool = False
    rests_between: bool = Field(
        default=False, description="The ion rests between the two sites; the barrier is from there."
    )

    @computed_field  # type: ignore[prop-decorator]
    @property
    def error(self) -> float | None:
        """Predicted minus literature, in eV."""
        return None if self.predicted is None else self.predicted - self.literature


class Deviation(Record):
    """Errors of some predictions."""

    name: str
    hops: int = Field(description="Asked for.")
    barriers: int = Field(description="Of them with a barrier; the rest counts in no mean.")
    mean_absolute: float | None = Field(description="In eV; None: no barrier at all.")
    mean: float | None = Field(description="Signed, in eV: below zero is too low.")
    largest: float | None = Field(description="Largest absolute error, in eV.")


class Sign(StrEnum):
    """What became of the order of two ions."""

    RIGHT = "right"
    WRONG = "wrong"
    TIED = "no order predicted"
    MISSING = "a barrier is missing"
    UNASKED = "no order in the literature"


class PairSign(Record):
    """The order of two ions in one framework."""

    pair: str
    ions: tuple[str, str]
    literature: float = Field(description="Barrier of the second ion minus the first's, in eV.")
    predicted: float | None = Field(description="The same of the engine; None: one is missing.")
    sign: Sign


class Validation(Record):
    """Everything that one engine says of a reference set."""

    engine: str = Field(description="Engine, code and version in words.")
    predictions: tuple[ReferencePrediction, ...]
    total: Deviation
    families: tuple[Deviation, ...]
    ions: tuple[Deviation, ...]
    pairs: tuple[PairSign, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def right(self) -> int:
        """Pairs whose order is right."""
        return sum(pair.sign is Sign.RIGHT for pair in self.pairs)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def asked(self) -> int:
        """Pairs of which both barriers are there and the literature has an order."""
        counted = {Sign.RIGHT, Sign.WRONG, Sign.TIED}
        return sum(pair.sign in counted for pair in self.pairs)


def deviation(name: str, predictions: Iterable[ReferencePrediction]) -> Deviation:
    """Summarise errors; what has no barrier counts in no mean, but is counted."""
    asked = list(predictions)
    errors = [each.error for each in asked if each.error is not None]
    sizes = [abs(error) for error in errors]
    return Deviation(
        name=name,
        hops=len(asked),
        barriers=len(errors),
        mean_absolute=statistics.fmean(sizes) if sizes else None,
        mean=statistics.fmean(errors) if errors else None,
        largest=max(sizes, default=None),
    )


def pair_signs(
    predictions: Iterable[ReferencePrediction], *, tie: float = TIE
) -> tuple[PairSign, ...]:
    """Compare the order of every two ions that share a framework with the literature's.

    Parameters
    ----------
    predictions
        Those without a pair are left out.
    tie
        Differences below this are no order, in eV.

    Returns
    -------
    tuple of PairSign
        By pair, the lighter ion first.

    Raises
    ------
    InputError
        If two predictions of a pair are of one ion, or were computed with different settings or
        charges.
    """
    groups: dict[str, list[ReferencePrediction]] = {}
    for each in predictions:
        if each.pair:
            groups.setdefault(each.pair, []).append(each)
    return tuple(
        _sign(one, two, tie)
        for members in groups.values()
        for one, two in combinations(sorted(members, key=lambda p: rank(p.ion)), 2)
    )


def _sign(one: ReferencePrediction, two: ReferencePrediction, tie: float) -> PairSign:
    if one.ion == two.ion:
        raise InputError(
            f"{one.label!r} and {two.label!r} are of one ion",
            where=f"pair {one.pair!r}",
            remedy="give hops of one ion different pairs",
        )
    known = one.predicted is not None and two.predicted is not None
    if known and _level(one) != _level(two):
        raise InputError(
            f"{one.label!r} and {two.label!r} were computed with other settings or charges",
            where=f"pair {one.pair!r}",
            remedy="compute both alike",
        )
    literature = two.literature - one.literature
    predicted = None
    if one.predicted is not None and two.predicted is not None:
        predicted = two.predicted - one.predicted
    return PairSign(
        pair=one.pair,
        ions=(one.ion, two.ion),
        literature=literature,
        predicted=predicted,
        sign=_verdict(literature, predicted, tie),
    )


def _level(prediction: ReferencePrediction) -> tuple[str, int]:
    return prediction.settings_fingerprint, prediction.charge


def _verdict(literature: float, predicted: float | None, tie: float) -> Sign:
    if abs(literature) < tie:
        return Sign.UNASKED
    if predicted is None:
        return Sign.MISSING
    if abs(predicted) < tie:
        return Sign.TIED
    return Sign.RIGHT if (predicted > 0.0) == (literature > 0.0) else Sign.WRONG


def validation(stamp: EngineStamp, predictions: Sequence[ReferencePrediction]) -> Validation:
    """Put the statistics of one engine together.

    Parameters
    ----------
    stamp
        What made all the predictions.
    predictions
        In the order of the table.
    """
    return Validation(
        engine=stamp.text,
        predictions=tuple(predictions),
        total=deviation("all", predictions),
        families=_by(predictions, lambda each: each.family),
        ions=_by(sorted(predictions, key=lambda p: rank(p.ion)), lambda each: each.ion),
        pairs=pair_signs(predictions),
    )


def _by(
    predictions: Iterable[ReferencePrediction], key: Callable[[ReferencePrediction], str]
) -> tuple[Deviation, ...]:
    groups: dict[str, list[ReferencePrediction]] = {}
    for each in predictions:
        groups.setdefault(key(each), []).append(each)
    return tuple(deviation(name, members) for name, members in groups.items())
