"""What the page shows before a record is opened: levels, filters, map and table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dualion.analysis.comparison import outcome_word
from dualion.explorer.heatmap import HeatMap, heat_map
from dualion.explorer.questions import BARRIERS, PAGE, Question
from dualion.records import Outcome

if TYPE_CHECKING:
    from dualion.explorer.levels import Level, Theories
    from dualion.store.base import BarrierFilter, BarrierStore
    from dualion.store.columns import Columns

_FACETS = {
    "framework": "framework",
    "ion": "moving_ion",
    "arrangement": "arrangement",
    "mechanism": "mechanism",
    "outcome": "outcome",
    "campaign": "campaign",
}
_FIELD = {"outcome": "outcomes"}
_CHOICES = 1000
_MAP = ("framework", "host_ion", "moving_ion")

Answer = dict[str, Any]


def chosen_level(question: Question, levels: tuple[Level, ...]) -> Level | None:
    """Return the level that is asked for; the one with most records if none is named.

    A level that is asked for and not there gives None: another one is never put in its place.
    """
    if question.level is None:
        return levels[0] if levels else None
    return next((level for level in levels if level.level_id == question.level), None)


def level_filter(question: Question, columns: Columns, theories: Theories) -> BarrierFilter:
    """Return the filter of a question, at its level of theory."""
    level = chosen_level(question, theories.levels(columns))
    return question.filter(level.fingerprints if level else ())


def view(question: Question, store: BarrierStore, theories: Theories) -> Answer:
    """Answer a whole view as plain data.

    Returns
    -------
    dict
        ``store``, ``level``, ``levels``, ``facets``, ``heat`` and ``table``.
    """
    columns = store.columns()
    levels = theories.levels(columns)
    level = chosen_level(question, levels)
    fingerprints = level.fingerprints if level else ()
    # The map is for finding one's way: it keeps the frameworks and ions that were not chosen.
    wide = question.without("framework", "cell", "ion", "pair").filter(fingerprints)
    heat = heat_map(columns.groups(_MAP, wide))
    return {
        "store": store_text(store),
        "level": level.level_id if level else None,
        "levels": [
            {"id": each.level_id, **each.model_dump(include={"label", "detail", "count"})}
            for each in levels
        ],
        "facets": {
            **_facets(question, columns, fingerprints),
            "pair": [
                {"value": pair.key, "text": pair.text, "count": heat.count(pair.key)}
                for pair in heat.pairs
                if "," in pair.key
            ],
        },
        "heat": _heat(heat, columns, theories),
        "table": _table(question, question.filter(fingerprints), columns),
    }


def rows(question: Question, store: BarrierStore, theories: Theories) -> Answer:
    """Answer one page of the table as plain data: ``rows``, ``count``, ``offset``, ``limit``."""
    columns = store.columns()
    return _table(question, level_filter(question, columns, theories), columns)


def store_text(store: BarrierStore) -> str:
    """Name a store without the folders of this machine."""
    where = store.where
    return where if "://" in where else f"{Path(where).name}, {store.backend}"


def _table(question: Question, wanted: BarrierFilter, columns: Columns) -> Answer:
    count = columns.count(wanted)
    # Beyond the end, say after another filter: the last page there is.
    offset = min(question.offset, max(0, (count - 1) // PAGE * PAGE))
    page = wanted.model_copy(update={"offset": offset, "limit": PAGE})
    found: list[Answer] = []
    for row in columns.rows(columns.select(page)):
        outcome = Outcome(str(row["outcome"]))
        text = {"outcome_text": outcome_word(outcome), "is_barrier": outcome.is_barrier}
        found.append({**row, **text})
    return {"rows": found, "count": count, "offset": offset, "limit": PAGE}


def _facets(
    question: Question, columns: Columns, fingerprints: tuple[str, ...]
) -> dict[str, list[Answer]]:
    """Values of each filter with what choosing them would leave: its own choice is put aside."""
    shared = columns.facets(question.filter(fingerprints), tuple(_FACETS.values()))
    answer: dict[str, list[Answer]] = {}
    for name, column in _FACETS.items():
        field = _FIELD.get(name, name)
        counts = shared[column]
        if getattr(question, field):
            fields = ("framework", "cell") if name == "framework" else (field,)
            other = question.without(*fields).filter(fingerprints)
            counts = columns.facets(other, (column,))[column]
        values = [{"value": str(value), "count": count} for value, count in counts.items()]
        answer[name] = _outcomes(values) if name == "outcome" else _listed(values)
    return answer


def _listed(values: list[Answer]) -> list[Answer]:
    return sorted(values[:_CHOICES], key=lambda each: str(each["value"]))


def _outcomes(values: list[Answer]) -> list[Answer]:
    known = [each for each in values if each["value"] in set(Outcome)]
    told = [{**each, "text": outcome_word(Outcome(each["value"]))} for each in known]
    barriers = sum(each["count"] for each in known if Outcome(each["value"]).is_barrier)
    return [{"value": BARRIERS, "text": "all barriers", "count": barriers}, *told]


def _heat(heat: HeatMap, columns: Columns, theories: Theories) -> Answer:
    answer = heat.model_dump()
    names = [row.framework for row in heat.rows]
    for row in answer["rows"]:
        several = names.count(row["framework"]) > 1
        row["size"] = theories.size(row["cell"], columns) if several else ""
    return answer
