"""What the server answers, and what it refuses."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import socket
from contextlib import suppress
from urllib.parse import quote

import numpy as np
import pytest

from dualion.explorer.questions import LONGEST, PAGE
from dualion.records import HopRecord
from dualion.store.opening import open_store


def everything(line: socket.socket) -> bytes:
    """All that comes until the other side ends."""
    answer = b""
    with suppress(ConnectionError):
        while part := line.recv(65536):
            answer += part
    return answer


def level(ask, engine):
    levels = ask("/api/view").json["levels"]
    return next(each["id"] for each in levels if each["label"].startswith(engine))


def test_the_page_names_only_files_that_are_there(ask):
    page = ask("/")
    assert page.status == 200
    text = page.body.decode()
    names = re.findall(r'(?:src|href)="(static/[^"]+)"', text)
    assert len(names) == len({*names}) > 5
    for name in names:
        found = ask(f"/{name}")
        assert found.status == 200
        # Modules are asked for at once, not when the one that needs them has come.
        for other in re.findall(r'from "\./([^"]+)"', found.body.decode()):
            assert f"static/{other}" in names


def test_no_file_of_the_page_runs_inline_or_looks_elsewhere(server):
    for path, page in server.explorer.pages.items():
        text = page.body.decode()
        assert "innerHTML" not in text, path
        assert "eval(" not in text, path
        assert not re.search(r"\son\w+=\"|<script>|style=\"", text), path
        assert set(re.findall(r"https?://[^\s\"')]+", text)) <= {"http://www.w3.org/2000/svg"}, path


def test_every_answer_says_what_a_browser_may_do(ask):
    for target in ("/", "/api/view", "/static/main.js", "/nothing", "/api/view?min=nan"):
        headers = ask(target).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


def test_levels_of_theory_are_never_mixed(ask):
    first = ask("/api/view").json
    # 'fast' has most records; the larger cell of one framework belongs to it.
    assert first["levels"][0]["label"].startswith("fast")
    assert first["level"] == first["levels"][0]["id"]
    assert {row["engine"] for row in first["table"]["rows"]} == {"fast"}
    other = ask(f"/api/view?level={level(ask, 'standard')}").json
    assert {row["engine"] for row in other["table"]["rows"]} == {"standard"}
    assert first["table"]["count"] + other["table"]["count"] == sum(
        each["count"] for each in first["levels"]
    )


def test_a_level_that_is_not_there_shows_nothing_rather_than_another(ask):
    answer = ask("/api/view?level=0123").json
    assert answer["level"] is None
    assert answer["table"]["count"] == 0
    assert answer["heat"]["rows"] == []


def test_the_map_has_a_row_for_each_cell_and_the_lowest_barrier_in_it(ask, store_file):
    heat = ask("/api/view").json["heat"]
    rows = [row for row in heat["rows"] if row["framework"] == "li6ps5cl"]
    assert [row["size"] for row in rows if row["size"] == "2×2×2"] == ["2×2×2"]
    with open_store(store_file, read_only=True) as store:
        everything = list(store.query())
    for row in heat["rows"]:
        for key, chips in row["cells"].items():
            for chip in chips:
                assert chip["ion"] in key.split(",")
                same = [
                    max(r.forward, r.reverse)
                    for r in everything
                    if r.framework == row["framework"]
                    and r.theory.fingerprint == row["cell"]
                    and r.moving_ion == chip["ion"]
                    and r.forward is not None
                ]
                assert chip["barrier"] == min(same)
    assert [pair["text"] for pair in heat["pairs"]] == ["Li alone", "Li–Na", "Li–K", "Li–Cu"]


def test_the_table_is_filtered_sorted_and_cut(ask):
    answer = ask("/api/rows?ion=Cu&sort=barrier:desc").json
    barriers = [row["barrier"] for row in answer["rows"]]
    assert {row["moving_ion"] for row in answer["rows"]} == {"Cu"}
    assert barriers == sorted(barriers, reverse=True)
    assert answer["count"] == len(answer["rows"]) == 6
    whole = ask("/api/rows").json
    assert len(whole["rows"]) == PAGE < whole["count"]
    rest = ask(f"/api/rows?offset={PAGE}").json
    ids = [row["record_id"] for row in whole["rows"] + rest["rows"]]
    assert len(set(ids)) == whole["count"]
    beyond = ask("/api/rows?offset=1000000").json
    assert beyond["rows"] == rest["rows"]


def test_a_facet_counts_what_choosing_it_would_leave(ask):
    answer = ask("/api/view?ion=Cu&framework=li6ps5cl").json
    for each in answer["facets"]["ion"]:
        found = ask(f"/api/rows?framework=li6ps5cl&ion={each['value']}").json
        assert found["count"] == each["count"]
    for each in answer["facets"]["framework"]:
        found = ask(f"/api/rows?ion=Cu&framework={quote(each['value'])}").json
        assert found["count"] == each["count"]


def test_a_record_brings_the_other_ion_of_its_hop(ask):
    rows = ask("/api/rows?framework=li6ps5cl&ion=Cu").json["rows"]
    answer = ask(f"/api/record?id={rows[0]['record_id']}").json
    assert [ion["ion"] for ion in answer["ions"]] == ["Li", "Cu"]
    assert [ion["chosen"] for ion in answer["ions"]] == [False, True]
    # Neither the interstitial, nor the one beside a dopant, nor another cell or engine.
    assert answer["ions"][0]["text"] == "0.250 eV"
    other = ask(f"/api/record?id={answer['ions'][0]['record_id']}").json
    assert other["level"] == answer["level"]
    assert other["cell"] == answer["cell"]
    assert len(answer["profile"]["energies"]) == 7
    curve = answer["profile"]["curve"]
    assert np.all(np.diff(curve["x"]) > 0)


def test_the_scene_is_the_path_around_the_middle_of_the_hop(ask, store_file):
    rows = ask("/api/rows?framework=li6ps5cl&ion=Cu").json["rows"]
    record_id = rows[0]["record_id"]
    painted = ask(f"/api/record?id={record_id}").json["scene"]
    with open_store(store_file, read_only=True) as store:
        images = store.get(record_id).images
    xyz = np.array(painted["positions"])
    assert xyz.shape == images.xyz.shape
    mover = xyz[:, painted["mover"]]
    assert np.allclose(mover[0] + mover[-1], 0.0, atol=2e-3)
    # Whole lattice vectors apart from what the store holds, the same for all images.
    middle = 0.5 * (images.xyz[0, -1] + images.xyz[-1, -1])
    cells = (xyz + middle - images.xyz) @ np.linalg.inv(images.cell)
    assert np.allclose(cells, np.round(cells), atol=1e-3)
    assert np.allclose(cells, cells[:1], atol=1e-3)


def test_the_network_names_each_class_once_with_its_lowest_barrier(ask):
    rows = ask("/api/rows?framework=li6ps5cl&ion=Li&sort=hop_class").json["rows"]
    record_id = next(r["record_id"] for r in rows if r["hop_class"] == "h2")
    answer = ask(f"/api/network?id={record_id}").json
    assert [hop["class_id"] for hop in answer["hops"]] == ["h1", "h2", "h3", "h7"]
    assert answer["ions"] == ["Li", "Cu"]
    assert answer["chosen"] == "h2"
    second = {ion["ion"]: ion["barrier"] for ion in answer["hops"][1]["ions"]}
    assert second == {"Li": 0.3, "Cu": 0.55}


def test_a_record_without_geometries_is_shown_without(ask):
    answer = ask("/api/record?id=noimages00000000")
    assert answer.json["scene"] is None
    assert ask("/download/path.extxyz?id=noimages00000000").status == 404


def test_downloads_hold_what_the_store_holds(ask, store_file):
    rows = ask("/api/rows?framework=li6ps5cl&ion=Cu").json["rows"]
    record_id = rows[0]["record_id"]
    with open_store(store_file, read_only=True) as store:
        record = store.get(record_id)
    whole = ask(f"/download/record.json?id={record_id}")
    assert HopRecord.model_validate_json(whole.body) == record
    assert whole.headers["content-disposition"].startswith('attachment; filename="li6ps5cl_Cu_h1_')

    from ase.io import read

    frames = read(
        io.StringIO(ask(f"/download/path.extxyz?id={record_id}").body.decode()), ":", "extxyz"
    )
    assert len(frames) == len(record.images)
    assert np.allclose([f.positions for f in frames], record.images.xyz, atol=1e-7)
    table = ask("/download/barriers.csv?ion=Cu&sort=barrier")
    found = list(csv.DictReader(io.StringIO(table.body.decode())))
    barriers = [float(row["barrier"]) for row in found]
    assert len(found) == 6
    assert barriers == sorted(barriers)


def test_a_store_that_grows_is_seen(tmp_path, make_record):
    from dualion.explorer.levels import Theories
    from dualion.explorer.questions import read_question
    from dualion.explorer.view import view

    path = tmp_path / "b.sqlite"
    with open_store(path) as writing, open_store(path, read_only=True) as reading:
        theories = Theories(reading)
        assert view(read_question(""), reading, theories)["table"]["count"] == 0
        writing.add(make_record())
        assert view(read_question(""), reading, theories)["table"]["count"] == 1


# What does harm, or would like to.


@pytest.fixture(autouse=True)
def untouched(store_file):
    before = hashlib.sha256(store_file.read_bytes()).hexdigest()
    yield
    assert hashlib.sha256(store_file.read_bytes()).hexdigest() == before


@pytest.mark.parametrize(
    "target",
    [
        "/../../etc/passwd",
        "/static/../../../etc/passwd",
        "/static/..%2f..%2f..%2fetc%2fpasswd",
        "/static/%2e%2e/server.py",
        "//etc/passwd",
        "/static/",
        "/static/index.html",
        "/static/main.js%00.css",
        "/api/",
        "/download/",
        "/api/record/../view",
    ],
)
def test_only_what_is_listed_can_be_asked_for(ask, target):
    answer = ask(target)
    assert answer.status == 404
    assert answer.json["error"] == "there is no such page"


@pytest.mark.parametrize(
    "query",
    [
        "min=nan",
        "max=-inf",
        "sort=barrier;DROP TABLE records",
        "offset=9e99",
        "unknown=1",
        "ion=%00",
        "ion=%ff%fe",
        "mechanism=<script>",
    ],
)
def test_a_bad_query_is_refused_in_words(ask, query):
    for path in ("/api/view", "/api/rows", "/download/barriers.csv"):
        answer = ask(f"{path}?{query.replace(' ', '%20')}")
        assert answer.status == 400
        assert answer.json["error"]


def test_a_name_that_is_code_is_a_name(ask, hostile):
    rows = ask(f"/api/rows?framework={quote(hostile, safe='')}").json
    assert rows["count"] == 6
    assert {row["framework"] for row in rows["rows"]} == {hostile}
    record_id = rows["rows"][0]["record_id"]
    assert ask(f"/api/record?id={record_id}").json["framework"] == hostile
    for path in ("record.json", "path.extxyz"):
        name = ask(f"/download/{path}?id={record_id}").headers["content-disposition"]
        assert re.fullmatch(r'attachment; filename="[\w-]+\.(json|extxyz)"', name)
    nothing = ask(f"/api/rows?framework={quote('x' + chr(39) + ' OR 1=1 --')}")
    assert nothing.json["count"] == 0


def test_a_formula_in_a_name_is_no_formula_in_the_table(tmp_path, make_record):
    from dualion.explorer.downloads import table_csv
    from dualion.store.base import EVERYTHING

    with open_store(tmp_path / "b.sqlite") as store:
        store.add(make_record(framework='=HYPERLINK("x")', forward=0.2, reverse=0.1))
        text = b"".join(table_csv(store.columns(), EVERYTHING)).decode()
    row = next(csv.DictReader(io.StringIO(text)))
    assert row["framework"] == '\'=HYPERLINK("x")'
    assert float(row["barrier"]) == 0.2


@pytest.mark.parametrize("characters", [LONGEST + 1, 10**6])
def test_a_query_without_end_is_cut_off(server, characters):
    with socket.create_connection(server.server_address[:2], timeout=20) as line:
        text = (
            f"GET /api/view?framework={'a' * characters} HTTP/1.1\r\n"
            "Host: localhost\r\nConnection: close\r\n\r\n"
        )
        with suppress(ConnectionError):  # it had heard enough
            line.sendall(text.encode())
        answer = everything(line)
    # A million characters may be cut off before they are all sent, and the answer with them.
    assert answer.startswith((b"HTTP/1.1 414", b"HTTP/1.1 400")) or (
        characters > 2**16 and answer == b""
    )


@pytest.mark.parametrize("record_id", ["x", "a" * 400, "' OR ''='", "../../etc/passwd", "<b>"])
def test_a_record_that_is_not_there(ask, record_id):
    for path in ("/api/record", "/api/network", "/download/record.json", "/download/path.extxyz"):
        answer = ask(f"{path}?id={quote(record_id, safe='')}")
        assert answer.status == 404
        assert "no record" in answer.json["error"]


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "169.254.169.254", "", "[::]"],
)
def test_another_host_name_is_refused(ask, host):
    answer = ask("/api/view", Host=host)
    assert answer.status == 403
    assert "levels" not in answer.json


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9", "[::1]:8737", "LOCALHOST:1"])
def test_a_tunnel_may_change_the_port(ask, host):
    assert ask("/api/view", Host=host).status == 200


def test_two_host_names_or_none_are_refused(server):
    for hosts in ("", "Host: localhost\r\nHost: evil.example\r\n"):
        with socket.create_connection(server.server_address[:2], timeout=20) as line:
            line.sendall(f"GET /api/view HTTP/1.1\r\n{hosts}\r\n".encode())
            assert line.recv(4096).startswith(b"HTTP/1.1 403")


def test_another_site_is_refused(ask):
    assert ask("/api/view", Origin="http://evil.example").status == 403
    assert ask("/api/view", Origin="null").status == 403
    assert ask("/api/view", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status == 403
    # A link on another page may lead here.
    assert ask("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_only_reading_is_allowed(ask, method):
    answer = ask("/api/view", method=method, Content_Length="0")
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert "content-security-policy" in answer.headers


def test_a_body_is_not_taken_for_the_next_request(server):
    with socket.create_connection(server.server_address[:2], timeout=20) as line:
        inner = b"GET /api/view HTTP/1.1\r\nHost: localhost\r\n\r\n"
        head = f"GET /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(inner)}\r\n\r\n"
        line.sendall(head.encode() + inner)
        answer = everything(line)
    assert answer.count(b"HTTP/1.1 ") == 1


def test_head_has_no_body(ask):
    answer = ask("/api/view", method="HEAD")
    assert answer.status == 200
    assert answer.body == b""
    assert int(answer.headers["content-length"]) > 100


def test_a_damaged_record_is_told_and_the_page_goes_on(tmp_path, make_record):
    import sqlite3

    from dualion.explorer.server import Explorer

    path = tmp_path / "b.sqlite"
    with open_store(path) as store:
        store.add(make_record())
        store.add(make_record(moving_ion="Cu"))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE bodies SET body = x'00' WHERE id = 1")
    with open_store(path, read_only=True) as store:
        page = Explorer(store)
        ids = store.ids()
        assert page.reply(f"/api/record?id={ids[0]}").status == 503
        assert page.reply(f"/api/record?id={ids[1]}").status == 200
        assert page.reply(f"/api/network?id={ids[1]}").status == 200
        assert page.reply("/api/view").status == 200


def test_the_server_listens_on_this_machine_only(server):
    assert server.server_address[0] == "127.0.0.1"
