"""Attempt frequencies from harmonic transition-state theory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field
from scipy import constants

from dualion.errors import InputError
from dualion.records import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_SQUARED = constants.e / (constants.angstrom**2 * constants.atomic_mass)
"""One eV/Å²/u as the square of an angular frequency, in 1/s²."""


class Attempt(Record):
    """Attempt frequencies of a hop, there and back, and the modes they are made of."""

    forward: float = Field(description="In 1/s.")
    reverse: float = Field(description="In 1/s.")
    initial: tuple[float, ...] = Field(description="Modes at the initial site, in THz.")
    saddle: tuple[float, ...] = Field(description="At the saddle; the unstable one is negative.")
    final: tuple[float, ...] = Field(description="At the final site.")
    force_calls: int = Field(0, description="Made for it, those of an earlier time included.")


def frequencies(hessian: Array, masses: Array) -> Array:
    """Return harmonic frequencies in rising order.

    Parameters
    ----------
    hessian
        Shape (n, n), in eV/Å²; made symmetric.
    masses
        Of each coordinate, shape (n,), in u.

    Returns
    -------
    ndarray
        Shape (n,), in 1/s (not angular); an imaginary one as a negative number.
    """
    root = np.sqrt(masses)
    values = np.linalg.eigvalsh((hessian + hessian.T) / 2.0 / np.outer(root, root)) * _SQUARED
    return np.asarray(np.sign(values) * np.sqrt(np.abs(values)) / (2.0 * np.pi))


def vineyard(initial: Array, saddle: Array, final: Array, masses: Array) -> Attempt:
    """Attempt frequencies of a hop by Vineyard's formula.

    The product of all frequencies at the site over that of the real ones at the saddle (doi
    10.1016/0022-3697(57)90059-8). Coordinates that are left out are those which keep their
    frequencies during the hop.

    Parameters
    ----------
    initial, saddle, final
        Hessians of the same coordinates, shape (n, n), in eV/Å².
    masses
        Of each coordinate, shape (n,), in u.

    Returns
    -------
    Attempt
        In 1/s.

    Raises
    ------
    InputError
        If a site is no minimum, or the saddle has not exactly one direction downhill.
    """
    sites = [frequencies(each, masses) for each in (initial, final)]
    top = frequencies(saddle, masses)
    for name, modes in zip(("initial", "final"), sites, strict=True):
        if modes[0] <= 0.0:
            raise InputError(
                f"the {name} site has a mode of {_thz(modes)[0]:.2f} THz (negative: unstable)",
                where="attempt frequency",
                remedy="relax it further; harmonic theory needs a minimum",
            )
    if not top[0] < 0.0 < min(top[1:], default=1.0):
        told = ", ".join(f"{each:.2f}" for each in _thz(top))
        raise InputError(
            f"the saddle has modes of {told} THz, not one negative one",
            where="attempt frequency",
            remedy="converge the band further; harmonic theory needs a saddle of first order",
        )
    above = np.log(top[1:]).sum()
    there, back = (float(np.exp(np.log(modes).sum() - above)) for modes in sites)
    return Attempt(
        forward=there, reverse=back, initial=_thz(sites[0]), saddle=_thz(top), final=_thz(sites[1])
    )


def _thz(modes: Array) -> tuple[float, ...]:
    return tuple(float(each) * 1e-12 for each in modes)
