"""From a finished run to the channels of its ions: fcc copper, where all is known."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from dualion.analysis.diffusion import BOLTZMANN


@pytest.mark.slow
def test_channels_and_diffusivity_follow_from_the_barriers_of_a_run(bench):
    campaign = str(bench.campaign())
    ran = bench.run("run", campaign)
    assert ran.returncode == 0
    assert "verdict at 300 K, pure/dilute, counting-emt: " in ran.stderr
    records = json.loads(bench.run("query", "--json").stdout)
    barrier = {r["moving_ion"]: (r["forward"] + r["reverse"]) / 2 for r in records}
    done = bench.run("channels", campaign, "--json", "--temperature", "900", "--temperature", "300")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [each["ion"] for each in found] == ["Cu", "Ag"]
    for each in found:
        height = barrier[each["ion"]]
        ways = each["channels"]["found"]
        # One hop class: every direction opens at once.
        assert [way["what"] for way in ways] == ["1D", "2D", "3D", "a", "b", "c"]
        assert [way["barrier"] for way in ways] == pytest.approx([height] * 6, abs=1e-9)
        hot, cold = each["diffusivities"]
        # D = a² Γ for single carriers on fcc; the parent is the CIF's lattice, a = 3.6 Å.
        wanted = 3.6e-8**2 * 1e13 * np.exp(-height / (BOLTZMANN * 900))
        assert hot["mean"] == pytest.approx(wanted, rel=1e-6)
        assert hot["lowest"] < hot["mean"] < hot["highest"]
        assert cold["activation"] == pytest.approx(height, abs=1e-6)

    table = bench.run("channels", campaign)
    assert "h1" in table.stdout
    assert "cm²/s" in table.stdout
    rows = list(csv.DictReader(io.StringIO(bench.run("channels", campaign, "--csv").stdout)))
    assert float(rows[0]["3D"]) == pytest.approx(barrier["Cu"], abs=1e-9)


def test_the_second_ion_has_its_correlation_and_the_carriers_their_conductivity(bench):
    campaign = str(bench.campaign())
    assert bench.run("run", campaign).returncode == 0
    words = ("--temperature", "900", "--carriers", "0.001")
    done = bench.run("channels", campaign, "--json", *words)
    assert done.returncode == 0, done.stderr
    copper, silver = json.loads(done.stdout)
    # fcc with a = 3.6 Å: a site in a³/4; n e² D / kT with n = 0.001 / site, in S/cm.
    (sigma,), (free,) = copper["conductivities"], copper["diffusivities"]
    density = 0.001 * 4.0 / 3.6e-8**3
    assert sigma["carriers"] == pytest.approx(density, rel=1e-6)
    wanted = density * 1.602176634e-19 * free["mean"] / (BOLTZMANN * 900)
    assert sigma["mean"] == pytest.approx(wanted, rel=1e-6)
    assert sigma["lowest"] < sigma["mean"] < sigma["highest"]
    assert copper["dopant"] == []
    assert silver["conductivities"] == []
    (own,) = silver["dopant"]
    # One frequency for all hops but the exchange: f = (2 + 7F) / (2 + 2 w2/w0 + 7F), 7F = 5.151.
    records = json.loads(bench.run("query", "--json").stdout)
    barrier = {r["moving_ion"]: (r["forward"] + r["reverse"]) / 2 for r in records}
    ratio = np.exp((barrier["Cu"] - barrier["Ag"]) / (BOLTZMANN * 900))
    factor = 7.151 / (5.151 + 2.0 + 2.0 * ratio)
    assert own["correlation"] == pytest.approx(factor, rel=1e-3)
    memoryless = 3.6e-8**2 * 1e13 * np.exp(-barrier["Ag"] / (BOLTZMANN * 900))
    assert own["mean"] == pytest.approx(memoryless * factor, rel=1e-3)
    assert "not computed" in silver["notes"][0]
    text = bench.run("channels", campaign, *words).stdout
    assert "D of the dopant" in text
    assert "host's own barriers" in " ".join(text.split())


def test_attempt_frequencies_are_computed_once_with_the_engine_of_the_records(bench):
    campaign = str(bench.campaign())
    assert bench.run("run", campaign).returncode == 0
    before = sum(bench.calls().values())
    first = bench.run("channels", campaign, "--json", "--vibrations")
    assert first.returncode == 0, first.stderr
    assert sum(bench.calls().values()) == before + 36
    again = bench.run("channels", campaign, "--json", "--vibrations")
    assert sum(bench.calls().values()) == before + 36
    assert "36 force calls, 0 of them new" in again.stderr
    assert again.stdout == first.stdout
    for each in json.loads(first.stdout):
        attempt = each["attempts"]["h1"]
        assert 5e11 < attempt["forward"] < 2e13
        assert attempt["saddle"][0] < 0.0 < attempt["saddle"][1]
        (spread,) = each["diffusivities"]
        height = each["channels"]["found"][0]["barrier"]
        mean = np.sqrt(attempt["forward"] * attempt["reverse"])
        wanted = 3.6e-8**2 * mean * np.exp(-height / (BOLTZMANN * 300))
        assert spread["mean"] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--temperature", "0"), "--temperature"),
        (("--temperature", "nan"), "--temperature"),
        (("--attempt-frequency", "-1"), "--attempt-frequency"),
        (("--carriers", "many"), "--carriers"),
        (("--carriers", "1e30/cm3"), "--carriers"),
        (("--carriers", "0.1/mol"), "--carriers"),
        ((), "runs/barriers.sqlite"),
    ],
)
def test_what_cannot_be_answered_is_one_line(bench, words, told):
    done = bench.run("channels", str(bench.campaign()), *words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert told in done.stderr
