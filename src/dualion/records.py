"""The typed records that cross every border of dualion.

All are frozen and refuse unknown fields. They hold plain numbers, strings and tuples, so that
a job document, the store and an export hold the same thing. Lengths are in Å, energies in eV,
forces in eV/Å, volumes in Å³.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    computed_field,
    model_serializer,
    model_validator,
)

from dualion.settings import ALGORITHM

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray
    from pymatgen.core import Structure

Vec3 = tuple[float, float, float]
IntVec3 = tuple[int, int, int]
Matrix3 = tuple[Vec3, Vec3, Vec3]
IntMatrix3 = tuple[IntVec3, IntVec3, IntVec3]


LITERATURE = "literature"
"""Engine, code and algorithm of a value that was taken from the literature, not computed."""


def content_hash(value: object, length: int = 16) -> str:
    """Hash plain data (what ``json`` can write) by content.

    Parameters
    ----------
    value
        Plain data; keys are sorted, floats are written by ``repr``.
    length
        Number of hexadecimal digits returned, at most 64.

    Returns
    -------
    str
        The first digits of a SHA-256.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def as_vectors(array: NDArray[np.float64]) -> tuple[Vec3, ...]:
    """Turn an array of shape (n, 3) into plain tuples."""
    return tuple((float(x), float(y), float(z)) for x, y, z in np.asarray(array, dtype=float))


def _numbers(species: tuple[str, ...]) -> NDArray[np.int64]:
    from ase.data import atomic_numbers

    return np.array([atomic_numbers[symbol] for symbol in species])


class Record(BaseModel):
    """Base of all records: frozen, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Mechanism(StrEnum):
    """How an ion moves."""

    VACANCY = "vacancy"
    INTERSTITIAL = "interstitial"


class Outcome(StrEnum):
    """How a band ended; only the first two are barriers."""

    CONVERGED = "converged"
    INTERMEDIATE_MINIMUM = "converged_with_intermediate_minimum"
    ENDPOINT_COLLAPSED = "endpoint_collapsed"
    WRONG_MOVER = "wrong_mover"
    FRAMEWORK_BROKEN = "framework_broken"
    BARRIERLESS = "barrierless"
    UNCONVERGED = "unconverged"
    ENGINE_FAILED = "engine_failed"

    @property
    def is_barrier(self) -> bool:
        """Whether a number with this outcome may be tabulated as a barrier."""
        return self in {Outcome.CONVERGED, Outcome.INTERMEDIATE_MINIMUM}


class Check(StrEnum):
    """What can be known of a barrier beyond its number."""

    CONVERGED = "forces converged"
    RESOLVED = "no higher point between the images"
    CURVES_DOWN = "curves down along the path"
    ONE_NEGATIVE = "no second negative curvature found"
    JOINS_ENDS = "saddle joins the ends"


class Finding(Record):
    """One piece of evidence: a quantity, what it was held against, and the result."""

    check: str = Field(description="What was looked at, e.g. 'mover offset at the initial site'.")
    value: float
    limit: float | None = None
    unit: str = ""
    passed: bool = True


class Geometry(Record):
    """An ordered periodic structure in plain numbers."""

    lattice: Matrix3 = Field(description="Rows are the lattice vectors, in Å.")
    species: tuple[str, ...] = Field(description="Chemical symbols, shape (n,).")
    positions: tuple[Vec3, ...] = Field(description="Cartesian positions in Å, shape (n, 3).")

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.species) != len(self.positions):
            msg = f"{len(self.species)} species but {len(self.positions)} positions"
            raise ValueError(msg)
        return self

    def __len__(self) -> int:
        return len(self.species)

    @property
    def cell(self) -> NDArray[np.float64]:
        """Lattice vectors as rows, shape (3, 3), in Å."""
        return np.array(self.lattice, dtype=float)

    @property
    def xyz(self) -> NDArray[np.float64]:
        """Cartesian positions, shape (n, 3), in Å."""
        return np.array(self.positions, dtype=float).reshape(-1, 3)

    @property
    def fractional(self) -> NDArray[np.float64]:
        """Fractional positions, shape (n, 3), not wrapped."""
        return self.xyz @ np.linalg.inv(self.cell)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Atomic numbers, shape (n,)."""
        return _numbers(self.species)

    @property
    def volume(self) -> float:
        """Cell volume in Å³."""
        return float(abs(np.linalg.det(self.cell)))

    @property
    def formula(self) -> str:
        """Composition as pymatgen's full formula without blanks, e.g. ``Li24P4S20Cl4``."""
        from pymatgen.core import Composition

        counts: dict[str, int] = {}
        for symbol in self.species:
            counts[symbol] = counts.get(symbol, 0) + 1
        return Composition(counts).formula.replace(" ", "")

    def atoms(self) -> Atoms:
        """Return this geometry as ``ase.Atoms`` with full periodicity."""
        from ase import Atoms

        return Atoms(list(self.species), positions=self.xyz, cell=self.cell, pbc=True)

    def structure(self) -> Structure:
        """Return this geometry as a ``pymatgen`` Structure in the same site order."""
        from pymatgen.core import Lattice, Structure

        return Structure(
            Lattice(self.cell), list(self.species), self.xyz, coords_are_cartesian=True
        )

    def moved(self, xyz: NDArray[np.float64]) -> Geometry:
        """Return a copy with other Cartesian positions, shape (n, 3), in Å."""
        return Geometry(lattice=self.lattice, species=self.species, positions=as_vectors(xyz))

    def digest(self, digits: int = 3) -> str:
        """Hash of the geometry with numbers rounded to ``digits`` decimals of an Å."""
        scale = 10**digits
        return content_hash(
            [
                np.rint(self.cell * scale).astype(int).tolist(),
                list(self.species),
                np.rint(self.xyz * scale).astype(int).tolist(),
            ]
        )

    @classmethod
    def from_atoms(cls, atoms: Atoms) -> Geometry:
        """Take lattice, symbols and positions from ``ase.Atoms``."""
        a, b, c = as_vectors(atoms.cell.array)
        return cls(
            lattice=(a, b, c),
            species=tuple(atoms.get_chemical_symbols()),
            positions=as_vectors(atoms.positions),
        )

    @classmethod
    def from_structure(cls, structure: Structure) -> Geometry:
        """Take an ordered ``pymatgen`` Structure; oxidation states are dropped."""
        a, b, c = as_vectors(structure.lattice.matrix)
        return cls(
            lattice=(a, b, c),
            species=tuple(site.specie.symbol for site in structure),
            positions=as_vectors(structure.cart_coords),
        )


class Images(Record):
    """A row of geometries with one lattice and one species list (a path or a band)."""

    lattice: Matrix3
    species: tuple[str, ...]
    positions: tuple[tuple[Vec3, ...], ...] = Field(
        description="Cartesian positions in Å, shape (images, n, 3), end points included."
    )

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def xyz(self) -> NDArray[np.float64]:
        """Cartesian positions, shape (images, n, 3), in Å."""
        return np.array(self.positions, dtype=float)

    @property
    def cell(self) -> NDArray[np.float64]:
        """Lattice vectors as rows, shape (3, 3), in Å."""
        return np.array(self.lattice, dtype=float)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Atomic numbers, shape (n,)."""
        return _numbers(self.species)

    @property
    def is_finite(self) -> bool:
        """Whether all positions and lattice vectors are numbers."""
        return bool(np.isfinite(self.xyz).all() and np.isfinite(self.cell).all())

    def geometry(self, index: int) -> Geometry:
        """Return one image."""
        return Geometry(lattice=self.lattice, species=self.species, positions=self.positions[index])

    def atoms(self) -> list[Atoms]:
        """Return all images as ``ase.Atoms``."""
        return [self.geometry(i).atoms() for i in range(len(self))]

    @classmethod
    def from_array(
        cls, lattice: Matrix3, species: tuple[str, ...], xyz: NDArray[np.float64]
    ) -> Images:
        """Build from an array of shape (images, n, 3), in Å."""
        return cls(lattice=lattice, species=species, positions=tuple(as_vectors(x) for x in xyz))


class Site(Record):
    """A site of the moving sublattice in the parent: a working-ion site or a void."""

    index: int = Field(description="Position in the network's list of sites.")
    fractional: Vec3
    orbit: str = Field(
        description="Orbit label: multiplicity in the parent's conventional cell "
        "and Wyckoff letter, e.g. '24g'."
    )
    atom: int | None = Field(None, description="Atom of the parent there; None for a void.")


class Framework(Record):
    """An anion framework: an ordered parent cell and its working ion."""

    name: str
    prototype: str = ""
    working_ion: str
    parent: Geometry = Field(description="Ordered primitive standard cell.")
    source: str = Field("", description="DOI or database id.")
    ordering: str = Field("", description="What was done to order it.")
    space_group: str = Field("", description="Hermann–Mauguin symbol of the ordered parent.")
    vacant: tuple[Site, ...] = Field(
        (), description="Sites of the working ions, which were taken out; none: they are in."
    )

    @property
    def fingerprint(self) -> str:
        """Hash of the working ion, the parent cell and the vacant sites (rounded to 0.001 Å)."""
        digests = [self.parent.digest()]
        if self.vacant:
            places = np.array([site.fractional for site in self.vacant]) @ self.parent.cell
            ions = (self.working_ion,) * len(places)
            taken = Geometry(
                lattice=self.parent.lattice, species=ions, positions=as_vectors(places)
            )
            digests.append(taken.digest())
        return content_hash([self.working_ion, *digests])


class Supercell(Record):
    """A supercell of a parent and where each of its atoms comes from."""

    matrix: IntMatrix3 = Field(description="Rows: supercell vectors in parent vectors.")
    geometry: Geometry
    parent_index: tuple[int, ...] = Field(description="Parent atom of each atom, shape (n,).")
    parent_image: tuple[IntVec3, ...] = Field(
        description="Parent lattice translation of each atom, shape (n, 3)."
    )
    min_image_distance: float = Field(description="Shortest lattice vector, in Å.")


class Operation(Record):
    """A space-group operation ``x' = R x + t`` on fractional coordinates of the parent."""

    rotation: IntMatrix3
    translation: Vec3


class HopMember(Record):
    """One hop of a class: from a site in the home cell to a site in another parent cell."""

    initial: int = Field(description="Index of the initial site.")
    final: int = Field(description="Index of the final site.")
    image: IntVec3 = Field(description="Parent cell of the final site.")
    operation: int = Field(description="Operation that maps the class's first member onto this.")
    reversed: bool = Field(description="Whether that operation maps it end for end.")


class HopClass(Record):
    """All hops that the space group makes equivalent (an undirected hop counted once)."""

    class_id: str = Field(description="'h1', 'h2', … by length.")
    orbits: tuple[str, str]
    length: float = Field(description="Site-to-site distance, in Å.")
    multiplicity: int = Field(description="Undirected hops of this class per primitive parent.")
    per_site: tuple[int, int] = Field(
        description="Hops of this class that start at one initial / one final site."
    )
    self_mirror: bool = Field(description="Whether an operation swaps the two ends.")
    members: tuple[HopMember, ...] = Field(
        description="One per undirected hop; the first is the representative."
    )

    @property
    def label(self) -> str:
        """Short text for tables, e.g. ``h1 24g–24g 3.26 Å``."""
        return f"{self.class_id} {self.orbits[0]}–{self.orbits[1]} {self.length:.2f} Å"


class HopNetwork(Record):
    """The moving sublattice of a parent, its symmetry and its distinct hops."""

    parent: Geometry
    mechanism: Mechanism
    ion: str
    sites: tuple[Site, ...]
    operations: tuple[Operation, ...]
    classes: tuple[HopClass, ...]
    max_length: float = Field(description="Longest hop looked for, in Å.")
    dimensionality: int = Field(description="Directions (0–3) in which all hops percolate.")


class Hop(Record):
    """A hop of a class placed in a supercell."""

    class_id: str
    member: int = Field(description="Which member of the class (0 is the representative).")
    mechanism: Mechanism
    orbits: tuple[str, str]
    length: float = Field(description="Length on the parent, in Å.")
    multiplicity: int
    self_mirror: bool
    initial: int | None = Field(None, description="Supercell atom at the initial site; None: void.")
    final: int | None = Field(None, description="Supercell atom at the final site; None: void.")
    initial_position: Vec3 = Field(description="Ideal initial site, Cartesian, in Å.")
    vector: Vec3 = Field(description="From initial to final site, Cartesian, in Å; never wrapped.")

    @property
    def label(self) -> str:
        """Short text for tables, e.g. ``h1 24g–24g 3.26 Å``; the name alone if that is all."""
        if self.length == 0.0:
            return self.class_id
        text = f"{self.class_id} {self.orbits[0]}–{self.orbits[1]} {self.length:.2f} Å"
        return f"{text} #{self.member}" if self.member else text


class Substitution(Record):
    """One dopant on one supercell atom."""

    atom: int
    species: str


class Arrangement(Record):
    """How the working-ion sites of a supercell are occupied, beside the mover."""

    label: str = Field(
        description="'pure', 'dilute', 'x=0.25 #1' or 'full'; 'empty': no other working ion."
    )
    fraction: float = Field(description="Share of working-ion sites with the second ion.")
    substitutions: tuple[Substitution, ...] = ()
    rank: int = Field(0, description="Place in the ranking of arrangements; 0 is the lowest.")
    score: float | None = Field(
        None, description="What the arrangements were ranked by; the lowest comes first."
    )
    seed: int | None = None


class EndPoints(Record):
    """The two states of a hop before relaxation, index-consistent by construction.

    Each state is stored in its own canonical order (host order), so that hops that share a
    state share its relaxation. ``initial_order`` and ``final_order`` bring both into the band's
    order, where the mover is the last atom.
    """

    initial: Geometry
    final: Geometry
    initial_order: tuple[int, ...]
    final_order: tuple[int, ...]
    species: tuple[str, ...] = Field(description="Species in band order.")
    mover_from: Vec3 = Field(description="Ideal initial site of the mover, in Å.")
    mover_to: Vec3 = Field(description="Ideal final site, unwrapped along the hop, in Å.")

    @property
    def mover(self) -> int:
        """Index of the mover in band order (the last atom)."""
        return len(self.species) - 1


class EngineStamp(Record):
    """What made a number: engine, code, version, model and its parameters."""

    engine: str
    code: str
    version: str
    model_sha256: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def code_text(self) -> str:
        """Code and version in words, e.g. ``chgnet 0.4.2``; the literature has no version."""
        return f"{self.code} {self.version}".rstrip()

    @property
    def text(self) -> str:
        """Engine and code in words, e.g. ``fast (chgnet 0.4.2)``."""
        return f"{self.engine} ({self.code_text})"


class Lesson(Record):
    """What an engine said of some configurations of one cell, for a force field to learn from."""

    images: Images = Field(description="The configurations.")
    energies: tuple[float, ...] = Field(description="In eV per cell.")
    forces: tuple[tuple[Vec3, ...], ...] = Field(
        description="Shape (configurations, n, 3), in eV/Å."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        shape = self.images.xyz.shape
        if np.shape(self.forces) != shape or len(self.energies) != len(self.images):
            msg = f"{len(self.energies)} energies, and forces of shape {np.shape(self.forces)}, of"
            raise ValueError(f"{msg} configurations of shape {shape}")
        return self


class _Taught(Record):
    """Base of records that hand lessons on; without any they look as if they could not."""

    lessons: tuple[Lesson, ...] = Field((), description="Those learnt from first come first.")

    @model_serializer(mode="wrap")
    def _without_nothing(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = write(self)
        if not self.lessons:
            data.pop("lessons", None)
        return data


class Relaxed(_Taught):
    """A relaxed structure. Shared by every hop that uses the state."""

    geometry: Geometry
    energy: float = Field(description="In eV per cell.")
    max_force: float = Field(description="Largest force on an atom, in eV/Å.")
    converged: bool
    force_calls: int
    charge: int = 0
    stamp: EngineStamp
    start_energy: float | None = Field(None, description="Before the first step, in eV.")
    failure: str = Field("", description="Why the engine failed, if it did.")


class Mirror(Record):
    """An isometry of a hop's band onto itself that swaps its two ends.

    It acts on continuous coordinates in band order: the lattice vectors that bring each atom to its
    partner are part of the offsets, so nothing is wrapped.
    """

    rotation: Matrix3 = Field(description="Acts on Cartesian column vectors.")
    order: tuple[int, ...] = Field(
        description="Atom k goes to the place of atom order[k]; shape (n,)."
    )
    offsets: tuple[Vec3, ...] = Field(
        description="What is added to each rotated atom, lattice vectors included, in Å; (n, 3)."
    )

    @model_validator(mode="after")
    def _permutes(self) -> Self:
        if sorted(self.order) != list(range(len(self.offsets))):
            msg = f"an order of {len(self.order)} is no permutation of {len(self.offsets)} atoms"
            raise ValueError(msg)
        return self

    def apply(self, xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map positions, shape (n, 3), in Å: ``mirrored[order[k]] = R x[k] + offsets[k]``."""
        return self._placed(np.asarray(xyz) @ np.array(self.rotation).T + np.array(self.offsets))

    def turn(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map vectors on the atoms, such as forces, shape (n, 3): rotated, not shifted."""
        return self._placed(np.asarray(vectors) @ np.array(self.rotation).T)

    def _placed(self, moved: NDArray[np.float64]) -> NDArray[np.float64]:
        placed = np.empty_like(moved)
        placed[list(self.order)] = moved
        return placed


class Path(Record):
    """A first guess of a band between relaxed end points, in band order."""

    images: Images
    mover: int
    initial_energy: float
    final_energy: float
    charge: int = 0
    clash: bool = Field(default=False, description="Whether two atoms of an image still clash.")
    outcome: Outcome | None = Field(
        None, description="Set when the end points already decide; no band is then run."
    )
    findings: tuple[Finding, ...] = ()
    mirror: Mirror | None = Field(
        None, description="Set when a symmetry of the host swaps the two ends."
    )
    start: tuple[Vec3, ...] | None = Field(
        None,
        description="Where another band of the same hop suggests to climb from, continuous with "
        "the images, shape (n, 3), in Å.",
    )


class Band(Record):
    """A band as the engine left it; whether it is a barrier is judged afterwards."""

    images: Images
    mover: int
    energies: tuple[float, ...] = Field(description="Of all images, ends included, in eV.")
    tangent_forces: tuple[float, ...] = Field(
        description="True force along the path at each image, in eV/Å; 0 at the ends."
    )
    coordinates: tuple[float, ...] = Field(
        description="Length along the band in configuration space, in Å; starts at 0."
    )
    climbing: int | None = Field(None, description="Index of the climbing image.")
    climb_force: float = Field(description="Largest NEB force on the climbing image, in eV/Å.")
    max_force: float = Field(description="Largest NEB force on any image, in eV/Å.")
    converged: bool
    steps: int
    force_calls: int
    charge: int = 0
    stamp: EngineStamp
    residual_norm: float | None = Field(
        None,
        description="True force on the highest image, norm over all atoms, in eV/Å; None: unknown.",
    )
    proven: bool | None = Field(
        None, description="Whether its saddles are proven to join its ends; None: not looked at."
    )
    findings: tuple[Finding, ...] = Field((), description="The evidence for that.")
    failure: str = Field("", description="Why the engine failed, if it did.")


class LevelOfTheory(Record):
    """All that must agree before two barriers may be compared."""

    stamp: EngineStamp
    charge: int = 0
    supercell: IntMatrix3
    algorithm: str = ALGORITHM

    @computed_field  # type: ignore[prop-decorator]
    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits; equal if and only if all fields are equal."""
        return content_hash(self.model_dump(mode="json", exclude={"fingerprint"}))

    @property
    def charge_text(self) -> str:
        """Charge of the cell with the defect, in words for a table's header."""
        if self.charge == 0:
            return "neutral cell"
        sign = "−" if self.charge < 0 else "+"
        return f"cell of charge {sign}{abs(self.charge)} on a uniform background"

    @model_validator(mode="before")
    @classmethod
    def _drop_fingerprint(cls, data: Any) -> Any:  # noqa: ANN401 - pydantic hands over raw input
        if isinstance(data, dict):
            return {k: v for k, v in data.items() if k != "fingerprint"}
        return data


class HostState(_Taught):
    """The relaxed host that hops were cut from, and whether it is a minimum."""

    parent: Geometry = Field(description="The relaxed primitive cell, symmetry kept.")
    supercell: Supercell = Field(description="Geometry: the host as used, site order kept.")
    energy: float = Field(description="Of the supercell used, in eV.")
    symmetric_energy: float = Field(description="Of the symmetric supercell, in eV.")
    broken_symmetry: bool = Field(
        description="True: the symmetric host fell; a lower P1 form is used."
    )
    volume_change: float = Field(description="Relaxed over input volume, minus 1.")
    lattice_change: float = Field(description="Largest relative change of a lattice length.")
    findings: tuple[Finding, ...] = ()


class FrameworkResponse(Record):
    """What a moving ion costs the framework."""

    largest_anion_displacement: float = Field(description="Host to saddle, in Å.")
    rms_anion_displacement: float = Field(description="Host to saddle, in Å.")
    bond_distortion: float | None = Field(
        None, description="RMS relative change of polyanion bonds, host to saddle; None: no bonds."
    )
    volume_change: float | None = Field(
        None, description="Relaxed doped over relaxed undoped cell volume, minus 1."
    )


class BarrierError(Record):
    """How far a barrier may be from that of the same engine's true saddle, and what was checked.

    Of the numerics alone: the error of the engine itself comes on top.
    """

    residual: float = Field(description="Largest force left on the highest image, in eV/Å.")
    energy: float | None = Field(
        None, description="Bound on the barrier's error, in eV; None: the highest image is an end."
    )
    fit_difference: float = Field(description="Fitted maximum minus highest image, in eV.")
    verified: tuple[Check, ...] = ()
    unverified: tuple[Check, ...] = Field((), description="Not looked at, or not found to hold.")


class Provenance(Record):
    """Where a record comes from."""

    dualion: str
    campaign: str
    framework_fingerprint: str
    settings_fingerprint: str
    created: str = Field(description="UTC, ISO 8601.")
    started_from: str = Field(
        "", description="Record of the tier before whose band was the start; empty: none."
    )


class HopRecord(Record):
    """One hop class, one moving ion, one arrangement, one level of theory."""

    record_id: str = Field(description="Content hash of what was asked; see `identity`.")
    framework: str
    prototype: str = ""
    formula: str = Field(description="Of the supercell host, e.g. 'Li24P4S20Cl4'.")
    host_ion: str
    moving_ion: str
    arrangement: Arrangement
    hop: Hop
    theory: LevelOfTheory
    outcome: Outcome
    forward: float | None = Field(None, description="Highest image minus initial, in eV.")
    reverse: float | None = Field(None, description="Highest image minus final, in eV.")
    forward_fit: float | None = Field(None, description="Fitted maximum minus initial, in eV.")
    error: BarrierError | None = Field(
        None, description="How sure the numerics are; None: no band was run, or an older dualion."
    )
    energy_difference: float | None = Field(None, description="Final minus initial, in eV.")
    path_length: float | None = Field(None, description="Length of the mover's path, in Å.")
    response: FrameworkResponse | None = None
    energies: tuple[float, ...] = Field((), description="Of the images, above the initial, in eV.")
    coordinates: tuple[float, ...] = Field((), description="Along the band, in Å.")
    tangent_forces: tuple[float, ...] = Field((), description="In eV/Å.")
    images: Images | None = None
    mover: int | None = None
    findings: tuple[Finding, ...] = ()
    note: str = Field("", description="For a person: why it ended so, e.g. 'ranking only'.")
    min_image_distance: float = Field(description="In Å; 0: not known (literature).")
    broken_symmetry_host: bool = False
    force_calls: int = Field(0, description="Of the band alone.")
    provenance: Provenance

    @model_validator(mode="after")
    def _barrier_only_if_converged(self) -> Self:
        # The literature often gives one number.
        one_will_do = self.theory.stamp.code == LITERATURE and self.forward is not None
        if self.outcome.is_barrier and not one_will_do and None in {self.forward, self.reverse}:
            msg = f"outcome {self.outcome.value} needs a forward and a reverse barrier"
            raise ValueError(msg)
        if not self.outcome.is_barrier and (
            self.forward is not None or self.reverse is not None or self.forward_fit is not None
        ):
            msg = f"outcome {self.outcome.value} must not carry a barrier"
            raise ValueError(msg)
        return self
