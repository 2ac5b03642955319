"""The bond-valence parameters of softBV for the five cations, and the energy of one bond."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

COULOMB = 14.4
"""e²/4πε₀ in eV·Å, as softBV has it."""

SCREENING = 0.74
"""Share of the sum of covalent radii over which the repulsion of two cations is screened."""

_NOBLE = (2, 10, 18, 36, 54, 86)


class Bond(NamedTuple):
    """Parameters of one cation–anion pair."""

    r0: float
    """Length of a bond of valence 1, in Å."""
    r_min: float
    """Length at which the bond's energy is lowest, in Å."""
    alpha: float
    """1/b, b being the softness of the bond, in 1/Å."""
    d0: float
    """Depth of the Morse potential, in eV."""


# Chen & Adams (doi 10.1107/S2052252517010211), in the form in which the screening platform SPSE
# publishes them (doi 10.1038/s41597-020-0474-y). There are none for copper(I) with fluoride.
BONDS: dict[str, dict[tuple[str, int], Bond]] = {
    "Li": {
        ("N", -3): Bond(1.1543, 2.132557, 1.569859, 2.054953),
        ("O", -2): Bond(1.17096, 1.940013, 1.937984, 0.98816),
        ("S", -2): Bond(1.46652, 2.40971, 1.531394, 1.04027),
        ("Se", -2): Bond(1.62021, 2.68386, 1.461988, 0.8875),
        ("Te", -2): Bond(1.71028, 2.73313, 1.371742, 0.88544),
        ("F", -1): Bond(1.08674, 1.87265, 1.968504, 0.49611),
        ("Cl", -1): Bond(1.39892, 2.39647, 1.577287, 0.49302),
        ("Br", -1): Bond(1.51288, 2.58255, 1.481481, 0.4491),
        ("I", -1): Bond(1.64829, 2.78807, 1.360544, 0.44117),
    },
    "Na": {
        ("O", -2): Bond(1.56225, 2.374335, 2.074689, 0.575227),
        ("S", -2): Bond(1.83088, 2.916205, 1.615509, 0.630673),
        ("Se", -2): Bond(1.8988, 3.046979, 1.538462, 0.576407),
        ("Te", -2): Bond(2.03011, 3.269608, 1.438849, 0.549276),
        ("F", -1): Bond(1.42885, 2.232158, 2.109705, 0.295862),
        ("Cl", -1): Bond(1.69489, 2.748011, 1.663894, 0.315458),
        ("Br", -1): Bond(1.78228, 2.915883, 1.560062, 0.292879),
        ("I", -1): Bond(1.94353, 3.198502, 1.426534, 0.285612),
    },
    "K": {
        ("O", -2): Bond(1.94117, 2.766359, 2.293578, 0.34985),
        ("S", -2): Bond(2.16803, 3.315285, 1.745201, 0.41168),
        ("Se", -2): Bond(2.29712, 3.51499, 1.655629, 0.373639),
        ("Te", -2): Bond(2.41802, 3.742871, 1.540832, 0.362353),
        ("F", -1): Bond(1.83331, 2.645968, 2.336449, 0.176234),
        ("Cl", -1): Bond(2.07673, 3.184081, 1.801802, 0.201068),
        ("Br", -1): Bond(2.17206, 3.373219, 1.680672, 0.188913),
        ("I", -1): Bond(2.2888, 3.633321, 1.526718, 0.190106),
    },
    "Cu": {
        ("O", -2): Bond(1.5873, 1.782692, 2.932551, 0.664171),
        ("S", -2): Bond(1.80744, 2.08186, 2.380952, 0.704448),
        ("Se", -2): Bond(1.89561, 2.200809, 2.217295, 0.665431),
        ("Te", -2): Bond(1.89529, 2.254788, 2.012072, 0.70548),
        ("Cl", -1): Bond(1.79822, 2.052044, 2.487562, 0.462969),
        ("Br", -1): Bond(1.8681, 2.164436, 2.262443, 0.459534),
        ("I", -1): Bond(1.93067, 2.295302, 1.988072, 0.501948),
    },
    "Ag": {
        ("O", -2): Bond(1.78239, 2.225785, 2.538071, 0.635187),
        ("S", -2): Bond(2.11006, 2.520847, 2.739726, 0.392994),
        ("Se", -2): Bond(2.17409, 2.619255, 2.597403, 0.364436),
        ("Te", -2): Bond(2.34487, 2.845751, 2.380952, 0.357046),
        ("F", -1): Bond(1.58298, 2.196512, 2.008032, 0.727114),
        ("Cl", -1): Bond(1.98819, 2.497296, 2.331002, 0.387504),
        ("Br", -1): Bond(2.03699, 2.614612, 2.12766, 0.384726),
        ("I", -1): Bond(2.08036, 2.760885, 1.886792, 0.414392),
    },
}
"""By cation (of charge +1), then by anion and its charge."""


def bond_valence(distance: NDArray[np.float64], bond: Bond) -> NDArray[np.float64]:
    """Valence of bonds, ``exp((r0 - R) / b)`` (doi 10.1107/S0108768185002063).

    Parameters
    ----------
    distance
        Cation to anion, any shape, in Å.
    bond
        Of that pair.

    Returns
    -------
    array
        In elementary charges; their sum over all neighbours is the valence of the cation.
    """
    return np.asarray(np.exp(bond.alpha * (bond.r0 - distance)), dtype=float)


def attraction(distance: NDArray[np.float64], bond: Bond) -> NDArray[np.float64]:
    """Energy of a cation and an anion (doi 10.1039/b901753d).

    A Morse potential, half of which counts for the cation:
    ``D0/2 ((exp(alpha (r_min - R)) - 1)² - 1)``.

    Parameters
    ----------
    distance
        Any shape, in Å.
    bond
        Of that pair.

    Returns
    -------
    array
        In eV; ``-D0/2`` at ``r_min``.
    """
    grown = np.exp(bond.alpha * (bond.r_min - distance))
    return np.asarray(0.5 * bond.d0 * grown * (grown - 2.0), dtype=float)


def repulsion(
    distance: NDArray[np.float64], mover: int, other: int, charge: float
) -> NDArray[np.float64]:
    """Energy of a monovalent cation and another cation (doi 10.1039/b901753d).

    Coulomb's law between the charges ``q / sqrt(n)``, n being the principal quantum number of the
    outer shell, screened by ``erfc(R / (f (r1 + r2)))`` with covalent radii r and
    :data:`SCREENING` for f.

    Parameters
    ----------
    distance
        Any shape, in Å.
    mover, other
        Atomic numbers.
    charge
        Of the other cation, in elementary charges.

    Returns
    -------
    array
        In eV.
    """
    from ase.data import covalent_radii
    from scipy.special import erfc

    radius = SCREENING * float(covalent_radii[mover] + covalent_radii[other])
    strength = COULOMB * charge / np.sqrt(quantum_number(mover) * quantum_number(other))
    return np.asarray(strength / distance * erfc(distance / radius), dtype=float)


def quantum_number(number: int) -> int:
    """Principal quantum number of the outer shell: the row of the periodic table."""
    return 1 + sum(number > noble for noble in _NOBLE)
