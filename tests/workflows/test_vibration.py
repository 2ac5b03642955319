"""The moving ion shaken: potentials on paper, and EMT against ASE's own vibrations."""

from __future__ import annotations

import numpy as np
import pytest

from dualion.analysis.vibration import vineyard
from dualion.engines.calculators import build_source
from dualion.engines.evaluator import Evaluation, Evaluator
from dualion.engines.registry import EngineChoice
from dualion.records import Images
from dualion.workflows.vibration import mover_hessian

LENGTH, HEIGHT, SIDE = 2.5, 0.4, 6.0


def washboard(numbers, xyz, cell, *, stress):
    """The last atom in E = h/2 (1 - cos 2πx/L) + k/2 (y² + z²) (1 + sin²(πx/L)); others rest."""
    del numbers, cell, stress
    x, *rest = xyz[-1]
    y, z = np.array(rest) - 5.0
    narrow = 1.0 + np.sin(np.pi * x / LENGTH) ** 2
    energy = HEIGHT / 2 * (1 - np.cos(2 * np.pi * x / LENGTH)) + SIDE / 2 * (y**2 + z**2) * narrow
    forces = np.zeros_like(xyz)
    slope = np.pi / LENGTH * np.sin(2 * np.pi * x / LENGTH)
    forces[-1] = [
        -HEIGHT * np.pi / LENGTH * np.sin(2 * np.pi * x / LENGTH)
        - SIDE / 2 * (y**2 + z**2) * slope,
        -SIDE * y * narrow,
        -SIDE * z * narrow,
    ]
    return Evaluation(energy=energy, forces=forces)


def test_a_washboard_has_the_attempt_frequency_of_its_formula():
    xyz = np.full((3, 2, 3), 5.0)
    xyz[:, 0] = 1.0
    xyz[:, 1, 0] = [0.0, LENGTH / 2, LENGTH]
    lattice = ((10.0, 0.0, 0.0), (0.0, 10.0, 0.0), (0.0, 0.0, 10.0))
    images = Images.from_array(lattice, ("Cl", "Na"), xyz)
    evaluate = Evaluator(washboard)
    hessians = [mover_hessian(evaluate, images, index, 1) for index in range(3)]
    assert evaluate.calls == 18
    mass = 22.98976928
    found = vineyard(*hessians, np.full(3, mass))
    # Along x the spring is h (2π/L)² / 2; at the saddle the two others are stiffer by √2 each.
    spring = HEIGHT / 2 * (2 * np.pi / LENGTH) ** 2 * 1.602176634e-19 / 1e-20
    along = np.sqrt(spring / (mass * 1.66053906660e-27)) / (2 * np.pi)
    assert found.forward == pytest.approx(along / 2.0, rel=2e-3)
    assert found.reverse == pytest.approx(found.forward, rel=1e-6)


def test_emt_gives_what_ase_finds_by_itself(tmp_path):
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from ase.vibrations import Vibrations

    from dualion.analysis.vibration import frequencies

    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    del atoms[0]
    numbers = atoms.get_chemical_symbols()
    near = int(np.argmin(np.linalg.norm(atoms.positions, axis=1)))
    a, b, c = (tuple(map(float, row)) for row in atoms.cell.array)
    images = Images.from_array((a, b, c), tuple(numbers), atoms.positions[None])
    hessian = mover_hessian(Evaluator(build_source(EngineChoice(name="emt"))), images, 0, near)
    modes = frequencies(hessian, np.full(3, atoms.get_masses()[near])) * 1e-12
    atoms.calc = EMT()
    other = Vibrations(atoms, indices=[near], name=str(tmp_path / "vib"), delta=0.02)
    other.run()
    # ASE gives energies in eV; ν = E/h.
    known = sorted(float(each.real) / 4.135667696e-3 for each in other.get_energies())
    assert modes == pytest.approx(known, rel=1e-3)
    assert 1.0 < modes[0] < modes[-1] < 10.0
