"""Whether a second ion goes into a host: energies of solution, of mixing, and above the hull.

All from energies of whole cells at one level of theory, at 0 K and without vibrations. What cannot
be said is None, with the reason beside it.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from dualion.analysis.hull import NOTHING, cheapest, is_stable, lowest_mixture
from dualion.errors import InputError
from dualion.records import LevelOfTheory, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dualion.analysis.hull import ComputedPhase

    Array = NDArray[np.float64]

NO_REFERENCES = "no reference phases were given ('dualion solution … --references')"


class Balance(Record):
    """What energies of phases say of one kind of ion in the host of another."""

    solution_energy: float | None = Field(
        None, description="Energy of the reaction, in eV per exchanged ion; negative: it goes in."
    )
    route: Literal["hull", "exchange", ""] = Field(
        "",
        description="'hull': from the phases that are stable at the doped cell's composition. "
        "'exchange': from one phase into another, where the references do not reach it.",
    )
    reaction: str = Field("", description="Balanced, e.g. 'Li24Cl24 + NaCl → NaLi23Cl24 + LiCl'.")
    mixing_energy: float | None = Field(
        None,
        description="Against the host and the host of the other ion alone, each in its own "
        "relaxed cell, in eV per exchanged ion. No solution energy: other phases may be lower.",
    )
    above_hull: float | None = Field(
        None, description="Of the host, in eV/atom; 0: the references do not take it apart."
    )
    phase_separation: float | None = Field(
        None,
        description="Host less what the references are lowest in at its composition, in eV/atom; "
        "negative: it is stable by so much.",
    )
    decomposition: str = Field("", description="Those phases, e.g. 'Li3PS4 + Li2S + LiCl'.")
    absent: tuple[tuple[str, str], ...] = Field((), description="What is not known, and why.")


class SiteEnergy(Record):
    """One ion on one kind of site of the host."""

    site: str = Field(description="Orbit of the parent, e.g. '24g', and the supercell's atom.")
    energy: float = Field(description="Above the lowest site, in eV.")


class Solution(Balance):
    """One ion dissolved in the host of another, at one level of theory."""

    framework: str
    framework_fingerprint: str
    campaign: str
    settings_fingerprint: str
    host_ion: str
    ion: str = Field(description="That is put in.")
    theory: LevelOfTheory = Field(description="Charge 0: an ion is exchanged, none is missing.")
    host: str = Field(description="Formula of the supercell.")
    fraction: float = Field(description="Share of working-ion sites with the ion.")
    sites: tuple[SiteEnergy, ...] = Field(description="Those looked at, lowest first.")
    references: tuple[str, ...] = Field((), description="Phases that were used.")
    left_out: tuple[tuple[str, str], ...] = Field((), description="Phases that were not, and why.")
    broken_symmetry_host: bool = False
    min_image_distance: float = Field(description="In Å.")
    dualion: str = ""

    def is_level_of(self, theory: LevelOfTheory) -> bool:
        """Whether a record of that level may stand beside it.

        All must agree but the charge: a cell that lacks an ion may be charged, this one has all.
        """
        return self.theory == theory.model_copy(update={"charge": self.theory.charge})


def balance(
    host: ComputedPhase,
    doped: ComputedPhase,
    references: Sequence[ComputedPhase],
    *,
    host_ion: str,
    ion: str,
    full: ComputedPhase | None = None,
) -> Balance:
    r"""Work out what it costs to exchange ions of a host for others.

    With :math:`H(x)` the hull of the references *and the host*, the lowest energy that any mixture
    of them has at the composition of :math:`x`, the solution energy of :math:`n` ions is

    .. math:: [(E_\mathrm{doped} - H(\mathrm{doped})) - (E_\mathrm{host} - H(\mathrm{host}))] / n

    The second bracket is what the host itself lies above the hull, so that its own
    metastability is not charged to the ion; it is zero for a stable host. With the chemical
    potentials of the mixture at the doped cell's composition (the dual variables of the hull) it is
    the formation energy of the dopant as in doi 10.1103/RevModPhys.86.253, wherever a stable host
    is in that mixture: the lowest for any potentials at which no reference precipitates.

    Where no mixture has the doped cell's composition, the ions are exchanged with a reservoir
    instead: references that hold the new ion may be used up, references that hold the old one and
    none of the new may be formed, and of all such reactions that of the lowest energy is taken.
    Only references that are stable take part: one that is not would be a source of energy.

    Parameters
    ----------
    host
        The supercell, neutral, in its own relaxed cell.
    doped
        The same with some ions exchanged and nothing missing, in its own relaxed cell.
    references
        Other phases.
    host_ion, ion
        What is replaced, and by what.
    full
        The host with all ions exchanged, in its own relaxed cell.

    Raises
    ------
    InputError
        If the phases are not of one level of theory or not neutral, or if host, doped and full
        host differ in more than the exchanged ions.
    """
    _require_one_level([host, doped, *references, *([] if full is None else [full])])
    number = _exchanged(host, doped, host_ion, ion)
    found: dict[str, object] = {}
    absent: dict[str, str] = {}
    for part, why in (
        _solved(host, doped, references, host_ion, ion, number),
        _mixed(host, doped, full, host_ion, ion, number),
        _apart(host, references),
    ):
        found |= part
        absent |= why
    return Balance.model_validate(found | {"absent": tuple(sorted(absent.items()))})


def _require_one_level(phases: Sequence[ComputedPhase]) -> None:
    first = phases[0]
    for phase in phases:
        if phase.charge:
            raise InputError(
                f"is charged ({phase.charge:+d} e)",
                where=phase.name,
                remedy="energies of neutral cells are balanced: compute it without a charge",
            )
        if phase.stamp != first.stamp:
            same = phase.stamp.text == first.stamp.text
            raise InputError(
                f"is of {phase.stamp.text}, but {first.name} is of {first.stamp.text}"
                + (" with other parameters" if same else ""),
                where=phase.name,
                remedy="levels of theory are not mixed: compute all phases with one engine",
            )


def _exchanged(host: ComputedPhase, doped: ComputedPhase, host_ion: str, ion: str) -> int:
    change = Counter(doped.count)
    change.subtract(host.count)
    number = change[ion]
    if number < 1 or {k: v for k, v in change.items() if v} != {ion: number, host_ion: -number}:
        raise InputError(
            f"{doped.formula} is not {host.formula} with {host_ion} exchanged for {ion}",
            where=doped.name,
            remedy="give the host and the same cell with some of its ions exchanged",
        )
    return number


_Part = tuple[dict[str, object], dict[str, str]]


def _solved(
    host: ComputedPhase,
    doped: ComputedPhase,
    references: Sequence[ComputedPhase],
    host_ion: str,
    ion: str,
    number: int,
) -> _Part:
    if not references:
        return {}, {"solution_energy": NO_REFERENCES}
    phases = [host, *references]
    route = "hull"
    before = lowest_mixture(phases, host.count)
    after = lowest_mixture(phases, doped.count)
    if before is None or after is None:
        route = "exchange"
        used = _exchange(host, references, host_ion, ion)
        if used is None:
            return {}, {"solution_energy": _no_exchange(references, host_ion, ion)}
        net = np.concatenate([[1.0], used * number])
    else:
        net = after.amounts - before.amounts
        net[0] += 1.0
    energy = doped.energy - float(net @ [phase.energy for phase in phases])
    return {
        "solution_energy": energy / number,
        "route": route,
        "reaction": _reaction(phases, net, doped),
    }, {}


def _exchange(
    host: ComputedPhase, references: Sequence[ComputedPhase], host_ion: str, ion: str
) -> Array | None:
    """Cells used up (negative: formed) of each reference when one ion is exchanged."""
    stable = [k for k, phase in enumerate(references) if is_stable(phase, [host, *references])]
    takes = [k for k in stable if references[k].count.get(ion)]
    gives = [k for k in stable if references[k].count.get(host_ion) and k not in takes]
    chosen = [*takes, *gives]
    # The lowest energy of the reaction is the highest of what is used up less what is formed.
    upside = [references[k].model_copy(update={"energy": -references[k].energy}) for k in chosen]
    signs = [1] * len(takes) + [-1] * len(gives)
    found = cheapest(upside, {ion: 1.0, host_ion: -1.0}, signs)
    if found is None:
        return None
    used = np.zeros(len(references))
    used[chosen] = found
    return used


def _no_exchange(references: Sequence[ComputedPhase], host_ion: str, ion: str) -> str:
    for symbol in (ion, host_ion):
        if not any(phase.count.get(symbol) for phase in references):
            return f"no reference holds {symbol}"
    return (
        f"no reaction of the references exchanges {host_ion} for {ion}: give a phase of each "
        "with the same partners, such as both chlorides"
    )


def _mixed(
    host: ComputedPhase,
    doped: ComputedPhase,
    full: ComputedPhase | None,
    host_ion: str,
    ion: str,
    number: int,
) -> _Part:
    if full is None:
        return {}, {"mixing_energy": f"the host of {ion} alone was not computed"}
    wanted = {ion if k == host_ion else k: v for k, v in host.count.items()}
    if {k: v * host.size for k, v in full.count.items()} != {
        k: v * full.size for k, v in wanted.items()
    }:
        raise InputError(
            f"{full.formula} is not {host.formula} with all {host_ion} exchanged for {ion}",
            where=full.name,
            remedy="give the same host with all of its ions exchanged",
        )
    x = number / host.count[host_ion]
    swapped = full.energy * host.size / full.size
    energy = doped.energy - (1.0 - x) * host.energy - x * swapped
    return {"mixing_energy": energy / number}, {}


def _apart(host: ComputedPhase, references: Sequence[ComputedPhase]) -> _Part:
    """How the host stands against the references alone."""
    names = ("above_hull", "phase_separation")
    if not references:
        return {}, dict.fromkeys(names, NO_REFERENCES)
    found = lowest_mixture(references, host.count)
    if found is None:
        known = {name for phase in references for name, _ in phase.atoms}
        missing = [name for name, _ in host.atoms if name not in known]
        why = (
            f"no reference holds {' or '.join(missing)}"
            if missing
            else f"no mixture of the references has the composition {host.unit[0]}"
        )
        return {}, dict.fromkeys(names, why)
    apart = (host.energy - found.energy) / host.size
    return {
        "above_hull": max(0.0, apart),
        "phase_separation": apart,
        "decomposition": _side(_terms(references, found.amounts / host.unit[1])),
    }, {}


def _reaction(phases: Sequence[ComputedPhase], net: Array, doped: ComputedPhase) -> str:
    """Write a reaction; the first phase is the host, named by its cell if one cell takes part."""
    host = phases[0]
    if abs(net[0] - 1.0) * host.size < NOTHING:
        terms = [(1.0, host.formula), *_terms(phases[1:], net[1:])]
    else:
        terms = _terms(phases, net)
    used = [(amount, name) for amount, name in terms if amount > 0]
    formed = [(-amount, name) for amount, name in terms if amount < 0]
    return f"{_side(used)} → {_side([(1.0, doped.formula), *formed])}"


def _terms(phases: Sequence[ComputedPhase], amounts: Array) -> list[tuple[float, str]]:
    """Count the formula units of phases that take part."""
    taken: dict[str, float] = {}
    for phase, amount in zip(phases, amounts, strict=True):
        if abs(amount) * phase.size > NOTHING:
            name, units = phase.unit
            taken[name] = taken.get(name, 0.0) + float(amount) * units
    return [(amount, name) for name, amount in taken.items() if abs(amount) > NOTHING]


def _side(terms: Sequence[tuple[float, str]]) -> str:
    return " + ".join(f"{_number(amount)}{name}" for amount, name in terms)


def _number(amount: float) -> str:
    near = Fraction(amount).limit_denominator(1000)
    if abs(float(near) - amount) > 1e-6:
        return f"{amount:.4g} "
    if near.denominator == 1:
        return "" if near == 1 else f"{near.numerator} "
    return f"{near} "
