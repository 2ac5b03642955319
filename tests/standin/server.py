"""A database server of a test's own, to use, kill and start again."""

from __future__ import annotations

import ast
import contextlib
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

SCRIPT = Path(__file__).with_name("mongod.py")


class Mongod:
    """A running stand-in for MongoDB; started again, it listens on the same port."""

    def __init__(
        self, arguments: list[str], *, port: int, user: str | None, password: str | None
    ) -> None:
        self.port = port
        self._arguments = arguments
        self._user, self._password = user, password
        self._process: subprocess.Popen[str] | None = None

    def address(self, database: str = "") -> str:
        """Return the address for clients, with user and password if the server wants them."""
        place = f"127.0.0.1:{self.port}/{database}"
        if self._user is None or self._password is None:
            return f"mongodb://{place}"
        who = f"{quote(self._user, safe='')}:{quote(self._password, safe='')}"
        return f"mongodb://{who}@{place}?authSource=admin"

    def start(self, *, timeout: float = 60.0) -> None:
        """Start the server and wait until it listens; `timeout` in seconds."""
        command = [sys.executable, str(SCRIPT), str(self.port), *self._arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], timeout)
        line = process.stdout.readline() if ready else ""
        if not line.startswith("ready "):
            process.kill()
            process.wait()
            process.stdout.close()
            raise RuntimeError(f"the server did not start on port {self.port}: {line!r}")
        self.port = ast.literal_eval(line.removeprefix("ready "))[1]
        self._process = process

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask the server to end, and wait."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(60)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@contextlib.contextmanager
def running_mongod(
    snapshot: Path | None = None,
    port: int = 0,
    user: str | None = None,
    password: str | None = None,
    journal_limit: int | None = None,
) -> Iterator[Mongod]:
    """Run a server on loopback for as long as the context lasts.

    Parameters
    ----------
    snapshot
        File that keeps what is stored; without it, a server that ends forgets.
    port
        0 for any that is free.
    user, password
        What clients must know; without them, the server lets everyone in.
    journal_limit
        Size in bytes past which the journal is folded into the snapshot.
    """
    with tempfile.TemporaryDirectory() as folder:
        arguments = [] if snapshot is None else [str(snapshot)]
        if journal_limit is not None:
            arguments += ["--journal-limit", str(journal_limit)]
        if user is not None:
            file = Path(folder) / "password"
            file.write_text(password or "")
            arguments += ["--user", user, "--password-file", str(file)]
        server = Mongod(arguments, port=port, user=user, password=password)
        server.start()
        try:
            yield server
        finally:
            server.stop()
