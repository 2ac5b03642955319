"""A stand-in for MongoDB on loopback: the real wire protocol over documents in memory.

::

    python tests/standin/mongod.py PORT [SNAPSHOT_FILE] [--user NAME --password-file FILE]

For tests on a machine without mongod: clients in many processes talk to it over TCP. One thread
does one command at a time, so findAndModify is atomic. With SNAPSHOT_FILE no acknowledged write is
lost to a kill -9. It has no transactions and one user at most, and it proves nothing about mongod.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import signal
import sys
from pathlib import Path
from typing import Any

if __package__ in {None, ""}:  # run as a script: this folder's modules belong to a package
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from standin import wire
from standin.collection import Data
from standin.commands import OK, Commands, failure, is_write, name_of, settle
from standin.journal import Journal
from standin.scram import MECHANISM, Account, AuthenticationError, Conversation

LOG = logging.getLogger("standin")
Document = dict[str, Any]
# As mongod has it: these tell a client how to log in, or nothing.
OPEN_TO_ALL = {"hello", "ismaster", "ping", "buildinfo", "endsessions"}
ACCOUNTS_DATABASE = "admin"


class Connection:
    """One client's connection: who it is, and what it may do."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._trusted = server.account is None
        self._conversation: Conversation | None = None

    def run(self, command: Document) -> Document:
        """Answer one command."""
        name = name_of(command)
        if name in {"saslstart", "saslcontinue"}:
            try:
                return self._authenticate(name, command)
            except AuthenticationError as error:
                LOG.warning("refused: %s", error)
                self._conversation = None
                return failure(18, "AuthenticationFailed", "Authentication failed.")
        if not self._trusted and name not in OPEN_TO_ALL:
            return failure(
                13, "Unauthorized", f"command {next(iter(command), '')} requires authentication"
            )
        reply = self._server.run(command)
        if "saslSupportedMechs" in command and self._server.account:
            reply = reply | {"saslSupportedMechs": [MECHANISM]}
        return reply

    def _authenticate(self, name: str, command: Document) -> Document:
        account = self._server.account
        if account is None or command.get("$db") != ACCOUNTS_DATABASE:
            raise AuthenticationError(f"no users in database {command.get('$db')}")
        payload = bytes(command.get("payload", b""))
        if name == "saslstart":
            if command.get("mechanism") != MECHANISM:
                raise AuthenticationError(f"mechanism {command.get('mechanism')}")
            self._conversation = Conversation(account)
            return {
                "conversationId": 1,
                "done": False,
                "payload": self._conversation.first(payload),
            } | OK
        if self._conversation is None:
            raise AuthenticationError("no conversation was begun")
        answer = self._conversation.final(payload)
        self._trusted = True
        return {"conversationId": 1, "done": True, "payload": answer} | OK


class Server:
    """The data, their journal, and the connections."""

    def __init__(self, snapshot: Path | None, account: Account | None, journal_limit: int) -> None:
        self.account = account
        self._open: dict[asyncio.StreamWriter, asyncio.Task[Any] | None] = {}
        self._commands = Commands(Data())
        self._journal = Journal(snapshot, self._commands, limit=journal_limit) if snapshot else None

    def run(self, command: Document) -> Document:
        """Do a command; a write goes to the journal first."""
        if is_write(command):
            fresh = settle(command)
            if self._journal:
                try:
                    self._journal.append(command, fresh)
                except OSError as error:
                    return failure(14031, "OutOfDiskSpace", error)
            self._commands.data.fresh.clear()
            self._commands.data.fresh.extend(fresh)
        return self._commands.run(command)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it goes."""
        connection, numbers = Connection(self), itertools.count(1)
        self._open[writer] = asyncio.current_task()
        try:
            while True:
                header = await reader.readexactly(wire.HEADER.size)
                size = wire.HEADER.unpack(header)[0] - wire.HEADER.size
                request = wire.parse(header, await reader.readexactly(size))
                reply = connection.run(request.command)
                if request.reply_wanted:
                    writer.write(wire.answer(request, reply, next(numbers)))
                    await writer.drain()
                if self._journal:
                    self._journal.fold_if_grown()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (wire.ProtocolError, ValueError) as error:
            LOG.warning("connection closed: %s", error)
        finally:
            del self._open[writer]
            writer.close()

    async def run_until_stopped(self, port: int) -> None:
        """Listen on loopback until SIGTERM or SIGINT; then write the snapshot."""
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        listener = await asyncio.start_server(self.serve, "127.0.0.1", port)
        address = listener.sockets[0].getsockname()
        print("ready", address, flush=True)  # noqa: T201 - whoever started it waits for this
        await stopped.wait()
        listener.close()
        serving = [task for task in self._open.values() if task]
        for writer in self._open:
            writer.close()
        if serving:
            await asyncio.wait(serving, timeout=5)
        if self._journal:
            self._journal.fold()


def main() -> None:
    """Run a server from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("port", type=int, help="0: any that is free")
    parser.add_argument("snapshot", type=Path, nargs="?", help="file that keeps what is stored")
    parser.add_argument("--user", help="demand SCRAM-SHA-256 of this user (database admin)")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--journal-limit", type=int, default=64 * 1024 * 1024, metavar="BYTES")
    given = parser.parse_args()
    if bool(given.user) != bool(given.password_file):
        parser.error("--user and --password-file go together")
    account = None
    if given.user:
        account = Account.of(given.user, given.password_file.read_text().rstrip("\n"))
    server = Server(given.snapshot, account, given.journal_limit)
    asyncio.run(server.run_until_stopped(given.port))


if __name__ == "__main__":
    main()
