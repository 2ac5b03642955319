"""The OPTIMADE API over HTTP: GET and HEAD only, on this machine unless told otherwise."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

from dualion.errors import RunError
from dualion.store.base import BarrierStore
from dualion.store.optimade.api import Api
from dualion.store.optimade.entries import Entries

HOST = "127.0.0.1"
LONGEST = 8_000
"""Characters of an address."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def optimade_server(store: BarrierStore, *, host: str = HOST, port: int = 0) -> ThreadingHTTPServer:
    """Make a server of the entries that a store has now; ``serve_forever`` starts it.

    Parameters
    ----------
    store
        Open for reading, as long as the server runs.
    host, port
        Where it listens; port 0: a free one.

    Raises
    ------
    InputError
        If the package optimade is not installed.
    RunError
        If it cannot listen there.
    """
    entries = Entries(store)

    class Handler(_Handler):
        pass

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except (OSError, OverflowError) as error:
        raise RunError(
            f"cannot listen ({error})", where=f"{host}:{port}", remedy="name another --port"
        ) from error
    place = server.server_address[1]
    Handler.api = Api(entries, f"http://{host}:{place}")
    Handler.hosts = (
        frozenset(f"{name}:{place}" for name in _LOOPBACK) if host in _LOOPBACK else None
    )
    return server


class _Handler(BaseHTTPRequestHandler):
    api: ClassVar[Api]
    hosts: ClassVar[frozenset[str] | None]
    """Names a browser may know it by: others are pages elsewhere that try to read it."""

    server_version = "dualion"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """Answer a request."""
        if self.hosts is not None and self.headers.get("Host", "") not in self.hosts:
            self.send_error(403, "this name is not served")
            return
        if len(self.path) > LONGEST:
            self.send_error(414)
            return
        address = urlsplit(self.path)
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        answer = self.api.answer(address.path, query)
        self.send_response(answer.status, "" if answer.status != 553 else "Version Not Supported")
        self.send_header("Content-Type", answer.media)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_HEAD = do_GET  # noqa: N815 - the name http.server looks for

    def log_message(self, *_: object) -> None:
        """Say nothing of single requests."""
