"""The residual between two engines, learnt from a handful of energies and forces.

A costly engine is modelled as ``E(x) = c + s·E₀(x) + g(x)`` with a cheap one E₀, the prior. The
offset c is free, the factor s is near one, and g is a Gaussian process with the kernel
``a² exp(−|x − x'|²/(2l²))`` over the Cartesian coordinates of all atoms, conditioned on energies
and forces together (Rasmussen and Williams, doi 10.7551/mitpress/3206.001.0001, section 9.4; c
and s as in section 2.7). A universal potential errs smoothly, so few points teach much.

With N points of D coordinates the matrix of the process has N(1 + D) rows. All displacements
between the points lie in a space of at most N − 1 dimensions, though, and across it the kernel of
the forces is that of one coordinate: the matrix falls into one block of N(1 + r) rows with
r < N, and D − r equal ones of N rows (compare de Roos, Gessner and Hennig, ICML 2021). The cost
hence does not grow with the cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dualion.engines.evaluator import Evaluation

    Array = NDArray[np.float64]

ENERGY_NOISE = 0.0005
"""What the energies of either engine scatter by, in eV."""
FORCE_NOISE = 0.005
"""What a component of the forces of either engine scatters by, in eV/Å."""
FACTOR_WIDTH = 0.25
"""How far from one the factor s on the prior is expected to be."""
LENGTH, LENGTH_WIDTH, LENGTHS = 1.6, 0.3, (1.0, 3.0)
"""Expected length l in Å, the width of its logarithm, and its bounds."""
AMPLITUDE, AMPLITUDE_WIDTH, AMPLITUDES = 0.4, 0.7, (0.05, 5.0)
"""Expected amplitude a in eV, the width of its logarithm, and its bounds."""
SAME = 1e-7
"""Directions in which all points agree to this, in Å, are none that they differ in."""


@dataclass(frozen=True)
class Datum:
    """One configuration as both engines see it.

    Attributes
    ----------
    xyz
        Positions, continuous over all data, shape (n, 3), in Å.
    costly, cheap
        What the engine to be learnt, and the prior, say of it.
    force_noise
        What a component of the costly forces may be wrong by, in eV/Å.
    energy_noise
        What the difference of the energies may be wrong by, in eV.
    """

    xyz: Array
    costly: Evaluation
    cheap: Evaluation
    force_noise: float = FORCE_NOISE
    energy_noise: float = ENERGY_NOISE


@dataclass(frozen=True)
class Prediction:
    """What the model expects of the costly engine at one configuration.

    Attributes
    ----------
    energy
        In eV.
    forces
        Minus the gradient of the energy, exactly; shape (n, 3), in eV/Å.
    spread
        Standard deviation of the energy, in eV.
    """

    energy: float
    forces: Array
    spread: float


class Residual:
    """A fitted model of the residual; see the module's description.

    Length and amplitude are those of the largest posterior: the marginal likelihood of the data
    along the directions in which they differ, times log-normal priors, within bounds.

    Parameters
    ----------
    data
        At least one point.
    """

    def __init__(self, data: Sequence[Datum]) -> None:
        from scipy.optimize import minimize

        self._data = _Data(data)
        start = np.log([LENGTH, AMPLITUDE])
        bounds = [np.log(LENGTHS), np.log(AMPLITUDES)]

        def cost(logs: Array) -> float:
            length, amplitude = np.exp(logs)
            prior = ((logs[0] - np.log(LENGTH)) / LENGTH_WIDTH) ** 2
            prior += ((logs[1] - np.log(AMPLITUDE)) / AMPLITUDE_WIDTH) ** 2
            return float(_Fit(self._data, length, amplitude).cost + 0.5 * prior)

        found = minimize(
            cost,
            start,
            method="Nelder-Mead",
            bounds=bounds,
            options={
                "initial_simplex": start + np.array([[0.0, 0.0], [0.3, 0.0], [0.0, 0.5]]),
                "xatol": 0.02,
                "fatol": 0.02,
                "maxfev": 60,
            },
        )
        self.length, self.amplitude = map(float, np.exp(found.x))
        self._fit = _Fit(self._data, self.length, self.amplitude)

    @property
    def factor(self) -> float:
        """The factor s on the prior."""
        return float(self._fit.mean[1])

    def predict(self, xyz: Array, cheap: Evaluation) -> Prediction:
        """Predict the costly engine where the cheap one is known.

        Parameters
        ----------
        xyz
            Positions, shape (n, 3), in Å, continuous with the data.
        cheap
            What the prior says there.
        """
        fit, data = self._fit, self._data
        apart = xyz.ravel() - data.xyz
        kernel = fit.kernel(np.einsum("id,id->i", apart, apart))
        slope = kernel[:, None] * apart / self.length**2  # covariance with the data's gradients
        energy = data.zero + fit.mean @ [1.0, cheap.energy - data.cheap_zero]
        energy += kernel @ fit.alpha[0] + float((slope * fit.alpha[1]).sum())
        weight = kernel * np.einsum("id,id->i", apart, fit.alpha[1]) / self.length**2
        gradient = -fit.mean[1] * cheap.forces.ravel()
        gradient -= (kernel * fit.alpha[0] + weight) @ apart / self.length**2
        gradient += kernel @ fit.alpha[1] / self.length**2
        return Prediction(
            energy=float(energy),
            forces=-gradient.reshape(xyz.shape),
            spread=self._spread(kernel, slope, cheap.energy - data.cheap_zero),
        )

    def _spread(self, kernel: Array, slope: Array, cheap: float) -> float:
        fit = self._fit
        solved = fit.solve((kernel, slope))
        variance = self.amplitude**2 - kernel @ solved[0] - float((slope * solved[1]).sum())
        # What is not known of offset and factor comes on top.
        missing = np.array([1.0, cheap])
        for i, column in enumerate(fit.columns):
            missing[i] -= column[0] @ solved[0] + float((column[1] * solved[1]).sum())
        variance += missing @ np.linalg.solve(fit.precision, missing)
        return float(np.sqrt(max(variance, 0.0)))


class _Data:
    """Points as arrays, and the few directions in which they differ."""

    def __init__(self, data: Sequence[Datum]) -> None:
        self.xyz = np.array([d.xyz.ravel() for d in data])
        self.zero, self.cheap_zero = data[0].costly.energy, data[0].cheap.energy
        self.energies = np.array([d.costly.energy for d in data]) - self.zero
        self.gradients = -np.array([d.costly.forces.ravel() for d in data])
        self.cheap_energies = np.array([d.cheap.energy for d in data]) - self.cheap_zero
        self.cheap_gradients = -np.array([d.cheap.forces.ravel() for d in data])
        self.force_noise = np.array([d.force_noise for d in data])
        self.energy_noise = np.array([d.energy_noise for d in data])
        _, sizes, rows = np.linalg.svd(self.xyz - self.xyz[0], full_matrices=False)
        self.basis = rows[sizes > SAME].T  # (D, r)
        self.inner = (self.xyz - self.xyz[0]) @ self.basis  # (N, r)
        gaps = self.inner[:, None] - self.inner[None]
        self.gaps = gaps
        self.squares = np.einsum("ijr,ijr->ij", gaps, gaps)


Column = tuple[Any, Any]
"""Values that belong to the energies, shape (N,), and to the gradients, shape (N, D)."""


class _Fit:
    """The process for one length and amplitude."""

    def __init__(self, data: _Data, length: float, amplitude: float) -> None:
        from scipy.linalg import cho_factor

        self._data, self._length, self._amplitude = data, length, amplitude
        count, inner = data.inner.shape
        kernel = self.kernel(data.squares)
        noise = data.force_noise**2
        # Energies and gradients along the directions that the points differ in.
        whole = np.empty((count * (1 + inner), count * (1 + inner)))
        whole[:count, :count] = kernel + np.diag(data.energy_noise**2)
        mixed = (kernel[:, :, None] * data.gaps / length**2).reshape(count, count * inner)
        whole[:count, count:], whole[count:, :count] = mixed, mixed.T
        outer = np.eye(inner) - data.gaps[..., :, None] * data.gaps[..., None, :] / length**2
        block = (kernel / length**2)[..., None, None] * outer
        whole[count:, count:] = block.transpose(0, 2, 1, 3).reshape(count * inner, count * inner)
        whole[count:, count:] += np.diag(np.repeat(noise, inner))
        self._whole = cho_factor(whole, lower=True)
        self._across = cho_factor(kernel / length**2 + np.diag(noise), lower=True)
        self._mean()

    def kernel(self, squares: Array) -> Array:
        """Kernel of squared distances in Å², in eV²."""
        value: Array = self._amplitude**2 * np.exp(-0.5 * squares / self._length**2)
        return value

    def solve(self, column: Column) -> Column:
        """Apply the inverse matrix of the process."""
        from scipy.linalg import cho_solve

        data = self._data
        count = len(data.xyz)
        along = column[1] @ data.basis
        flat = cho_solve(self._whole, np.concatenate([column[0], along.ravel()]))
        across = cho_solve(self._across, column[1] - along @ data.basis.T)
        return flat[:count], flat[count:].reshape(along.shape) @ data.basis.T + across

    def _mean(self) -> None:
        """Offset and factor, and the weights of the data."""
        data = self._data
        count = len(data.gradients)
        self.columns: tuple[Column, ...] = (
            (np.ones(count), np.zeros_like(data.gradients)),
            (data.cheap_energies, data.cheap_gradients),
        )
        target = (data.energies - data.cheap_energies, data.gradients - data.cheap_gradients)
        solved = [self.solve(column) for column in self.columns]
        right = self.solve(target)
        self.precision = np.array([[_dot(a, b) for b in solved] for a in self.columns])
        self.precision[1, 1] += 1.0 / FACTOR_WIDTH**2
        pull = np.array([_dot(column, right) for column in self.columns])
        shift = np.linalg.solve(self.precision, pull)
        self.mean = np.array([0.0, 1.0]) + shift
        self.alpha: Column = (
            right[0] - shift[0] * solved[0][0] - shift[1] * solved[1][0],
            right[1] - shift[0] * solved[0][1] - shift[1] * solved[1][1],
        )

    @property
    def cost(self) -> float:
        """Minus the log marginal likelihood of the energies and the gradients along.

        Those across are left out: most atoms of a cell are far from the hop, and feel little of
        either engine's error; counted in, they would have the model believe itself.
        """
        from scipy.linalg import cho_solve

        data = self._data
        columns = np.stack([self._along(column) for column in self.columns], axis=1)
        target = self._along((data.energies, data.gradients)) - columns[:, 1]
        solved = cho_solve(self._whole, np.column_stack([columns, target]))
        precision = columns.T @ solved[:, :2] + np.diag([0.0, FACTOR_WIDTH**-2])
        pull = columns.T @ solved[:, 2]
        determinant = 2.0 * float(np.log(np.diag(self._whole[0])).sum())
        determinant += float(np.linalg.slogdet(precision)[1])
        misfit = float(target @ solved[:, 2] - pull @ np.linalg.solve(precision, pull))
        return 0.5 * (misfit + determinant)

    def _along(self, column: Column) -> Array:
        """Energies, and gradients along the directions in which the points differ, in one row."""
        return np.concatenate([column[0], (column[1] @ self._data.basis).ravel()])


def _dot(first: Column, second: Column) -> float:
    return float(first[0] @ second[0] + (first[1] * second[1]).sum())
