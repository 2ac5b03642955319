"""A million summaries: filter, group and page them in the embedded store and in other tools.

    python benchmarks/store/measure.py --folder /tmp/store-benchmark

makes the store (once), asks every tool the same questions, and prints a table and JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pandas as pd
from ase import Atoms
from ase.db import connect
from page import page

from dualion.records import (
    Arrangement,
    EngineStamp,
    Hop,
    HopRecord,
    Images,
    LevelOfTheory,
    Mechanism,
    Outcome,
    Provenance,
    Substitution,
)
from dualion.store.base import BarrierFilter, Order
from dualion.store.columns import Columns
from dualion.store.mongo import MongoBarrierStore
from dualion.store.schema import MARKS, NAMES
from dualion.store.sqlite import SQLiteBarrierStore
from dualion.store.summary import COLUMNS, summary

IONS = ("Li", "Na", "K", "Cu", "Ag")
ENGINES = (("fast", "chgnet"), ("standard", "sevenn"), ("accurate", "sevenn"), ("gpaw", "gpaw"))
BATCH = 20_000
QUERY = BarrierFilter(
    moving_ions=("Li", "Cu"), max_barrier=0.4, anion="S", order=Order.BARRIER, limit=50
)
BY = ("framework", "moving_ion")


def record(number: int, chance: np.random.Generator, *, atoms: int = 0) -> HopRecord:
    """Make a record that differs from others in all that one filters by."""
    framework = int(chance.integers(400))
    host, mover = IONS[framework % 5], IONS[int(chance.integers(5))]
    anion = ("S", "Cl", "I", "O", "Se")[framework // 5 % 5]
    engine, code = ENGINES[int(chance.integers(4))]
    length = float(chance.uniform(2.5, 6.0))
    good = chance.random() < 0.85
    forward, reverse = (float(x) for x in chance.gamma(3.0, 0.15, 2))
    images = None
    if atoms:
        base = chance.uniform(0.0, 12.0, (atoms, 3))
        xyz = base + np.linspace(0.0, 1.0, 7)[:, None, None] * chance.normal(size=(atoms, 3)) * 0.1
        species = (*(anion,) * (atoms - 1), mover)
        cell = ((12.0, 0.0, 0.0), (0.0, 12.0, 0.0), (0.0, 0.0, 12.0))
        images = Images.from_array(cell, species, xyz)
    dope = () if mover == host else (Substitution(atom=0, species=mover),)
    day = int(chance.integers(1, 29))
    return HopRecord(
        record_id=f"{number:024x}",
        framework=f"framework-{framework:03d}",
        prototype=f"prototype-{framework % 40}",
        formula=f"{host}24P4{anion}{20 + framework % 7}",
        host_ion=host,
        moving_ion=mover,
        arrangement=Arrangement(
            label="pure" if mover == host else "dilute", fraction=0.04, substitutions=dope
        ),
        hop=Hop(
            class_id=f"h{int(chance.integers(1, 9))}", member=int(chance.integers(3)),
            mechanism=Mechanism.VACANCY, orbits=("24g", "24g"), length=length, multiplicity=6,
            self_mirror=False, initial=0, final=1, initial_position=(0.0, 0.0, 0.0),
            vector=(length, 0.0, 0.0),
        ),
        theory=LevelOfTheory(
            stamp=EngineStamp(engine=engine, code=code, version="1.0"),
            charge=-int(engine == "gpaw"),
            supercell=((1, 0, 0), (0, 1, 0), (0, 0, 1 + framework % 3)),
        ),
        outcome=Outcome.CONVERGED if good else Outcome.UNCONVERGED,
        forward=forward if good else None,
        reverse=reverse if good else None,
        images=images,
        min_image_distance=10.5,
        provenance=Provenance(
            dualion="0.1.0", campaign=f"campaign-{framework % 25}",
            framework_fingerprint="0" * 16, settings_fingerprint="0" * 16,
            created=f"2026-{1 + number % 12:02d}-{day:02d}T00:00:00+00:00",
        ),
    )  # fmt: skip


def summaries(count: int, start: int) -> Iterator[list[tuple[Any, ...]]]:
    """Make summaries quickly: those of some real records, with other numbers and places."""
    chance = np.random.default_rng(1)
    templates = [summary(record(k, chance)) for k in range(5_000)]
    names = [column.name for column in COLUMNS]
    at = {name: names.index(name) for name in ("record_id", "barrier", "forward", "reverse")}
    length = names.index("hop_length")
    rows = [[row[name] for name in names] for row in templates]
    for first in range(0, count, BATCH):
        size = min(BATCH, count - first)
        picks = chance.integers(0, len(rows), size)
        lengths = chance.uniform(2.5, 6.0, size).tolist()
        both = chance.gamma(3.0, 0.15, (size, 2)).tolist()
        batch = []
        for k, pick in enumerate(picks.tolist()):
            row = rows[pick].copy()
            row[at["record_id"]] = f"{start + first + k:024x}"
            row[length] = lengths[k]
            if row[at["barrier"]] is not None:
                row[at["forward"]], row[at["reverse"]] = both[k]
                row[at["barrier"]] = max(both[k])
            batch.append(tuple(row))
        yield batch


def build(path: Path, count: int, full: int) -> float:
    """Make the store; returns seconds. Only the full records have bodies and images."""
    began = time.perf_counter()
    chance = np.random.default_rng(2)
    with SQLiteBarrierStore(path) as store:
        for first in range(0, full, 500):
            with store.transaction():
                for number in range(first, min(full, first + 500)):
                    store.add(record(number, chance, atoms=52))
        for batch in summaries(count - full, full):
            with store.transaction(), store.database._guard() as connection:  # noqa: SLF001 - a million at once
                connection.executemany(
                    f"INSERT INTO records ({NAMES}) VALUES ({MARKS})",  # noqa: S608 - constants
                    batch,
                )
    return time.perf_counter() - began


Spent = tuple[float, float]
"""Wall and CPU time of this process, in ms; on a busy machine the second tells more."""


def timed(ask: Callable[[], Any], times: int = 7) -> tuple[Spent, Any]:
    """Median of several warm runs, and the answer."""
    ask()
    spent = []
    for _ in range(times):
        one, answer = once(ask)
        spent.append(one)
    wall, cpu = (statistics.median(each) for each in zip(*spent, strict=True))
    return (wall, cpu), answer


def once(ask: Callable[[], Any]) -> tuple[Spent, Any]:
    """Return the time of one run, and the answer."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = ask()
    return (1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)), answer


def asked(columns: Columns) -> dict[str, Spent]:
    """Ask the summaries in memory what a page of the explorer asks."""
    found: dict[str, Spent] = {}
    found["first filtered query"], _ = once(lambda: columns.select(QUERY))
    found["filtered query"], _ = timed(lambda: columns.rows(columns.select(QUERY)))
    found["first group-by"], _ = once(lambda: columns.groups(BY))
    found["group-by"], _ = timed(lambda: columns.groups(BY))
    found["group-by, filtered"], _ = timed(lambda: columns.groups(BY, QUERY))
    found["facets"], _ = timed(lambda: columns.facets(QUERY))
    found["facets of all"], _ = timed(columns.facets)
    found["page: query, group-by, facets, count"], _ = timed(
        lambda: (
            columns.rows(columns.select(QUERY)),
            columns.groups(BY, QUERY),
            columns.facets(QUERY),
            columns.count(QUERY.unpaged),
        )
    )
    return found


def memory(count: int) -> dict[str, Spent]:
    """Ask summaries that were never in a store: what the columns alone cost."""
    loading, columns = once(lambda: Columns.empty().extended(summaries(count, 0)))
    return {"make and load columns": loading, **asked(columns)}


def embedded(path: Path) -> dict[str, Spent]:
    """Ask the store, in SQL and through its columns in memory."""
    found: dict[str, Spent] = {}
    with SQLiteBarrierStore(path, read_only=True) as store:
        found["cold open, 50 records by SQL"], _ = once(lambda: store.ids(QUERY))
        found["filtered query by SQL, 50 ids"], by_sql = timed(lambda: store.ids(QUERY), 3)
        found["load columns"], columns = once(store.columns)
        rows = columns.select(QUERY)
        assert tuple(columns.ids[rows]) == by_sql  # noqa: S101 - the same answer
        found["columns of an unchanged store"], _ = timed(store.columns)
        found |= asked(columns)
        key = store.ids(BarrierFilter(limit=1, offset=777))[0]
        found["one full record with images"], _ = timed(lambda: store.get(key))
    with SQLiteBarrierStore(path) as store:
        store.columns()
        store.add(record(2**40 + time.time_ns(), np.random.default_rng(3), atoms=52))
        found["columns after one write"], _ = once(store.columns)
    return found


def parquet(path: Path, folder: Path) -> dict[str, Spent]:
    """Ask pandas, over Parquet."""
    file = folder / "summaries.parquet"
    if not file.exists():
        with SQLiteBarrierStore(path, read_only=True) as store:
            store.frame().to_parquet(file)
    columns = [*BY, "barrier", "anion", "record_id", "fingerprint", "charge"]
    cold, frame = once(lambda: pd.read_parquet(file, columns=columns))

    def query() -> Any:  # noqa: ANN401 - a table
        kept = frame[frame.moving_ion.isin(["Li", "Cu"]) & (frame.anion == "S")]
        return kept[kept.barrier <= 0.4].sort_values("barrier", kind="stable").head(50)

    def groups() -> Any:  # noqa: ANN401 - a table
        by = frame.groupby([*BY, "fingerprint", "charge"], observed=True).barrier
        return by.agg(["size", "count", "min", "median", "max"])

    return {
        "cold open": cold,
        "filtered query": timed(query, 3)[0],
        "group-by": timed(groups, 3)[0],
    }


def ase_db(folder: Path, count: int) -> dict[str, Spent]:
    """Ask ase.db: its SQLite backend, with key-value pairs for what one filters by."""
    file = folder / f"ase-{count}.db"
    chance, found = np.random.default_rng(4), dict[str, Spent]()
    if not file.exists():
        began, cpu = time.perf_counter(), time.process_time()
        with connect(file) as database:
            for number in range(count):
                row = summary(record(number, chance))
                pairs = {name: row[name] for name in ("framework", "moving_ion", "anion")}
                barrier = row["barrier"]
                if barrier is not None:
                    pairs["barrier"] = barrier
                database.write(Atoms("H"), fp=f"f{row['fingerprint']}", **pairs)
        found["build"] = (1000 * (time.perf_counter() - began), 1000 * (time.process_time() - cpu))
    database = connect(file)

    def query() -> list[Any]:
        text = "anion=S,barrier<=0.4"
        some = [row for ion in ("Li", "Cu") for row in database.select(f"{text},moving_ion={ion}")]
        return sorted(some, key=lambda row: row.barrier)[:50]

    def groups() -> dict[Any, float]:
        barriers: dict[Any, list[float]] = {}
        for row in database.select("barrier", include_data=False):
            barriers.setdefault((row.framework, row.moving_ion, row.fp), []).append(row.barrier)
        return {key: statistics.median(values) for key, values in barriers.items()}

    found["cold open and filtered query"], _ = once(query)
    found["filtered query"], _ = timed(query, 2)
    found["group-by"], _ = timed(groups, 1)
    return found


def mongo(count: int) -> dict[str, Spent]:
    """Ask the stand-in for a MongoDB server that the tests use: mongomock behind the protocol."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    from standin.server import running_mongod  # noqa: PLC0415 - of the tests, found by the line above

    chance, found = np.random.default_rng(5), dict[str, Spent]()
    with running_mongod() as server, MongoBarrierStore(server.address("benchmark")) as store:
        began, cpu = time.perf_counter(), time.process_time()
        for first in range(0, count, 500):
            with store.transaction():
                for number in range(first, min(count, first + 500)):
                    store.add(record(number, chance))
        found["build"] = (1000 * (time.perf_counter() - began), 1000 * (time.process_time() - cpu))
        found["filtered query by the server"], _ = timed(lambda: store.ids(QUERY), 2)
        found["load columns"], _ = once(store.columns)
        found["filtered query"], _ = timed(lambda: store.columns().select(QUERY), 3)
        found["group-by"], _ = timed(lambda: store.columns().groups(BY), 3)
    return found


def machine() -> dict[str, Any]:
    """Facts without which times mean nothing."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "?")

    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load at the start": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "ase": ase.__version__,
        "sqlite": sqlite3.sqlite_version,
    }


def main() -> None:
    """Make what is missing, ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--summaries", type=int, default=1_000_000)
    parser.add_argument("--full", type=int, default=20_000)
    parser.add_argument("--ase", type=int, default=20_000, help="Rows given to ase.db.")
    parser.add_argument("--mongo", type=int, default=5_000, help="Rows given to the stand-in.")
    parser.add_argument("--only", default="", help="memory, embedded, page, parquet, ase or mongo")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    path = given.folder / "barriers.sqlite"
    facts = machine()
    print(json.dumps(facts), flush=True)
    if given.only not in {"memory", "ase", "mongo"} and not path.exists():
        seconds = build(path, given.summaries, given.full)
        print(f"built in {seconds:.0f} s, {path.stat().st_size / 1e6:.0f} MB", flush=True)
    tools: dict[str, Callable[[], dict[str, Spent]]] = {
        "memory": lambda: memory(given.summaries),
        "embedded": lambda: embedded(path),
        "page": lambda: page(path),
        "parquet": lambda: parquet(path, given.folder),
        "ase": lambda: ase_db(given.folder, given.ase),
        "mongo": lambda: mongo(given.mongo),
    }
    for name, ask in tools.items():
        if given.only in {"", name}:
            for question, (wall, cpu) in ask().items():
                print(f"{name:9} {question:40} {wall:12.1f} ms {cpu:12.1f} CPU ms", flush=True)


if __name__ == "__main__":
    main()
