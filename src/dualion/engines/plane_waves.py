"""Plane waves: GPAW, the free density functional code, behind ASE's interface.

Every evaluation starts from atomic orbitals and forgets the one before. Going on from its density
and wave functions would save two of eleven steps to self-consistency, and make the last digits of
an energy depend on what was computed earlier: no run could then be replayed, or go on after a
kill, with the same result.

Of the symmetries only that of time is used. With the point group, the energy of a symmetric
configuration was 0.2 meV from that of the same one a hair off.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from dualion.errors import EngineError, InputError

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

ENERGY = 1e-4
"""Change of the energy below which a field may be self-consistent, in eV per valence electron."""
STEPS = 120
"""Steps after which a field that is not self-consistent is given up."""
_SAME = 1e-6
"""Relative excess of a reciprocal length over a multiple of the spacing that is rounding."""


def k_point_mesh(cell: NDArray[np.float64], spacing: float) -> tuple[int, int, int]:
    """Coarsest mesh around Γ whose points lie no farther apart than a spacing.

    Parameters
    ----------
    cell
        Lattice vectors as rows, shape (3, 3), in Å.
    spacing
        Largest distance of neighbouring points along each reciprocal vector, in 1/Å, with the
        factor 2π (as VASP's KSPACING has it).

    Returns
    -------
    tuple of int
        Divisions along the three reciprocal vectors. It depends on the cell alone, so it is the
        same for all images of a band and both of its ends.
    """
    lengths = 2.0 * np.pi * np.linalg.norm(np.linalg.inv(cell), axis=0)
    a, b, c = (max(1, int(np.ceil(length / spacing * (1.0 - _SAME)))) for length in lengths)
    return a, b, c


def plane_wave_calculator(
    *,
    functional: str,
    cutoff: float,
    spacing: float,
    smearing: float,
    tolerance: float,
    charge: int = 0,
) -> Any:  # noqa: ANN401 - ASE is untyped
    """Return a calculator of energies, forces and stresses in GPAW's plane-wave mode.

    Without spin. The energy is the free energy of the smeared electrons, of which the forces are
    the derivative. The setups are those of the package ``gpaw-data``, whatever ``GPAW_SETUP_PATH``
    says: its version is part of the engine's stamp.

    Parameters
    ----------
    functional
        As GPAW calls it, e.g. 'PBE' (doi 10.1103/PhysRevLett.77.3865).
    cutoff
        Of the plane waves, in eV.
    spacing
        Of the k-points, in 1/Å; see :func:`k_point_mesh`.
    smearing
        Width of the Fermi–Dirac distribution, in eV.
    tolerance
        Of the self-consistent field: residual of the density, in electrons, and of the wave
        functions, in eV², both per valence electron. In LiCl 1e-4 left 3 meV/Å in the forces,
        1e-5 left 0.4; energies were within 1e-6 eV with either.
    charge
        Of the cell, in e: −1 is one electron more than the neutral atoms have. The background that
        makes the crystal neutral is uniform (the Fourier component of no wave vector is left out);
        nothing is added to the energy for it.

    Raises
    ------
    InputError
        A cutoff, spacing, width or tolerance that is not positive.
    """
    for name, value in (
        ("cutoff", cutoff),
        ("spacing", spacing),
        ("smearing", smearing),
        ("tolerance", tolerance),
    ):
        if not value > 0.0:
            raise InputError(
                f"{name} must be positive (seen: {value})",
                where="kwargs of a plane-wave engine",
                remedy="see the entries gpaw and gpaw-light",
            )
    base: Any = importlib.import_module("ase.calculators.calculator")
    gpaw: Any = importlib.import_module("gpaw")
    gpaw.setup_paths[:] = [importlib.import_module("gpaw_data").datapath()]

    class PlaneWaves(base.Calculator):  # type: ignore[misc]
        """Builds GPAW's own calculator for each configuration and drops it afterwards."""

        implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012 - as ASE has it

        def calculate(
            self,
            atoms: Atoms | None = None,
            properties: list[str] | None = None,
            system_changes: list[str] | None = None,
        ) -> None:
            super().calculate(atoms, properties, system_changes or base.all_changes)
            system: Any = self.atoms
            inner = gpaw.GPAW(
                mode={"name": "pw", "ecut": cutoff},
                xc=functional,
                kpts={"size": k_point_mesh(system.cell.array, spacing), "gamma": True},
                occupations={"name": "fermi-dirac", "width": smearing},
                charge=charge,
                symmetry={"point_group": False},
                convergence={
                    "energy": ENERGY,
                    "density": tolerance,
                    "eigenstates": tolerance,
                },
                maxiter=STEPS,
                txt=None,
            )
            try:
                results = {
                    "energy": inner.get_potential_energy(system, force_consistent=True),
                    "forces": inner.get_forces(system),
                }
                if "stress" in (properties or ()):
                    results["stress"] = inner.get_stress(system)
            except gpaw.ConvergenceError as error:
                raise EngineError(
                    f"no self-consistent field after {STEPS} steps",
                    where=f"GPAW on {system.get_chemical_formula()}",
                    remedy="look at the structure; a metal wants more smearing",
                ) from error
            except FileNotFoundError as error:  # which GPAW explains over many lines
                raise EngineError(
                    "there is no PAW setup for one of its elements",
                    where=f"GPAW on {system.get_chemical_formula()}",
                    remedy="see 'gpaw info' and the elements of the package gpaw-data",
                ) from error
            self.results = results

    return PlaneWaves()
