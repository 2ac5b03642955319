"""What is asked of VASP: every INCAR tag of every step, and why it has its value.

Values that depend on the cell (spin, +U, projection) are rules here and become tags in
``inputs``, the same for all images of a band and its two ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dualion.errors import InputError
from dualion.records import Record

if TYPE_CHECKING:
    from dualion.settings import BandSettings, RelaxSettings

Value = str | int | float | bool
Step = Literal["cell", "ions", "band", "static"]
"""Host with its lattice; end points; a band; one energy and its forces."""

REAL_SPACE_ATOMS = 30
"""Cells with more atoms than this are projected in real space."""


class Tag(Record):
    """One INCAR tag and its reason."""

    name: str
    value: Value
    reason: str


class Preset(Record):
    """A level of theory in VASP."""

    functional: Literal["PBE", "PBEsol"] = "PBE"
    potentials: str = Field("PBE_54", description="Set of POTCARs, as pymatgen calls it.")
    spacing: float = Field(
        0.35, gt=0.05, le=1.0, description="Largest distance of k-points, in 1/Å, with 2π."
    )
    hubbard: bool = Field(
        default=True, description="+U of the Materials Project for transition metals in O and F."
    )
    changed: tuple[tuple[str, Value], ...] = Field(
        (), description="Tags of the user that take the place of the ones here."
    )


_GGA = {"PBE": "PE", "PBEsol": "PS"}

_OWN = frozenset(
    {
        *("NELECT", "IMAGES", "SPRING", "LCLIMB", "ICHAIN", "NSW", "EDIFFG", "ISIF", "IBRION"),
        *("MAGMOM", "LDAUU", "LDAUJ", "LDAUL", "KSPACING", "GGA", "METAGGA"),
    }
)
"""Tags that dualion sets by its own settings, or that would make another preset."""


def preset_from(kwargs: dict[str, Value]) -> Preset:
    """Build a preset from the ``kwargs`` of an engine entry.

    Parameters
    ----------
    kwargs
        Fields of :class:`Preset` in lower case; INCAR tags in capitals.

    Raises
    ------
    InputError
        A field is not known, or a tag is one that dualion sets itself.
    """
    fields = {name: value for name, value in kwargs.items() if name != name.upper()}
    tags = {name: value for name, value in kwargs.items() if name == name.upper()}
    taken = sorted(_OWN & tags.keys())
    if taken:
        raise InputError(
            f"{', '.join(taken)} cannot be given: dualion sets it",
            where="kwargs of the engine",
            remedy="use the settings of the campaign (relax, band, charge), or 'functional', "
            "'spacing' and 'hubbard'",
        )
    known = set(Preset.model_fields) - {"changed"}
    if unknown := sorted(fields.keys() - known):
        raise InputError(
            f"unknown {', '.join(unknown)}",
            where="kwargs of the engine",
            remedy=f"known: {', '.join(sorted(known))}, and INCAR tags in capitals",
        )
    return Preset.model_validate({**fields, "changed": tuple(sorted(tags.items()))})


def electronic(preset: Preset) -> tuple[Tag, ...]:
    """Tags that make the energy: the same in every step, so that energies may be subtracted."""
    tags = (
        Tag(
            name="GGA",
            value=_GGA[preset.functional],
            reason="written out, so that it does not hang on the POTCARs; PBE is what most "
            "published barriers of ionic conductors are of, PBEsol has the better lattice "
            "parameters",
        ),
        Tag(
            name="PREC",
            value="Accurate",
            reason="FFT grid without wrap-around errors: forces of a band need it",
        ),
        Tag(
            name="ENCUT",
            value=520,
            reason="1.3 times the largest ENMAX of the usual potentials (400 eV, O), as the "
            "Materials Project: the basis serves a cell that relaxes, too",
        ),
        Tag(
            name="EDIFF",
            value=1e-6,
            reason="forces to about 1 meV/Å, below every threshold used here; the optimisers of "
            "VTST need accurate forces",
        ),
        Tag(name="NELM", value=100, reason="more than a healthy cycle needs; then a handler acts"),
        Tag(
            name="NELMIN",
            value=5,
            reason="forces lag behind the energy: VASP's manual asks for 4 to 8 in relaxations",
        ),
        Tag(
            name="ALGO",
            value="Normal",
            reason="the robust start; custodian goes on to All where it fails",
        ),
        Tag(
            name="ISMEAR",
            value=0,
            reason="Gaussian: safe for insulators on coarse meshes and along a path on which "
            "the gap may change; tetrahedra give wrong forces in a metal",
        ),
        Tag(name="SIGMA", value=0.05, reason="no entropy left in an insulator"),
        Tag(
            name="LASPH",
            value=True,
            reason="aspherical terms inside the spheres: needed with +U, and d shells (Cu, Ag)",
        ),
        Tag(
            name="ISYM",
            value=0,
            reason="a path has less symmetry than its ends: with symmetry off, images and ends "
            "have the same k-points and VASP cannot pin an ion to a ridge",
        ),
        Tag(
            name="LDIPOL",
            value=False,
            reason="IDIPOL off: no correction for images of the charge. It would be about the same "
            "at the ends and at the saddle, and it spoils forces in a periodic solid",
        ),
        Tag(name="LWAVE", value=False, reason="a killed run does not write it, and it is large"),
        Tag(name="LCHARG", value=False, reason="nobody reads it, and it is large"),
    )
    changed = dict(preset.changed)
    own = [
        tag.model_copy(update={"value": changed.pop(tag.name), "reason": "set in the engine entry"})
        if tag.name in changed
        else tag
        for tag in tags
    ]
    more = [
        Tag(name=name, value=value, reason="set in the engine entry")
        for name, value in sorted(changed.items())
    ]
    return (*own, *more)


def relaxation(settings: RelaxSettings, *, cell: bool, symmetric: bool, steps: int) -> list[Tag]:
    """Tags that move the ions of a host or an end point.

    Parameters
    ----------
    settings
        The threshold.
    cell
        Whether the lattice relaxes.
    symmetric
        Whether the space group is kept.
    steps
        Ionic steps left.
    """
    tags = [
        Tag(name="IBRION", value=2, reason="conjugate gradients: reliable far from the minimum"),
        Tag(name="POTIM", value=0.3, reason="trial step that light ions (Li) do not overshoot"),
        Tag(
            name="ISIF",
            value=3 if cell else 2,
            reason="ions, shape and volume of the host"
            if cell
            else "ions only: both ends and the path share the lattice of the host",
        ),
        Tag(name="NSW", value=steps, reason="the campaign's largest number of steps"),
        Tag(
            name="EDIFFG",
            value=-settings.fmax,
            reason="by force, in eV/Å: an energy criterion leaves end points above their minima",
        ),
    ]
    if symmetric:
        tags.append(
            Tag(
                name="ISYM",
                value=2,
                reason="the host keeps its space group: hops were classed by it (it is rattled "
                "afterwards, without symmetry)",
            )
        )
    return tags


def band(
    settings: BandSettings, *, images: int, climb: bool, limit: float, steps: int
) -> list[Tag]:
    """Tags that move the images of a band (VTST).

    Parameters
    ----------
    settings
        The spring.
    images
        Between the two ends.
    climb
        Whether the highest image climbs.
    limit
        Largest force on any image at which VASP stops, in eV/Å.
    steps
        Band steps left.
    """
    return [
        Tag(name="IMAGES", value=images, reason="images between the ends; cores are a multiple"),
        Tag(name="ICHAIN", value=0, reason="nudged elastic band"),
        Tag(name="SPRING", value=-settings.spring, reason="negative: nudged; in eV/Å²"),
        Tag(
            name="LCLIMB",
            value=climb,
            reason="the highest image climbs (doi 10.1063/1.1329672), once the band has settled: "
            "climbing from the start may carry a wrong image",
        ),
        Tag(name="LTANGENTOLD", value=False, reason="improved tangent (doi 10.1063/1.1323224)"),
        Tag(name="IBRION", value=3, reason="hands the ions to the optimisers of VTST"),
        Tag(name="POTIM", value=0, reason="with IBRION = 3: VASP itself does not move them"),
        Tag(
            name="IOPT",
            value=1 if climb else 7,
            reason="L-BFGS near the saddle" if climb else "FIRE: safe with large forces",
        ),
        Tag(name="MAXMOVE", value=0.2, reason="no image moves an ion further in one step, in Å"),
        Tag(name="ISIF", value=2, reason="the lattice of the host"),
        Tag(name="NSW", value=steps, reason="the campaign's largest number of band steps"),
        Tag(
            name="EDIFFG",
            value=-limit,
            reason="by force, in eV/Å; dualion stops VASP earlier, when the climbing image is "
            "below band.fmax and the others below band.fmax_flanks",
        ),
    ]


def static() -> list[Tag]:
    """Tags of one energy and its forces, for bands that dualion moves."""
    return [
        Tag(name="IBRION", value=-1, reason="ions stay"),
        Tag(name="NSW", value=0, reason="one configuration"),
        Tag(name="ISIF", value=2, reason="forces and the stress"),
        Tag(
            name="LWAVE",
            value=True,
            reason="the next configuration is close: its cycle starts from these orbitals",
        ),
    ]


def rules(preset: Preset) -> tuple[tuple[str, str], ...]:
    """Rules for what depends on the cell, in words: part of the level of theory."""
    hubbard = "Materials Project, in oxides and fluorides" if preset.hubbard else "none"
    return (
        ("KPOINTS", f"centred on Γ, at most {preset.spacing:g} 1/Å apart"),
        ("LDAUU", hubbard),
        ("LREAL", f"Auto above {REAL_SPACE_ATOMS} atoms"),
        ("MAGMOM", "ferromagnetic, Materials Project"),
        ("ISPIN", "2 with a magnetic ion or an odd number of electrons"),
        ("NELECT", "neutral atoms less the charge, on a uniform background"),
        ("POTCAR", f"{preset.potentials}, as atomate2 chooses"),
    )
