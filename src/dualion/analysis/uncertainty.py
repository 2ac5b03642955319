"""How far a barrier may be from the saddle, told from the band alone, and what was checked.

Near a stationary point the energy is a quadratic form: an image with the residual force **f** lies
``½ fᵀ H⁻¹ f`` above it. Split into eigenmodes of the curvature H that is a sum of ``fᵢ²/(2κᵢ)``,
with two signs. *Along* the path κ is negative: the image lies below the saddle, by
``f∥²/(2|κ∥|)``. *Across* it κ is positive: the image lies above, by at most ``f⊥²/(2κ)`` with the
softest curvature across. The two cancel in part, but the tangent of a band is not exactly the
mode, so their sum is taken.

The curvature along the path is read off the neighbouring images: by differences of the tangential
force on either side, and by the second difference of the energies. These are means over a gap
between images, over which a barrier's curvature falls off towards the inflection; the smallest
counts. A band tells nothing of the curvature across: :data:`ACROSS` is assumed, as if the whole
residual force lay in one soft mode. That force is known by its norm over all atoms, which in a
large cell is a multiple of the largest force on one of them.

Three limits are kept as well. Where the profile is concave, no point up to the next image is
higher than the highest image by more than ``f∥`` times the gap. The first term is never less than
the rise of a cubic through energies and forces (the fit of doi 10.1063/1.1329672). And an image is
no further above the saddle than above the higher end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualion.analysis.band import fitted_maximum
from dualion.records import BarrierError, Check

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualion.records import Band

    Array = NDArray[np.float64]

ACROSS = 0.1
"""Assumed least curvature across the path, in eV/Å²: that of Li⁺ at 1.9 THz (κ = mω²).

A few atoms with 0.05 eV/Å then give some 70 meV, which is also the worst that was seen.
"""
RESOLVED = 0.01
"""A fitted maximum this little above the highest image, in eV, shows that no image is missing."""
AT_SADDLE = 0.1
"""An image with a larger force, in eV/Å, is not the saddle that findings tell of."""
LARGEST = 1e6
"""Stands for a force that is not finite, in eV/Å."""

ALONG_PATH = "curvature along the path at a saddle"
SECOND = "second lowest curvature found at a saddle"
MODEL_ERROR = "error of a saddle's energy, as far as its curvatures tell"
"""Names of findings by which an engine tells what it knows of its saddles."""


def barrier_error(band: Band) -> BarrierError | None:
    """Bound the error of a band's highest energy, and say what was checked.

    The energy bound is the sum of the two terms in the module's description, and not less than
    what the engine itself says of the saddle. It holds if the highest image lies in the quadratic
    neighbourhood of the saddle that is meant and no mode across is softer than :data:`ACROSS`. The
    residual forces of the relaxed ends are not in it.

    Parameters
    ----------
    band
        As the engine left it. Without :attr:`~dualion.records.Band.residual_norm` all atoms are
        taken to feel the largest force.

    Returns
    -------
    BarrierError or None
        None if no band was run, or it failed.
    """
    energies = np.array(band.energies)
    if band.failure or not band.force_calls or len(energies) < 3:
        return None
    if not np.isfinite(energies).all():
        return None
    rise_of_fit = max(fitted_maximum(band) - float(energies.max()), 0.0)
    top = 1 + int(np.argmax(energies[1:-1]))
    inside = bool(energies[top] > max(energies[0], energies[-1]))
    residual = _residual(band, top)
    small = residual < AT_SADDLE
    checks = {
        # A proven band may count as converged by its saddle alone.
        Check.CONVERGED: band.converged and (small or not inside or band.proven is None),
        Check.RESOLVED: rise_of_fit < RESOLVED,
        Check.CURVES_DOWN: inside and _turns(band, top),
        Check.ONE_NEGATIVE: inside and small and _all_passed(band, ALONG_PATH, SECOND),
        Check.JOINS_ENDS: band.proven is True,
    }
    return BarrierError(
        residual=residual,
        energy=_energy(band, top, residual, rise_of_fit) if inside else None,
        fit_difference=rise_of_fit,
        verified=tuple(check for check, holds in checks.items() if holds),
        unverified=tuple(check for check, holds in checks.items() if not holds),
    )


def curvature_along(band: Band, top: int) -> float:
    """Smallest estimate of the curvature along the path at an image, in eV/Å².

    Parameters
    ----------
    band
        As the engine left it.
    top
        Index of an image between the ends that is higher than both its neighbours.

    Returns
    -------
    float
        Its magnitude; 0 if the forces beside the image do not point away from it.
    """
    x, energies = np.array(band.coordinates), np.array(band.energies)
    forces = np.array(band.tangent_forces)
    back, ahead = x[top] - x[top - 1], x[top + 1] - x[top]
    if min(back, ahead) < 1e-9:
        return 0.0
    drops = energies[top] - energies[[top - 1, top + 1]]
    estimates = [2.0 * float(drops @ [1.0 / back, 1.0 / ahead]) / (back + ahead)]
    # The ends are minima: their force is zero for another reason.
    if top > 1:
        estimates.append((forces[top] - forces[top - 1]) / back)
    if top < len(x) - 2:
        estimates.append((forces[top + 1] - forces[top]) / ahead)
    return float(max(min(estimates), 0.0))


def _residual(band: Band, top: int) -> float:
    """Largest force left on an atom of the highest image, in eV/Å."""
    force = band.climb_force
    if band.climbing not in {None, top}:
        force = max(force, band.max_force)
    if band.climbing != top:  # its force along the path is not in the nudged force
        force = float(np.hypot(force, band.tangent_forces[top]))
    return min(float(force), LARGEST) if np.isfinite(force) else LARGEST


def _energy(band: Band, top: int, residual: float, rise_of_fit: float) -> float:
    x, energies = np.array(band.coordinates), np.array(band.energies)
    along = abs(band.tangent_forces[top])
    norm = band.residual_norm
    if norm is None:
        norm = residual * float(np.sqrt(len(band.images.species)))
    curvature = curvature_along(band, top)
    gap = float(x[top + 1] - x[top] if band.tangent_forces[top] > 0.0 else x[top] - x[top - 1])
    below = along * gap
    if curvature > 0.0:
        below = min(below, along**2 / (2.0 * curvature))
    below = max(below, rise_of_fit)
    above = max(norm**2 - along**2, 0.0) / (2.0 * ACROSS)
    above = min(above, float(energies[top] - max(energies[0], energies[-1])))
    return max(below + above, _largest(band, MODEL_ERROR))


def _turns(band: Band, top: int) -> bool:
    """Whether the forces along the path point away from an image on both sides of it."""
    forces, last = band.tangent_forces, len(band.energies) - 1
    return (top == 1 or forces[top - 1] < 0.0) and (top == last - 1 or forces[top + 1] > 0.0)


def _all_passed(band: Band, *names: str) -> bool:
    """Whether a proven band has findings of each of these names, and all passed."""
    if band.proven is not True:  # they may be of saddles that were then discarded
        return False
    found = [[f.passed for f in band.findings if f.check == name] for name in names]
    return all(passed and all(passed) for passed in found)


def _largest(band: Band, name: str) -> float:
    if band.proven is not True:
        return 0.0
    found = [finding.value for finding in band.findings if finding.check == name]
    return max((value for value in found if np.isfinite(value)), default=0.0)
