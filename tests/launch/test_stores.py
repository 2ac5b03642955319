"""Where a run keeps its records: a file, a database, a spool."""

from __future__ import annotations

import json

import pytest

from dualion.launch.curation import curate
from dualion.records import HopRecord
from dualion.store.ingest import ingest
from dualion.store.opening import open_store
from dualion.store.packing import pack_record
from dualion.store.spool import Spool


def content(store):
    """Return all that does not depend on when the record was made."""
    found = {}
    for record in store.query(images=True):
        stamped = record.provenance.model_copy(update={"created": ""})
        kept: HopRecord = record.model_copy(update={"provenance": stamped})
        found[record.record_id] = (pack_record(kept), record.images)
    return found


def test_the_same_records_go_to_a_file_a_database_and_a_spool(bench, mongo_address):
    campaign = str(bench.campaign())
    table = bench.table(campaign)
    calls = bench.calls()
    secret = mongo_address.replace("mongodb://", "mongodb://ana:geheim@")

    assert bench.table(campaign, "--store", mongo_address) == table
    assert bench.table(campaign, "--spool", "spool") == table
    told = bench.run("run", campaign, "--spool", "spool")
    assert told.returncode == 0
    assert told.stderr.splitlines()[-1] == "spool"
    assert bench.calls() == calls

    spool = Spool(bench.folder / "spool")
    with (
        open_store(bench.folder / "runs" / "barriers.sqlite", read_only=True) as file,
        open_store(mongo_address) as mongo,
        open_store(bench.folder / "taken.sqlite") as taken,
    ):
        done = ingest(spool, taken)
        assert done.quarantined == ()
        assert content(file) == content(mongo) == content(taken)
        assert len(content(file)) == 2

    # The server has no users: it refuses the login, and nobody learns the password.
    refused = bench.run("run", campaign, "--store", secret)
    assert refused.returncode == 2
    files = [path for path in bench.folder.rglob("*") if path.is_file()]
    seen = [refused.stdout, refused.stderr, *(path.read_bytes().decode("latin1") for path in files)]
    assert not any("geheim" in text for text in seen)


@pytest.mark.slow
def test_records_of_a_cluster_are_in_the_store_of_its_database(on_cluster):
    campaign = str(on_cluster.bench.campaign())
    on_cluster.ok("run", campaign, "--workers", "1", "--quiet")
    local = json.loads(on_cluster.ok("query", "--json"))
    on_cluster.ok("submit", campaign)
    on_cluster.ok("launch")
    on_cluster.bench.environment["DUALION_STORE"] = on_cluster.address
    there = json.loads(on_cluster.ok("query", "--json"))

    assert len(there) == len(local) == 2
    for row in (*local, *there):
        del row["created"]
    assert {row["record_id"]: row for row in there} == {row["record_id"]: row for row in local}
    with open_store(on_cluster.address, read_only=True) as store:
        assert all(record.images for record in store.query(images=True))
    with on_cluster.cluster() as cluster:
        assert curate(cluster).known == 2
