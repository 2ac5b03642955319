"""The store under the OPTIMADE API, as its own validator and other programs ask it."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

import pytest

pytest.importorskip("optimade")

from dualion.store.optimade.server import optimade_server


@contextmanager
def running(store):
    with optimade_server(store) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def port(new_store, some):
    with running(new_store("a", some)) as found:
        yield found


def ask(port, path, *, host=None, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def found(port, query):
    status, body = ask(port, f"/v1/structures?filter={quote(query)}")
    assert status == 200, body
    return {entry["id"] for entry in json.loads(body)["data"]}


def test_the_validator_of_optimade_finds_no_fault(port):
    from optimade.validator import ImplementationValidator

    for base in (f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/v1"):
        validator = ImplementationValidator(base_url=base, page_limit=2, verbosity=-1)
        validator.validate_implementation()
        results = validator.results
        assert results.failure_messages == []
        assert results.internal_failure_messages == []
        assert validator.valid
        assert results.success_count > 30


def test_every_answer_fits_the_models_of_optimade(port):
    from optimade.models import (
        EntryInfoResponse,
        ErrorResponse,
        InfoResponse,
        LinksResponse,
        StructureResponseMany,
        StructureResponseOne,
    )

    (one, *_) = found(port, "nsites>0")
    for path, model in (
        ("/v1/info", InfoResponse),
        ("/v1/info/structures", EntryInfoResponse),
        ("/v1/links", LinksResponse),
        ("/v1/structures", StructureResponseMany),
        (f"/v1/structures/{one}", StructureResponseOne),
        ("/v1/nothing", ErrorResponse),
    ):
        model.model_validate_json(ask(port, path)[1])


def test_barriers_can_be_asked_and_sorted(port, some):
    bands = [record for record in some if record.images is not None]
    assert found(port, "nsites=4") == {record.record_id for record in bands}
    assert found(port, '_dualion_moving_ion="Cu"') == {some[2].record_id, some[3].record_id}
    assert found(port, "_dualion_forward<0.5") == {some[0].record_id}
    assert found(port, "_dualion_forward IS UNKNOWN") == {some[3].record_id}
    assert found(port, '_dualion_outcome CONTAINS "wrong" OR NOT elements HAS "Cu"') == {
        some[0].record_id,
        some[3].record_id,
    }
    assert found(port, 'elements HAS ALL "Cu","P" AND 0.5 < _dualion_forward') == {
        some[2].record_id
    }
    assert found(port, 'elements HAS ONLY "Li","P","S"') == {some[0].record_id}
    assert found(port, "elements LENGTH 3") == {record.record_id for record in bands}
    data = json.loads(ask(port, "/structures?sort=-_dualion_forward")[1])["data"]
    assert [entry["attributes"]["_dualion_forward"] for entry in data] == [0.63, 0.218, None]


def test_the_first_image_is_the_structure_to_the_last_bit(port, some):
    _, body = ask(port, f"/v1/structures/{some[0].record_id}")
    attributes = json.loads(body)["data"]["attributes"]
    assert attributes["cartesian_site_positions"] == some[0].images.xyz[0].tolist()
    assert attributes["lattice_vectors"] == some[0].images.cell.tolist()
    assert attributes["_dualion_fingerprint"] == some[0].theory.fingerprint
    assert attributes["_dualion_forward"] == 0.218


def test_pages_lead_to_every_entry_once(port):
    path, seen = "/v1/structures?page_limit=1&response_fields=nsites", []
    while path:
        document = json.loads(ask(port, path)[1])
        assert all(set(entry["attributes"]) == {"nsites"} for entry in document["data"])
        seen += [entry["id"] for entry in document["data"]]
        following = document["links"]["next"]
        address = urlsplit(following) if following else None
        path = f"{address.path}?{address.query}" if address else None
    assert len(seen) == len(set(seen)) == 3


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/v1/structures?filter=crazyfield=2", 400, "no property"),
        ("/v1/structures?filter=_dualion_crazy=2", 400, "no property"),
        ("/v1/structures?filter=nsites=", 400, "no filter"),
        ("/v1/structures?filter=" + quote("'; DROP TABLE records; --"), 400, "no filter"),
        ("/v1/structures?filter=" + quote('nsites="4"'), 400, "is a integer"),
        ("/v1/structures?filter=" + "(" * 3_000 + "nsites=1", 400, ""),
        ("/v1/structures?filter=nsites=" + "9" * 5_000, 400, "a filter of"),
        ("/v1/structures?filter=nsites=nelements", 501, "both sides"),
        ("/v1/structures?page_limit=0", 400, "page_limit"),
        ("/v1/structures?page_limit=1000000000", 400, "page_limit"),
        ("/v1/structures?page_offset=-1", 400, "page_offset"),
        ("/v1/structures?sort=species", 400, "cannot sort"),
        ("/v1/structures?surprise=1", 400, "no parameter"),
        ("/v1/structures?response_format=xml", 400, "json"),
        ("/v1/structures/..%2F..%2Fetc%2Fpasswd", 404, "no structure"),
        ("/v1/../../etc/passwd", 404, "no such endpoint"),
        ("/v1/structures/%3Cscript%3E", 404, "no structure"),
        ("/v2/structures", 553, "version"),
    ],
)
def test_a_request_that_makes_no_sense_gets_an_error_of_the_api(port, path, status, told):
    got, body = ask(port, path)
    assert got == status
    (error,) = json.loads(body)["errors"]
    assert told in error["detail"]
    assert error["status"] == str(status)


def test_a_page_elsewhere_cannot_read_it(port):
    assert ask(port, "/v1/info", host="evil.example")[0] == 403
    assert ask(port, "/v1/info", host=f"localhost:{port}")[0] == 200


def test_nothing_can_be_written_or_is_sent_for_head(port):
    assert ask(port, "/v1/structures", method="POST")[0] == 501
    assert ask(port, "/v1/info", method="HEAD") == (200, b"")
    assert ask(port, "/v1/" + "a" * 9_000)[0] == 414
