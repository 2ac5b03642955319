"""The server of the page: one machine, reading only, GET and HEAD only."""

from __future__ import annotations

import json
import math
import socket
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from dualion.errors import DualionError, InputError, RunError
from dualion.explorer.downloads import file_name, path_extxyz, record_json, table_csv
from dualion.explorer.guard import HEADERS, refusal
from dualion.explorer.levels import Theories
from dualion.explorer.network import network_answer
from dualion.explorer.pages import pages
from dualion.explorer.questions import LONGEST, Question, read_id, read_question
from dualion.explorer.record import record_answer
from dualion.explorer.view import level_filter, rows, view

if TYPE_CHECKING:
    from dualion.records import HopRecord
    from dualion.store.base import BarrierStore
    from dualion.store.columns import Columns

HOST = "127.0.0.1"
_VIEWS = 32
"""Answers to the same question that are remembered."""
_SECONDS = 30.0
"""A connection that says nothing for so long is closed."""


class Reply(NamedTuple):
    """What is sent back."""

    status: HTTPStatus
    media: str
    body: bytes | Iterator[bytes]
    name: str = ""
    """File name, where it is to be saved."""


class NoRecordError(InputError):
    """A record is asked for that the store does not hold."""


_STATUS = {
    NoRecordError: HTTPStatus.NOT_FOUND,
    InputError: HTTPStatus.BAD_REQUEST,
    DualionError: HTTPStatus.SERVICE_UNAVAILABLE,
}


class Explorer:
    """Answers to what the page asks of one store.

    Parameters
    ----------
    store
        Open for reading.
    """

    def __init__(self, store: BarrierStore) -> None:
        self.store = store
        self.theories = Theories(store)
        self.pages = pages()
        self._lock = Lock()
        self._seen: Columns | None = None
        self._views: dict[Question, Reply] = {}
        self._answers: dict[str, Callable[[str], Reply]] = {
            "/api/view": self._view,
            "/api/rows": lambda q: _json(rows(read_question(q), store, self.theories)),
            "/api/record": lambda q: _json(record_answer(self._record(q), store)),
            "/api/network": lambda q: _json(network_answer(self._record(q, images=False), store)),
            "/download/record.json": self._record_json,
            "/download/path.extxyz": self._path,
            "/download/barriers.csv": self._table,
        }

    def reply(self, target: str) -> Reply:
        """Answer a request for a path with a query string; errors become replies too."""
        parts = urlsplit(target)
        if len(target) > LONGEST + 100:
            return _error(HTTPStatus.REQUEST_URI_TOO_LONG, "the address is too long")
        page = self.pages.get(parts.path)
        if page is not None:
            return Reply(HTTPStatus.OK, page.media, page.body)
        answer = self._answers.get(parts.path)
        if answer is None:
            return _error(HTTPStatus.NOT_FOUND, "there is no such page")
        try:
            return answer(parts.query)
        except DualionError as error:
            status = next(code for kind, code in _STATUS.items() if isinstance(error, kind))
            return _error(status, str(error))

    def _view(self, query: str) -> Reply:
        """Answer a view; of one state of the store, the last few are remembered."""
        question, columns = read_question(query), self.store.columns()
        with self._lock:
            if self._seen is not columns:
                self._seen = columns
                self._views.clear()
            kept = self._views.get(question)
        if kept is None:
            kept = _json(view(question, self.store, self.theories))
            with self._lock:
                if self._seen is columns:
                    self._views[question] = kept
                    while len(self._views) > _VIEWS:
                        del self._views[next(iter(self._views))]
        return kept

    def _record(self, query: str, *, images: bool = True) -> HopRecord:
        record_id = read_id(query)
        record = self.store.get(record_id, images=images)
        if record is None:
            raise NoRecordError(
                f"there is no record {record_id[:40]!r}", where="id", remedy="look for another"
            )
        return record

    def _record_json(self, query: str) -> Reply:
        record = self._record(query)
        name = file_name(record, ".json")
        return Reply(HTTPStatus.OK, "application/json", record_json(record), name)

    def _path(self, query: str) -> Reply:
        record = self._record(query)
        if record.images is None:
            raise NoRecordError("no geometries are kept for this record", where="id")
        name = file_name(record, ".extxyz")
        return Reply(HTTPStatus.OK, "text/plain; charset=utf-8", path_extxyz(record), name)

    def _table(self, query: str) -> Reply:
        columns = self.store.columns()
        wanted = level_filter(read_question(query), columns, self.theories)
        media = "text/csv; charset=utf-8"
        return Reply(HTTPStatus.OK, media, table_csv(columns, wanted), "barriers.csv")


def _json(answer: object, status: HTTPStatus = HTTPStatus.OK) -> Reply:
    text = json.dumps(_plain(answer), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Reply(status, "application/json", text.encode("utf-8", errors="replace"))


def _plain(value: Any) -> Any:  # noqa: ANN401 - any plain data
    """Put null in the place of what is no finite number: JSON has no other word for it."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _error(status: HTTPStatus, text: str) -> Reply:
    return _json({"error": text}, status)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "dualion"
    sys_version = ""
    timeout = _SECONDS
    # Headers and body are two writes: held back, the second waits 40 ms for the first.
    disable_nagle_algorithm = True
    server: ExplorerServer

    def do_GET(self) -> None:
        """Answer with a body."""
        self._send(self._reply())

    def do_HEAD(self) -> None:
        """Answer without one."""
        self._send(self._reply(), body=False)

    def _reply(self) -> Reply:
        refused = refusal(self.headers)
        if refused is not None:
            self.close_connection = True
            return _error(HTTPStatus.FORBIDDEN, refused)
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body is not read, nor taken for the next request
        try:
            return self.server.explorer.reply(self.path)
        except Exception:  # noqa: BLE001 - a fault in one answer must not end the others
            traceback.print_exc(file=sys.stderr)
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault of dualion: see the terminal")

    def _send(
        self, reply: Reply, *, body: bool = True, further: dict[str, str] | None = None
    ) -> None:
        whole = isinstance(reply.body, bytes)
        if not whole:
            self.close_connection = True  # the end of the stream is the end of the connection
        try:
            self.send_response(reply.status)
            for name, value in {**HEADERS, **(further or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Type", reply.media)
            if whole:
                self.send_header("Content-Length", str(len(reply.body)))  # type: ignore[arg-type]
            if reply.name:
                self.send_header("Content-Disposition", f'attachment; filename="{reply.name}"')
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            if body:
                for part in _parts(reply.body):
                    self.wfile.write(part)
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # the reader went away

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Say what the library found wrong in the same form as all else.

        Its own words are left out: they quote the request. A method without a ``do_`` is one that
        is not allowed here.
        """
        del message, explain
        self.close_connection = True
        self.request_version = getattr(self, "request_version", "") or "HTTP/1.1"
        self.requestline = getattr(self, "requestline", "")
        if code == HTTPStatus.NOT_IMPLEMENTED:
            reply = _error(HTTPStatus.METHOD_NOT_ALLOWED, "this page can only be read")
            self._send(reply, further={"Allow": "GET, HEAD"})
        else:
            self._send(_error(HTTPStatus(code), HTTPStatus(code).phrase.lower()))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: a terminal is no log of what somebody looked at."""

    def log_error(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing of a reader that went away."""


def _parts(body: bytes | Iterator[bytes]) -> Iterable[bytes]:
    return (body,) if isinstance(body, bytes) else body


class ExplorerServer(ThreadingHTTPServer):
    """A server on this machine's own address.

    Parameters
    ----------
    store
        Open for reading.
    port
        0: one that is free.

    Raises
    ------
    RunError
        If the port cannot be had.
    """

    daemon_threads = True
    # On Linux this lets a port be used again at once, not by two servers at a time.
    allow_reuse_address = True

    def __init__(self, store: BarrierStore, port: int = 0) -> None:
        self.explorer = Explorer(store)
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            raise RunError(
                f"port {port} cannot be used ({(error.strerror or 'refused').lower()})",
                where=HOST,
                remedy="name another with --port, or --port 0 for any that is free",
            ) from error

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{HOST}:{self.server_address[1]}/"

    def server_bind(self) -> None:
        """Bind without asking a name server for this machine's name."""
        socket_address = self.server_address
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(socket_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a connection that broke; a real fault is told by the handler."""
        del request, client_address
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            traceback.print_exc(file=sys.stderr)
