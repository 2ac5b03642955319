"""Channels and diffusivities of networks whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from dualion.analysis.diffusion import (
    BOLTZMANN,
    activation_energy,
    at_temperature,
    conductivity,
    diffusion_tensor,
    diffusivity,
)
from dualion.analysis.jumps import ClassBarrier, Jump, JumpNetwork, jump_network
from dualion.analysis.kinetic import walk
from dualion.analysis.percolation import channels
from dualion.errors import InputError
from dualion.records import Geometry, Mechanism
from dualion.structures.hops import find_hops, working_sites
from dualion.structures.voids import find_voids

T = 600.0
BARRIER = 0.3
RATE = 1e13 * np.exp(-BARRIER / (BOLTZMANN * T))
A = 3.5


def lattice(structure: str, **given: float):
    """Hop network of a crystal of one element, its nearest hops only."""
    parent = Geometry.from_atoms(bulk("Li", structure, a=A, **given))
    return find_hops(
        parent,
        working_sites(parent, "Li"),
        mechanism=Mechanism.VACANCY,
        ion="Li",
        max_length={"sc": 1.1, "bcc": 0.9, "fcc": 0.8, "diamond": 0.5, "hcp": 1.05}[structure] * A,
    )


def barriers_of(network, value: float = BARRIER, error: float = 0.01):
    return {
        each.class_id: ClassBarrier(
            class_id=each.class_id, forward=value, reverse=value, error=error
        )
        for each in network.classes
    }


# Single carriers: D = z Γ d² / 6 where every site is alike.
@pytest.mark.parametrize(
    ("structure", "factor"), [("sc", 1.0), ("bcc", 1.0), ("fcc", 1.0), ("diamond", 1.0 / 8.0)]
)
def test_cubic_lattices_have_their_closed_forms(structure, factor):
    network = lattice(structure)
    tensor = diffusion_tensor(jump_network(network, barriers_of(network)), T)
    assert tensor == pytest.approx(np.eye(3) * factor * RATE * A**2, rel=1e-10, abs=1e-10 * RATE)


def test_hcp_has_one_form_in_the_plane_and_one_along_the_axis():
    c = 1.6 * A
    network = lattice("hcp", c=c)
    inside = next(k for k in network.classes if k.length == pytest.approx(A))
    between = next(k for k in network.classes if k is not inside)
    barriers = barriers_of(network) | {
        between.class_id: ClassBarrier(class_id=between.class_id, forward=0.25, reverse=0.25)
    }
    other = 1e13 * np.exp(-0.25 / (BOLTZMANN * T))
    tensor = diffusion_tensor(jump_network(network, barriers), T)
    plane = (3.0 * RATE + other) * A**2 / 2.0
    wanted = np.diag([plane, plane, 0.75 * other * c**2])
    assert tensor == pytest.approx(wanted, rel=1e-10, abs=1e-10 * plane)


def chain(first: float, second: float, levels=(0.0, 0.0), length: float = 4.0) -> JumpNetwork:
    """Two sites, half a cell apart along x, joined by two saddles in turn."""
    half = (length / 2, 0.0, 0.0)
    return JumpNetwork(
        ion="Li",
        lattice=((length, 0, 0), (0, 5.0, 0), (0, 0, 5.0)),
        energies=levels,
        orbits=("1a", "1b"),
        jumps=(
            Jump(initial=0, final=1, image=(0, 0, 0), vector=half, saddle=first, class_id="h1"),
            Jump(initial=1, final=0, image=(1, 0, 0), vector=half, saddle=second, class_id="h2"),
        ),
    )


@given(st.floats(0.05, 0.6), st.floats(0.05, 0.6), st.floats(0.0, 0.04))
def test_a_chain_of_unlike_hops_is_as_slow_as_their_resistances_in_series(first, second, level):
    heat = BOLTZMANN * T
    tensor = diffusion_tensor(chain(first, second, (0.0, level)), T)
    weight = 1.0 + np.exp(-level / heat)
    fluxes = [1e13 * np.exp(-saddle / heat) / weight for saddle in (first, second)]
    # D = L² / Σ 1/w over the hops of a period of length L.
    assert tensor[0, 0] == pytest.approx(4.0**2 / sum(1.0 / w for w in fluxes), rel=1e-9)
    assert np.abs(tensor[1:, 1:]).max() == 0.0


def test_hops_that_differ_by_a_hundred_orders_lose_no_digits():
    cold = diffusion_tensor(chain(0.05, 0.9), 40.0)
    flux = 1e13 * np.exp(-0.9 / (BOLTZMANN * 40.0)) / 2.0
    assert cold[0, 0] == pytest.approx(16.0 * flux, rel=1e-9, abs=0.0)
    assert cold[0, 0] > 0.0


def test_a_chain_opens_at_its_higher_saddle_and_counts_from_its_lower_site():
    found = channels(chain(0.2, 0.5, (0.0, 0.1)))
    assert [each.what for each in found.found] == ["1D", "a"]
    way = found.get("1D")
    assert way.barrier == pytest.approx(0.5)
    assert (way.bottleneck, way.span) == ("h2", pytest.approx(0.1))
    assert [step.class_id for step in way.path] == ["h2", "h1"]
    assert [step.climb for step in way.path] == pytest.approx([0.4, 0.2])
    assert np.abs(way.direction) == pytest.approx([4.0, 0.0, 0.0])
    assert found.get("2D") is None
    assert found.dimensionality == 1


def grid(x: float, y: float, z: float) -> JumpNetwork:
    """One site in a cube, a saddle for each axis."""
    vectors = np.eye(3) * 4.0
    return JumpNetwork(
        ion="Na",
        lattice=tuple(map(tuple, vectors)),
        energies=(0.0,),
        orbits=("1a",),
        jumps=tuple(
            Jump(
                initial=0,
                final=0,
                image=tuple(int(i == k) for i in range(3)),
                vector=tuple(vectors[k]),
                saddle=height,
                class_id=f"h{k + 1}",
            )
            for k, height in enumerate((x, y, z))
        ),
    )


@given(st.permutations([0.2, 0.4, 0.7]))
def test_dimensions_open_in_the_order_of_the_saddles(heights):
    found = channels(grid(*heights))
    told = {each.what: each.barrier for each in found.found}
    assert [told["1D"], told["2D"], told["3D"]] == pytest.approx([0.2, 0.4, 0.7])
    assert [told["a"], told["b"], told["c"]] == pytest.approx(list(heights))


def test_two_sets_of_rods_and_a_bridge_are_three_dimensional_only_over_the_bridge():
    cube = np.eye(3) * 4.0
    rods = [(0, 0, (1, 0, 0), 0.1), (1, 1, (0, 1, 0), 0.2), (0, 1, (0, 0, 0), 0.6)]
    over = [*rods, (1, 0, (0, 0, 1), 0.5)]

    def build(hops):
        return JumpNetwork(
            ion="K",
            lattice=tuple(map(tuple, cube)),
            energies=(0.0, 0.0),
            orbits=("1a", "1b"),
            jumps=tuple(
                Jump(
                    initial=i,
                    final=j,
                    image=image,
                    vector=tuple(np.array(image) @ cube + (j - i) * np.array([0, 0, 2.0])),
                    saddle=height,
                    class_id=f"h{k}",
                )
                for k, (i, j, image, height) in enumerate(hops)
            ),
        )

    flat = {c.what: c.barrier for c in channels(build(rods)).found}
    assert flat == pytest.approx({"1D": 0.1, "2D": 0.6, "a": 0.1, "b": 0.2})
    deep = channels(build(over))
    assert {c.what: c.barrier for c in deep.found} == pytest.approx(
        {"1D": 0.1, "2D": 0.5, "3D": 0.6, "a": 0.1, "b": 0.2, "c": 0.6}
    )
    assert deep.get("3D").path[0].class_id == "h2"


def test_sites_that_cannot_be_left_carry_nothing():
    network = lattice("sc")
    closed = jump_network(network, {})
    assert closed.closed == ("h1",)
    assert channels(closed).found == ()
    assert not diffusion_tensor(closed, T).any()


@pytest.fixture(scope="module")
def voids():
    """The voids of rock salt, where an interstitial goes."""
    parent = Geometry.from_atoms(bulk("NaCl", "rocksalt", a=5.6))
    sites = find_voids(parent, "Na")
    return find_hops(parent, sites, mechanism=Mechanism.INTERSTITIAL, ion="Na", max_length=None)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0.05, 0.8), min_size=8, max_size=8), st.floats(-0.2, 0.2))
def test_no_site_is_above_its_saddles_and_no_direction_is_negative(voids, numbers, step):
    network = voids
    barriers = {
        each.class_id: ClassBarrier(
            class_id=each.class_id, forward=number + max(step, 0), reverse=number + max(-step, 0)
        )
        for each, number in zip(network.classes, numbers, strict=False)
    }
    jumps = jump_network(network, barriers)
    assert min(jumps.energies) == 0.0
    for jump in jumps.jumps:
        assert jump.saddle >= max(jumps.energies[jump.initial], jumps.energies[jump.final])
    tensor = diffusion_tensor(jumps, T)
    assert np.allclose(tensor, tensor.T)
    assert np.linalg.eigvalsh(tensor).min() >= -1e-9 * np.abs(tensor).max()


@pytest.mark.parametrize(
    "network", [chain(0.3, 0.35, (0.0, 0.06)), grid(0.2, 0.25, 0.3)], ids=["chain", "grid"]
)
def test_walkers_agree_within_their_error(network):
    exact = diffusion_tensor(network, T)
    walked = walk(network, T, seed=7)
    assert (np.abs(walked.tensor - exact) <= 4.0 * walked.error + 1e-12 * exact.max()).all()
    assert walked.error[0, 0] < 0.05 * exact[0, 0]


def test_a_walker_that_cannot_leave_is_an_error():
    with pytest.raises(InputError, match="never move"):
        walk(jump_network(lattice("sc"), {}), T)


def test_the_spread_is_that_of_the_barriers():
    network = lattice("fcc")
    found = diffusivity(network, barriers_of(network, error=0.02), T)
    heat = BOLTZMANN * T
    assert found.mean == pytest.approx(RATE * A**2 * 1e-16, rel=1e-9)
    assert found.activation == pytest.approx(BARRIER, abs=1e-9)
    # One class: D is lognormal, a standard deviation of 0.02 eV each way.
    assert np.log(found.highest / found.mean) == pytest.approx(0.02 / heat, rel=0.25)
    assert np.log(found.mean / found.lowest) == pytest.approx(0.02 / heat, rel=0.25)


def test_the_spread_of_a_mixed_network_is_that_of_draws_solved_one_by_one(voids):
    generator = np.random.default_rng(5)
    given = {
        each.class_id: ClassBarrier(
            class_id=each.class_id, forward=number, reverse=number + 0.05, error=0.06
        )
        for each, number in zip(voids.classes, generator.uniform(0.2, 0.3, 99), strict=False)
    }
    found = diffusivity(voids, given, T)
    means = []
    for _ in range(400):
        varied = {}
        for name, barrier in given.items():
            shift = generator.normal(0.0, barrier.error)
            both = {"forward": barrier.forward + shift, "reverse": barrier.reverse + shift}
            varied[name] = barrier.model_copy(update=both)
        means.append(np.trace(diffusion_tensor(jump_network(voids, varied), T)) / 3e16)
    low, high = np.quantile(means, [0.16, 0.84])
    # Both are of a few hundred draws: a tenth of a standard deviation or two.
    assert np.log(found.lowest / found.mean) == pytest.approx(np.log(low / found.mean), rel=0.3)
    assert np.log(found.highest / found.mean) == pytest.approx(np.log(high / found.mean), rel=0.3)


def test_the_spread_costs_a_few_solutions_whatever_the_number_of_draws(monkeypatch):
    from dualion.analysis import diffusion

    count = []
    solve = diffusion.corrected
    monkeypatch.setattr(diffusion, "corrected", lambda *a: count.append(1) or solve(*a))
    network = lattice("bcc")
    diffusivity(network, barriers_of(network), T)
    assert len(count) < 20 < diffusion.DRAWS


def test_a_spread_of_many_barriers_that_vary_by_themselves_is_narrow_and_around_their_mean():
    """A cell without symmetry: each of its 192 hops is a class of its own."""
    parent = Geometry.from_atoms(bulk("Li", "sc", a=A) * (4, 4, 4))
    whole = find_hops(
        parent,
        working_sites(parent, "Li"),
        mechanism=Mechanism.VACANCY,
        ion="Li",
        max_length=1.1 * A,
    )
    (only,) = whole.classes
    alone = whole.model_copy(
        update={
            "classes": tuple(
                only.model_copy(
                    update={"class_id": f"h{k}", "members": (member,), "multiplicity": 1}
                )
                for k, member in enumerate(only.members)
            )
        }
    )
    given = barriers_of(alone, error=0.05)
    found = diffusivity(alone, given, T)
    generator = np.random.default_rng(9)
    means = []
    for _ in range(60):
        varied = {}
        for name, barrier in given.items():
            height = barrier.forward + generator.normal(0.0, barrier.error)
            varied[name] = barrier.model_copy(update={"forward": height, "reverse": height})
        means.append(np.trace(diffusion_tensor(jump_network(alone, varied), T)) / 3e16)
    assert np.log(found.lowest) == pytest.approx(np.log(np.quantile(means, 0.16)), abs=0.04)
    assert np.log(found.highest) == pytest.approx(np.log(np.quantile(means, 0.84)), abs=0.04)


def test_attempt_frequencies_of_the_two_ways_change_the_free_energy_of_the_sites():
    network = lattice("sc")
    plain = ClassBarrier(class_id="h1", forward=0.3, reverse=0.3)
    heat = BOLTZMANN * T
    tried = plain.model_copy(update={"attempts": (2e13, 0.5e13)})
    free = at_temperature({"h1": tried}, T)["h1"]
    assert np.exp(-free.forward / heat) == pytest.approx(2.0 * np.exp(-0.3 / heat))
    assert np.exp(-free.reverse / heat) == pytest.approx(0.5 * np.exp(-0.3 / heat))
    doubled = {"h1": plain.model_copy(update={"attempts": (2e13, 2e13)})}
    once, twice = (diffusivity(network, each, T) for each in ({"h1": plain}, doubled))
    assert twice.mean == pytest.approx(2.0 * once.mean, rel=1e-9)
    assert twice.activation == pytest.approx(once.activation, abs=1e-9)


def test_nernst_einstein_in_the_units_it_says():
    # 1e22 carriers per cm³ of 1e-8 cm²/s at 300 K: n e² D / kT by hand, in SI, is 0.62 S/cm.
    by_hand = 1e28 * (1.602176634e-19) ** 2 * 1e-12 / (1.380649e-23 * 300.0) / 100.0
    assert conductivity(1e-8, 1e22, 300.0) == pytest.approx(by_hand, rel=1e-9)


def test_slopes():
    temperatures = [300.0, 400.0, 500.0]
    values = [2.0 * np.exp(-0.4 / (BOLTZMANN * t)) for t in temperatures]
    assert activation_energy(values, temperatures) == pytest.approx(0.4)
    assert activation_energy([0.0, 1.0], [300.0, 400.0]) is None


@pytest.mark.parametrize("temperature", [0.0, -5.0, float("nan")])
def test_no_temperature_no_tensor(temperature):
    with pytest.raises(InputError, match="no temperature"):
        diffusion_tensor(grid(0.2, 0.2, 0.2), temperature)


def test_a_barrier_of_another_framework_is_refused():
    with pytest.raises(InputError, match="h9"):
        jump_network(lattice("sc"), {"h9": ClassBarrier(class_id="h9", forward=1, reverse=1)})
