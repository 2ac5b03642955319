"""Two ions side by side: the same hops, the same environment, the same level of theory."""

from __future__ import annotations

from collections.abc import Iterable

from dualion.analysis.band import resting_depth
from dualion.analysis.comparison import (
    QUOTABLE_DISTANCE,
    Comparison,
    ComparisonGroup,
    ComparisonRow,
    IonCell,
    comparison_table,
)
from dualion.errors import InputError
from dualion.records import HopRecord, Outcome

__all__ = [
    "Comparison",
    "ComparisonGroup",
    "ComparisonRow",
    "IonCell",
    "compare",
    "comparison_table",
    "environment",
]


def compare(
    records: Iterable[HopRecord],
    *,
    pair: tuple[str, str] | None = None,
    fingerprint: str | None = None,
) -> Comparison:
    """Put the records of two ions on the same hops side by side.

    Records with different frameworks or levels of theory never share a table. Where several
    records answer the same question (say, with other convergence settings), a barrier goes
    before another outcome and the newest before older ones; the others are named.

    Parameters
    ----------
    records
        In any order; those of other ions than the pair are left out.
    pair
        First and second ion. By default the host ion and the one other ion that moves.
    fingerprint
        Only this level of theory: its sixteen digits, or the first few.

    Raises
    ------
    InputError
        If the ions cannot be told, or nothing is left to compare.
    """
    everything = list(records)
    ions = pair if pair is not None else _pair(everything)
    if len(ions) == 2 and ions[0] == ions[1]:
        raise InputError(f"the pair names {ions[0]} twice", remedy="name two ions")
    chosen = [record for record in everything if record.moving_ion in ions]
    if pair is not None and not chosen:
        moved = ", ".join(sorted({r.moving_ion for r in everything})) or "none"
        raise InputError(
            f"no records of {' or '.join(ions)} (moving ions here: {moved})",
            remedy="name another pair or framework",
        )
    if fingerprint is not None:
        known = sorted({record.theory.fingerprint for record in chosen})
        chosen = [r for r in chosen if r.theory.fingerprint.startswith(fingerprint)]
        left = sorted({record.theory.fingerprint for record in chosen})
        if len(left) != 1:
            raise InputError(
                f"fingerprint '{fingerprint}' fits {len(left)} levels of theory",
                remedy=f"name one of {', '.join(left or known)}",
            )
    bundles: dict[tuple[str, ...], list[HopRecord]] = {}
    for record in chosen:
        bundles.setdefault(_table(record), []).append(record)
    groups = tuple(_group(bundle, ions) for _, bundle in sorted(bundles.items()))
    return Comparison(ions=ions, groups=groups, notes=_notes(groups))


def _pair(records: list[HopRecord]) -> tuple[str, ...]:
    moving = sorted({record.moving_ion for record in records})
    hosts = {record.host_ion for record in records}
    if len(moving) > 2:
        raise InputError(
            f"records of {len(moving)} moving ions ({', '.join(moving)})",
            remedy="name the pair to compare, e.g. Li,Cu",
        )
    return tuple(sorted(moving, key=lambda ion: (ion not in hosts, ion)))


def _table(record: HopRecord) -> tuple[str, ...]:
    """Everything that must agree within one table."""
    return (
        record.framework,
        record.provenance.framework_fingerprint,
        record.hop.mechanism.value,
        record.theory.fingerprint,
    )


def environment(record: HopRecord) -> tuple[str, tuple[tuple[int, str], ...]]:
    """Return what surrounds the mover: equal for two ions that may share a row.

    The host ion in the pure host and a single dopant in it see the same neighbours, though
    their arrangements are called 'pure' and 'dilute'.
    """
    arrangement = record.arrangement
    if arrangement.label not in {"pure", "dilute"}:
        return arrangement.label, ()
    others = tuple(
        sorted(
            (one.atom, one.species)
            for one in arrangement.substitutions
            if one.atom != record.hop.initial
        )
    )
    return ("dilute" if others else "host", others)


def _group(records: list[HopRecord], ions: tuple[str, ...]) -> ComparisonGroup:
    first = records[0]
    rows: dict[tuple[object, ...], list[HopRecord]] = {}
    for record in records:
        hop = record.hop
        rows.setdefault((hop.class_id, hop.member, environment(record)), []).append(record)
    built = [_row(row, ions) for row in rows.values()]
    return ComparisonGroup(
        framework=first.framework,
        framework_fingerprint=first.provenance.framework_fingerprint,
        mechanism=first.hop.mechanism,
        host_ion=first.host_ion,
        formula=first.formula,
        ions=ions,
        theory=first.theory,
        min_image_distance=min(record.min_image_distance for record in records),
        rows=tuple(
            sorted(
                built,
                key=lambda r: (_natural(r.class_id), r.length, r.member, _place(r), r.arrangement),
            )
        ),
    )


def _natural(class_id: str) -> tuple[str, int]:
    """Sort 'h10' after 'h2'."""
    digits = class_id.lstrip("abcdefghijklmnopqrstuvwxyz")
    return class_id.removesuffix(digits), int(digits) if digits.isdecimal() else 0


def _place(row: ComparisonRow) -> int:
    """Pure first, full last."""
    return {"pure": 0, "pure/dilute": 0, "dilute": 1, "full": 3}.get(row.arrangement, 2)


def _row(records: list[HopRecord], ions: tuple[str, ...]) -> ComparisonRow:
    hop = records[0].hop
    cells = tuple(_cell([r for r in records if r.moving_ion == ion]) for ion in ions)
    labels = dict.fromkeys(cell.arrangement for cell in cells if cell is not None)
    return ComparisonRow(
        hop=hop.label,
        class_id=hop.class_id,
        member=hop.member,
        orbits=hop.orbits,
        length=hop.length,
        multiplicity=hop.multiplicity,
        arrangement="/".join(sorted(labels, key=lambda label: label != "pure")),
        cells=cells,
    )


def _cell(records: list[HopRecord]) -> IonCell | None:
    if not records:
        return None
    best, *others = sorted(
        sorted(records, key=lambda r: (r.provenance.created, r.record_id), reverse=True),
        key=lambda r: not r.outcome.is_barrier,
    )
    return IonCell(
        ion=best.moving_ion,
        record_id=best.record_id,
        arrangement=best.arrangement.label,
        outcome=best.outcome,
        forward=best.forward,
        reverse=best.reverse,
        forward_fit=best.forward_fit,
        error=best.error,
        energy_difference=best.energy_difference,
        path_length=best.path_length,
        response=best.response,
        ranking_only=0.0 < best.min_image_distance < QUOTABLE_DISTANCE,
        broken_symmetry_host=best.broken_symmetry_host,
        resting_depth=_resting_depth(best),
        force_calls=best.force_calls,
        others=tuple(record.record_id for record in others),
    )


def _resting_depth(record: HopRecord) -> float | None:
    """Of a band that converged; the path of another says nothing of sites."""
    converged = record.outcome.is_barrier or record.outcome is Outcome.BARRIERLESS
    return resting_depth(record.energies) if converged else None


def _notes(groups: tuple[ComparisonGroup, ...]) -> tuple[str, ...]:
    notes: list[str] = []
    theories = {group.fingerprint for group in groups}
    if len(theories) > 1:
        notes.append(
            f"{len(theories)} levels of theory (engine, cell or charge differ): their barriers "
            "stand in separate tables and must not be compared; choose one by its fingerprint."
        )
    parents: dict[str, set[str]] = {}
    for group in groups:
        parents.setdefault(group.framework, set()).add(group.framework_fingerprint)
    notes.extend(
        f"'{name}' stands for {len(prints)} different parent cells: kept in separate tables."
        for name, prints in sorted(parents.items())
        if len(prints) > 1
    )
    cells = [cell for group in groups for row in group.rows for cell in row.cells if cell]
    more = sum(len(cell.others) for cell in cells)
    if more:
        notes.append(
            f"{more} further {'record answers' if more == 1 else 'records answer'} the same "
            "question with other settings; shown is the newest that is a barrier."
        )
    if any(cell.ranking_only for cell in cells):
        nearest = min(g.min_image_distance for g in groups if g.min_image_distance > 0.0)
        notes.append(
            f"* Ranking only: images less than {QUOTABLE_DISTANCE:.0f} Å apart (down to "
            f"{nearest:.1f} Å); such a barrier may be ranked, not quoted."
        )
    depths = [cell.resting_depth for cell in cells if cell.resting_depth is not None]
    if depths:
        notes.append(
            f"† The ion rests between the two sites, below both (by up to {max(depths):.3f} eV): "
            "what limits it is the climb out of there, not the number shown."
        )
    if any(cell.broken_symmetry_host for cell in cells):
        notes.append(
            "Broken symmetry: the symmetric host is no minimum in this model; a lower structure "
            "without symmetry was used, so hops of one class may differ."
        )
    return tuple(notes)
