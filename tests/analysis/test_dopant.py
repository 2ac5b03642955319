"""Dopants that change places with vacancies: correlation factors that are known, and exact sums."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from ase.build import bulk

from dualion.analysis.diffusion import BOLTZMANN, diffusion_tensor
from dualion.analysis.dopant import dopant_diffusivity, dopant_tensor
from dualion.analysis.jumps import ClassBarrier, Jump, JumpNetwork, dopant_network, jump_network
from dualion.errors import InputError, PrecisionError
from dualion.records import Geometry, Mechanism
from dualion.structures.hops import find_hops, working_sites
from dualion.structures.library import shipped_library

T = 600.0
HEAT = BOLTZMANN * T
A = 3.5
REACH = {"sc": 1.1, "bcc": 0.9, "fcc": 0.8, "diamond": 0.5, "hcp": 1.05}


def lattice(structure: str, **given: float):
    parent = Geometry.from_atoms(bulk("Li", structure, a=A, **given))
    return find_hops(
        parent,
        working_sites(parent, "Li"),
        mechanism=Mechanism.VACANCY,
        ion="Li",
        max_length=REACH[structure] * A,
    )


def alike(network, value: float = 0.3, **given):
    return {
        each.class_id: ClassBarrier(class_id=each.class_id, forward=value, reverse=value, **given)
        for each in network.classes
    }


def sheet(vectors, sites: int, hops) -> JumpNetwork:
    """A network by hand: hops are (site, site, cell, saddle); sites lie anywhere."""
    cell = np.array(vectors, dtype=float)
    places = np.arange(sites)[:, None] * np.array([0.1, 0.23, 0.31])
    return JumpNetwork(
        ion="Li",
        lattice=tuple(map(tuple, cell)),
        energies=(0.0,) * sites,
        orbits=tuple(f"1{chr(97 + k)}" for k in range(sites)),
        jumps=tuple(
            Jump(
                initial=i,
                final=f,
                image=image,
                vector=tuple(np.array(image) @ cell + places[f] - places[i]),
                saddle=saddle,
                class_id=f"h{k}",
            )
            for k, (i, f, image, saddle) in enumerate(hops)
        ),
    )


def factors(host: JumpNetwork, dopant: JumpNetwork | None = None, **given):
    found = dopant_tensor(host, dopant or host, T, **given)
    with np.errstate(invalid="ignore"):
        return np.diag(found.tensor) / np.diag(found.memoryless), found


# Self-diffusion: Montet, Phys. Rev. B 7, 650 (1973); Koiwa and Ishioka, J. Stat. Phys. 30, 477.
@pytest.mark.parametrize(
    ("structure", "known"),
    [
        ("sc", 0.6531088),
        ("bcc", 0.7271941),
        ("fcc", 0.7814514),
        ("diamond", 0.5),
    ],
)
def test_tracers_on_cubic_lattices_have_their_correlation_factors(structure, known):
    network = lattice(structure)
    factor, found = factors(jump_network(network, alike(network)))
    assert factor == pytest.approx([known] * 3, abs=2e-7)
    assert found.precision < 1e-5


def test_hcp_has_two_correlation_factors():
    network = lattice("hcp", c=A * np.sqrt(8.0 / 3.0))
    factor, _ = factors(jump_network(network, alike(network)))
    assert factor == pytest.approx([0.78121, 0.78121, 0.78146], abs=1e-5)


SQUARE = [(0, 0, (1, 0, 0), 0.3), (0, 0, (0, 1, 0), 0.3)]
TRIANGLES = [*SQUARE, (0, 0, (1, -1, 0), 0.3)]
HONEYCOMB = [(0, 1, (0, 0, 0), 0.3), (0, 1, (-1, 0, 0), 0.3), (0, 1, (0, -1, 0), 0.3)]
HEXAGONAL = [(1.0, 0, 0), (0.5, np.sqrt(0.75), 0), (0, 0, 5.0)]


# In sheets the factors have closed forms, in which no sum is left to approximate.
@pytest.mark.parametrize(
    ("vectors", "sites", "hops", "known"),
    [
        (np.eye(3), 1, SQUARE, 1.0 / (np.pi - 1.0)),
        (
            HEXAGONAL,
            1,
            TRIANGLES,
            (np.pi + 6.0 * np.sqrt(3.0)) / (11.0 * np.pi - 6.0 * np.sqrt(3.0)),
        ),
        (HEXAGONAL, 2, HONEYCOMB, 1.0 / 3.0),
        # A sheet along (1, 1, 0) and c is the same sheet.
        (
            [(1, 0, 0), (0, 1, 0), (0, 0, 1.5)],
            1,
            [(0, 0, (1, 1, 0), 0.3), (0, 0, (0, 0, 1), 0.3)],
            1.0 / (np.pi - 1.0),
        ),
    ],
)
def test_tracers_in_sheets_have_their_closed_forms(vectors, sites, hops, known):
    factor, _ = factors(sheet(vectors, sites, hops))
    assert factor[0] == pytest.approx(known, abs=1e-9)


def test_in_a_chain_the_dopant_cannot_get_past_its_vacancy():
    row = sheet(np.eye(3), 1, [(0, 0, (1, 0, 0), 0.3)])
    factor, found = factors(row)
    assert abs(factor[0]) < 1e-10
    assert found.memoryless[0, 0] > 0.0


def five_frequencies(w0, w1, w2, w3, w4):
    """Correlation factor and D of a dopant in fcc, in the frame of Lidiard's model."""
    # In units that leave every saddle above zero.
    w0, w1, w2, w3, w4 = (1e-12 * each for each in (w0, w1, w2, w3, w4))
    network = lattice("fcc")
    host = jump_network(network, alike(network, -HEAT * np.log(w0)))
    near = host.jumps[0].vector
    shell = float(np.linalg.norm(near))
    binding = -HEAT * np.log(w4 / w3)  # of the vacancy beside the dopant; detailed balance

    def beside(start, end, saddle):
        assert saddle == pytest.approx(-HEAT * np.log(w0))
        inside = [abs(np.linalg.norm(each) - shell) < 1e-6 for each in (start, end)]
        assert any(inside)
        return binding - HEAT * np.log(w1) if all(inside) else -HEAT * np.log(w4)

    exchange = -HEAT * np.log(w2) + binding
    dopant = dopant_network(network, alike(network, exchange), host)
    factor, found = factors(host, dopant, beside=beside, attempt_frequency=1.0)
    assert np.ptp(factor) < 1e-6
    assert found.memoryless[0, 0] == pytest.approx(A**2 * w2 * w4 / w3, rel=1e-9)
    return float(factor[0])


def escape(frequencies):
    """7F of Manning's formula f = (2 w1 + 7 w3 F) / (2 w1 + 2 w2 + 7 w3 F)."""
    _, w1, w2, w3, _ = frequencies
    factor = five_frequencies(*frequencies)
    return (2.0 * w1 - factor * (2.0 * w1 + 2.0 * w2)) / ((factor - 1.0) * w3)


@pytest.mark.parametrize("ratio", [0.05, 0.5, 1.0, 3.0, 20.0])
def test_five_frequencies_give_mannings_factor(ratio):
    w0 = 0.02
    w4 = ratio * w0
    seen = [
        escape((w0, w1, w2, w3, w4))
        for w1, w2, w3 in ((0.02, 0.02, 0.02), (0.3, 0.05, 0.01), (0.002, 0.4, 0.1))
    ]
    assert seen == pytest.approx([seen[0]] * 3, rel=1e-7)  # F depends on w4/w0 alone
    # Manning, Phys. Rev. 136, A1758 (1964), good to a percent.
    top = 10.0 * ratio**4 + 180.5 * ratio**3 + 927.0 * ratio**2 + 1341.0 * ratio
    bottom = 2.0 * ratio**4 + 40.2 * ratio**3 + 254.0 * ratio**2 + 597.0 * ratio + 436.0
    assert seen[0] == pytest.approx(7.0 - top / bottom, rel=0.01)


def test_five_frequencies_in_their_limits():
    # A vacancy that never comes back, and one that always does by its seven ways out.
    assert escape((1.0, 0.3, 0.2, 0.5, 1e-6)) == pytest.approx(7.0, rel=1e-5)
    assert escape((1e-6, 0.3, 0.2, 0.5, 1.0)) == pytest.approx(2.0, rel=1e-5)
    # An exchange that is rare keeps all of its steps, a fast one next to none.
    assert five_frequencies(0.1, 0.1, 1e-9, 0.1, 0.1) == pytest.approx(1.0, abs=1e-7)
    slow = five_frequencies(1e-6, 1e-6, 1.0, 1e-6, 1e-6)
    assert slow == pytest.approx(1e-6 * (2.0 + 5.1513) / 2.0, rel=1e-4)


def uneven():
    """Two kinds of sites in a skew cell, with unlike saddles: nothing is given by symmetry."""
    cell = [(3.0, 0.0, 0.0), (0.7, 2.8, 0.0), (0.2, -0.4, 3.3)]
    hops = [
        (0, 1, (0, 0, 0), 0.25),
        (1, 0, (1, 0, 0), 0.31),
        (0, 0, (0, 1, 0), 0.29),
        (1, 1, (0, 0, 1), 0.33),
        (0, 1, (0, -1, 1), 0.27),
    ]
    host = sheet(cell, 2, hops).model_copy(update={"energies": (0.0, 0.04)})
    exchanged = [(*hop[:3], 0.36 + 0.02 * k) for k, hop in enumerate(hops)]
    dopant = sheet(cell, 2, exchanged).model_copy(update={"energies": (0.07, 0.0)})
    return host, dopant


def in_a_box(host: JumpNetwork, dopant: JumpNetwork, size: int):
    """Diffusivity of a dopant with one vacancy in a periodic box: all states of both, solved."""
    cells = list(product(range(size), repeat=3))
    place = {}
    for i, j, cell in product(range(2), range(2), cells):
        if (j, cell) != (i, (0, 0, 0)):
            place[i, j, cell] = len(place)
    levels = np.zeros(len(place))
    for (i, j, _), k in place.items():
        levels[k] = dopant.energies[i] + host.energies[j]
    wrap = lambda cell: tuple(int(c) % size for c in cell)  # noqa: E731
    hops = []
    for (i, j, cell), k in place.items():
        for jump in host.jumps:
            if jump.initial == j:
                there = (i, jump.final, wrap(np.add(cell, jump.image)))
                if there in place:
                    hops.append((k, place[there], jump.saddle + dopant.energies[i], (0, 0, 0)))
        for jump in dopant.jumps:
            if i == jump.initial and (j, cell) == (jump.final, wrap(jump.image)):
                after = (jump.final, jump.initial, wrap(-np.array(jump.image)))
                hops.append((k, place[after], jump.saddle, jump.image))
    tail, head = (np.array([hop[k] for hop in hops]) for k in range(2))
    flux = np.exp(-np.array([hop[2] for hop in hops]) / HEAT) / np.exp(-levels / HEAT).sum()
    step = np.array([hop[3] for hop in hops]) @ dopant.cell
    laplacian = np.zeros((len(place), len(place)))
    np.add.at(laplacian, (tail, tail), flux)
    np.add.at(laplacian, (head, head), flux)
    np.add.at(laplacian, (tail, head), -flux)
    np.add.at(laplacian, (head, tail), -flux)
    drift = np.zeros((len(place), 3))
    np.add.at(drift, tail, flux[:, None] * step)
    np.add.at(drift, head, -flux[:, None] * step)
    field = np.linalg.lstsq(laplacian, drift, rcond=1e-13)[0]
    tensor = (flux[:, None] * step).T @ step - drift.T @ field
    return tensor * (2 * size**3)  # one vacancy in the sites of the box


def test_a_network_without_symmetry_agrees_with_all_states_of_a_growing_box():
    host, dopant = uneven()
    found = dopant_tensor(host, dopant, T, attempt_frequency=1.0)
    sizes = [4, 5, 6]
    boxes = np.array([in_a_box(host, dopant, size) for size in sizes])
    # What is left of a box falls as its volume, and next as the fifth power of its size.
    table = np.array([[1.0, size**-3.0, size**-5.0] for size in sizes])
    endless = np.linalg.solve(table, boxes.reshape(3, -1))[0].reshape(3, 3)
    assert found.tensor == pytest.approx(endless, rel=2e-3, abs=2e-3 * np.abs(endless).max())
    assert np.linalg.eigvalsh(found.memoryless - found.tensor).min() > 0.0
    assert found.tensor == pytest.approx(found.tensor.T)


def test_where_the_sites_lie_and_how_the_cell_is_chosen_changes_nothing():
    host, dopant = uneven()
    found = dopant_tensor(host, dopant, T)

    def moved(network):
        # Site 1 is counted in the next cell along a.
        away = {(0, 1): (-1, 0, 0), (1, 0): (1, 0, 0)}
        jumps = [
            jump.model_copy(
                update={
                    "image": tuple(
                        np.add(jump.image, away.get((jump.initial, jump.final), (0, 0, 0))).tolist()
                    )
                }
            )
            for jump in network.jumps
        ]
        return network.model_copy(update={"jumps": tuple(jumps)})

    again = dopant_tensor(moved(host), moved(dopant), T)
    assert again.tensor == pytest.approx(found.tensor, rel=1e-6)


def test_the_vacancy_is_high_where_the_ion_is_low():
    # The ion climbs 0.5 eV from the first kind of site to the second, and 0.3 eV back.
    network = lattice("hcp", c=1.6 * A)
    between = next(
        each
        for each in network.classes
        if len({each.members[0].initial, each.members[0].final}) == 2
    )
    members = tuple(
        member
        if member.initial == 0
        else member.model_copy(
            update={"initial": 0, "final": 1, "image": tuple(-k for k in member.image)}
        )
        for member in between.members
    )
    two = network.model_copy(
        update={
            "sites": tuple(
                site.model_copy(update={"orbit": f"{k + 1}a"})
                for k, site in enumerate(network.sites)
            ),
            "classes": (between.model_copy(update={"orbits": ("1a", "2a"), "members": members}),),
        }
    )
    barriers = {
        each.class_id: ClassBarrier(class_id=each.class_id, forward=0.5, reverse=0.3)
        for each in two.classes
    }
    vacancy = jump_network(two, barriers)
    assert vacancy.energies == pytest.approx((0.2, 0.0))
    assert vacancy.jumps[0].saddle == pytest.approx(0.5)
    ion = jump_network(two.model_copy(update={"mechanism": Mechanism.INTERSTITIAL}), barriers)
    assert ion.energies == pytest.approx((0.0, 0.2))
    # A dopant that needs the same is, like the ions around it, on no site at home.
    dopant = dopant_network(two, barriers, vacancy)
    assert dopant.energies == pytest.approx((0.0, 0.0), abs=1e-12)
    assert dopant.jumps[0].saddle == pytest.approx(0.5)


def test_without_memory_a_dopant_is_a_carrier_that_waits_for_vacancies():
    host, dopant = uneven()
    found = dopant_tensor(host, dopant, T)
    vacancies = 2.0 / np.exp(-np.array(host.energies) / HEAT).sum()
    assert found.memoryless == pytest.approx(diffusion_tensor(dopant, T) * vacancies, rel=1e-9)


def test_a_slow_exchange_goes_by_its_own_barrier_and_a_fast_one_by_that_of_the_host():
    network = lattice("fcc")
    slow = dopant_diffusivity(network, alike(network, 0.2), alike(network, 0.6, error=0.02), T)
    assert slow.activation == pytest.approx(0.6, abs=2e-3)
    assert slow.correlation == pytest.approx(1.0, abs=1e-2)
    assert np.log(slow.highest / slow.mean) == pytest.approx(0.02 / HEAT, rel=0.25)
    fast = dopant_diffusivity(
        network, alike(network, 0.6, error=0.02), alike(network, 0.2, error=0.02), T
    )
    assert fast.activation == pytest.approx(0.6, abs=2e-3)
    assert fast.correlation < 0.01
    assert np.log(fast.mean / fast.lowest) == pytest.approx(0.02 / HEAT, rel=0.25)


def test_hosts_of_very_unlike_rates_are_solved():
    # Planes in which the vacancy is a thousand times faster than between them.
    steps = [(0, 0, (1, 0, 0), 0.2), (0, 0, (0, 1, 0), 0.2), (0, 0, (0, 0, 1), 0.2 + 6.9 * HEAT)]
    factor, found = factors(sheet(np.eye(3) * 3.0, 1, steps))
    assert found.precision < 1e-3
    # Nearly the sheet's factor within the planes; a step between planes is seldom taken back.
    assert factor[0] == pytest.approx(1.0 / (np.pi - 1.0), abs=0.01)
    assert 0.9 < factor[2] < 1.0


def test_networks_of_two_frameworks_are_refused():
    host, dopant = uneven()
    with pytest.raises(InputError, match="differ"):
        dopant_tensor(sheet(np.eye(3), 1, SQUARE), dopant, T)
    assert not dopant_tensor(host, dopant.model_copy(update={"jumps": ()}), T).tensor.any()


def test_layers_that_hardly_exchange_are_told_and_not_solved_wrongly():
    # LiCoO2 with CHGNet: within the layers 0.42 eV, between them 1.8 and 3.5 eV.
    parent = shipped_library().load("licoo2").parent
    network = find_hops(
        parent,
        working_sites(parent, "Li"),
        mechanism=Mechanism.VACANCY,
        ion="Li",
        max_length=5.0,
    )

    def barriers(*values):
        return {
            each.class_id: ClassBarrier(class_id=each.class_id, forward=value, reverse=value)
            for each, value in zip(network.classes, values, strict=True)
        }

    host, dopant = barriers(0.42, 1.77, 3.54), barriers(0.80, 2.25, 4.94)
    with pytest.raises(PrecisionError, match="too many powers of ten apart"):
        dopant_diffusivity(network, host, dopant, 300.0)
    # Where it can be solved, a slow exchange goes by its own barrier along the layers.
    warm = dopant_diffusivity(network, host, dopant, 1500.0)
    assert warm.activation == pytest.approx(0.80, abs=0.02)
