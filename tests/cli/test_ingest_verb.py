from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.geometry import find_mic
from ase.io import read, write
from ase.mep import NEB
from ase.optimize import FIRE

from dualion.records import Check, Outcome
from dualion.settings import ALGORITHM
from dualion.store.opening import open_store
from standin.foreign import (
    LIMIT,
    copper_in_aluminium,
    neb_result,
    outcar,
    tangents,
    vasp_folder,
    vasprun,
    write_json,
)

WORDS = ("--framework", "al-cu", "--store", "b.sqlite")


@pytest.fixture(scope="module")
def truth():
    return copper_in_aluminium()


@pytest.fixture
def folder(tmp_path, truth):
    return vasp_folder(tmp_path / "neb", truth)


@pytest.fixture
def ingested(dualion, tmp_path):
    """Ingest, and return the one record of the store."""

    def run(*words):
        answer = dualion("ingest", *words, *WORDS, "--json")
        assert answer.code == 0, answer.err
        (row,) = json.loads(answer.out)
        with open_store(tmp_path / "b.sqlite", read_only=True) as store:
            return store.get(row["record_id"])

    return run


def path_length(truth):
    """Of the copper atom, from wrapped positions."""
    length = 0.0
    for one, other in zip(truth.images, truth.images[1:], strict=False):
        both = one[[truth.mover]] + other[[truth.mover]]
        length += both.get_distance(0, 1, mic=True)
    return length


def slopes(truth):
    """True force along the path, by moving each image along it: no force of anyone is used."""
    found = []
    for image, unit in zip(truth.images[1:-1], tangents(truth), strict=True):
        energy = {}
        for step in (-1e-3, 1e-3):
            moved = image.copy()
            moved.positions += step * unit
            moved.calc = EMT()
            energy[step] = moved.get_potential_energy()
        found.append((energy[-1e-3] - energy[1e-3]) / 2e-3)
    return [0.0, *found, 0.0]


def check(record, truth, *, digits=1e-5):
    assert record.outcome is Outcome.CONVERGED
    assert record.forward == pytest.approx(truth.barrier, abs=digits)
    assert record.reverse == pytest.approx(truth.energies.max() - truth.energies[-1], abs=digits)
    assert record.energies == pytest.approx(truth.energies - truth.energies[0], abs=digits)
    assert record.path_length == pytest.approx(path_length(truth), abs=1e-4)
    assert record.tangent_forces == pytest.approx(slopes(truth), abs=2e-3)
    assert record.moving_ion == "Cu"
    assert record.images.species[record.mover] == "Cu"
    assert record.formula == "Al30Cu2"  # both sites of the hop filled
    assert record.theory.algorithm == "ingested" != ALGORITHM
    assert record.provenance.campaign == "ingested"
    assert record.hop.class_id == "ingested"
    assert record.hop.length == pytest.approx(np.linalg.norm(record.hop.vector))


def test_the_outcar_of_the_tests_is_one_that_ase_reads_as_meant(tmp_path, truth):
    file = tmp_path / "OUTCAR"
    file.write_text(outcar(truth.images[1], truth.energies[1], truth.forces[1]))
    atoms = read(file, format="vasp-out")
    assert atoms.get_chemical_symbols() == truth.images[1].get_chemical_symbols()
    assert atoms.get_potential_energy() == pytest.approx(truth.energies[1], abs=1e-6)
    assert atoms.get_forces() == pytest.approx(truth.forces[1], abs=1e-6)


@pytest.mark.parametrize("kind", ["plain", "packed", "projected"])
def test_a_vasp_band_gives_the_barrier_path_and_forces_of_emt(ingested, tmp_path, truth, kind):
    place = vasp_folder(
        tmp_path / "x", truth, projected=kind == "projected", packed=kind == "packed"
    )
    record = ingested(place)
    check(record, truth)
    assert record.theory.stamp.code == "VASP"
    assert record.theory.stamp.version == "6.4.2"
    told = dict(record.theory.stamp.parameters)
    assert told["ENCUT"] == "400"
    assert told["functional"] == "PBE"
    assert told["KPOINTS"] == "0 / GAMMA / 2 2 2"
    assert told["potential Al"] == "PAW_PBE Al 05Jan2001"
    assert told["framework atoms"] == "Al30"
    assert record.theory.charge == 0
    assert Check.CONVERGED in record.error.verified
    assert record.forward_fit >= record.forward


def test_projected_forces_mean_the_same_as_true_ones(ingested, tmp_path, truth):
    records = [
        ingested(vasp_folder(tmp_path / name, truth, projected=projected))
        for name, projected in (("a", False), ("b", True))
    ]
    one, other = (r.error for r in records)
    assert one.residual == pytest.approx(other.residual, abs=1e-4)
    assert one.energy == pytest.approx(other.energy, abs=1e-4)


def test_vasprun_serves_where_there_is_no_outcar(ingested, folder, truth):
    for k, image in enumerate(truth.images):
        (folder / f"{k:02d}" / "OUTCAR").unlink()
        text = vasprun(image, truth.energies[k], truth.forces[k])
        (folder / f"{k:02d}" / "vasprun.xml").write_text(text)
    record = ingested(folder)
    check(record, truth)
    told = dict(record.theory.stamp.parameters)
    assert (told["ENCUT"], told["functional"]) == ("400", "PBE")


def test_one_image_may_have_an_outcar_and_another_a_vasprun(ingested, folder, truth):
    (folder / "04" / "OUTCAR").unlink()
    text = vasprun(truth.images[4], truth.energies[4], truth.forces[4])
    (folder / "04" / "vasprun.xml").write_text(text)
    check(ingested(folder), truth)


def test_the_ends_may_lie_elsewhere(ingested, folder, truth, tmp_path):
    for name, end in (("00", "initial"), ("04", "final")):
        (tmp_path / end).mkdir()
        (folder / name / "OUTCAR").rename(tmp_path / end / "OUTCAR")
    check(ingested(folder, "--ends", tmp_path / "initial", tmp_path / "final"), truth)


def test_a_contcar_that_is_a_step_ahead_gives_way_to_where_the_energy_was_computed(
    ingested, folder, truth
):
    ahead = truth.images[2].copy()
    ahead.positions += 0.01
    write(folder / "02" / "CONTCAR", ahead, format="vasp")
    record = ingested(folder)
    assert record.path_length == pytest.approx(path_length(truth), abs=1e-4)


def test_a_band_above_its_own_limit_is_unconverged_and_superseded_by_a_wider_one(
    ingested, folder, truth
):
    record = ingested(folder, "--fmax", "0.0001")
    assert record.outcome is Outcome.UNCONVERGED
    assert record.forward is None
    assert "above 0.000" in record.note
    again = ingested(folder)
    assert again.record_id == record.record_id
    assert again.forward == pytest.approx(truth.barrier, abs=1e-5)


def test_reading_the_same_band_twice_adds_nothing(dualion, folder, tmp_path):
    first = dualion("ingest", folder, *WORDS)
    assert "1 record added" in first.out
    shutil.copytree(folder, tmp_path / "copy")
    second = dualion("ingest", folder, tmp_path / "copy", *WORDS)
    assert "0 records added" in second.out
    assert json.loads(dualion("store", "info", "--store", "b.sqlite", "--json").out)["records"] == 1


def test_a_dry_run_writes_nothing(dualion, folder, tree):
    before = tree()
    answer = dualion("ingest", folder, *WORDS, "--dry-run", "--json")
    assert json.loads(answer.out)[0]["stored"] == "dry run"
    assert tree() == before


def single_points(truth):
    for image, energy, forces in zip(truth.images, truth.energies, truth.forces, strict=True):
        atoms = image.copy()
        atoms.calc = SinglePointCalculator(atoms, energy=float(energy), forces=forces)
        yield atoms


@pytest.mark.parametrize("suffix", ["traj", "extxyz"])
def test_the_last_band_of_a_trajectory_is_read(ingested, tmp_path, truth, suffix):
    frames = list(single_points(truth))
    earlier = []
    for atoms in frames:
        moved = atoms.copy()
        ends = atoms in (frames[0], frames[-1])
        moved.positions += 0.0 if ends else 0.05
        moved.calc = SinglePointCalculator(moved, energy=1.0, forces=atoms.calc.results["forces"])
        earlier.append(moved)
    write(tmp_path / f"neb.{suffix}", earlier + frames)
    record = ingested(tmp_path / f"neb.{suffix}", "--engine", "emt")
    check(record, truth)
    assert "the last 5 of 10 frames" in record.note
    assert record.theory.stamp.engine == "emt"


def test_a_trajectory_as_ases_band_writes_it(ingested, tmp_path, truth):
    rows = [image.copy() for image in truth.images]
    for row in rows:
        row.calc = EMT()
        row.get_forces()
    band = NEB(rows, k=2.0, climb=True, method="improvedtangent")
    FIRE(band, logfile=None, trajectory=str(tmp_path / "neb.traj")).run(fmax=1e-9, steps=2)
    record = ingested(tmp_path / "neb.traj", "--engine", "emt", "--functional", "none")
    check(record, truth, digits=2e-3)
    assert "the last 5 of 15 frames" in record.note


@pytest.mark.parametrize("kind", ["traj", "vasprun"])
def test_projected_forces_are_known_where_no_file_says_so(ingested, folder, truth, kind):
    units, top = tangents(truth), int(np.argmax(truth.energies))
    frames = list(single_points(truth))
    for k, atoms in enumerate(frames):
        forces = truth.forces[k].copy()
        if 0 < k < 4:
            share = (2.0 if k == top else 1.0) * (forces * units[k - 1]).sum()
            forces -= share * units[k - 1]
        atoms.calc.results["forces"] = forces
        text = vasprun(atoms, truth.energies[k], forces)
        (folder / f"{k:02d}" / "OUTCAR").unlink()
        (folder / f"{k:02d}" / "vasprun.xml").write_text(text)
    write(folder / "p.traj", frames)
    record = ingested(*([folder] if kind == "vasprun" else [folder / "p.traj", "--engine", "emt"]))
    assert record.outcome is Outcome.CONVERGED
    assert record.forward == pytest.approx(truth.barrier, abs=1e-5)
    assert (record.forward_fit, record.tangent_forces, record.error) == (None, (), None)
    assert "no part along the path" in record.note


@pytest.mark.parametrize("suffix", ["traj", "extxyz"])
def test_atoms_that_ase_held_fixed_count_with_no_force(ingested, tmp_path, truth, suffix):
    frames = list(single_points(truth))
    for atoms in frames:
        atoms.set_constraint(FixAtoms([3]))
        atoms.calc.results["forces"] = atoms.calc.results["forces"].copy()
        atoms.calc.results["forces"][3] = 0.7
    write(tmp_path / f"held.{suffix}", frames)
    record = ingested(tmp_path / f"held.{suffix}", "--engine", "emt")
    assert record.outcome is Outcome.CONVERGED


def salt(tmp_path, mover, *, also=(), others=()):
    """A made-up band in rocksalt: one ion hops into a vacancy, its energies are a sine's."""
    cell = bulk("LiCl", "rocksalt", a=5.14, cubic=True).repeat(2)
    lithium = [k for k, symbol in enumerate(cell.symbols) if symbol == "Li"]
    gap = lithium[0]
    near = [k for k in lithium if abs(cell.get_distance(gap, k, mic=True) - 5.14 / 2**0.5) < 1e-3]
    jumper = near[0]
    for row in others:
        cell.symbols[lithium[row]] = "Cu"
    cell.symbols[jumper] = mover
    way = cell.get_distance(jumper, gap, mic=True, vector=True)
    frames = []
    for share in np.linspace(0.0, 1.0, 5):
        frame = cell.copy()
        frame.positions[jumper] += share * way
        for row in also:
            frame.positions[near[row]] += 0.8 * share * way
        del frame[gap]
        frame.info["energy"] = 0.4 * float(np.sin(np.pi * share))
        frames.append(frame)
    file = tmp_path / f"{mover}{len(also)}{len(others)}.extxyz"
    write(file, frames)
    return file


TOLD = ("--framework", "licl", "--engine", "sine", "--converged", "--store", "s.sqlite", "--json")


def test_two_ions_on_a_named_hop_stand_in_one_row(dualion, tmp_path):
    for mover in ("Li", "Cu"):
        answer = dualion("ingest", salt(tmp_path, mover), *TOLD, "--hop", "h1")
        assert answer.code == 0, answer.err
        (row,) = json.loads(answer.out)
        assert row["hop_class"] == "h1"
        assert row["arrangement"] == ("pure" if mover == "Li" else "dilute")
        assert row["fraction"] == (0.0 if mover == "Li" else 1 / 32)
        assert row["formula"] == "Li32Cl32"
        assert row["path_length"] == pytest.approx(5.14 / 2**0.5)
        assert row["min_image_distance"] == pytest.approx(10.28)
        assert row["forward"] == pytest.approx(0.4)
    told = dualion("compare", "--framework", "licl", "--pair", "Li,Cu", "--store", "s.sqlite")
    assert told.code == 0, told.err
    assert told.out.count("0.400") >= 2


def test_hops_without_a_name_never_share_a_row(dualion, tmp_path):
    rows = []
    for mover in ("Li", "Cu"):
        rows += json.loads(dualion("ingest", salt(tmp_path, mover), *TOLD).out)
    with open_store(tmp_path / "s.sqlite", read_only=True) as store:
        records = [store.get(row["record_id"]) for row in rows]
    assert records[0].theory.fingerprint == records[1].theory.fingerprint
    assert records[0].hop.member != records[1].hop.member


def test_a_mixed_cell_is_not_called_pure(dualion, tmp_path):
    (row,) = json.loads(dualion("ingest", salt(tmp_path, "Li", others=(9, 20)), *TOLD).out)
    assert row["arrangement"] == "x=0.06"
    assert row["fraction"] == pytest.approx(2 / 32)


def test_an_ion_that_goes_along_is_told(dualion, tmp_path):
    (row,) = json.loads(dualion("ingest", salt(tmp_path, "Li", also=(5,)), *TOLD).out)
    assert "a concerted hop" in row["note"]


def test_an_ion_that_takes_the_movers_place_is_no_barrier_of_one_ion(dualion, tmp_path):
    """Two ions in a row: the first goes into the vacancy, the second to where the first was."""
    cell = bulk("LiCl", "rocksalt", a=5.14, cubic=True).repeat(2)
    lithium = [k for k, symbol in enumerate(cell.symbols) if symbol == "Li"]
    gap, first = lithium[0], lithium[1]
    way = cell.get_distance(first, gap, mic=True, vector=True)
    behind = cell.positions[first] - way
    second = min(lithium[2:], key=lambda k: np.linalg.norm(_short(cell, behind, k)))
    frames = []
    for share in np.linspace(0.0, 1.0, 5):
        frame = cell.copy()
        frame.positions[first] += share * way
        frame.positions[second] += share * 0.98 * _short(cell, cell.positions[first], second)
        del frame[gap]
        frame.info["energy"] = 0.4 * float(np.sin(np.pi * share))
        frames.append(frame)
    write(tmp_path / "row.extxyz", frames)
    (row,) = json.loads(dualion("ingest", tmp_path / "row.extxyz", *TOLD).out)
    assert row["outcome"] == "wrong_mover"
    assert row["forward"] is None
    assert "working ions on other sites" in row["note"]


def _short(cell, place, atom):
    """Shortest vector from an atom to a place."""
    return find_mic(place - cell.positions[atom], cell.cell)[0]


def test_the_host_of_an_interstitial_holds_neither_site(dualion, tmp_path):
    words = ("--mechanism", "interstitial")
    (row,) = json.loads(dualion("ingest", salt(tmp_path, "Li"), *TOLD, *words).out)
    assert row["mechanism"] == "interstitial"
    assert row["formula"] == "Li30Cl32"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--hop", "h9"), "has no hop 'h9': name one of h1"),
        (("--hop", "h1", "--mechanism", "interstitial"), "only vacancy hops"),
        (("--mechanism", "magic"), "unknown value 'magic'"),
        (("--fmax", "-1"), "is no force"),
        (("--host-ion", "Xx"), "no cation 'Xx'"),
    ],
)
def test_a_name_that_does_not_fit_is_refused(dualion, tmp_path, words, told):
    answer = dualion("ingest", salt(tmp_path, "Li"), *TOLD, *words)
    assert answer.code == 2
    assert told in answer.one_line_error()


def test_atoms_held_fixed_do_not_keep_a_band_from_converging(ingested, folder, truth):
    """Their forces are left; VASP does not look at them either."""
    fixed = 3
    for k, image in enumerate(truth.images):
        forces = truth.forces[k].copy()
        forces[fixed] = 0.7
        held = image.copy()
        held.set_constraint(FixAtoms([fixed]))
        place = folder / f"{k:02d}"
        (place / "OUTCAR").write_text(outcar(image, truth.energies[k], forces))
        for name in ("CONTCAR", "POSCAR"):
            write(place / name, held, format="vasp")
    assert ingested(folder).outcome is Outcome.CONVERGED


def test_of_a_pair_of_files_the_relaxed_path_is_read(ingested, tmp_path, truth):
    frames = list(single_points(truth))
    (tmp_path / "pairs").mkdir()
    write(tmp_path / "pairs" / "e1_relaxed.xyz", frames, format="extxyz")
    write(tmp_path / "pairs" / "e1_init.xyz", [f.copy() for f in frames], format="extxyz")
    check(ingested(tmp_path / "pairs", "--engine", "emt"), truth)
    check(ingested(tmp_path / "pairs" / "e1_init.xyz", "--engine", "emt"), truth)


def test_energies_alone_are_no_converged_band_unless_the_user_says_so(ingested, tmp_path, truth):
    frames = [atoms.copy() for atoms in truth.images]
    for atoms, energy in zip(frames, truth.energies, strict=True):
        atoms.info["energy"] = float(energy)
    write(tmp_path / "p.extxyz", frames)
    assert ingested(tmp_path / "p.extxyz", "--engine", "emt").outcome is Outcome.UNCONVERGED
    record = ingested(tmp_path / "p.extxyz", "--engine", "emt", "--converged")
    assert record.forward == pytest.approx(truth.barrier, abs=1e-6)
    assert (record.forward_fit, record.tangent_forces, record.error) == (None, (), None)
    assert "no forces" in record.note


def test_a_neb_result_of_atomate2_is_read_as_plain_data(ingested, tmp_path, truth):
    file = write_json(tmp_path / "neb.json", neb_result(truth))
    check(ingested(file, "--engine", "emt"), truth)


def test_a_failed_neb_result_is_unconverged(ingested, tmp_path, truth):
    document = neb_result(truth) | {"state": {"@module": "emmet", "value": "failed"}}
    file = write_json(tmp_path / "neb.json", {"output": document})
    assert ingested(file, "--engine", "emt").outcome is Outcome.UNCONVERGED


def test_two_bands_of_one_cell_share_a_level_of_theory_and_another_cutoff_does_not(
    ingested, tmp_path, truth
):
    one = ingested(vasp_folder(tmp_path / "a", truth))
    place = vasp_folder(tmp_path / "c", truth)
    for k, image in enumerate(truth.images):
        (place / f"{k:02d}" / "OUTCAR").write_text(
            outcar(image, truth.energies[k], truth.forces[k], encut="520.0")
        )
    other = ingested(place)
    assert one.theory.fingerprint != other.theory.fingerprint
    assert one.record_id != other.record_id


def refused(dualion, path, *words):
    engine = () if path.is_dir() else ("--engine", "emt")
    answer = dualion("ingest", path, *engine, *words, *WORDS)
    assert answer.code == 2
    return answer.one_line_error()


def test_a_missing_outcar_is_named(dualion, folder):
    (folder / "02" / "OUTCAR").unlink()
    line = refused(dualion, folder)
    assert "02: has neither OUTCAR nor vasprun.xml" in line


def test_an_outcar_cut_short_is_refused_wherever_it_is_cut(dualion, folder):
    file = folder / "02" / "OUTCAR"
    whole = file.read_text()
    end = whole.rindex("General timing")
    for cut in range(50, end - 60, 997):
        file.write_text(whole[:cut])
        answer = dualion("ingest", folder, *WORDS, "--dry-run")
        if answer.code:
            assert answer.code == 2
            assert "OUTCAR" in answer.one_line_error()
        else:  # a whole first step: of another energy, and not the end of the run
            assert "did not come to its end" in answer.out
            assert "unconverged" in answer.out


def test_another_cell_is_refused(dualion, folder, truth):
    wide = truth.images[2].copy()
    wide.set_cell(wide.cell * 1.001, scale_atoms=True)
    write(folder / "02" / "CONTCAR", wide, format="vasp")
    assert "its cell differs" in refused(dualion, folder)


def test_swapped_atoms_of_one_species_are_refused(dualion, truth, tmp_path):
    swapped = [image.copy() for image in truth.images]
    swapped[3].positions[[4, 9]] = swapped[3].positions[[9, 4]]
    for atoms, row in zip(swapped, truth.energies, strict=True):
        atoms.calc = SinglePointCalculator(atoms, energy=float(row))
    write(tmp_path / "s.traj", swapped)
    line = refused(dualion, tmp_path / "s.traj")
    assert "Al atom 4 is where atom 9 was" in line


def test_another_order_of_species_is_refused(dualion, tmp_path, truth):
    frames = list(single_points(truth))
    frames[2] = frames[2][[30, *range(30)]]
    frames[2].calc = SinglePointCalculator(frames[2], energy=1.0)
    write(tmp_path / "o.traj", frames)
    assert "atom 0 is Cu, but Al" in refused(dualion, tmp_path / "o.traj")


def test_mixed_settings_are_refused(dualion, folder, truth):
    changes = (
        ({"encut": "520.0"}, "ENCUT is 520, but 400"),
        ({"gga": "PS"}, "GGA is PS, but PE"),
        ({"titles": {"Al": "PAW_PBE Al_GW 19Mar2012"}}, "the potential of Al is"),
        ({"electrons": 100.0}, "charge 1, but 0"),
    )
    for change, words in changes:
        text = outcar(truth.images[0], truth.energies[0], truth.forces[0], **change)
        (folder / "00" / "OUTCAR").write_text(text)
        assert words in refused(dualion, folder)


def test_an_energy_that_is_no_number_is_refused(dualion, folder, truth, tmp_path):
    (folder / "02" / "OUTCAR").write_text(outcar(truth.images[2], np.nan, truth.forces[2]))
    assert "no energy of this image" in refused(dualion, folder)
    document = neb_result(truth)
    document["energies"][1] = float("nan")
    assert "no energy" in refused(dualion, write_json(tmp_path / "n.json", document))


def test_one_image_is_no_band(dualion, tmp_path, truth):
    write(tmp_path / "one.traj", list(single_points(truth))[:1])
    assert "1 image, but a band has" in refused(dualion, tmp_path / "one.traj")


@pytest.mark.parametrize(
    "document",
    [
        {"@module": "os", "@callable": "system", "images": "true"},
        {"@module": "os", "@class": "system", "images": [{"@module": "os"}] * 3},
        {"images": [{"lattice": {"matrix": "x"}, "sites": []}] * 3, "energies": [1, 2, 3]},
        {"images": [], "energies": []},
        {"images": [1, 2, 3], "energies": [1, 2]},
        [1, 2],
        "text",
    ],
)
def test_hostile_or_odd_json_is_one_line(dualion, tmp_path, document):
    refused(dualion, write_json(tmp_path / "h.json", document))


def test_deep_json_is_one_line(dualion, tmp_path):
    file = tmp_path / "deep.json"
    file.write_text("[" * 100_000)
    refused(dualion, file)


def test_an_xml_that_declares_entities_is_refused(dualion, folder, truth):
    (folder / "02" / "OUTCAR").unlink()
    text = vasprun(truth.images[2], 1.0, truth.forces[2])
    bomb = '<!DOCTYPE a [<!ENTITY b "bb">]>'
    (folder / "02" / "vasprun.xml").write_text(text.replace("<modeling>", f"{bomb}<modeling>"))
    assert "declares entities" in refused(dualion, folder)


@pytest.mark.parametrize("name", ["junk.traj", "junk.xyz", "junk.json", "junk.dat"])
def test_a_file_of_something_else_is_one_line(dualion, tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04\x95junk\x00" * 50)
    refused(dualion, tmp_path / name)


def test_options_that_contradict_the_files_are_refused(dualion, folder, tmp_path, truth):
    assert "moves farthest is Cu" in refused(dualion, folder, "--working-ion", "Li")
    assert "functional is PBE, not PBEsol" in refused(dualion, folder, "--functional", "PBEsol")
    assert "charge is 0, not 1" in refused(dualion, folder, "--charge", "1")
    write(tmp_path / "n.traj", list(single_points(truth)))
    answer = dualion("ingest", tmp_path / "n.traj", *WORDS)
    assert "name the program or model with --engine" in answer.one_line_error()
    assert "no whole number of bands" in refused(dualion, tmp_path / "n.traj", "--images", "4")


def test_one_bad_path_among_good_ones_stores_nothing(dualion, folder, tmp_path):
    answer = dualion("ingest", folder, tmp_path / "none", *WORDS)
    assert answer.code == 2
    assert not (tmp_path / "b.sqlite").exists()


def test_the_limit_of_the_band_is_that_of_ediffg(ingested, folder):
    (finding,) = (
        f for f in ingested(folder).findings if f.check == "largest NEB force on any image, as read"
    )
    assert finding.limit == pytest.approx(LIMIT)
    assert finding.value < LIMIT
