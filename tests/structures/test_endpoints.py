"""End points: index-consistent by construction, shared between hops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dualion.errors import CationError, InputError
from dualion.records import Arrangement, Geometry, Hop, Mechanism, Substitution, as_vectors
from dualion.structures.endpoints import build_endpoints

PURE = Arrangement(label="pure", fraction=0.0)
EDGE = 12.0


def host(seed: int = 0, atoms: int = 12) -> Geometry:
    """Atoms about 3 Å apart in a 12 Å cube, Li on even and S on odd indices."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    places = rng.permutation(grid)[:atoms] * 3.0 + rng.uniform(-0.3, 0.3, (atoms, 3))
    a, b, c = as_vectors(np.eye(3) * EDGE)
    return Geometry(
        lattice=(a, b, c),
        species=tuple("Li" if k % 2 == 0 else "S" for k in range(atoms)),
        positions=as_vectors(places),
    )


def vacancy_hop(geometry: Geometry, initial: int, final: int, cells=(0, 0, 0)) -> Hop:
    """Build a hop to a given image of the final atom."""
    vector = geometry.xyz[final] + np.array(cells) @ geometry.cell - geometry.xyz[initial]
    start, step = as_vectors(np.array([geometry.xyz[initial], vector]))
    return Hop(
        class_id="h1",
        member=0,
        mechanism=Mechanism.VACANCY,
        orbits=("4a", "4a"),
        length=float(np.linalg.norm(vector)),
        multiplicity=1,
        self_mirror=True,
        initial=initial,
        final=final,
        initial_position=start,
        vector=step,
    )


def interstitial_hop(start, vector) -> Hop:
    start, step = as_vectors(np.array([start, vector], dtype=float))
    return Hop(
        class_id="h1",
        member=0,
        mechanism=Mechanism.INTERSTITIAL,
        orbits=("8c", "8c"),
        length=float(np.linalg.norm(vector)),
        multiplicity=1,
        self_mirror=True,
        initial_position=start,
        vector=step,
    )


def in_band_order(state: Geometry, order):
    return [state.species[i] for i in order], state.xyz[list(order)]


li_sites = st.sampled_from([0, 2, 4, 6, 8, 10])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 50),
    li_sites,
    li_sites,
    st.sampled_from(["Li", "Cu", "Na"]),
    st.sets(li_sites, max_size=3),
)
def test_only_the_mover_differs_between_the_two_states(seed, initial, final, mover, doped):
    assume(initial != final)
    geometry = host(seed)
    doped -= {initial, final}
    arrangement = Arrangement(
        label="x",
        fraction=0.1,
        substitutions=tuple(Substitution(atom=k, species="Cu") for k in sorted(doped)),
    )
    ends = build_endpoints(geometry, vacancy_hop(geometry, initial, final), mover, arrangement)
    first_species, first = in_band_order(ends.initial, ends.initial_order)
    last_species, last = in_band_order(ends.final, ends.final_order)

    assert first_species == last_species == list(ends.species)
    assert ends.species[ends.mover] == mover
    np.testing.assert_array_equal(first[:-1], last[:-1])
    np.testing.assert_array_equal(first[-1], geometry.xyz[initial])
    np.testing.assert_array_equal(last[-1], geometry.xyz[final])
    assert sorted(ends.initial_order) == sorted(ends.final_order) == list(range(len(geometry) - 1))
    # Exactly one site of the host is empty in each state, and it is the other end.
    for state, vacant in ((ends.initial, final), (ends.final, initial)):
        assert set(geometry.positions) - set(state.positions) == {geometry.positions[vacant]}
    # All other sites hold what the arrangement says.
    others = [k for k in range(len(geometry)) if k not in {initial, final}]
    expected = ["Cu" if k in doped else geometry.species[k] for k in others]
    assert first_species[:-1] == expected
    np.testing.assert_array_equal(first[:-1], geometry.xyz[others])


def test_hops_that_leave_the_same_vacancy_share_the_identical_state():
    geometry = host()
    # 0→2 starts with the vacancy on 2; so does 6→2. With the host's own ion on the move the two
    # initial states are one; 2→0 ends where 0→2 begins.
    one = build_endpoints(geometry, vacancy_hop(geometry, 0, 2), "Li", PURE)
    other = build_endpoints(geometry, vacancy_hop(geometry, 6, 2), "Li", PURE)
    back = build_endpoints(geometry, vacancy_hop(geometry, 2, 0), "Li", PURE)
    assert one.initial == other.initial == back.final
    assert one.final == back.initial
    assert one.final != other.final


def test_a_foreign_mover_shares_a_state_when_it_sits_on_the_same_site():
    geometry = host()
    one = build_endpoints(geometry, vacancy_hop(geometry, 0, 2), "Cu", PURE)
    other = build_endpoints(geometry, vacancy_hop(geometry, 6, 2), "Cu", PURE)
    assert one.initial != other.initial  # Cu on 0 and Cu on 6
    assert one.initial == build_endpoints(geometry, vacancy_hop(geometry, 2, 0), "Cu", PURE).final


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 20), st.tuples(*[st.integers(-1, 1)] * 3))
def test_a_long_hop_is_never_wrapped(seed, cells):
    geometry = host(seed)
    hop = vacancy_hop(geometry, 0, 2, cells)
    ends = build_endpoints(geometry, hop, "Li", PURE)
    np.testing.assert_allclose(np.subtract(ends.mover_to, ends.mover_from), hop.vector, atol=1e-9)
    np.testing.assert_allclose(ends.mover_from, hop.initial_position)


def test_in_a_relaxed_host_the_mover_goes_between_the_hosts_own_sites():
    geometry = host()
    hop = vacancy_hop(geometry, 0, 2, (1, 0, 0))
    shifted = geometry.xyz
    shifted[2] += [0.3, -0.2, 0.1]
    shifted[0] += [0.0, 0.4, 0.0]
    ends = build_endpoints(geometry.moved(shifted), hop, "Li", PURE)
    np.testing.assert_allclose(ends.mover_from, shifted[0])
    np.testing.assert_allclose(ends.mover_to, shifted[2] + [EDGE, 0.0, 0.0])


def test_an_interstitial_is_added_last_and_everything_else_stays():
    geometry = host()
    free = [1.5, 1.5, 1.5]
    ends = build_endpoints(geometry, interstitial_hop(free, [3.0, 0, 0]), "Na", PURE)
    assert ends.species == (*geometry.species, "Na")
    assert ends.initial_order == ends.final_order == tuple(range(len(geometry) + 1))
    assert ends.initial.positions[:-1] == ends.final.positions[:-1] == geometry.positions
    np.testing.assert_allclose(ends.initial.xyz[-1], free)
    np.testing.assert_allclose(ends.final.xyz[-1], [4.5, 1.5, 1.5])


def test_one_void_reached_from_two_sides_is_one_state():
    geometry = host()
    out = interstitial_hop([10.5, 1.5, 1.5], [3.0, 0, 0])  # ends at x = 13.5, which is 1.5
    away = interstitial_hop([1.5, 1.5, 1.5], [3.0, 0, 0])
    first = build_endpoints(geometry, out, "Li", PURE)
    assert first.final == build_endpoints(geometry, away, "Li", PURE).initial
    assert first.mover_to[0] == pytest.approx(13.5)


def test_an_interstitial_on_an_atom_is_refused():
    geometry = host()
    with pytest.raises(InputError, match="from atom 3 of the host"):
        build_endpoints(geometry, interstitial_hop(geometry.xyz[3], [3.0, 0, 0]), "Li", PURE)


@pytest.mark.parametrize(
    ("substitutions", "message"),
    [
        ([(0, "Cu")], "an end of h1"),
        ([(2, "Li")], "an end of h1"),
        ([(99, "Cu")], "atom 99, but the host has 12"),
        ([(4, "Cu"), (4, "Na")], "two dopants on atom 4"),
    ],
)
def test_an_arrangement_that_does_not_fit_is_refused(substitutions, message):
    geometry = host()
    arrangement = Arrangement(
        label="x",
        fraction=0.2,
        substitutions=tuple(Substitution(atom=k, species=s) for k, s in substitutions),
    )
    with pytest.raises(InputError, match=message):
        build_endpoints(geometry, vacancy_hop(geometry, 0, 2), "Li", arrangement)


@pytest.mark.parametrize("ends", [(0, 0), (0, 77), (None, 2)])
def test_a_hop_of_another_cell_is_refused(ends):
    geometry = host()
    hop = vacancy_hop(geometry, 0, 2).model_copy(update={"initial": ends[0], "final": ends[1]})
    with pytest.raises(InputError, match="cannot be the ends"):
        build_endpoints(geometry, hop, "Li", PURE)


def test_a_mover_that_is_no_element_is_refused():
    geometry = host()
    with pytest.raises(CationError, match="'Xx' is no chemical element"):
        build_endpoints(geometry, vacancy_hop(geometry, 0, 2), "Xx", PURE)
