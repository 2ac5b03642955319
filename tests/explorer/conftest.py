"""A store with something of everything, and a server of the page on it."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dualion.explorer.server import ExplorerServer
from dualion.records import Arrangement, HopRecord, Mechanism, Outcome, Substitution
from dualion.store.opening import open_store
from standin.sample import sample

HOSTILE = "../../etc/<img src=x onerror=alert(1)>'; DROP TABLE records; --"


def records(make_record) -> list[HopRecord]:
    """Three frameworks, two pairs, two levels of theory, two cells, and every outcome."""
    made: list[HopRecord] = []
    for k, (name, ions) in enumerate(
        {"li6ps5cl": ("Li", "Cu"), "li3ocl": ("Li", "Na", "K"), HOSTILE: ("Li", "Cu")}.items()
    ):
        for j, ion in enumerate(ions):
            made += [
                make_record(
                    framework=name,
                    moving_ion=ion,
                    class_id=f"h{h}",
                    forward=round(0.2 + 0.1 * k + 0.25 * j + 0.05 * h, 3),
                    reverse=round(0.2 + 0.1 * k + 0.25 * j + 0.04 * h, 3),
                    engine=engine,
                    campaign="argyrodite" if k == 0 else "others",
                    atoms=12,
                )
                for h in (1, 2, 3)
                for engine in (("fast", "standard") if k == 0 else ("fast",))
            ]
    bigger = made[0].theory.model_copy(update={"supercell": ((2, 0, 0), (0, 2, 0), (0, 0, 2))})
    made.append(make_record(theory=bigger, forward=0.31, record_id="bigger0000000000"))
    made += [
        make_record(framework="li3ocl", class_id="h9", outcome=outcome, campaign=outcome.value)
        for outcome in Outcome
        if not outcome.is_barrier
    ]
    hop = made[0].hop.model_copy(update={"mechanism": Mechanism.INTERSTITIAL})
    made.append(make_record(hop=hop, forward=0.15, record_id="interstitial0000"))
    near = Arrangement(
        label="dilute", fraction=0.04, substitutions=(Substitution(atom=3, species="Cu"),)
    )
    made.append(make_record(arrangement=near, forward=0.26, record_id="near000000000000"))
    made.append(make_record(class_id="h7", with_images=False, record_id="noimages00000000"))
    return made


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


@pytest.fixture(scope="session")
def hostile() -> str:
    """Name of a framework in the store: a path, HTML and SQL at once."""
    return HOSTILE


@pytest.fixture(scope="session")
def store_file(make_record, tmp_path_factory):
    path = tmp_path_factory.mktemp("explorer") / "barriers.sqlite"
    with open_store(path) as store:
        for record in records(make_record):
            assert store.add(record)
    return path


@contextmanager
def running(path: Path) -> Iterator[ExplorerServer]:
    """Serve a store in a thread."""
    with open_store(path, read_only=True) as store, ExplorerServer(store) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def server(store_file) -> Iterator[ExplorerServer]:
    with running(store_file) as made:
        yield made


@pytest.fixture
def ask(server) -> Callable[..., Answer]:
    """Send one request, word for word."""

    def send(target: str, *, method: str = "GET", body: bytes | None = None, **headers: str):
        host, port = server.server_address[:2]
        connection = http.client.HTTPConnection(host, port, timeout=20)
        try:
            connection.putrequest(method, target, skip_host="Host" in headers)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders(body)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    return send


@pytest.fixture(scope="session")
def sample_server(make_record, tmp_path_factory) -> Iterator[ExplorerServer]:
    """Serve the library's frameworks, with invented energies."""
    path = tmp_path_factory.mktemp("sample") / "barriers.sqlite"
    with open_store(path) as store:
        for record in sample(make_record):
            store.add(record)
    with running(path) as server:
        yield server
